//! The middleware itself: [`AccessControl`] is its configuration, [`AccessControl::handle`] its way through
//! one request.

use super::forwarded::forwarded_for;
use super::limits::Limits;
use super::memory_limit::{BodyBudget, BodyError};
use super::metered_response::{RequestGuard, meter_error, meter_response};
use super::origin_policy::OriginPolicy;
use super::protocol::{GRPC_DENIED, Protocol};
use super::request_context::RequestContext;
use super::request_info::{Classified, EndpointTables, RequestInfo, classify};
use super::request_log::{LogRateLimit, REQUEST_ID, RequestIds, RequestLog};
use crate::connections::{Connection, InFlight};
use crate::endpoint::TimeoutClass;
use crate::health::{self, Probe, ServerHealth};
use axum::Router;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Request, Response};
use futures::FutureExt;
use kulya_auth::access_log::AccessLog;
use kulya_auth::admission::{AdmissionControl, AdmissionError, rate_key};
use kulya_auth::audit::{AuditLog, Entry};
use kulya_auth::authorization::{AuditedOperation, Authorization};
use kulya_auth::fair_share::{Permit, Pool, Share};
use kulya_auth::resource::ResourceNames;
use kulya_auth::tls::Tls;
use kulya_auth::{Authenticator, Credentials};
use kulya_store::clock::Clock;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::Instrument;

/// One connection gets at most one part in so many of the requests that its address may still have, and one
/// more.
const CONNECTION_SHARES: usize = 8;

/// The client of a connection. What it uses of requests and memory is accounted to its address.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) connection: Arc<Connection>,
    pub(crate) requests: Share,
    pub(crate) bytes: Share,
    /// Resets the request's HTTP/2 stream.
    pub(crate) stream: Option<CancellationToken>,
}

/// Authentication, authorization, limits and logs of a server. Clones share one state.
#[derive(Clone)]
pub struct AccessControl(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    clock: Arc<dyn Clock>,
    admission: AdmissionControl,
    names: Arc<ResourceNames>,
    endpoints: Arc<EndpointTables>,
    tls: Option<Arc<Tls>>,
    audit: Option<Arc<AuditLog>>,
    access_log: Option<Arc<AccessLog>>,
    ids: Arc<RequestIds>,
    overload_warnings: Arc<LogRateLimit>,
    limits: Limits,
    origin_policy: OriginPolicy,
    /// Whether the server listens on loopback.
    is_loopback: bool,
    requests: Pool,
    bytes: Pool,
    proxies: Vec<IpAddr>,
    health: ServerHealth,
}

