//! Capture of a PostgreSQL database: the initial snapshot, streaming of the write-ahead log, and the handover
//! between them.
//!
//! The log is read by logical replication with the plugin `pgoutput` (protocol version 1 or 2). Its decoder
//! (`pgoutput`) and the conversion of values to Debezium's JSON (`value`, `time`, `literal`) are pure.

mod catalog;
mod column;
mod connection;
mod copy_line;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod heartbeat;
mod incremental;
mod key_range;
mod literal;
mod liveness;
mod log_meter;
mod offset;
mod pgoutput;
mod publication;
mod publication_watch;
mod read_row;
pub(crate) mod removal;
pub(crate) mod settings;
mod snapshot;
mod snapshot_rows;
mod source_block;
mod source_type;
mod spool;
mod stream;
mod streamed;
mod table;
mod time;
mod timeline;
mod transaction;
mod value;

pub use offset::{Coverage, PostgresPosition, SnapshotCut, SnapshotReads};

use crate::debezium::events::EventContext;
use crate::memory::Memory;
use crate::output::Output;
use crate::snapshot_progress::TableList;
use crate::source::{Source, SourceConnection, StreamEnd};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position, Progress, SnapshotMode, StopCondition};
use async_trait::async_trait;
use connection::replication::ReplicationConnection;
use connection::session::{Server, Session, literal, lsn_text, parse_lsn};
use connection::wait;
use kulya_store::clock::Clock;
use publication::{Publication, PublishedTable};
use settings::Target;
use snapshot::Snapshot;
use snapshot_rows::{SnapshotRows, table_list};
use spool::Spool;
#[cfg(feature = "fuzzing")]
pub(crate) use spool::fuzzing as spool_fuzzing;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stream::{CAUGHT_UP_PREFIX, ReplicationStream};

/// The first version that sends transactions before they are committed.
const VERSION_WITH_STREAMING: u32 = 140_000;

/// A PostgreSQL database as a source.
pub(crate) struct PostgresSource {
    target: Target,
    events: Arc<EventContext>,
    /// Whether the spool could not be written: then transactions are sent when they are committed.
    has_spool_failed: Arc<AtomicBool>,
    /// Whether the publication has all tables that it gets when a capture starts.
    has_publication: Arc<AtomicBool>,
}

impl PostgresSource {
    pub(crate) fn new(target: Target, events: EventContext) -> Self {
        Self {
            target,
            events: Arc::new(events),
            has_spool_failed: Arc::default(),
            has_publication: Arc::default(),
        }
    }
}

#[async_trait]
impl Source for PostgresSource {
    type Connection = PostgresConnection;

    async fn connect(&self) -> CdcResult<PostgresConnection> {
        let session = Session::open(&self.target).await?;
        let server = session.check().await?;
        let (target, events) = (self.target.clone(), Arc::clone(&self.events));
        let has_spool_failed = Arc::clone(&self.has_spool_failed);
        let has_publication = Arc::clone(&self.has_publication);
        Ok(PostgresConnection { target, events, session, server, has_spool_failed, has_publication })
    }

    fn memory(&self) -> Memory {
        self.target.settings.memory()
    }
}

/// A connected PostgreSQL database.
pub(crate) struct PostgresConnection {
    target: Target,
    events: Arc<EventContext>,
    session: Session,
    server: Server,
    has_spool_failed: Arc<AtomicBool>,
    has_publication: Arc<AtomicBool>,
}

/// Returns the PostgreSQL position of a checkpoint.
///
/// # Errors
/// `Position` for one of another kind of database.
fn position_of(checkpoint: Checkpoint) -> CdcResult<PostgresPosition> {
    match checkpoint.position {
        Position::Postgres(position) => Ok(position),
        _ => Err(CdcError::new(
            CdcErrorKind::Position,
            "the stored position is of another kind of database: capture under another name, into new streams",
        )),
    }
}

#[async_trait]
impl SourceConnection for PostgresConnection {
    async fn validate(&mut self, stored: &Checkpoint) -> CdcResult<()> {
        let position = position_of(stored.clone())?;
        validate_offset(&self.session, &self.target, &self.server.system, &position).await
    }

    async fn discard(&mut self, stored: &Checkpoint) -> CdcResult<()> {
        let position = position_of(stored.clone())?;
        let slot = self.session.slot(&position.slot).await?;
        if slot.is_some_and(|slot| slot.active_process.is_none()) {
            self.session.drop_slot(&position.slot).await?;
        }
        Ok(())
    }

