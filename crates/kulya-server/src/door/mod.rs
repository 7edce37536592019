//! The door that every request comes through, on every face: who is calling, whether they may, and whether there is room.
//!
//! [`Door`] is open to all unless it is given a guard. In this order, so that the cheap comes first and nothing is said to
//! whoever is not let in:
//! 0. nothing that another site's page lets somebody's browser send ([`Browsers`]), else 403;
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

mod answer;
mod asked;
mod browsers;
mod login;
mod long;
mod record;
mod seen;
#[cfg(test)]
mod tests;

mod visit;
mod weigh;

use crate::connections::{Connection, InFlight, Times};
use crate::health::{self, Probe, ServerHealth};
use answer::{Answer, Held};
pub(crate) use asked::{Asked, Form};
use axum::Router;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Request, Response};
pub use browsers::Browsers;
use futures::FutureExt;
use kulya_auth::access_log::AccessLog;
use kulya_auth::audit::{AuditLog, Entry};
use kulya_auth::fair_share::{Permit, Pool, Share};
use kulya_auth::rate_limit::RateLimiter;
use kulya_auth::resource::ResourceNames;
pub use kulya_auth::tls::Tls;
use kulya_auth::{AuthError, Authenticator, Caller, Credentials};
use kulya_store::clock::Clock;
use login::{Logins, Stopped};
pub(crate) use record::with_causes;
use record::{Ids, LineLimit, Record};
pub(crate) use seen::{GuardedRegistry, GuardedStore, SeenStore};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::Instrument;
pub(crate) use visit::{Denied, Visit};
use weigh::{Load, Pace, Refused};

/// A connection gets no more of its address's requests than one of so many, and one, would.
const CONNECTIONS: usize = 8;

/// How much there may be of what. Every bound is on the whole server, but for those that say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. For another one the one that has been silent longest is closed; where none is, further ones
    /// wait in the system's queue.
    pub connections: usize,
    /// What one address may have of connections, requests and bytes, in percent of what others leave; 100: no bound, for
    /// servers behind a proxy.
    pub address_percent: u32,
    /// TLS handshakes at a time; for another one the oldest is given up.
    pub handshakes: usize,
    /// A handshake takes no longer than this.
    pub handshake_time: Duration,
    /// The head of a request takes no longer than this from its first byte on.
    pub head_time: Duration,
    /// A connection of HTTP/1 waits so long for its next request.
    pub idle_time: Duration,
    /// A request's body may take this long, and a second more for each [`body_bytes_per_second`](Self::body_bytes_per_second).
    pub body_time: Duration,
    /// See [`body_time`](Self::body_time).
    pub body_bytes_per_second: u32,
    /// But no longer than this; for imports there is no such bound.
    pub body_most_time: Duration,
    /// A request must be answered this long after the end of its body; exports, imports and tails have twenty times as long
    /// until their answer begins.
    pub request_time: Duration,
    /// Who takes nothing of an answer for so long is cut.
    pub write_time: Duration,
    /// A request that takes longer than this to be answered is warned of; zero: none is.
    pub slow_time: Duration,
    /// Requests at a time, those that follow a stream included.
    pub requests: usize,
    /// Requests a second of one caller: a user, or an address where nobody is known. 0: no bound.
    pub requests_per_second: u32,
    /// So many come at once after a pause.
    pub burst: u32,
    /// Wrong passwords a second from one address, before the next is not looked at. 0: no bound.
    pub failures_per_second: u32,
    /// Bytes of bodies being read, of events read for an answer, and of answers until they are written, over all
    /// connections. An answer has up to about 70 MiB, so less than that refuses the largest.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            address_percent: 75,
            handshakes: 128,
            handshake_time: Duration::from_secs(10),
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(120),
            body_time: Duration::from_secs(20),
            body_bytes_per_second: 1000,
            body_most_time: Duration::from_secs(300),
            request_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            slow_time: Duration::from_secs(3),
            requests: 4096,
            requests_per_second: 100_000,
            burst: 200_000,
            failures_per_second: 10,
            bytes: 1 << 30,
        }
    }
}

impl Limits {
    pub(crate) fn times(&self) -> Times {
        let Self { handshake_time, head_time, idle_time, write_time, .. } = *self;
        Times { handshake: handshake_time, head: head_time, idle: idle_time, write: write_time }
    }

    /// What one address may have of the connections: more than of the rest, since they cost little, and those that are silent
    /// are closed for others.
    pub(crate) fn connections_percent(&self) -> u32 {
        100 - (100 - self.address_percent.min(100)) / 5
    }

