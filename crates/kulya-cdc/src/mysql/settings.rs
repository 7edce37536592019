//! Settings of a MySQL or MariaDB source: defaults and validation.

use super::connection::ConnectionSettings;
use crate::debezium::ValueModes;
use crate::debezium::format::EventFormat;
use crate::sink::store::sanitize_name;
use crate::table_pattern::matches;
use crate::{CdcError, CdcResult, StoreSettings};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The first id of readers whose settings have none.
const FIRST_SERVER_ID: u32 = 0x4b00_0000;
/// The number of ids of readers whose settings have none.
const SERVER_IDS: u32 = 1 << 24;

/// The settings of the capture of a MySQL or MariaDB server. In a settings file all members except `url` are
/// optional.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct MysqlSettings {
    /// `mysql://user:password@host:port/database`, with the parameters of
    /// [`ConnectionSettings`](super::connection::ConnectionSettings::parse). The password may be in
    /// `password` or `password_file` instead. If the URL has a database, tables of others are not captured.
    pub url: String,
    /// The password, if the URL has none.
    pub password: String,
    /// A file with the password and a line end; the program reads it into `password`.
    pub password_file: Option<PathBuf>,
    /// Debezium's `topic.prefix`, and the name under which the position is stored. Default: the database of
    /// the URL.
    pub name: String,
    /// The scope of the streams. Default: the name, invalid characters replaced by `-`.
    pub scope: String,
    /// Patterns of captured tables, as `database.table` with `*` for any text. Default: all tables of the
    /// URL's database, or of all databases but the server's own.
    pub tables: Vec<String>,
    /// The template of stream names, with `{prefix}`, `{schema}` (the database) and `{table}`.
    pub stream: String,
    /// The number of segments of a new stream.
    pub segments: u32,
    /// The id as a reader of the log, which no other server and reader may have (`database.server.id`).
    /// Default: a number from 1258291200 on that follows from the name.
    pub server_id: u32,
    /// Whether to write transaction metadata: a block in each event, and a stream `prefix.transaction`.
    pub transaction_metadata: bool,
    /// Whether to write events for TRUNCATE. The default is true, unlike Debezium's, so that truncated rows
    /// do not remain in tables derived from the stream.
    pub truncate: bool,
    /// Whether events contain the statement that changed the rows, where the server logs it
    /// (`include.query`).
    pub include_query: bool,
    /// The representation of values.
    pub values: ValueModes,
}

/// Omits the password.
impl fmt::Debug for MysqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scope, tables, stream, segments, server_id, .. } = self;
        f.debug_struct("MysqlSettings")
            .field("name", name)
            .field("scope", scope)
            .field("tables", tables)
            .field("stream", stream)
            .field("segments", segments)
            .field("server_id", server_id)
            .finish_non_exhaustive()
    }
}

impl Default for MysqlSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            password: String::new(),
            password_file: None,
            name: String::new(),
            scope: String::new(),
            tables: Vec::new(),
            stream: "{prefix}.{schema}.{table}".to_owned(),
            segments: 1,
            server_id: 0,
            transaction_metadata: false,
            truncate: true,
            include_query: false,
            values: ValueModes::default(),
        }
    }
}

/// Validated settings with their defaults.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) connection: ConnectionSettings,
    pub(crate) format: EventFormat,
    pub(crate) settings: Arc<MysqlSettings>,
}

impl MysqlSettings {
    /// Validates the settings and sets defaults.
    ///
    /// # Errors
    /// `Configuration`.
    pub(crate) fn target(mut self) -> CdcResult<Target> {
        let mut connection = ConnectionSettings::parse(&self.url)?;
        if connection.password.is_empty() {
            connection.password.clone_from(&self.password);
        }
        let default = |value: &mut String, default: String| {
            if value.is_empty() {
                *value = default;
            }
        };
        default(&mut self.name, connection.database.clone().unwrap_or_default());
        if self.name.is_empty() {
            return Err(CdcError::configuration("the capture has no name: set one, or a database in the URL"));
        }
        default(&mut self.scope, sanitize_name(&self.name));
        if let Some(pattern) = self.tables.iter().find(|pattern| !pattern.contains('.')) {
            return Err(CdcError::configuration(format!(
                "invalid table pattern {pattern:?}: write database.table"
            )));
        }
        if self.server_id == 0 {
            self.server_id = default_server_id(&self.name);
        }
        if let (true, Some(database)) = (self.tables.is_empty(), &connection.database) {
            self.tables = vec![format!("{database}.*")];
        }
        let format = EventFormat {
            topic_prefix: self.name.clone(),
            provide_transaction_metadata: self.transaction_metadata,
            ..EventFormat::default()
        };
        Ok(Target { connection, format, settings: Arc::new(self) })
    }

    /// Returns whether a table matches the patterns.
    pub(crate) fn is_captured(&self, database: &str, table: &str) -> bool {
        is_covered(&self.tables, database, table)
    }

    /// Returns the settings of a [`StoreSink`](crate::StoreSink), defaults included.
    ///
    /// # Errors
    /// `Configuration` for invalid settings.
    pub fn store_settings(&self) -> CdcResult<StoreSettings> {
        let settings = self.clone().target()?.settings;
        Ok(StoreSettings {
            name: settings.name.clone(),
            scope: settings.scope.clone(),
            stream_template: settings.stream.clone(),
            segments: settings.segments,
        })
    }
}

/// Returns whether a table matches patterns; all tables match none.
pub(crate) fn is_covered(patterns: &[String], database: &str, table: &str) -> bool {
    let name = format!("{database}.{table}");
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, &name))
}

/// Returns an id that differs between captures of different names, and from those that operators choose.
fn default_server_id(name: &str) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    FIRST_SERVER_ID + crc.sum() % SERVER_IDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> MysqlSettings {
        MysqlSettings { url: url.to_owned(), ..MysqlSettings::default() }
    }

    #[test]
    fn defaults_follow_from_the_url() {
        let target = settings("mysql://me:geheim@db/shop").target().unwrap();
        let found = &target.settings;
        assert_eq!((found.name.as_str(), found.scope.as_str()), ("shop", "shop"));
        assert!(found.is_captured("shop", "orders") && !found.is_captured("shop2", "orders"));
        assert!((FIRST_SERVER_ID..FIRST_SERVER_ID + SERVER_IDS).contains(&found.server_id));
        assert!(!format!("{target:?}").contains("geheim"));
        let other = MysqlSettings { name: "other".into(), server_id: 7, ..settings("mysql://me@db") };
        let target = MysqlSettings { password: "geheim".into(), ..other }.target().unwrap();
        assert_eq!((target.settings.server_id, target.connection.password.as_str()), (7, "geheim"));
        assert!(target.settings.is_captured("any", "table"));
    }

    #[test]
    fn invalid_settings_are_named() {
        let without_dot = MysqlSettings { tables: vec!["orders".into()], ..settings("mysql://me@db/shop") };
        for (settings, expected) in [
            (settings("postgres://me@db"), "mysql://"),
            (settings("mysql://me@db"), "the capture has no name"),
            (without_dot, "database.table"),
        ] {
            let error = settings.target().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
