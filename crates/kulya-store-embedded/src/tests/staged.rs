//! Tests of the checkpoints of a large open transaction.

use super::orders;
use crate::index::{Index, IndexChange, IndexEntry, TemporaryIndex};
use crate::{EmbeddedStore, Options};
use bytes::Bytes;
use kulya_store::{Append, StreamConfig, StreamStore, bounded_read};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// An index that survives the store, and counts what each write has of open transactions.
#[derive(Clone, Default)]
struct CountingIndex {
    entries: Arc<TemporaryIndex>,
    /// Of each write: the bytes of chunks that it has, and the number of those that it removes.
    writes: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl CountingIndex {
    fn take_writes(&self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.writes.lock().unwrap())
    }

    /// Returns the number of chunks of open transactions.
    fn chunks(&self) -> usize {
        self.entries.range(b"s", b"t").count()
    }
}

impl Index for CountingIndex {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.entries.get(key)
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a> {
        self.entries.range(from, to)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>> {
        self.entries.last(from, to)
    }

    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        let chunks = || changes.iter().filter(|(key, _)| key.starts_with(b"s"));
        let bytes = chunks().filter_map(|(_, chunk)| chunk.as_ref()).map(Vec::len).sum();
        let removed = chunks().filter(|(_, chunk)| chunk.is_none()).count();
        self.writes.lock().unwrap().push((bytes, removed));
        self.entries.write(changes)
    }

    fn clear(&self) -> io::Result<()> {
        self.entries.clear()
    }
}

fn open(folder: &Path, index: &CountingIndex) -> EmbeddedStore {
    let options = Options { inline: true, index: Some(Arc::new(index.clone())), ..Options::default() };
    EmbeddedStore::open_with(folder, options).unwrap()
}

/// The index as it was, and a copy of the folder: what an owner that was killed leaves.
fn killed(folder: &Path, index: &CountingIndex) -> (tempfile::TempDir, CountingIndex) {
    let copy = tempfile::tempdir().unwrap();
    super::copy_folder(folder, copy.path());
    let kept = CountingIndex::default();
    let all = index.entries.range(b"", b"~").map(|entry| entry.map(|(key, value)| (key, Some(value))));
    let all = all.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.map(|value| value.to_vec()))));
    kept.entries.write(all.collect::<io::Result<_>>().unwrap()).unwrap();
    (copy, kept)
}

async fn texts(store: &EmbeddedStore) -> Vec<String> {
    let events = bounded_read(store, &orders()).await.unwrap();
    events.into_iter().map(|(_, event)| String::from_utf8(event.to_vec()).unwrap()).collect()
}

/// Each call stages a run, which takes some 10 bytes: a chunk of 64 KiB is full after 6,500.
const ROUND: usize = 4_000;

#[tokio::test]
async fn checkpoint_writes_what_was_staged_since_the_one_before() {
    let (folder, index) = (tempfile::tempdir().unwrap(), CountingIndex::default());
    let store = open(folder.path(), &index);
    store.create_scope(&orders().scope).await.unwrap();
    store.create_stream(&orders(), StreamConfig::with_segments(1)).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let mut staged = Vec::new();
    let mut largest = 0;
    for round in 0..6 {
        for number in 0..ROUND {
            let text = format!("event {round} {number}");
            transaction.stage(vec![Append::keyed(&orders(), "k", text.clone())]).await.unwrap();
            staged.push(text);
        }
        store.maintain().await.unwrap();
        largest = largest.max(index.take_writes().iter().map(|(bytes, _)| *bytes).max().unwrap());
    }
    assert!(index.chunks() > 3, "{} chunks", index.chunks());
    assert!(largest < 2 * (64 << 10) + 8, "a checkpoint has {largest} bytes of {} chunks", index.chunks());

    // not committed: the next owner aborts it, and its first checkpoint removes its chunks
    let (copy, kept) = killed(folder.path(), &index);
    let next = open(copy.path(), &kept);
    assert!(texts(&next).await.is_empty());
    assert_eq!(kept.chunks(), index.chunks());
    next.create_stream(&kulya_store::StreamId::new("shop", "later").unwrap(), StreamConfig::with_segments(1))
        .await
        .unwrap();
    next.maintain().await.unwrap();
    assert_eq!(kept.chunks(), 0);
    next.close().await.unwrap();

    // more events, and the commit, after the last checkpoint
    transaction.stage(vec![Append::keyed(&orders(), "k", "last")]).await.unwrap();
    staged.push("last".to_owned());
    transaction.commit(vec![]).await.unwrap();
    let (copy, kept) = killed(folder.path(), &index);
    let next = open(copy.path(), &kept);
    assert!(texts(&next).await == staged, "the committed events are read after a kill");
    assert_eq!(kept.chunks(), index.chunks(), "the index was not rebuilt");
    next.verify().await.unwrap();
    next.close().await.unwrap();

    index.take_writes();
    store.maintain().await.unwrap();
    assert_eq!(index.chunks(), 0);
    assert_eq!(index.take_writes().iter().map(|(bytes, _)| *bytes).sum::<usize>(), 0);
    assert!(texts(&store).await == staged);
    store.close().await.unwrap();
}

/// A chunk that is damaged or lost makes the index unusable: it is rebuilt from the log.
#[tokio::test]
async fn index_with_a_damaged_chunk_is_rebuilt() {
    let (folder, index) = (tempfile::tempdir().unwrap(), CountingIndex::default());
    let store = open(folder.path(), &index);
    store.create_scope(&orders().scope).await.unwrap();
    store.create_stream(&orders(), StreamConfig::with_segments(1)).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.stage(vec![Append::keyed(&orders(), "k", "one")]).await.unwrap();
    store.maintain().await.unwrap();
    transaction.commit(vec![]).await.unwrap();
    let (key, chunk) = index.entries.range(b"s", b"t").next().unwrap().unwrap();
    let mut damaged = chunk.to_vec();
    damaged[5] ^= 1;
    for chunk in [None, Some(damaged)] {
        let (copy, kept) = killed(folder.path(), &index);
        kept.entries.write(vec![(key.to_vec(), chunk)]).unwrap();
        let next = open(copy.path(), &kept);
        assert_eq!(texts(&next).await, ["one"]);
        assert_eq!(kept.chunks(), 0, "the index was rebuilt");
        next.close().await.unwrap();
    }
    store.close().await.unwrap();
}
