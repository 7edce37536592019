//! The workload of every subject: the same streams, keys and payloads.

use crate::measure::Fallible;
use bytes::Bytes;
use kulya_store::{Append, StreamConfig, StreamId, StreamStore};

pub const STREAMS: u64 = 16;
pub const SEGMENTS: u32 = 4;
pub const BATCH: u64 = 1000;
pub const PAYLOAD: usize = 100;
/// Concurrent producers of batches.
pub const BATCH_PRODUCERS: u64 = 4;
/// Events of runs with a sync of each commit, and of those without.
pub const SYNCED: u64 = 1_000_000;
pub const WRITTEN: u64 = 2_000_000;

/// Returns pseudorandom letters, which compress little.
pub fn payload(number: u64) -> Bytes {
    let mut bytes = vec![b'A'; PAYLOAD];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in &mut bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = b'A' + (state % 26) as u8;
    }
    bytes.into()
}

pub fn payloads() -> Vec<Bytes> {
    (0..1024).map(payload).collect()
}

pub fn stream(number: u64) -> StreamId {
    StreamId::new("bench", &format!("stream-{number}")).expect("a valid name")
}

/// Creates `count` streams.
pub async fn streams(store: &dyn StreamStore, count: u64, segments: u32) -> Fallible<Vec<StreamId>> {
    let streams: Vec<StreamId> = (0..count).map(stream).collect();
    store.create_scope(&streams[0].scope).await?;
    for stream in &streams {
        store.create_stream(stream, StreamConfig::with_segments(segments)).await?;
    }
    Ok(streams)
}

/// Returns a thousand events, round robin to the streams.
pub fn batch(first: u64, streams: &[StreamId], payloads: &[Bytes]) -> Vec<Append> {
    let append = |number: u64| {
        let stream = &streams[(number % streams.len() as u64) as usize];
        Append::keyed(stream, (number % 1000).to_string(), payloads[(number % 1024) as usize].clone())
    };
    (first..first + BATCH).map(append).collect()
}
