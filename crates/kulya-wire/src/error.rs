//! Store errors as gRPC statuses: [`to_status`] encodes one, [`from_status`] decodes it. Kind, text and the
//! texts of the causes survive; texts of more than 2 KiB are truncated, because HTTP/2 headers are small.

use crate::status_detail::{self, MAX_TEXT_BYTES, truncate};
use crate::v1;
use kulya_store::{Error, ErrorKind};
use prost::Message;
use tonic::{Code, Status};

/// The type URL of the error detail in a `google.rpc.Status`.
const TYPE_URL: &str = "type.googleapis.com/kulya.store.v1.ErrorDetail";

/// Converts an error to its protobuf message, texts truncated to what a status holds.
pub fn to_detail(error: &Error) -> v1::ErrorDetail {
    let kind = to_wire(error.kind()) as i32;
    let (message, causes) = (truncate(&error.to_string(), MAX_TEXT_BYTES), status_detail::causes(error));
    v1::ErrorDetail { kind, message, causes }
}

/// Converts a protobuf message to the error. An unknown kind, as of a newer server, becomes `Failed`.
pub fn from_detail(detail: v1::ErrorDetail) -> Error {
    let error = Error::new(from_wire(detail.kind()), detail.message);
    match status_detail::cause_chain(detail.causes) {
        Some(cause) => error.because(cause),
        None => error,
    }
}

/// Converts an error to a gRPC status with a detail.
pub fn to_status(error: &Error) -> Status {
    detail_to_status(to_detail(error))
}

/// Converts an error's protobuf message to a gRPC status with that message as its detail.
pub fn detail_to_status(detail: v1::ErrorDetail) -> Status {
    let code = code(from_wire(detail.kind()));
    status_detail::status(code, &detail.message, TYPE_URL, detail.encode_to_vec())
}

/// Decodes the store's error from a status; `None` when the status has no such detail, as one made by the
/// transport or by another server.
pub fn from_status(status: &Status) -> Option<Error> {
    let detail = status_detail::detail(status, TYPE_URL)?;
    v1::ErrorDetail::decode(detail.as_slice()).ok().map(from_detail)
}

/// Returns the status code of a kind of error, for clients that do not decode the detail. Only `UNAVAILABLE`
/// means that the same call may be retried.
fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::InvalidInput => Code::InvalidArgument,
        ErrorKind::Sealed | ErrorKind::Locked => Code::FailedPrecondition,
        ErrorKind::Truncated => Code::OutOfRange,
        ErrorKind::Full => Code::ResourceExhausted,
        ErrorKind::Corrupt => Code::DataLoss,
        ErrorKind::Closed | ErrorKind::Unreachable => Code::Unavailable,
        ErrorKind::ResponseLost => Code::AlreadyExists,
        ErrorKind::NotSupported => Code::Unimplemented,
        _ => Code::Internal,
    }
}

fn to_wire(kind: ErrorKind) -> v1::ErrorKind {
    match kind {
        ErrorKind::NotFound => v1::ErrorKind::NotFound,
        ErrorKind::Conflict => v1::ErrorKind::Conflict,
        ErrorKind::InvalidInput => v1::ErrorKind::InvalidInput,
        ErrorKind::Sealed => v1::ErrorKind::Sealed,
        ErrorKind::Truncated => v1::ErrorKind::Truncated,
        ErrorKind::Full => v1::ErrorKind::Full,
        ErrorKind::Locked => v1::ErrorKind::Locked,
        ErrorKind::Corrupt => v1::ErrorKind::Corrupt,
        ErrorKind::Closed => v1::ErrorKind::Closed,
        ErrorKind::Unreachable => v1::ErrorKind::Unreachable,
        ErrorKind::ResponseLost => v1::ErrorKind::AnswerLost,
        ErrorKind::NotSupported => v1::ErrorKind::NotSupported,
        _ => v1::ErrorKind::Failed,
    }
}

fn from_wire(kind: v1::ErrorKind) -> ErrorKind {
    match kind {
        v1::ErrorKind::NotFound => ErrorKind::NotFound,
        v1::ErrorKind::Conflict => ErrorKind::Conflict,
        v1::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
        v1::ErrorKind::Sealed => ErrorKind::Sealed,
        v1::ErrorKind::Truncated => ErrorKind::Truncated,
        v1::ErrorKind::Full => ErrorKind::Full,
        v1::ErrorKind::Locked => ErrorKind::Locked,
        v1::ErrorKind::Corrupt => ErrorKind::Corrupt,
        v1::ErrorKind::Closed => ErrorKind::Closed,
        v1::ErrorKind::Unreachable => ErrorKind::Unreachable,
        v1::ErrorKind::AnswerLost => ErrorKind::ResponseLost,
        v1::ErrorKind::NotSupported => ErrorKind::NotSupported,
        v1::ErrorKind::Failed | v1::ErrorKind::Unspecified => ErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::error::Error as _;

    const KINDS: [ErrorKind; 13] = [
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::InvalidInput,
        ErrorKind::Sealed,
        ErrorKind::Truncated,
        ErrorKind::Full,
        ErrorKind::Locked,
        ErrorKind::Corrupt,
        ErrorKind::Failed,
        ErrorKind::Closed,
        ErrorKind::Unreachable,
        ErrorKind::ResponseLost,
        ErrorKind::NotSupported,
    ];

    fn texts(error: &Error) -> Vec<String> {
        let mut found = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(source) = cause {
            found.push(source.to_string());
            cause = source.source();
        }
        found
    }

    #[test]
    fn every_kind_round_trips_with_its_causes() {
        for kind in KINDS {
            let deepest = std::io::Error::other("the deepest");
            let error = Error::new(kind, "shown – first").because(Error::invalid("nearer").because(deepest));
            let decoded = from_status(&to_status(&error)).unwrap();
            assert_eq!((decoded.kind(), texts(&decoded)), (kind, texts(&error)));
        }
    }

    #[test]
    fn a_long_text_is_truncated_to_what_headers_hold() {
        let error = Error::invalid("é".repeat(100_000)).because(Error::invalid("x".repeat(100_000)));
        let status = to_status(&error);
        assert!(status.details().len() < 6000 && status.message().len() < 600);
        assert!(from_status(&status).unwrap().to_string().ends_with('…'));
    }

    proptest! {
        #[test]
        fn any_status_details_are_decoded_or_ignored(bytes: Vec<u8>) {
            let _ = from_status(&Status::with_details(Code::Internal, "", bytes.into()));
        }
    }
}
