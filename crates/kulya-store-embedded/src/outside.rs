//! The doors through which bytes from outside come in, for those who try them with any bytes: tests and fuzzers.

use crate::frame::{self, Found};
use crate::index;
use crate::op::Reader;

/// Frames around these bodies, as they would stand in a log file that begins with the first frame.
pub fn framed<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut log = Vec::new();
    for (sequence, body) in (1..).zip(bodies) {
        let mut bytes = frame::begin();
        bytes.extend(body);
        frame::seal(&mut bytes, sequence, sequence - 1);
        log.extend(bytes);
    }
    log
}

/// Reads frames, and looks for later ones where one is bad; gives how many were whole.
pub fn frames(mut bytes: &[u8]) -> usize {
    let mut whole = 0;
    loop {
        match frame::read(&mut bytes) {
            Ok(Found::Frame { .. }) => whole += 1,
            Ok(Found::Bad) => {
                let _ = frame::later_frame(bytes, whole as u64);
                return whole;
            }
            Ok(Found::End) | Err(_) => return whole,
        }
    }
}

/// Reads a frame's body; gives how many ops it has before its end or the first bytes that are none.
pub fn ops(body: &[u8]) -> usize {
    let mut reader = Reader::new(body);
    let mut ops = 0;
    while let Ok(Some(_)) = reader.next() {
        ops += 1;
    }
    ops
}

/// Reads what the index may hold: keys and values.
pub fn index_entry(key: &[u8], value: &[u8]) {
    let _ = index::segment_of(key);
    let _ = index::Stored::decode(&bytes::Bytes::copy_from_slice(value));
    let start = key.last_chunk::<8>().map_or(0, |start| u64::from_be_bytes(*start));
    if let Some(extents) = index::unpack(start, value) {
        assert_eq!(index::unpack(start, &index::pack(&extents)).as_deref(), Some(extents.as_slice()));
    }
}
