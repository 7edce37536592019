//! Where a registry is, who asks, and how patiently: [`RegistrySettings`].

use super::login::Login;
use crate::trust;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::clock::{Clock, SystemClock};
use reqwest::{Client, Url};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A registry that has not answered by then does not answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const FORM: &str = "write http://host:port or https://host:port";

/// Where a registry is, and how it is spoken to.
#[derive(Clone)]
pub struct RegistrySettings {
    /// `http://host:port` or `https://host:port`; `tcp://` and `tls://` mean the same, as the Flink connector's options are
    /// written. Spaces around it are dropped.
    pub url: String,
    /// For `https`: the certificate, as PEM text, of the authority that signed the server's. Without it the machine's own
    /// authorities are believed. The host's name is always checked.
    pub ca_pem: Option<String>,
    /// Who asks.
    pub login: Login,
    /// For so long is asked again what may be asked again; zero: never.
    pub patience: Duration,
    /// Numbers from 0 to 1 that spread the pauses, so that clients who were cut together do not come back together.
    pub dice: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Tells when a token is over.
    pub clock: Arc<dyn Clock>,
}

impl RegistrySettings {
    /// A registry that is asked once, by nobody in particular.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_pem: None,
            login: Login::Nobody,
            patience: Duration::ZERO,
            dice: Arc::new(|| (crate::random_id() >> 75) as f64 / (1u64 << 53) as f64),
            clock: Arc::new(SystemClock),
        }
    }

    /// The URL as it is asked, without a slash at its end.
    pub(super) fn base(&self) -> RegistryResult<String> {
        let trimmed = self.url.trim();
        let wrong = || invalid(format!("registry URL {trimmed:?} is wrong: {FORM}"));
        let url = match (trimmed.strip_prefix("tcp://"), trimmed.strip_prefix("tls://")) {
            (Some(rest), _) => format!("http://{rest}"),
            (_, Some(rest)) => format!("https://{rest}"),
            _ => trimmed.to_owned(),
        };
        let parsed = Url::parse(&url).map_err(|e| wrong().because(e))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            // not shown: it has a password
            return Err(invalid(format!(
                "a registry URL names no user: give the login by itself, and {FORM}"
            )));
        }
        match parsed.scheme() {
            "http" if self.ca_pem.is_some() => {
                Err(invalid(format!("registry URL {trimmed} is not https, but a certificate is given")))
            }
            "http" | "https" => Ok(parsed.as_str().trim_end_matches('/').to_owned()),
            _ => Err(wrong()),
        }
    }

    pub(super) fn client(&self) -> RegistryResult<Client> {
        let tls = match self.base()?.starts_with("https:") {
            true => trust::config(self.ca_pem.as_deref()).map_err(invalid)?,
            false => trust::nobody(),
        };
        let builder = Client::builder().timeout(TIMEOUT).tls_backend_preconfigured(tls);
        builder.build().map_err(|e| {
            RegistryError::new(RegistryErrorKind::Failed, "cannot make an HTTP client").because(e)
        })
    }
}

pub(super) fn invalid(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

/// Without what is secret.
impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, ca_pem, login, patience, dice: _, clock: _ } = self;
        let ca_pem = ca_pem.as_ref().map(|_| "…");
        f.debug_struct("RegistrySettings")
            .field("url", url)
            .field("ca_pem", &ca_pem)
            .field("login", login)
            .field("patience", patience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_as_flink_writes_them_or_refused() {
        let base = |url: &str| RegistrySettings::new(url).base();
        assert_eq!(base(" tcp://localhost:9092 ").unwrap(), "http://localhost:9092");
        assert_eq!(base("http://h:1/").unwrap(), "http://h:1");
        assert_eq!(base("tls://h:1").unwrap(), "https://h:1");
        assert_eq!(base("https://h").unwrap(), "https://h");
        for bad in ["nonsense", "ftp://h", "h:9092"] {
            let refused = base(bad).unwrap_err().to_string();
            assert!(refused.contains("http://host:port") && refused.contains(bad), "{refused}");
        }
        let refused = base("http://anna:hidden@h:1").unwrap_err().to_string();
        assert!(refused.contains("login") && !refused.contains("hidden"), "{refused}");
        let mut settings = RegistrySettings::new("http://h:1");
        settings.ca_pem = Some("x".to_owned());
        assert!(settings.base().unwrap_err().to_string().contains("not https"));
        settings.url = "https://h:1".to_owned();
        assert!(settings.client().unwrap_err().to_string().contains("PEM"));
    }

    #[test]
    fn dice_lie_between_zero_and_one() {
        let settings = RegistrySettings::new("http://h");
        assert!((0..1000).all(|_| (0.0..1.0).contains(&(settings.dice)())));
    }
}
