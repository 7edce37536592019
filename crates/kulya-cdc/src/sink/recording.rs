//! Recording of captured changes to a file, and replay from it without the database.
//!
//! The file has one JSON object per line, each with one member: `{"table": …}` is a table's schema
//! ([`RowSchema`]), `{"transformed": …}` that of one whose records were transformed, with their topic,
//! `{"record": …}` an event (topic, key, value, headers), `{"history": …}` the source's
//! history of schemas, `{"commit": …}` ends a commit and holds the position. Lines after the last commit were
//! never committed; opening the file truncates them.

use super::members::Members;
use crate::batch::{Batch, Destination, Parts, Record, Span, TransformedDestination};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position, RowSchema, Sink};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The size of the lines from which on they are written before the commit, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Table(RowSchema),
    Transformed(Box<TransformedTable>),
    Record(RecordLine),
    History(String),
    Commit(Box<Position>),
}

/// A table whose records transformations have changed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransformedTable {
    topic: String,
    changes: TransformedDestination,
    table: RowSchema,
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
        batch.push(destination, Parts { routing_key, ..Parts::new(key, value, headers) });
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
    /// The lines of the next commit that are not in the file yet.
    buffer: Vec<u8>,
    /// The end of the last commit in the file.
    commit_end: u64,
    /// Whether there are lines after it.
    has_staged: bool,
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
                    checkpoint = Some(Checkpoint { position: *stored, history: history.clone() });
                    commit_end = offset;
                    tables.extend(new_tables.drain());
                }
                Ok(Line::Table(schema)) => drop(new_tables.insert(schema.topic(), Arc::new(schema))),
                Ok(Line::Transformed(of)) => {
                    new_tables.insert(table_key(Some(of.changes), &of.topic, &of.table), Arc::new(of.table));
                }
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
        Ok(Self {
            path,
            file,
            checkpoint,
            tables,
            new_tables: HashMap::new(),
            buffer: Vec::new(),
            commit_end,
            has_staged: false,
        })
    }

    /// Writes the lines to the file, in which they count only with a commit after them.
    fn write_buffer(&mut self) -> CdcResult<()> {
        self.has_staged = true;
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|e| io_error(&self.path, e))
    }

    /// Removes the lines after the last commit.
    fn discard(&mut self) -> CdcResult<()> {
        self.buffer.clear();
        self.new_tables.clear();
        if std::mem::take(&mut self.has_staged) {
            let truncated = self.file.set_len(self.commit_end);
            let truncated = truncated.and_then(|()| self.file.seek(SeekFrom::Start(self.commit_end)));
            truncated.map_err(|e| io_error(&self.path, e))?;
        }
        Ok(())
    }

    fn write_line(&mut self, line: &Line) -> CdcResult<()> {
        serde_json::to_writer(&mut self.buffer, line).map_err(|e| io_error(&self.path, e.into()))?;
        self.buffer.push(b'\n');
        Ok(())
    }
}

/// Returns the key of a table whose schema is in the file.
fn table_key(changes: Option<TransformedDestination>, topic: &str, table: &RowSchema) -> String {
    match changes {
        Some(_) => format!("{topic} {}", table.topic()),
        None => table.topic(),
    }
}

fn io_error(path: &Path, error: std::io::Error) -> CdcError {
    CdcError::new(CdcErrorKind::Store, format!("cannot read or write the change log {}", path.display()))
        .because(error)
}

#[async_trait]
impl Sink for RecordingSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.discard()?;
        Ok(self.checkpoint.clone())
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        for destination in batch.destinations() {
            let Some(schema) = &destination.table else { continue };
            let key = table_key(destination.transformed, &destination.topic, schema);
            if self.new_tables.get(&key).or_else(|| self.tables.get(&key)) != Some(schema) {
                let (topic, table) = (destination.topic.clone(), RowSchema::clone(schema));
                self.write_line(&match destination.transformed {
                    Some(changes) => Line::Transformed(Box::new(TransformedTable { topic, changes, table })),
                    None => Line::Table(table),
                })?;
                self.new_tables.insert(key, Arc::clone(schema));
            }
        }
        for omitted in batch.omitted() {
            let (topic, bytes) = (&omitted.destination.topic, omitted.bytes);
            tracing::error!(topic, bytes, "an event is larger than a stream takes: it is not recorded");
        }
        for record in batch.records() {
            let line = RecordLine::new(&record).map_err(|e| io_error(&self.path, e.into()))?;
            self.write_line(&Line::Record(line))?;
            if self.buffer.len() >= BUFFER_BYTES {
                self.write_buffer()?;
            }
        }
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.stage(batch).await?;
        if let Some(history) = &checkpoint.history {
            self.write_line(&Line::History(history.to_string()))?;
        }
        self.write_line(&Line::Commit(checkpoint.position.clone().into()))?;
        self.write_buffer()?;
        let end = self.file.sync_data().and_then(|()| self.file.stream_position());
        self.commit_end = end.map_err(|e| io_error(&self.path, e))?;
        self.has_staged = false;
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
    let (mut batch, mut history, mut records, mut staged) = (Batch::default(), None, 0, 0);
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
            Line::Transformed(of) => {
                let TransformedTable { topic, changes, table } = *of;
                let (table, transformed) = (Some(Arc::new(table)), Some(changes));
                let destination = Arc::new(Destination { topic, table, envelope: None, transformed });
                batch.declare(&destination);
                destinations.insert(destination.topic.clone(), destination);
            }
            Line::Record(line) => {
                let topic = destinations.entry(line.topic.clone());
                let new = || Arc::new(Destination::of_topic(line.topic.clone()));
                let destination = topic.or_insert_with(new);
                line.push_to(&mut batch, destination);
                // a large transaction is not in memory as a whole
                if batch.size() >= BUFFER_BYTES {
                    let full = std::mem::take(&mut batch);
                    if is_resumed {
                        staged += full.events();
                        sink.stage(full).await?;
                    }
                }
            }
            Line::History(text) => history = Some(text.into()),
            Line::Commit(position) => {
                let batch = std::mem::take(&mut batch);
                if is_resumed {
                    records += batch.events() + std::mem::take(&mut staged);
                    sink.commit(batch, &Checkpoint { position: *position, history: history.take() }).await?;
                } else {
                    is_resumed = stored.as_ref() == Some(&*position);
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
mod tests;
