//! How an event stands in its segment: Pravega's frame, `type i32 = 0 | length i32 | payload`, both big-endian.
//! Offsets and pointers count these bytes, so that they mean the same on every backend.

use crate::{Error, ErrorKind, Result};
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes before each payload.
pub const HEADER_BYTES: usize = 8;
/// The largest event that Pravega takes: 8 MiB of payload.
pub const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// What an event of `payload` bytes takes in its segment.
pub fn framed_len(payload: usize) -> u64 {
    (HEADER_BYTES + payload) as u64
}

/// Appends one event's frame.
pub fn put(out: &mut impl BufMut, payload: &[u8]) {
    out.put_i32(0);
    out.put_i32(payload.len() as i32);
    out.put_slice(payload);
}

/// One event's frame on its own.
pub fn frame(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES + payload.len());
    put(&mut out, payload);
    out.freeze()
}

/// Walks the whole frames in `bytes`, which begins at segment offset `offset`: (offset, payload) of each. An
/// incomplete frame at the end is left for the next read; a header that cannot be is an error.
pub fn events(offset: u64, bytes: &Bytes) -> Result<Vec<(u64, Bytes)>> {
    let mut found = Vec::new();
    let mut at = 0usize;
    while let Some(length) = payload_len(offset + at as u64, bytes.get(at..).unwrap_or_default())? {
        let start = at + HEADER_BYTES;
        let end = start + length;
        if end > bytes.len() {
            break;
        }
        found.push((offset + at as u64, bytes.slice(start..end)));
        at = end;
    }
    Ok(found)
}

/// The payload length that the header at the front of `bytes` announces; `None` when the header is not whole.
pub fn payload_len(offset: u64, bytes: &[u8]) -> Result<Option<usize>> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [t0, t1, t2, t3, l0, l1, l2, l3] = *header;
    let kind = i32::from_be_bytes([t0, t1, t2, t3]);
    let length = i32::from_be_bytes([l0, l1, l2, l3]);
    match usize::try_from(length) {
        Ok(length) if kind == 0 && length <= MAX_EVENT_BYTES => Ok(Some(length)),
        _ => Err(Error::new(ErrorKind::InvalidInput, format!("no event begins at offset {offset}"))),
    }
}

/// How many events stand in these bytes, up to the first that are none.
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

/// Refuses an event that is too large, naming the stream.
pub fn check_size(stream: &impl std::fmt::Display, payload: usize) -> Result<()> {
    if payload > MAX_EVENT_BYTES {
        return Err(Error::invalid(format!(
            "an event for stream {stream} has {payload} bytes; the most is {MAX_EVENT_BYTES}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_walked_and_a_part_is_left() {
        let mut bytes = BytesMut::new();
        put(&mut bytes, b"one");
        put(&mut bytes, b"");
        put(&mut bytes, b"three");
        let whole = bytes.freeze();
        let walked = events(100, &whole).unwrap();
        assert_eq!(walked, vec![(100, "one".into()), (111, "".into()), (119, "three".into())]);
        assert_eq!(events(100, &whole.slice(..whole.len() - 1)).unwrap().len(), 2);
        assert!(events(3, &Bytes::from_static(b"xxxxxxxxxxx")).is_err());
    }
}
