//! Health checks for orchestrators, load balancers and monitoring.
//!
//! | path | 200 | 503 |
//! |---|---|---|
//! | `/health/live` | the process works or is starting | only a restart of the process can help |
//! | `/health/ready` | requests are served | starting, stopping, or the store is read-only |
//! | `/health` | every component is healthy | a component is not, such as the store's maintenance |
//!
//! `grpc.health.v1.Health/Check` is equivalent to `/health/ready`. All of them come before authentication,
//! rate limits and the limit of requests at a time, and do no I/O. Where authentication is required, an
//! unauthenticated caller gets the status only.

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

/// Longest request, in bytes.
const MAX_REQUEST_BYTES: usize = 4096;
/// The path prefix of the gRPC health service.
const GRPC_PREFIX: &str = "/grpc.health.v1.Health/";

/// The health of a server, initially *starting*. Clones share one state.
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
    /// Returns the supervisor of the server's own background tasks, whose health is included.
    pub fn supervisor(&self) -> &Supervisor {
        &self.0.supervisor
    }

    /// Sets that the server serves this store.
    pub fn set_serving(&self, store: Arc<dyn StreamStore>) {
        *self.phase() = Phase::Serving(store);
    }

    /// Sets that the server is shutting down.
    pub fn set_stopping(&self) {
        let mut phase = self.phase();
        *phase = match std::mem::take(&mut *phase) {
            Phase::Serving(store) => Phase::Stopping(Some(store)),
            Phase::Stopping(store) => Phase::Stopping(store),
            Phase::Starting => Phase::Stopping(None),
        };
    }

    /// Returns the health of all components.
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

    /// Returns the response to a probe.
    pub(crate) fn respond(&self, probe: Probe, method: &Method, shows_details: bool) -> Response<Body> {
        if *method != Method::GET && *method != Method::HEAD {
            let error = json!({ "error": format!("method {method:.20} not allowed"), "kind": "not-allowed" });
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return response;
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

    /// Returns the gRPC health service.
    pub(crate) fn grpc_service(&self) -> HealthServer<Self> {
        HealthServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST_BYTES)
    }
}

/// A health check.
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

/// Whether a request is for the gRPC health service.
pub(crate) fn is_grpc(request: &Request<Body>) -> bool {
    request.uri().path().starts_with(GRPC_PREFIX)
}

/// Returns the probes' entries of the OpenAPI document.
pub(crate) fn document() -> Vec<(&'static str, Value)> {
    let statuses: Vec<_> =
        [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unavailable, HealthStatus::Failed]
            .map(HealthStatus::as_str)
            .into();
    let status = json!({ "type": "string", "enum": statuses });
    let component = json!({
        "type": "object",
        "required": ["name", "status"],
        "properties": {
            "name": { "type": "string" },
            "status": status,
            "reason": { "type": "string", "description": "why the component is not healthy" },
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
                "description": "absent for an unauthenticated caller where authentication is required",
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
        ("/health/live", probe("getLiveness", "whether the process is alive", "it is", restart)),
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
        let mut members = Map::new();
        members.insert("name".into(), name.as_str().into());
        members.insert("status".into(), status.as_str().into());
        if let Some(reason) = reason {
            members.insert("reason".into(), reason.as_str().into());
        }
        if !counters.is_empty() {
            let counters = counters.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count)));
            members.insert("counters".into(), counters.collect::<Map<_, _>>().into());
        }
        Value::from(members)
    };
    json!({ "status": status, "components": health.components.iter().map(component).collect::<Vec<_>>() })
}

#[tonic::async_trait]
impl HealthService for ServerHealth {
    /// Checks the server as a whole, whatever service is named.
    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, tonic::Status> {
        let is_ready = self.health().status().is_ready();
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        Ok(tonic::Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = futures::stream::Empty<Result<HealthCheckResponse, tonic::Status>>;

    /// Not supported: it would hold calls of unauthenticated clients open. Clients fall back to polling.
    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("Watch is not supported: poll Check"))
    }
}
