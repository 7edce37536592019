//! What every request passes first: authentication, throttling of failed logins, and the caller's request
//! rate. [`AdmissionControl`] knows no protocol: a listener parses the credentials and maps the errors to its
//! own statuses.

use crate::authenticator::{AuthError, Authenticator};
use crate::caller::Caller;
use crate::credentials::Credentials;
use crate::login_throttle::{LoginError, LoginThrottle};
use crate::rate_limit::RateLimiter;
use kulya_store::clock::Clock;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Why a request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmissionError {
    /// Authentication failed.
    Unauthenticated(AuthError),
    /// Too many requests or failed logins: retry after this time.
    RateLimited(Duration),
}

/// The rates that [`AdmissionControl`] enforces. The default is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AdmissionRates {
    /// Requests per second of one caller: a user, or an address without credentials. 0: unlimited.
    pub requests_per_second: u32,
    /// Requests of one caller in a burst.
    pub burst: u32,
    /// Failed logins per second of one address. 0: unlimited.
    pub failures_per_second: u32,
}

/// Authenticates callers and limits their rates. Clones share the limits.
#[derive(Clone)]
pub struct AdmissionControl {
    authenticator: Option<Arc<Authenticator>>,
    requests: Arc<RateLimiter>,
    logins: Arc<LoginThrottle>,
    clock: Arc<dyn Clock>,
}

impl AdmissionControl {
    /// Creates an admission control that admits anonymous callers at any rate.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let requests = Arc::new(RateLimiter::new(0, 0, Arc::clone(&clock)));
        let logins = Arc::new(LoginThrottle::new(0, Arc::clone(&clock)));
        Self { authenticator: None, requests, logins, clock }
    }

    /// Requires authentication.
    #[must_use]
    pub fn with_authenticator(self, authenticator: Authenticator) -> Self {
        Self { authenticator: Some(Arc::new(authenticator)), ..self }
    }

    /// Sets the rates.
    #[must_use]
    pub fn with_rates(self, rates: AdmissionRates) -> Self {
        let AdmissionRates { requests_per_second, burst, failures_per_second } = rates;
        let requests = Arc::new(RateLimiter::new(requests_per_second, burst, Arc::clone(&self.clock)));
        let logins = Arc::new(LoginThrottle::new(failures_per_second, Arc::clone(&self.clock)));
        Self { requests, logins, ..self }
    }

    /// Whether callers must authenticate.
    pub fn requires_authentication(&self) -> bool {
        self.authenticator.is_some()
    }

    /// Authenticates the caller of a request and counts the request against its rate. Cancel-safe.
    ///
    /// # Errors
    /// [`AdmissionError::Unauthenticated`] without valid credentials; [`AdmissionError::RateLimited`] when
    /// the caller, or the address of failed logins, is over its rate.
    pub async fn admit(
        &self,
        credentials: Option<Credentials>,
        address: Option<SocketAddr>,
    ) -> Result<Caller, AdmissionError> {
        let caller = match self.authenticate(credentials, address).await {
            Ok(caller) => caller,
            Err(AdmissionError::Unauthenticated(error)) => {
                // counted by address: otherwise unauthenticated clients could fill the audit log
                self.count(&Caller::anonymous(), address)?;
                return Err(AdmissionError::Unauthenticated(error));
            }
            Err(error) => return Err(error),
        };
        self.count(&caller, address)?;
        Ok(caller)
    }

    /// Authenticates a caller without counting a request. Cancel-safe.
    ///
    /// # Errors
    /// [`AdmissionError::Unauthenticated`] without valid credentials; [`AdmissionError::RateLimited`] when
    /// the address has too many failed logins.
    pub async fn authenticate(
        &self,
        credentials: Option<Credentials>,
        address: Option<SocketAddr>,
    ) -> Result<Caller, AdmissionError> {
        let Some(authenticator) = &self.authenticator else { return Ok(Caller::anonymous()) };
        if let Some(result) = authenticator.authenticate_cached(credentials.as_ref()) {
            return result.map_err(AdmissionError::Unauthenticated);
        }
        match credentials {
            None => Err(AdmissionError::Unauthenticated(AuthError::NoCredentials)),
            Some(Credentials::Bearer(token)) => {
                authenticator.verify_token(&token).await.map_err(AdmissionError::Unauthenticated)
            }
            Some(Credentials::Basic { user, password }) => {
                let address = address.map(|address| address.ip());
                self.logins.login(authenticator, address, user, password).await.map_err(|error| match error {
                    LoginError::Failed(error) => AdmissionError::Unauthenticated(error),
                    LoginError::Throttled(wait) => AdmissionError::RateLimited(wait),
                })
            }
        }
    }

    fn count(&self, caller: &Caller, address: Option<SocketAddr>) -> Result<(), AdmissionError> {
        self.requests.try_acquire(&rate_key(caller, address)).map_err(AdmissionError::RateLimited)
    }
}

/// Returns the key that a caller's requests are counted by: the identity, or the address of an anonymous
/// caller.
pub fn rate_key(caller: &Caller, address: Option<SocketAddr>) -> String {
    match (caller.name(), address) {
        (Some(_), _) => caller.identity(),
        (None, Some(address)) => format!("address {}", address.ip()),
        (None, None) => String::new(),
    }
}

impl fmt::Debug for AdmissionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authenticator, requests, .. } = self;
        f.debug_struct("AdmissionControl")
            .field("authenticator", authenticator)
            .field("requests", requests)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ResourceNames;
    use futures::executor::block_on;
    use kulya_store::clock::ManualClock;

    #[test]
    fn unauthenticated_requests_are_counted_by_address() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1)));
        let rates = AdmissionRates { requests_per_second: 1, burst: 2, failures_per_second: 0 };
        let open = AdmissionControl::new(Arc::clone(&clock) as Arc<dyn Clock>).with_rates(rates);
        let address = |last: u8| Some(SocketAddr::from(([10, 0, 0, last], 1)));
        let admit = |admission: &AdmissionControl, last| block_on(admission.admit(None, address(last)));
        assert!(admit(&open, 1).is_ok() && admit(&open, 1).is_ok());
        assert!(matches!(admit(&open, 1), Err(AdmissionError::RateLimited(_))));
        let guarded = open.with_authenticator(Authenticator::new(ResourceNames::default(), [1; 32]));
        let unauthenticated = AdmissionError::Unauthenticated(AuthError::NoCredentials);
        assert_eq!(admit(&guarded, 2).unwrap_err(), unauthenticated);
        assert_eq!(admit(&guarded, 2).unwrap_err(), unauthenticated);
        assert!(matches!(admit(&guarded, 2), Err(AdmissionError::RateLimited(_))));
    }
}
