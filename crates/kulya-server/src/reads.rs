//! Reading events for answers: bytes that are read count against the server's budget for as long as they are in memory, and
//! readers who are at the same place share them. [`SharedReads`] is the server's, [`Reads`] one request's.
//!
//! A read asks for room before it begins, so many reads run at a time, and what they give is copied out of the store's own
//! buffers, which may be larger. A request that finds no room is refused; a tail waits for it, holding nothing.

use bytes::Bytes;
use kulya_auth::fair_share::{Permit, Share};
use kulya_store::{Error, ErrorKind, EventPointer, ReadChunk, Result, SegmentId, StreamStore, Tail, framing};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// Reads of the store at a time: each may give an event of 8 MiB before it is counted.
const AT_A_TIME: usize = 16;
/// What an event takes in memory beside its bytes, about.
const EVENT_BYTES: usize = 48;
/// So many places are remembered before those that nobody holds are forgotten.
const SWEEP: usize = 1024;
/// Until there is room, a tail looks for it this often.
const PAUSE: Duration = Duration::from_millis(100);

/// A segment, an offset, and the bytes asked for.
type Place = (SegmentId, u64, usize);

/// What readers share. Clones are one.
#[derive(Clone)]
pub(crate) struct SharedReads(Arc<Shared>);

struct Shared {
    /// Who reads at a place first holds its lock meanwhile.
    places: std::sync::Mutex<HashMap<Place, Arc<Mutex<Weak<Block>>>>>,
    at_a_time: Semaphore,
}

impl Default for SharedReads {
    fn default() -> Self {
        Self(Arc::new(Shared { places: Default::default(), at_a_time: Semaphore::new(AT_A_TIME) }))
    }
}

impl SharedReads {
    /// The reads of one request, which are counted as its.
    pub(crate) fn of(&self, store: Arc<dyn StreamStore>, share: Share) -> Reads {
        Reads { shared: self.clone(), store, share }
    }

    fn place(&self, place: Place) -> Arc<Mutex<Weak<Block>>> {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= SWEEP {
            // of a lock that nobody else has, whether anybody has the block is there to be seen
            places.retain(|_, block| {
                Arc::strong_count(block) > 1 || block.try_lock().is_ok_and(|block| block.strong_count() > 0)
            });
        }
        Arc::clone(places.entry(place).or_default())
    }
}

/// Events in one piece of memory, and their part of the budget.
struct Block {
    bytes: Vec<u8>,
    events: Vec<(u64, Range<usize>)>,
    next: u64,
    _part: Permit,
}

/// Somebody's hold on a block.
struct Hold(Arc<Block>);

impl AsRef<[u8]> for Hold {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Block {
    fn of(chunk: &ReadChunk, part: Permit) -> Self {
        let total = chunk.events.iter().map(|(_, event)| event.len()).sum();
        let mut bytes = Vec::with_capacity(total);
        let mut events = Vec::with_capacity(chunk.events.len());
        for (at, event) in &chunk.events {
            let begin = bytes.len();
            bytes.extend_from_slice(event);
            events.push((*at, begin..bytes.len()));
        }
        Self { bytes, events, next: chunk.next, _part: part }
    }

    fn chunk(self: Arc<Self>) -> ReadChunk {
        let (events, next) = (self.events.clone(), self.next);
        let bytes = Bytes::from_owner(Hold(self));
        let events = events.into_iter().map(|(at, range)| (at, bytes.slice(range))).collect();
        ReadChunk { events, next }
    }
}

/// Reads events for one request. Clones are one request's.
#[derive(Clone)]
pub(crate) struct Reads {
    shared: SharedReads,
    store: Arc<dyn StreamStore>,
    share: Share,
}

/// What those are told who find no room.
pub(crate) fn no_room() -> Error {
    Error::new(ErrorKind::Unreachable, "the server has no room for more answers now: try again in a second")
}

impl Reads {
    /// [`StreamStore::read`]; the error is also that there is no room.
    pub(crate) async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let place = self.shared.place((segment.clone(), offset, max_bytes));
        let mut block = place.lock().await;
        if let Some(block) = block.upgrade() {
            return Ok(block.chunk());
        }
        let part = self.share.take(max_bytes).ok_or_else(no_room)?;
        let Ok(_turn) = self.shared.0.at_a_time.acquire().await else { return Err(no_room()) };
        let chunk = self.store.read(segment, offset, max_bytes).await?;
        if chunk.events.is_empty() {
            return Ok(chunk);
        }
        let read = Arc::new(Block::of(&chunk, self.counted(&chunk, part)?));
        *block = Arc::downgrade(&read);
        Ok(read.chunk())
    }

    /// The part of what was read, when there is room for it.
    fn counted(&self, chunk: &ReadChunk, mut part: Permit) -> Result<Permit> {
        let bytes: usize = chunk.events.iter().map(|(_, event)| event.len() + EVENT_BYTES).sum();
        if bytes > part.amount() {
            part.join(self.share.take(bytes - part.amount()).ok_or_else(no_room)?);
        }
        part.shrink(bytes);
        Ok(part)
    }

