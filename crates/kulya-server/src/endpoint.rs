//! Endpoint tables: what the middleware knows of an API. Each API ([`rest::v1`](crate::rest::v1),
//! [`rest::v2`](crate::rest::v2), [`grpc`](crate::grpc)) describes its endpoints once; its router, its
//! documentation and the middleware's permission checks are all derived from that description.
//!
//! A request that matches no endpoint requires what the table's [`Unmatched`] says: an endpoint that is not
//! in the table cannot be called without it.

use axum::http::Method;
use kulya_auth::operation::{self, RegistryCall, StoreCall};
use kulya_auth::permission::Permission::ReadUpdate;
use kulya_auth::permission::{Permission, RequiredPermission};
use kulya_auth::resource::ResourceNames;
use kulya_store::{EventPointer, hex};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::collections::HashMap;

/// What an endpoint requires of its caller, as a function of the request's path and query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Any authenticated caller.
    Authenticated,
    /// A registry operation on the `{group}` of the path, in the `namespace` of the path or the query.
    Registry(RegistryCall),
    /// A store operation on the `{scope}` and `{stream}` of the path.
    Store(StoreCall),
    /// A permission on the `namespace` of the query, or on everything where there is none.
    Namespace(Permission),
    /// A permission on everything.
    Everything(Permission),
    /// Read permission on the stream of the event `{pointer}` in the path.
    PointedStream,
    /// Checked by the handler, once it has read the message.
    Message,
}

impl Access {
    /// Whether the operation changes stored state.
    pub(crate) fn is_change(self) -> bool {
        match self {
            Self::Registry(call) => call.is_change(),
            Self::Store(call) => call.is_change(),
            Self::Namespace(permission) | Self::Everything(permission) => permission == ReadUpdate,
            Self::Authenticated | Self::PointedStream | Self::Message => false,
        }
    }

    /// Returns the required permission; `Some(None)` where the handler checks it, `None` for an invalid path
    /// parameter.
    fn required(
        self,
        names: &ResourceNames,
        parameters: &PathParameters<'_>,
        query: &str,
    ) -> Option<Option<RequiredPermission>> {
        let parameter = |name| parameters.get(name).unwrap_or_default();
        // a namespace in the path takes precedence
        let namespace = || {
            let in_path = parameters.get("namespace").map(str::to_owned);
            in_path.or_else(|| query_parameters(query).remove("namespace"))
        };
        Some(Some(match self {
            Self::Authenticated => RequiredPermission::Authenticated,
            Self::Registry(call) => {
                operation::registry(names, call, &namespace().unwrap_or_default(), parameter("group"))
            }
            Self::Store(call) => operation::store(names, call, parameter("scope"), parameter("stream")),
            Self::Namespace(permission) => operation::namespace(names, namespace().as_deref(), permission),
            Self::Everything(permission) => operation::namespace(names, None, permission),
            Self::PointedStream => {
                let bytes = hex::decode(parameter("pointer").as_bytes())?;
                let stream = EventPointer::from_bytes(&bytes).ok()?.segment.stream;
                let (scope, name) = (stream.scope.as_str(), stream.name.as_str());
                operation::store(names, StoreCall::ReadStream, scope, name)
            }
            Self::Message => return Some(None),
        }))
    }
}

/// How long the requests of an endpoint may last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TimeoutClass {
    /// One body and one response of bounded size.
    #[default]
    Standard,
    /// A body or a response of any length.
    Long,
    /// A bidirectional stream, whose body lasts as long as both sides want.
    Stream,
}

impl TimeoutClass {
    /// Whether the body must arrive at a minimum rate.
    pub(crate) fn has_body_deadline(self) -> bool {
        self != Self::Stream
    }

    /// Whether requests may last longer than usual.
    pub(crate) fn is_long(self) -> bool {
        self != Self::Standard
    }

    /// The factor on the usual time until the response starts.
    pub(crate) fn request_time_factor(self) -> u32 {
        if self.is_long() { 20 } else { 1 }
    }
}

/// An endpoint as the middleware sees it.
#[derive(Debug, Clone)]
pub(crate) struct EndpointRule {
    /// `None`: any method. A rule for GET also applies to HEAD.
    pub(crate) method: Option<Method>,
    pub(crate) path: PathTemplate,
    /// The API's name in the audit log.
    pub(crate) api: &'static str,
    /// The operation's name in the audit log; `None`: the path parameter `call`.
    pub(crate) operation: Option<&'static str>,
    pub(crate) access: Access,
    pub(crate) timeout: TimeoutClass,
}

impl EndpointRule {
    pub(crate) fn accepts(&self, method: &Method) -> bool {
        self.method.as_ref().is_none_or(|own| own == method || *own == Method::GET && method == Method::HEAD)
    }
}

/// What is required of requests that match no endpoint, and their names in the audit log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unmatched {
    pub(crate) api: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) access: Access,
}

/// The endpoints of one API.
#[derive(Debug, Clone)]
pub(crate) struct EndpointTable {
    /// The first rule that matches applies.
    pub(crate) rules: Vec<EndpointRule>,
    pub(crate) unmatched: Unmatched,
    /// Whether `/path/` is the same as `/path`.
    pub(crate) ignores_trailing_slash: bool,
    /// Whether a path parameter of this name may have this value; a path with another value does not match.
    pub(crate) is_valid_parameter: fn(name: &str, value: &str) -> bool,
}

