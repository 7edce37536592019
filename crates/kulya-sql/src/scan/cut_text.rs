//! The texts of stream cuts in options: Pravega's, which is base64 of gzip of
//! `0:scope/stream:numbers:epochs:offsets` with lists of the segments, and Kulya's.

use crate::{SqlError, SqlErrorKind, SqlResult};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use kulya_store::{MAX_TAILS, SegmentId, StreamId};
use std::io::Read;

/// The largest text of a cut, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// A cut as an option names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedCut {
    pub(super) stream: StreamId,
    /// The segments and their offsets; `None` at the end of a segment.
    pub(super) offsets: Vec<(SegmentId, Option<u64>)>,
}

impl NamedCut {
    /// Parses a cut; `None` for one without a bound. `key` is the option, for messages.
    ///
    /// # Errors
    /// `InvalidOption`.
    pub(super) fn parse(key: &str, text: &str) -> SqlResult<Option<Self>> {
        let text = text.trim();
        if text == "UNBOUNDED" {
            return Ok(None);
        }
        let invalid = |reason: &dyn std::fmt::Display| {
            let what = format!(
                "option '{key}': {text:.40?} is no stream cut ({reason}): write the text of Pravega's StreamCut, \
                 scope/stream@0.0:120,1.0:64 or UNBOUNDED"
            );
            SqlError::new(SqlErrorKind::InvalidOption, what)
        };
        if text.contains('@') {
            let cut: kulya_store::StreamCut = text.parse().map_err(|e| invalid(&e))?;
            let offsets = cut.offsets().map(|(segment, offset)| (segment, Some(offset))).collect();
            return Ok(Some(Self { stream: cut.stream, offsets }));
        }
        let bytes = STANDARD.decode(text).map_err(|e| invalid(&e))?;
        let mut plain = String::new();
        GzDecoder::new(bytes.as_slice())
            .take(MAX_BYTES)
            .read_to_string(&mut plain)
            .map_err(|e| invalid(&e))?;
        Self::of_java(&plain).map(Some).ok_or_else(|| invalid(&"it has other parts"))
    }

    fn of_java(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ':');
        let mut part = || parts.next();
        let (version, stream, numbers, epochs, offsets) = (part()?, part()?, part()?, part()?, part()?);
        if version != "0" {
            return None;
        }
        let stream: StreamId = stream.parse().ok()?;
        let (numbers, epochs, offsets) = (numbers.split(','), epochs.split(','), offsets.split(','));
        let numbers: Vec<u32> = numbers.map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
        let epochs: Vec<u32> = epochs.map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
        let offsets: Vec<i64> = offsets.map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
        if numbers.len() != epochs.len() || numbers.len() != offsets.len() || numbers.len() > MAX_TAILS {
            return None;
        }
        let segment = |(number, epoch)| SegmentId { stream: stream.clone(), number, epoch };
        let segments = numbers.into_iter().zip(epochs).map(segment);
        // a negative offset is the end of a segment that was read
        let offsets = segments.zip(offsets.into_iter().map(|offset| u64::try_from(offset).ok())).collect();
        Some(Self { stream, offsets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Texts that the Java client 0.13 has written.
    const ONE_SEGMENT: &str = "H4sIAAAAAAAA/zOwKs7IL9DPL0pJLSq2MgBCQyMDABBy1VUVAAAA";
    const THREE_SEGMENTS: &str =
        "H4sIAAAAAAAA/zOwKs7IL9DPL0pJLSq2MtAx1jECkoY6BlaGRgY6pgYwoKNrCACSUN7vKwAAAA==";

    fn parse(text: &str) -> SqlResult<Option<NamedCut>> {
        NamedCut::parse("scan.start-streamcuts", text)
    }

    #[test]
    fn cuts_of_java_and_kulya_are_read() {
        let stream: StreamId = "shop/orders".parse().unwrap();
        let segment = |number, epoch| SegmentId { stream: stream.clone(), number, epoch };
        let one = NamedCut { stream: stream.clone(), offsets: vec![(segment(0, 0), Some(120))] };
        assert_eq!(parse(ONE_SEGMENT).unwrap(), Some(one.clone()));
        assert_eq!(parse(" shop/orders@0.0:120 ").unwrap(), Some(one));
        let offsets =
            vec![(segment(0, 0), Some(120)), (segment(3, 1), Some(5_000_000_000)), (segment(2, 0), None)];
        assert_eq!(parse(THREE_SEGMENTS).unwrap(), Some(NamedCut { stream: stream.clone(), offsets }));
        assert_eq!(parse("UNBOUNDED").unwrap(), None);
        for text in ["", "x", "AAAA", "H4sIAAAAAAAA", "shop/orders@0", "head"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), SqlErrorKind::InvalidOption);
            assert!(error.to_string().contains("is no stream cut"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_cut_or_an_error(text: String, plain in "0:s/t:[0-9,]{0,6}:[0-9,]{0,6}:[0-9,-]{0,6}") {
            let _ = parse(&text);
            let _ = NamedCut::of_java(&plain);
        }
    }
}
