//! Settings of the gRPC clients: URL, TLS, credentials and retries: [`RemoteSettings`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_store::{Error, Result};
use std::fmt;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Uri};

/// An idle connection is probed by an HTTP/2 ping after this time, and closed when the reply takes as long
/// again.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// The flow-control window of one call, in bytes.
const CALL_WINDOW: u32 = 1 << 20;
/// The flow-control window of a connection, in bytes.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// The settings of [`RemoteStore`](crate::RemoteStore) and [`RemoteRegistry`](crate::RemoteRegistry).
#[derive(Clone)]
pub struct RemoteSettings {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// For `https`: the certificate of the trusted authority, as PEM text.
    pub ca_pem: Option<String>,
    /// A bearer token.
    pub token: Option<String>,
    /// User and password of basic authentication; not together with a token.
    pub basic: Option<(String, String)>,
    /// The total time for attempts while the server does not respond.
    pub retry_timeout: Duration,
}

impl RemoteSettings {
    /// Returns settings without credentials and with a retry timeout of 30 seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_pem: None,
            token: None,
            basic: None,
            retry_timeout: Duration::from_secs(30),
        }
    }

    /// The URL, for messages.
    pub(super) fn address(&self) -> &str {
        self.url.trim().trim_end_matches('/')
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint> {
        let address = self.address();
        let invalid = || Error::invalid(format!("invalid store URL {:?}: write http://host:port", self.url));
        let uri: Uri = address.parse().map_err(|e| invalid().because(e))?;
        if uri.host().is_none_or(str::is_empty) || uri.path().len() > 1 || uri.query().is_some() {
            return Err(invalid());
        }
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid()),
        };
        let endpoint = Endpoint::from(uri)
            .connect_timeout(self.retry_timeout.clamp(Duration::from_secs(1), Duration::from_secs(10)))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let pem = match (&self.ca_pem, is_tls) {
            (None, false) => return Ok(endpoint),
            (Some(pem), true) => pem,
            (Some(_), false) => {
                let what = format!("store URL {address} is not https, but a certificate authority is given");
                return Err(Error::invalid(what));
            }
            (None, true) => {
                let what = format!("store URL {address} needs the certificate of its authority (PEM)");
                return Err(Error::invalid(what));
            }
        };
        let what = format!("the certificate of the authority of {address} is not PEM");
        // rustls accepts a text without certificates, and then trusts no server
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Error::invalid(what));
        }
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).timeout(KEEPALIVE);
        endpoint.tls_config(tls).map_err(|e| Error::invalid(what).because(e))
    }

    pub(super) fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>> {
        let authorization = match (&self.token, &self.basic) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Error::invalid("both a token and a user are given: use one of them"));
            }
            (Some(token), None) => format!("Bearer {token}"),
            (None, Some((user, _))) if user.contains(':') => {
                return Err(Error::invalid(format!(
                    "user name {user:?} has a colon, which basic authentication does not allow"
                )));
            }
            (None, Some((user, password))) => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }
        };
        let mut value = MetadataValue::try_from(authorization).map_err(|e| {
            Error::invalid("the token has characters that are not allowed in a header: use printable ASCII")
                .because(e)
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Settings of a URL, as [`RemoteSettings::new`] returns them.
impl From<&str> for RemoteSettings {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

/// Omits secrets.
impl fmt::Debug for RemoteSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, ca_pem, token, basic, retry_timeout } = self;
        f.debug_struct("RemoteSettings")
            .field("url", url)
            .field("ca_pem", ca_pem)
            .field("token", &token.as_ref().map(|_| "…"))
            .field("user", &basic.as_ref().map(|(user, _)| user))
            .field("retry_timeout", retry_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_accepted_or_rejected_with_a_message() {
        for good in ["http://localhost:9092", " http://h:1/ ", "http://[::1]:9092"] {
            assert!(RemoteSettings::new(good).endpoint().is_ok(), "{good}");
        }
        for bad in ["nonsense", "localhost:9092", "tcp://h:1", "http://", "http://h:1/v1", ""] {
            let error = RemoteSettings::new(bad).endpoint().unwrap_err().to_string();
            assert!(error.contains("http://host:port") && error.contains(bad), "{error}");
        }
        let mut settings = RemoteSettings::new("https://h:1");
        assert!(settings.endpoint().unwrap_err().to_string().contains("certificate"));
        settings.ca_pem = Some("no PEM".to_owned());
        assert!(settings.endpoint().is_err());
        settings.url = "http://h:1".to_owned();
        assert!(settings.endpoint().unwrap_err().to_string().contains("not https"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = RemoteSettings::new("http://h:1");
        settings.token = Some("secret".to_owned());
        assert!(!format!("{settings:?} {:?}", settings.authorization().unwrap()).contains("secret"));
        settings.basic = Some(("anna".to_owned(), "hidden".to_owned()));
        assert!(settings.authorization().is_err(), "token and user exclude each other");
        settings.token = None;
        assert_eq!(settings.authorization().unwrap().unwrap().to_str().unwrap(), "Basic YW5uYTpoaWRkZW4=");
        assert!(!format!("{settings:?} {:?}", settings.authorization().unwrap()).contains("hidden"));
        (settings.basic, settings.token) = (None, Some("bad\n".to_owned()));
        assert!(settings.authorization().is_err());
    }
}
