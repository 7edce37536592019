//! Names of segments, and writers' sequence numbers.

use kulya_store::log_backend::message::Name;
use kulya_store::{Result, SegmentId, WriterId, WriterMark};

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct WriterMarkRecord {
    #[prost(fixed64, tag = "1")]
    pub(crate) high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) low: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) event_number: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentName {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<Name>,
    #[prost(uint32, tag = "2")]
    pub(crate) number: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) epoch: u32,
}

impl SegmentName {
    pub(crate) fn of(segment: &SegmentId) -> Self {
        let stream = Some(Name::of_stream(&segment.stream));
        Self { stream, number: segment.number, epoch: segment.epoch }
    }

    pub(crate) fn segment(&self) -> Result<SegmentId> {
        let stream = self.stream.clone().unwrap_or_default().stream()?;
        Ok(SegmentId { stream, number: self.number, epoch: self.epoch })
    }
}

impl WriterMarkRecord {
    pub(crate) fn of(mark: WriterMark) -> Self {
        let writer = mark.writer.0;
        Self { high: (writer >> 64) as u64, low: writer as u64, event_number: mark.event_number }
    }

    pub(crate) fn mark(self) -> WriterMark {
        let writer = WriterId(u128::from(self.high) << 64 | u128::from(self.low));
        WriterMark { writer, event_number: self.event_number }
    }
}
