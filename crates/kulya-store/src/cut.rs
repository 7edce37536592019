//! A position in a stream: [`StreamCut`], an offset in each of its segments.

use crate::{Error, Result, SegmentId, SegmentInfo, StreamId};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// An offset in each segment of a stream: the position of a reader, or a truncation point.
///
/// As text: `scope/stream@0.0:120,1.0:64`, with the number and epoch of each segment before its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamCut {
    /// The stream.
    pub stream: StreamId,
    /// Offsets of the next event, by number and epoch of the segment.
    offsets: BTreeMap<(u32, u32), u64>,
}

impl StreamCut {
    /// Returns the cut at the head of every segment.
    pub fn head(stream: &StreamId, segments: &[SegmentInfo]) -> Self {
        Self::of(stream, segments.iter().map(|segment| (&segment.id, segment.head)))
    }

    /// Returns the cut at the tail of every segment.
    pub fn tail(stream: &StreamId, segments: &[SegmentInfo]) -> Self {
        Self::of(stream, segments.iter().map(|segment| (&segment.id, segment.tail)))
    }

    /// Creates a cut from segments of the stream and their offsets.
    pub fn of<'a>(stream: &StreamId, offsets: impl IntoIterator<Item = (&'a SegmentId, u64)>) -> Self {
        let offsets = offsets.into_iter().map(|(id, offset)| ((id.number, id.epoch), offset)).collect();
        Self { stream: stream.clone(), offsets }
    }

    /// Iterates over the segments and their offsets, in number order.
    pub fn offsets(&self) -> impl Iterator<Item = (SegmentId, u64)> + '_ {
        self.offsets.iter().map(|((number, epoch), offset)| {
            (SegmentId { stream: self.stream.clone(), number: *number, epoch: *epoch }, *offset)
        })
    }

    /// Returns the offset in a segment; `None` if the cut does not contain the segment.
    pub fn offset(&self, segment: &SegmentId) -> Option<u64> {
        self.offsets.get(&(segment.number, segment.epoch)).copied()
    }

    /// Sets the offset in one segment.
    pub fn advance(&mut self, segment: &SegmentId, offset: u64) {
        self.offsets.insert((segment.number, segment.epoch), offset);
    }

    /// Checks that the cut names each of these segments of a stream and no other.
    ///
    /// # Errors
    /// `InvalidInput` if it does not.
    pub fn check(&self, segments: &[SegmentInfo]) -> Result<()> {
        if let Some(other) = segments.first().filter(|info| info.id.stream != self.stream) {
            return Err(Error::invalid(format!("cut {self} is not a cut of stream {}", other.id.stream)));
        }
        let names = |info: &SegmentInfo| (info.id.number, info.id.epoch);
        if self.offsets.keys().copied().eq(segments.iter().map(names)) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "cut {self} does not name each segment of the stream as it is now, and no other"
        )))
    }
}

impl fmt::Display for StreamCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@", self.stream)?;
        for (index, ((number, epoch), offset)) in self.offsets.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{number}.{epoch}:{offset}")?;
        }
        Ok(())
    }
}

impl FromStr for StreamCut {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad =
            || Error::invalid(format!("cut {text:.80?} must be written as scope/stream@0.0:120,1.0:64"));
        let (stream, offsets_text) = text.split_once('@').ok_or_else(bad)?;
        let mut offsets = BTreeMap::new();
        for entry in offsets_text.split(',').filter(|entry| !entry.is_empty()) {
            let (segment, offset) = entry.split_once(':').ok_or_else(bad)?;
            let (number, epoch) = segment.split_once('.').ok_or_else(bad)?;
            let key = (number.parse().map_err(|_| bad())?, epoch.parse().map_err(|_| bad())?);
            if offsets.insert(key, offset.parse().map_err(|_| bad())?).is_some() {
                return Err(bad());
            }
        }
        Ok(Self { stream: stream.parse()?, offsets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cut_text_round_trips() {
        let cut: StreamCut = "s/t@0.0:12,3.1:0".parse().unwrap();
        assert_eq!(cut.to_string(), "s/t@0.0:12,3.1:0");
        assert_eq!(cut.offset(&cut.stream.segment(0)), Some(12));
        assert_eq!(cut.offset(&cut.stream.segment(3)), None, "another epoch is another segment");
        for bad in ["s/t", "s/t@0:1", "s/t@0.0:x", "s@0.0:1", "s/t@0.0:1,0.0:2", "s/t@0.0:-1"] {
            assert!(bad.parse::<StreamCut>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text: String, offsets in "[0-9.:,@/st]{0,40}") {
            let _ = text.parse::<StreamCut>();
            if let Ok(cut) = format!("s/t@{offsets}").parse::<StreamCut>() {
                prop_assert_eq!(cut.to_string().parse::<StreamCut>().unwrap(), cut);
            }
        }
    }
}
