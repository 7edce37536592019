//! Binary form of a GTID set, as in PREVIOUS_GTIDS events and COM_BINLOG_DUMP_GTID. A set with tags has
//! MySQL 8.3's second format, whose count of sources is marked at both ends and whose tags follow the UUIDs.

use super::error::GtidError;
use super::intervals::Interval;
use super::set::GtidSet;
use super::source::{GtidSource, ServerUuid, Tag};

/// Format of sets with tags: the highest byte of the count, and then its lowest byte too.
const TAGGED_FORMAT: u64 = 1;

impl GtidSet {
    /// Encodes the set: without tags in the format that all servers understand.
    pub fn to_bytes(&self) -> Vec<u8> {
        let is_tagged = self.has_tags();
        let sources = self.sources();
        let count = sources.len() as u64;
        let header = if is_tagged { TAGGED_FORMAT << 56 | count << 8 | TAGGED_FORMAT } else { count };
        let mut bytes = header.to_le_bytes().to_vec();
        for (source, intervals) in sources {
            bytes.extend_from_slice(&source.uuid.0);
            if is_tagged {
                let tag = source.tag.as_ref().map_or("", Tag::as_str);
                // the length as a variable-length integer of one byte, whose lowest bit is 0
                bytes.push((tag.len() as u8) << 1);
                bytes.extend_from_slice(tag.as_bytes());
            }
            bytes.extend_from_slice(&(intervals.len() as u64).to_le_bytes());
            for interval in intervals {
                bytes.extend_from_slice(&interval.first().to_le_bytes());
                bytes.extend_from_slice(&(interval.last() + 1).to_le_bytes());
            }
        }
        bytes
    }

    /// Decodes a set; memory is bounded by the length of the bytes.
    ///
    /// # Errors
    /// [`GtidError::Binary`] for bytes that end early, are too many, or contain invalid values.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, GtidError> {
        let header = u64(&mut bytes, "the count of sources")?;
        let (is_tagged, count) = match header >> 56 {
            0 => (false, header),
            TAGGED_FORMAT => (true, header << 8 >> 16),
            _ => return Err(GtidError::Binary { part: "the format" }),
        };
        let mut set = Self::default();
        for _ in 0..count {
            let source = source(&mut bytes, is_tagged)?;
            for _ in 0..u64(&mut bytes, "the count of intervals")? {
                let first = u64(&mut bytes, "an interval")?;
                let end = u64(&mut bytes, "an interval")?;
                let interval = end.checked_sub(1).and_then(|last| Interval::new(first, last));
                set.add_interval(source.clone(), interval.ok_or(GtidError::Binary { part: "an interval" })?);
            }
        }
        bytes.is_empty().then_some(set).ok_or(GtidError::Binary { part: "the end" })
    }
}

fn source(bytes: &mut &[u8], is_tagged: bool) -> Result<GtidSource, GtidError> {
    let uuid = ServerUuid(array(bytes, "a server uuid")?);
    if !is_tagged {
        return Ok(GtidSource { uuid, tag: None });
    }
    let invalid = GtidError::Binary { part: "a tag" };
    let [length] = array(bytes, "a tag")?;
    let tag = bytes.split_off(..usize::from(length >> 1)).filter(|_| length & 1 == 0);
    let tag = tag.and_then(|tag| std::str::from_utf8(tag).ok()).ok_or(invalid.clone())?;
    let tag = if tag.is_empty() { None } else { Some(tag.parse().map_err(|_| invalid)?) };
    Ok(GtidSource { uuid, tag })
}

fn u64(bytes: &mut &[u8], part: &'static str) -> Result<u64, GtidError> {
    Ok(u64::from_le_bytes(array(bytes, part)?))
}

fn array<const N: usize>(bytes: &mut &[u8], part: &'static str) -> Result<[u8; N], GtidError> {
    let (array, rest) = bytes.split_first_chunk().ok_or(GtidError::Binary { part })?;
    *bytes = rest;
    Ok(*array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn binary_forms() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        for (text, bytes) in [
            (String::new(), "0000000000000000".to_owned()),
            (
                format!("{uuid}:1-5:7"),
                "0100000000000000 3e11fa4771ca11e19e33c80aa9429562 0200000000000000
                 0100000000000000 0600000000000000 0700000000000000 0800000000000000"
                    .into(),
            ),
            (
                format!("{uuid}:1-5:tag:1"),
                "0102000000000001
                 3e11fa4771ca11e19e33c80aa9429562 00 0100000000000000 0100000000000000 0600000000000000
                 3e11fa4771ca11e19e33c80aa9429562 06 746167 0100000000000000 0100000000000000 0200000000000000"
                    .into(),
            ),
        ] {
            let set: GtidSet = text.parse().unwrap();
            assert_eq!(set.to_bytes(), hex(&bytes), "{text}");
            assert_eq!(GtidSet::from_bytes(&hex(&bytes)), Ok(set), "{text}");
        }
        for (bytes, part) in [
            ("", "the count of sources"),
            ("0000000000000002", "the format"),
            ("000000000000000000", "the end"),
            ("ffffffffffffff00", "a server uuid"),
            ("0100000000000000 3e11fa4771ca11e19e33c80aa9429562 ffffffffffffffff", "an interval"),
            (
                "0100000000000000 3e11fa4771ca11e19e33c80aa9429562 0100000000000000 0100000000000000 0100000000000000",
                "an interval",
            ),
            ("0101000000000001 3e11fa4771ca11e19e33c80aa9429562 07 746167", "a tag"),
            ("0101000000000001 3e11fa4771ca11e19e33c80aa9429562 06 2d6167", "a tag"),
        ] {
            assert_eq!(GtidSet::from_bytes(&hex(bytes)), Err(GtidError::Binary { part }), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_rejected(
            head in prop::sample::select(vec![1u64, 2, 1 << 56 | 1 << 8 | 1, 1 << 56 | 2 << 8 | 1, u64::MAX >> 8]),
            body: Vec<u8>,
        ) {
            let bytes = [&head.to_le_bytes()[..], &body].concat();
            if let Ok(set) = GtidSet::from_bytes(&bytes) {
                prop_assert_eq!(GtidSet::from_bytes(&set.to_bytes()), Ok(set));
            }
        }

        #[test]
        fn sets_survive_both_forms(
            parts in prop::collection::vec((0u8..3, prop::option::of("[a-z_][a-z0-9_]{0,31}"), 1u64..50, 0u64..9), 0..9),
        ) {
            let mut set = GtidSet::default();
            for (server, tag, first, length) in parts {
                let tag = tag.map(|tag| tag.parse().unwrap());
                let source = GtidSource { uuid: ServerUuid([server; 16]), tag };
                set.add_interval(source, Interval::new(first, first + length).unwrap());
            }
            prop_assert_eq!(GtidSet::from_bytes(&set.to_bytes()), Ok(set.clone()));
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }
    }
}
