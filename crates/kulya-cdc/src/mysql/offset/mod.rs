//! The position of a capture in a server's log: what is stored with the events, how it advances, and whether
//! a server can be read from it.
//!
//! A position is that of the end of a whole transaction. MySQL's and MariaDB's GTIDs name it on every server
//! of a replication; file and position name it on one server only.

mod cut;
mod gtids;
mod log_point;
mod server_log;
mod start;
mod stored;

pub use cut::Cut;
pub use gtids::{Gtids, TransactionId};
pub use log_point::LogPoint;
pub(crate) use server_log::ServerLog;

use crate::mysql::schema_history::TableName;
use crate::snapshot_progress::SnapshotProgress;
use std::collections::BTreeMap;
use std::fmt;

/// The position in a MySQL or MariaDB server's log up to which every transaction is stored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "stored::StoredOffset", try_from = "stored::StoredOffset")]
pub struct MysqlPosition {
    /// The server on which `point` is valid.
    pub server: ServerName,
    /// The end of the last transaction in the server's log.
    pub point: LogPoint,
    /// The transactions, by their ids.
    pub gtids: Gtids,
    /// Whether transactions had no id since `gtids` was read from the server, so that it does not tell them.
    pub has_anonymous: bool,
    /// The tables whose rows were read later than the log up to `point`, as earlier versions stored them.
    pub cuts: BTreeMap<TableName, Cut>,
    /// What snapshots have read, until the log up to `point` is that of their cuts. The list of the tables is
    /// stored with the history.
    pub snapshot_reads: Option<SnapshotReads>,
    /// Whether captured tables remain whose rows have not been read.
    pub is_snapshot_unfinished: bool,
    /// The patterns of the tables that the streams have from their first row on, empty for all tables; `None`
    /// before the first snapshot has ended.
    pub coverage: Option<Vec<String>>,
}

/// What snapshots have read: one after the other, if they were interrupted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotReads {
    /// The cut of each snapshot.
    pub cuts: Vec<Cut>,
    /// The tables, with the numbers of their cuts.
    pub progress: SnapshotProgress,
}

/// Writes the position as the server's own statements do: GTIDs, or file and position.
impl fmt::Display for MysqlPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gtids.is_empty() || self.has_anonymous {
            return self.point.fmt(f);
        }
        self.gtids.fmt(f)
    }
}

/// The identity of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName {
    /// MySQL's `server_uuid`.
    pub uuid: Option<String>,
    /// `server_id`, which an operator chooses.
    pub id: u32,
}

impl ServerName {
    /// Whether both are the same server, as far as the identities tell.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.uuid, &other.uuid) {
            (Some(uuid), Some(other)) => uuid.eq_ignore_ascii_case(other),
            _ => self.id == other.id,
        }
    }
}

impl MysqlPosition {
    /// Advances over a transaction, which ends at `end`.
    pub(crate) fn advance(&mut self, transaction: Option<&TransactionId>, end: LogPoint) {
        match transaction {
            Some(id) => self.gtids.add(id),
            None => self.has_anonymous = true,
        }
        self.point = end;
        self.forget_passed_cuts();
    }

    /// Advances over events without changes. Returns whether the position is another one.
    pub(crate) fn advance_to(&mut self, point: LogPoint) -> bool {
        let is_further = point != self.point && !point.is_at_or_before(&self.point);
        if is_further {
            self.point = point;
            self.forget_passed_cuts();
        }
        is_further
    }

    /// Ends a snapshot of all tables that the patterns name.
    pub(crate) fn finish_snapshot(&mut self, coverage: Vec<String>) {
        self.is_snapshot_unfinished = false;
        self.coverage = Some(coverage);
        self.forget_passed_cuts();
    }

    /// Removes the cuts that the log has reached: it has nothing more that they contain.
    fn forget_passed_cuts(&mut self) {
        if self.is_snapshot_unfinished {
            return;
        }
        let Self { gtids, point, cuts, snapshot_reads, .. } = self;
        cuts.retain(|_, cut| !cut.is_passed(gtids, point));
        if snapshot_reads
            .as_ref()
            .is_some_and(|reads| reads.cuts.iter().all(|cut| cut.is_passed(gtids, point)))
        {
            *snapshot_reads = None;
        }
    }

    /// Returns this place as that at which rows were read.
    pub(crate) fn cut(&self) -> Cut {
        Cut { gtids: self.gtids.clone(), point: Some(self.point.clone()) }
    }

    /// Continues on another server, whose files are not those of the former one.
    pub(crate) fn move_to(&mut self, server: ServerName) {
        if !self.server.is_same(&server) {
            self.point = LogPoint::new("", 0);
            let read = self.snapshot_reads.iter_mut().flat_map(|reads| &mut reads.cuts);
            for cut in self.cuts.values_mut().chain(read) {
                cut.point = None;
            }
        }
        self.server = server;
    }
}

#[cfg(test)]
mod tests;
