//! A sink that writes to a stream store ([`StoreSink`]): one stream and one registry group per table, and the
//! position in a table of the store.

mod appends;
mod dead_letter;
pub(crate) mod deletion;
mod encoder;
mod history;
mod names;
pub(crate) mod positions;
mod settings;
pub(crate) mod signals;
mod streams;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use names::sanitize_name;
pub use settings::{RefusedSchema, StoreSettings};

use crate::batch::{Batch, Destination, Entry};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Sink};
use appends::{Encoded, Refusal, Refused};
use async_trait::async_trait;
use bytes::Bytes;
use kulya_registry_api::SchemaRegistry;
use kulya_store::framing::MAX_EVENT_BYTES;
use kulya_store::supervision;
use kulya_store::{
    Append, Commit, Condition, Scope, StreamStore, TableChange, TableId, Transaction, Version,
};
use std::sync::Arc;
use streams::{Route, Streams};
use tokio_util::task::AbortOnDropHandle;

/// The maximum size of a commit in memory, in bytes; a larger one is staged in a transaction of the store.
const STAGE_BYTES: usize = 4 << 20;
/// The size in bytes from which a batch is worth the way to another task.
const LARGE_BATCH_BYTES: usize = 64 << 10;

/// A sink that writes each table's records to its own stream, in order per key. Tombstones, which have no
/// value, are skipped.
pub struct StoreSink {
    store: Arc<dyn StreamStore>,
    name: String,
    streams: Streams,
    positions: TableId,
    version: Option<Version>,
    /// The number of entries of the stored history.
    history_entries: usize,
    transaction: Option<Box<dyn Transaction>>,
    /// The topic of records in place of events that are too large.
    dead_letters: Arc<Destination>,
    /// The number of such records.
    dead_letter_count: u64,
}

impl StoreSink {
    /// Creates the scope and the table of positions, if they do not exist.
    ///
    /// # Errors
    /// `Store` for an invalid scope name or when the store fails; `Unreachable`.
    pub async fn new(
        store: impl Into<Arc<dyn StreamStore>>,
        registry: impl Into<Arc<dyn SchemaRegistry>>,
        settings: StoreSettings,
    ) -> CdcResult<Self> {
        let store = store.into();
        let scope = Scope::new(&settings.scope)?;
        store.create_scope(&scope).await?;
        let positions = positions::create_table(&*store).await?;
        let name = settings.name.clone();
        let dead_letters = Arc::new(Destination::of_topic(format!("{name}.dead-letter")));
        let streams = Streams::new(Arc::clone(&store), registry.into(), settings, scope);
        Ok(Self {
            store,
            name,
            streams,
            positions,
            version: None,
            history_entries: 0,
            transaction: None,
            dead_letters,
            dead_letter_count: 0,
        })
    }

