//! What a chunk of MySQL or MariaDB contains.

use crate::incremental::Cut;
use crate::mysql::gtid::GtidSet;
use crate::mysql::offset::{self, Gtids, LogPoint, MysqlPosition, ServerName, TransactionId};

/// The cut of a chunk.
#[derive(Debug, Clone)]
pub(crate) struct ChunkCut {
    /// The server that was read.
    server: ServerName,
    /// What the chunk contains for certain.
    contained: offset::Cut,
    /// Whether `contained` has the ids of transactions.
    has_ids: bool,
    /// A place of the log before which everything is that the chunk contains.
    end: LogPoint,
}

impl ChunkCut {
    /// Creates the cut of a chunk whose place in the log is known.
    pub(crate) fn exact(place: &MysqlPosition) -> Self {
        let contained = place.cut();
        Self { server: place.server.clone(), contained, has_ids: true, end: place.point.clone() }
    }

    /// Creates the cut of a chunk whose table was locked at a place of the log.
    pub(crate) fn at_place(place: &MysqlPosition) -> Self {
        let without_ids = Gtids::Mysql(GtidSet::default());
        let contained = offset::Cut { gtids: without_ids, point: Some(place.point.clone()) };
        Self { contained, has_ids: false, ..Self::exact(place) }
    }

    /// Creates the cut of a chunk that contains these transactions, and others before the end.
    pub(crate) fn between(contained: Gtids, end: &MysqlPosition) -> Self {
        Self { contained: offset::Cut { gtids: contained, point: None }, ..Self::exact(end) }
    }
}

/// What was streamed when a chunk was requested.
#[derive(Debug, Clone)]
pub(crate) struct Streamed {
    server: ServerName,
    gtids: Gtids,
}

impl Streamed {
    pub(crate) fn at(position: &MysqlPosition) -> Self {
        Self { server: position.server.clone(), gtids: position.gtids.clone() }
    }
}

impl Cut for ChunkCut {
    /// The transaction's id, and where it begins.
    type Transaction = (Option<TransactionId>, LogPoint);
    type Place = MysqlPosition;
    type Streamed = Streamed;

    fn contains(&self, (id, start): &(Option<TransactionId>, LogPoint)) -> bool {
        self.contained.contains(id.as_ref(), start)
    }

    fn is_passed(&self, position: &MysqlPosition) -> bool {
        self.end.is_at_or_before(&position.point)
    }

    fn includes(&self, streamed: &Streamed) -> bool {
        // a table that was locked has everything that was committed
        self.server.is_same(&streamed.server)
            && (!self.has_ids || streamed.gtids.is_subset(&self.contained.gtids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incremental::IncrementalState;
    use std::collections::BTreeMap;

    const A: &str = "cc10baa6-e78f-11f1-80eb-02fc00000001";

    fn gtids(text: &str) -> Gtids {
        Gtids::parse(false, &format!("{A}:{text}")).unwrap()
    }

    fn transaction(number: u64, position: u64) -> (Option<TransactionId>, LogPoint) {
        let id = (number > 0).then(|| TransactionId::Mysql(format!("{A}:{number}").parse().unwrap()));
        (id, LogPoint::new("log.000001", position))
    }

    fn position(ids: &str, position: u64) -> MysqlPosition {
        let server = ServerName { uuid: Some(A.to_owned()), id: 1 };
        MysqlPosition {
            server,
            point: LogPoint::new("log.000001", position),
            gtids: gtids(ids),
            has_anonymous: false,
            cuts: BTreeMap::new(),
            snapshot_reads: None,
            is_snapshot_unfinished: false,
            coverage: None,
            incremental: IncrementalState::default(),
        }
    }

    fn streamed(ids: &str) -> Streamed {
        Streamed::at(&position(ids, 1))
    }

    #[test]
    fn transactions_that_queries_may_not_see_are_not_contained() {
        let cut = ChunkCut::between(gtids("1-5"), &position("1-7", 700));
        assert!(cut.contains(&transaction(5, 500)) && !cut.contains(&transaction(6, 600)));
        assert!(cut.includes(&streamed("1-5")) && !cut.includes(&streamed("1-6")));
        assert!(!cut.contains(&transaction(0, 1)));
        assert!(cut.is_passed(&position("1-7", 700)) && !cut.is_passed(&position("1-7", 699)));
        let mut other = streamed("1-5");
        other.server.uuid = Some("cc10baa6-e78f-11f1-80eb-02fc00000002".into());
        assert!(!cut.includes(&other), "another server's log has other places");
    }

    #[test]
    fn locked_table_has_all_before_its_place() {
        let cut = ChunkCut::at_place(&position("1-7", 700));
        assert!(cut.contains(&transaction(0, 600)) && !cut.contains(&transaction(0, 700)));
        assert!(cut.includes(&streamed("1-9")));
        let exact = ChunkCut::exact(&position("1-7", 700));
        assert!(exact.contains(&transaction(7, 600)) && !exact.contains(&transaction(8, 700)));
    }
}