    fn pace(&self, is_long: bool) -> Pace {
        Pace {
            time: self.body_time,
            bytes_per_second: self.body_bytes_per_second,
            most: (!is_long).then_some(self.body_most_time),
        }
    }
}

/// One connection's client. Its parts of what there is are counted by its address.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) connection: Arc<Connection>,
    pub(crate) requests: Share,
    pub(crate) bytes: Share,
    /// Ends the request's HTTP/2 stream.
    pub(crate) stream: Option<CancellationToken>,
}

/// The door. Clones are one door.
#[derive(Clone)]
pub struct Door(Arc<Frame>);

#[derive(Clone)]
struct Frame {
    clock: Arc<dyn Clock>,
    guard: Option<Arc<Authenticator>>,
    names: Arc<ResourceNames>,
    tls: Option<Arc<Tls>>,
    audit: Option<Arc<AuditLog>>,
    access: Option<Arc<AccessLog>>,
    ids: Arc<Ids>,
    no_room: Arc<LineLimit>,
    limits: Limits,
    rates: Arc<RateLimiter>,
    logins: Arc<Logins>,
    browsers: Browsers,
    /// Whether the server listens on this machine alone.
    is_loopback: bool,
    requests: Pool,
    bytes: Pool,
    proxies: Vec<IpAddr>,
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
            access: None,
            ids: Arc::new(Ids::new(clock.since_epoch())),
            no_room: Arc::default(),
            limits: Limits::default(),
            rates: Arc::new(RateLimiter::new(0, 0, Arc::clone(&clock))),
            logins: Arc::new(Logins::new(0, Arc::clone(&clock))),
            browsers: Browsers::default(),
            is_loopback: false,
            requests: Pool::new(0, 100),
            bytes: Pool::new(0, 100),
            proxies: Vec::new(),
            health: ServerHealth::default(),
            clock,
        };
        Self(Arc::new(open)).with_limits(Limits::default())
    }

    /// Lets in whom the guard knows.
    #[must_use]
    pub fn guarded_by(self, guard: Authenticator) -> Self {
        let names = Arc::new(guard.names().clone());
        self.changed(|frame| (frame.guard, frame.names) = (Some(Arc::new(guard)), names))
    }

    /// Lets in names and pages beside the usual ones.
    #[must_use]
    pub fn with_browsers(self, browsers: Browsers) -> Self {
        self.changed(|frame| frame.browsers = browsers)
    }

    /// The address that it stands at.
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        self.changed(|frame| frame.is_loopback = address.ip().to_canonical().is_loopback())
    }

    /// Speaks TLS, and nothing else.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        self.changed(|frame| frame.tls = Some(Arc::new(tls)))
    }

    /// Writes down what is changed and what is refused.
    #[must_use]
    pub fn with_audit(self, audit: AuditLog) -> Self {
        self.changed(|frame| frame.audit = Some(Arc::new(audit)))
    }

    /// Writes down every request.
    #[must_use]
    pub fn with_access_log(self, access: AccessLog) -> Self {
        self.changed(|frame| frame.access = Some(Arc::new(access)))
    }

    /// What is to be done from time to time, whether requests come or not.
    pub(crate) fn tick(&self) {
        if let Some(audit) = &self.0.audit {
            audit.flush();
        }
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.changed(|frame| {
            let (per_second, burst) = (limits.requests_per_second, limits.burst);
            frame.rates = Arc::new(RateLimiter::new(per_second, burst, Arc::clone(&frame.clock)));
            frame.logins = Arc::new(Logins::new(limits.failures_per_second, Arc::clone(&frame.clock)));
            frame.requests =
                Pool::with_connection_share(limits.requests, limits.address_percent, CONNECTIONS);
            frame.bytes = Pool::new(limits.bytes, limits.address_percent);
            frame.limits = limits;
        })
    }

    /// Believes these proxies: a request that comes from one of them is counted and written down by the address that its
    /// `X-Forwarded-For` names last.
    #[must_use]
    pub fn behind_proxies(self, proxies: Vec<IpAddr>) -> Self {
        self.changed(|frame| frame.proxies = proxies.iter().map(IpAddr::to_canonical).collect())
    }

    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.0.proxies.contains(&address.to_canonical())
    }

    /// Whoever is at the other end of a connection.
    pub(crate) fn client(&self, connection: Arc<Connection>) -> Client {
        let address = connection.address().ip();
        let counted = (!self.is_proxy(address)).then_some(address);
        let (requests, bytes) = (self.0.requests.share(counted), self.0.bytes.share(counted));
        Client { connection, requests, bytes, stream: None }
    }

    /// The address that a request is from, and its parts of what there is.
    fn origin(&self, client: &Client, headers: &HeaderMap) -> (SocketAddr, Share, Share) {
        let address = client.connection.address();
        if !self.0.proxies.is_empty()
            && self.is_proxy(address.ip())
            && let Some(named) = forwarded_for(headers, &self.0.proxies)
        {
            let (requests, bytes) = (&client.requests, &client.bytes);
            return (SocketAddr::new(named, 0), requests.on_behalf_of(named), bytes.on_behalf_of(named));
        }
        (address, client.requests.clone(), client.bytes.clone())
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
        client: &Client,
        request: Request<Body>,
    ) -> Response<Body> {
        let frame = &*self.0;
        if let Err(foreign) = frame.browsers.check(frame.is_loopback, &request) {
            tracing::debug!("a request from {} is refused: {foreign:?}", client.connection.address());
            return foreign.answer(asked::anything(request.uri().path(), request.headers()).form);
        }
        let in_flight = Arc::new(client.connection.begin(client.stream.clone()));
        if let Some(probe) = Probe::of(request.uri().path()) {
            let shows_details =
                frame.shows_details(request.headers(), Some(client.connection.address())).await;
            return frame.health.answer(probe, request.method(), shows_details);
        }
        if health::is_grpc(&request) {
            return match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
        }
        let (address, requests, bytes) = self.origin(client, request.headers());
        let mut record = Record::new(&frame.ids, frame.access.clone(), &request, Some(address));
        let span = record.span.clone();
        let within = Within { address: Some(address), requests, bytes: &bytes, in_flight: &in_flight };
        let Answered { mut response, form, place, visit } =
            frame.answer(router, request, within).instrument(span.clone()).await;
        record.caller = visit.as_ref().and_then(|visit| visit.caller().map(str::to_owned));
        record.answered(&mut response);
        let id = record.id.clone();
        let held = Held::new(in_flight, place, Some(Box::new(move |written| record.end(written))));
        let response = Answer::weigh(response, &bytes, held).unwrap_or_else(|held| {
            span.in_scope(|| frame.say_no_room());
            let mut response = form.busy();
            response.headers_mut().insert(record::REQUEST_ID, id);
            Answer::refusal(response, &bytes, held)
        });
        if let Some(visit) = visit {
            visit.end(form.status_of(&response));
        }
        response
    }
}

