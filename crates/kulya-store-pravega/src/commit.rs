//! A commit's way: one append where it is nothing but events of one segment, else through the journal; and where its events
//! stand, for the answer.

use crate::block::{MOST_BLOCK_BYTES, SegmentBatch};
use crate::lane;
use crate::layout::{Laid, LayoutsOf};
use crate::plan::{Answer, Ask, CommitAsk, committed};
use crate::store::{Inner, closed};
use crate::transaction;
use bytes::Bytes;
use futures::future::try_join_all;
use kulya_store::{
    Append, Commit, Committed, Error, ErrorKind, EventPointer, Pointers, Result, SegmentId, TableChange,
    framing, supervision,
};
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Bytes of commits that may be on their way.
pub(crate) const ROOM_BYTES: usize = 64 << 20;
/// Events beyond this are staged in parts.
const WHOLE_BYTES: usize = 4 << 20;
/// Of tables a commit changes so much: the rest of its block is for names, keys and the block's own head.
const MOST_CHANGED_BYTES: usize = MOST_BLOCK_BYTES - (1 << 20);
/// A stream may end and begin anew while we look; more often than this nobody does.
const MOST_LOOKS: usize = 10;
/// Segments with a writer of their own.
const MOST_LANES: usize = 4096;

impl Inner {
    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed> {
        let size = commit.appends.iter().map(|append| append.event.len() + 64).sum::<usize>();
        let changed: usize = commit.changes.iter().map(changed_bytes).sum();
        if changed > MOST_CHANGED_BYTES {
            return Err(Error::invalid(format!(
                "a commit changes {changed} bytes of tables, more than {} MiB: make it smaller",
                MOST_CHANGED_BYTES >> 20
            )));
        }
        let room = (size + changed).clamp(1, ROOM_BYTES) as u32;
        let _room = self.room.acquire_many(room).await.map_err(|_| closed())?;
        if commit.appends.is_empty() && commit.changes.is_empty() && commit.writer.is_none() {
            return Ok(Committed::default());
        }
        for _ in 0..MOST_LOOKS {
            let layouts = match self.layouts(&commit.appends).await {
                // a repetition is one, whatever has become of the stream
                Err(error) if commit.writer.is_some() => {
                    self.sync().await?;
                    return match commit.writer.is_some_and(|mark| self.with(|state| state.writers.has(mark)))
                    {
                        true => Ok(Committed::duplicate()),
                        false => Err(error),
                    };
                }
                layouts => layouts?,
            };
            let laid = self.lay(&commit.appends, &layouts);
            let only_events = commit.changes.is_empty() && commit.writer.is_none();
            let done = match laid.batches.as_slice() {
                [one]
                    if only_events
                        && one.frames.len() <= framing::MAX_EVENT_BYTES + framing::HEADER_BYTES =>
                {
                    self.append(&commit, &laid, one).await
                }
                _ => self.write(&commit, laid, &layouts).await,
            };
            match done {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => layouts.keys().for_each(|stream| self.layouts.forget(stream)),
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Failed,
            "the streams of a commit were sealed and made again too often meanwhile: ask again",
        ))
    }

