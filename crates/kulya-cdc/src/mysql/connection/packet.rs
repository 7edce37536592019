//! Packets: a message of the protocol is one or more packets of at most 16 MiB, each with its length and a
//! sequence number. This module splits the connection's bytes into the messages' pieces, and collects pieces
//! to whole messages; it does no input or output.

use bytes::{Buf, Bytes, BytesMut};
use std::mem;
use thiserror::Error;

/// Bytes of a packet's header.
pub(super) const HEADER_BYTES: usize = 4;
/// Payload of a packet after which another one continues the message.
pub(super) const MAX_PAYLOAD: usize = 0xff_ffff;
/// Maximum size of a piece. A shorter packet is one piece.
pub(super) const MAX_PIECE: usize = 64 * 1024;

/// Bytes that are no packets, or a message beyond its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum PacketError {
    #[error("packet {found} arrived instead of packet {expected}")]
    Sequence { expected: u8, found: u8 },
    #[error("a message of at least {bytes} bytes exceeds the limit of {limit}")]
    TooLong { bytes: usize, limit: usize },
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// The length of the packet that the piece is a part of, in bytes.
    pub(super) packet_bytes: usize,
    pub(super) is_last: bool,
}

/// Splits bytes into the pieces of messages.
#[derive(Debug, Default)]
pub(super) struct Framer {
    sequence: u8,
    packet: Option<OpenPacket>,
}

#[derive(Debug, Clone, Copy)]
struct OpenPacket {
    bytes: usize,
    bytes_left: usize,
    is_continued: bool,
}

impl Framer {
    /// Begins a command, whose first packet has sequence number 0.
    pub(super) fn begin_command(&mut self) {
        self.sequence = 0;
    }

    /// Returns the header of the next packet to send.
    pub(super) fn header(&mut self, payload: usize) -> [u8; HEADER_BYTES] {
        let [low, middle, high, ..] = payload.to_le_bytes();
        [low, middle, high, self.take_sequence()]
    }

    fn take_sequence(&mut self) -> u8 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        sequence
    }

    /// Takes the next piece from the input; `None` until all its bytes are there. The input needs to hold
    /// [`MAX_PIECE`] and [`HEADER_BYTES`] at most.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, PacketError> {
        let packet = match self.packet {
            Some(packet) => packet,
            None => match self.open_packet(input)? {
                Some(packet) => packet,
                None => return Ok(None),
            },
        };
        self.packet = Some(packet);
        let length = packet.bytes_left.min(MAX_PIECE);
        if input.len() < length {
            return Ok(None);
        }
        let bytes_left = packet.bytes_left - length;
        self.packet = (bytes_left > 0).then_some(OpenPacket { bytes_left, ..packet });
        let is_last = bytes_left == 0 && !packet.is_continued;
        let bytes = input.split_to(length).freeze();
        Ok(Some(Piece { bytes, packet_bytes: packet.bytes, is_last }))
    }

    /// Returns the length of the next packet and its first byte, 0 for an empty one, if they are in the input
    /// and the packet before it was taken wholly.
    pub(super) fn peek(&self, input: &[u8]) -> Option<(usize, u8)> {
        let (&[low, middle, high, _], payload) = input.split_first_chunk::<HEADER_BYTES>()?;
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        let first = if length == 0 { 0 } else { *payload.first()? };
        self.packet.is_none().then_some((length, first))
    }

    fn open_packet(&mut self, input: &mut BytesMut) -> Result<Option<OpenPacket>, PacketError> {
        let Some(&[low, middle, high, found]) = input.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let expected = self.take_sequence();
        if found != expected {
            return Err(PacketError::Sequence { expected, found });
        }
        input.advance(HEADER_BYTES);
        let bytes = u32::from_le_bytes([low, middle, high, 0]) as usize;
        Ok(Some(OpenPacket { bytes, bytes_left: bytes, is_continued: bytes == MAX_PAYLOAD }))
    }
}

/// Collects the pieces of a message. A message of one piece is not copied; a longer one is copied once, into
/// memory of its size if the first piece tells that.
#[derive(Debug, Default)]
pub(super) struct Collector {
    collected: Vec<u8>,
}

impl Collector {
    /// Whether the next piece is the first one of a message.
    pub(super) fn is_empty(&self) -> bool {
        self.collected.is_empty()
    }

