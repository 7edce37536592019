//! The middleware that every request passes, in every API: [`AccessControl`].
//!
//! Without an authenticator it allows everything. The steps, cheap ones first, and before any information is
//! given to an unauthenticated client:
//! 0. the origin policy: no request that another site's page made a browser send ([`OriginPolicy`]), else
//!    403;
//! 1. the number of requests at a time, else 503 (gRPC: RESOURCE_EXHAUSTED);
//! 2. authentication, else 401 (UNAUTHENTICATED), before routing: for unknown paths and `/ping` too;
//! 3. the caller's rate limit, else 429 (RESOURCE_EXHAUSTED), with `Retry-After`;
//! 4. authorization, else 403 (PERMISSION_DENIED), before anything is looked up. What a gRPC message names is
//!    checked where the message is read, with the [`RequestContext`] in the request's extensions;
//! 5. memory for the body and the response, else 503 (RESOURCE_EXHAUSTED).
//!
//! Probes of the server's [`health`](crate::health) come before all of them except the origin policy.
//!
//! The middleware knows no API: which permission a request requires is in the [`EndpointTables`] that it is
//! given. A request that matches no endpoint requires permission on everything (in REST v1, where it can only
//! be answered with 404 or 405, authentication).

mod access_control;
mod forwarded;
mod limits;
mod memory_limit;
mod metered_response;
mod origin_policy;
mod protocol;
mod request_context;
mod request_info;
mod request_log;
#[cfg(test)]
mod tests;
mod visibility;

pub use access_control::AccessControl;
pub(crate) use access_control::Client;
pub use limits::Limits;
pub use origin_policy::OriginPolicy;
pub(crate) use request_context::RequestContext;
pub(crate) use request_info::EndpointTables;
pub(crate) use visibility::{ProtectedRegistry, ProtectedStore, VisibleStore};
