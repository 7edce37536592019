//! Password verification under load: [`LoginThrottle`] limits failed attempts and hashes on blocking threads,
//! a few at a time, in the order of a [`LoginQueue`]. An attempt is charged to its rate limits before it
//! waits, so that concurrent attempts cannot exceed them; a successful one is refunded.

use crate::authenticator::{AuthError, Authenticator};
use crate::caller::Caller;
use crate::credentials::Secret;
use crate::login_queue::{Admission, AttemptKeys, LoginQueue, Ticket, attempt_keys};
use crate::rate_limit::RateLimiter;
use kulya_store::clock::Clock;
use std::collections::HashMap;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Passwords hashed at a time; each keeps a processor busy.
const MAX_RUNNING: usize = 2;
/// Attempts that wait.
const MAX_WAITING: usize = 128;
/// When an attempt that found the queue full may retry.
const QUEUE_FULL_RETRY: Duration = Duration::from_secs(1);

/// Why a login was not successful.
pub(crate) enum LoginError {
    Failed(AuthError),
    /// Too many attempts: retry after this time.
    Throttled(Duration),
}

/// Verifies passwords with bounded work and bounded failures.
pub(crate) struct LoginThrottle {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    /// Failed attempts per address.
    by_address: RateLimiter,
    /// Failed attempts per address and account: half of the above, so that guessing at one account leaves
    /// attempts for the other accounts of the address.
    by_account: RateLimiter,
    attempts: Arc<Mutex<Attempts>>,
}

struct Attempts {
    queue: LoginQueue,
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

/// A running or waiting attempt; leaves the queue on drop.
struct Slot {
    ticket: Ticket,
    attempts: Arc<Mutex<Attempts>>,
}

fn locked(attempts: &Mutex<Attempts>) -> MutexGuard<'_, Attempts> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LoginThrottle {
    /// Allows so many failed attempts per second and address, in bursts of five times as many; 0 is
    /// unlimited.
    pub(crate) fn new(failures_per_second: u32, clock: Arc<dyn Clock>) -> Self {
        let limiter =
            |per_second: u32| RateLimiter::new(per_second, per_second.saturating_mul(5), Arc::clone(&clock));
        let queue = LoginQueue::new(MAX_RUNNING, MAX_WAITING);
        Self {
            hasher: RandomState::new(),
            by_address: limiter(failures_per_second),
            by_account: limiter(failures_per_second.div_ceil(2)),
            attempts: Arc::new(Mutex::new(Attempts { queue, waiting: HashMap::new() })),
            clock,
        }
    }

    /// Verifies a password.
    pub(crate) async fn login(
        &self,
        authenticator: &Arc<Authenticator>,
        address: Option<IpAddr>,
        user: String,
        password: Secret,
    ) -> Result<Caller, LoginError> {
        let keys = attempt_keys(address, &user, &self.hasher);
        let (by_address, by_account) = (keys.address.clone(), format!("{} {}", keys.address, keys.account));
        self.by_account.try_acquire(&by_account).map_err(LoginError::Throttled)?;
        if let Err(wait) = self.by_address.try_acquire(&by_address) {
            self.by_account.refund(&by_account);
            return Err(LoginError::Throttled(wait));
        }
        let slot = self.slot(keys).await.ok_or(LoginError::Throttled(QUEUE_FULL_RETRY))?;
        let authenticator = Arc::clone(authenticator);
        let verifying = tokio::task::spawn_blocking(move || {
            // the slot is taken until the work is done, even if the caller is cancelled
            let _slot = slot;
            authenticator.verify_password(&user, &password)
        });
        let result = verifying.await.unwrap_or(Err(AuthError::InvalidPassword));
        if result.is_ok() {
            self.by_address.refund(&by_address);
            self.by_account.refund(&by_account);
        }
        result.map_err(LoginError::Failed)
    }

    /// Waits for a slot; `None` when the queue is full or the attempt was evicted.
    async fn slot(&self, keys: AttemptKeys) -> Option<Slot> {
        let (slot, started) = {
            let mut attempts = locked(&self.attempts);
            let ticket = match attempts.queue.enqueue(keys, self.clock.since_epoch()) {
                Admission::Rejected => return None,
                Admission::Started(ticket) => {
                    return Some(Slot { ticket, attempts: Arc::clone(&self.attempts) });
                }
                Admission::Queued(ticket, evicted) => {
                    // dropping the sender wakes the evicted attempt
                    evicted.and_then(|evicted| attempts.waiting.remove(&evicted));
                    ticket
                }
            };
            let (start, started) = oneshot::channel();
            attempts.waiting.insert(ticket, start);
            (Slot { ticket, attempts: Arc::clone(&self.attempts) }, started)
        };
        // a cancelled caller drops its slot and thereby leaves the queue
        started.await.ok().map(|()| slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut attempts = locked(&self.attempts);
        attempts.waiting.remove(&self.ticket);
        for ticket in attempts.queue.remove(self.ticket) {
            // an attempt that was cancelled meanwhile leaves the queue by its own drop
            let _ = attempts.waiting.remove(&ticket).map(|start| start.send(()));
        }
    }
}
