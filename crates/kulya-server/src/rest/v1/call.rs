//! A request of REST v1: [`Call`].

use super::response::ApiResponse;
use crate::middleware::RequestContext;
use crate::strict::{self, UnknownFields};
use bytes::Bytes;
use kulya_schema::GroupId;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// A request whose endpoint is known.
pub(super) struct Call {
    /// The namespace in the path or the query; the default one is empty.
    pub(super) namespace: String,
    /// The parameters of the path.
    pub(super) path: HashMap<String, String>,
    pub(super) query: HashMap<String, String>,
    pub(super) body: Bytes,
    pub(super) context: RequestContext,
}

impl Call {
    /// Returns a parameter of the path.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Returns the group in the path.
    pub(super) fn group(&self) -> GroupId {
        GroupId::new(&self.namespace, self.parameter("group"))
    }

    /// Returns the `{id}` in the path.
    pub(super) fn id(&self) -> Result<u32, ApiResponse> {
        self.parameter("id").parse().map_err(|_| ApiResponse::not_found("the id is not a number"))
    }

    /// Parses the body as JSON. Unknown members are ignored, as in the Java registry (contract §1.1).
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, ApiResponse> {
        if self.body.is_empty() {
            return Err(ApiResponse::bad_request("the request has no body: send a JSON object"));
        }
        strict::from_json(&self.body, UnknownFields::Ignore)
            .map_err(|e| ApiResponse::bad_request(format!("invalid request body: {e}")))
    }
}