    /// The short way; `None` when the layout is no longer true.
    async fn append(&self, commit: &Commit, laid: &Laid, batch: &SegmentBatch) -> Result<Option<Committed>> {
        let Some(segment) = laid.segments.first() else { return Ok(None) };
        let (reply, answer) = oneshot::channel();
        let job = lane::Job { frames: batch.frames.clone(), count: batch.count, reply };
        if self.lane(segment).send(job).is_err() {
            // its task has ended: the next try gets another
            self.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(segment);
            return Ok(None);
        }
        match answer.await.map_err(|_| closed())? {
            Ok(start) => {
                Ok(Some(Committed { pointers: pointers(commit, laid, |_| start), ..Committed::default() }))
            }
            Err(e) if is_outdated(&e) => {
                self.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(segment);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn lane(&self, segment: &SegmentId) -> mpsc::UnboundedSender<lane::Job> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(segment) {
            return lane.clone();
        }
        if lanes.len() >= MOST_LANES {
            lanes.clear();
        }
        let (lane, jobs) = mpsc::unbounded_channel();
        // a writer of its own: the other one's numbers are places in the journal, and a lane that comes after one that was
        // given up goes on behind its numbers
        let writer = self.instance ^ 1;
        let running = lane::run(Arc::clone(&self.segments), segment.clone(), writer, jobs);
        supervision::spawn_logged("segment writer", running);
        lanes.insert(segment.clone(), lane.clone());
        lane
    }

    /// The way through the journal; `None` when a layout is no longer true.
    async fn write(&self, commit: &Commit, mut laid: Laid, layouts: &LayoutsOf) -> Result<Option<Committed>> {
        let mut ask = CommitAsk {
            changes: commit.changes.clone(),
            writer: commit.writer,
            streams: layouts.iter().map(|(stream, layout)| (stream.clone(), layout.as_of)).collect(),
            ..CommitAsk::default()
        };
        let changed: usize = commit.changes.iter().map(changed_bytes).sum();
        // a block holds both, or the events are staged before
        if laid.bytes() <= WHOLE_BYTES.min(MOST_CHANGED_BYTES.saturating_sub(changed)) {
            ask.batches = laid.batches.clone();
        } else {
            let cut = transaction::cut(&commit.appends, layouts, self);
            laid = cut.laid;
            let name = self.stage_all(cut.parts).await?;
            ask.transaction = Some((name, false));
        }
        // where to look for events that another process brought to their segments: not before here
        let froms = try_join_all(laid.segments.iter().map(|segment| self.segments.boundary(segment))).await;
        let froms = match froms {
            Ok(froms) => froms,
            Err(error) => {
                if let Some((transaction, _)) = ask.transaction {
                    self.tell(Ask::Abort { transaction });
                }
                return if is_outdated(&error) { Ok(None) } else { Err(error) };
            }
        };
        let staged = ask.transaction;
        let answer = self.ask(Ask::Commit(ask)).await;
        if let (Some((transaction, _)), false) = (staged, matches!(answer, Ok(Answer::Written { .. }))) {
            self.tell(Ask::Abort { transaction });
        }
        match answer? {
            Answer::Written { mark, places } => {
                let mut starts = Vec::with_capacity(places.len());
                for (((place, from), segment), batch) in
                    places.into_iter().zip(froms).zip(&laid.segments).zip(&laid.batches)
                {
                    starts.push(match place {
                        Some(start) => start,
                        None => lane::find(&self.segments, segment, from, &batch.frames).await?,
                    });
                }
                let start = |batch: usize| starts.get(batch).copied().unwrap_or_default();
                Ok(Some(Committed {
                    pointers: pointers(commit, &laid, start),
                    ..committed(mark, commit.changes.len())
                }))
            }
            Answer::Duplicate => Ok(Some(Committed::duplicate())),
            Answer::Already => Ok(Some(Committed::default())),
            Answer::Stale => Ok(None),
        }
    }

    async fn stage_all(&self, parts: Vec<Vec<SegmentBatch>>) -> Result<u64> {
        let Answer::Written { mark, .. } = self.ask(Ask::Begin).await? else { return Err(closed()) };
        for batches in parts {
            if let Err(error) = self.ask(Ask::Part { transaction: mark, batches }).await {
                self.tell(Ask::Abort { transaction: mark });
                return Err(error);
            }
        }
        Ok(mark)
    }
}

pub(crate) fn changed_bytes(change: &TableChange) -> usize {
    change.key.len() + change.value.as_ref().map_or(0, Bytes::len)
}

fn pointers(commit: &Commit, laid: &Laid, start: impl Fn(usize) -> u64) -> Pointers {
    let pointer = |(append, (batch, behind)): (&Append, &(usize, u64))| EventPointer {
        segment: laid.segments.get(*batch).expect("each batch has a segment").clone(),
        offset: start(*batch) + behind,
        length: framing::framed_len(append.event.len()) as u32,
    };
    commit.appends.iter().zip(&laid.places).map(pointer).collect()
}

/// The layout that was thought to be true is no longer.
fn is_outdated(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Sealed | ErrorKind::NotFound)
}
