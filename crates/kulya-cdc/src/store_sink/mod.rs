//! A sink that writes to a stream store ([`StoreSink`]): one stream and one registry group per table, and the
//! position in a table of the store.

mod dead_letter;
mod names;

pub(crate) use names::sanitize_name;

use crate::{CdcError, CdcErrorKind, CdcResult, Position, Record, RowSchema, Sink};
use async_trait::async_trait;
use kulya_registry_api::RegistryErrorKind;
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::framing::MAX_EVENT_BYTES;
use kulya_store::{
    Append, Commit, Condition, Scope, StreamConfig, StreamId, StreamStore, TableChange, TableId, Transaction,
    Version,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The maximum size of a commit in memory, in bytes; a larger one is staged in a transaction of the store.
const STAGE_BYTES: usize = 4 << 20;

/// The labels of a table's group: the format of its events, the table, and the capture's name.
const FORMAT_LABEL: &str = "format";
const TABLE_LABEL: &str = "source.table";
const SOURCE_LABEL: &str = "source.name";

/// The settings of a [`StoreSink`].
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The connector's name, under which the position is stored.
    pub name: String,
    /// The scope of the streams.
    pub scope: String,
    /// The template of stream names, with `{prefix}`, `{schema}` and `{table}`; invalid characters become
    /// `-`.
    pub stream_template: String,
    /// The number of segments of a new stream.
    pub segments: u32,
}

