//! What a commit stores beside its records: the position of the source up to which its changes are stored,
//! and the source's history of schemas.

use crate::incremental::IncrementalState;
use crate::mysql::MysqlPosition;
use crate::postgres::PostgresPosition;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The position in a source's log. Each kind of source has its own form of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Position {
    /// A position in PostgreSQL's write-ahead log.
    Postgres(PostgresPosition),
    /// A position in MySQL's or MariaDB's binary log.
    Mysql(MysqlPosition),
}

impl Position {
    /// Returns what is left of incremental snapshots.
    pub fn incremental(&self) -> &IncrementalState {
        match self {
            Self::Postgres(position) => &position.incremental,
            Self::Mysql(position) => &position.incremental,
        }
    }
}

/// Writes the position in the log as the database's own tools do.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(position) => position.fmt(f),
            Self::Mysql(position) => position.fmt(f),
        }
    }
}

/// A position, and the source's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The position.
    pub position: Position,
    /// What a source must remember of the log before the position, such as the tables' schemas of that time:
    /// a text of any size, handed over when it has changed. `None` for sources that need none, and, in a
    /// commit, if it has not changed.
    pub history: Option<Arc<str>>,
}

impl From<Position> for Checkpoint {
    fn from(position: Position) -> Self {
        Self { position, history: None }
    }
}
