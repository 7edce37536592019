//! An endpoint of REST v2: its method and path, handler, required permission and documentation. The router,
//! the middleware's permission checks and the OpenAPI document are derived from the same list of endpoints.

use super::state::ApiState;
use crate::endpoint::{Access, EndpointRule, PathTemplate, TimeoutClass};
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

/// The content of a request or a response.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Nothing,
    /// JSON of this schema of the document.
    Json(&'static str),
    /// JSON lines of this schema.
    Lines(&'static str),
    /// Server-sent events with data of this schema.
    Events(&'static str),
    Text,
    Bytes,
}

/// A parameter of the query, or a header.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// `string`, `integer` or `boolean`.
    pub(super) kind: &'static str,
    pub(super) required: bool,
    pub(super) description: &'static str,
    /// Further constraints of JSON Schema, as a JSON object.
    pub(super) constraints: &'static str,
}

/// The constraints of an id or a count.
pub(super) const U32: &str = r#"{"minimum":0,"maximum":4294967295}"#;
/// The constraints of a name of the store.
pub(super) const NAME: &str =
    r#"{"minLength":1,"maxLength":255,"pattern":"^(?!\\.{1,2}$)[A-Za-z0-9.\\-]+$"}"#;
/// The constraints of bytes in hexadecimal digits.
pub(super) const HEX: &str = r#"{"minLength":2,"pattern":"^([0-9a-fA-F]{2})+$"}"#;

impl Parameter {
    pub(super) const fn text(name: &'static str, description: &'static str) -> Self {
        Self { name, kind: "string", required: false, description, constraints: "{}" }
    }

    pub(super) const fn number(name: &'static str, description: &'static str) -> Self {
        Self { name, kind: "integer", required: false, description, constraints: r#"{"minimum":0}"# }
    }

    pub(super) const fn flag(name: &'static str, description: &'static str) -> Self {
        Self { name, kind: "boolean", required: false, description, constraints: "{}" }
    }

    pub(super) const fn constrained(self, constraints: &'static str) -> Self {
        Self { constraints, ..self }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

pub(super) const NAMESPACE: Parameter =
    Parameter::text("namespace", "the group's namespace; absent for the default one");
pub(super) const LIMIT: Parameter =
    Parameter::number("limit", "the maximum number of items per page: 100 by default, 10000 at most")
        .constrained(U32);
pub(super) const AFTER: Parameter =
    Parameter::text("after", "`next` of the previous page; absent for the first page");

/// An endpoint.
pub(super) struct Endpoint {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) handler: MethodRouter<ApiState>,
    pub(super) access: Access,
    timeout: TimeoutClass,
    /// The operation's name in the audit log.
    audit_name: &'static str,
    /// The operation's id in the document.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: Vec<Parameter>,
    pub(super) headers: Vec<Parameter>,
    pub(super) request: Content,
    /// Successful responses: status, description and content.
    pub(super) responses: Vec<(u16, &'static str, Content)>,
    /// Statuses of errors, other than those of every endpoint.
    pub(super) errors: &'static [u16],
}

impl Endpoint {
    pub(super) fn new<H, T>(method: Method, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("endpoints have methods of HTTP");
        let audit_name = match access {
            Access::Registry(call) => call.name(),
            _ => "",
        };
        Self {
            method,
            path,
            handler: on(filter, handler),
            access,
            timeout: TimeoutClass::Standard,
            audit_name,
            name: "",
            summary: "",
            query: Vec::new(),
            headers: Vec::new(),
            request: Content::Nothing,
            responses: Vec::new(),
            errors: &[],
        }
    }

    /// Sets the name in the audit log where it is not that of the registry operation.
    pub(super) fn audited_as(self, audit_name: &'static str) -> Self {
        Self { audit_name, ..self }
    }

    /// Allows bodies and responses of any length.
    pub(super) fn long(self) -> Self {
        Self { timeout: TimeoutClass::Long, ..self }
    }

    pub(super) fn documented(self, name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, ..self }
    }

    pub(super) fn query(self, query: &[Parameter]) -> Self {
        Self { query: query.to_vec(), ..self }
    }

    pub(super) fn headers(self, headers: &[Parameter]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    pub(super) fn request(self, request: Content) -> Self {
        Self { request, ..self }
    }

    pub(super) fn response(mut self, status: u16, description: &'static str, content: Content) -> Self {
        self.responses.push((status, description, content));
        self
    }

    pub(super) fn errors(self, errors: &'static [u16]) -> Self {
        Self { errors, ..self }
    }

    /// Returns the names of the path's parameters.
    pub(super) fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Returns the API that it belongs to, in the audit log and as a tag of the document.
    pub(super) fn api(&self) -> &'static str {
        match self.access {
            Access::Store(_) | Access::PointedStream => "streams",
            _ if self.path.starts_with("/v2/captures") => "captures",
            _ => "registry",
        }
    }

    /// Returns the rule for the middleware.
    pub(super) fn rule(&self) -> EndpointRule {
        EndpointRule {
            method: Some(self.method.clone()),
            path: PathTemplate::new(self.path),
            api: self.api(),
            operation: Some(self.audit_name),
            access: self.access,
            timeout: self.timeout,
        }
    }
}
