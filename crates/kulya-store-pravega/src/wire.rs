//! The segment store's binary protocol, as functions from values to bytes and back: the commands that Kulya sends, and
//! the replies they get. No socket, no state.
//!
//! A command is `type i32 | length i32 | fields`, big-endian; text is a u16 length and its bytes. Later versions of the
//! protocol add fields at the end, so a reply may be longer than what is read of it here.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The version that Pravega 0.13 speaks, and the oldest that is enough.
const VERSION: (i32, i32) = (16, 5);
/// The longest command that either side takes.
pub(crate) const MAX_COMMAND_BYTES: usize = 0x00ff_ffff;
/// Type and length.
pub(crate) const HEAD_BYTES: usize = 8;
/// What a writer's last event number is before its first event.
pub(crate) const NO_EVENT_NUMBER: i64 = i64::MIN;

/// What is asked of a segment store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Hello,
    /// Says who will append to a segment; answered by the writer's last event number there.
    SetupAppend {
        writer: u128,
        segment: &'a str,
        token: &'a str,
    },
    /// Events that stand together or not at all; stored only if the writer's last number is what this connection knows.
    Append {
        writer: u128,
        number: i64,
        count: u32,
        frames: Bytes,
    },
    /// The same, and only if the segment ends at an offset.
    AppendAt {
        writer: u128,
        number: i64,
        offset: u64,
        frames: Bytes,
    },
    /// Bytes from an offset on. At the tail the answer waits for the next append, for a minute at the most.
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
    /// The command's bytes: what goes before the events, the events themselves, and what goes behind them.
    pub(crate) fn encode(&self, request: i64) -> [Bytes; 3] {
        let mut head = BytesMut::with_capacity(128);
        let mut tail = BytesMut::new();
        let mut events = Bytes::new();
        head.put_i64(0); // type and length, when they are known
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
                head.put_i32(0); // nothing came in a block before
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
    // segment names and tokens are ASCII, and names are bounded where they are made
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

/// What a segment store answers.
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
    /// Stored; the segment now ends at `tail` (or did, just behind these events).
    Appended {
        tail: u64,
    },
    /// The segment does not end where [`Command::AppendAt`] said.
    Moved,
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
    /// Another connection has written under this writer's name.
    InvalidEventNumber,
    Sealed,
    NoSuchSegment,
    /// What was asked for lies before the segment's head.
    BeforeHead {
        head: u64,
    },
    WrongHost,
    AuthFailed,
    /// Anything else that says no.
    Refused {
        what: String,
    },
    /// Something that this client never asks for.
    Unknown {
        code: i32,
    },
}

/// The type and the length of the fields behind a command's head; `None` when that cannot be.
pub(crate) fn head(bytes: [u8; HEAD_BYTES]) -> Option<(i32, usize)> {
    let mut bytes = &bytes[..];
    let code = bytes.get_i32();
    let length = usize::try_from(bytes.get_i32()).ok()?;
    (length <= MAX_COMMAND_BYTES).then_some((code, length))
}

impl Reply {
    /// Reads a reply's fields: which request it answers, and what it says. `None` when the bytes are not whole.
    pub(crate) fn decode(code: i32, fields: &Bytes) -> Option<(i64, Self)> {
        let mut at = Fields(fields.clone());
        let mut request = 0;
        let reply = match code {
            code::HELLO => Self::Hello { high: at.i32()?, low: at.i32()? },
            code::KEEP_ALIVE => Self::KeepAlive,
            code::APPEND_SETUP => {
                request = at.i64()?;
                at.text()?;
                at.take(16)?;
                Self::AppendSetup { last_number: at.i64()? }
            }
            code::DATA_APPENDED => {
                at.take(16 + 8 + 8)?;
                request = at.i64()?;
                Self::Appended { tail: at.offset()? }
            }
            code::CONDITIONAL_CHECK_FAILED => {
                at.take(16 + 8)?;
                request = at.i64()?;
                Self::Moved
            }
            code::SEGMENT_READ => {
                at.text()?;
                let offset = at.offset()?;
                at.take(1)?; // whether this is the tail: not always known to the server
                let end_of_segment = at.flag()?;
                let length = usize::try_from(at.i32()?).ok()?;
                let bytes = at.take(length)?;
                request = at.i64()?;
                Self::Read { offset, end_of_segment, bytes }
            }
            code::STREAM_SEGMENT_INFO => {
                request = at.i64()?;
                at.text()?;
                let (exists, sealed, deleted) = (at.flag()?, at.flag()?, at.flag()?);
                at.take(8)?;
                let tail = at.offset()?;
                let head = at.offset()?;
                Self::Info { exists: exists && !deleted, sealed, head, tail }
            }
            code::SEGMENT_TRUNCATED => {
                request = at.i64()?;
                Self::Truncated
            }
            code::INVALID_EVENT_NUMBER => {
                at.take(16)?;
                request = at.i64()?;
                Self::InvalidEventNumber
            }
            code::SEGMENT_IS_TRUNCATED => {
                request = at.i64()?;
                at.text()?;
                Self::BeforeHead { head: at.offset()? }
            }
            code::WRONG_HOST
            | code::SEGMENT_IS_SEALED
            | code::NO_SUCH_SEGMENT
            | code::AUTH_TOKEN_CHECK_FAILED => {
                request = at.i64()?;
                match code {
                    code::WRONG_HOST => Self::WrongHost,
                    code::SEGMENT_IS_SEALED => Self::Sealed,
                    code::NO_SUCH_SEGMENT => Self::NoSuchSegment,
                    _ => Self::AuthFailed,
                }
            }
            code::OPERATION_UNSUPPORTED => {
                request = at.i64()?;
                Self::Refused { what: at.text()? }
            }
            code::ERROR_MESSAGE => {
                request = at.i64()?;
                at.text()?;
                Self::Refused { what: at.text()? }
            }
            code => Self::Unknown { code },
        };
        Some((request, reply))
    }
}

/// The fields of a reply, taken one after the other.
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
    fn commands_are_laid_out_as_the_server_reads_them() {
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
    fn a_longer_reply_of_a_later_version_is_read() {
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
        fn any_bytes_are_a_reply_or_none(kind in -130i32..110, fields: Vec<u8>, front: [u8; 8]) {
            let _ = head(front);
            let _ = Reply::decode(kind, &fields.into());
        }
    }
}
