//! Who asks: [`Login`], and tokens that are made anew before they are over.

use super::settings::invalid;
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

/// A token is made anew when it has only so long left: it may travel, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// Who asks.
#[derive(Clone, Default)]
pub enum Login {
    /// Nobody in particular.
    #[default]
    Nobody,
    /// A user with a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// The bearer of a token.
    Token(String),
    /// The bearer of tokens that somebody makes: asked for the first call, before a token is over, and once when a server does
    /// not take one.
    Fresh(Arc<dyn TokenSource>),
}

/// Makes tokens. Calls may be cancelled at any await.
#[async_trait]
pub trait TokenSource: Send + Sync + 'static {
    /// A token that is good from now on.
    async fn token(&self) -> RegistryResult<FreshToken>;
}

/// A token, and how long it is good.
#[derive(Clone)]
pub struct FreshToken {
    /// The token.
    pub text: String,
    /// When it is over, as the time since 1970; `None`: never.
    pub over: Option<Duration>,
}

/// Without the token.
impl fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshToken").field("over", &self.over).finish_non_exhaustive()
    }
}

/// Without what is secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Fresh(_) => f.write_str("Fresh(…)"),
        }
    }
}

/// What is sent with each call.
pub(super) struct Shown {
    login: Login,
    fixed: Option<HeaderValue>,
    fresh: Mutex<Option<FreshToken>>,
    clock: Arc<dyn Clock>,
}

impl Shown {
    pub(super) fn new(login: Login, clock: Arc<dyn Clock>) -> RegistryResult<Self> {
        let fixed = match &login {
            Login::Basic { user, .. } if user.contains(':') => {
                return Err(invalid(format!("user {user:?} has a colon, which no login can have")));
            }
            Login::Basic { user, password } => {
                Some(value(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))?)
            }
            Login::Token(token) => Some(value(&format!("Bearer {token}"))?),
            Login::Nobody | Login::Fresh(_) => None,
        };
        Ok(Self { login, fixed, fresh: Mutex::new(None), clock })
    }

    /// The header of the next call.
    pub(super) async fn header(&self) -> RegistryResult<Option<HeaderValue>> {
        let Login::Fresh(source) = &self.login else { return Ok(self.fixed.clone()) };
        let mut fresh = self.fresh.lock().await;
        let soon = self.clock.since_epoch() + MARGIN;
        let token = match fresh.take().filter(|token| token.over.is_none_or(|over| soon < over)) {
            Some(token) => token,
            None => source.token().await?,
        };
        let header = value(&format!("Bearer {}", token.text))?;
        *fresh = Some(token);
        Ok(Some(header))
    }

    /// The server did not take what was sent. Whether there is something else to send.
    pub(super) async fn forget(&self, sent: Option<&HeaderValue>) -> bool {
        if !matches!(self.login, Login::Fresh(_)) {
            return false;
        }
        let mut fresh = self.fresh.lock().await;
        let is_last = fresh.as_ref().is_some_and(|token| {
            sent.is_some_and(|sent| sent.as_bytes().strip_prefix(b"Bearer ") == Some(token.text.as_bytes()))
        });
        // another call may have got a new one in between
        if is_last {
            *fresh = None;
        }
        true
    }
}

fn value(text: &str) -> RegistryResult<HeaderValue> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| invalid("the token has signs that no header may have: it is printable ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::clock::ManualClock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Counting(AtomicU64);

    #[async_trait]
    impl TokenSource for Counting {
        async fn token(&self) -> RegistryResult<FreshToken> {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            let over = Some(Duration::from_secs(1000 + 100 * (number + 1)));
            Ok(FreshToken { text: format!("t{number}"), over })
        }
    }

    #[tokio::test]
    async fn tokens_are_made_anew_before_they_are_over() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let source = Arc::new(Counting(AtomicU64::new(0)));
        let shown = Shown::new(Login::Fresh(source), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let header = async || shown.header().await.unwrap().unwrap().to_str().unwrap().to_owned();
        assert_eq!((header().await, header().await), ("Bearer t0".to_owned(), "Bearer t0".to_owned()));
        clock.set(Duration::from_secs(1069));
        assert_eq!(header().await, "Bearer t0");
        clock.set(Duration::from_secs(1070));
        assert_eq!(header().await, "Bearer t1");
        // a server that does not take it: once for all who sent it
        let sent = value("Bearer t1").unwrap();
        assert!(shown.forget(Some(&sent)).await);
        assert_eq!(header().await, "Bearer t2");
        assert!(shown.forget(Some(&sent)).await);
        assert_eq!(header().await, "Bearer t2");
    }

    #[tokio::test]
    async fn a_login_is_sent_and_not_shown() {
        let clock = || Arc::new(ManualClock::default()) as Arc<dyn Clock>;
        let login = Login::Basic { user: "anna".to_owned(), password: "hidden".to_owned() };
        assert!(!format!("{login:?} {:?}", Login::Token("hidden".to_owned())).contains("hidden"));
        let shown = Shown::new(login, clock()).unwrap();
        let header = shown.header().await.unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic YW5uYTpoaWRkZW4=");
        assert!(!format!("{header:?}").contains("YW5u") && !shown.forget(Some(&header)).await);
        assert!(Shown::new(Login::Token("a\nb".to_owned()), clock()).is_err());
        let colon = Login::Basic { user: "a:b".to_owned(), password: String::new() };
        assert!(Shown::new(colon, clock()).is_err());
    }
}
