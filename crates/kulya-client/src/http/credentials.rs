//! Authentication of the HTTP client: [`Credentials`], and the renewal of tokens before they expire.

use super::error::invalid_input;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_registry_api::RegistryResult;
use kulya_store::clock::Clock;
use reqwest::header::HeaderValue;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A token is renewed this long before it expires, for the request's latency and clock skew.
const RENEWAL_MARGIN: Duration = Duration::from_secs(30);

/// The credentials of a client.
#[derive(Clone, Default)]
pub enum Credentials {
    /// No authentication.
    #[default]
    Anonymous,
    /// HTTP basic authentication.
    Basic {
        /// The user's name, without a colon.
        user: String,
        /// The password.
        password: String,
    },
    /// A bearer token.
    Token(String),
    /// Bearer tokens of a source. It is called before the first request, before a token expires, and once
    /// when a server rejects a token (status 401).
    Source(Arc<dyn TokenSource>),
}

/// Provides access tokens, for example from an OAuth 2.0 token endpoint. Calls may be cancelled at any await.
#[async_trait]
pub trait TokenSource: Send + Sync + 'static {
    /// Returns a token that is valid now.
    ///
    /// # Errors
    /// Any; it becomes the error of the request.
    async fn token(&self) -> RegistryResult<AccessToken>;
}

/// An access token and its expiry.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub token: String,
    /// When the token expires, as the time since 1970-01-01 UTC; `None` for never.
    pub expires_at: Option<Duration>,
}

/// Omits the token.
impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Omits secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Source(_) => f.write_str("Source(…)"),
        }
    }
}

/// The `authorization` header of a client's requests.
pub(super) struct Authorization {
    credentials: Credentials,
    fixed: Option<HeaderValue>,
    cached: Mutex<Option<AccessToken>>,
    clock: Arc<dyn Clock>,
}

impl Authorization {
    pub(super) fn new(credentials: Credentials, clock: Arc<dyn Clock>) -> RegistryResult<Self> {
        let fixed = match &credentials {
            Credentials::Basic { user, .. } if user.contains(':') => {
                return Err(invalid_input(format!(
                    "user name {user:?} has a colon, which basic authentication does not allow"
                )));
            }
            Credentials::Basic { user, password } => {
                Some(value(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))?)
            }
            Credentials::Token(token) => Some(value(&format!("Bearer {token}"))?),
            Credentials::Anonymous | Credentials::Source(_) => None,
        };
        Ok(Self { credentials, fixed, cached: Mutex::new(None), clock })
    }

    /// Returns the header of the next request; `None` for anonymous access.
    pub(super) async fn header(&self) -> RegistryResult<Option<HeaderValue>> {
        let Credentials::Source(source) = &self.credentials else { return Ok(self.fixed.clone()) };
        let mut cached = self.cached.lock().await;
        let renewal_time = self.clock.since_epoch() + RENEWAL_MARGIN;
        let token = match cached
            .take()
            .filter(|token| token.expires_at.is_none_or(|expires_at| renewal_time < expires_at))
        {
            Some(token) => token,
            None => source.token().await?,
        };
        let header = value(&format!("Bearer {}", token.token))?;
        *cached = Some(token);
        Ok(Some(header))
    }

    /// Drops the token that a server rejected; returns whether another one can be sent.
    pub(super) async fn invalidate(&self, sent: Option<&HeaderValue>) -> bool {
        if !matches!(self.credentials, Credentials::Source(_)) {
            return false;
        }
        let mut cached = self.cached.lock().await;
        let is_current = cached.as_ref().is_some_and(|token| {
            sent.is_some_and(|sent| sent.as_bytes().strip_prefix(b"Bearer ") == Some(token.token.as_bytes()))
        });
        // another request may have renewed the token in between
        if is_current {
            *cached = None;
        }
        true
    }
}

fn value(text: &str) -> RegistryResult<HeaderValue> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        invalid_input("the token has characters that are not allowed in a header: use printable ASCII")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::clock::ManualClock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct CountingSource(AtomicU64);

    #[async_trait]
    impl TokenSource for CountingSource {
        async fn token(&self) -> RegistryResult<AccessToken> {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            let expires_at = Some(Duration::from_secs(1000 + 100 * (number + 1)));
            Ok(AccessToken { token: format!("t{number}"), expires_at })
        }
    }

    #[tokio::test]
    async fn tokens_are_renewed_before_they_expire() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let source = Arc::new(CountingSource(AtomicU64::new(0)));
        let authorization =
            Authorization::new(Credentials::Source(source), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let header = async || authorization.header().await.unwrap().unwrap().to_str().unwrap().to_owned();
        assert_eq!((header().await, header().await), ("Bearer t0".to_owned(), "Bearer t0".to_owned()));
        clock.set(Duration::from_secs(1069));
        assert_eq!(header().await, "Bearer t0");
        clock.set(Duration::from_secs(1070));
        assert_eq!(header().await, "Bearer t1");
        // a server rejects the token: it is renewed once for all requests that sent it
        let sent = value("Bearer t1").unwrap();
        assert!(authorization.invalidate(Some(&sent)).await);
        assert_eq!(header().await, "Bearer t2");
        assert!(authorization.invalidate(Some(&sent)).await);
        assert_eq!(header().await, "Bearer t2");
    }

    #[tokio::test]
    async fn credentials_are_sent_and_not_shown() {
        let clock = || Arc::new(ManualClock::default()) as Arc<dyn Clock>;
        let credentials = Credentials::Basic { user: "anna".to_owned(), password: "hidden".to_owned() };
        assert!(!format!("{credentials:?} {:?}", Credentials::Token("hidden".to_owned())).contains("hidden"));
        let authorization = Authorization::new(credentials, clock()).unwrap();
        let header = authorization.header().await.unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic YW5uYTpoaWRkZW4=");
        assert!(!format!("{header:?}").contains("YW5u") && !authorization.invalidate(Some(&header)).await);
        assert!(Authorization::new(Credentials::Token("a\nb".to_owned()), clock()).is_err());
        let colon = Credentials::Basic { user: "a:b".to_owned(), password: String::new() };
        assert!(Authorization::new(colon, clock()).is_err());
    }
}
