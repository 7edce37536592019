//! Reading events for responses: events count against the server's memory limit for as long as they are in
//! memory, and concurrent readers of the same position share them. [`SharedReads`] belongs to the server,
//! [`Reads`] to one request.
//!
//! A read acquires memory before it starts, a bounded number of reads runs at a time, and events are copied
//! out of the store's buffers, which may be larger. A request fails when there is no memory; a tail waits for
//! it, without holding any.

use bytes::Bytes;
use kulya_auth::fair_share::{Permit, Share};
use kulya_store::{Error, ErrorKind, EventPointer, ReadChunk, Result, SegmentId, StreamStore, Tail, framing};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// Concurrent reads of the store: each may return an event of 8 MiB before it is accounted for.
const MAX_CONCURRENT: usize = 16;
/// The approximate memory of an event in addition to its bytes.
const EVENT_OVERHEAD: usize = 48;
/// Positions in the cache, before unused ones are removed.
const CLEANUP_THRESHOLD: usize = 1024;
/// The interval at which a tail retries while there is no memory.
const MEMORY_RETRY: Duration = Duration::from_millis(100);

/// A segment, an offset, and the maximum bytes.
type ReadKey = (SegmentId, u64, usize);

/// The reads that requests share. Clones share one cache.
#[derive(Clone)]
pub(crate) struct SharedReads(Arc<Shared>);

struct Shared {
    /// The first reader of a position holds its lock meanwhile.
    reads: std::sync::Mutex<HashMap<ReadKey, Arc<Mutex<Weak<Block>>>>>,
    concurrency: Semaphore,
}

impl Default for SharedReads {
    fn default() -> Self {
        Self(Arc::new(Shared { reads: Default::default(), concurrency: Semaphore::new(MAX_CONCURRENT) }))
    }
}

impl SharedReads {
    /// Returns the reads of one request, which are accounted to it.
    pub(crate) fn for_request(&self, store: Arc<dyn StreamStore>, share: Share) -> Reads {
        Reads { shared: self.clone(), store, share }
    }

    fn entry(&self, key: ReadKey) -> Arc<Mutex<Weak<Block>>> {
        let mut reads = self.0.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.len() >= CLEANUP_THRESHOLD {
            // an entry that nobody is reading can be locked
            reads.retain(|_, block| {
                Arc::strong_count(block) > 1 || block.try_lock().is_ok_and(|block| block.strong_count() > 0)
            });
        }
        Arc::clone(reads.entry(key).or_default())
    }
}

/// Events in one allocation, and the permit for their memory.
struct Block {
    bytes: Vec<u8>,
    events: Vec<(u64, Range<usize>)>,
    next: u64,
    _permit: Permit,
}

/// A reference to a block as the owner of bytes.
struct BlockRef(Arc<Block>);

impl AsRef<[u8]> for BlockRef {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Block {
    fn new(chunk: &ReadChunk, permit: Permit) -> Self {
        let total = chunk.events.iter().map(|(_, event)| event.len()).sum();
        let mut bytes = Vec::with_capacity(total);
        let mut events = Vec::with_capacity(chunk.events.len());
        for (at, event) in &chunk.events {
            let start = bytes.len();
            bytes.extend_from_slice(event);
            events.push((*at, start..bytes.len()));
        }
        Self { bytes, events, next: chunk.next, _permit: permit }
    }

