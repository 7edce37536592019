//! Recording of captured changes to a file, and replay from it without the database.
//!
//! The file has one JSON object per line, each with one member: `{"table": …}` is a table's schema
//! ([`RowSchema`]), `{"record": …}` an event (topic, key, value, headers), `{"history": …}` the source's
//! history of schemas, `{"commit": …}` ends a commit and holds the position. Lines after the last commit were
//! never committed; opening the file truncates them.

use super::members::Members;
use crate::batch::{Batch, Destination, Parts, Record, Span};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position, RowSchema, Sink};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Table(RowSchema),
    Record(RecordLine),
    History(String),
    Commit(Position),
}

/// A record. Key, value and headers are JSON and written unchanged.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordLine {
    topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, Box<RawValue>)>,
}

impl RecordLine {
    pub(super) fn new(record: &Record<'_>) -> serde_json::Result<Self> {
        let headers = [b"{", record.headers, b"}"].concat();
        let Members(headers) = serde_json::from_slice(&headers)?;
        Ok(Self {
            topic: record.destination.topic.clone(),
            key: record.key.map(serde_json::from_slice).transpose()?,
            value: record.value.map(serde_json::from_slice).transpose()?,
            headers,
        })
    }

    /// Adds the record to a batch.
    fn push_to(&self, batch: &mut Batch, destination: &Arc<Destination>) {
        let mut write = |texts: &[&str]| {
            let start = batch.buffer().len();
            texts.iter().for_each(|text| batch.buffer().extend_from_slice(text.as_bytes()));
            Span::new(start, batch.buffer().len())
        };
        let key = self.key.as_ref().map(|key| write(&[key.get()]));
        let routing_key = self.key.as_ref().map(|key| write(&[&routing_key(key)]));
        let value = self.value.as_ref().map(|value| write(&[value.get()]));
        let mut headers = None;
        for (index, (name, value)) in self.headers.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let part =
                write(&[separator, &serde_json::Value::from(name.as_str()).to_string(), ":", value.get()]);
            headers = Some(headers.map_or(part, |first: Span| first.to_end_of(part)));
        }
        batch.push(destination, Parts { key, routing_key, value, headers });
    }
}

/// Returns the values of a key, as sources write them.
fn routing_key(key: &RawValue) -> String {
    let Ok(Members(columns)) = serde_json::from_str(key.get()) else { return key.get().to_owned() };
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.get()).collect();
    values.join(",")
}

/// A sink that records changes to a file, each commit synced to disk. An existing file is continued.
pub struct RecordingSink {
    path: PathBuf,
    file: File,
    checkpoint: Option<Checkpoint>,
    /// The tables by topic whose schemas are in the file.
    tables: HashMap<String, Arc<RowSchema>>,
    /// The tables by topic whose schemas are in the buffer.
    new_tables: HashMap<String, Arc<RowSchema>>,
    /// The lines of the next commit.
    buffer: Vec<u8>,
}