impl AccessControl {
    /// Allows everything to everybody, within the default limits and without TLS.
    pub fn permissive(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            admission: AdmissionControl::new(Arc::clone(&clock)),
            names: Arc::default(),
            endpoints: Arc::default(),
            tls: None,
            audit: None,
            access_log: None,
            ids: Arc::new(RequestIds::new(clock.since_epoch())),
            overload_warnings: Arc::default(),
            limits: Limits::default(),
            origin_policy: OriginPolicy::default(),
            is_loopback: false,
            requests: Pool::new(0, 100),
            bytes: Pool::new(0, 100),
            proxies: Vec::new(),
            health: ServerHealth::default(),
            clock,
        };
        Self(Arc::new(inner)).with_limits(Limits::default())
    }

    /// Requires authentication, and authorizes by the callers' access control lists.
    #[must_use]
    pub fn with_authenticator(self, authenticator: Authenticator) -> Self {
        let names = Arc::new(authenticator.names().clone());
        self.modify(|inner| {
            inner.admission = inner.admission.clone().with_authenticator(authenticator);
            inner.names = names;
        })
    }

    /// Accepts hosts and origins in addition to the default ones.
    #[must_use]
    pub fn with_origin_policy(self, origin_policy: OriginPolicy) -> Self {
        self.modify(|inner| inner.origin_policy = origin_policy)
    }

    /// Sets the endpoints of the APIs that are served.
    pub(crate) fn with_endpoints(self, endpoints: EndpointTables) -> Self {
        self.modify(|inner| inner.endpoints = Arc::new(endpoints))
    }

    /// Sets the address that the server listens on.
    pub(crate) fn listening_on(self, address: SocketAddr) -> Self {
        self.modify(|inner| inner.is_loopback = address.ip().to_canonical().is_loopback())
    }

    /// Accepts TLS connections only.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        let tls = tls.with_alpn_protocols(&[b"h2", b"http/1.1"]);
        self.modify(|inner| inner.tls = Some(Arc::new(tls)))
    }

    /// Writes changes and denied requests to an audit log.
    #[must_use]
    pub fn with_audit(self, audit: AuditLog) -> Self {
        self.modify(|inner| inner.audit = Some(Arc::new(audit)))
    }

    /// Writes every request to an access log.
    #[must_use]
    pub fn with_access_log(self, access_log: AccessLog) -> Self {
        self.modify(|inner| inner.access_log = Some(Arc::new(access_log)))
    }

    /// Does the periodic work; to be called about once per second.
    pub(crate) fn tick(&self) {
        if let Some(audit) = &self.0.audit {
            audit.flush();
        }
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.modify(|inner| {
            inner.admission = inner.admission.clone().with_rates(limits.admission_rates());
            let (requests, percent) = (limits.requests, limits.address_percent);
            inner.requests = Pool::with_connection_share(requests, percent, CONNECTION_SHARES);
            inner.bytes = Pool::new(limits.bytes, limits.address_percent);
            inner.limits = limits;
        })
    }

    /// Trusts these proxies: their requests are accounted to and logged with the last address in
    /// `X-Forwarded-For`.
    #[must_use]
    pub fn with_trusted_proxies(self, proxies: Vec<IpAddr>) -> Self {
        self.modify(|inner| inner.proxies = proxies.iter().map(IpAddr::to_canonical).collect())
    }

    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.0.proxies.contains(&address.to_canonical())
    }

    /// Returns the client of a connection.
    pub(crate) fn client(&self, connection: Arc<Connection>) -> Client {
        let address = connection.address().ip();
        let accounted = (!self.is_proxy(address)).then_some(address);
        let (requests, bytes) = (self.0.requests.share(accounted), self.0.bytes.share(accounted));
        Client { connection, requests, bytes, stream: None }
    }

    /// Returns the address that a request is from, and its shares of requests and memory.
    fn origin(&self, client: &Client, headers: &HeaderMap) -> (SocketAddr, Share, Share) {
        let address = client.connection.address();
        if !self.0.proxies.is_empty()
            && self.is_proxy(address.ip())
            && let Some(forwarded) = forwarded_for(headers, &self.0.proxies)
        {
            let (requests, bytes) = (&client.requests, &client.bytes);
            let address = SocketAddr::new(forwarded, 0);
            return (address, requests.on_behalf_of(forwarded), bytes.on_behalf_of(forwarded));
        }
        (address, client.requests.clone(), client.bytes.clone())
    }

    fn modify(self, modify: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        modify(&mut inner);
        Self(Arc::new(inner))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Returns the health of the server.
    pub fn health(&self) -> &ServerHealth {
        &self.0.health
    }

    pub(crate) fn tls(&self) -> Option<&Arc<Tls>> {
        self.0.tls.as_ref()
    }

    /// Handles one request, until the last byte of its response is written.
    pub(crate) async fn handle(
        &self,
        router: Router,
        client: &Client,
        request: Request<Body>,
    ) -> Response<Body> {
        let inner = &*self.0;
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers());
        let classified = classify(&inner.endpoints, &method, &uri, headers);
        let is_grpc_without_content_type = classified.is_grpc_without_content_type(headers);
        if let Err(rejected) =
            inner.origin_policy.check(inner.is_loopback, is_grpc_without_content_type, &request)
        {
            let address = client.connection.address();
            tracing::debug!("request from {address} rejected by the origin policy: {}", rejected.message);
            return Protocol::of(uri.path(), headers).cross_origin(rejected.status, &rejected.message);
        }
        let in_flight = Arc::new(client.connection.start_request(client.stream.clone()));
        if let Some(probe) = Probe::of(uri.path()) {
            let shows_details = inner.shows_details(headers, Some(client.connection.address())).await;
            return inner.health.respond(probe, &method, shows_details);
        }
        if health::is_grpc(&request) {
            return match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
        }
        let (address, requests, bytes) = self.origin(client, headers);
        let mut log = RequestLog::new(&inner.ids, inner.access_log.clone(), &request, Some(address));
        let span = log.span.clone();
        let protocol = classified.protocol;
        let resources = Resources { address: Some(address), requests, bytes: &bytes, in_flight: &in_flight };
        let Handled { mut response, permit, context } =
            inner.handle(router, request, &classified, resources).instrument(span.clone()).await;
        log.caller = context.as_ref().and_then(|context| context.caller().map(str::to_owned));
        log.set_response(&mut response);
        let id = log.id.clone();
        let on_complete = Box::new(move |completion| log.complete(completion));
        let guard = RequestGuard::new(in_flight, permit, Some(on_complete));
        let response = meter_response(response, &bytes, guard).unwrap_or_else(|guard| {
            span.in_scope(|| inner.warn_of_overload());
            let mut response = protocol.overloaded();
            response.headers_mut().insert(REQUEST_ID, id);
            meter_error(response, &bytes, guard)
        });
        if let Some(context) = context {
            context.complete(protocol.status_of(&response));
        }
        response
    }
}