/// A rule that matches a request, and the parameters in its path.
#[derive(Debug)]
pub(crate) struct Match<'a> {
    /// The rule's position in the table.
    pub(crate) index: usize,
    pub(crate) rule: &'a EndpointRule,
    pub(crate) parameters: PathParameters<'a>,
}

impl EndpointTable {
    /// Returns a table without endpoints.
    pub(crate) fn empty() -> Self {
        let access = Access::Everything(ReadUpdate);
        Self::new(Vec::new(), Unmatched { api: "", operation: "unknown", access })
    }

    /// Returns a table that accepts any parameter and distinguishes a trailing slash.
    pub(crate) fn new(rules: Vec<EndpointRule>, unmatched: Unmatched) -> Self {
        Self { rules, unmatched, ignores_trailing_slash: false, is_valid_parameter: |_, _| true }
    }

    /// Returns the rules whose path matches, whatever their method.
    pub(crate) fn match_path<'a>(&'a self, path: &'a str) -> impl Iterator<Item = Match<'a>> {
        let path = match path.strip_suffix('/') {
            Some(stripped) if self.ignores_trailing_slash => stripped,
            _ => path,
        };
        let segments = decode_segments(path);
        self.rules.iter().enumerate().filter_map(move |(index, rule)| {
            let parameters = rule.path.matches(segments.as_ref()?)?;
            let is_valid =
                parameters.0.iter().all(|(name, value)| (self.is_valid_parameter)(name, value.as_ref()));
            is_valid.then_some(Match { index, rule, parameters })
        })
    }

    /// Returns the rule for a request.
    pub(crate) fn find<'a>(&'a self, method: &Method, path: &'a str) -> Option<Match<'a>> {
        self.match_path(path).find(|found| found.rule.accepts(method))
    }
}

impl Match<'_> {
    /// Returns the operation's name in the audit log.
    pub(crate) fn operation(&self) -> String {
        let operation = self.rule.operation.or_else(|| self.parameters.get("call"));
        operation.unwrap_or_default().to_owned()
    }

    /// Returns the required permission; `Some(None)` where the handler checks it, `None` for an invalid path
    /// parameter.
    pub(crate) fn required(&self, names: &ResourceNames, query: &str) -> Option<Option<RequiredPermission>> {
        self.rule.access.required(names, &self.parameters, query)
    }
}

/// A path with parameters in braces: `/v2/groups/{group}`.
#[derive(Debug, Clone)]
pub(crate) struct PathTemplate(Vec<Segment>);

#[derive(Debug, Clone)]
enum Segment {
    Literal(String),
    Parameter(String),
}

impl PathTemplate {
    pub(crate) fn new(path: &str) -> Self {
        let segment = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'))
        {
            Some(name) => Segment::Parameter(name.to_owned()),
            None => Segment::Literal(segment.to_owned()),
        };
        Self(path.strip_prefix('/').unwrap_or(path).split('/').map(segment).collect())
    }

    fn matches<'a>(&'a self, segments: &[Cow<'a, str>]) -> Option<PathParameters<'a>> {
        if self.0.len() != segments.len() {
            return None;
        }
        let mut parameters = Vec::new();
        for (expected, segment) in self.0.iter().zip(segments) {
            match expected {
                Segment::Literal(literal) if literal == segment => {}
                Segment::Literal(_) => return None,
                Segment::Parameter(name) => parameters.push((name.as_str(), segment.clone())),
            }
        }
        Some(PathParameters(parameters))
    }
}

/// The decoded parameters of a path.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathParameters<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl PathParameters<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_ref())
    }

    /// Copies the parameters out of the request.
    pub(crate) fn into_map(self) -> HashMap<String, String> {
        self.0.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
    }
}

/// Splits a path at `/` before it decodes the segments: a group's name may contain an encoded `/`.
fn decode_segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    path.strip_prefix('/')?.split('/').map(|segment| percent_decode_str(segment).decode_utf8().ok()).collect()
}

/// Returns the parameters of a query, in which `+` is a space. The first of several with the same name
/// counts.
pub(crate) fn query_parameters(query: &str) -> HashMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = HashMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decode(name)).or_insert_with(|| decode(value));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_before_they_are_decoded() {
        let template = PathTemplate::new("/v1/groups/{group}/schemas");
        let group = |path: &str| {
            let segments = decode_segments(path)?;
            Some(template.matches(&segments)?.get("group")?.to_owned())
        };
        assert_eq!(group("/v1/groups/a%2Fb/schemas").as_deref(), Some("a/b"));
        assert_eq!(group("/v1/groups/a+b/schemas").as_deref(), Some("a+b"));
        for path in ["/", "", "/v1/groups/a", "/v1/groups/a/b/schemas", "/v1/groups/%ff/schemas"] {
            assert_eq!(group(path), None, "{path}");
        }
        let query = query_parameters("type=a%2Bb+c&limit=3&type=x");
        assert_eq!(query.get("type").map(String::as_str), Some("a+b c"));
    }
}
