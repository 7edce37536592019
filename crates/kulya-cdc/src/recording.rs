//! Recording of captured changes to a file, and replay from it without the database.
//!
//! The file has one JSON object per line, each with one member: `{"table": …}` is a table's schema
//! ([`RowSchema`]), `{"record": …}` an event (topic, key, value, headers), `{"commit": …}` ends a commit and
//! holds the position. Lines after the last commit were never committed; opening the file truncates them.

use crate::{CdcError, CdcErrorKind, CdcResult, Position, Record, RowSchema, Sink};
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
    Commit(Position),
}

/// A record. Key, value and headers are JSON and written unchanged.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine {
    topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, Box<RawValue>)>,
}

impl RecordLine {
    fn new(record: Record) -> serde_json::Result<Self> {
        let raw = |text: Option<String>| text.map(RawValue::from_string).transpose();
        let headers = record
            .headers
            .into_iter()
            .map(|(name, text)| Ok((name.into_owned(), RawValue::from_string(text)?)));
        Ok(Self {
            topic: record.topic,
            key: raw(record.key)?,
            value: raw(record.value)?,
            headers: headers.collect::<serde_json::Result<_>>()?,
        })
    }

    fn into_record(self, table: Option<Arc<RowSchema>>) -> Record {
        let text = |raw: Box<RawValue>| raw.get().to_owned();
        Record {
            topic: self.topic,
            table,
            key: self.key.map(text),
            value: self.value.map(text),
            headers: self.headers.into_iter().map(|(name, raw)| (name.into(), text(raw))).collect(),
        }
    }
}

/// A sink that records changes to a file, each commit synced to disk. An existing file is continued.
pub struct RecordingSink {
    path: PathBuf,
    file: File,
    position: Option<Position>,
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
        let (mut position, mut offset, mut commit_end) = (None, 0, 0);
        let (mut tables, mut new_tables) = (HashMap::new(), HashMap::new());
        let mut lines = BufReader::new(&file);
        let mut line = String::new();
        while lines.read_line(&mut line).map_err(failed)? > 0 {
            offset += line.len() as u64;
            match serde_json::from_str(&line) {
                Ok(Line::Commit(stored)) => {
                    (position, commit_end) = (Some(stored), offset);
                    tables.extend(new_tables.drain());
                }
                Ok(Line::Table(schema)) => drop(new_tables.insert(schema.topic(), Arc::new(schema))),
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
        Ok(Self { path, file, position, tables, new_tables: HashMap::new(), buffer: Vec::new() })
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
    async fn position(&mut self) -> CdcResult<Option<Position>> {
        self.buffer.clear();
        self.new_tables.clear();
        Ok(self.position.clone())
    }

    async fn table(&mut self, schema: &Arc<RowSchema>) -> CdcResult<()> {
        let topic = schema.topic();
        if self.new_tables.get(&topic).or_else(|| self.tables.get(&topic)) != Some(schema) {
            self.write_line(&Line::Table(RowSchema::clone(schema)))?;
            self.new_tables.insert(topic, Arc::clone(schema));
        }
        Ok(())
    }

    async fn write(&mut self, record: Record) -> CdcResult<()> {
        let line = RecordLine::new(record).map_err(|e| io_error(&self.path, e.into()))?;
        self.write_line(&Line::Record(line))
    }

    async fn commit(&mut self, position: &Position) -> CdcResult<()> {
        self.write_line(&Line::Commit(position.clone()))?;
        let lines = std::mem::take(&mut self.buffer);
        let result = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        result.map_err(|e| io_error(&self.path, e))?;
        self.position = Some(position.clone());
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
    let stored = sink.position().await?;
    let mut is_resumed = stored.is_none();
    let mut tables: HashMap<String, Arc<RowSchema>> = HashMap::new();
    let (mut pending, mut records) = (Vec::new(), 0);
    for (number, text) in (1..).zip(log.lines()) {
        let invalid = |e: Box<dyn std::error::Error + Send + Sync>| {
            CdcError::new(CdcErrorKind::Source, format!("line {number} of the change log cannot be parsed"))
                .because(e)
        };
        match serde_json::from_str(&text.map_err(|e| invalid(e.into()))?).map_err(|e| invalid(e.into()))? {
            Line::Table(schema) => {
                let schema = Arc::new(schema);
                sink.table(&schema).await?;
                tables.insert(schema.topic(), schema);
            }
            Line::Record(line) => pending.push(line),
            Line::Commit(position) if is_resumed => {
                for line in pending.drain(..) {
                    let table = tables.get(&line.topic).cloned();
                    records += u64::from(line.value.is_some());
                    sink.write(line.into_record(table)).await?;
                }
                sink.commit(&position).await?;
            }
            Line::Commit(position) => {
                pending.clear();
                is_resumed = stored.as_ref() == Some(&position);
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
    use std::collections::BTreeMap;

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

    fn record(id: u32) -> Record {
        Record {
            topic: "p.public.t".into(),
            table: Some(schema()),
            key: Some(format!("{{\"id\":{id}}}")),
            value: Some(format!("{{\"op\":\"c\", \"n\":1.10,\"id\":{id}}}")),
            headers: vec![("h".into(), "{}".into())],
        }
    }

    fn position(lsn: u64) -> Position {
        let (system, database, slot) = ("1".into(), "d".into(), "s".into());
        Position {
            system,
            database,
            slot,
            lsn,
            message_lsn: 0,
            snapshot: None,
            table_snapshots: BTreeMap::new(),
            coverage: None,
        }
    }

    async fn commit(sink: &mut RecordingSink, ids: std::ops::Range<u32>, lsn: u64) {
        sink.table(&schema()).await.unwrap();
        for id in ids {
            sink.write(record(id)).await.unwrap();
        }
        sink.commit(&position(lsn)).await.unwrap();
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
        };
        let mut sink = StoreSink::new(store.clone(), registry.clone(), settings).await.unwrap();
        replay(log.as_bytes(), &mut sink).await
    }

    #[tokio::test]
    async fn committed_records_are_replayed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut sink = RecordingSink::open(&path).unwrap();
        commit(&mut sink, 0..3, 10).await;
        sink.write(record(99)).await.unwrap();
        drop(sink);
        // a second run continues after the last commit
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"record\":{\"topic\":\"p.pub")
            .unwrap();
        let mut sink = RecordingSink::open(&path).unwrap();
        assert_eq!(sink.position().await.unwrap(), Some(position(10)));
        let half = std::fs::read_to_string(&path).unwrap();
        commit(&mut sink, 3..5, 20).await;
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
        let expected: Vec<_> = (0..5).map(|id| record(id).value.unwrap()).collect();
        assert_eq!(events, expected, "values are replayed byte for byte");
    }

    #[tokio::test]
    async fn a_log_of_another_store_is_rejected() {
        let (store, registry) = backends().await;
        let commit = |lsn| serde_json::to_string(&Line::Commit(position(lsn))).unwrap();
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
