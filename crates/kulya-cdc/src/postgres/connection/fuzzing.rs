//! Fuzz entry point for the bytes of a connection: frames, replies during its start, and the messages of a
//! replication stream.

use super::frames::{Frame, FrameBuffer};
use super::replication::message::{StreamMessage, parse_stream_message};
use super::server_error::ServerError;
use super::startup::{Purpose, Startup};
use crate::postgres::settings::Target;
use bytes::Bytes;

/// Takes frames out of bytes that arrive in chunks, which must give the same frames as all bytes at once.
/// Passes the data of the stream to `visit`.
pub(crate) fn read(bytes: &[u8], target: &Target, mut visit: impl FnMut(&[u8])) {
    let frames = frames(bytes, bytes.len().max(1));
    let chunk = bytes.first().map_or(1, |byte| usize::from(*byte % 17) + 1);
    assert_eq!(self::frames(bytes, chunk), frames);
    let mut startup = Startup::new(target, Purpose::Replication);
    for frame in frames {
        assert!(frame.payload.len() <= bytes.len());
        let _ = ServerError::parse(&frame.payload).to_string();
        // SCRAM's first message is random
        if !frame.payload.starts_with(b"\0\0\0\x0a") {
            let _ = startup.on_frame(frame.clone());
        }
        if let Some(StreamMessage::Data { data, .. }) = parse_stream_message(frame) {
            visit(&data);
        }
    }
}

/// Returns the frames up to the first invalid length.
fn frames(bytes: &[u8], chunk: usize) -> Vec<Frame> {
    let mut buffer = FrameBuffer::default();
    let mut frames = Vec::new();
    for chunk in bytes.chunks(chunk) {
        buffer.bytes.extend_from_slice(chunk);
        loop {
            match buffer.take() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => {
                    // what arrives afterwards is not read
                    frames.push(Frame { tag: 0, payload: Bytes::new(), cut_from: None });
                    return frames;
                }
            }
        }
    }
    frames
}
