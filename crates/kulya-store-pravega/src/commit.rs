//! Commits: a single append on the fast path for events of one segment alone, else through the journal; and
//! the pointers of the committed events.

use crate::block::{MAX_BLOCK_BYTES, SegmentBatch};
use crate::client::{MAX_PENDING_BYTES, PravegaClient};
use crate::fast_path::{self, FastAppend};
use crate::layout::{BatchLayout, StreamLayouts};
use crate::plan::{CommitRequest, Request, Response, change_bytes, committed};
use crate::staging;
use futures::future::try_join_all;
use kulya_store::log_backend::error::store_closed;
use kulya_store::log_backend::queue::{JobSender, job_queue};
use kulya_store::{
    Append, Commit, CommitReceipt, Error, ErrorKind, EventPointer, Pointers, Result, SegmentId, framing,
    supervision,
};
use std::sync::{Arc, PoisonError};

/// The size in bytes beyond which events are staged in parts.
const MAX_INLINE_BYTES: usize = 4 << 20;
/// The maximum size of a commit's table changes, in bytes: the rest of its block is for names, keys and the
/// block's header.
const MAX_CHANGE_BYTES: usize = MAX_BLOCK_BYTES - (1 << 20);
/// The maximum number of attempts when streams are sealed or recreated concurrently.
const MAX_ATTEMPTS: usize = 10;
/// The maximum number of cached fast paths.
const MAX_FAST_PATHS: usize = 4096;

