//! A transaction: events that stand in the journal as parts, until a commit record makes them visible or nobody does.

use crate::block::{MOST_BATCHES, SegmentBatch};
use crate::layout::{Laid, Layout, LayoutsOf};
use crate::plan::{Answer, Ask, CommitAsk, committed};
use crate::store::{Inner, closed};
use async_trait::async_trait;
use kulya_store::{
    Append, Committed, Error, ErrorKind, Result, StreamId, TableChange, Transaction, TransactionId, framing,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one part holds, unless one event is larger.
const PART_BYTES: usize = 2 << 20;
/// A stream may be made anew while we look; more often than this nobody does.
const MOST_LOOKS: usize = 10;

pub(crate) struct StagedTransaction {
    inner: Arc<Inner>,
    name: u64,
    /// The layout for which events were staged: a stream made again since is another stream.
    streams: BTreeMap<StreamId, Arc<Layout>>,
    /// How many batches its parts hold.
    batches: usize,
    over: bool,
}

impl StagedTransaction {
    pub(crate) fn new(inner: Arc<Inner>, name: u64) -> Self {
        Self { inner, name, streams: BTreeMap::new(), batches: 0, over: false }
    }

    /// Where the journal was when each stream was last seen as it was staged for.
    async fn check(&self) -> Result<BTreeMap<StreamId, u64>> {
        let mut seen = BTreeMap::new();
        for (stream, staged) in &self.streams {
            let now = self.inner.layout_now(stream).await?;
            if !now.is_same(staged) {
                return Err(another(stream));
            }
            if now.sealed {
                return Err(Error::sealed(stream));
            }
            seen.insert(stream.clone(), now.as_of);
        }
        Ok(seen)
    }

    async fn make_visible(&self, changes: Vec<TableChange>) -> Result<Committed> {
        for _ in 0..MOST_LOOKS {
            let streams = self.check().await?;
            let ask = CommitAsk {
                changes: changes.clone(),
                transaction: Some((self.name, true)),
                streams,
                ..CommitAsk::default()
            };
            match self.inner.ask(Ask::Commit(ask)).await? {
                Answer::Written { mark, .. } => return Ok(committed(mark, changes.len())),
                Answer::Stale => {}
                Answer::Already | Answer::Duplicate => return Err(closed()),
            }
        }
        Err(Error::new(
            ErrorKind::Failed,
            "the streams of a transaction were sealed meanwhile again and again: ask again",
        ))
    }
}

#[async_trait]
impl Transaction for StagedTransaction {
    fn id(&self) -> TransactionId {
        TransactionId(u128::from(self.name))
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        let layouts = self.inner.timely(0, self.inner.layouts(&appends)).await?;
        for (stream, layout) in &layouts {
            if self.streams.get(stream).is_some_and(|staged| !staged.is_same(layout)) {
                return Err(another(stream));
            }
        }
        let parts = cut(&appends, &layouts, &self.inner).parts;
        self.streams.extend(layouts);
        self.batches += parts.iter().map(Vec::len).sum::<usize>();
        if self.batches > MOST_BATCHES / 2 {
            let what = "a transaction has been staged in too many pieces: stage more events at a time";
            return Err(Error::invalid(what));
        }
        for batches in parts {
            let bytes = batches.iter().map(|batch| batch.frames.len()).sum();
            let staged = self.inner.ask(Ask::Part { transaction: self.name, batches });
            self.inner.timely(bytes, staged).await?;
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<Committed> {
        let done = self.inner.timely(0, self.make_visible(changes)).await;
        self.over = done.is_ok();
        done
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.over = true;
        let aborted = self.inner.ask(Ask::Abort { transaction: self.name });
        self.inner.timely(0, aborted).await.map(drop)
    }
}

impl Drop for StagedTransaction {
    fn drop(&mut self) {
        if !self.over {
            self.inner.tell(Ask::Abort { transaction: self.name });
        }
    }
}

fn another(stream: &StreamId) -> Error {
    Error::not_found(format!("stream {stream}, as it was when the events were staged,"))
}

/// Events cut into parts, each of which is one request.
pub(crate) struct Cut {
    pub(crate) parts: Vec<Vec<SegmentBatch>>,
    /// The same in one list, in the order in which the parts' batches reach their segments.
    pub(crate) laid: Laid,
}

/// Cuts events into parts that a block can hold.
pub(crate) fn cut(appends: &[Append], layouts: &LayoutsOf, inner: &Inner) -> Cut {
    let mut all = Cut { parts: Vec::new(), laid: Laid::default() };
    let mut rest = appends;
    while !rest.is_empty() {
        let mut size = 0;
        let fits = rest.iter().take_while(|append| {
            size += framing::HEADER_BYTES + append.event.len();
            size <= PART_BYTES
        });
        let (part, later) = rest.split_at(fits.count().max(1));
        let laid = inner.lay(part, layouts);
        let before = all.laid.batches.len();
        all.laid.places.extend(laid.places.into_iter().map(|(batch, behind)| (before + batch, behind)));
        all.laid.segments.extend(laid.segments);
        all.laid.batches.extend(laid.batches.iter().cloned());
        all.parts.push(laid.batches);
        rest = later;
    }
    all
}