    async fn snapshot(
        &mut self,
        stored: Option<Checkpoint>,
        mode: SnapshotMode,
        output: &mut Output<'_>,
    ) -> CdcResult<Checkpoint> {
        let is_start = !self.has_publication.load(Ordering::Relaxed);
        let publication =
            publication::prepare(&self.session, &self.target.settings, &self.server, is_start).await?;
        self.has_publication.store(true, Ordering::Relaxed);
        let (position, history) = match stored {
            Some(stored) => (position_of(stored.clone())?, stored.history),
            None => (self.first_position(output).await?, None),
        };
        self.read_tables(&publication, position, history, mode, output).await
    }

    async fn stream(
        &mut self,
        start: Checkpoint,
        stop_condition: StopCondition,
        output: &mut Output<'_>,
    ) -> CdcResult<StreamEnd> {
        let mut position = position_of(start.clone())?;
        let snapshot_rows = SnapshotRows::new(&position, &start)?;
        let mut connection = ReplicationConnection::open(&self.target, Arc::clone(output.clock)).await?;
        // of the connection that streams: another one may have reached another server
        let place = connection.log_place().await?;
        let history = match timeline::needs_history(&position, &place) {
            true => Some(connection.timeline_history(place.timeline).await?),
            false => None,
        };
        timeline::check(&position, &place, history.as_deref())?;
        position.timeline = Some(place.timeline);
        let settings = &self.target.settings;
        let is_streaming = settings.streaming
            && self.server.version >= VERSION_WITH_STREAMING
            && !self.has_spool_failed.load(Ordering::Relaxed);
        connection.start(&position.slot, position.lsn, &settings.publication, is_streaming).await?;
        // not before: a slot has one reader at a time, and so has the folder of the slot
        let spool = is_streaming.then(|| self.open_spool(&position)).transpose()?;
        let caught_up_token = match stop_condition {
            StopCondition::CaughtUp => Some(self.emit_caught_up_message(&**output.clock).await?),
            StopCondition::Cancelled => None,
        };
        let mut stream = ReplicationStream::new(
            &self.session,
            &self.target,
            &self.events,
            (position, snapshot_rows),
            caught_up_token,
            output,
        )
        .with_server(self.server.version, spool);
        let result = stream.run(&mut connection, output).await;
        connection.close().await;
        match result {
            Err(_) if stream.has_added_tables() => Ok(StreamEnd::TablesAdded),
            result => result.map(|()| StreamEnd::Finished),
        }
    }
}

/// Checks that a stored position is valid in this database's log.
async fn validate_offset(
    session: &Session,
    target: &Target,
    system: &str,
    position: &PostgresPosition,
) -> CdcResult<()> {
    let name = &target.settings.name;
    let invalid = |what: String| {
        Err(CdcError::new(
            CdcErrorKind::Position,
            format!("{what}; changes may be missing: capture under another name, into new streams"),
        ))
    };
    if position.system != system || position.database != target.database {
        return invalid(format!(
            "{name} was captured from database {} of another server than {}",
            position.database,
            session.server()
        ));
    }
    match session.slot(&position.slot).await? {
        None => invalid(format!(
            "replication slot {} of {name} does not exist: it was dropped, or the server was promoted and its \
             primary server's slot was none with failover = true (PostgreSQL 17)",
            position.slot
        )),
        Some(slot) if slot.is_lost => {
            invalid(format!("PostgreSQL has removed the log that replication slot {} needs", position.slot))
        }
        Some(slot) if slot.confirmed_lsn > position.lsn => invalid(format!(
            "another consumer has advanced replication slot {} to {}, beyond the stored position {}",
            position.slot,
            lsn_text(slot.confirmed_lsn),
            lsn_text(position.lsn)
        )),
        Some(_) => Ok(()),
    }
}

impl PostgresConnection {
    fn open_spool(&self, position: &PostgresPosition) -> CdcResult<Spool> {
        let settings = &self.target.settings;
        let folder = settings.spool_folder().join(format!("{}-{}", position.system, position.slot));
        Spool::open(folder, settings.memory().spool(), Arc::clone(&self.has_spool_failed))
    }

    /// Creates the replication slot. Returns the position before the snapshot.
    async fn first_position(&mut self, output: &Output<'_>) -> CdcResult<PostgresPosition> {
        // what the log needs is checked before the rows are read
        let mut connection = ReplicationConnection::open(&self.target, Arc::clone(output.clock)).await?;
        let timeline = connection.log_place().await?.timeline;
        connection.close().await;
        let lsn = prepare_slot(&self.session, &self.target).await?;
        Ok(PostgresPosition {
            system: self.server.system.clone(),
            database: self.target.database.clone(),
            slot: self.target.settings.slot.clone(),
            timeline: Some(timeline),
            lsn,
            message_lsn: 0,
            snapshot: None,
            table_snapshots: BTreeMap::new(),
            snapshot_reads: None,
            is_snapshot_unfinished: true,
            coverage: None,
            incremental: Box::default(),
        })
    }

