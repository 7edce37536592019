//! The runs of an open transaction in the record: a sequence of extents, read from and written to the
//! packed form.

use crate::extent::Extent;
use crate::op::SegmentKey;
use crate::state::StagedRuns;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

#[derive(Serialize, Deserialize)]
struct StagedRecord {
    segment: (u32, u32),
    start: u64,
    file: u32,
    position: u64,
    length: u32,
    checksum: u32,
}

impl StagedRecord {
    fn new((segment, extent): (SegmentKey, Extent)) -> Self {
        Self {
            segment: (segment.stream, segment.number),
            start: extent.start,
            file: extent.file,
            position: extent.position,
            length: extent.length,
            checksum: extent.checksum,
        }
    }

    fn run(self) -> (SegmentKey, Extent) {
        let Self { segment: (stream, number), start, file, position, length, checksum } = self;
        (SegmentKey { stream, number }, Extent { start, time: 0, file, position, length, checksum })
    }
}

impl Serialize for StagedRuns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut records = serializer.serialize_seq(Some(self.len()))?;
        for run in self.iter() {
            records.serialize_element(&StagedRecord::new(run))?;
        }
        records.end()
    }
}

impl<'de> Deserialize<'de> for StagedRuns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Records;
        impl<'de> Visitor<'de> for Records {
            type Value = StagedRuns;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a sequence of extents")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<StagedRuns, A::Error> {
                let mut runs = StagedRuns::default();
                while let Some(record) = records.next_element::<StagedRecord>()? {
                    let (segment, extent) = record.run();
                    runs.push(segment, &extent);
                }
                Ok(runs)
            }
        }
        deserializer.deserialize_seq(Records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn record_is_that_of_a_list(
            runs in prop::collection::vec(any::<((u32, u32), (u64, u32, u64, u32, u32))>(), 0..100),
        ) {
            let mut packed = StagedRuns::default();
            let mut list = Vec::new();
            for (segment, (start, file, position, length, checksum)) in runs {
                let record = || StagedRecord { segment, start, file, position, length, checksum };
                let (segment, extent) = record().run();
                packed.push(segment, &extent);
                list.push(record());
            }
            let bytes = postcard::to_stdvec(&list).unwrap();
            prop_assert_eq!(&postcard::to_stdvec(&packed).unwrap(), &bytes);
            let read: StagedRuns = postcard::from_bytes(&bytes).unwrap();
            prop_assert!(read.iter().eq(packed.iter()));
            prop_assert!(read.segments().eq(packed.segments()));
            prop_assert!(read.files().eq(packed.files()));
        }

        #[test]
        fn any_bytes_are_read_or_rejected(bytes: Vec<u8>) {
            let _ = postcard::from_bytes::<StagedRuns>(&bytes);
        }
    }
}
