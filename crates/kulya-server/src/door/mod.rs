//! The door that every request comes through, on every face: who is calling, whether they may, and whether there is room.
//!
//! [`Door`] is open to all unless it is given a guard. In this order, so that the cheap comes first and nothing is said to
//! whoever is not let in:
//! 1. a place among the requests at a time, else 503 (gRPC: RESOURCE_EXHAUSTED);
//! 2. who is calling, else 401 (UNAUTHENTICATED), before routing: unknown paths and `/ping` too;
//! 3. a token of the caller's rate, else 429 (RESOURCE_EXHAUSTED), with `Retry-After`;
//! 4. the right that the call needs, else 403 (PERMISSION_DENIED), before anything is looked up. What a gRPC message names
//!    is looked at where the message is read, with the [`Visit`] that goes with the request;
//! 5. room for the bytes of the body and of the answer, else 503 (RESOURCE_EXHAUSTED).
//!
//! Before all of it come probes of the server's [`health`], which need neither.
//!
//! What a call needs is said by [`asked`]: a new route or service is refused to all but those with a right on everything
//! until it is named there.

mod asked;
mod tls;
mod visit;
mod weigh;

use crate::health::{self, Probe, ServerHealth};
pub(crate) use asked::{Asked, Form};
use axum::Router;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Request, Response};
use kulya_guard::audit::{Audit, Entry};
use kulya_guard::limit::{Budget, Rates};
use kulya_guard::resource::Names;
use kulya_guard::{Caller, Credentials, Guard, NotLetIn};
use kulya_store::clock::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
pub use tls::Tls;
use tokio::sync::Semaphore;
use tower::ServiceExt;
pub(crate) use visit::{Denied, Visit};
use weigh::{Answer, Load};

/// Passwords that are hashed at a time; each keeps a processor busy.
const HASHES_AT_A_TIME: usize = 2;

/// How much there may be of what. Every bound is on the whole server, but for those that say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones wait in the system's queue.
    pub connections: usize,
    /// TLS handshakes at a time; further connections wait for theirs.
    pub handshakes: usize,
    /// A handshake takes no longer than this.
    pub handshake_time: Duration,
    /// Requests at a time, those that follow a stream included.
    pub requests: usize,
    /// Requests a second of one caller: a user, or an address where nobody is known. 0: no bound.
    pub requests_per_second: u32,
    /// So many come at once after a pause.
    pub burst: u32,
    /// Wrong passwords a second from one address, before the next is not looked at. 0: no bound.
    pub failures_per_second: u32,
    /// Bytes of bodies being read and of answers being written, over all connections. An answer has up to about 70 MiB, so
    /// less than that refuses the largest.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            handshakes: 128,
            handshake_time: Duration::from_secs(10),
            requests: 4096,
            requests_per_second: 100_000,
            burst: 200_000,
            failures_per_second: 10,
            bytes: 1 << 30,
        }
    }
}

/// The door. Clones are one door.
#[derive(Clone)]
pub struct Door(Arc<Frame>);

#[derive(Clone)]
struct Frame {
    clock: Arc<dyn Clock>,
    guard: Option<Arc<Guard>>,
    names: Arc<Names>,
    tls: Option<Arc<Tls>>,
    audit: Option<Arc<Audit>>,
    limits: Limits,
    rates: Arc<Rates>,
    failures: Arc<Rates>,
    requests: Budget,
    bytes: Budget,
    hashing: Arc<Semaphore>,
    health: ServerHealth,
}

impl Door {
    /// Everybody may do everything, within the usual limits, without TLS.
    pub fn open_to_all(clock: Arc<dyn Clock>) -> Self {
        let open = Frame {
            guard: None,
            names: Arc::default(),
            tls: None,
            audit: None,
            limits: Limits::default(),
            rates: Arc::new(Rates::new(0, 0, Arc::clone(&clock))),
            failures: Arc::new(Rates::new(0, 0, Arc::clone(&clock))),
            requests: Budget::new(0),
            bytes: Budget::new(0),
            hashing: Arc::new(Semaphore::new(HASHES_AT_A_TIME)),
            health: ServerHealth::default(),
            clock,
        };
        Self(Arc::new(open)).with_limits(Limits::default())
    }

    /// Lets in whom the guard knows.
    #[must_use]
    pub fn guarded_by(self, guard: Guard) -> Self {
        let names = Arc::new(guard.names().clone());
        self.changed(|frame| (frame.guard, frame.names) = (Some(Arc::new(guard)), names))
    }