/// Where a request is from, and what it may use.
struct Resources<'a> {
    address: Option<SocketAddr>,
    requests: Share,
    bytes: &'a Share,
    in_flight: &'a Arc<InFlight>,
}

/// A response, and what the request holds until it is written.
struct Handled {
    response: Response<Body>,
    permit: Option<Permit>,
    context: Option<RequestContext>,
}

impl Inner {
    /// Returns the response of the router, or the error of the first step that fails.
    async fn handle(
        &self,
        router: Router,
        request: Request<Body>,
        classified: &Classified<'_>,
        resources: Resources<'_>,
    ) -> Handled {
        let Resources { address, requests, bytes, in_flight } = resources;
        let protocol = classified.protocol;
        // needed for authorization and the audit log only
        let info = (self.admission.requires_authentication() || self.audit.is_some())
            .then(|| classified.info(&self.names, request.uri().query()));
        let failed = |response| Handled { response, permit: None, context: None };
        let Some(permit) = requests.try_acquire(1) else {
            self.warn_of_overload();
            return failed(protocol.overloaded());
        };
        let caller = match self.admission.admit(credentials(request.headers()), address).await {
            Ok(caller) => caller,
            Err(AdmissionError::RateLimited(wait)) => return failed(protocol.rate_limited(wait)),
            Err(AdmissionError::Unauthenticated(error)) => {
                tracing::debug!("authentication failed for {address:?}: {error}");
                let response = protocol.unauthenticated();
                self.audit_unauthenticated(address, info.as_ref(), protocol.status_of(&response));
                return failed(response);
            }
        };
        let rate_key = rate_key(&caller, address);
        let (required, is_change, operation) = match info {
            None => (None, false, AuditedOperation::default()),
            Some(RequestInfo { api, operation, required, is_change }) => {
                (required, is_change, AuditedOperation { api, operation, denied_status: GRPC_DENIED })
            }
        };
        let (names, audit) = (Arc::clone(&self.names), self.audit.clone());
        let authorization = Authorization::new(caller, address, operation, names, audit);
        let context = RequestContext::new(authorization, bytes.clone());
        let allowed = required.as_ref().map_or(Ok(()), |required| context.require(required, is_change));
        let response = match allowed {
            Err(denied) => protocol.denied(&denied),
            // the registry bounds the work of each caller
            Ok(()) => {
                let timeout = classified.timeout();
                let work = self.call_router(router, request, protocol, timeout, &context, in_flight);
                kulya_registry::as_caller(rate_key, work).await
            }
        };
        Handled { response, permit: Some(permit), context: Some(context) }
    }

