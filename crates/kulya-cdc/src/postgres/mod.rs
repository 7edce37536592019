//! Capture of a PostgreSQL database: the initial snapshot, streaming of the write-ahead log, and the handover
//! between them.
//!
//! The log is read by logical replication with the plugin `pgoutput` (protocol version 1). Its decoder
//! (`pgoutput`) and the conversion of values to Debezium's JSON (`value`, `time`, `literal`) are
//! pure. The transport is the crate `pgwire-replication`.

mod catalog;
mod column;
mod envelope;
mod literal;
mod pgoutput;
mod session;
pub(crate) mod settings;
mod snapshot;
mod stream;
mod table;
mod time;
mod value;

use crate::{CdcError, CdcErrorKind, CdcResult, Position, PostgresSettings, Progress, Sink};
use catalog::Catalog;
use kulya_store::clock::Clock;
use pgwire_replication::{Lsn, ReplicationClient, ReplicationConfig};
use session::{SESSION_OPTIONS, Session};
use settings::Target;
use snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;
use stream::{CAUGHT_UP_PREFIX, ReplicationStream};
use tokio_util::sync::CancellationToken;

/// The maximum number of retries without progress in between.
const MAX_RETRIES: u32 = 8;
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
/// A lost connection is reopened with exponential backoff, with at most 8 retries without progress.
/// Cancel-safe: each commit to the sink is atomic.
///
/// # Errors
/// `Configuration` for invalid settings or an unsuitable database; `Unreachable` or `Busy` after the last
/// attempt; `Position` when the stored position is not valid in the database; the errors of the sink.
pub async fn run(
    settings: PostgresSettings,
    stop_condition: StopCondition,
    mut context: RunContext<'_>,
) -> CdcResult<()> {
    let target = settings.target()?;
    let mut failures = 0;
    let mut last_lsn = None;
    loop {
        let result = run_connection(&target, stop_condition, &mut context).await;
        let error = match result {
            Err(_) if context.cancel.is_cancelled() => return Ok(()),
            Err(error) if matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy) => error,
            other => return other,
        };
        let position = context.sink.position().await?;
        let lsn = position.map(|position| position.lsn);
        failures = if lsn == last_lsn { failures + 1 } else { 1 };
        last_lsn = lsn;
        // without a stored position the first failure is returned at once, for example for a wrong URL
        let is_first = lsn.is_none() && error.kind() == CdcErrorKind::Unreachable;
        if is_first || failures > MAX_RETRIES {
            return Err(error);
        }
        tracing::warn!(%error, attempt = failures, "capture failed, retrying");
        let delay = (MIN_DELAY * 2u32.pow(failures - 1)).min(MAX_DELAY);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = context.cancel.cancelled() => return Ok(()),
        }
    }
}

/// Captures over one connection.
async fn run_connection(
    target: &Target,
    stop_condition: StopCondition,
    context: &mut RunContext<'_>,
) -> CdcResult<()> {
    let settings = &target.settings;
    let session = Session::open(target).await?;
    let server = session.check().await?;
    let position = context.sink.position().await?;
    catalog::create_publication(&session, settings, server.is_superuser).await?;
    let position = match position {
        Some(position) => validate_offset(&session, target, &server.system, position).await?,
        None => run_snapshot(&session, target, server.system, context).await?,
    };
    run_stream(&session, target, stop_condition, position, context).await
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
            Lsn::from_u64(slot.confirmed_lsn),
            Lsn::from_u64(position.lsn)
        )),
        Some(_) => Ok(position),
    }
}

/// Creates the replication slot, reads the snapshot, and commits it with the first position.
async fn run_snapshot(
    session: &Session,
    target: &Target,
    system: String,
    context: &mut RunContext<'_>,
) -> CdcResult<Position> {
    let name = &target.settings.slot;
    let lsn = match session.slot(name).await? {
        // the slot of a run that ended during its snapshot: it retains the log from before the new snapshot
        Some(slot) if slot.plugin == "pgoutput" && slot.database == target.database => {
            match slot.active_process {
                None => slot.confirmed_lsn,
                Some(process) => {
                    return Err(CdcError::new(
                        CdcErrorKind::Busy,
                        format!(
                            "replication slot {name} is in use by backend process {process}: stop its client, or set another slot"
                        ),
                    ));
                }
            }
        }
        Some(slot) => {
            return Err(CdcError::configuration(format!(
                "replication slot {name} exists with plugin {} in database {}: set another slot",
                slot.plugin, slot.database
            )));
        }
        None => session.create_slot(name).await?,
    };
    let mut snapshot = Snapshot {
        session,
        target,
        catalog: &mut Catalog::default(),
        clock: &*context.clock,
        on_progress: context.on_progress,
        cancel: &context.cancel,
    };
    let cut = snapshot.read(context.sink, lsn).await?;
    let position = Position {
        system,
        database: target.database.clone(),
        slot: name.clone(),
        lsn,
        message_lsn: 0,
        snapshot: Some(cut),
    };
    context.sink.commit(&position).await?;
    (context.on_progress)(Progress::SnapshotStored);
    Ok(position)
}

/// Streams the log from a position.
async fn run_stream(
    session: &Session,
    target: &Target,
    stop_condition: StopCondition,
    position: Position,
    context: &mut RunContext<'_>,
) -> CdcResult<()> {
    let settings = &target.settings;
    let start = Lsn::from_u64(position.lsn);
    let mut config = ReplicationConfig::new(
        &target.host,
        &target.user,
        &target.password,
        &target.database,
        &position.slot,
        settings.publication.as_str(),
    )
    .with_port(target.port)
    .with_start_lsn(start)
    .with_ack_lsn(start)
    .with_options(SESSION_OPTIONS)
    .with_application_name("kulya");
    config.tls = pgwire_replication::TlsConfig::disabled();
    let mut client =
        ReplicationClient::connect(config).await.map_err(|e| stream::connection_error(target, e))?;
    client.wait_started().await.map_err(|e| stream::connection_error(target, e))?;
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
    let result = replication.run(&mut client, context.sink, &context.cancel).await;
    // sends the last confirmation and releases the slot
    let _ = client.shutdown().await;
    result
}
