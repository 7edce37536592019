//! The state machine: where in the log and in which transaction the reader is.

use super::error::StreamError;
use super::query::Control;
use super::schema::{IsCaptured, Schema, tables_of};
use super::step::{Change, Ddl, End, RowsChange, StatementChange, Step, Transaction, TransactionKind};
use super::table_maps::TableMaps;
use crate::mysql::binlog::{
    AlterPhase, Event, EventHeader, MariadbTransactionStart, Query, RowsEvent, TransactionStart, XaPrepare,
};
use crate::mysql::catalog::ServerFacts;
use crate::mysql::ddl::{Statement, parse};
use crate::mysql::offset::{LogPoint, TransactionId};
use crate::mysql::schema_history::{SchemaHistory, Table, TableName};
use crate::mysql::snapshot_rows::{PartialRows, SnapshotRows};
use std::sync::Arc;

type Result<T> = std::result::Result<T, StreamError>;

/// The number of rows events without a table, which only end a statement.
const NO_TABLE: u64 = 0xff_ffff;

/// Reads the log's events in order.
pub(crate) struct LogReader {
    facts: ServerFacts,
    schema: Schema,
    maps: TableMaps,
    /// The end of the last event.
    point: LogPoint,
    /// Where the last event begins.
    event_start: u64,
    state: State,
    /// A captured table that the open transaction has changed.
    changed: Option<TableName>,
    /// The text of the statement whose rows follow, in the client's character set.
    statement: Option<Vec<u8>>,
    has_statements: bool,
    /// Whether XA transactions are taken for committed when they are prepared.
    commits_at_prepare: bool,
    /// Whether the last rows were the last ones of their statement.
    is_statement_ended: bool,
    /// When the last event was logged.
    timestamp: Option<u32>,
    /// The tables whose rows were read later than the log up to here.
    snapshot: SnapshotRows,
}

/// In which part of a transaction the reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Between,
    /// A transaction was announced by its id; a statement tells whether it is a statement alone.
    Announced {
        transaction: Transaction,
        effect: Effect,
    },
    Open(Arc<Transaction>),
}

/// What the statement of an announced transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Immediate,
    /// Nothing: an ALTER that only starts, or that has failed.
    None,
}

impl LogReader {
    /// Starts at a place of the log, between two transactions.
    pub(crate) fn new(
        point: LogPoint,
        history: SchemaHistory,
        facts: ServerFacts,
        is_captured: IsCaptured,
    ) -> Self {
        let event_start = point.position;
        Self {
            facts,
            schema: Schema::new(history, is_captured),
            maps: TableMaps::default(),
            point,
            event_start,
            state: State::Between,
            changed: None,
            statement: None,
            has_statements: false,
            commits_at_prepare: false,
            is_statement_ended: false,
            timestamp: None,
            snapshot: SnapshotRows::default(),
        }
    }

    /// Sets tables whose rows were read later: their changes before the cuts are passed over, and their
    /// definitions are those at the cuts.
    #[must_use]
    pub(crate) fn with_snapshot_rows(mut self, snapshot: SnapshotRows) -> Self {
        self.snapshot = snapshot;
        self
    }

    /// Sets whether the texts of statements are kept for their rows.
    #[must_use]
    pub(crate) fn with_statements(mut self, has_statements: bool) -> Self {
        self.has_statements = has_statements;
        self
    }

    /// Sets whether XA transactions are taken for committed when they are prepared, as Debezium does;
    /// otherwise they are an error.
    #[must_use]
    pub(crate) fn with_commit_at_prepare(mut self, commits_at_prepare: bool) -> Self {
        self.commits_at_prepare = commits_at_prepare;
        self
    }

    /// Returns the end of the last event.
    pub(crate) fn point(&self) -> &LogPoint {
        &self.point
    }

    /// Returns the definitions at this place.
    pub(crate) fn history(&self) -> &SchemaHistory {
        self.schema.history()
    }

    /// Whether a table is captured.
    pub(crate) fn is_captured(&self, name: &TableName) -> bool {
        self.schema.is_captured(&name.database, &name.table)
    }

    /// Returns the definition of a table, if it is captured, and if its rows were not read after the
    /// present transaction.
    pub(crate) fn captured_table(&self, name: &TableName) -> Option<&Table> {
        let is_captured = self.schema.is_captured(&name.database, &name.table) && !self.is_in_snapshot(name);
        self.schema.table(&name.database, &name.table).filter(|_| is_captured)
    }

    /// Returns a number that increases when the definitions change.
    pub(crate) fn schema_version(&self) -> u64 {
        self.schema.version()
    }

