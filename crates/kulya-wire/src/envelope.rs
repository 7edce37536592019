//! The envelope in which an error crosses: a gRPC status with one detail, the service's own word on what went wrong. What
//! the detail says is the services' business (`error`, `registry::error`).

use prost::Message;
use std::error::Error;
use std::fmt;
use tonic::{Code, Status};

/// Bytes of one text that cross. Base64 and percent-encoding make more of them, and clients take 16 KiB of headers.
pub(crate) const MOST_TEXT: usize = 2048;
/// Causes that cross, and bytes of each.
const MOST_CAUSES: usize = 6;
const MOST_CAUSE: usize = 512;

/// `google.rpc.Status`, which gRPC clients know to open.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// A status with a detail, which is called `type_url`.
pub(crate) fn status(code: Code, message: &str, type_url: &str, detail: Vec<u8>) -> Status {
    let any = prost_types::Any { type_url: type_url.to_owned(), value: detail };
    let message = cut(message, MOST_CAUSE);
    let envelope = RpcStatus { code: code as i32, message: message.clone(), details: vec![any] };
    Status::with_details(code, message, envelope.encode_to_vec().into())
}

/// The detail of that name; `None` when somebody else made the status.
pub(crate) fn detail(status: &Status, type_url: &str) -> Option<Vec<u8>> {
    let envelope = RpcStatus::decode(status.details()).ok()?;
    envelope.details.into_iter().find(|any| any.type_url == type_url).map(|any| any.value)
}

/// The texts of an error's causes, the nearest first.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(source) = cause
        && causes.len() < MOST_CAUSES
    {
        causes.push(cut(&source.to_string(), MOST_CAUSE));
        cause = source.source();
    }
    causes
}

/// The causes that were told so; `None` when there are none.
pub(crate) fn cause(causes: Vec<String>) -> Option<Cause> {
    let causes = causes.into_iter().rev();
    causes.fold(None, |source, text| Some(Cause { text, source: source.map(Box::new) }))
}

pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}

/// A cause that was told by text.
#[derive(Debug)]
pub(crate) struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}
