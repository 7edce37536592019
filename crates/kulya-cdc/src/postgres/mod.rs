//! Capture of a PostgreSQL database: the initial snapshot, streaming of the write-ahead log, and the handover
//! between them.
//!
//! The log is read by logical replication with the plugin `pgoutput` (protocol version 1). Its decoder
//! (`pgoutput`) and the conversion of values to Debezium's JSON (`value`, `time`, `literal`) are pure.

mod catalog;
mod column;
mod connection;
mod envelope;
mod literal;
mod pgoutput;
mod publication;
mod replaced_values;
pub(crate) mod settings;
mod snapshot;
mod stream;
mod table;
mod time;
mod value;

use crate::{CdcError, CdcErrorKind, CdcResult, Position, PostgresSettings, Progress, Sink, SnapshotCut};
use catalog::Catalog;
use kulya_store::clock::Clock;

use connection::replication::ReplicationConnection;
use connection::session::{Session, lsn_text};
use connection::wait::wait_for;
use publication::{Publication, PublishedTable};
use replaced_values::ReplacedValues;
use settings::Target;
use snapshot::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stream::{CAUGHT_UP_PREFIX, ReplicationStream};
use tokio_util::sync::CancellationToken;

/// The maximum number of attempts to use a slot that another connection holds. The server notices the end of
/// a process that was killed within this time.
const MAX_BUSY_ATTEMPTS: u32 = 8;
/// The delay before the first retry; it doubles with each further one.
const MIN_DELAY: Duration = Duration::from_millis(200);
/// The maximum delay between attempts.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// The condition under which a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCondition {
    /// The run ends only when it is cancelled.
    Cancelled,
    /// The run ends when all changes are stored that were committed before streaming started.
    CaughtUp,
}

/// The context of a run: its sink, clock, progress callback and cancellation.
pub struct RunContext<'a> {
    /// The destination of the records.
    pub sink: &'a mut dyn Sink,
    /// The clock for the events' processing time, `ts_ms`.
    pub clock: Arc<dyn Clock>,
    /// Called with each progress notification.
    pub on_progress: &'a (dyn Fn(Progress) + Send + Sync),
    /// Ends the run cleanly.
    pub cancel: CancellationToken,
}

/// Captures a database: first a snapshot of its rows, if the sink has no position yet, and then its log.
///
/// A database or store that does not respond is tried again without end, with exponential backoff of at most
/// ten seconds, once it has responded or a position is stored. Cancel-safe: each commit to the sink is
/// atomic.
///
/// # Errors
/// `Configuration` for invalid settings or an unsuitable database; `Unreachable` when the database does not
/// respond at the very first; `Busy` when another process keeps the replication slot; `Position` when the
/// stored position is not valid in the database; the errors of the sink.
pub async fn run(
    settings: PostgresSettings,
    stop_condition: StopCondition,
    mut context: RunContext<'_>,
) -> CdcResult<()> {
    let target = settings.target()?;
    let mut attempts = 0;
    let mut state = RunState::default();
    loop {
        let result = run_connection(&target, stop_condition, &mut context, &mut state).await;
        let error = match result {
            Err(_) if context.cancel.is_cancelled() => return Ok(()),
            Err(error) if matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy) => error,
            other => return other,
        };
        attempts = if std::mem::take(&mut state.has_streamed) { 1 } else { attempts + 1 };
        let is_wrong_address = !state.has_connected && error.kind() == CdcErrorKind::Unreachable;
        let is_held = error.kind() == CdcErrorKind::Busy && attempts > MAX_BUSY_ATTEMPTS;
        if is_held || is_wrong_address && !has_position(&mut context).await {
            return Err(error);
        }
        let delay = delay(attempts);
        tracing::warn!(%error, cause = source_text(&error), attempt = attempts, ?delay, "capture failed, retrying");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = context.cancel.cancelled() => return Ok(()),
        }
    }
}

/// What a run has reached so far.
#[derive(Debug, Default)]
struct RunState {
    /// The database has accepted a connection.
    has_connected: bool,
    /// The log was streamed since the last failure.
    has_streamed: bool,
}

/// Returns the delay before the next attempt; `attempts` counts from one.
fn delay(attempts: u32) -> Duration {
    (MIN_DELAY * 2u32.pow(attempts.saturating_sub(1).min(16))).min(MAX_DELAY)
}

async fn has_position(context: &mut RunContext<'_>) -> bool {
    matches!(context.sink.position().await, Ok(Some(_)))
}

