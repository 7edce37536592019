//! Stream cuts in parameters and headers.

use super::error::{ApiError, bad_request};
use kulya_store::{StreamCut, StreamId};

/// Longest cut in a header, in bytes: clients do not accept headers of 64 KiB.
const MAX_CUT_BYTES: usize = 32 * 1024;

/// Rejects a cut that is too long for a header.
pub(super) fn check_length(cut: &StreamCut) -> Result<(), ApiError> {
    if cut.to_string().len() <= MAX_CUT_BYTES {
        return Ok(());
    }
    let what =
        format!("stream {} has too many segments for a cut in a header: read it over gRPC", cut.stream);
    Err(bad_request(what))
}

/// Parses a cut of this stream.
pub(super) fn parse_cut(stream: &StreamId, text: &str) -> Result<StreamCut, ApiError> {
    let cut: StreamCut = text.parse()?;
    if cut.stream == *stream {
        Ok(cut)
    } else {
        Err(bad_request(format!("cut {cut} is not of stream {stream}")))
    }
}