impl RecordingSink {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// `Store` when the file cannot be read or written; `Configuration` when it is not a recording.
    pub fn open(path: impl AsRef<Path>) -> CdcResult<Self> {
        let path = path.as_ref().to_owned();
        let failed = |e: std::io::Error| io_error(&path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let (mut checkpoint, mut history, mut new_history) = (None, None, None);
        let (mut offset, mut commit_end) = (0, 0);
        let (mut tables, mut new_tables) = (HashMap::new(), HashMap::new());
        let mut lines = BufReader::new(&file);
        let mut line = String::new();
        while lines.read_line(&mut line).map_err(failed)? > 0 {
            offset += line.len() as u64;
            match serde_json::from_str(&line) {
                Ok(Line::Commit(stored)) => {
                    history = new_history.take().or(history);
                    checkpoint = Some(Checkpoint { position: stored, history: history.clone() });
                    commit_end = offset;
                    tables.extend(new_tables.drain());
                }
                Ok(Line::Table(schema)) => drop(new_tables.insert(schema.topic(), Arc::new(schema))),
                Ok(Line::History(text)) => new_history = Some(text.into()),
                Ok(Line::Record(_)) => {}
                // the incomplete last line of a run that crashed
                Err(_) if !line.ends_with('\n') => {}
                Err(error) => {
                    let what =
                        format!("{} is not a recorded change log: choose another file", path.display());
                    return Err(CdcError::new(CdcErrorKind::Configuration, what).because(error));
                }
            }
            line.clear();
        }
        file.set_len(commit_end).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        Ok(Self { path, file, checkpoint, tables, new_tables: HashMap::new(), buffer: Vec::new() })
    }

    fn write_line(&mut self, line: &Line) -> CdcResult<()> {
        serde_json::to_writer(&mut self.buffer, line).map_err(|e| io_error(&self.path, e.into()))?;
        self.buffer.push(b'\n');
        Ok(())
    }
}

fn io_error(path: &Path, error: std::io::Error) -> CdcError {
    CdcError::new(CdcErrorKind::Store, format!("cannot read or write the change log {}", path.display()))
        .because(error)
}

#[async_trait]
impl Sink for RecordingSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.buffer.clear();
        self.new_tables.clear();
        Ok(self.checkpoint.clone())
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        for schema in batch.destinations().iter().filter_map(|destination| destination.table.as_ref()) {
            let topic = schema.topic();
            if self.new_tables.get(&topic).or_else(|| self.tables.get(&topic)) != Some(schema) {
                self.write_line(&Line::Table(RowSchema::clone(schema)))?;
                self.new_tables.insert(topic, Arc::clone(schema));
            }
        }
        for omitted in batch.omitted() {
            let (topic, bytes) = (&omitted.destination.topic, omitted.bytes);
            tracing::error!(topic, bytes, "an event is larger than a stream takes: it is not recorded");
        }
        for record in batch.records() {
            let line = RecordLine::new(&record).map_err(|e| io_error(&self.path, e.into()))?;
            self.write_line(&Line::Record(line))?;
        }
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.stage(batch).await?;
        if let Some(history) = &checkpoint.history {
            self.write_line(&Line::History(history.to_string()))?;
        }
        self.write_line(&Line::Commit(checkpoint.position.clone()))?;
        let lines = std::mem::take(&mut self.buffer);
        let result = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        result.map_err(|e| io_error(&self.path, e))?;
        let earlier = self.checkpoint.take().and_then(|checkpoint| checkpoint.history);
        let history = checkpoint.history.clone().or(earlier);
        self.checkpoint = Some(Checkpoint { position: checkpoint.position.clone(), history });
        self.tables.extend(self.new_tables.drain());
        Ok(())
    }
}

