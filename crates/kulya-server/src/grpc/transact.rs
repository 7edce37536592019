//! One transaction as one call: the call's end is the transaction's. A client that goes, or is cut off, leaves nothing;
//! only a commit that has arrived is carried out to its end, and its outcome can be asked for afterwards.

use super::follow::{LongCall, ending};
use super::right::Rights;
use crate::door::Denied;
use kulya_store::{Error, ErrorKind, Transaction, supervision};
use kulya_wire::{Asked, Told, v1};
use tokio::sync::watch;
use tonic::{Status, Streaming};

pub(super) struct Transacting {
    /// `None` when it is over.
    transaction: Option<Box<dyn Transaction>>,
    is_named: bool,
    ends: watch::Receiver<bool>,
    rights: Rights,
    requests: Streaming<v1::TransactRequest>,
}

impl Transacting {
    pub(super) fn new(
        transaction: Box<dyn Transaction>,
        ends: watch::Receiver<bool>,
        rights: Rights,
        requests: Streaming<v1::TransactRequest>,
    ) -> Self {
        Self { transaction: Some(transaction), is_named: false, ends, rights, requests }
    }

    fn allow(&self, asked: &Asked) -> Result<(), Denied> {
        match asked {
            Asked::Stage(appends) => self.rights.append(appends),
            Asked::Commit(changes) => self.rights.change(changes),
            Asked::Abort => Ok(()),
        }
    }

    async fn told(&mut self, asked: Asked) -> Option<Told> {
        let result = match asked {
            Asked::Stage(appends) => self.transaction.as_mut()?.stage(appends).await.map(|()| Told::Staged),
            Asked::Commit(changes) => {
                let committing =
                    supervision::spawn_logged("gRPC commit", self.transaction.take()?.commit(changes));
                let died = || Err(Error::new(ErrorKind::Failed, "the commit died in the server"));
                committing.await.ok().flatten().unwrap_or_else(died).map(Told::Committed)
            }
            Asked::Abort => self.transaction.take()?.abort().await.map(|()| Told::Aborted),
        };
        Some(result.unwrap_or_else(Told::Refused))
    }
}

impl LongCall for Transacting {
    type Reply = v1::TransactReply;

    async fn next(&mut self) -> Option<Result<v1::TransactReply, Status>> {
        if !self.is_named {
            self.is_named = true;
            let id = self.transaction.as_ref()?.id();
            return Some(Ok((&Told::Begun(id)).into()));
        }
        self.transaction.as_ref()?;
        let request = tokio::select! {
            _ = self.ends.wait_for(|ends| *ends) => {
                self.transaction = None;
                return Some(Err(ending()));
            }
            request = self.requests.message() => request,
        };
        let Ok(Some(request)) = request else {
            self.transaction = None;
            return None;
        };
        let told = match Asked::try_from(request) {
            Ok(asked) => {
                if let Err(denied) = self.allow(&asked) {
                    self.transaction = None;
                    return Some(Err(denied.into()));
                }
                self.told(asked).await?
            }
            Err(refused) => Told::Refused(refused),
        };
        Some(Ok((&told).into()))
    }
}