    /// Speaks TLS, and nothing else.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        self.changed(|frame| frame.tls = Some(Arc::new(tls)))
    }

    /// Writes down what is changed and what is refused.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Self {
        self.changed(|frame| frame.audit = Some(Arc::new(audit)))
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.changed(|frame| {
            let rates = |per_second, burst| Arc::new(Rates::new(per_second, burst, Arc::clone(&frame.clock)));
            let failures = limits.failures_per_second;
            frame.rates = rates(limits.requests_per_second, limits.burst);
            frame.failures = rates(failures, failures.saturating_mul(5));
            frame.requests = Budget::new(limits.requests);
            frame.bytes = Budget::new(limits.bytes);
            frame.limits = limits;
        })
    }

    fn changed(self, change: impl FnOnce(&mut Frame)) -> Self {
        let mut frame = Arc::unwrap_or_clone(self.0);
        change(&mut frame);
        Self(Arc::new(frame))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What the server says of itself.
    pub fn health(&self) -> &ServerHealth {
        &self.0.health
    }

    pub(crate) fn tls(&self) -> Option<&Arc<Tls>> {
        self.0.tls.as_ref()
    }

    /// One request, from its first byte to the last of its answer.
    pub(crate) async fn through(
        &self,
        router: Router,
        address: Option<SocketAddr>,
        request: Request<Body>,
    ) -> Response<Body> {
        let frame = &*self.0;
        if let Some(probe) = Probe::of(request.uri().path()) {
            let shows_details = frame.shows_details(request.headers(), address).await;
            return frame.health.answer(probe, request.method(), shows_details);
        }
        if health::is_grpc(&request) {
            return match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
        }
        // what is asked for matters only to who guards it, or writes it down
        let asked = if frame.guard.is_some() || frame.audit.is_some() {
            asked::asked(&frame.names, request.method(), request.uri(), request.headers())
        } else {
            asked::anything(request.headers())
        };
        let form = asked.form;
        let Some(place) = frame.requests.take(1) else { return form.busy() };
        let caller = match frame.who(request.headers(), address).await {
            Ok(caller) => caller,
            Err(Stopped::Unknown(why)) => {
                // whom nobody knows is counted by address, or the audit log would be theirs to fill
                if let Err(wait) = frame.rates.take(&rate_key(&Caller::anybody(), address)) {
                    return form.too_often(wait);
                }
                tracing::debug!("a caller at {address:?} is not let in: {why}");
                let response = form.unknown();
                frame.write_unknown(address, &asked, form.status_of(&response));
                return response;
            }
            Err(Stopped::TooOften(wait)) => return form.too_often(wait),
        };
        if let Err(wait) = frame.rates.take(&rate_key(&caller, address)) {
            return form.too_often(wait);
        }
        let visit = Visit::new(caller, address, &asked, frame.audit.clone(), Arc::clone(&frame.names));
        if let Some(need) = &asked.need
            && let Err(Denied(lacking)) = visit.allow(need, asked.is_change)
        {
            let response = form.denied(&lacking);
            visit.end(form.status_of(&response));
            return response;
        }
        let load = Load::new(frame.bytes.clone());
        let mut request = request.map(|body| load.weighing(body));
        request.extensions_mut().insert(visit.clone());
        let mut response = match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if load.was_refused() {
            response = form.busy();
        }
        drop(load);
        let response = match Answer::weigh(response, &frame.bytes, place) {
            Some(response) => response,
            None => form.busy(),
        };
        visit.end(form.status_of(&response));
        response
    }
}

enum Stopped {
    Unknown(NotLetIn),
    TooOften(Duration),
}

impl Frame {
    /// Whether whoever asks for the server's health is told more than a status: where anybody may do everything, everybody
    /// is, and else whom we know.
    async fn shows_details(&self, headers: &HeaderMap, address: Option<SocketAddr>) -> bool {
        self.guard.is_none()
            || headers.contains_key(AUTHORIZATION) && self.who(headers, address).await.is_ok()
    }

    async fn who(&self, headers: &HeaderMap, address: Option<SocketAddr>) -> Result<Caller, Stopped> {
        let Some(guard) = &self.guard else { return Ok(Caller::anybody()) };
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = header.and_then(Credentials::parse);
        if let Some(known) = guard.recall(shown.as_ref()) {
            return known.map_err(Stopped::Unknown);
        }
        match shown {
            None => Err(Stopped::Unknown(NotLetIn::NothingShown)),
            Some(Credentials::Bearer(token)) => guard.believe(&token).await.map_err(Stopped::Unknown),
            Some(Credentials::Basic { user, password }) => {
                let from = address.map(|address| address.ip().to_string()).unwrap_or_default();
                self.failures.would_take(&from).map_err(Stopped::TooOften)?;
                let Ok(_turn) = self.hashing.acquire().await else {
                    return Err(Stopped::Unknown(NotLetIn::WrongPassword));
                };
                let guard = Arc::clone(guard);
                let looking = tokio::task::spawn_blocking(move || guard.verify(&user, &password));
                let found = looking.await.unwrap_or(Err(NotLetIn::WrongPassword));
                if found.is_err() {
                    let _ = self.failures.take(&from);
                }
                found.map_err(Stopped::Unknown)
            }
        }
    }

    fn write_unknown(&self, address: Option<SocketAddr>, asked: &Asked, status: u16) {
        let Some(audit) = &self.audit else { return };
        let (face, operation) = (asked.face, &*asked.operation);
        let (caller, by, resource, permission) = (None, None, None, None);
        audit.write(&Entry {
            caller,
            by,
            address,
            face,
            operation,
            resource,
            permission,
            allowed: false,
            status,
        });
    }
}

fn rate_key(caller: &Caller, address: Option<SocketAddr>) -> String {
    match (caller.shown().zip(caller.name()), address) {
        (Some((shown, name)), _) => format!("{} {name}", shown.as_str()),
        (None, Some(address)) => format!("address {}", address.ip()),
        (None, None) => String::new(),
    }
}
