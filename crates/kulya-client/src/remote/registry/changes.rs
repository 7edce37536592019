//! The registry's change feed, pushed by the server over its own connection: [`ChangeStream`].

use super::{Client, RemoteRegistry};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::RegistryResult;
use kulya_registry_api::administration::Change;
use kulya_wire::registry::v1;
use tonic::{Status, Streaming};

/// A position in the change feed, and the call, while it is open. It resumes after a connection loss.
pub(super) struct ChangeStream {
    registry: RemoteRegistry,
    /// After all returned changes.
    position: String,
    replies: Option<Streaming<v1::WatchReply>>,
    is_done: bool,
}

impl ChangeStream {
    /// Opens the feed and waits for the first reply, so that an invalid position fails at once.
    pub(super) async fn open(registry: RemoteRegistry, from: Option<&str>) -> RegistryResult<Self> {
        let service = registry.0.dedicated();
        let call = |_: Client, request| {
            let mut client = super::client(service.clone());
            async move { client.watch(request).await }
        };
        let mut retry = registry.0.retry_policy();
        loop {
            let request = v1::WatchRequest { from: from.map(str::to_owned) };
            let mut replies = registry.call(request, call).await?;
            let status = match replies.message().await {
                Ok(Some(v1::WatchReply { place: position, .. })) => {
                    return Ok(Self { registry, position, replies: Some(replies), is_done: false });
                }
                Ok(None) => Status::unavailable("connection closed"),
                Err(status) => status,
            };
            registry.backoff(&mut retry, status).await?;
        }
    }

    pub(super) fn boxed(self) -> BoxStream<'static, RegistryResult<(String, Change)>> {
        let changes = stream::unfold(self, |mut feed| async move {
            let change = feed.next().await?;
            feed.is_done = change.is_err();
            Some((change, feed))
        });
        changes.boxed()
    }

    async fn next(&mut self) -> Option<RegistryResult<(String, Change)>> {
        if self.is_done {
            return None;
        }
        self.change().await.transpose()
    }

    async fn change(&mut self) -> RegistryResult<Option<(String, Change)>> {
        let registry = self.registry.clone();
        let mut retry = registry.0.retry_policy();
        loop {
            match self.reply().await {
                // the first reply has the position only
                Ok(Some(v1::WatchReply { place: position, change: None })) => self.position = position,
                Ok(Some(v1::WatchReply { place: position, change: Some(change) })) => {
                    self.position.clone_from(&position);
                    return Ok(Some((position, registry.convert(change)?)));
                }
                Ok(None) => return Ok(None),
                Err(status) => {
                    if self.replies.take().is_some() {
                        retry.reset();
                    }
                    registry.backoff(&mut retry, status).await?;
                }
            }
        }
    }

    async fn reply(&mut self) -> Result<Option<v1::WatchReply>, Status> {
        let replies = match &mut self.replies {
            Some(replies) => replies,
            none => {
                let request = v1::WatchRequest { from: Some(self.position.clone()) };
                let mut client = super::client(self.registry.0.dedicated());
                none.insert(client.watch(request).await?.into_inner())
            }
        };
        replies.message().await
    }
}
