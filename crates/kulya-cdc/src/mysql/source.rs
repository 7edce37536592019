//! MySQL and MariaDB as a source: connects, validates the stored position, reads the snapshot, streams the
//! log.

use super::catalog::{ServerFacts, is_system, warn_of_cascades};
use super::checkpoint::{history_of, history_text, list_of, position_of};
use super::connection::{CaptureNeeds, Connection, DumpSettings, Flavor};
use super::events::EventWriter;
use super::incremental::MysqlChunks;
use super::log_stream::{LogStream, MAX_WHOLE_BYTES};
use super::offset::{MysqlPosition, ServerLog};
use super::schema_changes::SchemaChanges;
use super::schema_history::{SchemaHistory, TableName};
use super::session;
use super::settings::Target;
use super::snapshot::{Snapshot, SnapshotSettings};
use super::snapshot_rows::{SnapshotRows, listed_name};
use super::stream::LogReader;
use super::table_rows::{self, Run};
use crate::control::Control;
use crate::debezium::Compatibility;
use crate::debezium::connector::Connector;
use crate::debezium::events::EventContext;
use crate::heartbeat::Heartbeats;
use crate::incremental::Incremental;
use crate::memory::Memory;
use crate::output::Output;
use crate::settings::SnapshotMode;
use crate::snapshot_progress::TableList;
use crate::source::{Source, SourceConnection, StreamEnd};
use crate::{CaptureSettings, CdcError, CdcResult, Checkpoint, Position, Progress, StopCondition};
use async_trait::async_trait;
use std::sync::Arc;

/// A MySQL or MariaDB server as a source.
pub(crate) struct MysqlSource {
    target: Target,
    run_id: String,
    control: Control,
}

impl MysqlSource {
    /// `run_id` is new at each start of a capture.
    pub(crate) fn new(target: Target, run_id: String, control: Control) -> Self {
        Self { target, run_id, control }
    }
}

#[async_trait]
impl Source for MysqlSource {
    type Connection = MysqlConnection;

    async fn connect(&self) -> CdcResult<MysqlConnection> {
        let mut session = session::open(&self.target.connection).await?;
        let needs =
            CaptureNeeds { gtid: false, snapshot: true, reader_server_id: Some(self.target.server_id) };
        let problems = session.configuration().await?.check(&needs);
        if !problems.is_empty() {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(CdcError::configuration(format!(
                "{} cannot be captured: {}",
                self.target.connection.server(),
                lines.join("; and ")
            )));
        }
        let facts = ServerFacts::read(&mut session).await?;
        let connector = match session.version().flavor {
            Flavor::Mariadb => Connector::Mariadb,
            _ => Connector::Mysql,
        };
        self.control.describe(&self.target.settings.name, connector.name());
        if self.target.settings.include_query && !has_statements(&self.target.settings) {
            tracing::warn!("events have no statements (include-query): rules for columns change values");
        }
        let events = Arc::new(self.target.settings.events(connector, &self.run_id));
        Ok(MysqlConnection { target: self.target.clone(), events, session, facts })
    }

    fn memory(&self) -> Memory {
        self.target.settings.memory()
    }
}

/// A connected server.
pub(crate) struct MysqlConnection {
    target: Target,
    events: Arc<EventContext>,
    session: Connection,
    facts: ServerFacts,
}

#[async_trait]
impl SourceConnection for MysqlConnection {
    async fn validate(&mut self, stored: &Checkpoint) -> CdcResult<()> {
        let position = position_of(stored)?;
        history_of(stored)?;
        let log = ServerLog::read(&mut self.session).await?;
        position.start(&log).map(|_| ())
    }

    async fn discard(&mut self, _: &Checkpoint) -> CdcResult<()> {
        // the server keeps nothing for its readers
        Ok(())
    }

    async fn snapshot(
        &mut self,
        stored: Option<Checkpoint>,
        mode: SnapshotMode,
        output: &mut Output<'_>,
    ) -> CdcResult<Checkpoint> {
        let stored = match stored {
            Some(stored) => Some((position_of(&stored)?, history_of(&stored)?, list_of(&stored)?)),
            None => None,
        };
        if let Some((position, history, list)) = &stored
            && position.coverage.as_ref() == Some(&self.target.settings.tables)
        {
            let history = Some(history_text(history, list)?);
            return Ok(Checkpoint { position: Position::Mysql(position.clone()), history });
        }
        self.read_tables(stored, mode, output).await
    }

    async fn stream(
        &mut self,
        start: Checkpoint,
        stop_condition: StopCondition,
        output: &mut Output<'_>,
    ) -> CdcResult<StreamEnd> {
        let mut position = position_of(&start)?;
        let log = ServerLog::read(&mut self.session).await?;
        let dump_start = position.start(&log)?;
        let target_end = (stop_condition == StopCondition::CaughtUp).then(|| log.end());
        position.move_to(log.server.clone());
        let list = list_of(&start)?;
        let settings = &self.target.settings;
        let dump_settings = DumpSettings {
            annotate_rows: has_statements(settings),
            // larger events are read in pieces
            max_event_bytes: MAX_WHOLE_BYTES,
            ..DumpSettings::new(self.target.server_id)
        };
        let connection = Connection::open(&self.target.connection).await?;
        let mut events = connection.dump(&dump_start, &dump_settings).await?;
        let captured = Arc::clone(&self.target.settings);
        let reader = LogReader::new(
            position.point.clone(),
            history_of(&start)?,
            self.facts.clone(),
            Arc::new(move |database: &str, table: &str| captured.is_captured(database, table)),
        )
        .with_snapshot_rows(SnapshotRows::new(&position, &list))
        .with_statements(has_statements(&self.target.settings))
        .with_commit_at_prepare(self.events.modes.compat == Compatibility::Debezium);
        let writer = EventWriter::new(Arc::clone(&self.events), self.facts.version.flavour);
        let heartbeats = Heartbeats::new(&self.target.settings, &self.events, output);
        let incremental = self.incremental();
        LogStream::new(reader, writer, position, target_end, incremental, heartbeats, output)
            .with_schema_changes(self.schema_changes())
            .with_snapshot_tables(list)
            .run(&mut events, &mut self.session, output)
            .await
            .map(|()| StreamEnd::Finished)
    }
}

