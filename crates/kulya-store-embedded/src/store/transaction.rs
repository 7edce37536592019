//! Transactions.

use super::core::EmbeddedStore;
use crate::committer::PendingRequest;
use crate::plan::Request;
use async_trait::async_trait;
use kulya_store::{Append, CommitReceipt, Result, TableChange, Transaction, TransactionId};
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

/// A transaction whose events are in the log already, invisible until its commit.
struct EmbeddedTransaction {
    store: EmbeddedStore,
    transaction: u64,
    /// Whether the log knows of it.
    begun: bool,
}

#[async_trait]
impl Transaction for EmbeddedTransaction {
    fn id(&self) -> TransactionId {
        TransactionId(self.transaction.into())
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        self.begun = true;
        let batch = self.store.batch(appends).await?;
        self.store.change(Request::Stage { transaction: self.transaction, batch }).await.map(drop)
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        let request = Request::CommitEmbeddedTransaction { transaction: self.transaction, changes };
        let done = self.store.change(request).await;
        // a refused commit ends the transaction too, by the drop
        self.begun = done.is_err();
        done
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        if std::mem::take(&mut self.begun) {
            self.store.change(Request::AbortEmbeddedTransaction { transaction: self.transaction }).await?;
        }
        Ok(())
    }
}

impl Drop for EmbeddedTransaction {
    fn drop(&mut self) {
        self.store.inner.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.transaction);
        if !self.begun {
            return;
        }
        // nobody waits for this: should it not get there, the next opening forgets the transaction anyway
        let Ok(room) = Arc::clone(&self.store.inner.queue_permits).try_acquire_many_owned(1) else { return };
        let request = Request::AbortEmbeddedTransaction { transaction: self.transaction };
        self.store.inner.commit_queue.post(PendingRequest { request, reply: oneshot::channel().0, _permit: room });
    }
}