/// Returns the text of an error's cause, for the log.
fn source_text(error: &CdcError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

/// Captures over one connection.
async fn run_connection(
    target: &Target,
    stop_condition: StopCondition,
    context: &mut RunContext<'_>,
    state: &mut RunState,
) -> CdcResult<()> {
    let settings = &target.settings;
    let session = Session::open(target).await?;
    state.has_connected = true;
    let server = session.check().await?;
    let position = context.sink.position().await?;
    let publication = publication::prepare(&session, settings, &server).await?;
    let position = match position {
        Some(position) => {
            let position = validate_offset(&session, target, &server.system, position).await?;
            run_added_tables(&session, target, &publication, position, context).await?
        }
        None => run_snapshot(&session, target, &publication, server.system, context).await?,
    };
    run_stream(&session, target, stop_condition, position, context, state).await
}

/// Checks that a stored position is valid in this database's log.
async fn validate_offset(
    session: &Session,
    target: &Target,
    system: &str,
    position: Position,
) -> CdcResult<Position> {
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
        None => invalid(format!("replication slot {} of {name} does not exist", position.slot)),
        Some(slot) if slot.is_lost => {
            invalid(format!("PostgreSQL has removed the log that replication slot {} needs", position.slot))
        }
        Some(slot) if slot.confirmed_lsn > position.lsn => invalid(format!(
            "another consumer has advanced replication slot {} to {}, beyond the stored position {}",
            position.slot,
            lsn_text(slot.confirmed_lsn),
            lsn_text(position.lsn)
        )),
        Some(_) => Ok(position),
    }
}

/// Creates the replication slot, reads the snapshot, and commits it with the first position.
async fn run_snapshot(
    session: &Session,
    target: &Target,
    publication: &Publication,
    system: String,
    context: &mut RunContext<'_>,
) -> CdcResult<Position> {
    // what the log needs is checked before the rows are read
    ReplicationConnection::open(target, Arc::clone(&context.clock)).await?.close().await;
    let lsn = prepare_slot(session, target).await?;
    let cut = read_tables(session, target, &publication.tables, lsn, context).await?;
    let position = Position {
        system,
        database: target.database.clone(),
        slot: target.settings.slot.clone(),
        lsn,
        message_lsn: 0,
        snapshot: Some(cut),
        table_snapshots: BTreeMap::new(),
        coverage: Some(publication.coverage(&target.settings)),
    };
    context.sink.commit(&position).await?;
    (context.on_progress)(Progress::SnapshotStored);
    Ok(position)
}

/// Reads the rows of tables that were not captured when the position was stored, and commits them with it.
async fn run_added_tables(
    session: &Session,
    target: &Target,
    publication: &Publication,
    mut position: Position,
    context: &mut RunContext<'_>,
) -> CdcResult<Position> {
    let coverage = publication.coverage(&target.settings);
    let added = match &position.coverage {
        Some(earlier) if *earlier == coverage => return Ok(position),
        Some(earlier) => publication.added_since(earlier),
        None => Vec::new(),
    };
    position.coverage = Some(coverage);
    if added.is_empty() {
        return Ok(position);
    }
    let cut = read_tables(session, target, &added, position.lsn, context).await?;
    for table in &added {
        position.table_snapshots.insert(table.info.name(), cut.clone());
    }
    context.sink.commit(&position).await?;
    (context.on_progress)(Progress::SnapshotStored);
    Ok(position)
}

async fn read_tables(
    session: &Session,
    target: &Target,
    tables: &[PublishedTable],
    lsn: u64,
    context: &mut RunContext<'_>,
) -> CdcResult<SnapshotCut> {
    let mut snapshot = Snapshot {
        session,
        target,
        catalog: &mut Catalog::default(),
        clock: &*context.clock,
        on_progress: context.on_progress,
        cancel: &context.cancel,
        replaced_values: ReplacedValues::default(),
    };
    snapshot.read(tables, context.sink, lsn).await
}

/// Creates the replication slot, or takes over that of a run that ended during its snapshot. Returns the
/// position from which the log is retained.
async fn prepare_slot(session: &Session, target: &Target) -> CdcResult<u64> {
    let name = &target.settings.slot;
    let Some(slot) = session.slot(name).await? else {
        let create = session.create_slot(name);
        return wait_for(
            target,
            session,
            "the end of the transactions that were open before the slot",
            create,
        )
        .await;
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

/// Streams the log from a position.
async fn run_stream(
    session: &Session,
    target: &Target,
    stop_condition: StopCondition,
    position: Position,
    context: &mut RunContext<'_>,
    state: &mut RunState,
) -> CdcResult<()> {
    let mut connection = ReplicationConnection::open(target, Arc::clone(&context.clock)).await?;
    connection.start(&position.slot, position.lsn, &target.settings.publication).await?;
    state.has_streamed = true;
    (context.on_progress)(Progress::Streaming { lsn: position.lsn });
    let mut replication =
        ReplicationStream::new(session, target, &*context.clock, context.on_progress, position);
    if stop_condition == StopCondition::CaughtUp {
        // all changes committed before this message precede it in the log
        let token = context.clock.since_epoch().as_nanos().to_string();
        session
            .execute(&format!("SELECT pg_logical_emit_message(true, '{CAUGHT_UP_PREFIX}', '{token}')"))
            .await?;
        replication.caught_up_token = Some(token);
    }
    let result = replication.run(&mut connection, context.sink, &context.cancel).await;
    connection.close().await;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_maximum() {
        let delays: Vec<u128> = [1, 2, 3, 6, 7, 100, u32::MAX].map(|n| delay(n).as_millis()).to_vec();
        assert_eq!(delays, [200, 400, 800, 6400, 10_000, 10_000, 10_000]);
    }
}
