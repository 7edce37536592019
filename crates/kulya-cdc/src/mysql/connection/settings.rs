//! Settings of a connection, parsed from its URL. The password appears in no debug output and no error.

use percent_encoding::percent_decode_str;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// How a connection uses TLS; the words are those of MySQL's own clients. Only the verifying modes protect
/// the password and the data from an attacker who takes the server's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// No TLS.
    Disabled,
    /// TLS if the server has it, with any certificate.
    #[default]
    Preferred,
    /// TLS, with any certificate.
    Required,
    /// TLS, with a certificate of a trusted authority.
    VerifyCa,
    /// TLS, with a certificate of a trusted authority for the host name of the URL.
    VerifyIdentity,
}

impl SslMode {
    const NAMES: [(&str, Self); 5] = [
        ("disabled", Self::Disabled),
        ("preferred", Self::Preferred),
        ("required", Self::Required),
        ("verify-ca", Self::VerifyCa),
        ("verify-identity", Self::VerifyIdentity),
    ];

    /// Parses a name in upper or lower case, with `-` or `_`.
    fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase().replace('_', "-");
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }
}

/// An invalid URL. The text contains neither user nor password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid database URL ({reason}): write mysql://user:password@host:port/?ssl-mode=verify-identity")]
pub struct SettingsError {
    reason: String,
}

impl From<SettingsError> for crate::CdcError {
    fn from(error: SettingsError) -> Self {
        Self::configuration(error.to_string())
    }
}

/// The settings of a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// The host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The password; empty for none.
    pub password: String,
    /// The database in the URL's path, if any. The connection does not select it.
    pub database: Option<String>,
    /// The use of TLS.
    pub ssl_mode: SslMode,
    /// A file with trusted certificate authorities (PEM) for the verifying modes; without it, those of the
    /// operating system.
    pub ssl_ca: Option<PathBuf>,
    /// A file with the server's RSA key (PEM), which encrypts the password without TLS.
    pub server_public_key: Option<PathBuf>,
    /// Whether to ask the server for its RSA key without TLS. An attacker who changes the connection's data
    /// could send another key, and so get the password.
    pub get_server_public_key: bool,
    /// The timeout of connecting and authenticating. Default: 10 s.
    pub connect_timeout: Duration,
    /// The timeout of a query's response. Default: 60 s.
    pub query_timeout: Duration,
}

/// Omits the password.
impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("server", &self.server())
            .field("user", &self.user)
            .field("ssl_mode", &self.ssl_mode)
            .field("ssl_ca", &self.ssl_ca)
            .finish_non_exhaustive()
    }
}

const SCHEMES: [&str; 2] = ["mysql://", "mariadb://"];
const DEFAULT_PORT: u16 = 3306;
const PARAMETERS: &str = "ssl-mode, ssl-ca, server-public-key, get-server-public-key, connect-timeout";

impl ConnectionSettings {
    /// Parses a URL. User, password, database and parameters are percent-encoded.
    ///
    /// Parameters: `ssl-mode` (disabled, preferred, required, verify-ca, verify-identity), `ssl-ca` (a file),
    /// `server-public-key` (a file), `get-server-public-key` (true or false), and `connect-timeout`
    /// (seconds).
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn parse(url: &str) -> Result<Self, SettingsError> {
        let rest = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| invalid("it does not begin with mysql:// or mariadb://"))?;
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // otherwise a part of the password would be parsed as the host, and appear in messages
        if url.matches('@').count() > 1 || database.contains('/') {
            return Err(invalid("it has more than one @ or /: encode them in the password as %40 and %2F"));
        }
        let (credentials, address) = authority.split_once('@').ok_or_else(|| invalid("it names no user"))?;
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, port) = split_address(address)?;
        let mut settings = Self {
            host,
            port,
            user: decode(user, "user")?,
            password: decode(password, "password")?,
            database: Some(decode(database, "database")?).filter(|name| !name.is_empty()),
            ssl_mode: SslMode::default(),
            ssl_ca: None,
            server_public_key: None,
            get_server_public_key: false,
            connect_timeout: Duration::from_secs(10),
            query_timeout: Duration::from_secs(60),
        };
        if settings.user.is_empty() {
            return Err(invalid("it names no user"));
        }
        // a zero byte ends these texts in the protocol
        if settings.user.contains('\0') || settings.password.contains('\0') {
            return Err(invalid("user and password cannot contain a zero byte"));
        }
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            settings.set(name, &decode(value, "parameter")?)?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SettingsError> {
        let invalid_value = |expected: &str| invalid(format!("{name} is {value:?}, not {expected}"));
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "ssl-mode" => {
                let names = SslMode::NAMES.map(|(name, _)| name).join(", ");
                self.ssl_mode =
                    SslMode::parse(value).ok_or_else(|| invalid_value(&format!("one of {names}")))?;
            }
            "ssl-ca" => self.ssl_ca = Some(value.into()),
            "server-public-key" => self.server_public_key = Some(value.into()),
            "get-server-public-key" => {
                self.get_server_public_key = value.parse().map_err(|_| invalid_value("true or false"))?;
            }
            "connect-timeout" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                let seconds = seconds.ok_or_else(|| invalid_value("a number of seconds from 1 to 3600"))?;
                self.connect_timeout = Duration::from_secs(seconds);
            }
            _ => return Err(invalid(format!("it has no parameter {name:?}, but {PARAMETERS}"))),
        }
        Ok(())
    }

    /// Returns host and port, for messages.
    pub fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn invalid(reason: impl Into<String>) -> SettingsError {
    SettingsError { reason: reason.into() }
}

