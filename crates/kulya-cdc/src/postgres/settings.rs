//! Settings of a PostgreSQL source: parsing of the URL, defaults and validation.

use crate::debezium::ValueModes;
use crate::debezium::format::EventFormat;
use crate::sink::store::sanitize_name;
use crate::{CdcError, CdcResult, StoreSettings};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::Host;

/// The default time in which a host must respond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of the capture of one database. In a settings file all members except `url` are optional.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`, with the parameters of libpq `sslmode` (default
    /// `prefer`), `sslrootcert`, `options`, `connect_timeout` and `application_name`; several hosts are tried
    /// in order. The password may be in `password` or `password_file` instead.
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
    /// The hosts with their ports, in the order in which they are tried.
    pub(crate) hosts: Vec<(String, u16)>,
    pub(crate) tls: TlsSettings,
    pub(crate) connect_timeout: Duration,
    pub(crate) application_name: String,
    /// Session settings of the URL, in the form `-c name=value`.
    pub(crate) options: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) format: EventFormat,
    pub(crate) modes: ValueModes,
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
    /// Returns the hosts with their ports, for messages.
    pub(crate) fn server(&self) -> String {
        let hosts = self.hosts.iter().map(|(host, port)| format!("{host}:{port}"));
        hosts.collect::<Vec<_>>().join(",")
    }
}

/// How the connections are encrypted, and what is checked (libpq's `sslmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    Disable,
    /// TLS if the server has it; nothing is checked.
    Prefer,
    /// TLS; nothing is checked.
    Require,
    /// TLS with a certificate that a trusted authority signed.
    VerifyCa,
    /// TLS with such a certificate for the host's name.
    VerifyFull,
}

/// The settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) mode: TlsMode,
    /// A file with the certificates of the trusted authorities; `None` for the operating system's.
    pub(crate) root_certificates: Option<PathBuf>,
}

/// Takes the parameters of TLS out of a URL; the other parameters stay.
fn split_tls(url: &str) -> CdcResult<(String, TlsSettings)> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut tls = TlsSettings { mode: TlsMode::Prefer, root_certificates: None };
    let mut others = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", mode)) => {
                tls.mode = match mode {
                    "disable" => TlsMode::Disable,
                    "allow" | "prefer" => TlsMode::Prefer,
                    "require" => TlsMode::Require,
                    "verify-ca" => TlsMode::VerifyCa,
                    "verify-full" => TlsMode::VerifyFull,
                    _ => {
                        return Err(CdcError::configuration(format!(
                            "invalid sslmode {mode:?}: write disable, prefer, require, verify-ca or verify-full"
                        )));
                    }
                }
            }
            Some(("sslrootcert", file)) => {
                let file = percent_encoding::percent_decode_str(file).decode_utf8_lossy().into_owned();
                tls.root_certificates = Some(file.into());
            }
            Some((name @ ("sslcert" | "sslkey" | "sslcrl"), _)) => {
                return Err(CdcError::configuration(format!(
                    "{name} in the database URL is not supported yet: authenticate by a password"
                )));
            }
            _ => others.push(parameter),
        }
    }
    // as libpq: a file of authorities is there to be checked against
    if tls.root_certificates.is_some() && tls.mode == TlsMode::Require {
        tls.mode = TlsMode::VerifyCa;
    }
    let separator = if others.is_empty() { "" } else { "?" };
    Ok((format!("{base}{separator}{}", others.join("&")), tls))
}

/// Returns the hosts of a parsed URL with their ports.
fn hosts(config: &tokio_postgres::Config) -> Option<Vec<(String, u16)>> {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
        Host::Tcp(host) => Some((host.clone(), port(index))),
        #[cfg(unix)]
        Host::Unix(_) => None,
    });
    hosts.collect::<Option<Vec<_>>>().filter(|hosts| !hosts.is_empty())
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
        let (url, tls) = split_tls(&self.url)?;
        let config: tokio_postgres::Config =
            url.parse().map_err(|e| invalid_url("see the cause").because(Box::new(e)))?;
        let hosts = hosts(&config).ok_or_else(|| invalid_url("it names no host"))?;
        let user = config.get_user().ok_or_else(|| invalid_url("it names no user"))?.to_owned();
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        let password = match config.get_password() {
            Some(password) => String::from_utf8_lossy(password).into_owned(),
            None => self.password.clone(),
        };
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let application_name = config.get_application_name().unwrap_or("kulya").to_owned();
        let options = config.get_options().unwrap_or_default().to_owned();
        let default = |value: &mut String, default: String| {
            if value.is_empty() {
                *value = default;
            }
        };
        default(&mut self.name, database.clone());
        default(&mut self.scope, sanitize_name(&self.name));
        default(&mut self.slot, sanitize_identifier(&format!("kulya_{}", self.name)));
        let publication = self.default_publication();
        default(&mut self.publication, publication);
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
        Ok(Target {
            hosts,
            tls,
            connect_timeout,
            application_name,
            options,
            user,
            password,
            database,
            format: EventFormat {
                topic_prefix: self.name.clone(),
                provide_transaction_metadata: self.transaction_metadata,
                ..EventFormat::default()
            },
            modes: ValueModes::default(),
            settings: self,
        })
    }

    /// Returns the name of the publication that is created where the settings name none.
    pub(crate) fn default_publication(&self) -> String {
        sanitize_identifier(&format!("kulya_{}", self.name))
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
    fn parameters_of_the_url_are_read() {
        let found = target(
            "postgres://me@a:1,b:2/x?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fca%20x.pem&application_name=app&options=-c%20x%3D1",
        )
        .unwrap();
        assert_eq!(found.server(), "a:1,b:2");
        let root_certificates = Some("/ca x.pem".into());
        assert_eq!(found.tls, TlsSettings { mode: TlsMode::VerifyFull, root_certificates });
        assert_eq!(found.connect_timeout, Duration::from_secs(3));
        assert_eq!((found.application_name.as_str(), found.options.as_str()), ("app", "-c x=1"));
        let plain = target("postgres://me@db").unwrap();
        assert_eq!((plain.tls.mode, plain.application_name.as_str()), (TlsMode::Prefer, "kulya"));
        let checked = target("postgres://me@db?sslmode=require&sslrootcert=a").unwrap();
        assert_eq!(checked.tls.mode, TlsMode::VerifyCa);
    }

    #[test]
    fn invalid_settings_are_named() {
        for (url, expected) in [
            ("mysql://x", "postgres://"),
            ("postgres://me@db:port/x", "invalid"),
            ("postgres://me@db/x?sslmode=on", "verify-full"),
            ("postgres://me@db/x?sslcert=a", "sslcert"),
            ("postgres://me@db/x?colour=a", "invalid"),
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
