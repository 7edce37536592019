//! Conversions of read results: chunks of events, times of events, and table entries.

use crate::v1;
use kulya_store::{AppendTimes, Entry, Error, MAX_APPEND_TIMES, ReadChunk, Result, Version};
use std::time::Duration;

impl From<ReadChunk> for v1::Chunk {
    fn from(chunk: ReadChunk) -> Self {
        let events = chunk.events.into_iter().map(|(offset, event)| v1::Event { offset, event });
        Self { events: events.collect(), next: chunk.next }
    }
}

impl From<v1::Chunk> for ReadChunk {
    fn from(message: v1::Chunk) -> Self {
        let events = message.events.into_iter().map(|event| (event.offset, event.event));
        Self { events: events.collect(), next: message.next }
    }
}

impl From<&AppendTimes> for v1::AppendTimesReply {
    fn from(times: &AppendTimes) -> Self {
        let (offset, time) = times.runs().map(|(offset, time)| (offset, time.as_millis() as u64)).unzip();
        Self { offset, time, end: times.end() }
    }
}

impl TryFrom<v1::AppendTimesReply> for AppendTimes {
    type Error = Error;

    fn try_from(message: v1::AppendTimesReply) -> Result<Self> {
        let v1::AppendTimesReply { offset, time, end } = message;
        if offset.len() != time.len() || offset.len() > MAX_APPEND_TIMES || !offset.is_sorted() {
            return Err(Error::invalid(format!(
                "{} offsets and {} times are not two columns of one length in order",
                offset.len(),
                time.len()
            )));
        }
        let mut times = Self::new(end);
        for (offset, time) in offset.into_iter().zip(time) {
            times.push(offset, Duration::from_millis(time));
        }
        Ok(times)
    }
}

impl From<Entry> for v1::Entry {
    fn from(entry: Entry) -> Self {
        Self { key: entry.key, value: entry.value, version: entry.version.0 }
    }
}

impl From<v1::Entry> for Entry {
    fn from(message: v1::Entry) -> Self {
        Self { key: message.key, value: message.value, version: Version(message.version) }
    }
}
