//! Errors of the controller.

use kulya_store::{Error, ErrorKind, StreamId};
use tonic::Code;

/// Maps a gRPC status to an error.
pub(super) fn grpc_error(address: &str, permission_needed: &str, status: tonic::Status) -> Error {
    let (kind, what) = match status.code() {
        Code::NotFound => (ErrorKind::NotFound, "not found by pravega's controller".to_owned()),
        Code::Unauthenticated => (
            ErrorKind::InvalidInput,
            format!(
                "authentication failed: pravega's controller at {address} rejects the credentials, set pravega_client_auth_method and pravega_client_auth_token"
            ),
        ),
        Code::PermissionDenied => (
            ErrorKind::InvalidInput,
            format!(
                "permission denied by pravega's controller at {address}: the account needs {permission_needed}"
            ),
        ),
        _ if let Some(why) = misconfigured(&status) => {
            (ErrorKind::InvalidInput, format!("pravega's controller at {address} {why}"))
        }
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => (
            ErrorKind::Unreachable,
            format!("pravega's controller at {address} does not answer: see that it runs, and retry"),
        ),
        _ => (ErrorKind::Failed, format!("pravega's controller at {address} failed: see its log")),
    };
    Error::new(kind, what).because(status)
}

/// Describes a misconfigured address or certificate, when a connection failed in a way that waiting does not
/// fix.
fn misconfigured(status: &tonic::Status) -> Option<&'static str> {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        // errors of TLS are nested in others that do not expose them as their source
        let text = error.to_string();
        if text.contains("invalid peer certificate") {
            return Some("has a certificate that is not trusted: give its authority's certificate with --ca");
        }
        if text.contains("received corrupt message of type InvalidContentType") {
            return Some("does not use TLS: write tcp:// instead of tls://");
        }
        cause = error.source();
    }
    None
}

/// Returns whether an error is a denied permission of an authenticated client.
pub(crate) fn is_denied(error: &Error) -> bool {
    let status = std::error::Error::source(error).and_then(|source| source.downcast_ref::<tonic::Status>());
    status.is_some_and(|status| status.code() == Code::PermissionDenied)
}

/// Maps the controller's "not found" to the error for a stream.
pub(super) fn stream_not_found(stream: &StreamId) -> impl Fn(Error) -> Error + '_ {
    move |error| {
        if error.kind() == ErrorKind::NotFound { Error::not_found(format!("stream {stream}")) } else { error }
    }
}