    /// Reads the rows that are not stored yet: of all tables, of those that an interrupted snapshot has not
    /// read, or of those that were not captured when the position was stored. Rows and what they complete are
    /// one commit, so that what was read once is not read again.
    async fn read_tables(
        &mut self,
        publication: &Publication,
        mut position: PostgresPosition,
        history: Option<Arc<str>>,
        mode: SnapshotMode,
        output: &mut Output<'_>,
    ) -> CdcResult<Checkpoint> {
        let coverage = publication.coverage(&self.target.settings);
        let mut forgotten = Vec::new();
        let tables = match &position.coverage {
            Some(earlier) if *earlier == coverage && !position.is_snapshot_unfinished => {
                return Ok(Checkpoint { position: Position::Postgres(position), history });
            }
            Some(earlier) => {
                let added = publication.added_since(earlier);
                if !position.is_snapshot_unfinished {
                    // what was read under their names is of other tables, or of the time before they were
                    // out of the publication
                    for PublishedTable { info, .. } in &added {
                        forgotten.push(info.quoted());
                        position.table_snapshots.remove(&info.name());
                    }
                }
                added
            }
            None if position.is_snapshot_unfinished => publication.tables.clone(),
            None => Vec::new(),
        };
        let mut list = table_list(&position, history.as_deref())?;
        forgotten.iter().for_each(|name| list.forget(name));
        let tables = unread(tables, &position, &list);
        let mut snapshot = Snapshot::new(&self.session, &self.target, &self.events);
        if mode == SnapshotMode::NoData {
            snapshot.declare(&tables, output).await?;
        } else if !tables.is_empty() {
            position.is_snapshot_unfinished = true;
            snapshot.read(&tables, &mut position, &mut list, output).await?;
        }
        position.is_snapshot_unfinished = false;
        position.coverage = Some(coverage);
        let history = position.snapshot_reads.is_some().then(|| list.text());
        output.commit(Position::Postgres(position.clone()).into()).await?;
        output.flush().await;
        if !tables.is_empty() && mode != SnapshotMode::NoData {
            (output.on_progress)(Progress::SnapshotStored);
        }
        Ok(Checkpoint { position: Position::Postgres(position), history })
    }

    /// Writes a message to the log. All changes committed before it precede it there.
    async fn emit_caught_up_message(&self, clock: &dyn Clock) -> CdcResult<String> {
        let token = clock.since_epoch().as_nanos().to_string();
        self.session
            .execute(&format!("SELECT pg_logical_emit_message(true, '{CAUGHT_UP_PREFIX}', '{token}')"))
            .await?;
        Ok(token)
    }
}

/// Returns the tables of which rows remain to be read.
fn unread(tables: Vec<PublishedTable>, position: &PostgresPosition, list: &TableList) -> Vec<PublishedTable> {
    let is_read = |table: &PublishedTable| {
        let reads = position.snapshot_reads.as_ref().zip(list.number(&table.info.quoted()));
        position.table_snapshots.contains_key(&table.info.name())
            || reads.is_some_and(|(reads, number)| reads.progress.table(number).is_complete())
    };
    tables.into_iter().filter(|table| !is_read(table)).collect()
}

/// Creates the replication slot, or takes over that of a run that ended during its snapshot. Returns the
/// position from which the log is retained.
async fn prepare_slot(session: &Session, target: &Target) -> CdcResult<u64> {
    let name = &target.settings.slot;
    let Some(slot) = session.slot(name).await? else {
        let sql =
            format!("SELECT lsn FROM pg_create_logical_replication_slot({}, 'pgoutput')", literal(name));
        let what = "the end of the transactions that were open before the slot";
        let created = wait::run(session, what, &sql).await?;
        return parse_lsn(created.first().and_then(|row| row.get(0)).unwrap_or_default());
    };
    if slot.plugin != "pgoutput" || slot.database != target.database {
        return Err(CdcError::configuration(format!(
            "replication slot {name} exists with plugin {} in database {}: set another slot",
            slot.plugin, slot.database
        )));
    }
    if slot.is_lost {
        return Err(CdcError::configuration(format!(
            "PostgreSQL has removed the log that replication slot {name} needs: run SELECT pg_drop_replication_slot('{name}')"
        )));
    }
    match slot.active_process {
        None => Ok(slot.confirmed_lsn),
        Some(process) => Err(CdcError::new(
            CdcErrorKind::Busy,
            format!(
                "replication slot {name} is in use by backend process {process}: stop its client, or set another slot"
            ),
        )),
    }
}
