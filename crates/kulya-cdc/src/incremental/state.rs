//! The progress of incremental snapshots: which tables and rows are left. A plain value, stored with the
//! position.

use crate::signal::{Signal, SnapshotRequest, names_table};
use crate::status::IncrementalStatus;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The maximum number of tables that wait, so that the position stays small.
const MAX_TABLES: usize = 10_000;
/// The maximum number of requests whose tables are not known yet.
const MAX_REQUESTS: usize = 100;

/// What is left of the incremental snapshots of a capture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IncrementalState {
    /// The number of the last signal of the capture's control that was executed.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_signal: u64,
    /// The requests whose tables are not known yet.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub requests: VecDeque<SnapshotRequest>,
    /// The tables that are left; the first is being read.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub tables: VecDeque<TableProgress>,
    /// Whether reading is paused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_paused: bool,
    /// The number of chunks read since the snapshot started.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunks: u64,
    /// The number of rows written since the snapshot started.
    #[serde(skip_serializing_if = "is_zero")]
    pub rows: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is left of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableProgress {
    /// The table, as `schema.table`.
    pub table: String,
    /// The condition of the rows, an SQL expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// A column by which the table is read, in place of the primary key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surrogate_key: Option<String>,
    /// The columns by which the table is read, once reading has begun.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Their values in the last row that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Vec<String>>,
    /// Their values in the last row that is to be read: that of the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Vec<String>>,
}

impl TableProgress {
    /// Returns the table as it is to be read from its beginning by these columns.
    pub(crate) fn restarted(&self, key: Vec<String>) -> Self {
        Self { key, last: None, maximum: None, ..self.clone() }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Find the tables of a request.
    FindTables(SnapshotRequest),
    /// Read a chunk of a table.
    ReadChunk(TableProgress),
}

impl IncrementalState {
    /// Returns whether there is nothing to be stored.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether rows are left to be read.
    pub(crate) fn is_active(&self) -> bool {
        !self.requests.is_empty() || !self.tables.is_empty()
    }

    /// Returns what is to be done next, unless it is paused.
    pub(crate) fn next(&self) -> Option<Work> {
        if self.is_paused {
            return None;
        }
        match (self.requests.front(), self.tables.front()) {
            (Some(request), _) => Some(Work::FindTables(request.clone())),
            (None, Some(table)) => Some(Work::ReadChunk(table.clone())),
            (None, None) => None,
        }
    }

    /// Executes a signal.
    ///
    /// # Errors
    /// The reason why it cannot be executed.
    pub(crate) fn execute(&mut self, signal: Signal) -> Result<(), String> {
        match signal {
            Signal::ExecuteSnapshot(_) if self.requests.len() >= MAX_REQUESTS => {
                return Err(format!(
                    "{MAX_REQUESTS} snapshots wait already: resume them, or stop them first"
                ));
            }
            Signal::ExecuteSnapshot(request) => self.requests.push_back(request),
            Signal::StopSnapshot(tables) if tables.is_empty() => {
                self.requests.clear();
                self.tables.clear();
            }
            Signal::StopSnapshot(tables) => {
                for request in &mut self.requests {
                    request.tables.retain(|pattern| !tables.contains(pattern));
                }
                self.requests.retain(|request| !request.tables.is_empty());
                self.tables.retain(|table| !names_table(&tables, &table.table));
            }
            Signal::PauseSnapshot => self.is_paused = self.is_active(),
            Signal::ResumeSnapshot => self.is_paused = false,
            Signal::Log(_) => {}
        }
        self.forget_when_ended();
        Ok(())
    }

    /// Adds the tables of the first request. A table that waits for the same already is not added again.
    ///
    /// # Errors
    /// The reason why some were not added.
    pub(crate) fn add_tables(&mut self, tables: Vec<TableProgress>) -> Result<(), String> {
        self.requests.pop_front();
        let mut result = Ok(());
        for table in tables {
            if self.tables.len() >= MAX_TABLES {
                result = Err(format!("more than {MAX_TABLES} tables: request the rest when they are read"));
                break;
            }
            // the first one may have been begun
            if !self.tables.contains(&table) {
                self.tables.push_back(table);
            }
        }
        self.forget_when_ended();
        result
    }

    /// Ends a chunk of the first table: `after` is its progress then, `None` at the table's end.
    pub(crate) fn end_chunk(&mut self, after: Option<TableProgress>, rows: u64) {
        self.chunks += 1;
        self.rows += rows;
        match (self.tables.front_mut(), after) {
            (Some(table), Some(after)) => *table = after,
            _ => self.skip_table(),
        }
    }

