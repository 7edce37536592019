//! Settings of a PostgreSQL source: parsing of the URL, defaults and validation.

use crate::store_sink::sanitize_name;
use crate::{CdcError, CdcResult, StoreSettings};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// The settings of the capture of one database. In a settings file all members except `url` are optional.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`; the password may be in `password` or `password_file`
    /// instead.
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
    /// Patterns of captured tables, as `schema.table` with `*` for any text. Default: all tables of all user
    /// schemas.
    pub tables: Vec<String>,
    /// The template of stream names, with `{prefix}`, `{schema}` and `{table}`.
    pub stream: String,
    /// The number of segments of a new stream.
    pub segments: u32,
    /// The replication slot. Default: `kulya_` and the name.
    pub slot: String,
    /// The publication, created if it does not exist. Default: `kulya_` and the name.
    pub publication: String,
    /// Whether to write transaction metadata: a block in each event, and a stream `prefix.transaction`.
    pub transaction_metadata: bool,
    /// Whether to write events for TRUNCATE. The default is true, unlike Debezium's, so that truncated rows
    /// do not remain in tables derived from the stream.
    pub truncate: bool,
}

/// Omits the password.
impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, name, scope, tables, stream, segments, slot, publication, .. } = self;
        f.debug_struct("PostgresSettings")
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

impl Default for PostgresSettings {
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
            slot: String::new(),
            publication: String::new(),
            transaction_metadata: false,
            truncate: true,
        }
    }
}

/// Validated settings with their defaults, and the parsed URL.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) settings: PostgresSettings,
}

/// Omits the password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("server", &self.server())
            .field("user", &self.user)
            .field("database", &self.database)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Returns host and port, for messages.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Converts a text to a valid name of a slot or publication: lowercase, at most 63 bytes.
fn sanitize_identifier(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).take(63).collect()
}

impl PostgresSettings {
    /// Parses the URL, sets the defaults, and validates.
    pub(crate) fn target(mut self) -> CdcResult<Target> {
        let invalid_url = |reason: &str| {
            CdcError::configuration(format!(
                "invalid database URL ({reason}): write postgres://user:password@host:port/database"
            ))
        };
        if !(self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")) {
            return Err(invalid_url("it does not begin with postgres://"));
        }
        // otherwise a part of the password would be parsed as the host, and appear in messages
        if self.url.matches('@').count() > 1 {
            return Err(invalid_url("it has more than one @: encode it in user and password as %40"));
        }
        let config: tokio_postgres::Config =
            self.url.parse().map_err(|e| invalid_url("see the cause").because(Box::new(e)))?;
        if !matches!(
            config.get_ssl_mode(),
            tokio_postgres::config::SslMode::Disable | tokio_postgres::config::SslMode::Prefer
        ) {
            return Err(CdcError::configuration(
                "TLS to PostgreSQL is not supported yet: use sslmode=disable",
            ));
        }
        let host = match config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            _ => return Err(invalid_url("it names no host")),
        };
        let user = config.get_user().ok_or_else(|| invalid_url("it names no user"))?.to_owned();
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        let password = match config.get_password() {
            Some(password) => String::from_utf8_lossy(password).into_owned(),
            None => self.password.clone(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let default = |value: &mut String, default: String| {
            if value.is_empty() {
                *value = default;
            }
        };
        default(&mut self.name, database.clone());
        default(&mut self.scope, sanitize_name(&self.name));
        default(&mut self.slot, sanitize_identifier(&format!("kulya_{}", self.name)));
        default(&mut self.publication, sanitize_identifier(&format!("kulya_{}", self.name)));
        for (what, name) in [("slot", &self.slot), ("publication", &self.publication)] {
            if *name != sanitize_identifier(name) {
                return Err(CdcError::configuration(format!(
                    "invalid {what} name {name:?}: use lowercase letters, digits and '_' only"
                )));
            }
        }
        if let Some(pattern) = self.tables.iter().find(|pattern| !pattern.contains('.')) {
            return Err(CdcError::configuration(format!(
                "invalid table pattern {pattern:?}: write schema.table"
            )));
        }
        Ok(Target { host, port, user, password, database, settings: self })
    }

    /// Returns whether a table matches the patterns.
    pub(crate) fn is_captured(&self, schema: &str, table: &str) -> bool {
        let name = format!("{schema}.{table}");
        self.tables.is_empty() || self.tables.iter().any(|pattern| matches(pattern, &name))
    }

    /// Returns the settings of a [`StoreSink`](crate::StoreSink), defaults included.
    ///
    /// # Errors
    /// `Configuration` for invalid settings.
    pub fn store_settings(&self) -> CdcResult<StoreSettings> {
        let settings = self.clone().target()?.settings;
        Ok(StoreSettings {
            name: settings.name,
            scope: settings.scope,
            stream_template: settings.stream,
            segments: settings.segments,
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

    fn target(url: &str) -> CdcResult<Target> {
        PostgresSettings { url: url.to_owned(), ..Default::default() }.target()
    }

    #[test]
    fn defaults_come_from_the_database() {
        let found = target("postgres://me:pw@db:6000/My_shop").unwrap();
        assert_eq!(
            (found.server().as_str(), found.user.as_str(), found.password.as_str()),
            ("db:6000", "me", "pw")
        );
        let settings = found.settings;
        assert_eq!((settings.name.as_str(), settings.scope.as_str()), ("My_shop", "My-shop"));
        assert_eq!(settings.slot, "kulya_my_shop");
    }

    #[test]
    fn invalid_settings_are_named() {
        for (url, expected) in [
            ("mysql://x", "postgres://"),
            ("postgres://me@db:port/x", "invalid"),
            ("postgres://me@db/x?sslmode=require", "TLS"),
            ("postgres:///x", "invalid"),
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
        }
        let settings = |slot: &str, table: &str| PostgresSettings {
            url: "postgres://me@db/x".into(),
            slot: slot.into(),
            tables: vec![table.into()],
            ..Default::default()
        };
        assert!(settings("Bad-Slot", "a.b").target().unwrap_err().to_string().contains("Bad-Slot"));
        assert!(settings("", "orders").target().unwrap_err().to_string().contains("schema.table"));
    }
}