    fn chunk(self: Arc<Self>) -> ReadChunk {
        let (events, next) = (self.events.clone(), self.next);
        let bytes = Bytes::from_owner(BlockRef(self));
        let events = events.into_iter().map(|(at, range)| (at, bytes.slice(range))).collect();
        ReadChunk { events, next }
    }
}

/// Reads events for one request. Clones belong to the same request.
#[derive(Clone)]
pub(crate) struct Reads {
    shared: SharedReads,
    store: Arc<dyn StreamStore>,
    share: Share,
}

/// Returns the error of a request that finds no memory.
pub(crate) fn out_of_memory() -> Error {
    Error::new(ErrorKind::Unreachable, "the server is out of memory for responses: retry in a second")
}

impl Reads {
    /// Reads like [`StreamStore::read`].
    ///
    /// # Errors
    /// Those of the store, and [`out_of_memory`].
    pub(crate) async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let entry = self.shared.entry((segment.clone(), offset, max_bytes));
        let mut block = entry.lock().await;
        if let Some(block) = block.upgrade() {
            return Ok(block.chunk());
        }
        let permit = self.share.try_acquire(max_bytes).ok_or_else(out_of_memory)?;
        let Ok(_slot) = self.shared.0.concurrency.acquire().await else { return Err(out_of_memory()) };
        let chunk = self.store.read(segment, offset, max_bytes).await?;
        if chunk.events.is_empty() {
            return Ok(chunk);
        }
        let new = Arc::new(Block::new(&chunk, self.charge(&chunk, permit)?));
        *block = Arc::downgrade(&new);
        Ok(new.chunk())
    }

    /// Adjusts a permit to what was read, if there is memory for it.
    fn charge(&self, chunk: &ReadChunk, mut permit: Permit) -> Result<Permit> {
        let bytes: usize = chunk.events.iter().map(|(_, event)| event.len() + EVENT_OVERHEAD).sum();
        if bytes > permit.amount() {
            permit.merge(self.share.try_acquire(bytes - permit.amount()).ok_or_else(out_of_memory)?);
        }
        permit.shrink_to(bytes);
        Ok(permit)
    }

    /// Reads an event like [`StreamStore::event`].
    ///
    /// # Errors
    /// Those of the store, and [`out_of_memory`].
    pub(crate) async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let EventPointer { segment, offset, length } = pointer;
        let entry = self.shared.entry((segment.clone(), *offset, usize::MAX));
        let mut block = entry.lock().await;
        let shared =
            block.upgrade().filter(|block| framing::framed_len(block.bytes.len()) == u64::from(*length));
        if let Some(block) = shared {
            return Ok(Bytes::from_owner(BlockRef(block)));
        }
        // the length is chosen by the client
        let max_bytes = (*length as usize).min(framing::MAX_EVENT_BYTES);
        let permit = self.share.try_acquire(max_bytes).ok_or_else(out_of_memory)?;
        let Ok(_slot) = self.shared.0.concurrency.acquire().await else { return Err(out_of_memory()) };
        let event = self.store.event(pointer).await?;
        let chunk = ReadChunk { next: *offset, events: vec![(*offset, event)] };
        let new = Arc::new(Block::new(&chunk, self.charge(&chunk, permit)?));
        *block = Arc::downgrade(&new);
        Ok(Bytes::from_owner(BlockRef(new)))
    }

    /// Reads like [`read`](Self::read), but waits for memory: for callers that hold none.
    pub(crate) async fn read_when_memory_is_available(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<ReadChunk> {
        loop {
            match self.read(segment, offset, max_bytes).await {
                Err(error) if is_out_of_memory(&error) => tokio::time::sleep(MEMORY_RETRY).await,
                result => return result,
            }
        }
    }

    /// Tails like [`Tail::next`], but waits for memory, too. Cancel-safe.
    pub(crate) async fn tail(
        &self,
        tail: &mut Tail,
        max_bytes: usize,
    ) -> Result<Option<(SegmentId, ReadChunk)>> {
        let Some((segment, offset)) = tail.ready(&*self.store).await? else { return Ok(None) };
        let chunk = self.read_when_memory_is_available(&segment, offset, max_bytes).await?;
        tail.advance(&segment, chunk.next);
        Ok(Some((segment, chunk)))
    }
}

