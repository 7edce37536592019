//! A transaction over gRPC: one bidirectional call on its own connection. The end of the call ends the
//! transaction.

use super::inner::Inner;
use super::status_cause::StatusCause;
use async_trait::async_trait;
use kulya_store::{
    Append, CommitReceipt, Error, ErrorKind, Outcome, Result, TableChange, Transaction, TransactionId,
};
use kulya_wire::{TransactionOp, TransactionReply, check_commit_size, check_message_size, v1};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

pub(super) struct RemoteTransaction {
    store: Arc<Inner>,
    id: TransactionId,
    call: TransactionCall,
}

/// The requests and replies of a call. Dropping it ends the call, which aborts the transaction.
struct TransactionCall {
    requests: mpsc::Sender<v1::TransactRequest>,
    replies: Streaming<v1::TransactReply>,
    /// Replies to requests whose callers were cancelled.
    pending_replies: usize,
}

impl RemoteTransaction {
    pub(super) async fn begin(store: Arc<Inner>) -> Result<Self> {
        let channel = &store.channel;
        let mut retry = channel.retry_policy();
        loop {
            let status = match channel.unless_closed(open_call(&store)).await? {
                Ok((mut call, first)) => match first.try_into() {
                    Ok(TransactionReply::Begun(id)) => {
                        call.pending_replies = 0;
                        return Ok(Self { store, id, call });
                    }
                    Ok(_) => {
                        let cause = Error::invalid("the first reply has no transaction id");
                        return Err(channel.invalid_response(cause));
                    }
                    Err(error) => return Err(channel.invalid_response(error)),
                },
                Err(status) => status,
            };
            retry.backoff(status).await?;
        }
    }

    /// Sends an operation and waits for its reply. The inner error is a connection loss.
    async fn request(&mut self, op: &TransactionOp) -> Result<std::result::Result<TransactionReply, Status>> {
        let channel = &self.store.channel;
        let request = op.into();
        check_message_size(&request)?;
        match channel.unless_closed(self.call.request(request)).await? {
            Ok(reply) => {
                TransactionReply::try_from(reply).map(Ok).map_err(|error| channel.invalid_response(error))
            }
            Err(status) => Ok(Err(status)),
        }
    }

    fn unexpected_reply(&self) -> Error {
        self.store.channel.invalid_response(Error::invalid("the reply does not match the request"))
    }

    /// Returns the error of a transaction that was aborted by a connection loss.
    fn connection_lost(&self, status: Status) -> Error {
        let what = format!(
            "connection to {} lost during a transaction: the transaction is aborted, begin it again",
            self.store.channel.address()
        );
        Error::new(ErrorKind::Unreachable, what).because(StatusCause(status))
    }

    /// Looks up the outcome of a commit whose response was lost.
    async fn outcome(&self, status: Status) -> Result<CommitReceipt> {
        let mut retry = self.store.channel.retry_policy();
        loop {
            match self.store.outcome(self.id).await? {
                Outcome::Committed(done) => return Ok(done),
                Outcome::Unknown => return Err(self.connection_lost(status)),
                // the server is still committing, or has not noticed the connection loss
                Outcome::Open => retry.backoff(Status::unavailable("the transaction is open")).await?,
            }
        }
    }
}

/// Opens a call and waits for its first reply.
async fn open_call(store: &Inner) -> std::result::Result<(TransactionCall, v1::TransactReply), Status> {
    let (requests, mut receiver) = mpsc::channel(1);
    let outgoing = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let replies = store.channel.dedicated_client().transact(outgoing).await?.into_inner();
    let mut call = TransactionCall { requests, replies, pending_replies: 1 };
    let first = call.reply().await?;
    Ok((call, first))
}

impl TransactionCall {
    async fn request(
        &mut self,
        request: v1::TransactRequest,
    ) -> std::result::Result<v1::TransactReply, Status> {
        while self.pending_replies > 0 {
            self.reply().await?;
        }
        let permit = self.requests.reserve().await.map_err(|_| connection_closed())?;
        permit.send(request);
        self.pending_replies += 1;
        self.reply().await
    }

    async fn reply(&mut self) -> std::result::Result<v1::TransactReply, Status> {
        let reply = self.replies.message().await?.ok_or_else(connection_closed)?;
        self.pending_replies = self.pending_replies.saturating_sub(1);
        Ok(reply)
    }
}

fn connection_closed() -> Status {
    Status::unavailable("connection closed")
}

#[async_trait]
impl Transaction for RemoteTransaction {
    fn id(&self) -> TransactionId {
        self.id
    }

    /// A stage whose call was cancelled may or may not be part of the transaction.
    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        check_commit_size(&appends, &[])?;
        match self.request(&TransactionOp::Stage(appends)).await? {
            Ok(TransactionReply::Staged) => Ok(()),
            Ok(TransactionReply::Failed(error)) => Err(error),
            Ok(_) => Err(self.unexpected_reply()),
            Err(status) => Err(self.connection_lost(status)),
        }
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        check_commit_size(&[], &changes)?;
        match self.request(&TransactionOp::Commit(changes)).await? {
            Ok(TransactionReply::CommitReceipt(done)) => Ok(done),
            Ok(TransactionReply::Failed(error)) => Err(error),
            Ok(_) => Err(self.unexpected_reply()),
            Err(status) => self.outcome(status).await,
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        match self.request(&TransactionOp::Abort).await? {
            Ok(TransactionReply::Aborted) => Ok(()),
            Ok(TransactionReply::Failed(error)) => Err(error),
            Ok(_) => Err(self.unexpected_reply()),
            // the connection loss has aborted it
            Err(_) => Ok(()),
        }
    }
}
