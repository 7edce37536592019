//! What a request asks for, by its method and path alone: the one table over all faces.

use super::visit::Denied;
use crate::{grpc, rest};
use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use kulya_auth::permission::RequiredPermission;
use kulya_auth::resource::ResourceNames;
use std::borrow::Cow;
use std::time::Duration;
use tonic::Status;

/// How a refusal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A status, and at most a text.
    RestV1,
    /// A status, and at most an error in JSON.
    Rest,
    /// A status of gRPC's own.
    Grpc,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// For the audit log.
    pub(crate) face: &'static str,
    /// For the audit log.
    pub(crate) operation: Cow<'static, str>,
    /// What the door must see; `None` where the message says it.
    pub(crate) need: Option<RequiredPermission>,
    /// Whether it changes something, whatever it needs.
    pub(crate) is_change: bool,
    pub(crate) form: Form,
}

impl Asked {
    pub(crate) fn rest(
        face: &'static str,
        operation: &'static str,
        need: RequiredPermission,
        is_change: bool,
    ) -> Self {
        Self { face, operation: operation.into(), need: Some(need), is_change, form: Form::Rest }
    }
}

/// A request of which nothing is asked, on the face that it is of.
pub(crate) fn anything(path: &str, headers: &HeaderMap) -> Asked {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let form = match kind.starts_with(b"application/grpc") {
        true => Form::Grpc,
        false if path.starts_with("/v2/") => Form::Rest,
        false => Form::RestV1,
    };
    Asked { face: "", operation: "".into(), need: None, is_change: false, form }
}

/// What a request asks for.
pub(crate) fn asked(names: &ResourceNames, method: &Method, uri: &Uri, headers: &HeaderMap) -> Asked {
    let path = uri.path();
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(asked) = grpc::asked(path) {
        return asked;
    }
    if kind.starts_with("application/grpc") {
        // a service that nobody named above
        let need = Some(RequiredPermission::full_access(names));
        let operation = path.trim_start_matches('/').to_owned().into();
        return Asked { face: "grpc", operation, need, is_change: true, form: Form::Grpc };
    }
    if path.starts_with("/v2/") {
        return rest::v2::asked(names, method, uri)
            .unwrap_or_else(|| Asked::rest("v2", "unnamed", RequiredPermission::full_access(names), true));
    }
    Asked { form: Form::RestV1, ..rest::v1::asked(names, method, uri) }
}

impl Form {
    /// Who is calling is not known.
    pub(crate) fn unknown(self) -> Response<Body> {
        match self {
            Self::RestV1 | Self::Rest => empty(StatusCode::UNAUTHORIZED),
            Self::Grpc => Status::unauthenticated("no credentials that are known here").into_http(),
        }
    }

    /// They may not; the right that is missing is named.
    pub(crate) fn denied(self, denied: &Denied) -> Response<Body> {
        match self {
            Self::RestV1 => rest::v1::denied(denied),
            Self::Rest => rest::v2::denied(denied),
            Self::Grpc => Status::from(denied.clone()).into_http(),
        }
    }

    /// They ask too often.
    pub(crate) fn too_often(self, wait: Duration) -> Response<Body> {
        let response = match self {
            Self::RestV1 | Self::Rest => empty(StatusCode::TOO_MANY_REQUESTS),
            Self::Grpc => Status::resource_exhausted("the caller asks too often").into_http(),
        };
        again_after(response, wait)
    }

