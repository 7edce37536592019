//! A transaction of the object store: events that are staged in the log and invisible until a commit record
//! publishes them.

use crate::plan::{Answer, Ask};
use crate::store::{Inner, closed};
use async_trait::async_trait;
use kulya_store::{Append, Committed, Result, TableChange, Transaction, TransactionId};
use std::sync::Arc;

/// An open transaction; dropped, it is aborted.
pub(crate) struct StagedTransaction {
    pub(crate) inner: Arc<Inner>,
    pub(crate) name: u64,
    pub(crate) over: bool,
}

#[async_trait]
impl Transaction for StagedTransaction {
    fn id(&self) -> TransactionId {
        TransactionId(u128::from(self.name))
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        self.inner.ask(Ask::Stage { transaction: self.name, appends }).await.map(drop)
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<Committed> {
        let done = self.inner.ask(Ask::CommitStaged { transaction: self.name, changes }).await?;
        let Answer::Committed(done) = done else { return Err(closed()) };
        self.over = true;
        Ok(done)
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.inner.ask(Ask::Abort(self.name)).await?;
        self.over = true;
        Ok(())
    }
}

impl Drop for StagedTransaction {
    fn drop(&mut self) {
        if !self.over {
            self.inner.tell(Ask::Abort(self.name));
        }
    }
}
