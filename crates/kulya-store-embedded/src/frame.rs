//! The frame: what one group commit appends to the log, as a whole or not at all.
//!
//! `magic u32 | body length u32 | crc32c u32 | sequence u64 | synced u64 | body`, big-endian. The checksum covers
//! everything behind it. Sequences rise by one from frame to frame over all files, so that a lost frame is noticed.
//! `synced` is the sequence up to which the log was synced when the frame was written: damage before it is a hole.

use std::io::{self, Read};

/// `KLG1`.
pub(crate) const MAGIC: u32 = 0x4b4c_4731;
/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 28;
/// A frame's body is never longer; a longer announcement is damage.
pub(crate) const MAX_BODY_BYTES: usize = 256 << 20;

/// Room that is made for a body before it is there.
const BODY_ROOM: usize = 2 << 20;

/// A frame's bytes under construction: room for the header in front, ops behind.
pub(crate) fn begin() -> Vec<u8> {
    begin_in(Vec::new())
}

/// The same in a buffer that may have been used before.
pub(crate) fn begin_in(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.resize(HEADER_BYTES, 0);
    buffer
}

/// Fills in the header once the ops are there.
pub(crate) fn seal(frame: &mut [u8], sequence: u64, synced: u64) {
    let body = (frame.len() - HEADER_BYTES) as u32;
    let (header, _) = frame.split_at_mut(HEADER_BYTES);
    header[0..4].copy_from_slice(&MAGIC.to_be_bytes());
    header[4..8].copy_from_slice(&body.to_be_bytes());
    header[12..20].copy_from_slice(&sequence.to_be_bytes());
    header[20..28].copy_from_slice(&synced.to_be_bytes());
    let checksum = crc32c::crc32c(&frame[12..]);
    frame[8..12].copy_from_slice(&checksum.to_be_bytes());
}

/// What stands at one place of a log file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole frame.
    Frame { sequence: u64, synced: u64, body: Vec<u8> },
    /// The end of the file, exactly behind a frame.
    End,
    /// Bytes that are no whole frame.
    Bad,
}

/// Reads the next frame. Only an error of the disk is an error here.
pub(crate) fn read(input: &mut impl Read) -> io::Result<Found> {
    let mut header = [0u8; HEADER_BYTES];
    match read_up_to(input, &mut header)? {
        0 => return Ok(Found::End),
        HEADER_BYTES => {}
        _ => return Ok(Found::Bad),
    }
    let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3, numbers @ ..] = header;
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    if u32::from_be_bytes([m0, m1, m2, m3]) != MAGIC || length > MAX_BODY_BYTES {
        return Ok(Found::Bad);
    }
    // a wrong length costs no more memory than this, or than the file has bytes
    let mut body = Vec::with_capacity(length.min(BODY_ROOM));
    input.take(length as u64).read_to_end(&mut body)?;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&numbers), &body);
    if body.len() != length || checksum != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Ok(Found::Bad);
    }
    let numbers = u128::from_be_bytes(numbers);
    Ok(Found::Frame { sequence: (numbers >> 64) as u64, synced: numbers as u64, body })
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Whether a whole frame begins anywhere in `bytes` that was written when more than `last` was synced already: then
/// what went wrong before it is a hole, and not the torn end of writes that nobody had synced.
pub(crate) fn later_frame(bytes: &[u8], last: u64) -> Option<usize> {
    let magic = MAGIC.to_be_bytes();
    bytes.windows(4).enumerate().filter(|(_, window)| *window == magic).map(|(at, _)| at).find(|at| {
        let mut rest = bytes.get(*at..).unwrap_or_default();
        matches!(read(&mut rest), Ok(Found::Frame { sequence, synced, .. }) if sequence > last && synced > last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(sequence: u64, body: &[u8]) -> Vec<u8> {
        let mut frame = begin();
        frame.extend(body);
        seal(&mut frame, sequence, sequence - 1);
        frame
    }

    #[test]
    fn a_frame_reads_back_and_every_damage_is_seen() {
        let whole = frame(7, b"some ops");
        assert_eq!(
            read(&mut whole.as_slice()).unwrap(),
            Found::Frame { sequence: 7, synced: 6, body: b"some ops".to_vec() }
        );
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(read(&mut damaged.as_slice()).unwrap(), Found::Bad, "byte {at}");
            let cut = if at == 0 { Found::End } else { Found::Bad };
            assert_eq!(read(&mut &whole[..at]).unwrap(), cut, "cut at {at}");
        }
        assert_eq!(later_frame(&[b"xx".to_vec(), whole.clone()].concat(), 5), Some(2));
        assert_eq!(later_frame(&whole, 6), None, "it was written before frame 7 itself was synced");
        assert_eq!(later_frame(&whole, 7), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_bad(bytes: Vec<u8>) {
            let _ = read(&mut bytes.as_slice());
            let _ = later_frame(&bytes, 0);
        }
    }
}
