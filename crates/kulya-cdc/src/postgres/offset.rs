//! The position in PostgreSQL's write-ahead log up to which changes are stored, and the cuts of snapshots.

use crate::incremental::IncrementalState;
use crate::snapshot_progress::SnapshotProgress;
use crate::table_filter::TableFilter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A position in the write-ahead log of a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresPosition {
    /// The system identifier of the cluster, in which alone the position is valid.
    pub system: String,
    /// The database.
    pub database: String,
    /// The replication slot that retains the log.
    pub slot: String,
    /// The timeline of the log; `None` if an earlier version stored the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// Every transaction whose commit ends at or before this log position is stored.
    pub lsn: u64,
    /// The log position of the last stored non-transactional message.
    #[serde(default)]
    pub message_lsn: u64,
    /// The transactions that the initial snapshot contains, which are skipped in the log; `None` without a
    /// snapshot.
    #[serde(default)]
    pub snapshot: Option<SnapshotCut>,
    /// The tables whose rows were read, as `schema.table`, as earlier versions stored them: with the
    /// transactions that the rows contain, as long as the log is read before their end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub table_snapshots: BTreeMap<String, SnapshotCut>,
    /// What snapshots have read, as long as the log is read before their end. The list of the tables is the
    /// checkpoint's history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_reads: Option<SnapshotReads>,
    /// Whether tables remain whose rows have not been read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_snapshot_unfinished: bool,
    /// The tables that were captured when the capture last started; `None` if an earlier version stored the
    /// position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What is left of incremental snapshots.
    #[serde(default, skip_serializing_if = "IncrementalState::is_empty")]
    pub incremental: Box<IncrementalState>,
}

/// Writes the log position as PostgreSQL does.
impl fmt::Display for PostgresPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.lsn >> 32, self.lsn & 0xffff_ffff)
    }
}

impl PostgresPosition {
    /// Returns the position before which everything may be stored: that of the log, or of a snapshot that is
    /// ahead of it.
    pub(super) fn reach(&self) -> u64 {
        let reads = self.snapshot_reads.iter().flat_map(|reads| &reads.cuts);
        let cuts = self.snapshot.iter().chain(self.table_snapshots.values()).chain(reads);
        cuts.map(|cut| cut.lsn).fold(self.lsn, u64::max)
    }

    /// Whether snapshots have read what the log after the position has too.
    pub(crate) fn has_snapshots(&self) -> bool {
        self.snapshot_reads.is_some() || !self.table_snapshots.is_empty()
    }

    /// Removes the cuts of table snapshots that are behind the position: the log has nothing more that they
    /// contain.
    pub fn forget_passed_snapshots(&mut self) {
        let lsn = self.lsn;
        self.table_snapshots.retain(|_, cut| cut.lsn > lsn);
        if !self.is_snapshot_unfinished
            && self.snapshot_reads.as_ref().is_some_and(|reads| reads.cuts.iter().all(|cut| cut.lsn <= lsn))
        {
            self.snapshot_reads = None;
        }
    }
}

/// What snapshots have read: one after the other, if they were interrupted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReads {
    /// The cut of each snapshot.
    pub cuts: Vec<SnapshotCut>,
    /// The tables, with the numbers of their cuts.
    pub progress: SnapshotProgress,
}

/// The tables that a capture's stream has from their first row on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The patterns of captured tables; empty for all tables.
    pub patterns: Vec<String>,
    /// The filter of captured tables.
    #[serde(default, skip_serializing_if = "TableFilter::is_empty")]
    pub filter: TableFilter,
    /// The tables that the publication had, as `schema.table`; `None` for all tables, later ones included.
    pub published: Option<Vec<String>>,
    /// The numbers of the catalog's rows that put them into the publication, in order; empty for all tables,
    /// and if an earlier version stored the position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memberships: Vec<u32>,
}

/// The transactions that a snapshot contains (PostgreSQL documentation, "pg_snapshot Components").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotCut {
    /// The end of the log when the snapshot was taken. All transactions in the snapshot were committed before
    /// it.
    pub lsn: u64,
    /// All lower transaction ids are contained.
    pub xmin: u64,
    /// This and all higher transaction ids are not contained.
    pub xmax: u64,
    /// The transaction ids between `xmin` and `xmax` that are not contained.
    pub in_progress: Vec<u64>,
}

impl SnapshotCut {
    /// Parses `xmin:xmax:xip,xip…`, the text of a `pg_snapshot`; `None` for other texts.
    pub fn parse(lsn: u64, text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let xmin = parts.next()?.parse().ok()?;
        let xmax = parts.next()?.parse().ok()?;
        let in_progress = parts.next()?.split(',').filter(|id| !id.is_empty());
        let in_progress: Result<Vec<u64>, _> = in_progress.map(str::parse).collect();
        Some(Self { lsn, xmin, xmax, in_progress: in_progress.ok()? })
    }

    /// Returns whether the snapshot contains the transaction whose commit is at `commit_lsn`.
    ///
    /// The log has ids of 32 bits, without the epoch. A transaction that commits before the snapshot's log
    /// position is within 2³¹ ids of `xmax`, so the epoch is the one that brings it nearest.
    pub fn contains(&self, xid: u32, commit_lsn: u64) -> bool {
        if commit_lsn >= self.lsn {
            return false;
        }
        let distance = xid.wrapping_sub(self.xmax as u32) as i32;
        let id = self.xmax.wrapping_add_signed(i64::from(distance));
        id < self.xmax && (id < self.xmin || !self.in_progress.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_contains_the_transactions_committed_before_it() {
        let cut = SnapshotCut::parse(1000, "10:15:11,13").unwrap();
        let contained: Vec<u32> = (8..18).filter(|xid| cut.contains(*xid, 999)).collect();
        assert_eq!(contained, [8, 9, 10, 12, 14]);
        assert!(!cut.contains(9, 1000), "a later commit is not contained");
        let none = SnapshotCut::parse(1000, "15:15:").unwrap();
        assert!(none.contains(14, 1) && !none.contains(15, 1));
        assert_eq!(SnapshotCut::parse(1, "x"), None);
    }

    #[test]
    fn snapshots_are_forgotten_beyond_the_last_cut() {
        let cut = |lsn| SnapshotCut { lsn, xmin: 1, xmax: 1, in_progress: Vec::new() };
        let position: PostgresPosition =
            serde_json::from_str(r#"{"system":"1","database":"d","slot":"s","lsn":20}"#).unwrap();
        let reads = SnapshotReads { cuts: vec![cut(10), cut(30)], ..SnapshotReads::default() };
        let mut position = PostgresPosition { snapshot_reads: Some(reads), ..position };
        for (lsn, is_snapshot_unfinished, expected) in
            [(20, false, true), (30, true, true), (30, false, false)]
        {
            position = PostgresPosition { lsn, is_snapshot_unfinished, ..position };
            position.forget_passed_snapshots();
            assert_eq!(position.has_snapshots(), expected, "{lsn} {is_snapshot_unfinished}");
        }
    }

    #[test]
    fn transaction_ids_wrap_around() {
        let epoch = 3u64 << 32;
        let cut = SnapshotCut { lsn: 9, xmin: epoch + 2, xmax: epoch + 5, in_progress: vec![epoch + 3] };
        assert!(cut.contains(u32::MAX, 1), "an id of the previous epoch");
        assert!(cut.contains(4, 1) && !cut.contains(3, 1) && !cut.contains(5, 1));
    }
}
