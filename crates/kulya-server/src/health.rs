//! Health and readiness, for whoever supervises the server: an orchestrator, a load balancer, a monitor.
//!
//! | path | 200 | 503 |
//! |---|---|---|
//! | `/health/live` | the process does its work, or will | a restart of the process is the only cure |
//! | `/health/ready` | requests are served | the server starts or stops, or its store cannot be written |
//! | `/health` | every component is healthy | something is not, such as the store's maintenance |
//!
//! `grpc.health.v1.Health/Check` says what `/health/ready` says. All of them come before authentication, rates and the
//! number of requests at a time, and ask neither a disk nor a network. Where callers are known, one that is not gets the
//! status alone.

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use kulya_store::supervision::{self, Supervisor};
use kulya_store::{ComponentHealth, Health, HealthStatus, StreamStore};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthService, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// A request for health has no more bytes than this.
const MAX_REQUEST_BYTES: usize = 4096;
/// Where gRPC's health service is.
const GRPC_PREFIX: &str = "/grpc.health.v1.Health/";

/// What a server knows of its own health. Clones are the same. A new one is of a server that starts.
#[derive(Clone, Default)]
pub struct ServerHealth(Arc<Inner>);

#[derive(Default)]
struct Inner {
    phase: Mutex<Phase>,
    supervisor: Supervisor,
}

#[derive(Default)]
enum Phase {
    #[default]
    Starting,
    Serving(Arc<dyn StreamStore>),
    Stopping(Option<Arc<dyn StreamStore>>),
}

impl ServerHealth {
    /// The server's own background tasks, whose health is a part of it.
    pub fn supervisor(&self) -> &Supervisor {
        &self.0.supervisor
    }

    /// It serves this store now.
    pub fn serves(&self, store: Arc<dyn StreamStore>) {
        *self.phase() = Phase::Serving(store);
    }

    /// It takes no new requests any more.
    pub fn stops(&self) {
        let mut phase = self.phase();
        *phase = match std::mem::take(&mut *phase) {
            Phase::Serving(store) => Phase::Stopping(Some(store)),
            Phase::Stopping(store) => Phase::Stopping(store),
            Phase::Starting => Phase::Stopping(None),
        };
    }

    /// What all components say.
    pub fn health(&self) -> Health {
        let (store, reason) = match &*self.phase() {
            Phase::Starting => (None, Some("the server is starting")),
            Phase::Serving(store) => (Some(Arc::clone(store)), None),
            Phase::Stopping(store) => (store.clone(), Some("the server is stopping")),
        };
        let status = if reason.is_some() { HealthStatus::Unavailable } else { HealthStatus::Healthy };
        let server = ComponentHealth {
            name: "server".to_owned(),
            status,
            reason: reason.map(str::to_owned),
            counters: vec![("panics", supervision::panics())],
        };
        let store = store.map(|store| store.health()).unwrap_or_default();
        Health { components: vec![server] }.and(self.0.supervisor.health()).and(store)
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a probe.
    pub(crate) fn answer(&self, probe: Probe, method: &Method, shows_details: bool) -> Response<Body> {
        if *method != Method::GET && *method != Method::HEAD {
            let what = json!({ "error": format!("{method:.20} is not allowed here"), "kind": "not-allowed" });
            let mut refused = Response::new(Body::from(what.to_string()));
            *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refused.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return refused;
        }
        let health = self.health();
        let mut response = Response::new(Body::from(body(&health, shows_details).to_string()));
        if !probe.is_passed(health.status()) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// gRPC's health service.
    pub(crate) fn grpc(&self) -> HealthServer<Self> {
        HealthServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST_BYTES)
    }
}

/// What is asked of a server's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Live,
    Ready,
    All,
}

impl Probe {
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/health/live" => Self::Live,
            "/health/ready" => Self::Ready,
            "/health" => Self::All,
            _ => return None,
        })
    }

    fn is_passed(self, status: HealthStatus) -> bool {
        match self {
            Self::Live => status < HealthStatus::Failed,
            Self::Ready => status.is_ready(),
            Self::All => status == HealthStatus::Healthy,
        }
    }
}

/// Whether a request is one for gRPC's health service.
pub(crate) fn is_grpc(request: &Request<Body>) -> bool {
    request.uri().path().starts_with(GRPC_PREFIX)
}

/// What the OpenAPI document says of the probes.
pub(crate) fn document() -> Vec<(&'static str, Value)> {
    let words: Vec<_> =
        [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unavailable, HealthStatus::Failed]
            .map(HealthStatus::as_str)
            .into();
    let status = json!({ "type": "string", "enum": words });
    let component = json!({
        "type": "object",
        "required": ["name", "status"],
        "properties": {
            "name": { "type": "string" },
            "status": status,
            "reason": { "type": "string", "description": "why it is not healthy" },
            "counters": { "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } },
        },
    });
    let schema = json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": status,
            "components": {
                "type": "array",
                "description": "left out for a caller that is not known, where callers are",
                "items": component,
            },
        },
    });
    let content = json!({ "application/json": { "schema": schema } });
    let probe = |name: &str, summary: &str, passed: &str, failed: &str| {
        json!({ "get": {
            "operationId": name,
            "summary": summary,
            "description": "Needs no credentials and counts against no rate. gRPC: grpc.health.v1.Health/Check.",
            "tags": ["health"],
            "parameters": [],
            "security": [],
            "responses": {
                "200": { "description": passed, "content": content },
                "503": { "description": failed, "content": content },
            },
        } })
    };
    let restart = "nothing but a restart of the process helps";
    let ready = "the server starts or stops, or its store cannot be written or reached";
    vec![
        ("/health", probe("getHealth", "how every component is", "all are healthy", "one is not healthy")),
        ("/health/live", probe("getLiveness", "whether the process should go on", "it should", restart)),
        ("/health/ready", probe("getReadiness", "whether requests are served", "they are", ready)),
    ]
}

fn body(health: &Health, shows_details: bool) -> Value {
    let status = health.status().as_str();
    if !shows_details {
        return json!({ "status": status });
    }
    let component = |component: &ComponentHealth| {
        let ComponentHealth { name, status, reason, counters } = component;
        let mut shown = Map::new();
        shown.insert("name".into(), name.as_str().into());
        shown.insert("status".into(), status.as_str().into());
        if let Some(reason) = reason {
            shown.insert("reason".into(), reason.as_str().into());
        }
        if !counters.is_empty() {
            let counters = counters.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count)));
            shown.insert("counters".into(), counters.collect::<Map<_, _>>().into());
        }
        Value::from(shown)
    };
    json!({ "status": status, "components": health.components.iter().map(component).collect::<Vec<_>>() })
}

#[tonic::async_trait]
impl HealthService for ServerHealth {
    /// Of the server as a whole, whatever service is named: they stand and fall together.
    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, tonic::Status> {
        let is_ready = self.health().status().is_ready();
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        Ok(tonic::Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = futures::stream::Empty<Result<HealthCheckResponse, tonic::Status>>;

    /// Calls without an end, for callers that nobody knows: those are not held open. Clients go on without it.
    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("ask Check again"))
    }
}
