//! Conversions of a transaction call: the client's operations, the server's replies, and a transaction's
//! outcome.

use crate::commit::{changes_from_message, events_from_message};
use crate::field::required;
use crate::identifier::{id_bytes, id_from_bytes};
use crate::{error, v1};
use kulya_store::{Append, CommitReceipt, Error, Outcome, Result, TableChange, TransactionId};
use v1::outcome_reply::Outcome as OutcomeMessage;
use v1::transact_reply::Reply;
use v1::transact_request::What;

/// An operation that a client requests in its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionOp {
    /// Stages events.
    Stage(Vec<Append>),
    /// Commits the staged events together with these table changes.
    Commit(Vec<TableChange>),
    /// Aborts the transaction.
    Abort,
}

/// A server's reply in a transaction.
#[derive(Debug)]
pub enum TransactionReply {
    /// The transaction has begun: the first reply, with its id.
    Begun(TransactionId),
    /// The events are staged.
    Staged,
    /// The transaction is committed.
    CommitReceipt(CommitReceipt),
    /// The transaction is aborted.
    Aborted,
    /// The operation failed.
    Failed(Error),
}

impl From<&TransactionOp> for v1::TransactRequest {
    fn from(op: &TransactionOp) -> Self {
        let what = match op {
            TransactionOp::Stage(appends) => What::Stage(appends.as_slice().into()),
            TransactionOp::Commit(changes) => What::Commit(changes.as_slice().into()),
            TransactionOp::Abort => What::Abort(v1::Abort {}),
        };
        Self { what: Some(what) }
    }
}

impl TryFrom<v1::TransactRequest> for TransactionOp {
    type Error = Error;

    fn try_from(message: v1::TransactRequest) -> Result<Self> {
        match required(message.what, "operation")? {
            What::Stage(events) => events_from_message(Some(events)).map(Self::Stage),
            What::Commit(changes) => changes_from_message(Some(changes)).map(Self::Commit),
            What::Abort(_) => Ok(Self::Abort),
        }
    }
}

impl From<&TransactionReply> for v1::TransactReply {
    fn from(reply: &TransactionReply) -> Self {
        let reply = match reply {
            TransactionReply::Begun(id) => Reply::Begun(id_bytes(id.0)),
            TransactionReply::Staged => Reply::Staged(v1::Staged {}),
            TransactionReply::CommitReceipt(done) => Reply::Committed(done.into()),
            TransactionReply::Aborted => Reply::Aborted(v1::Aborted {}),
            TransactionReply::Failed(error) => Reply::Error(error::to_detail(error)),
        };
        Self { reply: Some(reply) }
    }
}

impl TryFrom<v1::TransactReply> for TransactionReply {
    type Error = Error;

    fn try_from(message: v1::TransactReply) -> Result<Self> {
        Ok(match required(message.reply, "reply")? {
            Reply::Begun(id) => Self::Begun(TransactionId(id_from_bytes("transaction", &id)?)),
            Reply::Staged(_) => Self::Staged,
            Reply::Committed(done) => Self::CommitReceipt(done.try_into()?),
            Reply::Aborted(_) => Self::Aborted,
            Reply::Error(detail) => Self::Failed(error::from_detail(detail)),
        })
    }
}

impl From<TransactionId> for v1::TransactionRequest {
    fn from(id: TransactionId) -> Self {
        Self { transaction: id_bytes(id.0) }
    }
}

impl From<kulya_store::WriterId> for v1::WriterRequest {
    fn from(id: kulya_store::WriterId) -> Self {
        Self { writer: id_bytes(id.0) }
    }
}

impl From<&Outcome> for v1::OutcomeReply {
    fn from(outcome: &Outcome) -> Self {
        let outcome = match outcome {
            Outcome::Open => OutcomeMessage::Open(v1::Open {}),
            Outcome::Committed(done) => OutcomeMessage::Committed(done.into()),
            Outcome::Unknown => OutcomeMessage::Unknown(v1::Unknown {}),
        };
        Self { outcome: Some(outcome) }
    }
}

impl TryFrom<v1::OutcomeReply> for Outcome {
    type Error = Error;

    fn try_from(message: v1::OutcomeReply) -> Result<Self> {
        Ok(match required(message.outcome, "outcome")? {
            OutcomeMessage::Open(_) => Self::Open,
            OutcomeMessage::Committed(done) => Self::Committed(done.try_into()?),
            OutcomeMessage::Unknown(_) => Self::Unknown,
        })
    }
}
