//! The frames of PostgreSQL's protocol and the messages of a replication stream (PostgreSQL documentation,
//! "Message Formats", "Streaming Replication Protocol"). Pure functions on bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// PostgreSQL's epoch, 2000-01-01, in microseconds since 1970-01-01.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The maximum size of a frame in bytes; the server's own limit of a message.
const MAX_FRAME_BYTES: usize = 1 << 30;

/// A frame: a type and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tag: u8,
    pub(crate) payload: Bytes,
}

/// A message of the replication stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamMessage {
    /// A message of the output plugin.
    Data {
        /// The log position at which the message's record starts.
        start: u64,
        data: Bytes,
    },
    KeepAlive {
        /// Everything before this log position has been sent.
        end: u64,
        is_reply_requested: bool,
    },
}

/// A frame's length is not possible: the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidLength(pub(crate) u32);

/// Takes the next frame off the buffer; `None` when it has not arrived wholly. Reserves room for the rest.
///
/// # Errors
/// A length that no frame has.
pub(crate) fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, InvalidLength> {
    let Some((&tag, rest)) = buffer.split_first() else { return Ok(None) };
    let Some(Ok(length)) = rest.get(..4).map(<[u8; 4]>::try_from) else { return Ok(None) };
    let length = u32::from_be_bytes(length);
    let size = length as usize + 1;
    if !(5..=MAX_FRAME_BYTES).contains(&size) {
        return Err(InvalidLength(length));
    }
    if buffer.len() < size {
        // grows with what arrives, not at once to a size that only the header promises
        buffer.reserve((size - buffer.len()).min(1 << 20));
        return Ok(None);
    }
    let mut frame = buffer.split_to(size);
    frame.advance(5);
    Ok(Some(Frame { tag, payload: frame.freeze() }))
}

/// Parses the payload of a CopyData frame; `None` for malformed bytes.
pub(crate) fn parse_stream_message(mut payload: Bytes) -> Option<StreamMessage> {
    match payload.try_get_u8().ok()? {
        b'w' => {
            let start = payload.try_get_u64().ok()?;
            let _end = payload.try_get_u64().ok()?;
            let _sent_at = payload.try_get_u64().ok()?;
            Some(StreamMessage::Data { start, data: payload })
        }
        b'k' => {
            let end = payload.try_get_u64().ok()?;
            let _sent_at = payload.try_get_u64().ok()?;
            Some(StreamMessage::KeepAlive { end, is_reply_requested: payload.try_get_u8().ok()? == 1 })
        }
        _ => None,
    }
}

/// Returns a CopyData frame with a standby status update: everything before `lsn` is stored durably.
/// `micros` is the time since 1970 in microseconds.
pub(crate) fn status_update(lsn: u64, micros: i64, is_reply_requested: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(39);
    frame.put_u8(b'd');
    frame.put_u32(38);
    frame.put_u8(b'r');
    // written, flushed, applied
    for _ in 0..3 {
        frame.put_u64(lsn);
    }
    frame.put_i64(micros.saturating_sub(EPOCH_MICROS));
    frame.put_u8(is_reply_requested.into());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_are_taken_when_they_are_whole() {
        let mut buffer = BytesMut::from(&b"Z\0\0\0\x05Id\0\0\0\x06a"[..]);
        let frame = take_frame(&mut buffer).unwrap().unwrap();
        assert_eq!(frame, Frame { tag: b'Z', payload: Bytes::from_static(b"I") });
        assert_eq!(take_frame(&mut buffer), Ok(None), "a byte is missing");
        buffer.extend_from_slice(b"bX");
        assert_eq!(take_frame(&mut buffer).unwrap().unwrap().payload, Bytes::from_static(b"ab"));
        assert_eq!(take_frame(&mut buffer), Ok(None), "only a tag");
        for length in [0u32, 3, 1 << 30] {
            let bytes = [b"d", &length.to_be_bytes()[..]].concat();
            assert_eq!(take_frame(&mut BytesMut::from(&bytes[..])), Err(InvalidLength(length)));
        }
    }

    #[test]
    fn stream_messages_are_parsed() {
        let data = [b"w", &[0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], b"I"].concat();
        assert_eq!(
            parse_stream_message(data.into()),
            Some(StreamMessage::Data { start: 7, data: Bytes::from_static(b"I") })
        );
        let keepalive = [b"k", &[0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 8], &[1]].concat();
        assert_eq!(
            parse_stream_message(keepalive.into()),
            Some(StreamMessage::KeepAlive { end: 9, is_reply_requested: true })
        );
        for bad in [&b""[..], b"x", b"w\0", b"k\0\0\0\0\0\0\0\0"] {
            assert_eq!(parse_stream_message(Bytes::from_static(bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn status_updates_have_the_documented_form() {
        let mut frame = BytesMut::from(&status_update(3, EPOCH_MICROS + 5, true)[..]);
        let payload = take_frame(&mut frame).unwrap().unwrap().payload;
        let lsn = [0, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(payload, [b"r", &lsn[..], &lsn, &lsn, &[0, 0, 0, 0, 0, 0, 0, 5], &[1]].concat());
        assert!(frame.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_rejected(bytes: Vec<u8>) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(frame)) = take_frame(&mut buffer) {
                let _ = parse_stream_message(frame.payload);
            }
            prop_assert!(buffer.capacity() < (1 << 20) + 2 * bytes.len() + 64);
        }
    }
}
