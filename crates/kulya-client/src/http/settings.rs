//! Settings of the HTTP client: URL, TLS, credentials and retries: [`RegistrySettings`].

use super::credentials::Credentials;
use super::error::invalid_input;
use crate::random::random_id;
use crate::tls;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::clock::{Clock, SystemClock};
use reqwest::{Client, Url};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The total timeout of one attempt.
const TIMEOUT: Duration = Duration::from_secs(30);
const URL_SYNTAX: &str = "write http://host:port or https://host:port";

/// The settings of an [`HttpRegistry`](crate::HttpRegistry).
#[derive(Clone)]
pub struct RegistrySettings {
    /// `http://host:port` or `https://host:port`; `tcp://` and `tls://` mean the same, as in the options of
    /// the Flink connector. Surrounding spaces are ignored.
    pub url: String,
    /// For `https`: the certificate of the trusted authority, as PEM text. `None` trusts the operating
    /// system's authorities. The host name is always verified.
    pub ca_pem: Option<String>,
    /// The credentials.
    pub credentials: Credentials,
    /// The total time for attempts of one call; zero disables retries.
    pub retry_timeout: Duration,
    /// Returns random numbers from 0 to 1 that vary the delays between attempts, so that clients do not retry
    /// in step.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// The clock for the expiry of tokens.
    pub clock: Arc<dyn Clock>,
}

impl RegistrySettings {
    /// Returns settings without credentials and without retries.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_pem: None,
            credentials: Credentials::Anonymous,
            retry_timeout: Duration::ZERO,
            jitter: Arc::new(|| (random_id() >> 75) as f64 / (1u64 << 53) as f64),
            clock: Arc::new(SystemClock),
        }
    }

    /// Validates the URL and returns it as `http` or `https`, without a trailing slash.
    pub(super) fn base_url(&self) -> RegistryResult<String> {
        let trimmed = self.url.trim();
        let invalid_url = || invalid_input(format!("invalid registry URL {trimmed:?}: {URL_SYNTAX}"));
        let url = match (trimmed.strip_prefix("tcp://"), trimmed.strip_prefix("tls://")) {
            (Some(rest), _) => format!("http://{rest}"),
            (_, Some(rest)) => format!("https://{rest}"),
            _ => trimmed.to_owned(),
        };
        let parsed = Url::parse(&url).map_err(|e| invalid_url().because(e))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            // the message omits the URL, because it contains a password
            return Err(invalid_input(format!(
                "the registry URL contains a user: set the credentials separately, and {URL_SYNTAX}"
            )));
        }
        match parsed.scheme() {
            "http" if self.ca_pem.is_some() => Err(invalid_input(format!(
                "registry URL {trimmed} is not https, but a certificate authority is given"
            ))),
            "http" | "https" => Ok(parsed.as_str().trim_end_matches('/').to_owned()),
            _ => Err(invalid_url()),
        }
    }

    pub(super) fn client(&self) -> RegistryResult<Client> {
        let tls = match self.base_url()?.starts_with("https:") {
            true => tls::client_config(self.ca_pem.as_deref()).map_err(invalid_input)?,
            false => tls::without_authorities(),
        };
        let builder = Client::builder().timeout(TIMEOUT).tls_backend_preconfigured(tls);
        builder.build().map_err(|e| {
            RegistryError::new(RegistryErrorKind::Failed, "cannot create the HTTP client").because(e)
        })
    }
}

/// Omits secrets.
impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, ca_pem, credentials, retry_timeout, jitter: _, clock: _ } = self;
        let ca_pem = ca_pem.as_ref().map(|_| "…");
        f.debug_struct("RegistrySettings")
            .field("url", url)
            .field("ca_pem", &ca_pem)
            .field("credentials", credentials)
            .field("retry_timeout", retry_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_accepted_in_flinks_syntax_or_rejected() {
        let base_url = |url: &str| RegistrySettings::new(url).base_url();
        assert_eq!(base_url(" tcp://localhost:9092 ").unwrap(), "http://localhost:9092");
        assert_eq!(base_url("http://h:1/").unwrap(), "http://h:1");
        assert_eq!(base_url("tls://h:1").unwrap(), "https://h:1");
        assert_eq!(base_url("https://h").unwrap(), "https://h");
        for bad in ["nonsense", "ftp://h", "h:9092"] {
            let error = base_url(bad).unwrap_err().to_string();
            assert!(error.contains("http://host:port") && error.contains(bad), "{error}");
        }
        let error = base_url("http://anna:hidden@h:1").unwrap_err().to_string();
        assert!(error.contains("credentials") && !error.contains("hidden"), "{error}");
        let mut settings = RegistrySettings::new("http://h:1");
        settings.ca_pem = Some("x".to_owned());
        assert!(settings.base_url().unwrap_err().to_string().contains("not https"));
        settings.url = "https://h:1".to_owned();
        assert!(settings.client().unwrap_err().to_string().contains("PEM"));
    }

    #[test]
    fn jitter_is_between_zero_and_one() {
        let settings = RegistrySettings::new("http://h");
        assert!((0..1000).all(|_| (0.0..1.0).contains(&(settings.jitter)())));
    }
}
