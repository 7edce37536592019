//! PostgreSQL: the snapshot, the log, and the handover between them.
//!
//! The log comes through `pgoutput` (version 1); its decoder ([`pgoutput`]) and everything from a value's text to
//! Debezium's JSON ([`value`], [`time`], [`literal`]) are pure. The transport is `pgwire-replication`'s.

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
use stream::{Follower, MARK_PREFIX};
use tokio_util::sync::CancellationToken;

/// How often a broken connection is made again without any progress in between.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// When a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never: it follows the database until it is stopped.
    Stopped,
    /// Once everything that was committed when the log began to be followed is stored.
    CaughtUp,
}

/// What a run is given beside its settings.
pub struct Surroundings<'a> {
    /// Where the records go.
    pub sink: &'a mut dyn Sink,
    /// The time in the events' `ts_ms`.
    pub clock: Arc<dyn Clock>,
    /// Told what happens.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
    /// Ends the run cleanly.
    pub stop: CancellationToken,
}

/// Captures a database: its rows first, when nothing is stored yet, and then its log.
///
/// A broken connection is made again, a bounded number of times in a row. Cancel-safe in the sense that matters:
/// whatever was committed to the sink is whole.
pub async fn run(settings: PostgresSettings, until: Until, mut around: Surroundings<'_>) -> CdcResult<()> {
    let target = settings.target()?;
    let mut failures = 0;
    let mut last_lsn = None;
    loop {
        let done = once(&target, until, &mut around).await;
        let error = match done {
            Err(_) if around.stop.is_cancelled() => return Ok(()),
            Err(error) if matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy) => error,
            other => return other,
        };
        let position = around.sink.position().await?;
        let lsn = position.map(|position| position.lsn);
        failures = if lsn == last_lsn { failures + 1 } else { 1 };
        last_lsn = lsn;
        // before anything was stored there is nothing to go on with: the caller sees the cause at once
        let is_first = lsn.is_none() && error.kind() == CdcErrorKind::Unreachable;
        if is_first || failures > TRIES {
            return Err(error);
        }
        tracing::warn!(%error, "trying again");
        let pause = (FIRST_PAUSE * 2u32.pow(failures - 1)).min(LONGEST_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = around.stop.cancelled() => return Ok(()),
        }
    }
}

/// One connection's life.
async fn once(target: &Target, until: Until, around: &mut Surroundings<'_>) -> CdcResult<()> {
    let settings = &target.settings;
    let session = Session::open(target).await?;
    let server = session.check().await?;
    let position = around.sink.position().await?;
    catalog::publish(&session, settings, server.superuser).await?;
    let position = match position {
        Some(position) => checked(&session, target, &server.system, position).await?,
        None => first(&session, target, server.system, around).await?,
    };
    follow(&session, target, until, position, around).await
}

/// Refuses a stored position that does not belong to this database's log (any more).
async fn checked(
    session: &Session,
    target: &Target,
    system: &str,
    position: Position,
) -> CdcResult<Position> {
    let name = &target.settings.name;
    let wrong = |what: String| {
        Err(CdcError::new(
            CdcErrorKind::Position,
            format!("{what}; changes may be missing: capture under another name, into new streams"),
        ))
    };
    if position.system != system || position.database != target.database {
        return wrong(format!(
            "{name} was captured from database {} of another server than {}",
            position.database,
            session.server()
        ));
    }
    match session.slot(&position.slot).await? {
        None => wrong(format!("replication slot {} of {name} is gone", position.slot)),
        Some(slot) if slot.lost => {
            wrong(format!("PostgreSQL has dropped the log that slot {} held", position.slot))
        }
        Some(slot) if slot.confirmed_lsn > position.lsn => wrong(format!(
            "somebody else has read from replication slot {} up to {}, beyond the stored position {}",
            position.slot,
            Lsn::from_u64(slot.confirmed_lsn),
            Lsn::from_u64(position.lsn)
        )),
        Some(_) => Ok(position),
    }
}

/// Makes the slot, reads the snapshot, and stores both with the first position.
async fn first(
    session: &Session,
    target: &Target,
    system: String,
    around: &mut Surroundings<'_>,
) -> CdcResult<Position> {
    let name = &target.settings.slot;
    let lsn = match session.slot(name).await? {
        // of a run that ended during its snapshot: it still holds the log from before any snapshot to come
        Some(slot) if slot.plugin == "pgoutput" && slot.database == target.database => {
            match slot.active_process {
                None => slot.confirmed_lsn,
                Some(process) => {
                    return Err(CdcError::new(
                        CdcErrorKind::Busy,
                        format!(
                            "replication slot {name} is in use by process {process} of the database: stop who uses it, or set another slot"
                        ),
                    ));
                }
            }
        }
        Some(slot) => {
            return Err(CdcError::configuration(format!(
                "replication slot {name} is there for {} in database {}: set another slot",
                slot.plugin, slot.database
            )));
        }
        None => session.create_slot(name).await?,
    };
    let mut snapshot = Snapshot {
        session,
        target,
        catalog: &mut Catalog::default(),
        clock: &*around.clock,
        progress: around.progress,
        stop: &around.stop,
    };
    let cut = snapshot.read(around.sink, lsn).await?;
    let position = Position {
        system,
        database: target.database.clone(),
        slot: name.clone(),
        lsn,
        message_lsn: 0,
        snapshot: Some(cut),
    };
    around.sink.commit(&position).await?;
    (around.progress)(Progress::SnapshotStored);
    Ok(position)
}

async fn follow(
    session: &Session,
    target: &Target,
    until: Until,
    position: Position,
    around: &mut Surroundings<'_>,
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
    let mut client = ReplicationClient::connect(config).await.map_err(|e| stream::broken(target, e))?;
    client.wait_started().await.map_err(|e| stream::broken(target, e))?;
    (around.progress)(Progress::Streaming { lsn: position.lsn });
    let mut follower = Follower::new(session, target, &*around.clock, around.progress, position);
    if until == Until::CaughtUp {
        // whatever was committed before this message comes before it in the log
        let mark = around.clock.since_epoch().as_nanos().to_string();
        session.execute(&format!("SELECT pg_logical_emit_message(true, '{MARK_PREFIX}', '{mark}')")).await?;
        follower.until = Some(mark);
    }
    let done = follower.follow(&mut client, around.sink, &around.stop).await;
    // says goodbye, with the last confirmation, so that the slot is free at once
    let _ = client.shutdown().await;
    done
}