    /// Calls the router, within the limits of time and memory.
    async fn call_router(
        &self,
        router: Router,
        request: Request<Body>,
        protocol: Protocol,
        timeout: TimeoutClass,
        context: &RequestContext,
        in_flight: &Arc<InFlight>,
    ) -> Response<Body> {
        let rate = timeout.has_body_deadline().then(|| self.limits.body_rate(timeout.is_long()));
        let budget = BodyBudget::new(context.bytes().clone(), Arc::clone(in_flight), rate);
        let mut request = request.map(|body| budget.meter(body));
        request.extensions_mut().insert(context.clone());
        let time = self.limits.request_time.saturating_mul(timeout.request_time_factor());
        let responding = AssertUnwindSafe(router.oneshot(request)).catch_unwind();
        let responded = within_time(&budget, time, responding).await;
        let elapsed = budget.progress().elapsed();
        if !self.limits.slow_time.is_zero() && elapsed >= self.limits.slow_time && !timeout.is_long() {
            tracing::warn!("slow request: {} ms until its response", elapsed.as_millis());
        }
        match (responded, budget.error()) {
            (_, Some(BodyError::OutOfMemory)) => {
                self.warn_of_overload();
                protocol.overloaded()
            }
            (_, Some(BodyError::TooSlow)) => protocol.body_timeout(),
            (Some(Ok(Ok(response))), None) => response,
            (Some(Ok(Err(never))), None) => match never {},
            (Some(Err(_)), None) => {
                tracing::error!("request handler panicked: this is a bug");
                protocol.internal_error()
            }
            (None, None) => {
                tracing::error!("request timeout: no response within {time:?}, request aborted");
                protocol.request_timeout(time)
            }
        }
    }

    /// Logs that a request was rejected for want of memory or request slots, at a limited rate.
    fn warn_of_overload(&self) {
        if let Some(suppressed) = self.overload_warnings.try_acquire(self.clock.since_epoch().as_secs()) {
            let (requests, bytes) = (self.requests.used(), self.bytes.used());
            tracing::warn!(
                "overload: request rejected, {suppressed} more since the last warning; {requests} requests and {bytes} bytes in use, at the limit of the server or of the client's address"
            );
        }
    }

    /// Whether a health response has details: without authentication for everybody, otherwise for
    /// authenticated callers.
    async fn shows_details(&self, headers: &HeaderMap, address: Option<SocketAddr>) -> bool {
        !self.admission.requires_authentication()
            || headers.contains_key(AUTHORIZATION)
                && self.admission.authenticate(credentials(headers), address).await.is_ok()
    }

    fn audit_unauthenticated(&self, address: Option<SocketAddr>, info: Option<&RequestInfo>, status: u16) {
        let (Some(audit), Some(RequestInfo { api, operation, .. })) = (&self.audit, info) else { return };
        audit.write(&Entry {
            caller: None,
            by: None,
            address,
            api,
            operation,
            resource: None,
            permission: None,
            allowed: false,
            status,
        });
    }
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    Credentials::parse(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

/// Returns the response, unless there is none within a time after the last of the body arrived.
async fn within_time<T>(
    budget: &BodyBudget,
    time: Duration,
    responding: impl Future<Output = T>,
) -> Option<T> {
    let mut responding = std::pin::pin!(responding);
    loop {
        match tokio::time::timeout_at(budget.progress() + time, &mut responding).await {
            Ok(response) => return Some(response),
            Err(_) if budget.progress() + time > Instant::now() => {}
            Err(_) => return None,
        }
    }
}
