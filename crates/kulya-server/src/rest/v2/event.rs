//! Events as JSON, in pieces: each has its pointer, its place, and its bytes as text where they are text. An event of 8 MiB
//! may be 48 MiB of JSON; no more of that is in memory than one piece.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kulya_store::{EventPointer, ReadChunk, SegmentId, StreamCut, framing, hex};
use std::io::Write;

/// A piece has about so many bytes.
pub(super) const PIECE_BYTES: usize = 32 << 10;
/// Of an event so many are written at a time; divisible by three, so that base64 needs no padding between.
const STEP_BYTES: usize = 3 << 10;

/// What stands around an event.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    /// A line each.
    Line,
    /// A server-sent event each, whose id is the cut behind it; the cut is the one before the next.
    ServerSent(StreamCut),
}

/// Events of one segment on their way to JSON.
#[derive(Debug)]
pub(super) struct Encoder {
    frame: Frame,
    segment: SegmentId,
    events: std::vec::IntoIter<(u64, Bytes)>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    event: Bytes,
    is_text: bool,
    /// So much of it is written.
    at: usize,
}

impl Encoder {
    pub(super) fn new(frame: Frame, segment: SegmentId, chunk: ReadChunk) -> Self {
        Self { frame, segment, events: chunk.events.into_iter(), current: None }
    }

    /// Appends about [`PIECE_BYTES`] to `out`; whether there is more.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        let end = out.len() + PIECE_BYTES;
        while out.len() < end {
            match self.current.take() {
                Some(current) => self.current = self.go_on(current, out),
                None => match self.events.next() {
                    Some((at, event)) => self.current = Some(self.begin(at, event, out)),
                    None => return false,
                },
            }
        }
        true
    }

    fn begin(&mut self, offset: u64, event: Bytes, out: &mut Vec<u8>) -> Current {
        let length = framing::framed_len(event.len());
        let pointer = EventPointer { segment: self.segment.clone(), offset, length: length as u32 };
        if let Frame::ServerSent(cut) = &mut self.frame {
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
        Current { event, is_text, at: 0 }
    }

    fn go_on(&self, current: Current, out: &mut Vec<u8>) -> Option<Current> {
        let Current { event, is_text, at } = current;
        let rest = event.get(at..).unwrap_or_default();
        if rest.is_empty() {
            out.extend_from_slice(match self.frame {
                Frame::Line => b"\"}\n",
                Frame::ServerSent(_) => b"\"}\n\n",
            });
            return None;
        }
        let mut step = rest.len().min(STEP_BYTES);
        if is_text {
            // a character is four bytes at the most
            while step < rest.len() && rest.get(step).is_some_and(|byte| byte & 0xc0 == 0x80) {
                step -= 1;
            }
        }
        let piece = rest.get(..step).unwrap_or_default();
        match std::str::from_utf8(piece).ok().filter(|_| is_text) {
            Some(text) => escape(text, out),
            None => {
                let begin = out.len();
                out.resize(begin + step.div_ceil(3) * 4, 0);
                // what does not fit would be an error, and it fits
                let _ = STANDARD.encode_slice(piece, out.get_mut(begin..).unwrap_or_default());
            }
        }
        Some(Current { at: at + step, event, is_text })
    }
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // a vector takes everything
    let _ = out.write_fmt(text);
}

/// Appends the text as it stands within a JSON string.
fn escape(text: &str, out: &mut Vec<u8>) {
    // of the quotation marks that serde_json writes around it the first takes the place of another byte, which is put back
    let before = out.pop();
    let begin = out.len();
    let _ = serde_json::to_writer(&mut *out, text);
    out.pop();
    match (before, out.get_mut(begin)) {
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

    /// The same at once.
    fn shown(offset: u64, event: &[u8]) -> Value {
        let length = framing::framed_len(event.len()) as u32;
        let pointer = EventPointer { segment: segment(), offset, length };
        let mut shown = json!({
            "pointer": hex::encode(&pointer.to_bytes()),
            "segment": pointer.segment.to_string(),
            "offset": pointer.offset,
        });
        match std::str::from_utf8(event) {
            Ok(text) => shown["text"] = json!(text),
            Err(_) => shown["base64"] = json!(STANDARD.encode(event)),
        }
        shown
    }

    fn encoded(frame: Frame, events: &[Vec<u8>]) -> (Vec<u8>, usize) {
        let mut next = 0;
        let events: Vec<_> = events
            .iter()
            .map(|event| {
                let at = next;
                next += framing::framed_len(event.len());
                (at, Bytes::from(event.clone()))
            })
            .collect();
        let mut encoder = Encoder::new(frame, segment(), ReadChunk { events, next });
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
            let line = shown(offset, event).to_string() + "\n";
            offset += framing::framed_len(event.len());
            line
        });
        lines.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn pieces_are_the_json_of_the_whole(
            events in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..10_000),
                    "[a\u{0}-\u{1f}\"\\\\/\u{7f}ä€😀]{0,9000}".prop_map(String::into_bytes),
                ],
                0..5,
            )
        ) {
            let (text, _) = encoded(Frame::Line, &events);
            prop_assert!(text == lines(&events).as_bytes());
        }
    }

    #[test]
    fn no_piece_is_much_larger_than_it_should_be() {
        for byte in [0, b'"', b'x', 0xff] {
            let events = [vec![byte; 1 << 20], vec![byte; 10]];
            let (text, largest) = encoded(Frame::Line, &events);
            assert_eq!(text.len(), lines(&events).len());
            assert!(largest < 2 * PIECE_BYTES, "{largest}");
        }
    }

    #[test]
    fn a_server_sent_event_has_the_cut_behind_it() {
        let stream = StreamId::new("s", "t").unwrap();
        let cut = StreamCut::of(&stream, [(&segment(), 0)]);
        let (text, _) = encoded(Frame::ServerSent(cut), &[b"one".to_vec(), b"t\nwo".to_vec()]);
        let expected = format!(
            "id: s/t@0.0:11\ndata: {}\n\nid: s/t@0.0:23\ndata: {}\n\n",
            shown(0, b"one"),
            shown(11, b"t\nwo")
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
