//! The journal: one segment that every process on this store reads to its end before it adds to it. A block is added only
//! where the writer thinks the journal ends, so all processes see the same blocks in the same order, and nobody decides on
//! old knowledge.
//!
//! A block's events reach their segments before the next block is written. So at most the last block is unfinished, and
//! whoever reads the journal to its end finishes it: that is how a commit survives the end of its process.

use crate::appender::{Appended, Appender, Batch};
use crate::block::{Act, Block, MOST_BLOCK_BYTES, Piece, SegmentBatch, unreadable};
use crate::segments::Segments;
use crate::state::{Place, State};
use bytes::{Buf, Bytes, BytesMut};
use futures::future::join_all;
use kulya_store::{Error, ErrorKind, Result, SegmentId, framing};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Asked of the journal at a time.
const READ_BYTES: u32 = 2 << 20;
/// Writers on segments that are kept open.
const MOST_APPENDERS: usize = 4096;

/// The journal as one process sees it. Only the committer moves it.
pub(crate) struct Journal {
    segments: Arc<Segments>,
    segment: SegmentId,
    instance: u128,
    own: Appender,
    tries: i64,
    /// Whether a block was sent and no answer came.
    in_doubt: bool,
    /// By segment and writer.
    appenders: HashMap<(SegmentId, u128), Arc<Appender>>,
    state: Arc<Mutex<State>>,
    /// The last block, as long as its events may not all be where they belong.
    unfinished: Option<(Place, Block)>,
}

/// What became of one batch of a block: where it begins; `None` when it was stored before.
pub(crate) type Landed = Result<Option<u64>>;

impl Journal {
    /// Reads the journal from its last checkpoint on; `catch_up` reads the rest.
    pub(crate) async fn open(segments: Arc<Segments>, segment: SegmentId, instance: u128) -> Result<Self> {
        let mut this = Self {
            own: Appender::new(segment.clone(), instance),
            tries: 0,
            in_doubt: false,
            appenders: HashMap::new(),
            state: Arc::default(),
            unfinished: None,
            segments,
            segment,
            instance,
        };
        this.restore().await?;
        Ok(this)
    }

