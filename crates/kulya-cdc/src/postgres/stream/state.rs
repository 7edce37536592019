//! The state of a stream: what is known of the log at the place that has been read.

use crate::debezium::envelope::ProcessingTime;
use crate::debezium::events::{EventContext, TopicEvents};
use crate::debezium::replaced_values::ReplacedValues;
use crate::heartbeat::Heartbeats;
use crate::incremental::Incremental;
use crate::output::Output;
use crate::postgres::catalog::Catalog;
use crate::postgres::connection::session::Session;
use crate::postgres::incremental::{PostgresChunks, StreamedTransactions};
use crate::postgres::log_meter::LogMeter;
use crate::postgres::offset::PostgresPosition;
use crate::postgres::publication_watch::PublicationWatch;
use crate::postgres::settings::Target;
use crate::postgres::snapshot_rows::{ReadTable, SnapshotRows};
use crate::postgres::source_block::{Origin, SourceStart};
use crate::postgres::spool::{Spool, SpoolReader, SpooledTransaction};
use crate::postgres::streamed::StreamCommit;
use crate::postgres::table::Table;
use crate::postgres::transaction::{LastCommit, Transaction};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The replication stream of one connection, and its state.
pub(crate) struct ReplicationStream<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a Target,
    pub(super) catalog: Catalog,
    pub(super) events: &'a EventContext,
    pub(super) source: SourceStart,
    pub(super) transactions: TopicEvents,
    pub(super) messages: TopicEvents,
    pub(super) heartbeats: Heartbeats,
    /// The position of the next commit.
    pub(super) position: PostgresPosition,
    /// The content of the message at which to stop.
    pub(super) caught_up_token: Option<String>,
    /// The position of the last commit that was handed over.
    pub(super) committed_lsn: u64,
    /// The numbers of the commits that are not stored yet, with their positions.
    pub(super) unconfirmed: VecDeque<(u64, u64)>,
    pub(super) relations: HashMap<u32, Option<Arc<Table>>>,
    /// What snapshots have read.
    pub(super) snapshot_rows: SnapshotRows,
    /// What they have read of the tables of `relations`.
    pub(super) read_tables: HashMap<u32, ReadTable>,
    /// The transactions that have not ended; `None` if the server sends them when they are committed.
    pub(super) spool: Option<Spool>,
    /// The number of each table's last description, in the order of arrival, if there is a spool.
    pub(super) described: HashMap<u32, u64>,
    /// The committed transaction that is read from the spool.
    pub(super) replay: Option<Replay>,
    pub(super) server_version: u32,
    pub(super) replaced_values: ReplacedValues,
    pub(super) transaction: Option<Transaction>,
    pub(super) last_commit: Option<LastCommit>,
    pub(super) now: ProcessingTime,
    pub(super) is_caught_up: bool,
    pub(super) meter: LogMeter,
    pub(super) publication_watch: PublicationWatch,
    /// Whether the stream ends because the rows of tables must be read.
    pub(super) has_added_tables: bool,
    pub(super) incremental: Incremental<PostgresChunks>,
    pub(super) streamed: StreamedTransactions,
}

/// A committed transaction that is read from the spool.
pub(super) struct Replay {
    pub(super) commit: StreamCommit,
    pub(super) transaction: SpooledTransaction,
    pub(super) reader: SpoolReader,
    pub(super) has_begun: bool,
    pub(super) later: Vec<LaterTable>,
}

/// A table that was described after the transaction described it, as other transactions have it.
pub(super) struct LaterTable {
    pub(super) relation: u32,
    pub(super) table: Option<Arc<Table>>,
    /// What snapshots have read of it.
    pub(super) read: Option<ReadTable>,
}

impl<'a> ReplicationStream<'a> {
    pub(crate) fn new(
        session: &'a Session,
        target: &'a Target,
        events: &'a Arc<EventContext>,
        (position, snapshot_rows): (PostgresPosition, SnapshotRows),
        caught_up_token: Option<String>,
        output: &Output<'_>,
    ) -> Self {
        Self {
            session,
            target,
            catalog: Catalog::default(),
            source: SourceStart::new(&target.settings.name, &target.database),
            transactions: events.transactions(),
            messages: events.messages(),
            heartbeats: Heartbeats::new(&target.settings, events, output),
            events,
            caught_up_token,
            committed_lsn: position.lsn,
            position,
            unconfirmed: VecDeque::new(),
            relations: HashMap::new(),
            snapshot_rows,
            read_tables: HashMap::new(),
            spool: None,
            described: HashMap::new(),
            replay: None,
            server_version: 0,
            replaced_values: ReplacedValues::default(),
            transaction: None,
            last_commit: None,
            now: ProcessingTime::new(output.clock.since_epoch()),
            is_caught_up: false,
            meter: LogMeter::default(),
            publication_watch: PublicationWatch::default(),
            has_added_tables: false,
            incremental: new_incremental(target, events),
            streamed: StreamedTransactions::default(),
        }
    }

    /// Sets the server's version as a number, and the spool for what it sends before transactions end.
    pub(crate) fn with_server(self, version: u32, spool: Option<Spool>) -> Self {
        Self { server_version: version, spool, ..self }
    }
}

fn new_incremental(target: &Target, events: &Arc<EventContext>) -> Incremental<PostgresChunks> {
    let (target, events) = (target.clone(), Arc::clone(events));
    let max_rows = target.settings.incremental_snapshot_chunk_size;
    Incremental::new(max_rows, move || PostgresChunks::new(target.clone(), Arc::clone(&events)))
}

/// Returns where an event comes from.
pub(super) fn origin<'a>(
    source: &'a SourceStart,
    transaction: Option<&Transaction>,
    lsn: u64,
    last_commit: Option<LastCommit>,
) -> Origin<'a> {
    Origin {
        start: source,
        snapshot: "false",
        committed_micros: transaction
            .map_or(last_commit.map_or(0, |last| last.micros), |t| t.committed_micros),
        transaction: transaction.map(|t| t.xid),
        lsn,
        last_commit_lsn: last_commit.map(|last| last.end_lsn),
    }
}
