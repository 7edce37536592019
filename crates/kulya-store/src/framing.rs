//! The framing of events in a segment, as in Pravega: `type i32 = 0 | length i32 | payload`, big-endian.
//! Offsets and pointers count framed bytes, so that they are the same on every backend.

use crate::{Error, ErrorKind, Result};
use bytes::{BufMut, Bytes, BytesMut};

/// The size of an event header, in bytes.
pub const HEADER_BYTES: usize = 8;
/// The maximum size of an event payload, in bytes: 8 MiB, as in Pravega.
pub const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// Returns the framed size of an event of `payload` bytes.
pub fn framed_len(payload: usize) -> u64 {
    (HEADER_BYTES + payload) as u64
}

/// Returns the header of an event of `payload` bytes.
pub fn header(payload: usize) -> [u8; HEADER_BYTES] {
    let [l0, l1, l2, l3] = (payload as i32).to_be_bytes();
    [0, 0, 0, 0, l0, l1, l2, l3]
}

/// Appends a framed event to a buffer.
pub fn put(out: &mut impl BufMut, payload: &[u8]) {
    out.put_slice(&header(payload.len()));
    out.put_slice(payload);
}

/// Frames one event.
pub fn frame(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES + payload.len());
    put(&mut out, payload);
    out.freeze()
}

/// Splits `bytes`, which start at segment offset `offset`, into the offset and payload of each event. An
/// incomplete event at the end is ignored.
///
/// # Errors
/// `InvalidInput` if a header is not valid.
pub fn events(offset: u64, bytes: &Bytes) -> Result<Vec<(u64, Bytes)>> {
    let event = |(start, end)| (offset + start as u64, bytes.slice(start + HEADER_BYTES..end));
    Ok(frames(offset, bytes, usize::MAX)?.into_iter().map(event).collect())
}

/// Finds the start and the end of each frame in `bytes`, which start at segment offset `offset`: of the
/// events that end within `max_bytes`, and of at least one. An incomplete event at the end is ignored.
///
/// # Errors
/// `InvalidInput` if a header is not valid.
pub(crate) fn frames(offset: u64, bytes: &[u8], max_bytes: usize) -> Result<Vec<(usize, usize)>> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < max_bytes
        && let Some(length) = payload_len(offset + at as u64, bytes.get(at..).unwrap_or_default())?
    {
        let end = at + HEADER_BYTES + length;
        if end > bytes.len() || (end > max_bytes && !frames.is_empty()) {
            break;
        }
        frames.push((at, end));
        at = end;
    }
    Ok(frames)
}

/// Parses the payload length from the header at the start of `bytes`; `None` if the header is incomplete.
///
/// # Errors
/// `InvalidInput` if the header is not valid.
pub fn payload_len(offset: u64, bytes: &[u8]) -> Result<Option<usize>> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [t0, t1, t2, t3, l0, l1, l2, l3] = *header;
    let kind = i32::from_be_bytes([t0, t1, t2, t3]);
    let length = i32::from_be_bytes([l0, l1, l2, l3]);
    match usize::try_from(length) {
        Ok(length) if kind == 0 && length <= MAX_EVENT_BYTES => Ok(Some(length)),
        _ => Err(Error::new(ErrorKind::InvalidInput, format!("no event starts at offset {offset}"))),
    }
}

/// Counts the complete events in `bytes`, up to the first invalid header.
pub fn count(bytes: &[u8]) -> u64 {
    let (mut at, mut events) = (0, 0);
    while let Ok(Some(length)) = payload_len(at as u64, bytes.get(at..).unwrap_or_default()) {
        at += HEADER_BYTES + length;
        if at > bytes.len() {
            break;
        }
        events += 1;
    }
    events
}

/// Checks the size of an event for a stream.
///
/// # Errors
/// `InvalidInput` if the payload is larger than [`MAX_EVENT_BYTES`].
pub fn check_size(stream: &impl std::fmt::Display, payload: usize) -> Result<()> {
    if payload > MAX_EVENT_BYTES {
        return Err(Error::invalid(format!(
            "an event of {payload} bytes for stream {stream} exceeds the maximum of {MAX_EVENT_BYTES} bytes"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_split_and_an_incomplete_one_is_ignored() {
        let mut bytes = BytesMut::new();
        put(&mut bytes, b"one");
        put(&mut bytes, b"");
        put(&mut bytes, b"three");
        let whole = bytes.freeze();
        let split = events(100, &whole).unwrap();
        assert_eq!(split, vec![(100, "one".into()), (111, "".into()), (119, "three".into())]);
        assert_eq!(events(100, &whole.slice(..whole.len() - 1)).unwrap().len(), 2);
        assert!(events(3, &Bytes::from_static(b"xxxxxxxxxxx")).is_err());
    }
}
