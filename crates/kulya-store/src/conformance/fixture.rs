//! Fixtures of the suite: streams, tables, and short forms of calls that must succeed or fail.

use crate::{Commit, ErrorKind, EventPointer, StreamConfig, StreamId, StreamStore, TableId, bounded_read};

pub(super) const SHOP: &str = "shop";

pub(super) async fn stream(store: &impl StreamStore, name: &str, segments: u32) -> StreamId {
    let stream = StreamId::new(SHOP, name).expect("valid name");
    store.create_scope(&stream.scope).await.expect("scope is created");
    store.create_stream(&stream, StreamConfig::with_segments(segments)).await.expect("stream is created");
    stream
}

pub(super) async fn table(store: &impl StreamStore, name: &str) -> TableId {
    let table = TableId::new(SHOP, name).expect("valid name");
    store.create_scope(&table.scope).await.expect("scope is created");
    store.create_table(&table).await.expect("table is created");
    table
}

/// Commits events and returns the pointer of the first one.
pub(super) async fn commit_one(store: &impl StreamStore, commit: Commit) -> EventPointer {
    store.commit(commit).await.expect("committed").pointers.first().expect("one pointer per event")
}

pub(super) async fn texts(store: &impl StreamStore, stream: &StreamId) -> Vec<String> {
    let events = bounded_read(store, stream).await.expect("a stream can be read");
    events.into_iter().map(|(_, event)| String::from_utf8_lossy(&event).into_owned()).collect()
}

pub(super) fn kind<T: std::fmt::Debug>(result: crate::Result<T>) -> ErrorKind {
    result.expect_err("must be rejected").kind()
}
