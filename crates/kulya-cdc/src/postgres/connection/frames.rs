//! The frames of PostgreSQL's protocol (PostgreSQL documentation, "Message Formats"), taken from the bytes
//! that have arrived. A frame of any size takes bounded memory: of one that is larger than an event can be,
//! only the beginning is kept.

use bytes::{Buf, Bytes, BytesMut};

/// The size up to which frames are kept whole, in bytes. Bytes, the type whose text is longest compared with
/// its JSON, fill an event of 8 MiB with a text of 12.
const MAX_WHOLE_BYTES: usize = 12 << 20;
/// The size from which a frame gets memory of its own, in bytes.
const LARGE_BYTES: usize = 512 << 10;
/// The number of bytes that are kept of a larger frame: its kind, its table, and mostly its key.
const HEAD_BYTES: usize = 64 << 10;
/// The maximum size of a frame in bytes; the server's own limit of a message.
const MAX_FRAME_BYTES: usize = 1 << 30;

/// A frame: a type and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tag: u8,
    pub(crate) payload: Bytes,
    /// The payload's whole length, if only its beginning was kept.
    pub(crate) cut_from: Option<usize>,
}

/// A frame's length is not possible: the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidLength(pub(crate) u32);

/// The bytes that have arrived.
#[derive(Debug, Default)]
pub(super) struct FrameBuffer {
    pub(super) bytes: BytesMut,
    cut: Option<CutFrame>,
}

/// A frame whose rest is thrown away when it arrives.
#[derive(Debug)]
struct CutFrame {
    frame: Frame,
    missing: usize,
}

impl FrameBuffer {
    /// Takes the next frame; `None` when it has not arrived wholly.
    ///
    /// # Errors
    /// A length that no frame has.
    pub(super) fn take(&mut self) -> Result<Option<Frame>, InvalidLength> {
        if let Some(cut) = &mut self.cut {
            let arrived = cut.missing.min(self.bytes.len());
            self.bytes.advance(arrived);
            cut.missing -= arrived;
            if cut.missing > 0 {
                return Ok(None);
            }
            return Ok(self.cut.take().map(|cut| cut.frame));
        }
        let Some((&tag, rest)) = self.bytes.split_first() else { return Ok(None) };
        let Some(Ok(length)) = rest.get(..4).map(<[u8; 4]>::try_from) else { return Ok(None) };
        let length = u32::from_be_bytes(length);
        let size = length as usize + 1;
        if !(5..=MAX_FRAME_BYTES).contains(&size) {
            return Err(InvalidLength(length));
        }
        if size > MAX_WHOLE_BYTES {
            return self.take_head(tag, size);
        }
        if self.bytes.len() < size {
            return Ok(None);
        }
        let mut frame = self.bytes.split_to(size);
        frame.advance(5);
        if size > LARGE_BYTES {
            // otherwise the buffer would keep the memory of the frame
            self.bytes = BytesMut::from(&*self.bytes);
        }
        Ok(Some(Frame { tag, payload: frame.freeze(), cut_from: None }))
    }

    /// Makes room for what is read next: the rest of a frame, but at least `bytes`.
    pub(super) fn reserve(&mut self, bytes: usize) {
        // not before: memory that was used is resident even if nothing is written to it
        self.bytes.reserve(self.wanted_bytes().saturating_sub(self.bytes.len()).max(bytes));
    }

    /// Returns the size of the frame of which only a part has arrived, as far as it will be kept, in bytes; 0
    /// if it is not known.
    pub(super) fn wanted_bytes(&self) -> usize {
        let length = self.bytes.get(1..5).and_then(|length| <[u8; 4]>::try_from(length).ok());
        let size = length.map_or(0, |length| u32::from_be_bytes(length) as usize + 1);
        match &self.cut {
            None if size <= MAX_WHOLE_BYTES => size,
            _ => 0,
        }
    }

    /// Returns the type of the next frame, if it has arrived.
    pub(super) fn next_tag(&self) -> Option<u8> {
        self.bytes.first().copied().filter(|_| self.cut.is_none())
    }

