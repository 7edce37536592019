//! The classification of a request: which endpoint it is for, what that endpoint requires, and how it is
//! audited.

use super::protocol::{self, Protocol};
use crate::endpoint::{Access, EndpointTable, Match, TimeoutClass};
use axum::http::{HeaderMap, Method, Uri};
use kulya_auth::permission::RequiredPermission;
use kulya_auth::resource::ResourceNames;

/// The endpoints of all APIs.
#[derive(Debug, Clone)]
pub(crate) struct EndpointTables {
    pub(crate) rest_v1: EndpointTable,
    pub(crate) rest_v2: EndpointTable,
    pub(crate) grpc: EndpointTable,
}

/// Without tables every request requires permission on everything.
impl Default for EndpointTables {
    fn default() -> Self {
        Self {
            rest_v1: EndpointTable::empty(),
            rest_v2: EndpointTable::empty(),
            grpc: EndpointTable::empty(),
        }
    }
}

/// A request's protocol and its endpoint.
#[derive(Debug)]
pub(super) struct Classified<'a> {
    pub(super) protocol: Protocol,
    table: &'a EndpointTable,
    endpoint: Option<Match<'a>>,
    path: &'a str,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestInfo {
    /// The API's name in the audit log.
    pub(super) api: &'static str,
    /// The operation's name in the audit log.
    pub(super) operation: String,
    /// What the caller must be permitted; `None` where the handler checks it.
    pub(super) required: Option<RequiredPermission>,
    /// Whether it changes stored state, whatever it requires.
    pub(super) is_change: bool,
}

/// Finds the endpoint of a request.
pub(super) fn classify<'a>(
    tables: &'a EndpointTables,
    method: &Method,
    uri: &'a Uri,
    headers: &HeaderMap,
) -> Classified<'a> {
    let path = uri.path();
    if let Some(endpoint) = tables.grpc.find(method, path) {
        return Classified { protocol: Protocol::Grpc, table: &tables.grpc, endpoint: Some(endpoint), path };
    }
    let protocol = Protocol::of(path, headers);
    let table = match protocol {
        Protocol::Grpc => &tables.grpc,
        Protocol::RestV2 => &tables.rest_v2,
        Protocol::RestV1 => &tables.rest_v1,
    };
    let endpoint = if protocol == Protocol::Grpc { None } else { table.find(method, path) };
    Classified { protocol, table, endpoint, path }
}