/// A sink that writes each table's records to its own stream, in order per key. Tombstones, which have no
/// value, are skipped.
pub struct StoreSink {
    store: Arc<dyn StreamStore>,
    registry: Arc<dyn SchemaRegistry>,
    settings: StoreSettings,
    scope: Scope,
    positions: TableId,
    version: Option<Version>,
    /// The streams by the table or topic that is written to them.
    streams: HashMap<String, StreamId>,
    /// The table of the last record, and its stream.
    last: Option<(Arc<RowSchema>, StreamId)>,
    buffer: Vec<Append>,
    buffered_bytes: usize,
    transaction: Option<Box<dyn Transaction>>,
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
        let (store, registry) = (store.into(), registry.into());
        let scope = Scope::new(&settings.scope)?;
        store.create_scope(&scope).await?;
        store.create_scope(&Scope::system("_kulya")).await?;
        let positions = TableId::system("_kulya", "cdc")?;
        store.create_table(&positions).await?;
        Ok(Self {
            store,
            registry,
            settings,
            scope,
            positions,
            version: None,
            streams: HashMap::new(),
            last: None,
            buffer: Vec::new(),
            buffered_bytes: 0,
            transaction: None,
        })
    }

    /// Returns the stream of a table, with its group; both are created on first use. A name that another
    /// table has already gets a number.
    ///
    /// # Errors
    /// `Configuration` when a thousand tables have the same name; `Store`, `Registry`, `Unreachable`.
    async fn table_stream(&mut self, schema: &RowSchema) -> CdcResult<StreamId> {
        let owner = schema.qualified_name();
        if let Some(stream) = self.streams.get(&owner) {
            return Ok(stream.clone());
        }
        let mut properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, true);
        properties.properties.insert(FORMAT_LABEL.into(), "debezium-json".into());
        properties.properties.insert(TABLE_LABEL.into(), owner.clone());
        properties.properties.insert(SOURCE_LABEL.into(), self.settings.name.clone());
        let name = names::stream_name(&self.settings.stream_template, schema);
        for name in names::candidates(&name) {
            let stream = StreamId::new(self.scope.as_str(), &name)?;
            let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
            if !self.registry.create_group(&group, properties.clone()).await? {
                let labels = self.registry.group(&group).await?.properties;
                let source = labels.get(SOURCE_LABEL);
                let is_own = labels.get(TABLE_LABEL) == Some(&owner)
                    && source.is_none_or(|source| *source == self.settings.name);
                if !is_own {
                    continue;
                }
            }
            return self.use_stream(owner, stream).await;
        }
        Err(no_name_left(&owner, &name))
    }

    /// Returns the stream of a topic that is no table's.
    async fn topic_stream(&mut self, topic: &str) -> CdcResult<StreamId> {
        if let Some(stream) = self.streams.get(topic) {
            return Ok(stream.clone());
        }
        let name = sanitize_name(topic);
        for name in names::candidates(&name) {
            let stream = StreamId::new(self.scope.as_str(), &name)?;
            // a table's stream has a group
            let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
            match self.registry.group(&group).await {
                Err(error) if error.kind() == RegistryErrorKind::NotFound => {
                    return self.use_stream(topic.to_owned(), stream).await;
                }
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        Err(no_name_left(topic, &name))
    }

    async fn use_stream(&mut self, owner: String, stream: StreamId) -> CdcResult<StreamId> {
        self.store.create_stream(&stream, StreamConfig::with_segments(self.settings.segments)).await?;
        self.streams.insert(owner, stream.clone());
        Ok(stream)
    }

    /// Returns the stream of a record.
    async fn stream(&mut self, record: &Record) -> CdcResult<StreamId> {
        let Some(schema) = &record.table else { return self.topic_stream(&record.topic).await };
        if let Some((last, stream)) = &self.last
            && Arc::ptr_eq(last, schema)
        {
            return Ok(stream.clone());
        }
        let stream = self.table_stream(schema).await?;
        self.last = Some((Arc::clone(schema), stream.clone()));
        Ok(stream)
    }

    async fn stage(&mut self) -> CdcResult<()> {
        if self.transaction.is_none() {
            self.transaction = Some(self.store.begin().await?);
        }
        if let Some(transaction) = &mut self.transaction {
            self.buffered_bytes = 0;
            transaction.stage(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }
}

fn no_name_left(owner: &str, name: &str) -> CdcError {
    CdcError::configuration(format!(
        "no stream name is left for {owner}: {name} and its numbered variants are in use; choose another stream template or scope"
    ))
}

#[async_trait]
impl Sink for StoreSink {
    async fn position(&mut self) -> CdcResult<Option<Position>> {
        self.buffer.clear();
        self.buffered_bytes = 0;
        self.transaction = None;
        let Some(entry) = self.store.get(&self.positions, self.settings.name.as_bytes()).await? else {
            self.version = None;
            return Ok(None);
        };
        self.version = Some(entry.version);
        let position = serde_json::from_slice(&entry.value).map_err(|e| {
            let what = format!("the stored position of {} cannot be parsed", self.settings.name);
            CdcError::new(CdcErrorKind::Position, what).because(e)
        })?;
        Ok(Some(position))
    }

    async fn table(&mut self, schema: &Arc<RowSchema>) -> CdcResult<()> {
        let stream = self.table_stream(schema).await?;
        let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
        let row = SchemaInfo::new(schema.type_name(), Format::Json, schema.json_schema());
        self.registry.add_schema(&group, row).await?;
        Ok(())
    }

    async fn write(&mut self, record: Record) -> CdcResult<()> {
        let Some(bytes) = record.value.as_ref().map(String::len) else { return Ok(()) };
        let record = if bytes > MAX_EVENT_BYTES {
            let record = dead_letter::record(&self.settings.name, &record, bytes);
            tracing::error!(
                record = record.value,
                "an event is larger than a stream takes: a record of it is in the dead-letter stream"
            );
            record
        } else {
            record
        };
        let stream = self.stream(&record).await?;
        let Some(value) = record.value else { return Ok(()) };
        // all events of a table without a key share one routing key, which preserves their order
        let routing_key = record.key.unwrap_or(record.topic);
        self.buffered_bytes += value.len() + routing_key.len() + 64;
        self.buffer.push(Append::keyed(&stream, routing_key, value));
        if self.buffered_bytes > STAGE_BYTES {
            self.stage().await?;
        }
        Ok(())
    }

    async fn commit(&mut self, position: &Position) -> CdcResult<()> {
        let condition = self.version.map_or(Condition::Absent, Condition::At);
        let value = serde_json::to_vec(position).expect("a position serializes without errors");
        let change = TableChange::put(&self.positions, self.settings.name.clone(), condition, value);
        let committed = if self.transaction.is_some() {
            self.stage().await?;
            let transaction = self.transaction.take().expect("the transaction was set above");
            transaction.commit(vec![change]).await?
        } else {
            self.buffered_bytes = 0;
            self.store
                .commit(Commit {
                    appends: std::mem::take(&mut self.buffer),
                    changes: vec![change],
                    ..Commit::default()
                })
                .await?
        };
        self.version = committed.versions.first().copied();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_registry::Registry;
    use kulya_store::clock::SystemClock;
    use kulya_store::memory::MemoryStore;

    fn schema(schema: &str, table: &str) -> Arc<RowSchema> {
        let (prefix, columns, key) = ("p".into(), Vec::new(), Vec::new());
        Arc::new(RowSchema { prefix, schema: schema.into(), table: table.into(), columns, key })
    }

    fn record(schema: &Arc<RowSchema>, value: String) -> Record {
        let key = Some(r#"{"id":1}"#.to_owned());
        Record {
            topic: schema.topic(),
            table: Some(Arc::clone(schema)),
            key,
            value: Some(value),
            headers: Vec::new(),
        }
    }

    async fn sink(store: &MemoryStore, name: &str) -> StoreSink {
        let registry = Registry::new(store.clone(), SystemClock).unwrap();
        let settings = StoreSettings {
            name: name.into(),
            scope: "scope".into(),
            stream_template: "{table}".into(),
            segments: 1,
        };
        let mut sink = StoreSink::new(store.clone(), registry, settings).await.unwrap();
        assert_eq!(sink.position().await.unwrap(), None);
        sink
    }

    fn position() -> Position {
        let (system, database, slot) = ("1".into(), "d".into(), "s".into());
        let table_snapshots = std::collections::BTreeMap::new();
        Position {
            system,
            database,
            slot,
            lsn: 1,
            message_lsn: 0,
            snapshot: None,
            table_snapshots,
            coverage: None,
        }
    }

    #[tokio::test]
    async fn tables_never_share_a_stream() {
        let store = MemoryStore::new();
        let tables = [schema("s", "日本"), schema("s", "中国"), schema("s.a", "b"), schema("s", "a.b")];
        let expected = ["--", "--.2", "b", "a.b"];
        for round in ["first", "after a restart, in another order"] {
            let mut sink = sink(&store, "one").await;
            for table in tables.iter().rev() {
                if round == "first" {
                    break;
                }
                sink.table(table).await.unwrap();
            }
            for (table, name) in tables.iter().zip(expected) {
                sink.table(table).await.unwrap();
                assert_eq!(sink.table_stream(table).await.unwrap().name.as_str(), name, "{round}");
            }
        }
        // of another database
        let mut other = sink(&store, "two").await;
        assert_eq!(other.table_stream(&tables[2]).await.unwrap().name.as_str(), "b.2");
        assert_eq!(other.topic_stream("b").await.unwrap().name.as_str(), "b.3");
    }

    #[tokio::test]
    async fn event_that_is_too_large_goes_to_the_dead_letter_stream() {
        let store = MemoryStore::new();
        let mut sink = sink(&store, "shop").await;
        let table = schema("s", "t");
        sink.table(&table).await.unwrap();
        sink.write(record(&table, "x".repeat(MAX_EVENT_BYTES + 1))).await.unwrap();
        sink.write(record(&table, "small".into())).await.unwrap();
        sink.commit(&position()).await.unwrap();
        let read = async |name: &str| {
            let stream = StreamId::new("scope", name).unwrap();
            let events = kulya_store::bounded_read(&store, &stream).await.unwrap();
            events.iter().map(|(_, event)| String::from_utf8_lossy(event).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(read("t").await, ["small"]);
        let letters = read("shop.dead-letter").await;
        assert!(letters.len() == 1 && letters[0].contains(r#""table":"s.t""#), "{letters:?}");
        assert!(
            letters[0].contains(r#""key":"{\"id\":1}""#) && letters[0].contains("8388609"),
            "{letters:?}"
        );
    }
}