impl PravegaClient {
    /// Commits events and table changes atomically.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        let size = commit.appends.iter().map(|append| append.event.len() + 64).sum::<usize>();
        let changed: usize = commit.changes.iter().map(change_bytes).sum();
        if changed > MAX_CHANGE_BYTES {
            return Err(Error::invalid(format!(
                "table changes of {changed} bytes exceed the maximum of {} MiB per commit: split the commit",
                MAX_CHANGE_BYTES >> 20
            )));
        }
        let permits = (size + changed).clamp(1, MAX_PENDING_BYTES) as u32;
        let _permits = self.permits.acquire_many(permits).await.map_err(|_| store_closed())?;
        if commit.appends.is_empty() && commit.changes.is_empty() && commit.writer.is_none() {
            return Ok(CommitReceipt::default());
        }
        for _ in 0..MAX_ATTEMPTS {
            let layouts = match self.layouts(&commit.appends).await {
                // a duplicate is reported as such, whatever happened to the stream
                Err(error) if commit.writer.is_some() => {
                    self.sync().await?;
                    return match commit
                        .writer
                        .is_some_and(|mark| self.with_state(|state| state.writers.is_duplicate(mark)))
                    {
                        true => Ok(CommitReceipt::duplicate()),
                        false => Err(error),
                    };
                }
                layouts => layouts?,
            };
            let layout = self.layouts.assign(&commit.appends, &layouts);
            let only_events = commit.changes.is_empty() && commit.writer.is_none();
            let done = match layout.batches.as_slice() {
                [one]
                    if only_events
                        && one.frames.len() <= framing::MAX_EVENT_BYTES + framing::HEADER_BYTES =>
                {
                    self.append_fast(&commit, &layout, one).await
                }
                _ => self.write_journal(&commit, layout, &layouts).await,
            };
            match done {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => layouts.keys().for_each(|stream| self.layouts.invalidate(stream)),
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Failed,
            "the streams of a commit were sealed or recreated concurrently: retry",
        ))
    }

    /// Commits on the fast path; `None` when the layout is stale.
    async fn append_fast(
        &self,
        commit: &Commit,
        layout: &BatchLayout,
        batch: &SegmentBatch,
    ) -> Result<Option<CommitReceipt>> {
        let Some(segment) = layout.segments.first() else { return Ok(None) };
        let request = FastAppend { frames: batch.frames.clone(), count: batch.count };
        let Some(response) = self.fast_path(segment).enqueue(request, None) else {
            // its task has ended: the next attempt gets another
            self.fast_paths.lock().unwrap_or_else(PoisonError::into_inner).remove(segment);
            return Ok(None);
        };
        match response.await.map_err(|_| store_closed())? {
            Ok(start) => Ok(Some(CommitReceipt {
                pointers: pointers(commit, layout, |_| start),
                ..CommitReceipt::default()
            })),
            Err(e) if is_layout_stale(&e) => {
                self.fast_paths.lock().unwrap_or_else(PoisonError::into_inner).remove(segment);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the queue of a segment's fast path, which is started if there is none.
    fn fast_path(&self, segment: &SegmentId) -> JobSender<FastAppend, u64> {
        let mut fast_paths = self.fast_paths.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fast_path) = fast_paths.get(segment) {
            return fast_path.clone();
        }
        if fast_paths.len() >= MAX_FAST_PATHS {
            fast_paths.clear();
        }
        let (fast_path, jobs) = job_queue();
        // a writer id of its own: the journal's writer uses numbers made of attempts, and a new fast path
        // continues with the numbers of the one before
        let writer = self.instance ^ 1;
        let task = fast_path::run(Arc::clone(&self.segments), segment.clone(), writer, jobs);
        supervision::spawn_logged("segment writer", task);
        fast_paths.insert(segment.clone(), fast_path.clone());
        fast_path
    }

    /// Commits through the journal; `None` when a layout is stale.
    async fn write_journal(
        &self,
        commit: &Commit,
        mut layout: BatchLayout,
        layouts: &StreamLayouts,
    ) -> Result<Option<CommitReceipt>> {
        let mut request = CommitRequest {
            changes: commit.changes.clone(),
            writer: commit.writer,
            streams: layouts.iter().map(|(stream, layout)| (stream.clone(), layout.as_of)).collect(),
            ..CommitRequest::default()
        };
        let changed: usize = commit.changes.iter().map(change_bytes).sum();
        // a block holds both, or the events are staged first
        if layout.bytes() <= MAX_INLINE_BYTES.min(MAX_CHANGE_BYTES.saturating_sub(changed)) {
            request.batches = layout.batches.clone();
        } else {
            let staged = staging::split(&commit.appends, layouts, &self.layouts);
            layout = staged.layout;
            request.transaction = Some((self.stage_all(staged.parts).await?, false));
        }
        // events that another process publishes for us are found at these offsets or later
        let search_offsets =
            try_join_all(layout.segments.iter().map(|segment| self.segments.boundary(segment))).await;
        let search_offsets = match search_offsets {
            Ok(search_offsets) => search_offsets,
            Err(error) => {
                if let Some((transaction, _)) = request.transaction {
                    self.submit_detached(Request::Abort { transaction });
                }
                return if is_layout_stale(&error) { Ok(None) } else { Err(error) };
            }
        };
        let staged = request.transaction;
        let response = self.submit(Request::Commit(request)).await;
        if let (Some((transaction, _)), false) = (staged, matches!(response, Ok(Response::Written { .. }))) {
            self.submit_detached(Request::Abort { transaction });
        }
        match response? {
            Response::Written { record_id, offsets } => {
                let mut starts = Vec::with_capacity(offsets.len());
                for (((offset, from), segment), batch) in
                    offsets.into_iter().zip(search_offsets).zip(&layout.segments).zip(&layout.batches)
                {
                    starts.push(match offset {
                        Some(start) => start,
                        None => {
                            fast_path::find_stored_batch(&self.segments, segment, from, &batch.frames).await?
                        }
                    });
                }
                let start = |batch: usize| starts.get(batch).copied().unwrap_or_default();
                Ok(Some(CommitReceipt {
                    pointers: pointers(commit, &layout, start),
                    ..committed(record_id, commit.changes.len())
                }))
            }
            Response::Duplicate => Ok(Some(CommitReceipt::duplicate())),
            Response::Unchanged => Ok(Some(CommitReceipt::default())),
            Response::Stale => Ok(None),
        }
    }

    /// Stages all parts in a new transaction and returns its id; on an error the transaction is aborted.
    async fn stage_all(&self, parts: Vec<Vec<SegmentBatch>>) -> Result<u64> {
        let Response::Written { record_id, .. } = self.submit(Request::Begin).await? else {
            return Err(store_closed());
        };
        for batches in parts {
            if let Err(error) = self.submit(Request::Stage { transaction: record_id, batches }).await {
                self.submit_detached(Request::Abort { transaction: record_id });
                return Err(error);
            }
        }
        Ok(record_id)
    }
}

/// Returns the pointers of a commit's events, from the offset of each batch.
fn pointers(commit: &Commit, layout: &BatchLayout, start: impl Fn(usize) -> u64) -> Pointers {
    let pointer = |(append, (batch, offset_in_batch)): (&Append, &(usize, u64))| EventPointer {
        segment: layout.segments.get(*batch).expect("each batch has a segment").clone(),
        offset: start(*batch) + offset_in_batch,
        length: framing::framed_len(append.event.len()) as u32,
    };
    commit.appends.iter().zip(&layout.positions).map(pointer).collect()
}

/// Returns whether an error means that a cached layout is stale.
fn is_layout_stale(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Sealed | ErrorKind::NotFound)
}
