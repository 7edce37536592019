//! A transaction as one streaming call: [`TransactionCall`]. When the call ends, the transaction is aborted,
//! so that a client that disconnects leaves none open. A commit that has been received runs to its end, and
//! its outcome can be queried later.

use super::authorization::CallAuthorization;
use super::streaming::{StreamingCall, shutting_down};
use kulya_store::{Error, ErrorKind, Transaction, supervision};
use kulya_wire::{Asked, Told, v1};
use tokio::sync::watch;
use tonic::{Status, Streaming};

pub(super) struct TransactionCall {
    /// `None` after its end.
    transaction: Option<Box<dyn Transaction>>,
    has_sent_id: bool,
    stopping: watch::Receiver<bool>,
    authorization: CallAuthorization,
    requests: Streaming<v1::TransactRequest>,
}

impl TransactionCall {
    pub(super) fn new(
        transaction: Box<dyn Transaction>,
        stopping: watch::Receiver<bool>,
        authorization: CallAuthorization,
        requests: Streaming<v1::TransactRequest>,
    ) -> Self {
        Self { transaction: Some(transaction), has_sent_id: false, stopping, authorization, requests }
    }

    fn authorize(&self, request: &Asked) -> Result<(), Status> {
        match request {
            Asked::Stage(appends) => self.authorization.append(appends),
            Asked::Commit(changes) => self.authorization.change(changes),
            Asked::Abort => Ok(()),
        }
    }

    async fn run(&mut self, request: Asked) -> Option<Told> {
        let result = match request {
            Asked::Stage(appends) => self.transaction.as_mut()?.stage(appends).await.map(|()| Told::Staged),
            Asked::Commit(changes) => {
                let committing =
                    supervision::spawn_logged("gRPC commit", self.transaction.take()?.commit(changes));
                let panicked = || Err(Error::new(ErrorKind::Failed, "the commit panicked in the server"));
                committing.await.ok().flatten().unwrap_or_else(panicked).map(Told::Committed)
            }
            Asked::Abort => self.transaction.take()?.abort().await.map(|()| Told::Aborted),
        };
        Some(result.unwrap_or_else(Told::Refused))
    }
}

impl StreamingCall for TransactionCall {
    type Reply = v1::TransactReply;

    async fn next(&mut self) -> Option<Result<v1::TransactReply, Status>> {
        if !self.has_sent_id {
            self.has_sent_id = true;
            let id = self.transaction.as_ref()?.id();
            return Some(Ok((&Told::Begun(id)).into()));
        }
        self.transaction.as_ref()?;
        let request = tokio::select! {
            _ = self.stopping.wait_for(|stopping| *stopping) => {
                self.transaction = None;
                return Some(Err(shutting_down()));
            }
            request = self.requests.message() => request,
        };
        let Ok(Some(request)) = request else {
            self.transaction = None;
            return None;
        };
        let response = match Asked::try_from(request) {
            Ok(request) => {
                if let Err(denied) = self.authorize(&request) {
                    self.transaction = None;
                    return Some(Err(denied));
                }
                self.run(request).await?
            }
            Err(error) => Told::Refused(error),
        };
        Some(Ok((&response).into()))
    }
}
