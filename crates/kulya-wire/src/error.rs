//! A store's error on its way through gRPC: [`status`] packs it, [`carried`] unpacks it. Kind, text and the texts of
//! its causes arrive as they were; only a very long text is cut, because headers are small.

use crate::envelope::{self, MOST_TEXT, cut};
use crate::v1;
use kulya_store::{Error, ErrorKind};
use prost::Message;
use tonic::{Code, Status};

/// What a detail is called in a `google.rpc.Status`.
const TYPE_URL: &str = "type.googleapis.com/kulya.store.v1.ErrorDetail";

/// Kind and message as gRPC carries them.
pub fn detail(error: &Error) -> v1::ErrorDetail {
    let kind = to_wire(error.kind()) as i32;
    let (message, causes) = (cut(&error.to_string(), MOST_TEXT), envelope::causes(error));
    v1::ErrorDetail { kind, message, causes }
}

/// The error that a detail tells of. A kind from a newer server is taken for `Failed`.
pub fn of_detail(detail: v1::ErrorDetail) -> Error {
    let error = Error::new(of_wire(detail.kind()), detail.message);
    match envelope::cause(detail.causes) {
        Some(cause) => error.because(cause),
        None => error,
    }
}

/// The status that carries an error.
pub fn status(error: &Error) -> Status {
    detail_status(detail(error))
}

/// The same for an error that is a detail already.
pub fn detail_status(detail: v1::ErrorDetail) -> Status {
    let code = code(of_wire(detail.kind()));
    envelope::status(code, &detail.message, TYPE_URL, detail.encode_to_vec())
}

/// The store's error in a status; `None` when somebody else made it: the connection, or a server that is not ours.
pub fn carried(status: &Status) -> Option<Error> {
    let detail = envelope::detail(status, TYPE_URL)?;
    v1::ErrorDetail::decode(detail.as_slice()).ok().map(of_detail)
}

/// For clients that look no deeper than the code. `UNAVAILABLE` alone says that the same call may go well later.
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
        ErrorKind::AnswerLost => Code::AlreadyExists,
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
        ErrorKind::AnswerLost => v1::ErrorKind::AnswerLost,
        _ => v1::ErrorKind::Failed,
    }
}

fn of_wire(kind: v1::ErrorKind) -> ErrorKind {
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
        v1::ErrorKind::AnswerLost => ErrorKind::AnswerLost,
        v1::ErrorKind::Failed | v1::ErrorKind::Unspecified => ErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::error::Error as _;

    const KINDS: [ErrorKind; 12] = [
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
        ErrorKind::AnswerLost,
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
    fn every_kind_crosses_with_its_causes() {
        for kind in KINDS {
            let deepest = std::io::Error::other("the deepest");
            let error = Error::new(kind, "shown – first").because(Error::invalid("nearer").because(deepest));
            let crossed = carried(&status(&error)).unwrap();
            assert_eq!((crossed.kind(), texts(&crossed)), (kind, texts(&error)));
        }
    }

    #[test]
    fn a_long_text_is_cut_to_what_headers_hold() {
        let error = Error::invalid("é".repeat(100_000)).because(Error::invalid("x".repeat(100_000)));
        let status = status(&error);
        assert!(status.details().len() < 6000 && status.message().len() < 600);
        assert!(carried(&status).unwrap().to_string().ends_with('…'));
    }

    proptest! {
        #[test]
        fn any_details_are_read_or_nobodys(bytes: Vec<u8>) {
            let _ = carried(&Status::with_details(Code::Internal, "", bytes.into()));
        }
    }
}
