//! The stored form of operators' state: entries of a commit in frames, each an event of a view's log.
//!
//! A frame is a head, bytes of entries, and a CRC-32C of both. The head is the version of the format, the
//! kind of the commit, flags, and the number of the commit as eight bytes, the lowest first. An entry is the
//! number of its node, the length of its key, the key, and the length of its value plus one with the value
//! behind it, or zero if the entry is removed. Numbers are in groups of seven bits, the lowest first. Entries
//! do not cross frames, except that one that is larger than a frame has several, which but for the last are
//! marked.

use bytes::Bytes;

/// The version of the format.
const VERSION: u8 = 1;
/// The size of a frame, in bytes, from which on another one begins.
const FRAME_BYTES: usize = 1 << 20;
/// The largest entry, in bytes.
pub(crate) const MAX_ENTRY_BYTES: usize = 256 << 20;

const HEAD_BYTES: usize = 11;
const CHECKSUM_BYTES: usize = 4;
/// The entry goes on in the next frame.
const CONTINUES: u8 = 1;
/// The frame is the last one of its commit.
const LAST: u8 = 2;

/// What the entries of a commit are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Those that changed.
    Changes,
    /// All of them: what was before is replaced.
    Snapshot,
}

impl FrameKind {
    fn code(self) -> u8 {
        match self {
            Self::Changes => 1,
            Self::Snapshot => 2,
        }
    }
}

/// Why a frame cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("it has version {0}, and this program reads version {VERSION}")]
    Version(u8),
    #[error("its checksum does not match")]
    Checksum,
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("an entry has more than {MAX_ENTRY_BYTES} bytes")]
    TooLarge,
}

/// Writes the entries of one commit.
pub(crate) struct FrameWriter {
    kind: FrameKind,
    commit: u64,
    frame: Vec<u8>,
    frames: Vec<Bytes>,
    is_too_large: bool,
}

impl FrameWriter {
    /// Begins the frames of a commit with this number.
    pub(crate) fn new(kind: FrameKind, commit: u64) -> Self {
        Self { kind, commit, frame: Vec::new(), frames: Vec::new(), is_too_large: false }
    }

    /// Adds an entry; without a value it is removed.
    pub(crate) fn push(&mut self, node: u32, key: &[u8], value: Option<&[u8]>) {
        let size = key.len() + value.map_or(0, <[u8]>::len) + 16;
        if !self.frame.is_empty() && self.frame.len() + size > FRAME_BYTES {
            self.flush(0);
        }
        self.is_too_large |= size > MAX_ENTRY_BYTES;
        put_number(&mut self.frame, u64::from(node));
        put_number(&mut self.frame, key.len() as u64);
        self.frame.extend_from_slice(key);
        match value {
            None => self.frame.push(0),
            Some(value) => {
                put_number(&mut self.frame, value.len() as u64 + 1);
                self.frame.extend_from_slice(value);
            }
        }
        while self.frame.len() > FRAME_BYTES {
            let rest = self.frame.split_off(FRAME_BYTES);
            self.flush(CONTINUES);
            self.frame = rest;
        }
    }

    fn flush(&mut self, flags: u8) {
        let mut event = Vec::with_capacity(HEAD_BYTES + self.frame.len() + CHECKSUM_BYTES);
        event.extend([VERSION, self.kind.code(), flags]);
        event.extend(self.commit.to_le_bytes());
        event.append(&mut self.frame);
        let checksum = crc32c::crc32c(&event);
        event.extend(checksum.to_le_bytes());
        self.frames.push(event.into());
    }

    /// Returns the frames; none if there are no entries and it is no snapshot.
    ///
    /// # Errors
    /// `TooLarge` for an entry that could not be read again.
    pub(crate) fn finish(mut self) -> Result<Vec<Bytes>, FrameError> {
        if self.is_too_large {
            return Err(FrameError::TooLarge);
        }
        if !self.frames.is_empty() || !self.frame.is_empty() || self.kind == FrameKind::Snapshot {
            self.flush(LAST);
        }
        Ok(self.frames)
    }
}

