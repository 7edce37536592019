//! Where the server is, and how it is spoken to: [`RemoteSettings`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_store::{Error, Result};
use std::fmt;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Uri};

/// A server that says nothing for so long is asked whether it is there, and has as long again to answer.
const SILENCE: Duration = Duration::from_secs(20);
/// What a server may send before it is read: of one call, and of all of a connection.
const CALL_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Where a store is.
#[derive(Clone)]
pub struct RemoteSettings {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// For `https`: the certificate, as PEM text, of the authority that signed the server's.
    pub ca_pem: Option<String>,
    /// Sent with every call as `authorization: Bearer …`.
    pub token: Option<String>,
    /// Sent with every call as `authorization: Basic …`: a user and a password, where there is no token.
    pub basic: Option<(String, String)>,
    /// For so long a server that does not answer is tried again.
    pub patience: Duration,
}

impl RemoteSettings {
    /// A server without a token, tried for 30 seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ca_pem: None, token: None, basic: None, patience: Duration::from_secs(30) }
    }

    /// The address as messages show it.
    pub(super) fn address(&self) -> &str {
        self.url.trim().trim_end_matches('/')
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint> {
        let address = self.address();
        let wrong = || Error::invalid(format!("store URL {:?} is wrong: write http://host:port", self.url));
        let uri: Uri = address.parse().map_err(|e| wrong().because(e))?;
        if uri.host().is_none_or(str::is_empty) || uri.path().len() > 1 || uri.query().is_some() {
            return Err(wrong());
        }
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let endpoint = Endpoint::from(uri)
            .connect_timeout(self.patience.clamp(Duration::from_secs(1), Duration::from_secs(10)))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(SILENCE)
            .keep_alive_timeout(SILENCE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let pem = match (&self.ca_pem, is_tls) {
            (None, false) => return Ok(endpoint),
            (Some(pem), true) => pem,
            (Some(_), false) => {
                let what = format!("store URL {address} is not https, but a certificate is given");
                return Err(Error::invalid(what));
            }
            (None, true) => {
                let what = format!("store URL {address} needs the certificate of its authority (PEM)");
                return Err(Error::invalid(what));
            }
        };
        let what = format!("what is given as the certificate for {address} is none in PEM");
        // rustls takes a text without any, and then trusts nobody
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Error::invalid(what));
        }
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).timeout(SILENCE);
        endpoint.tls_config(tls).map_err(|e| Error::invalid(what).because(e))
    }

    pub(super) fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>> {
        let shown = match (&self.token, &self.basic) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(Error::invalid("a token or a user is given, not both")),
            (Some(token), None) => format!("Bearer {token}"),
            (None, Some((user, _))) if user.contains(':') => {
                return Err(Error::invalid(format!("user {user:?} has a colon, which no login can have")));
            }
            (None, Some((user, password))) => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }
        };
        let mut value = MetadataValue::try_from(shown).map_err(|e| {
            Error::invalid("the token has signs that no header may have: it is printable ASCII").because(e)
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Without the token.
impl fmt::Debug for RemoteSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, ca_pem, token, basic, patience } = self;
        f.debug_struct("RemoteSettings")
            .field("url", url)
            .field("ca_pem", ca_pem)
            .field("token", &token.as_ref().map(|_| "…"))
            .field("user", &basic.as_ref().map(|(user, _)| user))
            .field("patience", patience)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_or_refused_by_name() {
        for good in ["http://localhost:9092", " http://h:1/ ", "http://[::1]:9092"] {
            assert!(RemoteSettings::new(good).endpoint().is_ok(), "{good}");
        }
        for bad in ["nonsense", "localhost:9092", "tcp://h:1", "http://", "http://h:1/v1", ""] {
            let refused = RemoteSettings::new(bad).endpoint().unwrap_err().to_string();
            assert!(refused.contains("http://host:port") && refused.contains(bad), "{refused}");
        }
        let mut settings = RemoteSettings::new("https://h:1");
        assert!(settings.endpoint().unwrap_err().to_string().contains("certificate"));
        settings.ca_pem = Some("no PEM".to_owned());
        assert!(settings.endpoint().is_err());
        settings.url = "http://h:1".to_owned();
        assert!(settings.endpoint().unwrap_err().to_string().contains("not https"));
    }

    #[test]
    fn a_token_is_not_shown() {
        let mut settings = RemoteSettings::new("http://h:1");
        settings.token = Some("secret".to_owned());
        assert!(!format!("{settings:?} {:?}", settings.authorization().unwrap()).contains("secret"));
        settings.basic = Some(("anna".to_owned(), "hidden".to_owned()));
        assert!(settings.authorization().is_err(), "one or the other");
        settings.token = None;
        assert_eq!(settings.authorization().unwrap().unwrap().to_str().unwrap(), "Basic YW5uYTpoaWRkZW4=");
        assert!(!format!("{settings:?} {:?}", settings.authorization().unwrap()).contains("hidden"));
        (settings.basic, settings.token) = (None, Some("bad\n".to_owned()));
        assert!(settings.authorization().is_err());
    }
}
