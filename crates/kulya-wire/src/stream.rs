//! Conversions of stream configurations, stream and segment descriptions, capabilities and times.

use crate::field::required;
use crate::v1;
use kulya_store::{Capability, Error, Result, Retention, SegmentInfo, StreamConfig, StreamInfo, Tails};
use std::time::Duration;

impl From<StreamConfig> for v1::StreamConfig {
    fn from(config: StreamConfig) -> Self {
        let Retention { age, bytes } = config.retention;
        Self { segments: config.segments, retention_age: age.map(to_duration), retention_bytes: bytes }
    }
}

impl TryFrom<v1::StreamConfig> for StreamConfig {
    type Error = Error;

    fn try_from(message: v1::StreamConfig) -> Result<Self> {
        let age = message.retention_age.map(from_duration).transpose()?;
        let retention = Retention { age, bytes: message.retention_bytes };
        Ok(Self { segments: message.segments, retention })
    }
}

impl From<StreamInfo> for v1::StreamReply {
    fn from(info: StreamInfo) -> Self {
        Self { config: Some(info.config.into()), sealed: info.sealed }
    }
}

impl TryFrom<v1::StreamReply> for StreamInfo {
    type Error = Error;

    fn try_from(message: v1::StreamReply) -> Result<Self> {
        let config = required(message.config, "configuration")?.try_into()?;
        Ok(Self { config, sealed: message.sealed })
    }
}

impl From<&SegmentInfo> for v1::SegmentInfo {
    fn from(info: &SegmentInfo) -> Self {
        Self {
            id: Some((&info.id).into()),
            key_low: info.key_range.start,
            key_high: info.key_range.end,
            head: info.head,
            tail: info.tail,
        }
    }
}

impl TryFrom<v1::SegmentInfo> for SegmentInfo {
    type Error = Error;

    fn try_from(message: v1::SegmentInfo) -> Result<Self> {
        Ok(Self {
            id: required(message.id, "segment")?.try_into()?,
            key_range: message.key_low..message.key_high,
            head: message.head,
            tail: message.tail,
        })
    }
}

impl From<&[SegmentInfo]> for v1::SegmentsReply {
    fn from(segments: &[SegmentInfo]) -> Self {
        Self { segments: segments.iter().map(Into::into).collect() }
    }
}

impl TryFrom<v1::SegmentsReply> for Vec<SegmentInfo> {
    type Error = Error;

    fn try_from(message: v1::SegmentsReply) -> Result<Self> {
        message.segments.into_iter().map(TryInto::try_into).collect()
    }
}

impl From<&Tails> for v1::TailsReply {
    fn from(tails: &Tails) -> Self {
        let streams = tails.streams.iter().map(|segments| segments.as_slice().into()).collect();
        Self { streams, exact: tails.exact }
    }
}

impl TryFrom<v1::TailsReply> for Tails {
    type Error = Error;

    fn try_from(message: v1::TailsReply) -> Result<Self> {
        let streams = message.streams.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
        Ok(Self { streams, exact: message.exact })
    }
}

impl From<Capability> for v1::Capability {
    fn from(capability: Capability) -> Self {
        match capability {
            Capability::AtomicVisibility => Self::VisibleAtOnce,
            Capability::CutAtTime => Self::CutAtTime,
            Capability::HigherEpochs => Self::HigherEpochs,
            Capability::CombinedRetention => Self::TwoLimits,
            Capability::AppendTimes => Self::AppendTimes,
        }
    }
}

impl From<Duration> for v1::CutAtRequest {
    fn from(since_epoch: Duration) -> Self {
        Self { stream: None, since_epoch: Some(to_duration(since_epoch)) }
    }
}

impl v1::CutAtRequest {
    /// Returns the requested time, since 1970-01-01 UTC.
    ///
    /// # Errors
    /// `InvalidInput` when the time is absent or negative.
    pub fn time(&self) -> Result<Duration> {
        from_duration(required(self.since_epoch, "time")?)
    }
}

/// Converts a duration; one of more than `i64::MAX` seconds saturates.
fn to_duration(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: duration.subsec_nanos() as i32 }
}

fn from_duration(message: prost_types::Duration) -> Result<Duration> {
    let (seconds, nanos) = (u64::try_from(message.seconds), u32::try_from(message.nanos));
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Ok(Duration::new(seconds, nanos)),
        _ => Err(Error::invalid(format!("{message:?} is not a duration of at least 0"))),
    }
}
