//! A transaction of the Pravega store: events that are staged in the journal and invisible until a commit
//! record publishes them.

use crate::block::MAX_BATCHES;
use crate::client::PravegaClient;
use crate::layout::StreamLayout;
use crate::plan::{CommitRequest, Request, Response, committed};
use crate::staging;
use async_trait::async_trait;
use kulya_store::log_backend::error::store_closed;
use kulya_store::{
    Append, CommitReceipt, Error, ErrorKind, Result, StreamId, TableChange, Transaction, TransactionId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The maximum number of attempts when streams are sealed or recreated concurrently.
const MAX_ATTEMPTS: usize = 10;

/// An open transaction; dropped, it is aborted.
pub(crate) struct PravegaTransaction {
    client: Arc<PravegaClient>,
    id: u64,
    /// The layouts for which events were staged: a stream recreated since is a different stream.
    streams: BTreeMap<StreamId, Arc<StreamLayout>>,
    /// The number of staged batches.
    batches: usize,
    is_finished: bool,
}

impl PravegaTransaction {
    /// Wraps a transaction that was begun in the journal.
    pub(crate) fn new(client: Arc<PravegaClient>, id: u64) -> Self {
        Self { client, id, streams: BTreeMap::new(), batches: 0, is_finished: false }
    }

    /// Checks that each stream is still the one staged for. Returns the journal offsets of these checks.
    async fn check(&self) -> Result<BTreeMap<StreamId, u64>> {
        let mut offsets = BTreeMap::new();
        for (stream, staged) in &self.streams {
            let now = self.client.refresh_layout(stream).await?;
            if !now.has_same_segments(staged) {
                return Err(stream_changed(stream));
            }
            if now.sealed {
                return Err(Error::sealed(stream));
            }
            offsets.insert(stream.clone(), now.as_of);
        }
        Ok(offsets)
    }

    async fn commit_staged(&self, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        for _ in 0..MAX_ATTEMPTS {
            let streams = self.check().await?;
            let request = CommitRequest {
                changes: changes.clone(),
                transaction: Some((self.id, true)),
                streams,
                ..CommitRequest::default()
            };
            match self.client.submit(Request::Commit(request)).await? {
                Response::Written { record_id, .. } => return Ok(committed(record_id, changes.len())),
                Response::Stale => {}
                Response::Unchanged | Response::Duplicate => return Err(store_closed()),
            }
        }
        Err(Error::new(
            ErrorKind::Failed,
            "the streams of a transaction were sealed or recreated concurrently: retry",
        ))
    }
}

#[async_trait]
impl Transaction for PravegaTransaction {
    fn id(&self) -> TransactionId {
        TransactionId(u128::from(self.id))
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        let layouts = self.client.with_deadline(0, self.client.layouts(&appends)).await?;
        for (stream, layout) in &layouts {
            if self.streams.get(stream).is_some_and(|staged| !staged.has_same_segments(layout)) {
                return Err(stream_changed(stream));
            }
        }
        let parts = staging::split(&appends, &layouts, &self.client.layouts).parts;
        self.streams.extend(layouts);
        self.batches += parts.iter().map(Vec::len).sum::<usize>();
        if self.batches > MAX_BATCHES / 2 {
            let what = "too many staged batches in one transaction: stage more events at a time";
            return Err(Error::invalid(what));
        }
        for batches in parts {
            let bytes = batches.iter().map(|batch| batch.frames.len()).sum();
            let staged = self.client.submit(Request::Stage { transaction: self.id, batches });
            self.client.with_deadline(bytes, staged).await?;
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        let done = self.client.with_deadline(0, self.commit_staged(changes)).await;
        self.is_finished = done.is_ok();
        done
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.is_finished = true;
        let aborted = self.client.submit(Request::Abort { transaction: self.id });
        self.client.with_deadline(0, aborted).await.map(drop)
    }
}

impl Drop for PravegaTransaction {
    fn drop(&mut self) {
        if !self.is_finished {
            self.client.submit_detached(Request::Abort { transaction: self.id });
        }
    }
}

fn stream_changed(stream: &StreamId) -> Error {
    Error::not_found(format!("stream {stream}, for which the events were staged,"))
}