impl MysqlConnection {
    fn incremental(&self) -> (Arc<CaptureSettings>, Incremental<MysqlChunks>) {
        let (target, events, facts) = (self.target.clone(), Arc::clone(&self.events), self.facts.clone());
        let settings = Arc::clone(&target.settings);
        let new = move || MysqlChunks::new(target.clone(), Arc::clone(&events), facts.clone());
        (Arc::clone(&settings), Incremental::new(settings.incremental_snapshot_chunk_size, new))
    }

    fn schema_changes(&self) -> Option<SchemaChanges> {
        let new = || SchemaChanges::new(Arc::clone(&self.events), self.facts.version.flavour);
        self.target.settings.schema_changes.then(new)
    }

    /// Reads the rows that are not stored yet: of all tables, of those that an interrupted snapshot has not
    /// read, or of those that the patterns name now, but not when the last snapshot ended.
    async fn read_tables(
        &mut self,
        stored: Option<(MysqlPosition, SchemaHistory, TableList)>,
        mode: SnapshotMode,
        output: &mut Output<'_>,
    ) -> CdcResult<Checkpoint> {
        let settings = Arc::clone(&self.target.settings);
        let position = stored.as_ref().map(|(position, ..)| position);
        let list = stored.as_ref().map(|(.., list)| list);
        let earlier = position.and_then(|position| position.coverage.clone());
        let earlier = earlier.map(|tables| CaptureSettings { tables, ..CaptureSettings::default() });
        let is_new = |database: &str, table: &str| {
            !earlier.as_ref().is_some_and(|earlier| earlier.is_captured(database, table))
        };
        let is_read = |table: &TableName| {
            mode != SnapshotMode::NoData
                && is_new(&table.database, &table.table)
                && !position.zip(list).is_some_and(|(position, list)| has_read(position, list, table))
        };
        let snapshot = Snapshot::start(&SnapshotSettings {
            connection: &self.target.connection,
            readers: settings.snapshot_readers,
            is_captured: &|database, table| is_captured(&settings, database, table),
            is_read: &is_read,
        })
        .await?;
        settings.warn_of_unmatched_patterns(
            snapshot.captured.iter().map(|table| (table.name.database.as_str(), table.name.table.as_str())),
        );
        let is_ours = |database: &str, table: &str| is_captured(&settings, database, table);
        warn_of_cascades(&mut self.session, &is_ours).await?;
        let (mut position, mut history, mut list) = match stored {
            Some(stored) => stored,
            None => {
                let history = snapshot.definitions.history.clone();
                (snapshot.position.clone(), history, TableList::default())
            }
        };
        let has_rows = !snapshot.tables.is_empty();
        if has_rows {
            if let Some(changes) = self.schema_changes() {
                table_rows::describe(&snapshot, &changes, output);
            }
            let run = Run {
                events: &self.events,
                session: &mut self.session,
                position: &mut position,
                list: &mut list,
                history: &mut history,
                chunk_rows: u64::from(settings.snapshot_chunk_rows),
            };
            table_rows::read(snapshot, run, output).await?;
        } else {
            if mode == SnapshotMode::NoData {
                let mut writer = EventWriter::new(Arc::clone(&self.events), self.facts.version.flavour);
                for table in &snapshot.captured {
                    table_rows::declare(&snapshot, table, &mut writer, output)?;
                }
            }
            for reader in snapshot.readers {
                reader.end().await?;
            }
        }
        position.finish_snapshot(settings.tables.clone());
        if position.snapshot_reads.is_none() {
            list = TableList::default();
        }
        let history = Some(history_text(&history, &list)?);
        let checkpoint = Checkpoint { position: Position::Mysql(position), history };
        output.commit(checkpoint.clone()).await?;
        output.flush().await;
        if has_rows {
            (output.on_progress)(Progress::SnapshotStored);
        }
        Ok(checkpoint)
    }
}

/// Whether all rows of a table are read.
fn has_read(position: &MysqlPosition, list: &TableList, table: &TableName) -> bool {
    let reads = position.snapshot_reads.as_ref().zip(list.number(&listed_name(table)));
    position.cuts.contains_key(table)
        || reads.is_some_and(|(reads, number)| reads.progress.table(number).is_complete())
}

/// Whether events have the statements that changed rows. Statements have values that rules for columns leave
/// out or change.
fn has_statements(settings: &CaptureSettings) -> bool {
    settings.include_query && !settings.columns.changes_values()
}

fn is_captured(settings: &CaptureSettings, database: &str, table: &str) -> bool {
    !is_system(database) && settings.is_captured(database, table)
}
