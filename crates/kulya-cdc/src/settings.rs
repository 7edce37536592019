//! The settings of a capture: what all sources have in common, and what only some have.

use crate::column_rules::ColumnRules;
use crate::debezium::ValueModes;
use crate::debezium::connector::Connector;
use crate::debezium::envelope::Operation;
use crate::debezium::events::EventContext;
use crate::debezium::format::{EventFormat, OperationSet};
use crate::memory::Memory;
use crate::sink::store::sanitize_name;
use crate::table_filter::TableFilter;
use crate::transform::{TransformSettings, Transformations};
use crate::{CdcError, CdcResult, RefusedSchema, StoreSettings};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// The maximum number of connections that read the rows of a snapshot.
pub(crate) const MAX_SNAPSHOT_READERS: u32 = 16;

/// The settings of the capture of one database. In a settings file all members except `url` are optional.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CaptureSettings {
    /// `postgres://user:password@host:port/database`, with the parameters of libpq `sslmode` (default
    /// `prefer`), `sslrootcert`, `options`, `connect_timeout`, `application_name`, `keepalives_idle`,
    /// `keepalives_interval` and `keepalives_retries` (when a silent connection is lost); several hosts are
    /// tried in order. Or `mysql://user:password@host:port/database`, `mariadb://…`
    /// ([`ConnectionSettings::parse`](crate::mysql::connection::ConnectionSettings::parse)). The password may
    /// be in `password` or `password_file` instead.
    pub url: String,
    /// The password, if the URL has none.
    pub password: String,
    /// A file with the password and a line end; the program reads it into `password`.
    pub password_file: Option<PathBuf>,
    /// Debezium's `topic.prefix`, and the name under which the position is stored. Default: the database's
    /// name.
    pub name: String,
    /// The scope of the streams. Default: the name, invalid characters replaced by `-`.
    pub scope: String,
    /// Patterns of captured tables, as `schema.table` with `*` for any text; with MySQL the schema is the
    /// database. Default: all tables of all user schemas, with MySQL those of the URL's database, if it
    /// names one.
    pub tables: Vec<String>,
    /// Which of these tables are captured, by regular expressions.
    pub table_filter: TableFilter,
    /// Rules for the columns: which ones events have, and how their values are masked.
    pub columns: ColumnRules,
    /// The template of stream names, with `{prefix}`, `{schema}` and `{table}`.
    pub stream: String,
    /// The number of segments of a new stream.
    pub segments: u32,
    /// PostgreSQL's replication slot. Default: `kulya_` and the name.
    pub slot: String,
    /// PostgreSQL's publication, created if it does not exist. Default: `kulya_` and the name.
    pub publication: String,
    /// Whether to write transaction metadata: a block in each event, and a stream `prefix.transaction`.
    pub transaction_metadata: bool,
    /// Whether to write events for TRUNCATE. The default is true, unlike Debezium's, so that truncated rows
    /// do not remain in tables derived from the stream.
    pub truncate: bool,
    /// Whether the statements that change tables of MySQL and MariaDB are written, to the topic that has the
    /// capture's name (`include.schema.changes`).
    pub schema_changes: bool,
    /// Whether events of MySQL and MariaDB contain the statement that changed the rows, where the server logs
    /// it (`binlog_rows_query_log_events`, `binlog_annotate_row_events`; Debezium's `include.query`). No
    /// event has it where rules for columns leave out or change values, which statements have.
    pub include_query: bool,
    /// The number by which MySQL or MariaDB knows this reader of its log, different from those of all other
    /// readers and servers. Default: a number that follows from the name.
    pub server_id: Option<u32>,
    /// Whether the existing rows are read, and when.
    pub snapshot_mode: SnapshotMode,
    /// The number of connections that read the existing rows at the same time, from 1 to 16.
    pub snapshot_readers: u32,
    /// The number of rows of a part of a table, which one connection reads at a time, and after which an
    /// interrupted snapshot goes on; 0 to read tables as wholes.
    pub snapshot_chunk_rows: u32,
    /// What happens when the registry refuses a table's schema.
    pub refused_schema: RefusedSchema,
    /// The time between two heartbeats, in milliseconds: events of a stream of their own, whether there are
    /// changes or not. 0 for none.
    pub heartbeat_interval_ms: u64,
    /// A statement that each heartbeat runs in the database; empty for none.
    pub heartbeat_query: String,
    /// A table by which the capture gets signals, as `schema.table` (`signal.data.collection`). It is
    /// captured too. Empty for none.
    pub signal_table: String,
    /// The maximum number of rows of a chunk of an incremental snapshot
    /// (`incremental.snapshot.chunk.size`).
    pub incremental_snapshot_chunk_size: u32,
    /// Whether PostgreSQL (14 or later) sends a large transaction before it is committed: its changes stay in
    /// `spool_folder` until then. Default: true.
    pub streaming: bool,
    /// The folder of changes of transactions that have not ended, in which the capture makes one of its own.
    /// Default: `kulya-spool` in the folder for temporary files.
    pub spool_folder: Option<PathBuf>,
    /// The memory for changes on the way to the store, in bytes: for batches, and for parts of transactions
    /// that have not ended. At least 2 MiB.
    pub memory: u64,
    /// Which events are written, and what surrounds their rows.
    pub format: EventFormat,
    /// How values are represented.
    pub values: ValueModes,
    /// Transformations of the events, in their order, with the names and options that Debezium has
    /// (`transforms`).
    pub transforms: Vec<TransformSettings>,
}