    /// Encodes a batch, and gives its appends to `write`. A large one is encoded and written on another task:
    /// the source, which shares the sink's task, fills the next batch meanwhile.
    async fn write<T, F>(
        &mut self,
        batch: Batch,
        write: impl FnOnce(Vec<Append>) -> F + Send + 'static,
    ) -> CdcResult<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut dead_letters = Vec::new();
        for omitted in batch.omitted() {
            dead_letters.push(self.dead_letter(omitted.destination, omitted.key, omitted.bytes).await?);
        }
        let is_large = batch.size() >= LARGE_BATCH_BYTES;
        let (bytes, entries, destinations) = batch.into_parts();
        let mut routes: Vec<Route> = Vec::with_capacity(destinations.len());
        for (destination, has_events) in destinations.iter().zip(have_events(&entries, destinations.len())) {
            routes.push(match has_events {
                true => self.streams.route(destination).await?,
                false => Route::Unused,
            });
        }
        let work = async move {
            let Encoded { mut appends, refused } = appends::encode(entries, &destinations, &routes, &bytes);
            // of another stream, so that the order among both does not matter
            appends.append(&mut dead_letters);
            match refused.is_empty() {
                true => Ok(write(appends).await),
                false => Err((appends, refused, write, destinations, bytes)),
            }
        };
        let done = if is_large { on_another_task(work).await? } else { work.await };
        let (mut appends, refused, write, destinations, bytes) = match done {
            Ok(done) => return Ok(done),
            Err(refused) => refused,
        };
        for refused in refused {
            // an entry's destination is one of the batch
            let destination = &destinations[refused.entry.destination];
            appends.push(self.refused(refused, destination, &bytes).await?);
        }
        Ok(write(appends).await)
    }

    async fn refused(
        &mut self,
        Refused { entry, why }: Refused,
        destination: &Destination,
        bytes: &Bytes,
    ) -> CdcResult<Append> {
        let key = entry.parts.key.map(|key| key.of(bytes));
        let json = entry.parts.value.map(|value| value.of(bytes)).unwrap_or_default();
        match why {
            Refusal::TooLarge(size) => self.dead_letter(destination, key, size).await,
            Refusal::NotEncodable(reason) => {
                let reason = format!("the event cannot be encoded: {reason}");
                let topic = &destination.topic;
                tracing::error!(topic, reason, "an event goes to the dead-letter stream");
                self.refused_event(destination, key, json, &reason).await
            }
            Refusal::OfSchema(reason) => self.refused_event(destination, key, json, &reason).await,
        }
    }

    async fn refused_event(
        &mut self,
        destination: &Destination,
        key: Option<&[u8]>,
        event: &[u8],
        reason: &str,
    ) -> CdcResult<Append> {
        let mut record = dead_letter::of_refused_event(destination, key, event, reason);
        if record.len() > MAX_EVENT_BYTES {
            record = dead_letter::record(destination, key, event.len());
        }
        self.dead_letter_append(record).await
    }

    async fn dead_letter(
        &mut self,
        destination: &Destination,
        key: Option<&[u8]>,
        size: usize,
    ) -> CdcResult<Append> {
        let record = dead_letter::record(destination, key, size);
        tracing::error!(
            record,
            "an event is larger than a stream takes: a record of it is in the dead-letter stream"
        );
        self.dead_letter_append(record).await
    }

    async fn dead_letter_append(&mut self, record: String) -> CdcResult<Append> {
        self.dead_letter_count += 1;
        let topic = Arc::clone(&self.dead_letters);
        let stream = self.streams.topic_stream(&topic).await?;
        Ok(Append::keyed(&stream, topic.topic.clone(), record))
    }

    /// Takes the open transaction, or begins one.
    async fn take_transaction(&mut self) -> CdcResult<Box<dyn Transaction>> {
        match self.transaction.take() {
            Some(transaction) => Ok(transaction),
            None => Ok(self.store.begin().await?),
        }
    }

    /// Returns the changes of the table of positions.
    fn changes(&self, checkpoint: &Checkpoint) -> Vec<TableChange> {
        let condition = self.version.map_or(Condition::Absent, Condition::At);
        let value = serde_json::to_vec(&checkpoint.position).expect("a position serializes without errors");
        let mut changes = vec![TableChange::put(&self.positions, self.name.clone(), condition, value)];
        if let Some(history) = &checkpoint.history {
            changes.extend(history::changes(&self.positions, &self.name, history, self.history_entries));
        }
        changes
    }
}

/// Returns which destinations have events, or are declared without: those that have only tombstones do not.
fn have_events(entries: &[Entry], destinations: usize) -> Vec<bool> {
    let (mut with_value, mut without_value) = (vec![false; destinations], vec![false; destinations]);
    for entry in entries {
        let list = if entry.parts.value.is_some() { &mut with_value } else { &mut without_value };
        if let Some(has_entry) = list.get_mut(entry.destination) {
            *has_entry = true;
        }
    }
    with_value.iter().zip(without_value).map(|(with, without)| *with || !without).collect()
}

async fn on_another_task<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> CdcResult<T> {
    match AbortOnDropHandle::new(supervision::spawn_logged("writer of changes", work)).await {
        Ok(Some(done)) => Ok(done),
        Ok(None) => Err(CdcError::new(CdcErrorKind::Store, "the writer of changes panicked: see the log")),
        Err(_) => Err(CdcError::new(CdcErrorKind::Unreachable, "the program stops")),
    }
}

