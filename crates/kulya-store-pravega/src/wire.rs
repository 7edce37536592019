//! The segment store's binary protocol: encoding of the commands that are sent and decoding of their replies.
//! Pure functions, no socket, no state.
//!
//! A command is `type i32 | length i32 | fields`, big-endian; text is a u16 length and its bytes. Later
//! protocol versions add fields at the end, so a reply may be longer than what is decoded here.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The protocol version of Pravega 0.13, and the oldest compatible one.
const VERSION: (i32, i32) = (16, 5);
/// The maximum length of a command in bytes, in either direction.
pub(crate) const MAX_COMMAND_BYTES: usize = 0x00ff_ffff;
/// The length of a command's head: type and length.
pub(crate) const HEAD_BYTES: usize = 8;
/// The last event number of a writer that has no events.
pub(crate) const NO_EVENT_NUMBER: i64 = i64::MIN;

/// A command to a segment store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Hello,
    /// Announces a writer of a segment; answered by the writer's last event number there.
    SetupAppend {
        writer: u128,
        segment: &'a str,
        token: &'a str,
    },
    /// Appends events atomically; stored only if the writer's last number is the one that this connection
    /// knows.
    Append {
        writer: u128,
        number: i64,
        count: u32,
        frames: Bytes,
    },
    /// As `Append`, only if the segment ends at an offset.
    AppendAt {
        writer: u128,
        number: i64,
        offset: u64,
        frames: Bytes,
    },
    /// Reads bytes from an offset. At the tail the reply waits for the next append, for up to a minute.
    Read {
        segment: &'a str,
        offset: u64,
        max_bytes: u32,
        token: &'a str,
    },
    SegmentInfo {
        segment: &'a str,
        token: &'a str,
    },
    Truncate {
        segment: &'a str,
        offset: u64,
        token: &'a str,
    },
}

impl Command<'_> {
    /// Encodes a command: the bytes before the events, the events, and the bytes after them.
    pub(crate) fn encode(&self, request: i64) -> [Bytes; 3] {
        let mut head = BytesMut::with_capacity(128);
        let mut tail = BytesMut::new();
        let mut events = Bytes::new();
        head.put_i64(0); // type and length, filled in below
        let code = match self {
            Self::Hello => {
                head.put_i32(VERSION.0);
                head.put_i32(VERSION.1);
                code::HELLO
            }
            Self::SetupAppend { writer, segment, token } => {
                head.put_i64(request);
                head.put_u128(*writer);
                put_text(&mut head, segment);
                put_text(&mut head, token);
                code::SETUP_APPEND
            }
            Self::Append { writer, number, count, frames } => {
                head.put_u128(*writer);
                head.put_i32(0); // no preceding append block
                head.put_u32(frames.len() as u32);
                tail.put_u32(*count);
                tail.put_i64(*number);
                tail.put_i64(request);
                events = frames.clone();
                code::APPEND_BLOCK_END
            }
            Self::AppendAt { writer, number, offset, frames } => {
                head.put_u128(*writer);
                head.put_i64(*number);
                head.put_u64(*offset);
                head.put_u32(frames.len() as u32);
                tail.put_i64(request);
                events = frames.clone();
                code::CONDITIONAL_BLOCK_END
            }
            Self::Read { segment, offset, max_bytes, token } => {
                put_text(&mut head, segment);
                head.put_u64(*offset);
                head.put_u32(*max_bytes);
                put_text(&mut head, token);
                head.put_i64(request);
                code::READ_SEGMENT
            }
            Self::SegmentInfo { segment, token } => {
                head.put_i64(request);
                put_text(&mut head, segment);
                put_text(&mut head, token);
                code::GET_STREAM_SEGMENT_INFO
            }
            Self::Truncate { segment, offset, token } => {
                head.put_i64(request);
                put_text(&mut head, segment);
                head.put_u64(*offset);
                put_text(&mut head, token);
                code::TRUNCATE_SEGMENT
            }
        };
        let length = (head.len() - HEAD_BYTES + events.len() + tail.len()) as i32;
        let (mut kind, rest) = head.split_at_mut(4);
        kind.put_i32(code);
        let (mut size, _) = rest.split_at_mut(4);
        size.put_i32(length);
        [head.freeze(), events, tail.freeze()]
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    // segment names and tokens are ASCII, and names are bounded at construction
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

/// A reply of a segment store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Hello {
        high: i32,
        low: i32,
    },
    KeepAlive,
    AppendSetup {
        last_number: i64,
    },
    /// Stored; the segment ends at `tail`, or did just after these events.
    Appended {
        tail: u64,
    },
    /// The segment does not end at the offset of [`Command::AppendAt`].
    OffsetMismatch,
    Read {
        offset: u64,
        end_of_segment: bool,
        bytes: Bytes,
    },
    Info {
        exists: bool,
        sealed: bool,
        head: u64,
        tail: u64,
    },
    Truncated,
    /// Another connection has written as this writer.
    InvalidEventNumber,
    Sealed,
    NoSuchSegment,
    /// The requested offset is before the segment's head.
    BeforeHead {
        head: u64,
    },
    WrongHost,
    AuthFailed,
    /// Any other error.
    Error {
        message: String,
    },
    /// A reply that this client does not expect.
    Unknown {
        code: i32,
    },
}

