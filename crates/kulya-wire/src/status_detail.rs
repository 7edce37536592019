//! Errors as gRPC statuses with details (`google.rpc.Status` in `grpc-status-details-bin`).
//!
//! Each service defines the message that it puts into the details (`error`, `registry::error`); this module
//! packs and unpacks it, and truncates texts to what HTTP/2 headers hold.

use prost::Message;
use std::error::Error;
use std::fmt;
use tonic::{Code, Status};

/// The maximum length of an error's text in a status, in bytes. Base64 and percent-encoding enlarge it, and
/// clients accept 16 KiB of headers.
pub(crate) const MAX_TEXT_BYTES: usize = 2048;
/// The maximum number of causes in a status.
const MAX_CAUSES: usize = 6;
/// The maximum length of a cause's text, and of a status's message, in bytes.
const MAX_CAUSE_BYTES: usize = 512;

/// `google.rpc.Status`, the rich error model that gRPC clients decode.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// Returns a status with one detail of type `type_url`.
pub(crate) fn status(code: Code, message: &str, type_url: &str, detail: Vec<u8>) -> Status {
    let any = prost_types::Any { type_url: type_url.to_owned(), value: detail };
    let message = truncate(message, MAX_CAUSE_BYTES);
    let rpc_status = RpcStatus { code: code as i32, message: message.clone(), details: vec![any] };
    Status::with_details(code, message, rpc_status.encode_to_vec().into())
}

/// Returns the encoded detail of type `type_url`; `None` when the status has none.
pub(crate) fn detail(status: &Status, type_url: &str) -> Option<Vec<u8>> {
    let rpc_status = RpcStatus::decode(status.details()).ok()?;
    rpc_status.details.into_iter().find(|any| any.type_url == type_url).map(|any| any.value)
}

/// Returns the texts of an error's causes, the nearest first.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(source) = cause
        && causes.len() < MAX_CAUSES
    {
        causes.push(truncate(&source.to_string(), MAX_CAUSE_BYTES));
        cause = source.source();
    }
    causes
}

/// Rebuilds a chain of causes from its texts, the nearest first; `None` when there are none.
pub(crate) fn cause_chain(causes: Vec<String>) -> Option<RemoteCause> {
    let causes = causes.into_iter().rev();
    causes.fold(None, |source, text| Some(RemoteCause { text, source: source.map(Box::new) }))
}

/// Truncates a text to `max_bytes` at a character boundary, and appends an ellipsis where it did.
pub(crate) fn truncate(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(max_bytes)])
}

/// A cause of an error at the other end of the connection, of which only the text is known.
#[derive(Debug)]
pub(crate) struct RemoteCause {
    text: String,
    source: Option<Box<RemoteCause>>,
}

impl fmt::Display for RemoteCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for RemoteCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}
