//! HTTP requests with authorization and retries: [`RetryingClient`].
//!
//! Which failures are retried depends on the request's [`Idempotency`]. Delays are an exponential backoff
//! with jitter, or the server's `Retry-After` if that is longer; the total time is bounded by the settings'
//! `retry_timeout`.

use super::credentials::Authorization;
use super::settings::RegistrySettings;
use crate::backoff::Backoff;
use crate::tls;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The first delay between attempts, before jitter.
const MIN_DELAY: Duration = Duration::from_millis(50);
/// The maximum delay between attempts, before jitter.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// Whether a request may be sent again after its response was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// A repetition has the same effect and the same response.
    Idempotent,
    /// A repetition has another response, so it is sent again only when the server has not processed it.
    NotIdempotent,
}

/// An HTTP client of one registry, shared by all calls.
#[derive(Clone)]
pub(super) struct RetryingClient {
    pub(super) base_url: String,
    pub(super) client: Client,
    authorization: Arc<Authorization>,
    retry_timeout: Duration,
    jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl RetryingClient {
    pub(super) fn new(settings: RegistrySettings) -> RegistryResult<Self> {
        let (base_url, client) = (settings.base_url()?, settings.client()?);
        let RegistrySettings { credentials, retry_timeout, jitter, clock, .. } = settings;
        let authorization = Arc::new(Authorization::new(credentials, clock)?);
        Ok(Self { base_url, client, authorization, retry_timeout, jitter })
    }

    /// Sends a request, with retries; returns the last response, whatever its status.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        idempotency: Idempotency,
    ) -> RegistryResult<Response> {
        let start = Instant::now();
        let mut backoff = Backoff::new(MIN_DELAY, MAX_DELAY);
        let mut may_renew_token = true;
        loop {
            let header = self.authorization.header().await?;
            let authorized = |attempt: RequestBuilder| {
                header.iter().fold(attempt, |attempt, header| attempt.header(AUTHORIZATION, header.clone()))
            };
            // a streamed body cannot be sent twice
            let Some(attempt) = request.try_clone() else {
                return self.finish(authorized(request).send().await);
            };
            let attempt = authorized(attempt);
            let result = attempt.send().await;
            if let Ok(response) = &result
                && response.status() == StatusCode::UNAUTHORIZED
                && std::mem::take(&mut may_renew_token)
                && self.authorization.invalidate(header.as_ref()).await
            {
                continue;
            }
            let Some(min_delay) = retry_delay(&result, idempotency) else { return self.finish(result) };
            // between half of the delay and all of it
            let jittered = backoff.peek().mul_f64(0.5 + 0.5 * (self.jitter)().clamp(0.0, 1.0));
            let delay = jittered.max(min_delay);
            if start.elapsed() + delay > self.retry_timeout {
                return self.finish(result);
            }
            tokio::time::sleep(delay).await;
            backoff.advance();
        }
    }

    fn finish(&self, result: reqwest::Result<Response>) -> RegistryResult<Response> {
        result.map_err(|e| {
            if let Some(what) = tls::protocol_mismatch(&e, &self.base_url) {
                return RegistryError::new(RegistryErrorKind::InvalidInput, what);
            }
            let what = format!(
                "cannot connect to the registry at {}: is it running, and is the URL right?",
                self.base_url
            );
            RegistryError::new(RegistryErrorKind::Unavailable, what).because(e)
        })
    }
}

/// Returns the minimum delay before the next attempt; `None` when the request must not be retried.
fn retry_delay(result: &reqwest::Result<Response>, idempotency: Idempotency) -> Option<Duration> {
    match result {
        // nothing was sent
        Err(error) if error.is_connect() => Some(Duration::ZERO),
        Err(error) if error.is_builder() => None,
        Err(_) => (idempotency == Idempotency::Idempotent).then_some(Duration::ZERO),
        Ok(response) => retry_delay_of_status(response.status(), retry_after(response), idempotency),
    }
}

fn retry_delay_of_status(
    status: StatusCode,
    retry_after: Option<Duration>,
    idempotency: Idempotency,
) -> Option<Duration> {
    match status {
        // a server that sends Retry-After has not processed the request
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS if retry_after.is_some() => {
            retry_after
        }
        StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT
            if idempotency == Idempotency::Idempotent =>
        {
            Some(Duration::ZERO)
        }
        _ => None,
    }
}

/// Parses `Retry-After` in seconds; a date is ignored.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

impl fmt::Debug for RetryingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base_url, retry_timeout, .. } = self;
        f.debug_struct("RetryingClient")
            .field("base_url", base_url)
            .field("retry_timeout", retry_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_depend_on_status_and_idempotency() {
        use Idempotency::{Idempotent, NotIdempotent};
        let (after_3_s, zero) = (Some(Duration::from_secs(3)), Some(Duration::ZERO));
        for (status, retry_after, idempotency, expected) in [
            (503, after_3_s, Idempotent, after_3_s),
            (503, after_3_s, NotIdempotent, after_3_s),
            (503, None, Idempotent, zero),
            (503, None, NotIdempotent, None),
            (429, after_3_s, NotIdempotent, after_3_s),
            (502, None, Idempotent, zero),
            (504, after_3_s, NotIdempotent, None),
            (500, None, Idempotent, None),
            (404, None, Idempotent, None),
            (409, after_3_s, Idempotent, None),
            (200, None, Idempotent, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(retry_delay_of_status(status, retry_after, idempotency), expected, "{status}");
        }
    }
}
