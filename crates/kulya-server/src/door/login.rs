//! Passwords are hashed here: off the threads that serve others, a few at a time, in the order of a
//! [`LoginQueue`]. An attempt is charged before it waits, so that however many come at once no more are let in than may fail;
//! who was right gets the charge back.

use kulya_auth::login_queue::{Arrival, AttemptKeys, LoginQueue, Ticket, attempt_keys};
use kulya_auth::rate_limit::RateLimiter;
use kulya_auth::{AuthError, Authenticator, Caller, Secret};
use kulya_store::clock::Clock;
use std::collections::HashMap;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Passwords that are hashed at a time; each keeps a processor busy.
const HASHED_AT_A_TIME: usize = 2;
/// Attempts that wait.
const MAX_WAITING: usize = 128;
/// Who finds no room may try again after this.
const NO_ROOM: Duration = Duration::from_secs(1);

/// Why nobody is let in.
pub(super) enum Stopped {
    Unknown(AuthError),
    TooOften(Duration),
}

/// Attempts to log in by a password.
pub(super) struct Logins {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    /// Wrong passwords from one address.
    of_address: RateLimiter,
    /// Of these for one account: half, so that who guesses at one account leaves room for the others of his address.
    of_pair: RateLimiter,
    turns: Arc<Mutex<Turns>>,
}

struct Turns {
    queue: LoginQueue,
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

/// One of the places where passwords are hashed, until it is dropped; or a place among those that wait.
struct Turn {
    ticket: Ticket,
    turns: Arc<Mutex<Turns>>,
}

fn locked(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Logins {
    /// So many wrong ones a second from one address, five times as many at once; 0: no bound.
    pub(super) fn new(failures_per_second: u32, clock: Arc<dyn Clock>) -> Self {
        let rates =
            |per_second: u32| RateLimiter::new(per_second, per_second.saturating_mul(5), Arc::clone(&clock));
        let queue = LoginQueue::new(HASHED_AT_A_TIME, MAX_WAITING);
        Self {
            hasher: RandomState::new(),
            of_address: rates(failures_per_second),
            of_pair: rates(failures_per_second.div_ceil(2)),
            turns: Arc::new(Mutex::new(Turns { queue, waiting: HashMap::new() })),
            clock,
        }
    }

    /// Looks at a password.
    pub(super) async fn enter(
        &self,
        guard: &Arc<Authenticator>,
        address: Option<IpAddr>,
        user: String,
        password: Secret,
    ) -> Result<Caller, Stopped> {
        let keys = attempt_keys(address, &user, &self.hasher);
        let (of_address, of_pair) = (keys.address.clone(), format!("{} {}", keys.address, keys.account));
        self.of_pair.take(&of_pair).map_err(Stopped::TooOften)?;
        if let Err(wait) = self.of_address.take(&of_address) {
            self.of_pair.refund(&of_pair);
            return Err(Stopped::TooOften(wait));
        }
        let turn = self.turn(keys).await.ok_or(Stopped::TooOften(NO_ROOM))?;
        let guard = Arc::clone(guard);
        let looking = tokio::task::spawn_blocking(move || {
            // the place is taken until the work is done, whether its caller waits for it or not
            let _turn = turn;
            guard.verify(&user, &password)
        });
        let found = looking.await.unwrap_or(Err(AuthError::InvalidPassword));
        if found.is_ok() {
            self.of_address.refund(&of_address);
            self.of_pair.refund(&of_pair);
        }
        found.map_err(Stopped::Unknown)
    }

    /// Waits until it may be hashed; `None` when there is no room.
    async fn turn(&self, keys: AttemptKeys) -> Option<Turn> {
        let (waiting, comes) = {
            let mut turns = locked(&self.turns);
            let ticket = match turns.queue.arrive(keys, self.clock.since_epoch()) {
                Arrival::Full => return None,
                Arrival::Begins(ticket) => return Some(Turn { ticket, turns: Arc::clone(&self.turns) }),
                Arrival::Waits(ticket, left) => {
                    // its receiver sees that the sender is gone
                    left.and_then(|left| turns.waiting.remove(&left));
                    ticket
                }
            };
            let (comes, turn) = oneshot::channel();
            turns.waiting.insert(ticket, comes);
            (Turn { ticket, turns: Arc::clone(&self.turns) }, turn)
        };
        // when its caller goes, it leaves the queue
        comes.await.ok().map(|()| waiting)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = locked(&self.turns);
        turns.waiting.remove(&self.ticket);
        for ticket in turns.queue.leave(self.ticket) {
            // whoever waited and is gone leaves by their own turn
            let _ = turns.waiting.remove(&ticket).map(|comes| comes.send(()));
        }
    }
}
