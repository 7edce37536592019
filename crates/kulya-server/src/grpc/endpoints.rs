//! The endpoints of the gRPC services: one table for the middleware. The generated routers of the services
//! dispatch the calls.

use crate::endpoint::{Access, EndpointRule, EndpointTable, PathTemplate, TimeoutClass, Unmatched};
use kulya_auth::permission::Permission::ReadUpdate;

/// A call of a service, or every other call of it where the name is `{call}`.
struct Endpoint {
    service: &'static str,
    call: &'static str,
    /// The API's name in the audit log.
    api: &'static str,
    access: Access,
    timeout: TimeoutClass,
}

pub(super) const STORE: &str = "kulya.store.v1.StreamStore";
pub(super) const REGISTRY: &str = "kulya.registry.v1.SchemaRegistry";
pub(super) const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
pub(super) const REFLECTION_V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

const OTHER_CALLS: &str = "{call}";

macro_rules! endpoints {
    ($($service:ident $call:expr, $api:literal $access:ident $timeout:ident;)*) => {
        &[$(Endpoint {
            service: $service,
            call: $call,
            api: $api,
            access: Access::$access,
            timeout: TimeoutClass::$timeout,
        }),*]
    };
}

/// The calls; of one service the first that matches applies. What the messages of store and registry name is
/// checked by their services ([`super::authorization`]).
const ENDPOINTS: &[Endpoint] = endpoints! {
    STORE "Wait", "store" Message Stream;
    STORE "Transact", "store" Message Stream;
    STORE "Tail", "store" Message Long;
    STORE "Scan", "store" Message Long;
    STORE OTHER_CALLS, "store" Message Standard;
    REGISTRY "Describe", "registry" Authenticated Standard;
    REGISTRY "Import", "registry" Message Stream;
    REGISTRY "Export", "registry" Message Long;
    REGISTRY "Watch", "registry" Message Long;
    REGISTRY OTHER_CALLS, "registry" Message Standard;
    REFLECTION OTHER_CALLS, "reflection" Authenticated Stream;
    REFLECTION_V1ALPHA OTHER_CALLS, "reflection" Authenticated Stream;
};

/// Returns the table for the middleware. A service that is not in it requires permission on everything.
pub(super) fn table() -> EndpointTable {
    let rule = |endpoint: &Endpoint| EndpointRule {
        method: None,
        path: PathTemplate::new(&format!("/{}/{}", endpoint.service, endpoint.call)),
        api: endpoint.api,
        operation: (endpoint.call != OTHER_CALLS).then_some(endpoint.call),
        access: endpoint.access,
        timeout: endpoint.timeout,
    };
    let unmatched = Unmatched { api: "grpc", operation: "", access: Access::Everything(ReadUpdate) };
    EndpointTable::new(ENDPOINTS.iter().map(rule).collect(), unmatched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Method;

    #[test]
    fn streaming_calls_have_longer_timeouts() {
        let table = table();
        for (path, expected) in [
            ("/kulya.store.v1.StreamStore/Commit", TimeoutClass::Standard),
            ("/kulya.store.v1.StreamStore/Tail", TimeoutClass::Long),
            ("/kulya.store.v1.StreamStore/Transact", TimeoutClass::Stream),
            ("/kulya.registry.v1.SchemaRegistry/Import", TimeoutClass::Stream),
        ] {
            assert_eq!(table.find(&Method::POST, path).unwrap().rule.timeout, expected, "{path}");
        }
    }
}
