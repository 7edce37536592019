//! Conversions of read results: chunks of events, and table entries.

use crate::v1;
use kulya_store::{Entry, ReadChunk, Version};

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