/// Reads the frames of commits, in order.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// The commit whose frames are being read, and the number of the last one.
    open: Option<FrameKind>,
    commit: u64,
    /// The bytes of an entry that is larger than a frame.
    pending: Vec<u8>,
}

impl FrameReader {
    /// Reads a frame, and passes its entries on: the number of the node, the key, and the value or that the
    /// entry is removed.
    ///
    /// # Errors
    /// That the bytes are no frame that can follow, or the first error of `sink`.
    pub(crate) fn read<E: From<FrameError>>(
        &mut self,
        event: &[u8],
        mut sink: impl FnMut(u32, &[u8], Option<&[u8]>) -> Result<(), E>,
    ) -> Result<FrameKind, E> {
        let (kind, flags, commit, payload) = split(event)?;
        match self.open {
            Some(open) if (open, self.commit) != (kind, commit) => {
                return Err(FrameError::Damaged("a commit is not complete").into());
            }
            None if commit <= self.commit => {
                return Err(FrameError::Damaged("commits are not in order").into());
            }
            _ => (self.open, self.commit) = (Some(kind), commit),
        }
        if flags & CONTINUES != 0 {
            if self.pending.len() + payload.len() > MAX_ENTRY_BYTES {
                return Err(FrameError::TooLarge.into());
            }
            self.pending.extend_from_slice(payload);
            return Ok(kind);
        }
        if self.pending.is_empty() {
            read_entries(payload, &mut sink)?;
        } else {
            let mut entries = std::mem::take(&mut self.pending);
            entries.extend_from_slice(payload);
            read_entries(&entries, &mut sink)?;
        }
        if flags & LAST != 0 {
            self.open = None;
        }
        Ok(kind)
    }

    /// Checks that the last commit is complete, and returns its number.
    ///
    /// # Errors
    /// `Damaged` if it is not.
    pub(crate) fn end(&self) -> Result<u64, FrameError> {
        match self.open {
            None => Ok(self.commit),
            Some(_) => Err(FrameError::Damaged("the last commit is not complete")),
        }
    }
}

fn split(event: &[u8]) -> Result<(FrameKind, u8, u64, &[u8]), FrameError> {
    let short = FrameError::Damaged("it is too short");
    let (framed, checksum) = event.split_last_chunk::<CHECKSUM_BYTES>().ok_or(short.clone())?;
    let (head, payload) = framed.split_first_chunk::<HEAD_BYTES>().ok_or(short)?;
    let [version, kind, flags, commit @ ..] = *head;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    if crc32c::crc32c(framed) != u32::from_le_bytes(*checksum) {
        return Err(FrameError::Checksum);
    }
    let kind = match kind {
        1 => FrameKind::Changes,
        2 => FrameKind::Snapshot,
        _ => return Err(FrameError::Damaged("its kind is not known")),
    };
    if flags & !(CONTINUES | LAST) != 0 || flags == CONTINUES | LAST {
        return Err(FrameError::Damaged("its flags are not known"));
    }
    Ok((kind, flags, u64::from_le_bytes(commit), payload))
}

fn read_entries<E: From<FrameError>>(
    mut rest: &[u8],
    sink: &mut impl FnMut(u32, &[u8], Option<&[u8]>) -> Result<(), E>,
) -> Result<(), E> {
    while !rest.is_empty() {
        let node = number(&mut rest)?;
        let node =
            u32::try_from(node).map_err(|_| FrameError::Damaged("the number of a node is too large"))?;
        let length = number(&mut rest)?;
        let key = take(&mut rest, length)?;
        let value = match number(&mut rest)?.checked_sub(1) {
            None => None,
            Some(length) => Some(take(&mut rest, length)?),
        };
        sink(node, key, value)?;
    }
    Ok(())
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(rest: &mut &[u8]) -> Result<u64, FrameError> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, others) = rest.split_first().ok_or(FrameError::Damaged("an entry is truncated"))?;
        *rest = others;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    Err(FrameError::Damaged("a number is too long"))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], FrameError> {
    let length = usize::try_from(length).map_err(|_| FrameError::TooLarge)?;
    let (bytes, others) =
        rest.split_at_checked(length).ok_or(FrameError::Damaged("an entry is truncated"))?;
    *rest = others;
    Ok(bytes)
}