    /// [`StreamStore::event`], likewise.
    pub(crate) async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let EventPointer { segment, offset, length } = pointer;
        let place = self.shared.place((segment.clone(), *offset, usize::MAX));
        let mut block = place.lock().await;
        let shared =
            block.upgrade().filter(|block| framing::framed_len(block.bytes.len()) == u64::from(*length));
        if let Some(block) = shared {
            return Ok(Bytes::from_owner(Hold(block)));
        }
        // a pointer's length is anybody's word
        let room = (*length as usize).min(framing::MAX_EVENT_BYTES);
        let part = self.share.take(room).ok_or_else(no_room)?;
        let Ok(_turn) = self.shared.0.at_a_time.acquire().await else { return Err(no_room()) };
        let event = self.store.event(pointer).await?;
        let chunk = ReadChunk { next: *offset, events: vec![(*offset, event)] };
        let read = Arc::new(Block::of(&chunk, self.counted(&chunk, part)?));
        *block = Arc::downgrade(&read);
        Ok(Bytes::from_owner(Hold(read)))
    }

    /// [`read`](Self::read) for whoever can wait for room, since the client waits already and nothing else is held.
    pub(crate) async fn read_when_there_is_room(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<ReadChunk> {
        loop {
            match self.read(segment, offset, max_bytes).await {
                Err(error) if is_no_room(&error) => tokio::time::sleep(PAUSE).await,
                read => return read,
            }
        }
    }

    /// [`Tail::next`], which waits for room, too. Cancel-safe.
    pub(crate) async fn follow(
        &self,
        tail: &mut Tail,
        max_bytes: usize,
    ) -> Result<Option<(SegmentId, ReadChunk)>> {
        let Some((segment, offset)) = tail.ready(&*self.store).await? else { return Ok(None) };
        let chunk = self.read_when_there_is_room(&segment, offset, max_bytes).await?;
        tail.advance(&segment, chunk.next);
        Ok(Some((segment, chunk)))
    }
}

fn is_no_room(error: &Error) -> bool {
    error.kind() == ErrorKind::Unreachable && error.to_string() == no_room().to_string()
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
    fn readers_at_one_place_share_what_they_read() {
        block_on(async {
            let (shared, pool) = (SharedReads::default(), Pool::new(10_000, 100));
            let store = store(&[4000, 100]).await;
            let reads = || shared.of(Arc::clone(&store), pool.share(None));
            let segment = stream().segment(0);
            let mut held = Vec::new();
            for _ in 0..100 {
                held.push(reads().read(&segment, 0, 1000).await.unwrap());
            }
            assert_eq!(pool.used(), 4000 + EVENT_BYTES, "one event, one copy");
            assert!(held.iter().all(|chunk| chunk.events[0].1.len() == 4000));
            // another place is another read
            let behind = reads().read(&segment, held[0].next, 1000).await.unwrap();
            assert_eq!(pool.used(), 4100 + 2 * EVENT_BYTES);
            let kept = held.pop().unwrap().events.pop().unwrap().1;
            drop((held, behind));
            assert_eq!(pool.used(), 4000 + EVENT_BYTES, "an event holds it");
            drop(kept);
            assert_eq!(pool.used(), 0);
        });
    }

    #[test]
    fn what_does_not_fit_is_refused_and_a_tail_waits_for_room() {
        block_on(async {
            let (shared, pool) = (SharedReads::default(), Pool::new(1000, 100));
            let store = store(&[2000, 10]).await;
            let reads = shared.of(Arc::clone(&store), pool.share(None));
            let segment = stream().segment(0);
            let refused = reads.read(&segment, 0, 100).await.unwrap_err();
            assert!(is_no_room(&refused), "{refused}");
            assert_eq!(pool.used(), 0);
            let segments = store.segments(&stream()).await.unwrap();
            let pointer = EventPointer { segment: segment.clone(), offset: 0, length: 2008 };
            assert!(is_no_room(&reads.event(&pointer).await.unwrap_err()));
            let small = EventPointer { segment: segment.clone(), offset: 2008, length: 18 };
            assert_eq!(segments[0].tail, 2026);
            let event = reads.event(&small).await.unwrap();
            assert_eq!((&event[..], pool.used()), (&[7u8; 10][..], 10 + EVENT_BYTES));
            assert!(reads.event(&EventPointer { length: 17, ..small }).await.is_err(), "not what is shared");
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_tail_goes_on_when_there_is_room() {
        let (shared, pool) = (SharedReads::default(), Pool::new(1000, 100));
        let store = store(&[100]).await;
        let all = pool.share(None).take(1000).unwrap();
        let reads = shared.of(Arc::clone(&store), pool.share(None));
        let mut tail = Tail::from(head_cut(&*store, &stream()).await.unwrap());
        let waiting = tokio::time::timeout(Duration::from_secs(60), reads.follow(&mut tail, 200));
        assert!(waiting.await.is_err(), "no room");
        drop(all);
        let (_, chunk) = reads.follow(&mut tail, 200).await.unwrap().unwrap();
        assert_eq!(chunk.events.len(), 1);
    }

    #[test]
    fn places_that_nobody_holds_are_forgotten() {
        block_on(async {
            let shared = SharedReads::default();
            let reads = shared.of(store(&[10]).await, Pool::new(10_000, 100).share(None));
            for bytes in 0..3 * SWEEP {
                let _ = reads.read(&stream().segment(0), 0, bytes + 1).await;
            }
            assert!(shared.0.places.lock().unwrap().len() <= SWEEP);
        });
    }
}
