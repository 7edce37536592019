//! What may be set for a PostgreSQL source.

use crate::store_sink::lawful;
use crate::{CdcError, CdcResult, StoreSettings};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// One database to capture. In a settings file every member but `url` may be left out.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`; the password may stand in `password` or `password_file` instead.
    pub url: String,
    /// The password, where the URL has none.
    pub password: String,
    /// A file with the password and a line end; read by the program into `password`.
    pub password_file: Option<PathBuf>,
    /// Debezium's `topic.prefix`, and the name under which the position is kept. Default: the database's name.
    pub name: String,
    /// The scope of the streams. Default: the name, with `-` for what a scope may not hold.
    pub scope: String,
    /// The tables, as `schema.table` with `*` for any text. Default: every table of every user schema.
    pub tables: Vec<String>,
    /// A stream's name, from `{prefix}`, `{schema}` and `{table}`.
    pub stream: String,
    /// Segments of a new stream.
    pub segments: u32,
    /// The replication slot. Default: `kulya_` and the name.
    pub slot: String,
    /// The publication, made when it is not there. Default: `kulya_` and the name.
    pub publication: String,
    /// Whether transactions are marked: a block in each event, and a stream `prefix.transaction`.
    pub transaction_metadata: bool,
    /// Whether TRUNCATE is an event. Debezium's default is no; ours is yes, or tables would keep rows that are gone.
    pub truncate: bool,
}

/// Without the password.
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

/// A URL whose user and password, and whose parameters, are left out.
fn without_password(url: &str) -> String {
    let (scheme, behind) = url.split_once("://").unwrap_or(("", url));
    let place = behind.rsplit_once('@').map_or(behind, |(_, place)| place);
    format!("{scheme}://…{}", place.split('?').next().unwrap_or_default())
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

/// Settings that were checked, and where the database is.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) settings: PostgresSettings,
}

/// Without the password.
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
    /// The server, for messages.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// What a slot or publication may be called without quotes.
fn identifier(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).take(63).collect()
}

impl PostgresSettings {
    /// Reads the URL and fills in the defaults.
    pub(crate) fn target(mut self) -> CdcResult<Target> {
        let wrong = |why: &str| {
            CdcError::configuration(format!(
                "the database URL is wrong ({why}): write postgres://user:password@host:port/database"
            ))
        };
        if !(self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")) {
            return Err(wrong("it does not begin with postgres://"));
        }
        // else a part of the password would be taken for the host, and be shown
        if self.url.matches('@').count() > 1 {
            return Err(wrong("it has more than one @: write that of a user or a password as %40"));
        }
        let config: tokio_postgres::Config =
            self.url.parse().map_err(|e| wrong("see the cause").because(Box::new(e)))?;
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
            _ => return Err(wrong("it names no host")),
        };
        let user = config.get_user().ok_or_else(|| wrong("it names no user"))?.to_owned();
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
        default(&mut self.scope, lawful(&self.name));
        default(&mut self.slot, identifier(&format!("kulya_{}", self.name)));
        default(&mut self.publication, identifier(&format!("kulya_{}", self.name)));
        for (what, name) in [("slot", &self.slot), ("publication", &self.publication)] {
            if *name != identifier(name) {
                return Err(CdcError::configuration(format!(
                    "{what} name {name:?} is wrong: lower-case letters, digits and '_' only"
                )));
            }
        }
        if let Some(pattern) = self.tables.iter().find(|pattern| !pattern.contains('.')) {
            return Err(CdcError::configuration(format!(
                "table pattern {pattern:?} is wrong: write schema.table"
            )));
        }
        Ok(Target { host, port, user, password, database, settings: self })
    }

    /// Whether a table is asked for.
    pub(crate) fn wants(&self, schema: &str, table: &str) -> bool {
        let name = format!("{schema}.{table}");
        self.tables.is_empty() || self.tables.iter().any(|pattern| matches(pattern, &name))
    }

    /// How the tables become streams of a store, the defaults filled in.
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

/// Whether `name` is of the pattern, in which `*` stands for any text.
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
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_tables() {
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
    fn wrong_settings_are_named() {
        for (url, says) in [
            ("mysql://x", "postgres://"),
            ("postgres://me@db:port/x", "wrong"),
            ("postgres://me@db/x?sslmode=require", "TLS"),
            ("postgres:///x", "wrong"),
        ] {
            let refused = target(url).unwrap_err().to_string();
            assert!(refused.contains(says), "{url}: {refused}");
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