    pub(crate) fn state(&self) -> Arc<Mutex<State>> {
        Arc::clone(&self.state)
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(crate) fn segment(&self) -> &SegmentId {
        &self.segment
    }

    pub(crate) fn instance(&self) -> u128 {
        self.instance
    }

    /// The first whole checkpoint, if the journal no longer begins at its beginning.
    async fn restore(&mut self) -> Result<()> {
        let head = self.segments.extent(&self.segment).await?.head;
        if head == 0 {
            return Ok(());
        }
        let mut pieces: BTreeMap<u64, Vec<Piece>> = BTreeMap::new();
        let mut reader = Blocks::from(head);
        while let Some((place, block)) = reader.next(&self.segments, &self.segment).await? {
            for record in block.records {
                match record.act {
                    Some(Act::Piece(piece)) => {
                        let known = pieces.entry(piece.at).or_default();
                        // an attempt that was broken off and begun anew counts from 0 again
                        known.truncate(piece.number as usize);
                        known.push(piece);
                    }
                    Some(Act::Checkpoint(checkpoint)) if checkpoint.at >= head => {
                        let found = pieces.remove(&checkpoint.at).unwrap_or_default();
                        if found.len() != checkpoint.pieces as usize {
                            return Err(unreadable(place.offset));
                        }
                        let state = State::restore(&checkpoint, &found)?;
                        self.with(|now| *now = state);
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }
        Err(unreadable(head))
    }

    /// Reads to the journal's end, and finishes what another process left unfinished there.
    pub(crate) async fn catch_up(&mut self) -> Result<()> {
        match self.read_on().await {
            // others have gone on so far that the journal begins behind what was read here
            Err(error) if error.kind() == ErrorKind::Truncated => {
                self.restore().await?;
                self.read_on().await?;
            }
            read => read?,
        }
        self.in_doubt = false;
        self.finish().await
    }

    async fn read_on(&mut self) -> Result<()> {
        let mut reader = Blocks::from(self.with(|state| state.applied));
        while let Some((place, block)) = reader.next(&self.segments, &self.segment).await? {
            self.with(|state| state.apply(place, &block))?;
            self.unfinished = Some((place, block));
        }
        Ok(())
    }

    /// Lets the journal begin at an offset.
    pub(crate) async fn forget_before(&self, offset: u64) -> Result<()> {
        self.segments.truncate(&self.segment, offset).await
    }

    /// What must be so before a block is added: the last one is finished, and no earlier try is in doubt.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        if self.in_doubt { self.catch_up().await } else { self.finish().await }
    }

    /// Adds a block behind what was read; `None` when the journal has grown meanwhile.
    pub(crate) async fn append(&mut self, block: &mut Block) -> Result<Option<Place>> {
        let offset = self.with(|state| state.applied);
        // each try has a number of its own: what is stored under it is this very block, at this very offset
        self.tries += 1;
        block.sequence = self.tries as u64;
        let frames = block.to_bytes();
        let place = Place { offset, length: frames.len() as u32 };
        let batch = Batch { number: self.tries, count: 1, frames, at: Some(offset) };
        self.in_doubt = true;
        let appended = self.own.append(&self.segments, &batch).await?;
        self.in_doubt = false;
        Ok((appended != Appended::Moved).then_some(place))
    }

    /// Takes over a block that was added, and brings its events to their segments. The answer has one entry for each batch
    /// of the block, then for those of the transactions that it commits.
    pub(crate) async fn land(&mut self, place: Place, block: Block) -> Result<Vec<Landed>> {
        self.with(|state| state.apply(place, &block))?;
        let landed = self.bring(place, &block).await;
        if landed.iter().any(|one| one.as_ref().is_err_and(|e| !is_final(e))) {
            self.unfinished = Some((place, block));
        } else {
            self.with(|state| state.landed = state.applied);
        }
        Ok(landed)
    }

    /// Finishes the last block, if that has not been seen to be done.
    async fn finish(&mut self) -> Result<()> {
        let Some((place, block)) = self.unfinished.take() else {
            self.with(|state| state.landed = state.applied);
            return Ok(());
        };
        let landed = self.bring(place, &block).await;
        // a stream that another program has sealed or removed meanwhile takes no more: there is nothing left to do
        match landed.into_iter().find_map(|one| one.err().filter(|e| !is_final(e))) {
            Some(error) => {
                self.unfinished = Some((place, block));
                Err(error)
            }
            None => Ok(()),
        }
    }

    async fn bring(&mut self, place: Place, block: &Block) -> Vec<Landed> {
        let mut landed = self.bring_batches(place, block, 0, &block.batches).await;
        let parts = self.with(|state| state.just_committed.clone());
        for part in parts {
            let batches = match self.part(part).await {
                Ok(batches) => batches,
                Err(error) => {
                    landed.push(Err(error));
                    return landed;
                }
            };
            let more = self.bring_batches(place, block, landed.len(), &batches).await;
            let failed = more.iter().any(|one| one.as_ref().is_err_and(|e| !is_final(e)));
            landed.extend(more);
            if failed {
                return landed;
            }
        }
        for record in &block.records {
            if let Some(Act::Seal(stream)) = &record.act
                && let Err(error) = self.seal(stream).await
            {
                landed.push(Err(error));
            }
        }
        landed
    }

    async fn seal(&self, stream: &crate::block::Name) -> Result<()> {
        match self.segments.controller.seal_stream(&stream.stream()?).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Segments side by side, the batches of one segment in their order.
    async fn bring_batches(
        &mut self,
        place: Place,
        block: &Block,
        first: usize,
        batches: &[SegmentBatch],
    ) -> Vec<Landed> {
        let mut by_segment: BTreeMap<&str, Vec<(usize, &SegmentBatch)>> = BTreeMap::new();
        for (index, batch) in batches.iter().enumerate() {
            by_segment.entry(&batch.segment).or_default().push((index, batch));
        }
        let mut work = Vec::new();
        for ours in by_segment.into_values() {
            let appender = ours
                .first()
                .expect("a group has a first")
                .1
                .segment(place.offset)
                .map(|id| self.appender(id, block.instance()));
            let segments = Arc::clone(&self.segments);
            work.push(async move {
                let mut landed = Vec::with_capacity(ours.len());
                for (index, batch) in ours {
                    let one = match &appender {
                        Ok(appender) => {
                            bring_one(&segments, appender, block.batch_number(first + index), batch).await
                        }
                        Err(_) => Err(unreadable(place.offset)),
                    };
                    let failed = one.is_err();
                    landed.push((index, one));
                    // what follows in this segment must not overtake
                    if failed {
                        break;
                    }
                }
                landed
            });
        }
        let mut all: Vec<Landed> = batches.iter().map(|_| Err(not_reached(&self.segment))).collect();
        for (index, one) in join_all(work).await.into_iter().flatten() {
            if let Some(entry) = all.get_mut(index) {
                *entry = one;
            }
        }
        all
    }

    fn appender(&mut self, segment: SegmentId, writer: u128) -> Arc<Appender> {
        if self.appenders.len() >= MOST_APPENDERS {
            self.appenders.clear();
        }
        let new = || Arc::new(Appender::new(segment.clone(), writer));
        Arc::clone(self.appenders.entry((segment.clone(), writer)).or_insert_with(new))
    }

    /// The events of a transaction that one block staged.
    pub(crate) async fn part(&self, place: Place) -> Result<Vec<SegmentBatch>> {
        let bytes = self.segments.exactly(&self.segment, place.offset, place.length as usize).await?;
        let block = Block::from_body(place.offset, bytes.slice(framing::HEADER_BYTES.min(bytes.len())..))?;
        let batches = block.records.into_iter().filter_map(|record| match record.act {
            Some(Act::Part(part)) => Some(part.batches),
            _ => None,
        });
        Ok(batches.flatten().collect())
    }
}

async fn bring_one(segments: &Segments, appender: &Appender, number: i64, batch: &SegmentBatch) -> Landed {
    let batch = Batch { number, count: batch.count, frames: batch.frames.clone(), at: None };
    match appender.append(segments, &batch).await? {
        Appended::At(offset) => Ok(Some(offset)),
        Appended::Before | Appended::Moved => Ok(None),
    }
}

/// Whether trying again would change nothing.
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Sealed | ErrorKind::NotFound)
}

fn not_reached(segment: &SegmentId) -> Error {
    Error::new(
        ErrorKind::Failed,
        format!("an earlier batch of a commit in {segment} did not reach its segment: ask again"),
    )
}

/// Reads blocks one after the other, up to where the journal ends when that is asked.
pub(crate) struct Blocks {
    offset: u64,
    tail: Option<u64>,
    read: BytesMut,
}

impl Blocks {
    pub(crate) fn from(offset: u64) -> Self {
        Self { offset, tail: None, read: BytesMut::new() }
    }

    /// The next block; `None` at the end.
    pub(crate) async fn next(
        &mut self,
        segments: &Segments,
        journal: &SegmentId,
    ) -> Result<Option<(Place, Block)>> {
        let tail = match self.tail {
            Some(tail) => tail,
            None => *self.tail.insert(segments.extent(journal).await?.tail),
        };
        if self.offset >= tail {
            return Ok(None);
        }
        self.fill(segments, journal, framing::HEADER_BYTES).await?;
        let (header, _) = self.read.split_first_chunk().ok_or_else(|| unreadable(self.offset))?;
        let length = Block::body_len(header).ok_or_else(|| unreadable(self.offset))?;
        debug_assert!(length <= MOST_BLOCK_BYTES);
        self.fill(segments, journal, framing::HEADER_BYTES + length).await?;
        self.read.advance(framing::HEADER_BYTES);
        let body: Bytes = self.read.split_to(length).freeze();
        let place = Place { offset: self.offset, length: (framing::HEADER_BYTES + length) as u32 };
        self.offset += u64::from(place.length);
        Ok(Some((place, Block::from_body(place.offset, body)?)))
    }

    async fn fill(&mut self, segments: &Segments, journal: &SegmentId, length: usize) -> Result<()> {
        while self.read.len() < length {
            let at = self.offset + self.read.len() as u64;
            // at the tail a read would wait
            if self.tail.is_none_or(|tail| at >= tail) {
                return Err(unreadable(self.offset));
            }
            match segments.bytes(journal, at, READ_BYTES).await? {
                Some(bytes) if !bytes.is_empty() => self.read.extend_from_slice(&bytes),
                _ => return Err(unreadable(self.offset)),
            }
        }
        Ok(())
    }
}