    /// Leaves out the rest of the first table.
    pub(crate) fn skip_table(&mut self) {
        self.tables.pop_front();
        self.forget_when_ended();
    }

    fn forget_when_ended(&mut self) {
        if !self.is_active() {
            *self = Self { last_signal: self.last_signal, ..Self::default() };
        }
    }

    /// Returns the status; `None` if there is no snapshot.
    pub(crate) fn status(&self) -> Option<IncrementalStatus> {
        self.is_active().then(|| IncrementalStatus {
            table: self.tables.front().map(|table| table.table.clone()),
            tables_left: self.tables.len() as u64,
            rows: self.rows,
            chunks: self.chunks,
            is_paused: self.is_paused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(tables: &[&str]) -> Signal {
        Signal::ExecuteSnapshot(SnapshotRequest {
            id: "1".into(),
            tables: tables.iter().map(|table| (*table).to_owned()).collect(),
            conditions: Vec::new(),
            surrogate_key: None,
        })
    }

    fn table(name: &str) -> TableProgress {
        TableProgress { table: name.into(), ..TableProgress::default() }
    }

    fn names(state: &IncrementalState) -> Vec<&str> {
        state.tables.iter().map(|table| table.table.as_str()).collect()
    }

    #[test]
    fn tables_are_read_one_after_the_other() {
        let mut state = IncrementalState { last_signal: 7, ..Default::default() };
        assert!(!state.is_active() && !state.is_empty());
        state.execute(request(&["s.*"])).unwrap();
        assert!(matches!(state.next(), Some(Work::FindTables(_))));
        state.add_tables(vec![table("s.a"), table("s.b"), table("s.a")]).unwrap();
        assert_eq!(names(&state), ["s.a", "s.b"]);
        assert_eq!(state.next(), Some(Work::ReadChunk(table("s.a"))));
        let begun = TableProgress { last: Some(vec!["5".into()]), ..table("s.a") };
        state.end_chunk(Some(begun.clone()), 5);
        assert_eq!(state.next(), Some(Work::ReadChunk(begun)));
        state.end_chunk(None, 1);
        let status = state.status().unwrap();
        assert_eq!((status.table.as_deref(), status.tables_left, status.rows), (Some("s.b"), 1, 6));
        state.skip_table();
        assert_eq!(state, IncrementalState { last_signal: 7, ..Default::default() });
    }

    #[test]
    fn snapshot_is_paused_and_stopped() {
        let mut state = IncrementalState::default();
        state.execute(Signal::PauseSnapshot).unwrap();
        assert!(!state.is_paused, "there is none to be paused");
        state.execute(request(&["s.a", "s.b"])).unwrap();
        state.add_tables(vec![table("s.a"), table("s.b"), table("s.c")]).unwrap();
        state.execute(Signal::PauseSnapshot).unwrap();
        assert_eq!(state.next(), None);
        state.execute(Signal::ResumeSnapshot).unwrap();
        assert!(state.next().is_some());
        state.execute(Signal::StopSnapshot(vec!["S.A".into(), r"s\.[bx]".into()])).unwrap();
        assert_eq!(names(&state), ["s.c"]);
        state.execute(request(&["x"])).unwrap();
        state.execute(Signal::StopSnapshot(Vec::new())).unwrap();
        assert!(state.is_empty());
    }

    #[test]
    fn state_is_stored_as_short_as_it_is() {
        let mut state = IncrementalState::default();
        assert_eq!(serde_json::to_string(&state).unwrap(), "{}");
        state.execute(request(&["s.a"])).unwrap();
        let begun = TableProgress {
            filter: Some("x > 1".into()),
            key: vec!["id".into()],
            maximum: Some(vec!["9".into()]),
            ..table("s.b")
        };
        state.tables.push_back(begun);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(
            text,
            r#"{"requests":[{"id":"1","tables":["s.a"]}],"tables":[{"table":"s.b","filter":"x > 1","key":["id"],"maximum":["9"]}]}"#
        );
        assert_eq!(serde_json::from_str::<IncrementalState>(&text).unwrap(), state);
    }

    #[test]
    fn requests_are_bounded() {
        let mut state = IncrementalState::default();
        (0..MAX_REQUESTS).for_each(|_| state.execute(request(&["x"])).unwrap());
        assert!(state.execute(request(&["x"])).unwrap_err().contains("wait already"));
    }
}