fn decode(text: &str, what: &str) -> Result<String, SettingsError> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| invalid(format!("its {what} is no UTF-8")))?.into_owned())
}

/// Splits `host`, `host:port`, `[address]` or `[address]:port`.
fn split_address(address: &str) -> Result<(String, u16), SettingsError> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(|| invalid("its address has no ]"))?,
        None => match address.find(':') {
            Some(colon) => address.split_at(colon),
            None => (address, ""),
        },
    };
    if host.is_empty() {
        return Err(invalid("it names no host"));
    }
    if host.contains(['[', ']']) {
        return Err(invalid("its host contains [ or ]"));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => DEFAULT_PORT,
        // the port is not repeated: in a wrong URL it may be a part of the password
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| invalid("its port is not a number from 1 to 65535"))?,
        None => return Err(invalid("its address has text behind ]")),
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_are_parsed() {
        let found = ConnectionSettings::parse(
            "mysql://me:p%40s%2Fs@db:3307/shop?ssl-mode=VERIFY_CA&ssl-ca=/etc/ca%20s.pem&connect-timeout=3",
        )
        .unwrap();
        assert_eq!((found.server().as_str(), found.user.as_str()), ("db:3307", "me"));
        assert_eq!((found.password.as_str(), found.database.as_deref()), ("p@s/s", Some("shop")));
        assert_eq!((found.ssl_mode, found.ssl_ca), (SslMode::VerifyCa, Some("/etc/ca s.pem".into())));
        assert_eq!(found.connect_timeout, Duration::from_secs(3));
        for (url, server) in [
            ("mariadb://me@db", "db:3306"),
            ("mysql://me@[::1]:3307/", "[::1]:3307"),
            ("mysql://me@[fe80::1]", "[fe80::1]:3306"),
            ("mysql://me:@db:1?ssl-mode=disabled", "db:1"),
        ] {
            assert_eq!(ConnectionSettings::parse(url).unwrap().server(), server, "{url}");
        }
    }

    #[test]
    fn invalid_urls_are_named_without_their_secret() {
        for (url, expected) in [
            ("postgres://me:geheim@db", "mysql://"),
            ("mysql://db:3306", "no user"),
            ("mysql://:geheim@db", "no user"),
            ("mysql://me:gehe@im@db", "%40"),
            ("mysql://me:gehe/im@db", "no user"),
            ("mysql://me:geheim@", "no host"),
            ("mysql://me:geheim@db:port", "port"),
            ("mysql://me:geheim@db:0", "port"),
            ("mysql://me:geheim@[::1", "]"),
            ("mysql://me:geheim@[[db]", "its host contains"),
            ("mysql://me:geheim@db]:1", "its host contains"),
            ("mysql://me:geheim@db/?ssl-mode=on", "verify-identity"),
            ("mysql://me:geheim@db/?sslmode=require", "no parameter \"sslmode\""),
            ("mysql://me:geheim@db/?connect-timeout=0", "seconds"),
            ("mysql://me:%ff@db", "UTF-8"),
        ] {
            let error = ConnectionSettings::parse(url).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("geheim"), "{url}: {error}");
        }
    }

    #[test]
    fn debug_output_omits_the_password() {
        let settings = ConnectionSettings::parse("mysql://me:geheim@db").unwrap();
        let shown = format!("{settings:?}");
        assert!(shown.contains("db:3306") && !shown.contains("geheim"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_url_or_an_error(text in "\\PC{0,200}", address in "[a-z@:/\\[\\]%0-9?&=-]{0,60}") {
            let _ = ConnectionSettings::parse(&text);
            let _ = ConnectionSettings::parse(&format!("mysql://{address}"));
        }
    }
}
