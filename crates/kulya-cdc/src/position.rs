//! How far a source has been stored, kept in the same commit as the events it answers for.

use serde::{Deserialize, Serialize};

/// A place in a PostgreSQL log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The cluster's system identifier: a position means nothing in another one.
    pub system: String,
    /// The database.
    pub database: String,
    /// The replication slot that holds the log for us.
    pub slot: String,
    /// Every transaction whose commit ends at or before this log position is stored.
    pub lsn: u64,
    /// The log position of the last message outside of transactions that is stored.
    #[serde(default)]
    pub message_lsn: u64,
    /// What the snapshot contained, and the log need not give again; `None` while there was no snapshot.
    #[serde(default)]
    pub snapshot: Option<SnapshotCut>,
}

/// Which transactions a snapshot saw (PostgreSQL documentation, "pg_snapshot Components").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotCut {
    /// Where the log ended when the snapshot was taken; what it saw was committed before.
    pub lsn: u64,
    /// All lower transaction ids are seen.
    pub xmin: u64,
    /// No id from this one on is seen.
    pub xmax: u64,
    /// In between, these are not seen.
    pub in_progress: Vec<u64>,
}

impl SnapshotCut {
    /// Reads `xmin:xmax:xip,xip…`.
    pub fn parse(lsn: u64, text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let xmin = parts.next()?.parse().ok()?;
        let xmax = parts.next()?.parse().ok()?;
        let in_progress = parts.next()?.split(',').filter(|id| !id.is_empty());
        let in_progress: Result<Vec<u64>, _> = in_progress.map(str::parse).collect();
        Some(Self { lsn, xmin, xmax, in_progress: in_progress.ok()? })
    }

    /// Whether the snapshot saw the transaction whose commit stands at `commit_lsn`.
    ///
    /// The log gives ids of 32 bits, without the epoch. A transaction that commits before the snapshot's place in the
    /// log lies within 2³¹ ids of it, so the epoch is the one that brings it nearest.
    pub fn saw(&self, xid: u32, commit_lsn: u64) -> bool {
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
    fn a_snapshot_knows_what_it_saw() {
        let cut = SnapshotCut::parse(1000, "10:15:11,13").unwrap();
        let saw: Vec<u32> = (8..18).filter(|xid| cut.saw(*xid, 999)).collect();
        assert_eq!(saw, [8, 9, 10, 12, 14]);
        assert!(!cut.saw(9, 1000), "what commits later was not seen");
        let none = SnapshotCut::parse(1000, "15:15:").unwrap();
        assert!(none.saw(14, 1) && !none.saw(15, 1));
        assert_eq!(SnapshotCut::parse(1, "x"), None);
    }

    #[test]
    fn transaction_ids_wrap_around() {
        let epoch = 3u64 << 32;
        let cut = SnapshotCut { lsn: 9, xmin: epoch + 2, xmax: epoch + 5, in_progress: vec![epoch + 3] };
        assert!(cut.saw(u32::MAX, 1), "an id of the epoch before");
        assert!(cut.saw(4, 1) && !cut.saw(3, 1) && !cut.saw(5, 1));
    }
}
