//! The endpoints of REST v1: one table for the router and for the middleware.

use super::call::Call;
use super::handlers;
use super::response::ApiResponse;
use crate::endpoint::{Access, EndpointRule, EndpointTable, PathTemplate, TimeoutClass, Unmatched};
use axum::http::Method;
use futures::future::{BoxFuture, FutureExt};
use kulya_auth::operation::RegistryCall;
use kulya_registry::Registry;

/// Handles a call.
pub(super) type Handler =
    for<'a> fn(&'a Registry, &'a Call) -> BoxFuture<'a, Result<ApiResponse, ApiResponse>>;

/// An endpoint.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    /// The path with parameters in braces. An `{id}` is a number. A path of a group may also have its
    /// namespace in it: `/v1/namespace/{namespace}/groups…`.
    pub(super) path: &'static str,
    /// The operation, which determines the required permission.
    pub(super) operation: RegistryCall,
    pub(super) handler: Handler,
}

macro_rules! endpoints {
    ($($method:literal $path:literal $operation:ident $handler:ident;)*) => {
        /// The endpoints, in the order of the contract (§1.3). Of one path GET comes first.
        const ENDPOINTS: &[Endpoint] = &[$(Endpoint {
            method: $method,
            path: $path,
            operation: RegistryCall::$operation,
            handler: |registry, call| handlers::$handler(registry, call).boxed(),
        }),*];

        /// Every operation: its method, and its path with parameters in braces. The namespace is in the
        /// query.
        pub const OPERATIONS: &[(&str, &str)] = &[$(($method, $path)),*];
    };
}

endpoints! {
    "GET" "/ping" Ping ping;
    "GET" "/v1/groups" ListGroups list_groups;
    "POST" "/v1/groups" CreateGroup create_group;
    "GET" "/v1/groups/{group}" ReadGroup get_group;
    "DELETE" "/v1/groups/{group}" DeleteGroup delete_group;
    "GET" "/v1/groups/{group}/history" ReadGroup get_history;
    "PUT" "/v1/groups/{group}/compatibility" UpdateCompatibility update_compatibility;
    "GET" "/v1/groups/{group}/schemas" ReadGroup latest_schemas;
    "POST" "/v1/groups/{group}/schemas" AddSchema add_schema;
    "GET" "/v1/groups/{group}/schemas/versions" ReadGroup schema_versions;
    "POST" "/v1/groups/{group}/schemas/versions/find" ReadGroup find_schema;
    "POST" "/v1/groups/{group}/schemas/versions/validate" ReadGroup validate_schema;
    "POST" "/v1/groups/{group}/schemas/versions/canRead" ReadGroup can_read;
    "GET" "/v1/groups/{group}/schemas/schema/{id}" ReadGroup get_schema;
    "DELETE" "/v1/groups/{group}/schemas/schema/{id}" DeleteSchema delete_schema;
    "GET" "/v1/groups/{group}/schemas/format/{format}/type/{type}/versions/{id}" ReadGroup get_schema_version;
    "DELETE" "/v1/groups/{group}/schemas/format/{format}/type/{type}/versions/{id}" DeleteVersion delete_schema_version;
    "PUT" "/v1/groups/{group}/encodings" EncodingId get_encoding_id;
    "GET" "/v1/groups/{group}/encodings/{id}" ReadGroup get_encoding;
    "GET" "/v1/groups/{group}/codecTypes" ReadGroup list_codec_types;
    "POST" "/v1/groups/{group}/codecTypes" AddCodecType add_codec_type;
    "POST" "/v1/schemas/addedTo" AddedTo added_to;
}

/// Returns the endpoint of a rule of [`table`].
pub(super) fn endpoint(rule: usize) -> Option<&'static Endpoint> {
    ENDPOINTS.get(rule % ENDPOINTS.len())
}

/// Returns the table for the middleware: each endpoint, then each with a namespace in its path. A request
/// that matches none can only be answered with 404 or 405.
pub(super) fn table() -> EndpointTable {
    let rule = |endpoint: &Endpoint, path: &str| EndpointRule {
        method: Method::from_bytes(endpoint.method.as_bytes()).ok(),
        path: PathTemplate::new(path),
        api: "registry",
        operation: Some(endpoint.operation.name()),
        access: Access::Registry(endpoint.operation),
        timeout: TimeoutClass::Standard,
    };
    let plain = ENDPOINTS.iter().map(|endpoint| rule(endpoint, endpoint.path));
    let with_namespace = ENDPOINTS.iter().map(|endpoint| match endpoint.path.strip_prefix("/v1/groups") {
        Some(rest) => rule(endpoint, &format!("/v1/namespace/{{namespace}}/groups{rest}")),
        None => rule(endpoint, endpoint.path),
    });
    let unmatched = Unmatched { api: "registry", operation: "unknown", access: Access::Authenticated };
    EndpointTable {
        ignores_trailing_slash: true,
        is_valid_parameter: |name, value| name != "id" || value.parse::<u32>().is_ok(),
        ..EndpointTable::new(plain.chain(with_namespace).collect(), unmatched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_endpoint_is_found_by_its_method_and_path() {
        let table = table();
        let mut unique = HashSet::new();
        for (index, endpoint) in ENDPOINTS.iter().enumerate() {
            assert!(unique.insert((endpoint.method, endpoint.path)), "{}", endpoint.path);
            let path = endpoint.path.replace("{id}", "0").replace(['{', '}'], "");
            let method: Method = endpoint.method.parse().unwrap();
            for path in
                [path.clone(), format!("{path}/"), path.replace("/v1/groups", "/v1/namespace/n/groups")]
            {
                let found = table.find(&method, &path).unwrap();
                assert_eq!(found.index % ENDPOINTS.len(), index, "{path}");
            }
        }
        for path in
            ["/", "", "/v2/groups", "/v1/groups/g/schemas/schema/x", "/v1/groups/a/b", "/v1/groups/%ff"]
        {
            assert_eq!(table.match_path(path).count(), 0, "{path}");
        }
    }
}