/// Decodes a command's head: its type and the length of its fields; `None` when it is not valid.
pub(crate) fn decode_head(bytes: [u8; HEAD_BYTES]) -> Option<(i32, usize)> {
    let mut bytes = &bytes[..];
    let code = bytes.get_i32();
    let length = usize::try_from(bytes.get_i32()).ok()?;
    (length <= MAX_COMMAND_BYTES).then_some((code, length))
}

impl Reply {
    /// Decodes a reply: the request id and the reply; `None` when the bytes are incomplete.
    pub(crate) fn decode(code: i32, fields: &Bytes) -> Option<(i64, Self)> {
        let mut fields = Fields(fields.clone());
        let mut request = 0;
        let reply = match code {
            code::HELLO => Self::Hello { high: fields.i32()?, low: fields.i32()? },
            code::KEEP_ALIVE => Self::KeepAlive,
            code::APPEND_SETUP => {
                request = fields.i64()?;
                fields.text()?;
                fields.take(16)?;
                Self::AppendSetup { last_number: fields.i64()? }
            }
            code::DATA_APPENDED => {
                fields.take(16 + 8 + 8)?;
                request = fields.i64()?;
                Self::Appended { tail: fields.offset()? }
            }
            code::CONDITIONAL_CHECK_FAILED => {
                fields.take(16 + 8)?;
                request = fields.i64()?;
                Self::OffsetMismatch
            }
            code::SEGMENT_READ => {
                fields.text()?;
                let offset = fields.offset()?;
                fields.take(1)?; // whether this is the tail: not always known by the server
                let end_of_segment = fields.flag()?;
                let length = usize::try_from(fields.i32()?).ok()?;
                let bytes = fields.take(length)?;
                request = fields.i64()?;
                Self::Read { offset, end_of_segment, bytes }
            }
            code::STREAM_SEGMENT_INFO => {
                request = fields.i64()?;
                fields.text()?;
                let (exists, sealed, deleted) = (fields.flag()?, fields.flag()?, fields.flag()?);
                fields.take(8)?;
                let tail = fields.offset()?;
                let head = fields.offset()?;
                Self::Info { exists: exists && !deleted, sealed, head, tail }
            }
            code::SEGMENT_TRUNCATED => {
                request = fields.i64()?;
                Self::Truncated
            }
            code::INVALID_EVENT_NUMBER => {
                fields.take(16)?;
                request = fields.i64()?;
                Self::InvalidEventNumber
            }
            code::SEGMENT_IS_TRUNCATED => {
                request = fields.i64()?;
                fields.text()?;
                Self::BeforeHead { head: fields.offset()? }
            }
            code::WRONG_HOST
            | code::SEGMENT_IS_SEALED
            | code::NO_SUCH_SEGMENT
            | code::AUTH_TOKEN_CHECK_FAILED => {
                request = fields.i64()?;
                match code {
                    code::WRONG_HOST => Self::WrongHost,
                    code::SEGMENT_IS_SEALED => Self::Sealed,
                    code::NO_SUCH_SEGMENT => Self::NoSuchSegment,
                    _ => Self::AuthFailed,
                }
            }
            code::OPERATION_UNSUPPORTED => {
                request = fields.i64()?;
                Self::Error { message: fields.text()? }
            }
            code::ERROR_MESSAGE => {
                request = fields.i64()?;
                fields.text()?;
                Self::Error { message: fields.text()? }
            }
            code => Self::Unknown { code },
        };
        Some((request, reply))
    }
}

