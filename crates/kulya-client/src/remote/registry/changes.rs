//! Changes of the registry as the server pushes them, on a connection of their own: [`Following`].

use super::{Client, RemoteRegistry};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::RegistryResult;
use kulya_registry_api::administration::Change;
use kulya_wire::registry::v1;
use tonic::{Status, Streaming};

/// Where it is, and the connection, while there is one.
pub(super) struct Following {
    registry: RemoteRegistry,
    /// Behind everything that was given.
    place: String,
    replies: Option<Streaming<v1::WatchReply>>,
    is_over: bool,
}

impl Following {
    /// Asks from where it goes on, so that a wrong place is refused at once.
    pub(super) async fn begin(registry: RemoteRegistry, from: Option<&str>) -> RegistryResult<Self> {
        let service = registry.0.own();
        let call = |_: Client, request| {
            let mut client = super::client(service.clone());
            async move { client.watch(request).await }
        };
        let mut patience = registry.0.patience();
        loop {
            let request = v1::WatchRequest { from: from.map(str::to_owned) };
            let mut replies = registry.ask(request, call).await?;
            let status = match replies.message().await {
                Ok(Some(v1::WatchReply { place, .. })) => {
                    return Ok(Self { registry, place, replies: Some(replies), is_over: false });
                }
                Ok(None) => Status::unavailable("the connection was cut"),
                Err(status) => status,
            };
            registry.endure(&mut patience, status).await?;
        }
    }

    pub(super) fn boxed(self) -> BoxStream<'static, RegistryResult<(String, Change)>> {
        let changes = stream::unfold(self, |mut following| async move {
            let change = following.next().await?;
            following.is_over = change.is_err();
            Some((change, following))
        });
        changes.boxed()
    }

    async fn next(&mut self) -> Option<RegistryResult<(String, Change)>> {
        if self.is_over {
            return None;
        }
        self.change().await.transpose()
    }

    async fn change(&mut self) -> RegistryResult<Option<(String, Change)>> {
        let registry = self.registry.clone();
        let mut patience = registry.0.patience();
        loop {
            match self.reply().await {
                // where it begins
                Ok(Some(v1::WatchReply { place, change: None })) => self.place = place,
                Ok(Some(v1::WatchReply { place, change: Some(change) })) => {
                    self.place.clone_from(&place);
                    return Ok(Some((place, registry.read(change)?)));
                }
                Ok(None) => return Ok(None),
                Err(status) => {
                    if self.replies.take().is_some() {
                        patience.renew();
                    }
                    registry.endure(&mut patience, status).await?;
                }
            }
        }
    }

    async fn reply(&mut self) -> Result<Option<v1::WatchReply>, Status> {
        let replies = match &mut self.replies {
            Some(replies) => replies,
            none => {
                let request = v1::WatchRequest { from: Some(self.place.clone()) };
                let mut client = super::client(self.registry.0.own());
                none.insert(client.watch(request).await?.into_inner())
            }
        };
        replies.message().await
    }
}
