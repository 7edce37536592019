//! Asking, and asking again: what may be repeated, after which pause, and for how long.

use super::login::Shown;
use super::settings::RegistrySettings;
use crate::trust;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Pauses between tries: the first, and the longest, before the dice shorten them.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What becomes of a call that is made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeated {
    /// The same, with the same answer.
    Same,
    /// The second answer differs from the first's: asked again only when the first was not done.
    Different,
}

/// One registry's address, and what all calls to it share.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) base: String,
    pub(super) client: Client,
    shown: Arc<Shown>,
    patience: Duration,
    dice: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Asking {
    pub(super) fn new(settings: RegistrySettings) -> RegistryResult<Self> {
        let (base, client) = (settings.base()?, settings.client()?);
        let RegistrySettings { login, patience, dice, clock, .. } = settings;
        Ok(Self { base, client, shown: Arc::new(Shown::new(login, clock)?), patience, dice })
    }

    /// The answer, whatever its status, once it is the last one.
    pub(super) async fn send(&self, request: RequestBuilder, repeated: Repeated) -> RegistryResult<Response> {
        let (begun, mut pause, mut may_forget) = (Instant::now(), FIRST_PAUSE, true);
        loop {
            let header = self.shown.header().await?;
            let named = |once: RequestBuilder| {
                header.iter().fold(once, |once, header| once.header(AUTHORIZATION, header.clone()))
            };
            // a body that is streamed is gone when it was sent
            let Some(once) = request.try_clone() else { return self.last(named(request).send().await) };
            let once = named(once);
            let tried = once.send().await;
            if let Ok(response) = &tried
                && response.status() == StatusCode::UNAUTHORIZED
                && std::mem::take(&mut may_forget)
                && self.shown.forget(header.as_ref()).await
            {
                continue;
            }
            let Some(wait) = again(&tried, repeated) else { return self.last(tried) };
            // between half of the pause and all of it
            let spread = pause.mul_f64(0.5 + 0.5 * (self.dice)().clamp(0.0, 1.0));
            let wait = spread.max(wait);
            if begun.elapsed() + wait > self.patience {
                return self.last(tried);
            }
            tokio::time::sleep(wait).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn last(&self, tried: reqwest::Result<Response>) -> RegistryResult<Response> {
        tried.map_err(|e| {
            if let Some(what) = trust::mismatch(&e, &self.base) {
                return RegistryError::new(RegistryErrorKind::InvalidInput, what);
            }
            let what = format!(
                "the registry at {} does not answer: is it running, and is the URL right?",
                self.base
            );
            RegistryError::new(RegistryErrorKind::Unavailable, what).because(e)
        })
    }
}

/// Whether it may be asked again, and what the server asked us to wait.
fn again(tried: &reqwest::Result<Response>, repeated: Repeated) -> Option<Duration> {
    match tried {
        // nothing was sent
        Err(error) if error.is_connect() => Some(Duration::ZERO),
        Err(error) if error.is_builder() => None,
        Err(_) => (repeated == Repeated::Same).then_some(Duration::ZERO),
        Ok(response) => after(response.status(), wish(response), repeated),
    }
}

fn after(status: StatusCode, wish: Option<Duration>, repeated: Repeated) -> Option<Duration> {
    match status {
        // who says when to come again has done nothing
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS if wish.is_some() => wish,
        StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT
            if repeated == Repeated::Same =>
        {
            Some(Duration::ZERO)
        }
        _ => None,
    }
}

/// `Retry-After` in seconds; a date is taken for nothing.
fn wish(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, patience, .. } = self;
        f.debug_struct("Asking").field("base", base).field("patience", patience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_again() {
        use Repeated::{Different, Same};
        let (wish, zero) = (Some(Duration::from_secs(3)), Some(Duration::ZERO));
        for (status, asked, repeated, expected) in [
            (503, wish, Same, wish),
            (503, wish, Different, wish),
            (503, None, Same, zero),
            (503, None, Different, None),
            (429, wish, Different, wish),
            (502, None, Same, zero),
            (504, wish, Different, None),
            (500, None, Same, None),
            (404, None, Same, None),
            (409, wish, Same, None),
            (200, None, Same, None),
        ] {
            assert_eq!(after(StatusCode::from_u16(status).unwrap(), asked, repeated), expected, "{status}");
        }
    }
}
