//! The API protocols and how each reports the middleware's errors.

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use kulya_auth::authorization::Denied;
use std::time::Duration;
use tonic::{Code, Status};

/// The protocol of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// REST v1: a status, at most with a text.
    RestV1,
    /// REST v2: a status, at most with an error in JSON.
    RestV2,
    /// gRPC: a gRPC status.
    Grpc,
}

impl Protocol {
    /// Returns the protocol that a request speaks, by its content type and path.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Self {
        if is_grpc(headers) {
            Self::Grpc
        } else if path.starts_with("/v2/") {
            Self::RestV2
        } else {
            Self::RestV1
        }
    }

    /// Authentication failed.
    pub(super) fn unauthenticated(self) -> Response<Body> {
        match self {
            Self::RestV1 | Self::RestV2 => empty(StatusCode::UNAUTHORIZED),
            Self::Grpc => Status::unauthenticated("authentication failed: no valid credentials").into_http(),
        }
    }

    /// The caller lacks a permission, which is named.
    pub(super) fn denied(self, denied: &Denied) -> Response<Body> {
        match self {
            Self::RestV1 => {
                let mut response = text(StatusCode::FORBIDDEN, denied.to_string());
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                response
            }
            Self::RestV2 => json_error(StatusCode::FORBIDDEN, "denied", &denied.to_string()),
            Self::Grpc => Status::permission_denied(denied.to_string()).into_http(),
        }
    }

    /// A request of another site's page, or a gRPC call without the content type of gRPC.
    pub(super) fn cross_origin(self, status: StatusCode, message: &str) -> Response<Body> {
        match self {
            Self::Grpc if status == StatusCode::FORBIDDEN => Status::permission_denied(message).into_http(),
            Self::RestV2 if status == StatusCode::FORBIDDEN => json_error(status, "denied", message),
            Self::RestV2 => json_error(status, "invalid-input", message),
            Self::Grpc | Self::RestV1 => text(status, message.to_owned()),
        }
    }

    /// The caller is over its rate limit.
    pub(super) fn rate_limited(self, wait: Duration) -> Response<Body> {
        let response = match self {
            Self::RestV1 | Self::RestV2 => empty(StatusCode::TOO_MANY_REQUESTS),
            Self::Grpc => Status::resource_exhausted("rate limit exceeded").into_http(),
        };
        retry_after(response, wait)
    }

    /// The server is at its limit of requests or bytes.
    pub(super) fn overloaded(self) -> Response<Body> {
        const MESSAGE: &str =
            "the server is overloaded, no space for more requests or bytes: retry in a second";
        let response = match self {
            Self::RestV1 | Self::RestV2 => {
                json_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", MESSAGE)
            }
            Self::Grpc => Status::resource_exhausted(MESSAGE).into_http(),
        };
        retry_after(response, Duration::from_secs(1))
    }

    /// The body arrived too slowly.
    pub(super) fn body_timeout(self) -> Response<Body> {
        const MESSAGE: &str = "timeout: the request's body arrived too slowly, send it again and faster";
        match self {
            Self::RestV1 | Self::RestV2 => {
                let mut response = json_error(StatusCode::REQUEST_TIMEOUT, "invalid-input", MESSAGE);
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
            Self::Grpc => Status::deadline_exceeded(MESSAGE).into_http(),
        }
    }

    /// The handler panicked.
    pub(super) fn internal_error(self) -> Response<Body> {
        const MESSAGE: &str = "internal error: the server's log has the details under the X-Request-Id";
        match self {
            Self::RestV1 | Self::RestV2 => json_error(StatusCode::INTERNAL_SERVER_ERROR, "failed", MESSAGE),
            Self::Grpc => Status::internal(MESSAGE).into_http(),
        }
    }

    /// The handler did not respond in time.
    pub(super) fn request_timeout(self, time: Duration) -> Response<Body> {
        let message = format!(
            "timeout: no response within {time:?}; a change may have been applied nevertheless: check, and retry in a few seconds"
        );
        let response = match self {
            Self::RestV1 | Self::RestV2 => {
                json_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &message)
            }
            Self::Grpc => Status::unavailable(message).into_http(),
        };
        retry_after(response, Duration::from_secs(5))
    }

    /// Returns the status for the audit log: of HTTP, or of gRPC as far as it is known before the response's
    /// end.
    pub(super) fn status_of(self, response: &Response<Body>) -> u16 {
        match self {
            Self::RestV1 | Self::RestV2 => response.status().as_u16(),
            Self::Grpc => {
                grpc_status(response.headers()).and_then(|code| u16::try_from(code).ok()).unwrap_or_default()
            }
        }
    }
}

/// The gRPC status of a permission that is denied within a streaming call, for the audit log.
pub(super) const GRPC_DENIED: u16 = Code::PermissionDenied as u16;

/// Whether the content type is that of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Returns the gRPC status among headers or trailers.
pub(super) fn grpc_status(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn empty(status: StatusCode) -> Response<Body> {
    text(status, String::new())
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// An error in the JSON of REST v2. REST v1 has it too: its clients do not read error bodies.
fn json_error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    let mut response = text(status, serde_json::json!({ "error": message, "kind": kind }).to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Adds `Retry-After` in whole seconds, rounded up.
fn retry_after(mut response: Response<Body>, wait: Duration) -> Response<Body> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_auth::permission::RequiredPermission;
    use kulya_auth::resource::ResourceNames;

    #[test]
    fn errors_have_the_status_of_their_protocol() {
        for (protocol, unauthenticated, denied, rate_limited, overloaded) in [
            (Protocol::RestV1, 401, 403, 429, 503),
            (Protocol::RestV2, 401, 403, 429, 503),
            (Protocol::Grpc, 16, 7, 8, 8),
        ] {
            let wait = Duration::from_millis(1200);
            let missing = Denied::new(&RequiredPermission::full_access(&ResourceNames::default()));
            let responses = [
                protocol.unauthenticated(),
                protocol.denied(&missing),
                protocol.rate_limited(wait),
                protocol.overloaded(),
            ];
            assert_eq!(
                responses.each_ref().map(|response| protocol.status_of(response)),
                [unauthenticated, denied, rate_limited, overloaded]
            );
            assert_eq!(responses[2].headers()[RETRY_AFTER], "2");
            assert!(responses.iter().all(|response| !response.headers().contains_key("www-authenticate")));
        }
    }
}