    fn take_head(&mut self, tag: u8, size: usize) -> Result<Option<Frame>, InvalidLength> {
        if self.bytes.len() < HEAD_BYTES {
            return Ok(None);
        }
        let payload = Bytes::copy_from_slice(self.bytes.get(5..HEAD_BYTES).unwrap_or_default());
        self.bytes.advance(HEAD_BYTES);
        let frame = Frame { tag, payload, cut_from: Some(size - 5) };
        self.cut = Some(CutFrame { frame, missing: size - HEAD_BYTES });
        self.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffer(bytes: &[u8]) -> FrameBuffer {
        FrameBuffer { bytes: bytes.into(), cut: None }
    }

    fn whole(tag: u8, payload: &'static [u8]) -> Frame {
        Frame { tag, payload: Bytes::from_static(payload), cut_from: None }
    }

    #[test]
    fn frames_are_taken_when_they_are_whole() {
        let mut buffer = buffer(b"Z\0\0\0\x05Id\0\0\0\x06a");
        assert_eq!(buffer.take(), Ok(Some(whole(b'Z', b"I"))));
        assert_eq!(buffer.take(), Ok(None), "a byte is missing");
        buffer.bytes.extend_from_slice(b"bX");
        assert_eq!(buffer.take(), Ok(Some(whole(b'd', b"ab"))));
        assert_eq!(buffer.take(), Ok(None), "only a tag");
        for length in [0u32, 3, 1 << 30] {
            let bytes = [b"d", &length.to_be_bytes()[..]].concat();
            assert_eq!(self::buffer(&bytes).take(), Err(InvalidLength(length)));
        }
    }

    #[test]
    fn beginning_of_a_frame_tells_its_size() {
        let mut buffer = buffer(b"d\0\x10\0");
        assert_eq!((buffer.wanted_bytes(), buffer.next_tag()), (0, Some(b'd')));
        buffer.bytes.extend_from_slice(b"\0");
        assert_eq!(buffer.take(), Ok(None));
        assert_eq!(buffer.wanted_bytes(), (1 << 20) + 1);
        let large = self::buffer(b"d\x10\0\0\0");
        assert_eq!(large.wanted_bytes(), 0, "it will be cut");
        assert_eq!(self::buffer(b"").next_tag(), None);
    }

    #[test]
    fn memory_of_a_large_frame_is_its_own() {
        let length = LARGE_BYTES + 4;
        let content = vec![7; length - 4];
        let mut buffer =
            buffer(&[b"d", &(length as u32).to_be_bytes()[..], &content, b"Z\0\0\0\x05I"].concat());
        assert_eq!(buffer.take().unwrap().unwrap().payload, content);
        assert!(buffer.bytes.capacity() < 100, "{}", buffer.bytes.capacity());
        assert_eq!(buffer.take(), Ok(Some(whole(b'Z', b"I"))), "the next frame");
    }

    #[test]
    fn large_frames_are_cut() {
        let length = MAX_WHOLE_BYTES + 4;
        let mut buffer = buffer(&[b"d", &(length as u32).to_be_bytes()[..]].concat());
        let mut sent = 4;
        let frame = loop {
            match buffer.take().unwrap() {
                Some(frame) => break frame,
                None => buffer.bytes.extend_from_slice(&vec![7; 100_000.min(length - sent)]),
            }
            sent = (sent + 100_000).min(length);
            assert!(buffer.bytes.capacity() < 1 << 20);
        };
        assert_eq!((frame.cut_from, frame.payload.len()), (Some(length - 4), HEAD_BYTES - 5));
        buffer.bytes.extend_from_slice(b"Z\0\0\0\x05I");
        assert_eq!(buffer.take(), Ok(Some(whole(b'Z', b"I"))), "the next frame");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_rejected(bytes: Vec<u8>) {
            let mut buffer = buffer(&bytes);
            while let Ok(Some(_)) = buffer.take() {}
            prop_assert!(buffer.bytes.capacity() < MAX_WHOLE_BYTES + 2 * bytes.len() + 64);
        }
    }
}