/// Omits the password.
impl fmt::Debug for CaptureSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, name, scope, tables, stream, segments, slot, publication, .. } = self;
        f.debug_struct("CaptureSettings")
            .field("url", &without_password(url))
            .field("name", name)
            .field("scope", scope)
            .field("tables", tables)
            .field("stream", stream)
            .field("segments", segments)
            .field("slot", slot)
            .field("publication", publication)
            .finish_non_exhaustive()
    }
}

/// Returns a URL without user, password and parameters.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let location = rest.rsplit_once('@').map_or(rest, |(_, location)| location);
    format!("{scheme}://…{}", location.split('?').next().unwrap_or_default())
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            password: String::new(),
            password_file: None,
            name: String::new(),
            scope: String::new(),
            tables: Vec::new(),
            table_filter: TableFilter::default(),
            columns: ColumnRules::default(),
            stream: "{prefix}.{schema}.{table}".to_owned(),
            segments: 1,
            slot: String::new(),
            publication: String::new(),
            transaction_metadata: false,
            truncate: true,
            schema_changes: false,
            include_query: false,
            server_id: None,
            snapshot_mode: SnapshotMode::default(),
            snapshot_readers: 1,
            snapshot_chunk_rows: 20_000,
            refused_schema: RefusedSchema::default(),
            heartbeat_interval_ms: 0,
            heartbeat_query: String::new(),
            signal_table: String::new(),
            incremental_snapshot_chunk_size: 1024,
            streaming: true,
            spool_folder: None,
            memory: Memory::default().total(),
            format: EventFormat::default(),
            values: ValueModes::default(),
            transforms: Vec::new(),
        }
    }
}

/// Whether the existing rows are read, and when (`snapshot.mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// The rows are read before the log is streamed for the first time.
    #[default]
    Initial,
    /// The rows are not read; the log is streamed from its current end.
    NoData,
    /// The rows are read, and the capture ends.
    InitialOnly,
    /// The rows are read before the log is streamed for the first time, and again when the stored position is
    /// not valid any more.
    WhenNeeded,
}

/// Parses the name that a settings file has.
impl std::str::FromStr for SnapshotMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "initial" => Ok(Self::Initial),
            "no_data" => Ok(Self::NoData),
            "initial_only" => Ok(Self::InitialOnly),
            "when_needed" => Ok(Self::WhenNeeded),
            _ => Err("write initial, no_data, initial_only or when_needed".to_owned()),
        }
    }
}

/// The kind of database that a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Postgres,
    /// MySQL or MariaDB, which of them the server says.
    MySql,
}