/// Writes a recorded change log to a sink, commit by commit, from the sink's position on. Returns the number
/// of records written, without tombstones. Lines after the last commit are skipped.
///
/// # Errors
/// `Source` for a line that cannot be parsed; `Position` when the sink's position is not in the log; the
/// sink's errors.
pub async fn replay(log: impl BufRead + Send, sink: &mut dyn Sink) -> CdcResult<u64> {
    let stored = sink.position().await?.map(|checkpoint| checkpoint.position);
    let mut is_resumed = stored.is_none();
    let mut destinations: HashMap<String, Arc<Destination>> = HashMap::new();
    let (mut batch, mut history, mut records) = (Batch::default(), None, 0);
    for (number, text) in (1..).zip(log.lines()) {
        let invalid = |e: Box<dyn std::error::Error + Send + Sync>| {
            CdcError::new(CdcErrorKind::Source, format!("line {number} of the change log cannot be parsed"))
                .because(e)
        };
        match serde_json::from_str(&text.map_err(|e| invalid(e.into()))?).map_err(|e| invalid(e.into()))? {
            Line::Table(schema) => {
                let destination = Arc::new(Destination::of_table(Arc::new(schema)));
                batch.declare(&destination);
                destinations.insert(destination.topic.clone(), destination);
            }
            Line::Record(line) => {
                let topic = destinations.entry(line.topic.clone());
                let new = || Arc::new(Destination::of_topic(line.topic.clone()));
                let destination = topic.or_insert_with(new);
                line.push_to(&mut batch, destination);
            }
            Line::History(text) => history = Some(text.into()),
            Line::Commit(position) => {
                let batch = std::mem::take(&mut batch);
                if is_resumed {
                    records += batch.events();
                    sink.commit(batch, &Checkpoint { position, history: history.take() }).await?;
                } else {
                    is_resumed = stored.as_ref() == Some(&position);
                    history = None;
                }
            }
        }
    }
    if is_resumed {
        return Ok(records);
    }
    Err(CdcError::new(
        CdcErrorKind::Position,
        "the position stored under this name is not in this change log: replay under another name",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColumnDescription, StoreSettings, StoreSink};
    use kulya_registry::Registry;
    use kulya_store::clock::ManualClock;
    use kulya_store::memory::MemoryStore;
    use kulya_store::{StreamId, bounded_read};

    fn schema() -> Arc<RowSchema> {
        let id = ColumnDescription {
            name: "id".into(),
            optional: false,
            connect_type: "int32".into(),
            connect_name: None,
            parameters: vec![("a".into(), "b".into())],
            items: None,
            default: None,
        };
        let (prefix, schema, table) = ("p".into(), "public".into(), "t".into());
        Arc::new(RowSchema { prefix, schema, table, columns: vec![id], key: vec!["id".into()] })
    }

    fn value(id: u32) -> String {
        format!("{{\"op\":\"c\", \"n\":1.10,\"id\":{id}}}")
    }

    fn batch(ids: std::ops::Range<u32>) -> Batch {
        let destination = Arc::new(Destination::of_table(schema()));
        let mut batch = Batch::default();
        for id in ids {
            let line = RecordLine {
                topic: "p.public.t".into(),
                key: Some(RawValue::from_string(format!("{{\"id\":{id}}}")).unwrap()),
                value: Some(RawValue::from_string(value(id)).unwrap()),
                headers: vec![("h".into(), RawValue::from_string("{}".into()).unwrap()); 2],
            };
            line.push_to(&mut batch, &destination);
        }
        batch
    }

    fn checkpoint(lsn: u64) -> Checkpoint {
        let text = format!(r#"{{"system":"1","database":"d","slot":"s","lsn":{lsn}}}"#);
        serde_json::from_str::<Position>(&text).unwrap().into()
    }

    #[test]
    fn records_keep_their_headers_and_keys() {
        let batch = batch(7..8);
        let record = batch.records().next().unwrap();
        assert_eq!(record.headers, br#""h":{},"h":{}"#);
        assert_eq!((record.key, record.routing_key), (Some(&br#"{"id":7}"#[..]), Some(&b"7"[..])));
        // recorded again, they are the same
        let line = RecordLine::new(&record).unwrap();
        let names: Vec<&str> = line.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["h", "h"]);
        let key = RawValue::from_string(r#"{"a": 1.10,"b":1e999,"c":"x"}"#.into()).unwrap();
        assert_eq!(routing_key(&key), r#"1.10,1e999,"x""#);
    }

    async fn backends() -> (MemoryStore, Registry) {
        let store = MemoryStore::new();
        let registry = Registry::open(store.clone(), ManualClock::default()).await.unwrap();
        (store, registry)
    }

    async fn replay_text(log: &str, store: &MemoryStore, registry: &Registry) -> CdcResult<u64> {
        let settings = StoreSettings {
            name: "p".into(),
            scope: "s".into(),
            stream_template: "{table}".into(),
            segments: 2,
            encoding: crate::debezium::Encoding::default(),
            refused_schema: crate::RefusedSchema::default(),
        };
        let mut sink = StoreSink::new(store.clone(), registry.clone(), settings).await.unwrap();
        replay(log.as_bytes(), &mut sink).await
    }

    #[tokio::test]
    async fn committed_records_are_replayed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut sink = RecordingSink::open(&path).unwrap();
        sink.commit(batch(0..3), &checkpoint(10)).await.unwrap();
        sink.stage(batch(99..100)).await.unwrap();
        drop(sink);
        // a second run continues after the last commit
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"record\":{\"topic\":\"p.pub")
            .unwrap();
        let mut sink = RecordingSink::open(&path).unwrap();
        assert_eq!(sink.position().await.unwrap(), Some(checkpoint(10)));
        let half = std::fs::read_to_string(&path).unwrap();
        let history = Checkpoint { history: Some("h".into()), ..checkpoint(20) };
        sink.commit(batch(3..5), &history).await.unwrap();
        assert_eq!(RecordingSink::open(&path).unwrap().position().await.unwrap(), Some(history));
        let whole = std::fs::read_to_string(&path).unwrap();
        assert!(whole.starts_with(&half) && !whole.contains("99"));
        assert_eq!(whole.matches("\"table\":{").count(), 1, "{whole}");

        let (store, registry) = backends().await;
        assert_eq!(replay_text(&half, &store, &registry).await.unwrap(), 3);
        assert_eq!(replay_text(&whole, &store, &registry).await.unwrap(), 2);
        assert_eq!(replay_text(&whole, &store, &registry).await.unwrap(), 0);
        let events = bounded_read(&store, &StreamId::new("s", "t").unwrap()).await.unwrap();
        let mut events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
        events.sort();
        let expected: Vec<_> = (0..5).map(value).collect();
        assert_eq!(events, expected, "values are replayed byte for byte");
    }

    #[tokio::test]
    async fn a_log_of_another_store_is_rejected() {
        let (store, registry) = backends().await;
        let commit = |lsn| serde_json::to_string(&Line::Commit(checkpoint(lsn).position)).unwrap();
        replay_text(&commit(1), &store, &registry).await.unwrap();
        let other = replay_text(&commit(2), &store, &registry).await.unwrap_err();
        assert_eq!(other.kind(), CdcErrorKind::Position);
        let bad = replay_text("\n", &store, &registry).await.unwrap_err();
        assert!(bad.to_string().contains("line 1"), "{bad}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "hello\nworld\n").unwrap();
        assert!(RecordingSink::open(&path).err().unwrap().to_string().contains("text is not a recorded"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hello\nworld\n");
    }
}
