//! The messages of a replication stream (PostgreSQL documentation, "Streaming Replication Protocol"). Pure
//! functions on bytes.

use super::super::frames::Frame;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// PostgreSQL's epoch, 2000-01-01, in microseconds since 1970-01-01.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// A message of the replication stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamMessage {
    /// A message of the output plugin.
    Data {
        /// The log position at which the message's record starts.
        start: u64,
        data: Bytes,
        /// The whole length, if only the beginning of the message was kept.
        cut_from: Option<usize>,
    },
    KeepAlive {
        /// Everything before this log position has been sent.
        end: u64,
        is_reply_requested: bool,
    },
}

/// Parses the payload of a CopyData frame; `None` for malformed bytes.
pub(crate) fn parse_stream_message(frame: Frame) -> Option<StreamMessage> {
    let Frame { mut payload, cut_from, .. } = frame;
    match payload.try_get_u8().ok()? {
        b'w' => {
            let start = payload.try_get_u64().ok()?;
            let _end = payload.try_get_u64().ok()?;
            let _sent_at = payload.try_get_u64().ok()?;
            Some(StreamMessage::Data { start, data: payload, cut_from })
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

    fn parsed(payload: &[u8]) -> Option<StreamMessage> {
        let payload = Bytes::copy_from_slice(payload);
        parse_stream_message(Frame { tag: b'd', payload, cut_from: None })
    }

    #[test]
    fn stream_messages_are_parsed() {
        let data = [b"w", &[0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], b"I"].concat();
        assert_eq!(
            parsed(&data),
            Some(StreamMessage::Data { start: 7, data: Bytes::from_static(b"I"), cut_from: None })
        );
        let keepalive = [b"k", &[0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 8], &[1]].concat();
        assert_eq!(parsed(&keepalive), Some(StreamMessage::KeepAlive { end: 9, is_reply_requested: true }));
        for bad in [&b""[..], b"x", b"w\0", b"k\0\0\0\0\0\0\0\0"] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn status_updates_have_the_documented_form() {
        let frame = status_update(3, EPOCH_MICROS + 5, true);
        let lsn = [0, 0, 0, 0, 0, 0, 0, 3];
        let payload = [b"r", &lsn[..], &lsn, &lsn, &[0, 0, 0, 0, 0, 0, 0, 5], &[1]].concat();
        assert_eq!(frame, [b"d", &38u32.to_be_bytes()[..], &payload].concat());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_rejected(bytes: Vec<u8>) {
            let _ = parsed(&bytes);
        }
    }
}
