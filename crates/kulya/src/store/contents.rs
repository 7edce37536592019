//! What a store of any kind holds: its streams and tables listed, counted, and read completely.

use crate::output::print_line;
use crate::progress;
use anyhow::Result;
use kulya_store::{BoundedSegment, ErrorKind, SegmentInfo, StreamId, StreamStore, TableId};
use std::time::Instant;

/// Bytes of one read.
const CHUNK_BYTES: usize = 4 << 20;
/// Table entries of one page.
const PAGE_ENTRIES: usize = 1000;

/// The streams of a store with their segments, and its tables.
pub(super) struct Contents {
    streams: Vec<(StreamId, Vec<SegmentInfo>)>,
    tables: Vec<TableId>,
}

impl Contents {
    /// Lists every stream and table.
    pub(super) async fn list(store: &dyn StreamStore) -> Result<Self> {
        let (mut streams, mut tables) = (Vec::new(), Vec::new());
        for scope in store.scopes().await? {
            for name in store.streams(&scope).await? {
                let stream = StreamId { scope: scope.clone(), name };
                let segments = store.segments(&stream).await?;
                streams.push((stream, segments));
            }
            let names = store.tables(&scope).await?;
            tables.extend(names.into_iter().map(|name| TableId { scope: scope.clone(), name }));
        }
        Ok(Self { streams, tables })
    }

    fn event_bytes(&self) -> u64 {
        let segments = self.streams.iter().flat_map(|(_, segments)| segments);
        segments.map(|segment| segment.tail - segment.head).sum()
    }
}

/// Prints how many scopes, streams and tables a store has.
pub(super) async fn print_summary(store: &dyn StreamStore) -> Result<()> {
    let contents = Contents::list(store).await?;
    let segments: usize = contents.streams.iter().map(|(_, segments)| segments.len()).sum();
    let (streams, bytes) = (contents.streams.len(), contents.event_bytes());
    print_line!("scopes   {}", store.scopes().await?.len());
    print_line!("streams  {streams} with {segments} segments, {bytes} bytes of events");
    print_line!("tables   {}", contents.tables.len());
    Ok(())
}

/// Reads every event and every table entry as clients do, and prints how many there are.
///
/// # Errors
/// The first read that fails.
pub(super) async fn read_all(store: &dyn StreamStore, started: Instant) -> Result<()> {
    let contents = Contents::list(store).await?;
    let total = contents.event_bytes();
    let bar = progress::bar(total, "bytes");
    let mut events = 0;
    for (_, segments) in contents.streams {
        for segment in segments {
            let mut reader = BoundedSegment::new(segment);
            let mut offset = reader.offset;
            while let Some(chunk) = reader.next(store, CHUNK_BYTES).await? {
                events += chunk.events.len();
                bar.inc(chunk.next - offset);
                offset = chunk.next;
            }
        }
    }
    let mut entries = 0;
    for table in &contents.tables {
        let mut after = None;
        loop {
            let page = match store.scan(table, b"", after.as_deref(), PAGE_ENTRIES).await {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                page => page?,
            };
            let Some(last) = page.last() else { break };
            entries += page.len();
            after = Some(last.key.clone());
        }
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let rate = total as f64 / 1e6 / seconds.max(1e-9);
    print_line!(
        "{events} events ({total} bytes) and {entries} table entries are intact; read in {seconds:.2} s ({rate:.0} MB/s)"
    );
    Ok(())
}
