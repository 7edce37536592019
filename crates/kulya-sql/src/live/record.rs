//! What is stored of a live query beside its log: one entry of a table, which each of its commits replaces.
//!
//! The entry's version shuts other processes out: a commit of one that does not have the latest fails.

use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Scope, StreamConfig, StreamCut, StreamId, StreamStore, TableChange,
    TableId, Version,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The scope of everything that is stored of live queries.
const SCOPE: &str = "_live";
/// The number of entries that are read at a time.
const PAGE: usize = 1000;
/// The beginning of the key of a query's entry; its number follows.
const PREFIX: &[u8] = b"query\0";
/// The key of the entry with the last number that was given.
const LAST_ID: &[u8] = b"last id";

/// What a live query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QueryKind {
    /// A materialized view.
    View,
    /// An INSERT that goes on.
    Job,
}

/// A live query, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) kind: QueryKind,
    /// The database and the name of a view, or the database that was current when a job was made.
    pub(crate) database: String,
    pub(crate) name: String,
    /// The statement in its canonical form, with the full names of its tables.
    pub(crate) statement: String,
    /// The streams of its tables.
    pub(crate) streams: Vec<String>,
    /// The operators that the state is of; empty before the first run.
    #[serde(default)]
    pub(crate) fingerprint: String,
    /// How often a process began to run it. A process whose run is not the last one does not go on.
    #[serde(default)]
    pub(crate) runs: u64,
    /// Whether it is to stop until it is resumed.
    #[serde(default)]
    pub(crate) is_paused: bool,
    /// The error that stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The largest state in memory, in bytes; none for that of the process that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) progress: StoredProgress,
}

impl Record {
    /// Creates the record of a new query.
    pub(crate) fn new(
        kind: QueryKind,
        (database, name): (&str, &str),
        statement: String,
        streams: Vec<String>,
    ) -> Self {
        Self {
            kind,
            database: database.to_owned(),
            name: name.to_owned(),
            statement,
            streams,
            fingerprint: String::new(),
            runs: 0,
            is_paused: false,
            error: None,
            state_bytes: None,
            progress: StoredProgress::default(),
        }
    }

    /// Returns the streams of its tables.
    ///
    /// # Errors
    /// `Failed` for a text that is no name of a stream.
    pub(crate) fn streams(&self) -> SqlResult<Vec<StreamId>> {
        Ok(self.streams.iter().map(|stream| stream.parse()).collect::<Result<_, _>>()?)
    }
}

/// How far a live query is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredProgress {
    /// The number of its last commit.
    pub(crate) commit: u64,
    /// Where each stream of its tables was read to.
    pub(crate) cuts: Vec<String>,
    /// Where the snapshot in its log begins; the log's beginning without one.
    pub(crate) log_start: u64,
    /// Where its log ends.
    pub(crate) log_end: u64,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
}

impl StoredProgress {
    /// Returns the cuts.
    ///
    /// # Errors
    /// `Failed` for a text that is no cut.
    pub(crate) fn cuts(&self) -> SqlResult<Vec<StreamCut>> {
        let cut = |text: &String| {
            text.parse().map_err(|e| {
                SqlError::new(SqlErrorKind::Failed, format!("a stored cut cannot be read: {text}")).because(e)
            })
        };
        self.cuts.iter().map(cut).collect()
    }
}

/// A record with its number and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: u64,
    pub(crate) record: Record,
    pub(crate) version: Version,
}

/// The live queries of a store.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) store: Arc<dyn StreamStore>,
}

impl Records {
    pub(crate) fn new(store: Arc<dyn StreamStore>) -> Self {
        Self { store }
    }

    /// Creates what holds the records, if it is not there.
    async fn prepare(&self) -> SqlResult<()> {
        let scope = Scope::system(SCOPE);
        self.store.create_scope(&scope).await?;
        self.store.create_table(&table()?).await?;
        self.store.create_stream(&commands()?, StreamConfig::with_segments(1)).await?;
        Ok(())
    }