/// Where a request is from, and what it may hold.
struct Within<'a> {
    address: Option<SocketAddr>,
    requests: Share,
    bytes: &'a Share,
    in_flight: &'a Arc<InFlight>,
}

/// An answer, and what it holds until it is written.
struct Answered {
    response: Response<Body>,
    form: Form,
    place: Option<Permit>,
    visit: Option<Visit>,
}

impl Frame {
    /// The answer to a request, or the refusal.
    async fn answer(&self, router: Router, request: Request<Body>, within: Within<'_>) -> Answered {
        let Within { address, requests, bytes, in_flight } = within;
        // what is asked for matters only to who guards it, or writes it down
        let asked = if self.guard.is_some() || self.audit.is_some() {
            asked::asked(&self.names, request.method(), request.uri(), request.headers())
        } else {
            asked::anything(request.uri().path(), request.headers())
        };
        let form = asked.form;
        let refused = |response| Answered { response, form, place: None, visit: None };
        let Some(place) = requests.take(1) else {
            self.say_no_room();
            return refused(form.busy());
        };
        let caller = match self.who(request.headers(), address).await {
            Ok(caller) => caller,
            Err(Stopped::Unknown(why)) => {
                // whom nobody knows is counted by address, or the audit log would be theirs to fill
                if let Err(wait) = self.rates.take(&rate_key(&Caller::anonymous(), address)) {
                    return refused(form.too_often(wait));
                }
                tracing::debug!("a caller at {address:?} is not let in: {why}");
                let response = form.unknown();
                self.write_unknown(address, &asked, form.status_of(&response));
                return refused(response);
            }
            Err(Stopped::TooOften(wait)) => return refused(form.too_often(wait)),
        };
        if let Err(wait) = self.rates.take(&rate_key(&caller, address)) {
            return refused(form.too_often(wait));
        }
        let (audit, names) = (self.audit.clone(), Arc::clone(&self.names));
        let who = rate_key(&caller, address);
        let visit = Visit::new(caller, address, &asked, audit, names, bytes.clone());
        let allowed = asked.need.as_ref().map_or(Ok(()), |need| visit.allow(need, asked.is_change));
        let response = match allowed {
            Err(denied) => form.denied(&denied),
            // what a caller asks of schemas is bounded for each
            Ok(()) => {
                let work = self.work(router, request, form, &visit, bytes, in_flight);
                kulya_registry::as_caller(who, work).await
            }
        };
        Answered { response, form, place: Some(place), visit: Some(visit) }
    }

