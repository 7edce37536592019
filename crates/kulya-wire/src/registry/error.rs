//! Registry errors as gRPC statuses: [`to_status`] encodes one, [`from_status`] decodes it. In a status,
//! texts of more than 2 KiB are truncated and the reasons of a refusal left out, because HTTP/2 headers are
//! small; in a reply ([`to_detail`]) the error is complete.

use super::v1;
use crate::status_detail::{self, MAX_TEXT_BYTES, truncate};
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use kulya_schema::compatibility::Refusal;
use prost::Message;
use tonic::{Code, Status};

/// The type URL of the error detail in a `google.rpc.Status`.
const TYPE_URL: &str = "type.googleapis.com/kulya.registry.v1.ErrorDetail";

/// Converts an error to its protobuf message, complete with causes and the reasons of a refusal.
pub fn to_detail(error: &RegistryError) -> v1::ErrorDetail {
    let kind = to_wire(error.kind()) as i32;
    let refusal = error.refusal().cloned().map(Into::into);
    v1::ErrorDetail { kind, message: error.to_string(), causes: status_detail::causes(error), refusal }
}

/// Converts a protobuf message to the error. An unknown kind, as of a newer server, becomes `Failed`.
pub fn from_detail(detail: v1::ErrorDetail) -> RegistryError {
    let error = RegistryError::new(from_wire(detail.kind()), detail.message);
    let error = match status_detail::cause_chain(detail.causes) {
        Some(cause) => error.because(cause),
        None => error,
    };
    // the message contains the reasons too, so undecodable ones are dropped
    match detail.refusal.map(Refusal::try_from) {
        Some(Ok(refusal)) => error.with_refusal(refusal),
        Some(Err(_)) | None => error,
    }
}

/// Converts an error to a gRPC status with a detail.
pub fn to_status(error: &RegistryError) -> Status {
    let mut detail = to_detail(error);
    detail.message = truncate(&detail.message, MAX_TEXT_BYTES);
    detail.refusal = None;
    status_detail::status(code(error.kind()), &detail.message, TYPE_URL, detail.encode_to_vec())
}

/// Decodes the registry's error from a status; `None` when the status has no such detail, as one made by the
/// transport or by another server.
pub fn from_status(status: &Status) -> Option<RegistryError> {
    let detail = status_detail::detail(status, TYPE_URL)?;
    v1::ErrorDetail::decode(detail.as_slice()).ok().map(from_detail)
}

/// Returns the status code of a kind of error, for clients that do not decode the detail. Only `UNAVAILABLE`
/// means that the same call may be retried.
fn code(kind: RegistryErrorKind) -> Code {
    match kind {
        RegistryErrorKind::NotFound => Code::NotFound,
        RegistryErrorKind::Incompatible
        | RegistryErrorKind::FormatMismatch
        | RegistryErrorKind::CodecUnknown
        | RegistryErrorKind::Referenced => Code::FailedPrecondition,
        RegistryErrorKind::InvalidInput => Code::InvalidArgument,
        RegistryErrorKind::Gone => Code::OutOfRange,
        RegistryErrorKind::Unavailable => Code::Unavailable,
        _ => Code::Internal,
    }
}

fn to_wire(kind: RegistryErrorKind) -> v1::ErrorKind {
    match kind {
        RegistryErrorKind::NotFound => v1::ErrorKind::NotFound,
        RegistryErrorKind::Incompatible => v1::ErrorKind::Incompatible,
        RegistryErrorKind::FormatMismatch => v1::ErrorKind::FormatMismatch,
        RegistryErrorKind::CodecUnknown => v1::ErrorKind::CodecUnknown,
        RegistryErrorKind::Referenced => v1::ErrorKind::Referenced,
        RegistryErrorKind::InvalidInput => v1::ErrorKind::InvalidInput,
        RegistryErrorKind::Gone => v1::ErrorKind::Gone,
        RegistryErrorKind::Unavailable => v1::ErrorKind::Unavailable,
        _ => v1::ErrorKind::Failed,
    }
}

fn from_wire(kind: v1::ErrorKind) -> RegistryErrorKind {
    match kind {
        v1::ErrorKind::NotFound => RegistryErrorKind::NotFound,
        v1::ErrorKind::Incompatible => RegistryErrorKind::Incompatible,
        v1::ErrorKind::FormatMismatch => RegistryErrorKind::FormatMismatch,
        v1::ErrorKind::CodecUnknown => RegistryErrorKind::CodecUnknown,
        v1::ErrorKind::Referenced => RegistryErrorKind::Referenced,
        v1::ErrorKind::InvalidInput => RegistryErrorKind::InvalidInput,
        v1::ErrorKind::Gone => RegistryErrorKind::Gone,
        v1::ErrorKind::Unavailable => RegistryErrorKind::Unavailable,
        v1::ErrorKind::Failed | v1::ErrorKind::Unspecified => RegistryErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::error::Error as _;

    const KINDS: [(RegistryErrorKind, Code); 9] = [
        (RegistryErrorKind::NotFound, Code::NotFound),
        (RegistryErrorKind::Incompatible, Code::FailedPrecondition),
        (RegistryErrorKind::FormatMismatch, Code::FailedPrecondition),
        (RegistryErrorKind::CodecUnknown, Code::FailedPrecondition),
        (RegistryErrorKind::Referenced, Code::FailedPrecondition),
        (RegistryErrorKind::InvalidInput, Code::InvalidArgument),
        (RegistryErrorKind::Gone, Code::OutOfRange),
        (RegistryErrorKind::Unavailable, Code::Unavailable),
        (RegistryErrorKind::Failed, Code::Internal),
    ];

    #[test]
    fn every_kind_round_trips_with_its_cause() {
        for (kind, code) in KINDS {
            let error = RegistryError::new(kind, "shown – first").because(std::io::Error::other("deeper"));
            let status = to_status(&error);
            assert_eq!(status.code(), code);
            let decoded = from_status(&status).unwrap();
            assert_eq!((decoded.kind(), decoded.to_string().as_str()), (kind, "shown – first"));
            assert_eq!(decoded.source().unwrap().to_string(), "deeper");
        }
    }

    #[test]
    fn a_long_text_is_truncated_in_a_status_and_complete_in_a_reply() {
        let error = RegistryError::new(RegistryErrorKind::Incompatible, "é".repeat(100_000));
        let status = to_status(&error);
        assert!(status.details().len() < 6000 && status.message().len() < 600);
        assert!(from_status(&status).unwrap().to_string().ends_with('…'));
        assert_eq!(from_detail(to_detail(&error)).to_string(), error.to_string());
    }

    #[test]
    fn a_store_error_is_no_registry_error() {
        let store = crate::error::to_status(&kulya_store::Error::not_found("stream s/t"));
        assert!(from_status(&store).is_none());
    }

    proptest! {
        #[test]
        fn any_status_details_are_decoded_or_ignored(bytes: Vec<u8>) {
            let _ = from_status(&Status::with_details(Code::Internal, "", bytes.into()));
        }
    }
}
