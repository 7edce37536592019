//! Events in bytes that come in pieces, as those of a compressed transaction do: each as a whole, or, of one
//! that is longer than a limit, the header.

use super::error::BinlogError;
use super::header::{EventHeader, HEADER_LENGTH};

type Result<T> = std::result::Result<T, BinlogError>;

/// Splits bytes into events.
#[derive(Debug)]
pub(crate) struct EventSplitter {
    /// The length up to which events are taken as a whole, in bytes.
    max_whole: usize,
    /// The event so far.
    bytes: Vec<u8>,
}

impl EventSplitter {
    pub(crate) fn new(max_whole: usize) -> Self {
        Self { max_whole, bytes: Vec::new() }
    }

    /// Whether the bytes so far end with an event.
    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes bytes from the front of `input`, up to the end of an event, or of the header of a long one,
    /// whose other bytes the caller takes. Returns them; `None` if the event goes on.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] for bytes that are no header.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>> {
        self.take(HEADER_LENGTH, input);
        if self.bytes.len() < HEADER_LENGTH {
            return Ok(None);
        }
        let length = EventHeader::decode(&self.bytes)?.length as usize;
        if length > self.max_whole {
            return Ok(Some(std::mem::take(&mut self.bytes)));
        }
        self.take(length, input);
        Ok((self.bytes.len() == length).then(|| std::mem::take(&mut self.bytes)))
    }

    /// Takes bytes until there are `length` of the event, as far as they are there.
    fn take(&mut self, length: usize, input: &mut &[u8]) {
        let missing = length.saturating_sub(self.bytes.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.bytes.extend_from_slice(taken);
        *input = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(length: usize) -> Vec<u8> {
        let mut event = vec![7; length];
        event[9..13].copy_from_slice(&(length as u32).to_le_bytes());
        event
    }

    proptest! {
        #[test]
        fn events_are_split_in_any_pieces(
            lengths in prop::collection::vec(HEADER_LENGTH..60, 0..9), piece in 1usize..40, max_whole in 19usize..60,
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| event(*length)).collect();
            let (mut splitter, mut found, mut passed) = (EventSplitter::new(max_whole), Vec::new(), 0);
            for mut piece in bytes.chunks(piece) {
                while !piece.is_empty() {
                    let skipped = piece.len().min(passed);
                    (passed, piece) = (passed - skipped, &piece[skipped..]);
                    if let Some(event) = splitter.next(&mut piece).unwrap() {
                        let length = EventHeader::decode(&event).unwrap().length as usize;
                        prop_assert_eq!(event.len(), if length > max_whole { HEADER_LENGTH } else { length });
                        passed = length - event.len();
                        found.push(length);
                    }
                }
            }
            prop_assert_eq!(found, lengths);
            prop_assert!(splitter.is_at_end());
        }

        #[test]
        fn any_bytes_are_events_or_not(bytes: Vec<u8>, piece in 1usize..40) {
            let mut splitter = EventSplitter::new(100);
            for mut piece in bytes.chunks(piece) {
                while !piece.is_empty() {
                    let before = piece.len();
                    let Ok(_) = splitter.next(&mut piece) else { return Ok(()) };
                    prop_assert!(piece.len() < before);
                }
            }
        }
    }
}
