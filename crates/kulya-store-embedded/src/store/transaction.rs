//! Transactions of the embedded store.

use super::core::EmbeddedStore;
use crate::committer::PendingRequest;
use crate::plan::Request;
use async_trait::async_trait;
use kulya_store::{Append, CommitReceipt, Result, TableChange, Transaction, TransactionId};
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

/// A transaction. Staged events are in the log, and invisible until the commit.
pub(super) struct EmbeddedTransaction {
    pub(super) store: EmbeddedStore,
    /// The id.
    pub(super) transaction: u64,
    /// Whether events were staged.
    pub(super) has_staged: bool,
}

#[async_trait]
impl Transaction for EmbeddedTransaction {
    fn id(&self) -> TransactionId {
        TransactionId(self.transaction.into())
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        self.has_staged = true;
        let batch = self.store.batch(appends).await?;
        self.store.submit_commit(Request::Stage { transaction: self.transaction, batch }).await.map(drop)
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        let request = Request::CommitStaged { transaction: self.transaction, changes };
        let done = self.store.submit_commit(request).await;
        // a failed commit aborts the transaction, on drop
        self.has_staged = done.is_err();
        done
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        if std::mem::take(&mut self.has_staged) {
            self.store.submit_commit(Request::AbortStaged { transaction: self.transaction }).await?;
        }
        Ok(())
    }
}

impl Drop for EmbeddedTransaction {
    fn drop(&mut self) {
        self.store
            .inner
            .open_transactions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.transaction);
        if !self.has_staged {
            return;
        }
        // best effort: if the request is lost, recovery aborts the transaction
        let Ok(permit) = Arc::clone(&self.store.inner.queue_permits).try_acquire_many_owned(1) else {
            return;
        };
        let request = Request::AbortStaged { transaction: self.transaction };
        self.store.inner.commit_queue.enqueue(PendingRequest {
            request,
            reply: oneshot::channel().0,
            _permit: permit,
        });
    }
}
