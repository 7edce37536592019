//! Events as JSON, encoded in pieces: each event has its pointer, its segment and offset, and its bytes, as
//! text if they are UTF-8. An event of 8 MiB may be 48 MiB of JSON, of which only one piece is in memory.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kulya_store::{EventPointer, ReadChunk, SegmentId, StreamCut, framing, hex};
use std::io::Write;

/// The approximate size of a piece, in bytes.
pub(super) const PIECE_BYTES: usize = 32 << 10;
/// Bytes of an event per encoding step; divisible by three, so that base64 needs no padding in between.
const STEP_BYTES: usize = 3 << 10;

/// The framing of events.
#[derive(Debug, Clone)]
pub(super) enum Format {
    /// One line per event.
    Line,
    /// One server-sent event per event, whose id is the cut after it. The cut is the one before the next
    /// event.
    ServerSent(StreamCut),
}

/// Encodes events of one segment.
#[derive(Debug)]
pub(super) struct Encoder {
    format: Format,
    segment: SegmentId,
    events: std::vec::IntoIter<(u64, Bytes)>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    event: Bytes,
    is_text: bool,
    /// The bytes that are encoded.
    encoded: usize,
}

impl Encoder {
    pub(super) fn new(format: Format, segment: SegmentId, chunk: ReadChunk) -> Self {
        Self { format, segment, events: chunk.events.into_iter(), current: None }
    }

    /// Appends about [`PIECE_BYTES`] to `out`; returns whether there is more.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        let end = out.len() + PIECE_BYTES;
        while out.len() < end {
            match self.current.take() {
                Some(current) => self.current = self.encode_more(current, out),
                None => match self.events.next() {
                    Some((at, event)) => self.current = Some(self.start_event(at, event, out)),
                    None => return false,
                },
            }
        }
        true
    }

    fn start_event(&mut self, offset: u64, event: Bytes, out: &mut Vec<u8>) -> Current {
        let length = framing::framed_len(event.len());
        let pointer = EventPointer { segment: self.segment.clone(), offset, length: length as u32 };
        if let Format::ServerSent(cut) = &mut self.format {
            cut.advance(&self.segment, offset + length);
            write(out, format_args!("id: {cut}\ndata: "));
        }
        let is_text = std::str::from_utf8(&event).is_ok();
        let (pointer, segment) = (hex::encode(&pointer.to_bytes()), &self.segment);
        let kind = if is_text { "text" } else { "base64" };
        write(
            out,
            format_args!(
                "{{\"pointer\":\"{pointer}\",\"segment\":\"{segment}\",\"offset\":{offset},\"{kind}\":\""
            ),
        );
        Current { event, is_text, encoded: 0 }
    }

    fn encode_more(&self, current: Current, out: &mut Vec<u8>) -> Option<Current> {
        let Current { event, is_text, encoded } = current;
        let rest = event.get(encoded..).unwrap_or_default();
        if rest.is_empty() {
            out.extend_from_slice(match self.format {
                Format::Line => b"\"}\n",
                Format::ServerSent(_) => b"\"}\n\n",
            });
            return None;
        }
        let mut step = rest.len().min(STEP_BYTES);
        if is_text {
            // a character has at most four bytes
            while step < rest.len() && rest.get(step).is_some_and(|byte| byte & 0xc0 == 0x80) {
                step -= 1;
            }
        }
        let piece = rest.get(..step).unwrap_or_default();
        match std::str::from_utf8(piece).ok().filter(|_| is_text) {
            Some(text) => escape(text, out),
            None => {
                let start = out.len();
                out.resize(start + step.div_ceil(3) * 4, 0);
                // the only error is a buffer that is too small
                let _ = STANDARD.encode_slice(piece, out.get_mut(start..).unwrap_or_default());
            }
        }
        Some(Current { encoded: encoded + step, event, is_text })
    }
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // writing to a vector does not fail
    let _ = out.write_fmt(text);
}

/// Appends the text, escaped for a JSON string.
fn escape(text: &str, out: &mut Vec<u8>) {
    // serde_json writes quotation marks around the text: the first one replaces the byte before, which is
    // then restored
    let before = out.pop();
    let start = out.len();
    let _ = serde_json::to_writer(&mut *out, text);
    out.pop();
    match (before, out.get_mut(start)) {
        (Some(before), Some(quotation_mark)) => *quotation_mark = before,
        _ => drop(out.drain(..1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::StreamId;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn segment() -> SegmentId {
        StreamId::new("s", "t").unwrap().segment(0)
    }

    /// The same, encoded as a whole.
    fn event_json(offset: u64, event: &[u8]) -> Value {
        let length = framing::framed_len(event.len()) as u32;
        let pointer = EventPointer { segment: segment(), offset, length };
        let mut json = json!({
            "pointer": hex::encode(&pointer.to_bytes()),
            "segment": pointer.segment.to_string(),
            "offset": pointer.offset,
        });
        match std::str::from_utf8(event) {
            Ok(text) => json["text"] = json!(text),
            Err(_) => json["base64"] = json!(STANDARD.encode(event)),
        }
        json
    }

    fn encode_all(format: Format, events: &[Vec<u8>]) -> (Vec<u8>, usize) {
        let mut next = 0;
        let events: Vec<_> = events
            .iter()
            .map(|event| {
                let at = next;
                next += framing::framed_len(event.len());
                (at, Bytes::from(event.clone()))
            })
            .collect();
        let mut encoder = Encoder::new(format, segment(), ReadChunk { events, next });
        let (mut all, mut largest) = (Vec::new(), 0);
        loop {
            let mut piece = Vec::new();
            let more = encoder.fill(&mut piece);
            largest = largest.max(piece.len());
            all.append(&mut piece);
            if !more {
                return (all, largest);
            }
        }
    }

    fn lines(events: &[Vec<u8>]) -> String {
        let mut offset = 0;
        let lines = events.iter().map(|event| {
            let line = event_json(offset, event).to_string() + "\n";
            offset += framing::framed_len(event.len());
            line
        });
        lines.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn pieces_join_to_the_json_of_the_whole(
            events in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..10_000),
                    "[a\u{0}-\u{1f}\"\\\\/\u{7f}ä€😀]{0,9000}".prop_map(String::into_bytes),
                ],
                0..5,
            )
        ) {
            let (text, _) = encode_all(Format::Line, &events);
            prop_assert!(text == lines(&events).as_bytes());
        }
    }

    #[test]
    fn the_size_of_pieces_is_bounded() {
        for byte in [0, b'"', b'x', 0xff] {
            let events = [vec![byte; 1 << 20], vec![byte; 10]];
            let (text, largest) = encode_all(Format::Line, &events);
            assert_eq!(text.len(), lines(&events).len());
            assert!(largest < 2 * PIECE_BYTES, "{largest}");
        }
    }

    #[test]
    fn the_id_of_a_server_sent_event_is_the_cut_after_it() {
        let stream = StreamId::new("s", "t").unwrap();
        let cut = StreamCut::of(&stream, [(&segment(), 0)]);
        let (text, _) = encode_all(Format::ServerSent(cut), &[b"one".to_vec(), b"t\nwo".to_vec()]);
        let expected = format!(
            "id: s/t@0.0:11\ndata: {}\n\nid: s/t@0.0:23\ndata: {}\n\n",
            event_json(0, b"one"),
            event_json(11, b"t\nwo")
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