    /// Whether the texts of statements are kept for their rows.
    pub(crate) fn has_statements(&self) -> bool {
        self.has_statements
    }

    /// Returns the text of the statement whose rows were just read, in the client's character set, if the
    /// server logs it.
    pub(crate) fn statement(&self) -> Option<&[u8]> {
        self.statement.as_deref()
    }

    /// Whether the reader is within a transaction.
    #[cfg(test)]
    pub(super) fn is_in_transaction(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Reads an event, or one of a compressed transaction.
    ///
    /// # Errors
    /// What prevents capture from here on. The reader cannot be used again.
    pub(crate) fn read<'e>(&mut self, header: &EventHeader, event: Event<'e>) -> Result<Step<'e>> {
        self.move_on(header);
        let step = self.read_here(header, event)?;
        if header.timestamp > 0 {
            self.timestamp = Some(header.timestamp);
        }
        Ok(Step { timestamp: header.timestamp, ..step })
    }

    fn read_here<'e>(&mut self, header: &EventHeader, event: Event<'e>) -> Result<Step<'e>> {
        match event {
            Event::TransactionStart(start) => self.announce(header, &start),
            Event::MariadbTransactionStart(start) => self.announce_mariadb(header, &start),
            Event::Query(query) => self.query(header, query),
            Event::RowsQuery(text) => {
                self.statement = self.has_statements.then(|| text.to_vec());
                self.is_statement_ended = false;
                Ok(Step::default())
            }
            Event::TableMap(map) => {
                if std::mem::take(&mut self.is_statement_ended) {
                    self.statement = None;
                }
                let is_in_snapshot = self.is_in_snapshot(&TableName::new(map.schema, map.table));
                let put = self.maps.put(&map, is_in_snapshot, &mut self.schema, &self.facts);
                put.map_err(|error| StreamError::Event { at: self.here(), error })?;
                Ok(Step::default())
            }
            Event::Rows(rows) => self.rows(header, rows),
            Event::Commit { .. } => self.end(End::Commit),
            Event::XaPrepare(prepare) => self.xa_prepare(&prepare),
            Event::TransactionPayload(payload) => {
                Ok(Step { change: Some(Change::Payload(payload)), ..Step::default() })
            }
            Event::Rotate(next) => {
                self.point = LogPoint::new(next.file, next.position);
                self.event_start = next.position;
                Ok(self.idle())
            }
            Event::Heartbeat(at) => {
                if self.state == State::Between {
                    self.point = LogPoint::new(at.file, at.position);
                }
                Ok(self.idle())
            }
            Event::FormatDescription(_) => self.start_of_file(header),
            _ => Ok(self.idle()),
        }
    }

    /// Moves the place over an event.
    fn move_on(&mut self, header: &EventHeader) {
        // events of a compressed transaction, and those made for the connection, have no place of their own
        if header.end_position == 0 || header.is_artificial() {
            return;
        }
        const WRAP: u64 = 1 << 32;
        let end = self.point.position & !(WRAP - 1) | u64::from(header.end_position);
        // positions of longer files are logged modulo 4 GiB
        let end = if end < self.point.position { end + WRAP } else { end };
        self.event_start = end.saturating_sub(header.length.into());
        self.point.position = end;
    }

    /// Whether the rows of a table were read after the present transaction.
    fn is_in_snapshot(&self, table: &TableName) -> bool {
        let Some(cut) = self.snapshot.cuts.get(table) else { return false };
        let (id, start) = self.transaction();
        cut.contains(id, &start)
    }

    /// Returns what snapshots have read of a table at several cuts, as to the present transaction; `None` for
    /// a table that was read at one cut.
    pub(crate) fn partial_rows(&self, table: &TableName) -> Option<PartialRows> {
        let partial = self.snapshot.partial.get(table)?;
        let definition = self.schema.table(&table.database, &table.table)?;
        let (id, start) = self.transaction();
        Some(partial.rows(id, &start, definition))
    }

    /// Whether the definition of a table is that of a snapshot after the present transaction.
    fn is_definition_later(&self, table: &TableName) -> bool {
        let (id, start) = self.transaction();
        let is_later = self.snapshot.partial.get(table).is_some_and(|t| t.has_later_definition(id, &start));
        is_later || self.is_in_snapshot(table)
    }

    /// Returns the id and the start of the present transaction.
    fn transaction(&self) -> (Option<&TransactionId>, LogPoint) {
        match &self.state {
            State::Open(transaction) => (transaction.id.as_ref(), transaction.start.clone()),
            State::Announced { transaction, .. } => (transaction.id.as_ref(), transaction.start.clone()),
            State::Between => (None, self.here()),
        }
    }

    /// Returns the place of the event that is being read.
    fn here(&self) -> LogPoint {
        LogPoint::new(self.point.file.as_str(), self.event_start)
    }

    fn idle(&self) -> Step<'static> {
        let idle_at = (self.state == State::Between).then(|| self.point.clone());
        Step { idle_at, ..Step::default() }
    }

    fn out_of_order<T>(&self, what: &'static str) -> Result<T> {
        Err(StreamError::Order { what, at: self.here() })
    }

    /// A server that has started again has forgotten its open transactions.
    fn start_of_file(&mut self, header: &EventHeader) -> Result<Step<'static>> {
        self.maps.clear();
        match self.state {
            State::Between => Ok(Step::default()),
            _ if header.is_artificial() => Ok(Step::default()),
            _ => self.out_of_order("the begin of a file within a transaction"),
        }
    }

    fn announce(&mut self, header: &EventHeader, start: &TransactionStart) -> Result<Step<'static>> {
        let id = start.gtid.clone().map(TransactionId::Mysql);
        let mut transaction = self.new_transaction(header, id)?;
        transaction.commit_micros = start.original_commit_micros;
        self.state = State::Announced { transaction, effect: Effect::Immediate };
        Ok(Step::default())
    }

    /// MariaDB's transactions of rows have no BEGIN.
    fn announce_mariadb(
        &mut self,
        header: &EventHeader,
        start: &MariadbTransactionStart,
    ) -> Result<Step<'static>> {
        let mut transaction = self.new_transaction(header, Some(TransactionId::Mariadb(start.gtid)))?;
        if start.is_standalone() || start.is_xa_completion() {
            let effect = match start.alter {
                Some(AlterPhase::Start | AlterPhase::Rollback { .. }) => Effect::None,
                _ => Effect::Immediate,
            };
            self.state = State::Announced { transaction, effect };
            return Ok(Step::default());
        }
        transaction.kind = match start.is_xa_prepare() {
            true => TransactionKind::Xa,
            false => TransactionKind::Rows,
        };
        Ok(self.begin(transaction))
    }

    fn new_transaction(&mut self, header: &EventHeader, id: Option<TransactionId>) -> Result<Transaction> {
        if self.state != State::Between {
            return self.out_of_order("a transaction within another one");
        }
        self.maps.bound();
        self.changed = None;
        self.statement = None;
        Ok(Transaction {
            id,
            start: self.here(),
            timestamp: header.timestamp,
            timestamp_before: self.timestamp,
            commit_micros: None,
            thread: None,
            kind: TransactionKind::Statement,
        })
    }

    fn begin(&mut self, transaction: Transaction) -> Step<'static> {
        let transaction = Arc::new(transaction);
        self.state = State::Open(Arc::clone(&transaction));
        Step { begin: Some(transaction), ..Step::default() }
    }

    /// Takes the announced transaction, or a new one without an id.
    fn take_announced(&mut self, header: &EventHeader) -> Result<(Transaction, Effect)> {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Announced { transaction, effect } => Ok((transaction, effect)),
            State::Between => Ok((self.new_transaction(header, None)?, Effect::Immediate)),
            State::Open(_) => self.out_of_order("a transaction within another one"),
        }
    }

    fn end(&mut self, end: End) -> Result<Step<'static>> {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Open(_) => Ok(Step { end: Some(end), ..Step::default() }),
            // a transaction that has become empty
            State::Announced { transaction, .. } => {
                Ok(Step { begin: Some(Arc::new(transaction)), end: Some(end), ..Step::default() })
            }
            State::Between => self.out_of_order("the end of a transaction without its begin"),
        }
    }

    fn query<'e>(&mut self, header: &EventHeader, query: Query<'e>) -> Result<Step<'e>> {
        match Control::of(&query.sql) {
            None => self.statement_event(header, query),
            Some(control @ (Control::Begin | Control::XaStart)) => {
                let (mut transaction, _) = self.take_announced(header)?;
                transaction.thread = Some(query.thread_id);
                let is_xa = control == Control::XaStart;
                transaction.kind = if is_xa { TransactionKind::Xa } else { TransactionKind::Rows };
                Ok(self.begin(transaction))
            }
            Some(Control::Commit) => self.end(End::Commit),
            Some(Control::Rollback) => self.end(End::Rollback),
            Some(Control::XaCompletion) => match self.state {
                State::Open(_) => self.end(End::Commit),
                _ => self.alone(header, None),
            },
            Some(Control::RollbackTo) => match self.changed.clone() {
                Some(table) => Err(StreamError::Savepoint {
                    table,
                    at: self.here(),
                    sql: StreamError::shortened(&query.sql),
                }),
                None => Ok(Step::default()),
            },
            Some(Control::Savepoint | Control::XaEnd) => Ok(Step::default()),
        }
    }

    /// A statement that is a transaction of its own.
    fn alone<'e>(&mut self, header: &EventHeader, change: Option<Change<'e>>) -> Result<Step<'e>> {
        let (transaction, _) = self.take_announced(header)?;
        Ok(Step { begin: Some(Arc::new(transaction)), change, end: Some(End::Commit), ..Step::default() })
    }

    fn statement_event<'e>(&mut self, header: &EventHeader, query: Query<'e>) -> Result<Step<'e>> {
        let is_within = matches!(self.state, State::Open(_));
        let has_effect = !matches!(self.state, State::Announced { effect: Effect::None, .. });
        let change = if has_effect { self.apply(header, query)? } else { None };
        if is_within { Ok(Step { change, ..Step::default() }) } else { self.alone(header, change) }
    }

    /// Applies a statement to the definitions.
    fn apply<'e>(&mut self, header: &EventHeader, query: Query<'e>) -> Result<Option<Change<'e>>> {
        let database = Some(query.schema).filter(|name| !name.is_empty());
        let settings = self.facts.parse_settings(query.variables.sql_mode.unwrap_or(0));
        let statement = match parse(&query.sql, settings) {
            Ok(Statement::Harmless(_)) => return Ok(None),
            Ok(Statement::ChangeRows { tables, .. }) => {
                let session = self.facts.session(database, None);
                let sql = StreamError::shortened(&query.sql);
                let error = StreamError::Statement { at: self.here(), sql };
                return match tables.and_then(|tables| self.schema.unknown_tables(&tables, &session)) {
                    Some(unknown) => Ok(Some(Change::Statement(StatementChange { unknown, error }))),
                    None => Err(error),
                };
            }
            Ok(statement) => statement,
            Err(error) => {
                self.schema.note_unread(&error, &query.sql, database);
                return Ok(None);
            }
        };
        let collation = query.variables.charset.map(|charset| charset.server);
        let session = self.facts.session(database, collation);
        let tables = tables_of(&statement, &session, self.schema.history());
        let SnapshotRows { cuts, partial } = &self.snapshot;
        let kept = cuts.keys().chain(partial.keys()).filter(|name| self.is_definition_later(name));
        let kept: Vec<Table> =
            kept.filter_map(|name| self.schema.table(&name.database, &name.table).cloned()).collect();
        let changes = self.schema.apply(&statement, &session, || tables);
        kept.into_iter().for_each(|table| self.schema.replace(table));
        Ok(Some(Change::Ddl(Ddl {
            sql: query.sql,
            changes,
            timestamp: header.timestamp,
            server_id: header.server_id,
            position: self.event_start,
        })))
    }

    fn rows<'e>(&mut self, header: &EventHeader, event: RowsEvent<'e>) -> Result<Step<'e>> {
        let mut step = Step::default();
        let is_alone = matches!(self.state, State::Announced { .. });
        if is_alone {
            let (transaction, _) = self.take_announced(header)?;
            step = self.begin(transaction);
        }
        if self.state == State::Between {
            return self.out_of_order("rows without a transaction");
        }
        let is_end = event.is_statement_end();
        self.is_statement_ended = is_end;
        if event.table_id != NO_TABLE
            && let Some(table) = self.maps.table(event.table_id, &self.here())?
        {
            if let Some(error) = event.refusal {
                let table = table.table.name.clone();
                return Err(StreamError::Rows { table, at: self.here(), error });
            }
            if self.changed.as_ref() != Some(&table.table.name) {
                self.changed = Some(table.table.name.clone());
            }
            let read = self.partial_rows(&table.table.name);
            step.change = Some(Change::Rows(RowsChange {
                table,
                event,
                read,
                timestamp: header.timestamp,
                server_id: header.server_id,
                position: self.event_start,
            }));
        }
        if is_alone && is_end {
            step.end = self.end(End::Commit)?.end;
        }
        Ok(step)
    }

    fn xa_prepare(&mut self, prepare: &XaPrepare) -> Result<Step<'static>> {
        match self.changed.clone() {
            Some(table) if !prepare.is_one_phase && !self.commits_at_prepare => {
                Err(StreamError::Xa { table, at: self.here() })
            }
            _ => self.end(End::Commit),
        }
    }
}
