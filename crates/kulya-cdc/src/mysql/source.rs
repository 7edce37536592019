//! MySQL and MariaDB as a source: connects, validates the stored position, reads the snapshot, streams the
//! log.

use super::catalog::{ServerFacts, is_system};
use super::connection::{CaptureNeeds, Connection, DumpSettings, Flavor};
use super::events::EventWriter;
use super::log_stream::LogStream;
use super::offset::{MysqlPosition, ServerLog};
use super::schema_history::{SchemaHistory, StoredHistory, TableName};
use super::session;
use super::settings::Target;
use super::snapshot::{Snapshot, SnapshotSettings};
use super::stream::LogReader;
use super::table_rows;
use crate::control::Control;
use crate::debezium::connector::Connector;
use crate::debezium::events::EventContext;
use crate::output::Output;
use crate::settings::SnapshotMode;
use crate::source::{Source, SourceConnection};
use crate::{
    CaptureSettings, CdcError, CdcErrorKind, CdcResult, Checkpoint, Position, Progress, StopCondition,
};
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
        let mut session = Connection::open(&self.target.connection).await?;
        session::prepare(&mut session).await?;
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
        let events = Arc::new(self.target.settings.events(connector, &self.run_id));
        Ok(MysqlConnection { target: self.target.clone(), events, session, facts })
    }
}

/// A connected server.
pub(crate) struct MysqlConnection {
    target: Target,
    events: Arc<EventContext>,
    session: Connection,
    facts: ServerFacts,
}

/// Returns the MySQL position of a checkpoint.
///
/// # Errors
/// `Position` for one of another kind of database.
fn position_of(checkpoint: &Checkpoint) -> CdcResult<MysqlPosition> {
    match &checkpoint.position {
        Position::Mysql(position) => Ok(position.clone()),
        _ => Err(invalid("the stored position is of another kind of database")),
    }
}

/// Returns the schema history of a checkpoint.
///
/// # Errors
/// `Position` if it has none, or it cannot be read.
fn history_of(checkpoint: &Checkpoint) -> CdcResult<SchemaHistory> {
    let text =
        checkpoint.history.as_deref().ok_or_else(|| invalid("the stored position has no schema history"))?;
    let stored: StoredHistory = serde_json::from_str(text)
        .map_err(|error| invalid("the stored schema history cannot be read").because(error))?;
    Ok(SchemaHistory::try_from(stored)?)
}

fn invalid(what: &str) -> CdcError {
    CdcError::new(CdcErrorKind::Position, format!("{what}: capture under another name, into new streams"))
}

/// Returns the text in which a history is stored.
///
/// # Errors
/// `Source` if it cannot be written.
pub(super) fn history_text(history: &SchemaHistory) -> CdcResult<Arc<str>> {
    let text = serde_json::to_string(&StoredHistory::from(history))
        .map_err(|error| CdcError::source("the schema history cannot be stored").because(error))?;
    Ok(text.into())
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
            Some(stored) => Some((position_of(&stored)?, history_of(&stored)?)),
            None => None,
        };
        if let Some((position, history)) = &stored
            && position.coverage.as_ref() == Some(&self.target.settings.tables)
        {
            let history = Some(history_text(history)?);
            return Ok(Checkpoint { position: Position::Mysql(position.clone()), history });
        }
        self.read_tables(stored, mode, output).await
    }

    async fn stream(
        &mut self,
        start: Checkpoint,
        stop_condition: StopCondition,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let mut position = position_of(&start)?;
        let log = ServerLog::read(&mut self.session).await?;
        let dump_start = position.start(&log)?;
        let target_end = (stop_condition == StopCondition::CaughtUp).then(|| log.end());
        position.move_to(log.server.clone());
        let settings = &self.target.settings;
        let dump_settings = DumpSettings {
            annotate_rows: settings.include_query,
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
        .with_cuts(position.cuts.clone())
        .with_statements(self.target.settings.include_query);
        let writer = EventWriter::new(Arc::clone(&self.events), self.facts.version.flavour);
        LogStream::new(reader, writer, position, target_end, output)
            .run(&mut events, &mut self.session, output)
            .await
    }
}

impl MysqlConnection {
    /// Reads the rows that are not stored yet: of all tables, of those that an interrupted snapshot has not
    /// read, or of those that the patterns name now, but not when the last snapshot ended.
    async fn read_tables(
        &mut self,
        stored: Option<(MysqlPosition, SchemaHistory)>,
        mode: SnapshotMode,
        output: &mut Output<'_>,
    ) -> CdcResult<Checkpoint> {
        let settings = Arc::clone(&self.target.settings);
        let position = stored.as_ref().map(|(position, _)| position);
        let earlier = position.and_then(|position| position.coverage.clone());
        let earlier = earlier.map(|tables| CaptureSettings { tables, ..CaptureSettings::default() });
        let is_new = |database: &str, table: &str| {
            !earlier.as_ref().is_some_and(|earlier| earlier.is_captured(database, table))
        };
        let is_read = |table: &TableName| {
            mode != SnapshotMode::NoData
                && is_new(&table.database, &table.table)
                && !position.is_some_and(|position| position.cuts.contains_key(table))
        };
        let mut snapshot = Snapshot::start(&SnapshotSettings {
            connection: &self.target.connection,
            is_captured: &|database, table| is_captured(&settings, database, table),
            is_read: &is_read,
        })
        .await?;
        let (mut position, mut history) = match stored {
            Some(stored) => stored,
            None => (snapshot.position.clone(), snapshot.history.clone()),
        };
        // the others' definitions are those of their own place in the log
        for table in &snapshot.tables {
            let definition = snapshot.history.table(&table.name.database, &table.name.table);
            definition.cloned().into_iter().for_each(|table| history.set_table(table));
        }
        let mut writer = EventWriter::new(Arc::clone(&self.events), self.facts.version.flavour);
        let has_rows = !snapshot.tables.is_empty();
        if has_rows {
            table_rows::read(&mut snapshot, &mut position, &history, &mut writer, output).await?;
        }
        if mode == SnapshotMode::NoData {
            for table in snapshot.captured.clone() {
                table_rows::declare(&snapshot, &table, &mut writer, output)?;
            }
        }
        snapshot.end().await?;
        position.finish_snapshot(settings.tables.clone());
        let history = Some(history_text(&history)?);
        let checkpoint = Checkpoint { position: Position::Mysql(position), history };
        output.commit(checkpoint.clone()).await?;
        output.flush().await;
        if has_rows {
            (output.on_progress)(Progress::SnapshotStored);
        }
        Ok(checkpoint)
    }
}

fn is_captured(settings: &CaptureSettings, database: &str, table: &str) -> bool {
    !is_system(database) && settings.is_captured(database, table)
}
