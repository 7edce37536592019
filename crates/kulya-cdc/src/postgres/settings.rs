//! Settings of a PostgreSQL source: parsing of the URL, the names of slot and publication.

use super::liveness::Liveness;
use crate::control::Control;
use crate::{CaptureSettings, CdcError, CdcResult};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::Host;

/// The default time in which a host must respond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Validated settings with their defaults, and the parsed URL.
#[derive(Clone)]
pub(crate) struct Target {
    /// The hosts with their ports, in the order in which they are tried.
    pub(crate) hosts: Vec<(String, u16)>,
    pub(crate) tls: TlsSettings,
    pub(crate) connect_timeout: Duration,
    pub(crate) liveness: Liveness,
    pub(crate) application_name: String,
    /// Session settings of the URL, in the form `-c name=value`.
    pub(crate) options: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) settings: CaptureSettings,
    /// The control of the capture, to which connections report for what they wait.
    pub(crate) control: Control,
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
        Host::Tcp(host) => (!host.is_empty()).then(|| (host.clone(), port(index))),
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

impl CaptureSettings {
    /// Parses the URL of a PostgreSQL database, sets the defaults, and validates.
    pub(crate) fn postgres_target(self) -> CdcResult<Target> {
        let invalid_url = |reason: &str| {
            CdcError::configuration(format!(
                "invalid database URL ({reason}): write postgres://user:password@host:port/database"
            ))
        };
        // otherwise a part of the password would be parsed as the host, and appear in messages
        if self.url.matches('@').count() > 1 {
            return Err(invalid_url("it has more than one @: encode it in user and password as %40"));
        }
        let (url, tls) = split_tls(&self.url)?;
        let config: tokio_postgres::Config =
            url.parse().map_err(|e| invalid_url("see the cause").because(Box::new(e)))?;
        let hosts = hosts(&config).ok_or_else(|| invalid_url("it names no host"))?;
        let user = config.get_user().filter(|user| !user.is_empty());
        let user = user.ok_or_else(|| invalid_url("it names no user"))?.to_owned();
        let database = config.get_dbname().filter(|name| !name.is_empty()).unwrap_or(&user).to_owned();
        let password = match config.get_password() {
            Some(password) => String::from_utf8_lossy(password).into_owned(),
            None => self.password.clone(),
        };
        if self.server_id.is_some() {
            return Err(CdcError::configuration("server-id is a setting of MySQL and MariaDB: remove it"));
        }
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let application_name = config.get_application_name().unwrap_or("kulya").to_owned();
        let options = config.get_options().unwrap_or_default().to_owned();
        let mut settings = self.with_defaults(&database)?;
        if settings.slot.is_empty() {
            settings.slot = settings.default_slot();
        }
        if settings.publication.is_empty() {
            settings.publication = settings.default_publication();
        }
        for (what, name) in [("slot", &settings.slot), ("publication", &settings.publication)] {
            if *name != sanitize_identifier(name) {
                return Err(CdcError::configuration(format!(
                    "invalid {what} name {name:?}: use lowercase letters, digits and '_' only"
                )));
            }
        }
        Ok(Target {
            hosts,
            tls,
            connect_timeout,
            liveness: Liveness::of(&config),
            application_name,
            options,
            user,
            password,
            database,
            settings,
            control: Control::default(),
        })
    }

    /// Returns the name of the replication slot where the settings name none.
    pub(crate) fn default_slot(&self) -> String {
        sanitize_identifier(&format!("kulya_{}", self.name))
    }

    /// Returns the name of the publication that is created where the settings name none.
    pub(crate) fn default_publication(&self) -> String {
        sanitize_identifier(&format!("kulya_{}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> CdcResult<Target> {
        CaptureSettings { url: url.to_owned(), ..Default::default() }.postgres_target()
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
        assert_eq!(target("postgres://me@db/?dbname=").unwrap().database, "me");
        let plain = target("postgres://me@db").unwrap();
        assert_eq!((plain.tls.mode, plain.application_name.as_str()), (TlsMode::Prefer, "kulya"));
        let checked = target("postgres://me@db?sslmode=require&sslrootcert=a").unwrap();
        assert_eq!(checked.tls.mode, TlsMode::VerifyCa);
    }

    #[test]
    fn invalid_settings_are_named() {
        for (url, expected) in [
            ("postgres://me@db:port/x", "invalid"),
            ("postgres://me@db/x?sslmode=on", "verify-full"),
            ("postgres://me@db/x?sslcert=a", "sslcert"),
            ("postgres://me@db/x?colour=a", "invalid"),
            ("postgres:///x", "invalid"),
            ("postgres://db/x", "no user"),
            ("postgres://:secret@db/x", "no user"),
            ("postgres://me@:6000/x", "no host"),
            ("postgres://me@db,:6000/x", "no host"),
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
        }
        let settings = |slot: &str| CaptureSettings {
            url: "postgres://me@db/x".into(),
            slot: slot.into(),
            ..Default::default()
        };
        let error = settings("Bad-Slot").postgres_target().unwrap_err();
        assert!(error.to_string().contains("Bad-Slot"));
        let with_id = CaptureSettings { server_id: Some(1), ..settings("") };
        assert!(with_id.postgres_target().unwrap_err().to_string().contains("server-id"));
    }
}
