//! An event that is read in pieces: what is left of it, and its checksum. Only its header is kept.

use super::error::BinlogError;
use super::event_type::EventType;
use super::format::{CHECKSUM_LENGTH, Checksum};
use super::header::{EventHeader, HEADER_LENGTH};
use flate2::Crc;

type Result<T> = std::result::Result<T, BinlogError>;

/// An event whose pieces arrive.
pub(crate) struct LargeEvent {
    header: EventHeader,
    /// The number of bytes so far.
    read: usize,
    /// Where the checksum begins.
    content_end: usize,
    /// The checksum of the content so far, if events have one.
    crc: Option<Crc>,
    stored: Vec<u8>,
}

impl LargeEvent {
    /// Begins an event with its first bytes, which are to be handed to [`Self::body`] too.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] if they have no whole header.
    pub(crate) fn begin(first: &[u8], checksum: Checksum) -> Result<Self> {
        let header = EventHeader::decode(first)?;
        let has_checksum = checksum == Checksum::Crc32;
        let checksum_length = if has_checksum { CHECKSUM_LENGTH } else { 0 };
        let content_end = (header.length as usize).checked_sub(checksum_length);
        let content_end = content_end.filter(|end| *end >= HEADER_LENGTH);
        Ok(Self {
            header,
            read: 0,
            content_end: content_end.ok_or(BinlogError::malformed("the header"))?,
            crc: has_checksum.then(Crc::new),
            stored: Vec::new(),
        })
    }

    pub(crate) fn header(&self) -> EventHeader {
        self.header
    }

    /// Returns which bytes of the next piece are the event's, without header and checksum.
    pub(crate) fn body<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let content = piece.len().min(self.content_end.saturating_sub(self.read));
        let (content, checksum) = piece.split_at(content);
        let header = HEADER_LENGTH.saturating_sub(self.read).min(content.len());
        self.read += piece.len();
        if let Some(crc) = &mut self.crc {
            crc.update(content);
            // a malformed event may have any number of bytes behind its content
            let missing = (CHECKSUM_LENGTH + 1).saturating_sub(self.stored.len());
            self.stored.extend(checksum.iter().take(missing));
        }
        content.get(header..).unwrap_or_default()
    }

    /// Whether the body is complete.
    pub(crate) fn is_body_complete(&self) -> bool {
        self.read >= self.content_end
    }

    /// Checks the event's length and checksum.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] or [`BinlogError::Checksum`].
    pub(crate) fn end(&self) -> Result<()> {
        if self.read != self.header.length as usize {
            return Err(BinlogError::malformed("the header"));
        }
        let Some(crc) = &self.crc else { return Ok(()) };
        let stored = <[u8; CHECKSUM_LENGTH]>::try_from(&self.stored[..]);
        let stored = stored.map_err(|_| BinlogError::malformed("the checksum"))?;
        let (computed, stored) = (crc.sum(), u32::from_le_bytes(stored));
        let event = self.header.event_type;
        (computed == stored).then_some(()).ok_or(BinlogError::Checksum { event, computed, stored })
    }
}

/// What an event that is read in pieces is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LargeKind {
    /// Rows.
    Rows,
    /// A compressed transaction.
    Payload,
    /// The text of a statement whose rows follow.
    Statement,
    /// An event without meaning for capture.
    Ignored,
}

impl LargeKind {
    /// Returns the kind of an event; `None` for those that can only be read as a whole.
    pub(super) fn of(event: EventType) -> Option<Self> {
        Some(match event {
            EventType::TRANSACTION_PAYLOAD => Self::Payload,
            EventType::ROWS_QUERY | EventType::ANNOTATE_ROWS => Self::Statement,
            _ if super::rows::Layout::of(event).is_some() => Self::Rows,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(body: &[u8], checksum: Checksum) -> Vec<u8> {
        let mut event = vec![0; HEADER_LENGTH];
        let checksum_length = if checksum == Checksum::Crc32 { CHECKSUM_LENGTH } else { 0 };
        let length = (HEADER_LENGTH + body.len() + checksum_length) as u32;
        event[9..13].copy_from_slice(&length.to_le_bytes());
        event.extend_from_slice(body);
        if checksum == Checksum::Crc32 {
            let mut crc = Crc::new();
            crc.update(&event);
            event.extend_from_slice(&crc.sum().to_le_bytes());
        }
        event
    }

    fn read(event: &[u8], first: usize, piece: usize, checksum: Checksum) -> Result<Vec<u8>> {
        let (first, rest) = event.split_at(first.min(event.len()));
        let mut large = LargeEvent::begin(first, checksum)?;
        let mut body = large.body(first).to_vec();
        for piece in rest.chunks(piece) {
            body.extend_from_slice(large.body(piece));
        }
        large.end().map(|()| body)
    }

    proptest! {
        #[test]
        fn bodies_are_read_in_any_pieces(
            body in prop::collection::vec(any::<u8>(), 0..200), first in HEADER_LENGTH..60, piece in 1usize..50,
        ) {
            for checksum in [Checksum::Off, Checksum::Crc32] {
                let event = event(&body, checksum);
                let found = read(&event, first, piece, checksum).unwrap();
                prop_assert_eq!(&found, &body);
                prop_assert!(read(&event[..event.len() - 1], first, piece, checksum).is_err());
                prop_assert!(read(&[&event[..], b"x"].concat(), first, piece, checksum).is_err());
            }
            let mut event = event(&body, Checksum::Crc32);
            *event.last_mut().unwrap() ^= 1;
            let error = read(&event, first, piece, Checksum::Crc32).unwrap_err();
            let is_checksum = matches!(error, BinlogError::Checksum { .. });
            prop_assert!(is_checksum);
        }

        #[test]
        fn any_bytes_are_an_event_or_not(bytes: Vec<u8>, first in 0usize..40, piece in 1usize..9) {
            for checksum in [Checksum::Off, Checksum::Crc32] {
                let _ = read(&bytes, first, piece, checksum);
            }
        }
    }
}