    /// Adds a piece; returns the message after its last piece. `expected_bytes` reads the message's size from
    /// its first piece.
    pub(super) fn add(
        &mut self,
        piece: Piece,
        limit: usize,
        expected_bytes: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Option<Bytes>, PacketError> {
        let is_first = self.collected.is_empty();
        // a buffer that grows step by step would take twice its memory
        let of_packet = (!piece.is_last).then_some(piece.packet_bytes);
        let expected = if is_first { expected_bytes(&piece.bytes).or(of_packet) } else { None };
        let bytes = (self.collected.len() + piece.bytes.len()).max(expected.unwrap_or_default());
        if bytes > limit {
            self.collected = Vec::new();
            return Err(PacketError::TooLong { bytes, limit });
        }
        if is_first && piece.is_last {
            return Ok(Some(piece.bytes));
        }
        if let Some(expected) = expected {
            self.collected.reserve_exact(expected);
        }
        self.collected.extend_from_slice(&piece.bytes);
        Ok(piece.is_last.then(|| mem::take(&mut self.collected).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Encodes a message as a server does.
    fn packets(message: &[u8], sequence: &mut u8) -> Vec<u8> {
        let mut output = Vec::new();
        let mut rest = message;
        loop {
            let (payload, further) = rest.split_at(rest.len().min(MAX_PAYLOAD));
            output.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
            output.push(*sequence);
            *sequence = sequence.wrapping_add(1);
            output.extend_from_slice(payload);
            rest = further;
            if payload.len() < MAX_PAYLOAD {
                return output;
            }
        }
    }

    /// Reads all messages of `input`, which arrives in chunks of the given size.
    fn read(input: &[u8], chunk: usize, limit: usize) -> Result<Vec<Bytes>, PacketError> {
        let (mut framer, mut collector) = (Framer::default(), Collector::default());
        let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
        for chunk in input.chunks(chunk) {
            buffer.extend_from_slice(chunk);
            while let Some(piece) = framer.next(&mut buffer)? {
                messages.extend(collector.add(piece, limit, |_| None)?);
            }
            assert!(buffer.len() <= MAX_PIECE + HEADER_BYTES + chunk.len());
        }
        Ok(messages)
    }

    #[test]
    fn messages_of_whole_packets_end_with_an_empty_one() {
        for length in [0, 1, MAX_PIECE, MAX_PIECE + 1, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1] {
            let message: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let mut sequence = 0;
            let mut input = packets(&message, &mut sequence);
            input.extend(packets(b"next", &mut sequence));
            let found = read(&input, 100_000, usize::MAX).unwrap();
            assert_eq!(found.len(), 2, "{length}");
            assert!(found[0] == message, "{length}");
            assert_eq!(found[1], b"next"[..]);
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_without_reading_it() {
        let mut sequence = 0;
        let input = packets(&vec![7; MAX_PAYLOAD + 5], &mut sequence);
        let limit = MAX_PAYLOAD;
        let error = read(&input, 1 << 20, limit).unwrap_err();
        assert_eq!(error, PacketError::TooLong { bytes: MAX_PAYLOAD + 5, limit });
        let mut collector = Collector::default();
        let first = Piece { bytes: Bytes::from_static(b"long"), packet_bytes: 4, is_last: false };
        let error = collector.add(first, 100, |_| Some(1 << 30)).unwrap_err();
        assert_eq!(error, PacketError::TooLong { bytes: 1 << 30, limit: 100 });
    }

    #[test]
    fn a_packet_out_of_sequence_is_refused() {
        let error = read(b"\x01\0\0\x05x", 9, 100).unwrap_err();
        assert_eq!(error, PacketError::Sequence { expected: 0, found: 5 });
    }

    #[test]
    fn memory_is_reserved_once() {
        let mut collector = Collector::default();
        let piece = |is_last| Piece { bytes: Bytes::from(vec![1; 1000]), packet_bytes: 1000, is_last };
        assert_eq!(collector.add(piece(false), 5000, |_| Some(3000)).unwrap(), None);
        assert_eq!(collector.collected.capacity(), 3000);
        assert_eq!(collector.add(piece(false), 5000, |_| None).unwrap(), None);
        assert_eq!(collector.collected.capacity(), 3000);
        assert_eq!(collector.add(piece(true), 5000, |_| None).unwrap().unwrap().len(), 3000);
    }

    proptest! {
        #[test]
        fn messages_are_read_in_any_chunks(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            chunk in 1_usize..50,
        ) {
            let mut sequence = 0;
            let input: Vec<u8> =
                messages.iter().flat_map(|message| packets(message, &mut sequence)).collect();
            prop_assert_eq!(read(&input, chunk, 300).unwrap(), messages);
        }

        #[test]
        fn any_bytes_are_messages_or_an_error(input in prop::collection::vec(any::<u8>(), 0..2000), chunk in 1_usize..99) {
            if let Ok(messages) = read(&input, chunk, 1000) {
                prop_assert!(messages.iter().map(Bytes::len).sum::<usize>() <= input.len());
            }
        }
    }
}