/// The fields of a reply, decoded in order.
struct Fields(Bytes);

impl Fields {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4).map(|mut bytes| bytes.get_i32())
    }

    fn i64(&mut self) -> Option<i64> {
        self.take(8).map(|mut bytes| bytes.get_i64())
    }

    fn offset(&mut self) -> Option<u64> {
        u64::try_from(self.i64()?).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|mut byte| byte.get_u8() != 0)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.take(2)?.get_u16();
        self.take(usize::from(length)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

mod code {
    pub(super) const HELLO: i32 = -127;
    pub(super) const SETUP_APPEND: i32 = 1;
    pub(super) const APPEND_SETUP: i32 = 2;
    pub(super) const APPEND_BLOCK_END: i32 = 4;
    pub(super) const DATA_APPENDED: i32 = 7;
    pub(super) const CONDITIONAL_CHECK_FAILED: i32 = 8;
    pub(super) const READ_SEGMENT: i32 = 9;
    pub(super) const SEGMENT_READ: i32 = 10;
    pub(super) const GET_STREAM_SEGMENT_INFO: i32 = 11;
    pub(super) const STREAM_SEGMENT_INFO: i32 = 12;
    pub(super) const TRUNCATE_SEGMENT: i32 = 38;
    pub(super) const SEGMENT_TRUNCATED: i32 = 39;
    pub(super) const WRONG_HOST: i32 = 50;
    pub(super) const SEGMENT_IS_SEALED: i32 = 51;
    pub(super) const NO_SUCH_SEGMENT: i32 = 53;
    pub(super) const INVALID_EVENT_NUMBER: i32 = 55;
    pub(super) const SEGMENT_IS_TRUNCATED: i32 = 56;
    pub(super) const OPERATION_UNSUPPORTED: i32 = 57;
    pub(super) const AUTH_TOKEN_CHECK_FAILED: i32 = 60;
    pub(super) const ERROR_MESSAGE: i32 = 61;
    pub(super) const CONDITIONAL_BLOCK_END: i32 = 89;
    pub(super) const KEEP_ALIVE: i32 = 100;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(command: &Command<'_>, request: i64) -> Vec<u8> {
        command.encode(request).concat()
    }

    #[test]
    fn commands_are_encoded_as_the_server_expects() {
        assert_eq!(bytes(&Command::Hello, 0), [0xff, 0xff, 0xff, 0x81, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0, 0, 5]);
        let read = Command::Read { segment: "s/t/0", offset: 258, max_bytes: 9, token: "" };
        let mut expected = vec![0, 0, 0, 9, 0, 0, 0, 29, 0, 5];
        expected.extend(b"s/t/0");
        expected.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(bytes(&read, 7), expected);
        let append = Command::Append { writer: 1, number: 5, count: 2, frames: Bytes::from_static(b"abc") };
        let sent = bytes(&append, 3);
        assert_eq!((sent.len(), sent[7] as usize), (55, 55 - HEAD_BYTES));
        assert_eq!(sent[28..35], [0, 0, 0, 3, b'a', b'b', b'c']);
        assert_eq!(sent[35..], [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn a_longer_reply_of_a_later_version_is_decoded() {
        let mut fields = BytesMut::new();
        fields.put_i64(42);
        put_text(&mut fields, "s/t/0.#epoch.0");
        fields.put_slice(&[1, 0, 0]);
        fields.put_i64(0);
        fields.put_i64(90);
        fields.put_i64(10);
        fields.put_slice(b"what a later version adds");
        let info = Reply::Info { exists: true, sealed: false, head: 10, tail: 90 };
        assert_eq!(Reply::decode(code::STREAM_SEGMENT_INFO, &fields.freeze()), Some((42, info)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_reply_or_none(kind in -130i32..110, fields: Vec<u8>, head_bytes: [u8; 8]) {
            let _ = decode_head(head_bytes);
            let _ = Reply::decode(kind, &fields.into());
        }
    }
}