#[async_trait]
impl Sink for StoreSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.transaction = None;
        let found = positions::read(&*self.store, &self.name).await?;
        let Some((checkpoint, version, history_entries)) = found else {
            self.version = None;
            return Ok(None);
        };
        (self.version, self.history_entries) = (Some(version), history_entries);
        Ok(Some(checkpoint))
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        let mut transaction = self.take_transaction().await?;
        let stage = |appends| async move { transaction.stage(appends).await.map(|()| transaction) };
        self.transaction = Some(self.write(batch, stage).await??);
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        let changes = self.changes(checkpoint);
        let committed = if self.transaction.is_some() || batch.size() > STAGE_BYTES {
            let mut transaction = self.take_transaction().await?;
            let commit = |appends| async move {
                transaction.stage(appends).await?;
                transaction.commit(changes).await
            };
            self.write(batch, commit).await??
        } else {
            let store = Arc::clone(&self.store);
            let commit =
                |appends| async move { store.commit(Commit { appends, changes, ..Commit::default() }).await };
            self.write(batch, commit).await??
        };
        self.version = committed.versions.first().copied();
        if let Some(history) = &checkpoint.history {
            self.history_entries = history::entries(history);
        }
        Ok(())
    }

    fn dead_letters(&self) -> u64 {
        self.dead_letter_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColumnDescription, Position, RowSchema};
    use kulya_registry::Registry;
    use kulya_store::StreamId;
    use kulya_store::clock::SystemClock;
    use kulya_store::memory::MemoryStore;

    fn schema(schema: &str, table: &str) -> Arc<RowSchema> {
        let (prefix, columns, key) = ("p".into(), Vec::new(), Vec::new());
        Arc::new(RowSchema { prefix, schema: schema.into(), table: table.into(), columns, key })
    }

    fn destination(schema: &str, table: &str) -> Arc<Destination> {
        Arc::new(Destination::of_table(self::schema(schema, table)))
    }

    async fn sink(store: &MemoryStore, name: &str) -> StoreSink {
        let registry = Registry::new(store.clone(), SystemClock).unwrap();
        let settings = StoreSettings {
            name: name.into(),
            scope: "scope".into(),
            stream_template: "{table}".into(),
            segments: 1,
            encoding: crate::debezium::Encoding::default(),
            refused_schema: RefusedSchema::default(),
        };
        let mut sink = StoreSink::new(store.clone(), registry, settings).await.unwrap();
        assert_eq!(sink.position().await.unwrap(), None);
        sink
    }

    fn checkpoint() -> Checkpoint {
        let text = r#"{"system":"1","database":"d","slot":"s","lsn":1}"#;
        serde_json::from_str::<Position>(text).unwrap().into()
    }

    async fn stream(sink: &mut StoreSink, destination: &Arc<Destination>) -> String {
        match sink.streams.route(destination).await.unwrap() {
            Route::Stream(stream, _) => stream.name.as_str().to_owned(),
            refused => panic!("{refused:?}"),
        }
    }

    async fn read(store: &MemoryStore, name: &str) -> Vec<String> {
        let stream = StreamId::new("scope", name).unwrap();
        let events = kulya_store::bounded_read(store, &stream).await.unwrap();
        events.iter().map(|(_, event)| String::from_utf8_lossy(event).into_owned()).collect()
    }

    #[tokio::test]
    async fn refused_schema_stops_its_table_alone() {
        let store = MemoryStore::new();
        let registry = Registry::new(store.clone(), SystemClock).unwrap();
        let mut sink = sink(&store, "shop").await;
        let version = |columns: &[(&str, &str)]| {
            let columns = columns.iter().map(|(name, connect_type)| ColumnDescription {
                name: (*name).to_owned(),
                optional: false,
                connect_type: (*connect_type).to_owned().into(),
                connect_name: None,
                parameters: Vec::new(),
                items: None,
                default: None,
                history: crate::ColumnHistory::default(),
            });
            let (prefix, schema, table) = ("p".into(), "s".into(), "t".into());
            let (columns, key) = (columns.collect(), Vec::new());
            Arc::new(Destination::of_table(Arc::new(RowSchema { prefix, schema, table, columns, key })))
        };
        let (first, other) = (version(&[("a", "int32")]), destination("s", "other"));
        let mut write = async |events: &[(&Arc<Destination>, &str)]| {
            let mut batch = Batch::default();
            for (destination, event) in events {
                batch.push_copy(destination, None, Some(event.as_bytes()));
            }
            sink.commit(batch, &checkpoint()).await
        };
        write(&[(&first, "1"), (&other, "1")]).await.unwrap();
        let group = kulya_schema::GroupId::new("scope", "t");
        registry.update_compatibility(&group, kulya_schema::Compatibility::DenyAll, None).await.unwrap();
        let second = version(&[("a", "string")]);
        write(&[(&first, "2"), (&second, "3"), (&other, "2")]).await.unwrap();
        assert_eq!(
            (read(&store, "t").await, read(&store, "other").await),
            (vec!["1".into(), "2".into()], vec!["1".into(), "2".into()])
        );
        let letters = read(&store, "shop.dead-letter").await;
        assert!(letters.len() == 1 && letters[0].contains(r#""event":"3""#), "{letters:?}");
        registry.update_compatibility(&group, kulya_schema::Compatibility::AllowAny, None).await.unwrap();
        let third = version(&[("a", "int64")]);
        write(&[(&third, "4")]).await.unwrap();
        assert_eq!(read(&store, "t").await, ["1", "2", "4"]);
    }

    #[tokio::test]
    async fn transaction_larger_than_a_batch_is_visible_as_a_whole() {
        let store = MemoryStore::new();
        let mut sink = sink(&store, "shop").await;
        let tables = [destination("s", "a"), destination("s", "b")];
        let batch = |event: &str| {
            let mut batch = Batch::default();
            tables.iter().for_each(|table| batch.push_copy(table, None, Some(event.as_bytes())));
            batch
        };
        for part in ["1", "2", "3"] {
            sink.stage(batch(part)).await.unwrap();
            assert_eq!((read(&store, "a").await, read(&store, "b").await), (vec![], vec![]));
        }
        sink.commit(batch("4"), &checkpoint()).await.unwrap();
        sink.stage(batch("of a transaction that is read again")).await.unwrap();
        sink.position().await.unwrap();
        sink.commit(batch("5"), &checkpoint()).await.unwrap();
        for table in ["a", "b"] {
            assert_eq!(read(&store, table).await, ["1", "2", "3", "4", "5"]);
        }
    }

    #[tokio::test]
    async fn tables_never_share_a_stream() {
        let store = MemoryStore::new();
        let tables = [("s", "日本"), ("s", "中国"), ("s.a", "b"), ("s", "a.b")];
        let tables = tables.map(|(schema, table)| destination(schema, table));
        let expected = ["--", "--.2", "b", "a.b"];
        for round in ["first", "after a restart, in another order"] {
            let mut sink = sink(&store, "one").await;
            for table in tables.iter().rev().filter(|_| round != "first") {
                stream(&mut sink, table).await;
            }
            for (table, name) in tables.iter().zip(expected) {
                assert_eq!(stream(&mut sink, table).await, name, "{round}");
            }
        }
        // of another database
        let mut other = sink(&store, "two").await;
        assert_eq!(stream(&mut other, &tables[2]).await, "b.2");
        let topic = Arc::new(Destination::of_topic("b"));
        assert_eq!(stream(&mut other, &topic).await, "b.3");
    }

    #[tokio::test]
    async fn event_that_is_too_large_goes_to_the_dead_letter_stream() {
        let store = MemoryStore::new();
        let mut sink = sink(&store, "shop").await;
        let table = destination("s", "t");
        let mut batch = Batch::default();
        let large = vec![b'x'; MAX_EVENT_BYTES + 1];
        batch.push_copy(&table, Some(br#"{"id":1}"#), Some(&large));
        batch.push_copy(&table, Some(br#"{"id":1}"#), Some(b"small"));
        sink.commit(batch, &checkpoint()).await.unwrap();
        assert_eq!(read(&store, "t").await, ["small"]);
        let letters = read(&store, "shop.dead-letter").await;
        assert!(letters.len() == 1 && letters[0].contains(r#""table":"s.t""#), "{letters:?}");
        assert!(
            letters[0].contains(r#""key":"{\"id\":1}""#) && letters[0].contains("8388609"),
            "{letters:?}"
        );
    }

    #[tokio::test]
    async fn checkpoint_is_stored_with_its_history() {
        let store = MemoryStore::new();
        let mut sink = sink(&store, "shop").await;
        let history = Checkpoint { history: Some("tables".into()), ..checkpoint() };
        sink.commit(Batch::default(), &history).await.unwrap();
        assert_eq!(sink.position().await.unwrap(), Some(history.clone()));
        // the history stays until it changes
        sink.commit(Batch::default(), &checkpoint()).await.unwrap();
        assert_eq!(sink.position().await.unwrap(), Some(history));
    }
}
