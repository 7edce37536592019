//! A transaction at the other end: one call, on a connection of its own, whose end is the transaction's.

use super::RemoteStore;
use async_trait::async_trait;
use kulya_store::{
    Append, Committed, Error, ErrorKind, Outcome, Result, StreamStore, TableChange, Transaction,
    TransactionId,
};
use kulya_wire::{Asked, Told, check_message, check_size, v1};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

pub(super) struct RemoteTransaction {
    store: RemoteStore,
    id: TransactionId,
    conversation: Conversation,
}

/// Messages there and back. Dropping it cuts the call, which aborts the transaction.
struct Conversation {
    requests: mpsc::Sender<v1::TransactRequest>,
    replies: Streaming<v1::TransactReply>,
    /// Answers that nobody waited for: their askers were cancelled.
    owed: usize,
}

impl RemoteTransaction {
    pub(super) async fn begin(store: RemoteStore) -> Result<Self> {
        let line = &store.0.line;
        let mut patience = line.patience();
        loop {
            let status = match line.while_open(begun(&store)).await? {
                Ok((mut conversation, first)) => match first.try_into() {
                    Ok(Told::Begun(id)) => {
                        conversation.owed = 0;
                        return Ok(Self { store, id, conversation });
                    }
                    Ok(_) => return Err(line.unreadable(Error::invalid("a transaction has a name first"))),
                    Err(refused) => return Err(line.unreadable(refused)),
                },
                Err(status) => status,
            };
            patience.endure(status).await?;
        }
    }

    async fn ask(&mut self, asked: &Asked) -> Result<std::result::Result<Told, Status>> {
        let line = &self.store.0.line;
        let request = asked.into();
        check_message(&request)?;
        match line.while_open(self.conversation.ask(request)).await? {
            Ok(reply) => Told::try_from(reply).map(Ok).map_err(|refused| line.unreadable(refused)),
            Err(status) => Ok(Err(status)),
        }
    }

    fn out_of_turn(&self) -> Error {
        self.store.0.line.unreadable(Error::invalid("it answers what was not asked"))
    }

    /// The transaction is over, and nothing of it is there.
    fn cut(&self, status: Status) -> Error {
        let what = format!(
            "the connection to {} was cut in a transaction: nothing of it was written, begin it again",
            self.store.0.line.address()
        );
        Error::new(ErrorKind::Unreachable, what).because(status)
    }

    /// What became of a commit whose answer was lost.
    async fn outcome(&self, status: Status) -> Result<Committed> {
        let mut patience = self.store.0.line.patience();
        loop {
            match self.store.outcome(self.id).await? {
                Outcome::Committed(done) => return Ok(done),
                Outcome::Unknown => return Err(self.cut(status)),
                // the server is at it, or has not seen the cut
                Outcome::Open => patience.endure(Status::unavailable("the transaction is open")).await?,
            }
        }
    }
}

/// A call and its first reply.
async fn begun(store: &RemoteStore) -> std::result::Result<(Conversation, v1::TransactReply), Status> {
    let (requests, mut asked) = mpsc::channel(1);
    let asked = futures::stream::poll_fn(move |context| asked.poll_recv(context));
    let replies = store.0.line.own_client().transact(asked).await?.into_inner();
    let mut conversation = Conversation { requests, replies, owed: 1 };
    let first = conversation.reply().await?;
    Ok((conversation, first))
}

impl Conversation {
    async fn ask(&mut self, request: v1::TransactRequest) -> std::result::Result<v1::TransactReply, Status> {
        while self.owed > 0 {
            self.reply().await?;
        }
        let place = self.requests.reserve().await.map_err(|_| cut())?;
        place.send(request);
        self.owed += 1;
        self.reply().await
    }

    async fn reply(&mut self) -> std::result::Result<v1::TransactReply, Status> {
        let reply = self.replies.message().await?.ok_or_else(cut)?;
        self.owed = self.owed.saturating_sub(1);
        Ok(reply)
    }
}

fn cut() -> Status {
    Status::unavailable("the connection was cut")
}

#[async_trait]
impl Transaction for RemoteTransaction {
    fn id(&self) -> TransactionId {
        self.id
    }

    /// A stage that was cancelled may have been added or not.
    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        check_size(&appends, &[])?;
        match self.ask(&Asked::Stage(appends)).await? {
            Ok(Told::Staged) => Ok(()),
            Ok(Told::Refused(error)) => Err(error),
            Ok(_) => Err(self.out_of_turn()),
            Err(status) => Err(self.cut(status)),
        }
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<Committed> {
        check_size(&[], &changes)?;
        match self.ask(&Asked::Commit(changes)).await? {
            Ok(Told::Committed(done)) => Ok(done),
            Ok(Told::Refused(error)) => Err(error),
            Ok(_) => Err(self.out_of_turn()),
            Err(status) => self.outcome(status).await,
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        match self.ask(&Asked::Abort).await? {
            Ok(Told::Aborted) => Ok(()),
            Ok(Told::Refused(error)) => Err(error),
            Ok(_) => Err(self.out_of_turn()),
            // the cut has done it
            Err(_) => Ok(()),
        }
    }
}