impl Classified<'_> {
    /// Whether it is a gRPC call by its path, sent without the content type of gRPC.
    pub(super) fn is_grpc_without_content_type(&self, headers: &HeaderMap) -> bool {
        self.protocol == Protocol::Grpc && !protocol::is_grpc(headers)
    }

    /// Returns how long the request may last.
    pub(super) fn timeout(&self) -> TimeoutClass {
        self.endpoint.as_ref().map(|endpoint| endpoint.rule.timeout).unwrap_or_default()
    }

    /// Returns what the request asks for.
    pub(super) fn info(&self, names: &ResourceNames, query: Option<&str>) -> RequestInfo {
        if let Some(endpoint) = &self.endpoint
            && let Some(required) = endpoint.required(names, query.unwrap_or_default())
        {
            let is_change = endpoint.rule.access.is_change();
            return RequestInfo {
                api: endpoint.rule.api,
                operation: endpoint.operation(),
                required,
                is_change,
            };
        }
        let unmatched = &self.table.unmatched;
        let required = match unmatched.access {
            Access::Authenticated => RequiredPermission::Authenticated,
            _ => RequiredPermission::full_access(names),
        };
        let operation = match self.protocol {
            Protocol::Grpc => self.path.trim_start_matches('/').to_owned(),
            Protocol::RestV1 | Protocol::RestV2 => unmatched.operation.to_owned(),
        };
        let is_change = unmatched.access.is_change();
        RequestInfo { api: unmatched.api, operation, required: Some(required), is_change }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::CONTENT_TYPE;

    fn describe(line: &str) -> String {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut headers = HeaderMap::new();
        let method = if method == "GRPC" {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            Method::POST
        } else {
            method.parse().unwrap()
        };
        let (tables, uri): (_, Uri) = (crate::endpoint_tables(), uri.parse().unwrap());
        let info = classify(&tables, &method, &uri, &headers).info(&ResourceNames::default(), uri.query());
        let mark = if info.is_change { "!" } else { "" };
        let required = match info.required {
            None => "by message".to_owned(),
            Some(RequiredPermission::Authenticated) => "authenticated".to_owned(),
            Some(RequiredPermission::Resource { resource, permission, .. }) => {
                format!("{} {resource}", permission.as_str())
            }
        };
        format!("{} {}{mark} {required}", info.api, info.operation)
    }

    #[test]
    fn every_endpoint_has_its_required_permission() {
        for (line, expected) in [
            ("GET /ping", "registry ping authenticated"),
            ("GET /", "registry unknown authenticated"),
            ("GET /v1/nowhere", "registry unknown authenticated"),
            ("PATCH /v1/groups", "registry unknown authenticated"),
            ("GET /v1/groups?namespace=n", "registry listGroups authenticated"),
            ("POST /v1/groups", "registry createGroup! READ_UPDATE prn::/"),
            ("POST /v1/groups?namespace=a+b", "registry createGroup! READ_UPDATE prn::/namespace:a+b"),
            (
                "POST /v1/namespace/n/groups?namespace=x",
                "registry createGroup! READ_UPDATE prn::/namespace:n",
            ),
            ("GET /v1/groups/s%2Ft", "registry readGroup READ prn::/namespace:/group:s%2Ft"),
            ("HEAD /v1/groups/g", "registry readGroup READ prn::/namespace:/group:g"),
            ("GET /v1/groups/g/history", "registry readGroup READ prn::/namespace:/group:g"),
            ("GET /v1/groups/g/schemas", "registry readGroup READ prn::/namespace:/group:g"),
            ("GET /v1/groups/g/schemas/versions", "registry readGroup READ prn::/namespace:/group:g"),
            ("POST /v1/groups/g/schemas/versions/find", "registry readGroup READ prn::/namespace:/group:g"),
            (
                "POST /v1/groups/g/schemas/versions/validate",
                "registry readGroup READ prn::/namespace:/group:g",
            ),
            (
                "POST /v1/groups/g/schemas/versions/canRead",
                "registry readGroup READ prn::/namespace:/group:g",
            ),
            ("GET /v1/groups/g/schemas/schema/1", "registry readGroup READ prn::/namespace:/group:g"),
            ("GET /v1/groups/g/encodings/1", "registry readGroup READ prn::/namespace:/group:g"),
            ("GET /v1/groups/g/codecTypes", "registry readGroup READ prn::/namespace:/group:g"),
            ("PUT /v1/groups/g/encodings", "registry encodingId! READ prn::/namespace:/group:g"),
            ("POST /v1/groups/g/codecTypes", "registry addCodecType! READ prn::/namespace:/group:g/codecs:*"),
            (
                "PUT /v1/groups/g/compatibility",
                "registry updateCompatibility! READ_UPDATE prn::/namespace:/group:g",
            ),
            ("DELETE /v1/groups/g", "registry deleteGroup! READ_UPDATE prn::/namespace:/group:g"),
            (
                "DELETE /v1/groups/g/schemas/schema/1",
                "registry deleteSchema! READ_UPDATE prn::/namespace:/group:g",
            ),
            (
                "POST /v1/groups/g/schemas",
                "registry addSchema! READ_UPDATE prn::/namespace:/group:g/schemas:*",
            ),
            (
                "DELETE /v1/groups/g/schemas/format/Avro/type/T/versions/0",
                "registry deleteVersion! READ_UPDATE prn::/namespace:/group:g/schemas:*",
            ),
            ("POST /v1/schemas/addedTo?namespace=n", "registry addedTo READ prn::/namespace:n"),
            ("GET /v2/streams/s", "streams list READ prn::/scope:s"),
            ("PUT /v2/streams/s/t", "streams create! READ_UPDATE prn::/scope:s"),
            ("GET /v2/streams/s/t", "streams describe READ prn::/scope:s/stream:t"),
            ("HEAD /v2/streams/s/t", "streams describe READ prn::/scope:s/stream:t"),
            ("POST /v2/streams/s/t/events", "streams append! READ_UPDATE prn::/scope:s/stream:t"),
            ("GET /v2/streams/s/t/events", "streams read READ prn::/scope:s/stream:t"),
            ("GET /v2/streams/%73/t/tail", "streams tail READ prn::/scope:s/stream:t"),
            ("GET /v2/events/zz", "v2 unnamed! READ_UPDATE prn::/"),
            ("DELETE /v2/streams/s/t", "v2 unnamed! READ_UPDATE prn::/"),
            ("GET /v2/registry/anything", "v2 unnamed! READ_UPDATE prn::/"),
            ("GET /v2/openapi.json", "registry document authenticated"),
            ("GET /v2/namespaces", "registry listNamespaces authenticated"),
            ("GET /v2/groups?namespace=n", "registry listGroups authenticated"),
            ("PUT /v2/groups/g?namespace=n", "registry createGroup! READ_UPDATE prn::/namespace:n"),
            ("GET /v2/groups/g", "registry readGroup READ prn::/namespace:/group:g"),
            ("PATCH /v2/groups/g", "registry changeGroup! READ_UPDATE prn::/namespace:/group:g"),
            (
                "DELETE /v2/groups/g?namespace=n",
                "registry deleteGroup! READ_UPDATE prn::/namespace:n/group:g",
            ),
            (
                "POST /v2/groups/s%2Ft/schemas",
                "registry addSchema! READ_UPDATE prn::/namespace:/group:s%2Ft/schemas:*",
            ),
            ("POST /v2/groups/g/check", "registry readGroup READ prn::/namespace:/group:g"),
            ("GET /v2/groups/g/schemas/1/text", "registry readGroup READ prn::/namespace:/group:g"),
            ("DELETE /v2/groups/g/schemas/1", "registry deleteSchema! READ_UPDATE prn::/namespace:/group:g"),
            (
                "POST /v2/groups/g/codecs",
                "registry addCodecType! READ_UPDATE prn::/namespace:/group:g/codecs:*",
            ),
            ("POST /v2/groups/g/encodings", "registry encodingId! READ prn::/namespace:/group:g"),
            ("POST /v2/added-to?namespace=n", "registry addedTo READ prn::/namespace:n"),
            ("GET /v2/search?namespace=n&field=f", "registry search READ prn::/namespace:n"),
            ("GET /v2/search?field=f", "registry search READ prn::/"),
            ("POST /v2/search", "registry search authenticated"),
            ("GET /v2/export?namespace=", "registry export READ prn::/"),
            ("GET /v2/export", "registry export READ prn::/"),
            ("POST /v2/import", "registry import! READ_UPDATE prn::/"),
            ("GET /v2/changes", "registry changes READ prn::/"),
            ("POST /kulya.store.v1.StreamStore/Commit", "store Commit by message"),
            ("GRPC /kulya.store.v1.StreamStore/Commit", "store Commit by message"),
            (
                "GRPC /grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "reflection ServerReflectionInfo authenticated",
            ),
            ("GRPC /other.Service/Call", "grpc other.Service/Call! READ_UPDATE prn::/"),
        ] {
            assert_eq!(describe(line), expected, "{line}");
        }
    }
}
