//! A registry's error on its way through gRPC, as the store's (`crate::error`): [`status`] packs it, [`carried`] unpacks
//! it. In a status a very long text is cut, because headers are small; as a part of a reply ([`detail`]) it is whole.

use super::v1;
use crate::envelope::{self, MOST_TEXT, cut};
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use kulya_schema::decide::Refusal;
use prost::Message;
use tonic::{Code, Status};

/// What a detail is called in a `google.rpc.Status`.
const TYPE_URL: &str = "type.googleapis.com/kulya.registry.v1.ErrorDetail";

/// Kind, text, causes and reasons as a reply carries them.
pub fn detail(error: &RegistryError) -> v1::ErrorDetail {
    let kind = to_wire(error.kind()) as i32;
    let refusal = error.refusal().cloned().map(Into::into);
    v1::ErrorDetail { kind, message: error.to_string(), causes: envelope::causes(error), refusal }
}

/// The error that a detail tells of. A kind from a newer server is taken for `Failed`.
pub fn of_detail(detail: v1::ErrorDetail) -> RegistryError {
    let error = RegistryError::new(of_wire(detail.kind()), detail.message);
    let error = match envelope::cause(detail.causes) {
        Some(cause) => error.because(cause),
        None => error,
    };
    // reasons that cannot be read stand in the text all the same
    match detail.refusal.map(Refusal::try_from) {
        Some(Ok(refusal)) => error.refusing(refusal),
        Some(Err(_)) | None => error,
    }
}

/// The status that carries an error.
pub fn status(error: &RegistryError) -> Status {
    let mut detail = detail(error);
    detail.message = cut(&detail.message, MOST_TEXT);
    detail.refusal = None;
    envelope::status(code(error.kind()), &detail.message, TYPE_URL, detail.encode_to_vec())
}

/// The registry's error in a status; `None` when somebody else made it: the connection, or a server that is not ours.
pub fn carried(status: &Status) -> Option<RegistryError> {
    let detail = envelope::detail(status, TYPE_URL)?;
    v1::ErrorDetail::decode(detail.as_slice()).ok().map(of_detail)
}

/// For clients that look no deeper than the code. `UNAVAILABLE` alone says that the same call may go well later.
fn code(kind: RegistryErrorKind) -> Code {
    match kind {
        RegistryErrorKind::NotFound => Code::NotFound,
        RegistryErrorKind::Incompatible
        | RegistryErrorKind::FormatMismatch
        | RegistryErrorKind::CodecUnknown => Code::FailedPrecondition,
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
        RegistryErrorKind::InvalidInput => v1::ErrorKind::InvalidInput,
        RegistryErrorKind::Gone => v1::ErrorKind::Gone,
        RegistryErrorKind::Unavailable => v1::ErrorKind::Unavailable,
        _ => v1::ErrorKind::Failed,
    }
}

fn of_wire(kind: v1::ErrorKind) -> RegistryErrorKind {
    match kind {
        v1::ErrorKind::NotFound => RegistryErrorKind::NotFound,
        v1::ErrorKind::Incompatible => RegistryErrorKind::Incompatible,
        v1::ErrorKind::FormatMismatch => RegistryErrorKind::FormatMismatch,
        v1::ErrorKind::CodecUnknown => RegistryErrorKind::CodecUnknown,
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

    const KINDS: [(RegistryErrorKind, Code); 8] = [
        (RegistryErrorKind::NotFound, Code::NotFound),
        (RegistryErrorKind::Incompatible, Code::FailedPrecondition),
        (RegistryErrorKind::FormatMismatch, Code::FailedPrecondition),
        (RegistryErrorKind::CodecUnknown, Code::FailedPrecondition),
        (RegistryErrorKind::InvalidInput, Code::InvalidArgument),
        (RegistryErrorKind::Gone, Code::OutOfRange),
        (RegistryErrorKind::Unavailable, Code::Unavailable),
        (RegistryErrorKind::Failed, Code::Internal),
    ];

    #[test]
    fn every_kind_crosses_with_its_cause() {
        for (kind, code) in KINDS {
            let error = RegistryError::new(kind, "shown – first").because(std::io::Error::other("deeper"));
            let status = status(&error);
            assert_eq!(status.code(), code);
            let crossed = carried(&status).unwrap();
            assert_eq!((crossed.kind(), crossed.to_string().as_str()), (kind, "shown – first"));
            assert_eq!(crossed.source().unwrap().to_string(), "deeper");
        }
    }

    #[test]
    fn a_long_text_is_cut_in_a_status_and_whole_in_a_reply() {
        let error = RegistryError::new(RegistryErrorKind::Incompatible, "é".repeat(100_000));
        let status = status(&error);
        assert!(status.details().len() < 6000 && status.message().len() < 600);
        assert!(carried(&status).unwrap().to_string().ends_with('…'));
        assert_eq!(of_detail(detail(&error)).to_string(), error.to_string());
    }

    #[test]
    fn a_store_error_is_none_of_the_registrys() {
        let store = crate::error::status(&kulya_store::Error::not_found("stream s/t"));
        assert!(carried(&store).is_none());
    }

    proptest! {
        #[test]
        fn any_details_are_read_or_nobodys(bytes: Vec<u8>) {
            let _ = carried(&Status::with_details(Code::Internal, "", bytes.into()));
        }
    }
}