    /// Lets a face answer, in time and within what there is of memory.
    async fn work(
        &self,
        router: Router,
        request: Request<Body>,
        form: Form,
        visit: &Visit,
        bytes: &Share,
        in_flight: &Arc<InFlight>,
    ) -> Response<Body> {
        let length = long::of(request.uri().path());
        let pace = length.is_body_timed().then(|| self.limits.pace(length.is_long()));
        let load = Load::new(bytes.clone(), Arc::clone(in_flight), pace);
        let mut request = request.map(|body| load.weighing(body));
        request.extensions_mut().insert(visit.clone());
        let time = self.limits.request_time.saturating_mul(length.times());
        let answering = AssertUnwindSafe(router.oneshot(request)).catch_unwind();
        let answered = in_time(&load, time, answering).await;
        let took = load.progress().elapsed();
        if !self.limits.slow_time.is_zero() && took >= self.limits.slow_time && !length.is_long() {
            tracing::warn!("a slow request: {} ms until its answer", took.as_millis());
        }
        match (answered, load.refused()) {
            (_, Some(Refused::NoRoom)) => {
                self.say_no_room();
                form.busy()
            }
            (_, Some(Refused::TooSlow)) => form.too_slow(),
            (Some(Ok(Ok(response))), None) => response,
            (Some(Ok(Err(never))), None) => match never {},
            (Some(Err(_)), None) => {
                tracing::error!(
                    "the request was given up because the server panicked over it: this is a defect"
                );
                form.failed()
            }
            (None, None) => {
                tracing::error!("the request was not answered within {time:?} and was given up");
                form.too_late(time)
            }
        }
    }

    /// A request was refused because there is no room, which many may be at once.
    fn say_no_room(&self) {
        if let Some(kept_back) = self.no_room.line(self.clock.since_epoch().as_secs()) {
            let (requests, bytes) = (self.requests.used(), self.bytes.used());
            tracing::warn!(
                "a request was refused, and {kept_back} before: {requests} requests and {bytes} bytes are held now, of all or of its address as many as there may be"
            );
        }
    }
}

/// The answer, unless there is none so long after the last of the body has come.
async fn in_time<T>(load: &Load, time: Duration, answering: impl Future<Output = T>) -> Option<T> {
    let mut answering = std::pin::pin!(answering);
    loop {
        match tokio::time::timeout_at(load.progress() + time, &mut answering).await {
            Ok(answer) => return Some(answer),
            Err(_) if load.progress() + time > Instant::now() => {}
            Err(_) => return None,
        }
    }
}

/// The last address that `X-Forwarded-For` names and that is not a proxy's own: what stands before it anybody may write.
fn forwarded_for(headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let named: Vec<_> = named.flat_map(|value| value.split(',')).collect();
    let parsed = named.iter().rev().map_while(|text| {
        let text = text.trim();
        let address = text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
        Some(IpAddr::to_canonical(&address))
    });
    parsed.into_iter().find(|address| !proxies.contains(address))
}

impl Frame {
    /// Whether whoever asks for the server's health is told more than a status: where anybody may do everything, everybody
    /// is, and else whom we know.
    async fn shows_details(&self, headers: &HeaderMap, address: Option<SocketAddr>) -> bool {
        self.guard.is_none()
            || headers.contains_key(AUTHORIZATION) && self.who(headers, address).await.is_ok()
    }

    async fn who(&self, headers: &HeaderMap, address: Option<SocketAddr>) -> Result<Caller, Stopped> {
        let Some(guard) = &self.guard else { return Ok(Caller::anonymous()) };
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = header.and_then(Credentials::parse);
        if let Some(known) = guard.authenticate_cached(shown.as_ref()) {
            return known.map_err(Stopped::Unknown);
        }
        match shown {
            None => Err(Stopped::Unknown(AuthError::NoCredentials)),
            Some(Credentials::Bearer(token)) => guard.verify_token(&token).await.map_err(Stopped::Unknown),
            Some(Credentials::Basic { user, password }) => {
                self.logins.enter(guard, address.map(|address| address.ip()), user, password).await
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
    match (caller.credential_kind().zip(caller.name()), address) {
        (Some((shown, name)), _) => format!("{} {name}", shown.as_str()),
        (None, Some(address)) => format!("address {}", address.ip()),
        (None, None) => String::new(),
    }
}