impl CaptureSettings {
    /// Returns the kind of database by the scheme of the URL.
    ///
    /// # Errors
    /// `Configuration` for other schemes.
    pub(crate) fn kind(&self) -> CdcResult<SourceKind> {
        match self.url.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Ok(SourceKind::Postgres),
            Some("mysql" | "mariadb") => Ok(SourceKind::MySql),
            _ => Err(CdcError::configuration(
                "invalid database URL: write postgres://user:password@host:port/database, or mysql:// for MySQL and MariaDB",
            )),
        }
    }

    /// Sets the name and the scope where they are not set, and validates the patterns.
    pub(crate) fn with_defaults(mut self, name: &str) -> CdcResult<Self> {
        if self.name.is_empty() {
            name.clone_into(&mut self.name);
        }
        if self.scope.is_empty() {
            self.scope = sanitize_name(&self.name);
        }
        if let Some(pattern) = self.tables.iter().find(|pattern| !pattern.contains('.')) {
            return Err(CdcError::configuration(format!(
                "invalid table pattern {pattern:?}: write schema.table"
            )));
        }
        if !self.signal_table.is_empty() && !self.signal_table.contains('.') {
            return Err(CdcError::configuration(format!(
                "invalid signal-table {:?}: write schema.table",
                self.signal_table
            )));
        }
        if self.incremental_snapshot_chunk_size == 0 {
            return Err(CdcError::configuration("incremental-snapshot-chunk-size is 0: write 1024"));
        }
        if !(1..=MAX_SNAPSHOT_READERS).contains(&self.snapshot_readers) {
            return Err(CdcError::configuration(format!(
                "invalid snapshot-readers {}: write a number from 1 to {MAX_SNAPSHOT_READERS}",
                self.snapshot_readers
            )));
        }
        self.columns.validate()?;
        Transformations::new(&self.transforms, &self.format)?;
        Memory::new(self.memory)?;
        if self.format.encoding.has_header() && self.format.schemas_in_values {
            return Err(CdcError::configuration(format!(
                "format.schemas-in-values does not go with format.encoding {}: the registry has the schemas; set it to false",
                self.format.encoding
            )));
        }
        Ok(self)
    }

    /// Returns what all events have in common. `run_id` is new at each start of a capture.
    pub(crate) fn events(&self, connector: Connector, run_id: &str) -> EventContext {
        let mut format = self.format.clone();
        format.topic_prefix.clone_from(&self.name);
        format.provide_transaction_metadata |= self.transaction_metadata;
        if !self.truncate {
            let skipped: Vec<Operation> = format.skipped_operations.into();
            format.skipped_operations =
                skipped.into_iter().chain([Operation::Truncate]).collect::<OperationSet>();
        }
        EventContext::new(connector, format, self.values.clone(), run_id)
            .with_columns(self.columns.clone())
            .with_transformations(!self.transforms.is_empty())
    }

    /// Warns of a capture that has no table yet, or of the patterns that name none of the captured tables,
    /// which are schemas, or databases, and tables.
    pub(crate) fn warn_of_unmatched_patterns<'t>(&self, tables: impl Iterator<Item = (&'t str, &'t str)>) {
        if let Some(what) = self.unmatched(&tables.collect::<Vec<_>>()) {
            tracing::warn!("{what}");
        }
    }

    fn unmatched(&self, tables: &[(&str, &str)]) -> Option<String> {
        if tables.is_empty() {
            return Some(format!(
                "no table is captured yet: {}; check it if there are such tables (case counts; a view has no \
                 changes in the log), later ones are captured",
                self.captured_lists()
            ));
        }
        let patterns = self.unmatched_patterns(tables);
        (!patterns.is_empty()).then(|| {
            format!(
                "no table matches {}: check the patterns (case counts; a view has no changes in the log)",
                patterns.join(", ")
            )
        })
    }

    /// Returns the patterns and the filter of captured tables, for the log.
    fn captured_lists(&self) -> String {
        let patterns = (!self.tables.is_empty()).then(|| self.tables.join(", "));
        let filter = (!self.table_filter.is_empty()).then(|| self.table_filter.to_string());
        let lists: Vec<String> = patterns.into_iter().chain(filter).collect();
        if lists.is_empty() { "*.*".to_owned() } else { lists.join(", ") }
    }

    fn unmatched_patterns(&self, tables: &[(&str, &str)]) -> Vec<String> {
        let is_unmatched = |pattern: &&String| {
            let only = Self { tables: vec![(*pattern).clone()], ..Self::default() };
            !tables.iter().any(|(schema, table)| only.is_captured(schema, table))
        };
        self.tables.iter().filter(is_unmatched).cloned().collect()
    }

    /// Returns the memory; the default instead of one that is too small, which validation refuses.
    pub(crate) fn memory(&self) -> Memory {
        Memory::new(self.memory).unwrap_or_default()
    }

    /// Returns the folder of changes of transactions that have not ended.
    pub(crate) fn spool_folder(&self) -> PathBuf {
        self.spool_folder.clone().unwrap_or_else(|| std::env::temp_dir().join("kulya-spool"))
    }

    /// Returns whether a table matches the patterns and the filter.
    pub(crate) fn is_captured(&self, schema: &str, table: &str) -> bool {
        let name = format!("{schema}.{table}");
        if self.is_signal_table(schema, table) {
            return true;
        }
        let is_named = self.tables.is_empty() || self.tables.iter().any(|pattern| matches(pattern, &name));
        is_named && self.table_filter.accepts(schema, table)
    }

    /// Returns whether a table is that of signals.
    pub(crate) fn is_signal_table(&self, schema: &str, table: &str) -> bool {
        self.signal_table.strip_prefix(schema).and_then(|rest| rest.strip_prefix('.')) == Some(table)
    }

    /// Returns the settings of a [`StoreSink`](crate::StoreSink), defaults included.
    ///
    /// # Errors
    /// `Configuration` for invalid settings.
    pub fn store_settings(&self) -> CdcResult<StoreSettings> {
        let settings = match self.kind()? {
            SourceKind::Postgres => self.clone().postgres_target()?.settings,
            SourceKind::MySql => CaptureSettings::clone(&self.clone().mysql_target()?.settings),
        };
        Ok(StoreSettings {
            name: settings.name,
            scope: settings.scope,
            stream_template: settings.stream,
            segments: settings.segments,
            encoding: settings.format.encoding,
            refused_schema: settings.refused_schema,
        })
    }
}

