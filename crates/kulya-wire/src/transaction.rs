//! A transaction's conversation: what its client may ask, what it is told, and what became of it.

use crate::name::id_bytes;
use crate::{changes_of, error, events_of, given, id_of, v1};
use kulya_store::{Append, Committed, Error, Outcome, Result, TableChange, TransactionId};
use v1::outcome_reply::Outcome as Became;
use v1::transact_reply::Reply;
use v1::transact_request::What;

/// What a client asks of its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Add events.
    Stage(Vec<Append>),
    /// Make them visible, together with the table changes.
    Commit(Vec<TableChange>),
    /// Forget them.
    Abort,
}

/// What a client is told.
#[derive(Debug)]
pub enum Told {
    /// The transaction's name, first of all.
    Begun(TransactionId),
    /// They are added.
    Staged,
    /// They are visible.
    Committed(Committed),
    /// They are forgotten.
    Aborted,
    /// What was asked was refused, and why.
    Refused(Error),
}

impl From<&Asked> for v1::TransactRequest {
    fn from(asked: &Asked) -> Self {
        let what = match asked {
            Asked::Stage(appends) => What::Stage(appends.as_slice().into()),
            Asked::Commit(changes) => What::Commit(changes.as_slice().into()),
            Asked::Abort => What::Abort(v1::Abort {}),
        };
        Self { what: Some(what) }
    }
}

impl TryFrom<v1::TransactRequest> for Asked {
    type Error = Error;

    fn try_from(message: v1::TransactRequest) -> Result<Self> {
        match given(message.what, "act")? {
            What::Stage(events) => events_of(Some(events)).map(Self::Stage),
            What::Commit(changes) => changes_of(Some(changes)).map(Self::Commit),
            What::Abort(_) => Ok(Self::Abort),
        }
    }
}

impl From<&Told> for v1::TransactReply {
    fn from(told: &Told) -> Self {
        let reply = match told {
            Told::Begun(id) => Reply::Begun(id_bytes(id.0)),
            Told::Staged => Reply::Staged(v1::Staged {}),
            Told::Committed(done) => Reply::Committed(done.into()),
            Told::Aborted => Reply::Aborted(v1::Aborted {}),
            Told::Refused(refusal) => Reply::Error(error::detail(refusal)),
        };
        Self { reply: Some(reply) }
    }
}

impl TryFrom<v1::TransactReply> for Told {
    type Error = Error;

    fn try_from(message: v1::TransactReply) -> Result<Self> {
        Ok(match given(message.reply, "answer")? {
            Reply::Begun(id) => Self::Begun(TransactionId(id_of("transaction", &id)?)),
            Reply::Staged(_) => Self::Staged,
            Reply::Committed(done) => Self::Committed(done.try_into()?),
            Reply::Aborted(_) => Self::Aborted,
            Reply::Error(detail) => Self::Refused(error::of_detail(detail)),
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
            Outcome::Open => Became::Open(v1::Open {}),
            Outcome::Committed(done) => Became::Committed(done.into()),
            Outcome::Unknown => Became::Unknown(v1::Unknown {}),
        };
        Self { outcome: Some(outcome) }
    }
}

impl TryFrom<v1::OutcomeReply> for Outcome {
    type Error = Error;

    fn try_from(message: v1::OutcomeReply) -> Result<Self> {
        Ok(match given(message.outcome, "outcome")? {
            Became::Open(_) => Self::Open,
            Became::Committed(done) => Self::Committed(done.try_into()?),
            Became::Unknown(_) => Self::Unknown,
        })
    }
}
