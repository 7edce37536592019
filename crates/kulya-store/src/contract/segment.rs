//! The description of a segment, its key range and its readable offsets, and those of many streams at one
//! moment.

use crate::{Error, Result, SegmentId, StreamId};

/// The maximum number of segments in the result of [`StreamStore::tails`](crate::StreamStore::tails).
pub const MAX_TAILS: usize = 100_000;

/// A segment and the range of its offsets that can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentInfo {
    /// The segment.
    pub id: SegmentId,
    /// The range of routing-key hashes of the segment, `low..high` within `[0, 1]`.
    pub key_range: std::ops::Range<f64>,
    /// The offset of the first retained event, in bytes.
    pub head: u64,
    /// The offset after the last acknowledged event, in bytes.
    pub tail: u64,
}

/// The segments of several streams.
#[derive(Debug, Clone, PartialEq)]
pub struct Tails {
    /// The segments of each stream, in the order of the request; those of one stream in number order.
    pub streams: Vec<Vec<SegmentInfo>>,
    /// Whether all segments were as described at one moment: a commit is before it in all streams, or in
    /// none.
    pub exact: bool,
}

impl Tails {
    /// Looks up the segments of each stream, all of them at one moment.
    ///
    /// # Errors
    /// `InvalidInput` for more than [`MAX_TAILS`] segments, and the errors of `find`.
    pub fn at_one_moment(
        streams: &[StreamId],
        mut find: impl FnMut(&StreamId) -> Result<Vec<SegmentInfo>>,
    ) -> Result<Self> {
        let mut tails = Self { streams: Vec::new(), exact: true };
        let mut count = 0;
        for stream in streams {
            let segments = find(stream)?;
            count += segments.len();
            Self::check_count(count)?;
            tails.streams.push(segments);
        }
        Ok(tails)
    }

    /// Checks the number of segments.
    ///
    /// # Errors
    /// `InvalidInput` for more than [`MAX_TAILS`].
    pub fn check_count(segments: usize) -> Result<()> {
        if segments <= MAX_TAILS {
            return Ok(());
        }
        let what = format!("the streams have more than {MAX_TAILS} segments: name fewer streams at a time");
        Err(Error::invalid(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn too_many_segments_are_rejected() {
        let stream = StreamId::new("s", "t").unwrap();
        let info = |number| SegmentInfo { id: stream.segment(number), key_range: 0.0..1.0, head: 0, tail: 0 };
        let segments = |count| move |_: &StreamId| Ok((0..count).map(info).collect::<Vec<_>>());
        let ten = vec![stream.clone(); 10];
        assert_eq!(Tails::at_one_moment(&ten, segments(10_000)).unwrap().streams.len(), 10);
        let error = Tails::at_one_moment(&ten, segments(10_001)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}