/// Returns whether `name` matches a pattern, in which `*` matches any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(index) = rest.find(part) else { return false };
        rest = rest.get(index + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_tables() {
        for (pattern, name, expected) in [
            ("public.orders", "public.orders", true),
            ("public.orders", "public.orders2", false),
            ("public.*", "public.orders", true),
            ("*.orders", "public.orders", true),
            ("*.or*rs", "public.orders", true),
            ("*.or*x", "public.orders", false),
            ("*", "a.b", true),
            ("a.*", "b.a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn lists_that_match_no_table_are_named() {
        let filter = serde_json::from_str(r#"{"schemas":["shop"],"exclude-tables":["a","b"]}"#).unwrap();
        let one =
            CaptureSettings { tables: vec!["shop.oders".into(), "shop.t".into()], ..Default::default() };
        let two = CaptureSettings { table_filter: filter, ..CaptureSettings::default() };
        for (settings, tables, expected) in [
            (&CaptureSettings::default(), &[][..], Some("no table is captured yet: *.*;")),
            (&one, &[], Some("shop.oders, shop.t; check")),
            (&one, &[("shop", "t")], Some("no table matches shop.oders: check")),
            (&one, &[("shop", "t"), ("shop", "oders")], None),
            (&two, &[], Some("schemas = shop, exclude-tables = a, b;")),
            (&two, &[("shop", "t")], None),
        ] {
            let found = settings.unmatched(tables);
            let is_named = |expected: &str| found.as_ref().is_some_and(|found| found.contains(expected));
            assert!(expected.map_or(found.is_none(), is_named), "{found:?} {expected:?}");
        }
    }

    #[test]
    fn invalid_settings_are_named() {
        let settings = |url: &str, table: &str| CaptureSettings {
            url: url.into(),
            tables: vec![table.into()],
            ..Default::default()
        };
        for (url, table, expected) in [
            ("http://x", "a.b", "postgres://"),
            ("", "a.b", "postgres://"),
            ("postgres://me@db/x", "orders", "schema.table"),
        ] {
            let error = settings(url, table).store_settings().unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
        }
        for url in ["postgres://me@db/x", "mysql://me@db/x"] {
            let small = CaptureSettings { memory: 1000, ..settings(url, "a.b") };
            let error = small.store_settings().unwrap_err().to_string();
            assert!(error.contains("memory = 1000"), "{error}");
        }
        for snapshot_readers in [0, 17] {
            let settings = CaptureSettings { snapshot_readers, ..settings("postgres://me@db/x", "a.b") };
            let error = settings.store_settings().unwrap_err().to_string();
            assert!(error.contains("snapshot-readers"), "{error}");
        }
        let mysql = settings("mysql://me@db/x", "x.y");
        let rules = r#"{"mask":[{"columns":["x.y.z"],"length":3}]}"#;
        let masked = CaptureSettings {
            columns: serde_json::from_str(rules).unwrap(),
            heartbeat_interval_ms: 1,
            ..mysql
        };
        for url in ["postgres://me@db/x", "mysql://me@db/x"] {
            CaptureSettings { url: url.into(), ..masked.clone() }.store_settings().unwrap();
        }
    }

    #[test]
    fn format_of_events_has_the_short_settings() {
        let settings = CaptureSettings {
            name: "shop".into(),
            truncate: false,
            transaction_metadata: true,
            ..Default::default()
        };
        let format = settings.events(Connector::Postgresql, "").format;
        assert!(format.provide_transaction_metadata);
        assert!(format.skipped_operations.contains(Operation::Truncate));
        assert_eq!(format.topic_prefix, "shop");
    }
}