    /// There is no room now.
    pub(crate) fn busy(self) -> Response<Body> {
        let response = match self {
            Self::RestV1 | Self::Rest => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server has no room for more requests or bytes now: try again in a second",
            ),
            Self::Grpc => Status::resource_exhausted("the server has no room for more now").into_http(),
        };
        again_after(response, Duration::from_secs(1))
    }

    /// The body comes too slowly.
    pub(crate) fn too_slow(self) -> Response<Body> {
        const WHAT: &str = "the request's body comes too slowly and is not waited for: send it again, faster";
        match self {
            Self::RestV1 | Self::Rest => {
                let mut response = told(StatusCode::REQUEST_TIMEOUT, WHAT);
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
            Self::Grpc => Status::deadline_exceeded(WHAT).into_http(),
        }
    }

    /// The server made a mistake.
    pub(crate) fn failed(self) -> Response<Body> {
        const WHAT: &str = "the server failed over this request, and has logged it by its X-Request-Id";
        match self {
            Self::RestV1 | Self::Rest => told(StatusCode::INTERNAL_SERVER_ERROR, WHAT),
            Self::Grpc => Status::internal(WHAT).into_http(),
        }
    }

    /// There is no answer in time.
    pub(crate) fn too_late(self, time: Duration) -> Response<Body> {
        let what = format!(
            "the request was not answered within {time:?} and was given up: what it changes may be done nevertheless, so look, and try again in a few seconds"
        );
        let response = match self {
            Self::RestV1 | Self::Rest => told(StatusCode::SERVICE_UNAVAILABLE, &what),
            Self::Grpc => Status::unavailable(what).into_http(),
        };
        again_after(response, Duration::from_secs(5))
    }

    /// For the audit log: the HTTP status, or gRPC's code as far as it is known before the answer's end.
    pub(crate) fn status_of(self, response: &Response<Body>) -> u16 {
        match self {
            Self::RestV1 | Self::Rest => response.status().as_u16(),
            Self::Grpc => {
                let code = response.headers().get("grpc-status").and_then(|value| value.to_str().ok());
                code.and_then(|code| code.parse().ok()).unwrap_or_default()
            }
        }
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A refusal with its reason, as every face of REST may have it.
fn told(status: StatusCode, what: &str) -> Response<Body> {
    let kind = match status {
        StatusCode::REQUEST_TIMEOUT => "invalid-input",
        StatusCode::INTERNAL_SERVER_ERROR => "failed",
        _ => "unavailable",
    };
    let body = serde_json::json!({ "error": what, "kind": kind }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// In whole seconds, the next one.
fn again_after(mut response: Response<Body>, wait: Duration) -> Response<Body> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(line: &str) -> String {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut headers = HeaderMap::new();
        let method = if method == "GRPC" {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            Method::POST
        } else {
            method.parse().unwrap()
        };
        let asked = asked(&ResourceNames::default(), &method, &uri.parse().unwrap(), &headers);
        let mark = if asked.is_change { "!" } else { "" };
        let need = match asked.need {
            None => "by message".to_owned(),
            Some(RequiredPermission::Authenticated) => "known".to_owned(),
            Some(RequiredPermission::Resource { resource, permission, .. }) => {
                format!("{} {resource}", permission.as_str())
            }
        };
        format!("{} {}{mark} {need}", asked.face, asked.operation)
    }

    #[test]
    fn every_face_and_operation_has_its_need() {
        for (line, expected) in [
            ("GET /ping", "registry ping known"),
            ("GET /", "registry unknown known"),
            ("GET /v1/nowhere", "registry unknown known"),
            ("PATCH /v1/groups", "registry unknown known"),
            ("GET /v1/groups?namespace=n", "registry listGroups known"),
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
            ("GET /v2/openapi.json", "registry document known"),
            ("GET /v2/namespaces", "registry listNamespaces known"),
            ("GET /v2/groups?namespace=n", "registry listGroups known"),
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
            ("POST /v2/search", "registry search known"),
            ("GET /v2/export?namespace=", "registry export READ prn::/"),
            ("GET /v2/export", "registry export READ prn::/"),
            ("POST /v2/import", "registry import! READ_UPDATE prn::/"),
            ("GET /v2/changes", "registry changes READ prn::/"),
            ("POST /kulya.store.v1.StreamStore/Commit", "store Commit by message"),
            ("GRPC /kulya.store.v1.StreamStore/Commit", "store Commit by message"),
            (
                "GRPC /grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "reflection ServerReflectionInfo known",
            ),
            ("GRPC /other.Service/Call", "grpc other.Service/Call! READ_UPDATE prn::/"),
        ] {
            assert_eq!(asked_for(line), expected, "{line}");
        }
    }

    #[test]
    fn refusals_are_written_for_their_face() {
        for (form, unknown, denied, often, busy) in
            [(Form::RestV1, 401, 403, 429, 503), (Form::Rest, 401, 403, 429, 503), (Form::Grpc, 16, 7, 8, 8)]
        {
            let wait = Duration::from_millis(1200);
            let missing = Denied::new(&RequiredPermission::full_access(&ResourceNames::default()));
            let answers = [form.unknown(), form.denied(&missing), form.too_often(wait), form.busy()];
            assert_eq!(
                answers.each_ref().map(|answer| form.status_of(answer)),
                [unknown, denied, often, busy]
            );
            assert_eq!(answers[2].headers()[RETRY_AFTER], "2");
            assert!(answers.iter().all(|answer| !answer.headers().contains_key("www-authenticate")));
        }
    }
}
