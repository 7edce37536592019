//! The state of a [`RemoteStore`](super::RemoteStore), shared with its tails and transactions: [`Inner`].

use super::channel::{Channel, Client};
use super::network::Network;
use super::session_slot::SessionSlots;
use super::settings::RemoteSettings;
use super::wait_multiplexer::WaitMultiplexer;
use kulya_store::{Capability, Error, Outcome, Result, StreamName, TransactionId};
use kulya_wire::v1;
use std::future::Future;
use std::sync::Arc;
use tonic::{Response, Status};

pub(super) type RpcResult<T> = std::result::Result<Response<T>, Status>;

pub(super) struct Inner {
    pub(super) channel: Channel,
    pub(super) slots: SessionSlots,
    pub(super) waits: WaitMultiplexer,
    pub(super) unsupported: Vec<(Capability, &'static str)>,
}

impl Inner {
    /// Connects to a server and reads its store's capabilities.
    pub(super) async fn connect(settings: RemoteSettings, network: Option<Arc<dyn Network>>) -> Result<Self> {
        let channel = Channel::new(settings, network.clone())?;
        let describe =
            channel.call(|mut client| async move { client.describe(v1::DescribeRequest {}).await });
        let description = channel.with_timeout(describe).await?;
        let (slots, waits) = (SessionSlots::new(network), WaitMultiplexer::default());
        Ok(Self { channel, slots, waits, unsupported: unsupported(&description) })
    }

    /// Calls an operation that changes state; returns whether it changed something.
    pub(super) async fn call_mutation<F>(&self, rpc: impl Fn(Client, Option<v1::Call>) -> F) -> Result<bool>
    where
        F: Future<Output = RpcResult<v1::WasReply>>,
    {
        let slot = self.slots.take();
        Ok(self.channel.call(|client| rpc(client, slot.call())).await?.done)
    }

    /// Looks up the outcome of a transaction.
    pub(super) async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        let rpc = |mut client: Client| async move {
            client.outcome(v1::TransactionRequest::from(transaction)).await
        };
        self.convert(self.channel.call(rpc).await?)
    }

    /// Converts a response.
    pub(super) fn convert<T, M>(&self, message: M) -> Result<T>
    where
        T: TryFrom<M, Error = Error>,
    {
        T::try_from(message).map_err(|error| self.channel.invalid_response(error))
    }

    /// Converts a list of names.
    pub(super) fn names(&self, reply: v1::NamesReply) -> Result<Vec<StreamName>> {
        let names = reply.names.iter().map(|name| StreamName::stored(name)).collect::<Result<_>>();
        names.map_err(|error| self.channel.invalid_response(error))
    }
}

/// Returns the capabilities that the server's store does not have, with a reason.
fn unsupported(description: &v1::DescribeReply) -> Vec<(Capability, &'static str)> {
    let is_unsupported =
        |capability: &Capability| description.lacks.contains(&v1::Capability::from(*capability).into());
    let with_reason = |capability| (capability, "the server's store does not support it");
    Capability::ALL.into_iter().filter(is_unsupported).map(with_reason).collect()
}
