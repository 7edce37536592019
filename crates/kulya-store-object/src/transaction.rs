//! A transaction of the object store: events that are staged in the log and invisible until a commit record
//! publishes them.

use crate::log_client::LogClient;
use crate::plan::{Request, Response};
use async_trait::async_trait;
use kulya_store::log_backend::error::store_closed;
use kulya_store::{Append, CommitReceipt, Result, TableChange, Transaction, TransactionId};
use std::sync::Arc;

/// An open transaction; dropped, it is aborted.
pub(crate) struct ObjectTransaction {
    client: Arc<LogClient>,
    id: u64,
    is_finished: bool,
}

impl ObjectTransaction {
    /// Wraps a transaction that was begun in the log.
    pub(crate) fn new(client: Arc<LogClient>, id: u64) -> Self {
        Self { client, id, is_finished: false }
    }
}

#[async_trait]
impl Transaction for ObjectTransaction {
    fn id(&self) -> TransactionId {
        TransactionId(u128::from(self.id))
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        self.client.submit(Request::Stage { transaction: self.id, appends }).await.map(drop)
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        let request = Request::CommitStaged { transaction: self.id, changes };
        let Response::CommitReceipt(committed) = self.client.submit(request).await? else {
            return Err(store_closed());
        };
        self.is_finished = true;
        Ok(committed)
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.client.submit(Request::Abort(self.id)).await?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for ObjectTransaction {
    fn drop(&mut self) {
        if !self.is_finished {
            self.client.submit_detached(Request::Abort(self.id));
        }
    }
}
