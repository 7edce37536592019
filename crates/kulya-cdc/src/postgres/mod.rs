//! Capture of a PostgreSQL database: the initial snapshot, streaming of the write-ahead log, and the handover
//! between them.
//!
//! The log is read by logical replication with the plugin `pgoutput` (protocol version 1). Its decoder
//! (`pgoutput`) and the conversion of values to Debezium's JSON (`value`, `time`, `literal`) are pure.

mod catalog;
mod column;
mod connection;
mod copy_line;
mod literal;
mod offset;
mod pgoutput;
mod publication;
pub(crate) mod settings;
mod snapshot;
mod source_block;
mod stream;
mod table;
mod time;
mod transaction;
mod value;

pub use offset::{Coverage, PostgresPosition, SnapshotCut};

use crate::debezium::events::EventContext;
use crate::output::Output;
use crate::source::{Source, SourceConnection};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position, Progress, StopCondition};
use async_trait::async_trait;
use connection::replication::ReplicationConnection;
use connection::session::{Server, Session, lsn_text};
use connection::wait::wait_for;
use kulya_store::clock::Clock;
use publication::{Publication, PublishedTable};
use settings::Target;
use snapshot::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use stream::{CAUGHT_UP_PREFIX, ReplicationStream};

/// A PostgreSQL database as a source.
pub(crate) struct PostgresSource {
    target: Target,
    events: Arc<EventContext>,
}

impl PostgresSource {
    pub(crate) fn new(target: Target, events: EventContext) -> Self {
        Self { target, events: Arc::new(events) }
    }
}

#[async_trait]
impl Source for PostgresSource {
    type Connection = PostgresConnection;

    async fn connect(&self) -> CdcResult<PostgresConnection> {
        let session = Session::open(&self.target).await?;
        let server = session.check().await?;
        let (target, events) = (self.target.clone(), Arc::clone(&self.events));
        Ok(PostgresConnection { target, events, session, server })
    }
}

/// A connected PostgreSQL database.
pub(crate) struct PostgresConnection {
    target: Target,
    events: Arc<EventContext>,
    session: Session,
    server: Server,
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

    async fn snapshot(
        &mut self,
        stored: Option<Checkpoint>,
        output: &mut Output<'_>,
    ) -> CdcResult<Checkpoint> {
        let publication = publication::prepare(&self.session, &self.target.settings, &self.server).await?;
        let position = match stored {
            Some(stored) => self.read_added_tables(&publication, position_of(stored)?, output).await?,
            None => self.read_all_tables(&publication, output).await?,
        };
        Ok(Position::Postgres(position).into())
    }

    async fn stream(
        &mut self,
        start: Checkpoint,
        stop_condition: StopCondition,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let position = position_of(start)?;
        let mut connection = ReplicationConnection::open(&self.target, Arc::clone(output.clock)).await?;
        connection.start(&position.slot, position.lsn, &self.target.settings.publication).await?;
        let caught_up_token = match stop_condition {
            StopCondition::CaughtUp => Some(self.emit_caught_up_message(&**output.clock).await?),
            StopCondition::Cancelled => None,
        };
        let mut stream = ReplicationStream::new(
            &self.session,
            &self.target,
            &self.events,
            position,
            caught_up_token,
            output,
        );
        let result = stream.run(&mut connection, output).await;
        connection.close().await;
        result
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
        Some(_) => Ok(()),
    }
}

impl PostgresConnection {
    /// Creates the replication slot, reads the snapshot, and commits it with the first position.
    async fn read_all_tables(
        &mut self,
        publication: &Publication,
        output: &mut Output<'_>,
    ) -> CdcResult<PostgresPosition> {
        // what the log needs is checked before the rows are read
        ReplicationConnection::open(&self.target, Arc::clone(output.clock)).await?.close().await;
        let lsn = prepare_slot(&self.session, &self.target).await?;
        let cut = self.read_tables(&publication.tables, lsn, output).await?;
        let position = PostgresPosition {
            system: self.server.system.clone(),
            database: self.target.database.clone(),
            slot: self.target.settings.slot.clone(),
            lsn,
            message_lsn: 0,
            snapshot: Some(cut),
            table_snapshots: BTreeMap::new(),
            coverage: Some(publication.coverage(&self.target.settings)),
        };
        store_snapshot(position, output).await
    }

    /// Reads the rows of tables that were not captured when the position was stored, and commits them with
    /// it.
    async fn read_added_tables(
        &mut self,
        publication: &Publication,
        mut position: PostgresPosition,
        output: &mut Output<'_>,
    ) -> CdcResult<PostgresPosition> {
        let coverage = publication.coverage(&self.target.settings);
        let added = match &position.coverage {
            Some(earlier) if *earlier == coverage => return Ok(position),
            Some(earlier) => publication.added_since(earlier),
            None => Vec::new(),
        };
        position.coverage = Some(coverage);
        if added.is_empty() {
            return Ok(position);
        }
        let cut = self.read_tables(&added, position.lsn, output).await?;
        for table in &added {
            position.table_snapshots.insert(table.info.name(), cut.clone());
        }
        store_snapshot(position, output).await
    }

    async fn read_tables(
        &self,
        tables: &[PublishedTable],
        lsn: u64,
        output: &mut Output<'_>,
    ) -> CdcResult<SnapshotCut> {
        Snapshot::new(&self.session, &self.target, &self.events).read(tables, output, lsn).await
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

async fn store_snapshot(position: PostgresPosition, output: &mut Output<'_>) -> CdcResult<PostgresPosition> {
    output.commit(Position::Postgres(position.clone()).into()).await?;
    output.flush().await;
    (output.on_progress)(Progress::SnapshotStored);
    Ok(position)
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