/// Reads arbitrary events, each behind its length in two bytes, for fuzzing. They have right checksums, which
/// a fuzzer does not find.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_any(bytes: &[u8]) {
    let (mut reader, mut rest) = (FrameReader::default(), bytes);
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (event, behind) = behind.split_at(length);
        rest = behind;
        let mut event = event.to_vec();
        event.extend(crc32c::crc32c(&event).to_le_bytes());
        let mut size = 0;
        let read = reader.read(&event, |_, key, value| {
            size += key.len() + value.map_or(0, <[u8]>::len);
            Ok::<_, FrameError>(())
        });
        if read.is_err() {
            return;
        }
        assert!(size <= bytes.len(), "entries of {size} bytes in {}", bytes.len());
    }
    drop(reader.end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Entry = (u32, Vec<u8>, Option<Vec<u8>>);

    fn frames(kind: FrameKind, commit: u64, entries: &[Entry]) -> Vec<Bytes> {
        let mut writer = FrameWriter::new(kind, commit);
        entries.iter().for_each(|(node, key, value)| writer.push(*node, key, value.as_deref()));
        writer.finish().unwrap()
    }

    fn read(events: &[Bytes]) -> Result<Vec<Entry>, FrameError> {
        let (mut reader, mut entries) = (FrameReader::default(), Vec::new());
        for event in events {
            reader.read(event, |node, key, value| {
                entries.push((node, key.to_vec(), value.map(<[u8]>::to_vec)));
                Ok::<_, FrameError>(())
            })?;
        }
        reader.end()?;
        Ok(entries)
    }

    proptest! {
        #[test]
        fn entries_are_read_back(entries in proptest::collection::vec(
            (any::<u32>(), any::<Vec<u8>>(), any::<Option<Vec<u8>>>()), 0..20,
        )) {
            prop_assert_eq!(read(&frames(FrameKind::Changes, 1, &entries)).unwrap(), entries);
        }

        #[test]
        fn damage_is_an_error(place in any::<usize>(), flip in 1..=255u8) {
            let entries = vec![(7, b"key".to_vec(), Some(b"value".to_vec()))];
            let mut event = frames(FrameKind::Snapshot, 1, &entries).remove(0).to_vec();
            let place = place % event.len();
            event[place] ^= flip;
            prop_assert!(read(&[event.into()]).is_err());
        }
    }

    #[test]
    fn a_large_entry_has_several_frames() {
        let large = (1, b"k".to_vec(), Some(vec![5; 3 * FRAME_BYTES]));
        let small = (2, b"l".to_vec(), None);
        let entries = vec![small.clone(), large, small];
        let events = frames(FrameKind::Changes, 1, &entries);
        assert!(events.len() >= 5 && events.iter().all(|event| event.len() < FRAME_BYTES + 64));
        assert_eq!(read(&events).unwrap(), entries);
        assert_eq!(read(&events[..3]), Err(FrameError::Damaged("the last commit is not complete")));
        let other = frames(FrameKind::Changes, 2, &entries);
        let mixed = [events[..2].to_vec(), other.clone()].concat();
        assert_eq!(read(&mixed), Err(FrameError::Damaged("a commit is not complete")));
        let twice = [other, events].concat();
        assert_eq!(read(&twice), Err(FrameError::Damaged("commits are not in order")));
    }

    #[test]
    fn a_commit_without_changes_has_no_frame() {
        assert!(frames(FrameKind::Changes, 1, &[]).is_empty());
        assert_eq!(frames(FrameKind::Snapshot, 1, &[]).len(), 1);
    }
}