    /// Returns a new number, and makes the log of the query that gets it.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn new_id(&self) -> SqlResult<u64> {
        self.prepare().await?;
        loop {
            let found = self.store.get(&table()?, LAST_ID).await?;
            let last =
                found.as_ref().and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse::<u64>().ok());
            let id = last.unwrap_or(0) + 1;
            let condition = found.map_or(Condition::Absent, |entry| Condition::At(entry.version));
            let put = TableChange::put(&table()?, LAST_ID, condition, id.to_string());
            match self.store.commit(Commit::changes(vec![put])).await {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                result => drop(result?),
            }
            self.store.create_stream(&log_stream(id)?, StreamConfig::with_segments(1)).await?;
            return Ok(id);
        }
    }

    /// Returns a record.
    ///
    /// # Errors
    /// Those of the store; `Failed` if a later version of Kulya wrote it.
    pub(crate) async fn get(&self, id: u64) -> SqlResult<Option<Stored>> {
        match self.store.get(&table()?, &key(id)).await {
            Ok(Some(entry)) => {
                Ok(Some(Stored { id, record: read(id, &entry.value)?, version: entry.version }))
            }
            Ok(None) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns all records, by number.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn list(&self) -> SqlResult<Vec<Stored>> {
        let mut found: Vec<Stored> = Vec::new();
        loop {
            let after = found.last().map(|last| key(last.id));
            let page = match self.store.scan(&table()?, PREFIX, after.as_deref(), PAGE).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
                page => page?,
            };
            let is_last = page.len() < PAGE;
            for entry in page {
                let Some(id) = id_of(&entry.key) else { continue };
                found.push(Stored { id, record: read(id, &entry.value)?, version: entry.version });
            }
            if is_last {
                return Ok(found);
            }
        }
    }

    /// Returns the change that puts a record.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn put(id: u64, record: &Record, condition: Condition) -> SqlResult<TableChange> {
        let value = serde_json::to_vec(record).map_err(|e| SqlError::internal().because(e))?;
        Ok(TableChange::put(&table()?, key(id), condition, value))
    }

    /// Returns the change that removes a record.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn remove(id: u64, condition: Condition) -> SqlResult<TableChange> {
        Ok(TableChange::remove(&table()?, key(id), condition))
    }

    /// Changes a record, which another process may change at the same time. Returns `false` if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn change(&self, id: u64, mut change: impl FnMut(&mut Record)) -> SqlResult<bool> {
        loop {
            let Some(Stored { mut record, version, .. }) = self.get(id).await? else { return Ok(false) };
            change(&mut record);
            let put = Self::put(id, &record, Condition::At(version))?;
            match self.store.commit(Commit::changes(vec![put])).await {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                result => drop(result?),
            }
            self.notify().await?;
            return Ok(true);
        }
    }

    /// Deletes the log of a query that no longer has a record.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn delete_log(&self, id: u64) -> SqlResult<()> {
        let stream = log_stream(id)?;
        match self.store.seal_stream(&stream).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            sealed => drop(sealed?),
        }
        self.store.delete_stream(&stream).await?;
        Ok(())
    }

    /// Tells the process that runs the queries that a record has changed.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn notify(&self) -> SqlResult<()> {
        let event = Append::unkeyed(&commands()?, "changed");
        self.store.commit(Commit::events(vec![event])).await?;
        // nobody reads an event twice
        let segments = self.store.segments(&commands()?).await?;
        self.store.truncate(&StreamCut::tail(&commands()?, &segments)).await?;
        Ok(())
    }

    /// Returns the position after all notifications so far; `None` before the first query.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn notified(&self) -> SqlResult<Option<StreamCut>> {
        match self.store.segments(&commands()?).await {
            Ok(segments) => Ok(Some(StreamCut::tail(&commands()?, &segments))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the stream with the state of a query.
///
/// # Errors
/// `Internal`.
pub(crate) fn log_stream(id: u64) -> SqlResult<StreamId> {
    Ok(StreamId::stored(SCOPE, &format!("query-{id}"))?)
}

fn commands() -> SqlResult<StreamId> {
    Ok(StreamId::stored(SCOPE, "commands")?)
}

fn table() -> SqlResult<TableId> {
    Ok(TableId::system(SCOPE, "queries")?)
}

/// In the order of numbers.
fn key(id: u64) -> Vec<u8> {
    [PREFIX, format!("{id:020}").as_bytes()].concat()
}

fn id_of(key: &[u8]) -> Option<u64> {
    std::str::from_utf8(key.strip_prefix(PREFIX)?).ok()?.parse().ok()
}

fn read(id: u64, value: &[u8]) -> SqlResult<Record> {
    serde_json::from_slice(value).map_err(|error| {
        let what = format!("the stored live query {id} cannot be read: {error}");
        SqlError::new(SqlErrorKind::Failed, what).because(error)
    })
}