fn is_out_of_memory(error: &Error) -> bool {
    error.kind() == ErrorKind::Unreachable && error.to_string() == out_of_memory().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use kulya_auth::fair_share::Pool;
    use kulya_store::memory::MemoryStore;
    use kulya_store::{Append, Commit, StreamConfig, StreamId, head_cut};

    fn stream() -> StreamId {
        StreamId::new("s", "t").unwrap()
    }

    /// A store with these events in one segment.
    async fn store(events: &[usize]) -> Arc<dyn StreamStore> {
        let store = MemoryStore::new();
        store.create_scope(&stream().scope).await.unwrap();
        store.create_stream(&stream(), StreamConfig::with_segments(1)).await.unwrap();
        for bytes in events {
            let event = vec![7u8; *bytes];
            store.commit(Commit::events(vec![Append::keyed(&stream(), "k", event)])).await.unwrap();
        }
        Arc::new(store)
    }

    #[test]
    fn readers_of_one_position_share_events() {
        block_on(async {
            let (shared, pool) = (SharedReads::default(), Pool::new(10_000, 100));
            let store = store(&[4000, 100]).await;
            let reads = || shared.for_request(Arc::clone(&store), pool.share(None));
            let segment = stream().segment(0);
            let mut held = Vec::new();
            for _ in 0..100 {
                held.push(reads().read(&segment, 0, 1000).await.unwrap());
            }
            assert_eq!(pool.used(), 4000 + EVENT_OVERHEAD, "one event, one copy");
            assert!(held.iter().all(|chunk| chunk.events[0].1.len() == 4000));
            // another position is another read
            let next = reads().read(&segment, held[0].next, 1000).await.unwrap();
            assert_eq!(pool.used(), 4100 + 2 * EVENT_OVERHEAD);
            let kept = held.pop().unwrap().events.pop().unwrap().1;
            drop((held, next));
            assert_eq!(pool.used(), 4000 + EVENT_OVERHEAD, "one event keeps the block");
            drop(kept);
            assert_eq!(pool.used(), 0);
        });
    }

    #[test]
    fn a_read_without_memory_fails() {
        block_on(async {
            let (shared, pool) = (SharedReads::default(), Pool::new(1000, 100));
            let store = store(&[2000, 10]).await;
            let reads = shared.for_request(Arc::clone(&store), pool.share(None));
            let segment = stream().segment(0);
            let error = reads.read(&segment, 0, 100).await.unwrap_err();
            assert!(is_out_of_memory(&error), "{error}");
            assert_eq!(pool.used(), 0);
            let segments = store.segments(&stream()).await.unwrap();
            let pointer = EventPointer { segment: segment.clone(), offset: 0, length: 2008 };
            assert!(is_out_of_memory(&reads.event(&pointer).await.unwrap_err()));
            let small = EventPointer { segment: segment.clone(), offset: 2008, length: 18 };
            assert_eq!(segments[0].tail, 2026);
            let event = reads.event(&small).await.unwrap();
            assert_eq!((&event[..], pool.used()), (&[7u8; 10][..], 10 + EVENT_OVERHEAD));
            assert!(
                reads.event(&EventPointer { length: 17, ..small }).await.is_err(),
                "another length is not shared"
            );
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_tail_waits_for_memory() {
        let (shared, pool) = (SharedReads::default(), Pool::new(1000, 100));
        let store = store(&[100]).await;
        let all = pool.share(None).try_acquire(1000).unwrap();
        let reads = shared.for_request(Arc::clone(&store), pool.share(None));
        let mut tail = Tail::from(head_cut(&*store, &stream()).await.unwrap());
        let waiting = tokio::time::timeout(Duration::from_secs(60), reads.tail(&mut tail, 200));
        assert!(waiting.await.is_err(), "no memory");
        drop(all);
        let (_, chunk) = reads.tail(&mut tail, 200).await.unwrap().unwrap();
        assert_eq!(chunk.events.len(), 1);
    }

    #[test]
    fn unused_positions_are_removed() {
        block_on(async {
            let shared = SharedReads::default();
            let reads = shared.for_request(store(&[10]).await, Pool::new(10_000, 100).share(None));
            for bytes in 0..3 * CLEANUP_THRESHOLD {
                let _ = reads.read(&stream().segment(0), 0, bytes + 1).await;
            }
            assert!(shared.0.reads.lock().unwrap().len() <= CLEANUP_THRESHOLD);
        });
    }
}
