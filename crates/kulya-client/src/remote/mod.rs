//! gRPC clients of a `kulya serve`: the stream store ([`RemoteStore`]) and the schema registry
//! ([`RemoteRegistry`]).
//!
//! **Retries after a connection loss.** A failed call is retried with exponential backoff for the settings'
//! [retry timeout](RemoteSettings::retry_timeout); then the error is `Unreachable` and contains the address.
//! For calls that change state:
//! - *Commits are deduplicated.* A commit without a writer mark gets one from the client's session slot, so
//!   the store rejects a repetition even after a restart of the server. (A store remembers its last
//!   [`MOST_WRITERS`](kulya_store::MOST_WRITERS) writers; a client counts as many as it has concurrent
//!   commits.)
//! - *A retry receives the response of the first attempt.* The server caches the last response of each
//!   session slot: pointers, versions, or the error. If the cached response is lost, by a restart or because
//!   the cache is full, a commit that is known to be stored fails with `AnswerLost`. A commit with the
//!   caller's own writer mark returns `duplicate` in that case, and creating or deleting a scope, stream or
//!   table returns `false`.
//! - *After `Unreachable` a commit may or may not be stored.* A caller that must know numbers its commits and
//!   calls [`last_event_number`](kulya_store::StreamStore::last_event_number), or repeats the commit.
//! - *A transaction is aborted when its connection is lost.* If the response to its commit was lost, the
//!   client looks up the [`outcome`](kulya_store::StreamStore::outcome).
//!
//! **Connections.** Short calls share one. Each tail and each transaction has its own, and all waits share
//! another, so that neither a stalled reader nor the limit of calls per connection (200 at `kulya serve`)
//! blocks other calls.
//!
//! **Sizes.** A commit, or one stage of a transaction, has at most [`kulya_wire::MAX_COMMIT_BYTES`] bytes.
//!
//! The design is explained in `docs/design/0004-the-store-over-the-network.md`.

mod channel;
mod network;
mod registry;
mod session_slot;
mod settings;
mod store;
mod tail;
mod transaction;
mod wait_multiplexer;

use channel::Channel;
use kulya_store::{Capability, Result, StreamCut};
use kulya_wire::v1;

pub use network::{Connection, Network};
pub use registry::RemoteRegistry;
use session_slot::SessionSlots;
pub use settings::RemoteSettings;
use std::sync::Arc;
pub use tail::RemoteTail;
use wait_multiplexer::WaitMultiplexer;

/// A client of the stream store of a `kulya serve`, over gRPC. Clones share the connections.
///
/// ```no_run
/// use kulya_client::{RemoteSettings, RemoteStore};
/// use kulya_store::{Append, Commit, StreamId, StreamStore, tail_cut};
/// # async fn example() -> kulya_store::Result<()> {
/// let store = RemoteStore::connect(RemoteSettings::new("http://127.0.0.1:9092")).await?;
/// let orders = StreamId::new("shop", "orders")?;
/// let mut tail = store.tail(tail_cut(&store, &orders).await?, 1 << 20);
/// store.commit(Commit::events(vec![Append::keyed(&orders, "order-1", "hello")])).await?;
/// while let Some((_segment, chunk)) = tail.next().await? {
///     println!("{} events", chunk.events.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RemoteStore(Arc<Inner>);

struct Inner {
    channel: Channel,
    slots: SessionSlots,
    waits: WaitMultiplexer,
    unsupported: Vec<(Capability, &'static str)>,
}

impl RemoteStore {
    /// Connects to a server and reads its store's capabilities.
    ///
    /// # Errors
    /// `InvalidInput` for an invalid URL, certificate or token, and for a server without a stream store;
    /// `Unreachable` when no server responds within the settings' retry timeout.
    pub async fn connect(settings: RemoteSettings) -> Result<Self> {
        Self::open(settings, None).await
    }

    /// Connects to a server over a custom network, such as a simulated one.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_over(settings: RemoteSettings, network: Arc<dyn Network>) -> Result<Self> {
        Self::open(settings, Some(network)).await
    }

    async fn open(settings: RemoteSettings, network: Option<Arc<dyn Network>>) -> Result<Self> {
        let channel = Channel::new(settings, network.clone())?;
        let describe =
            channel.call(|mut client| async move { client.describe(v1::DescribeRequest {}).await });
        let description = channel.with_timeout(describe).await?;
        let (slots, waits) = (SessionSlots::new(network), WaitMultiplexer::default());
        Ok(Self(Arc::new(Inner { channel, slots, waits, unsupported: unsupported(&description) })))
    }

    /// Reads a stream from a stream cut on and waits for new events, in chunks of about `max_bytes` (at most
    /// 1 MiB). Like [`kulya_store::Tail`], but the server pushes the events. Segments that the cut does not
    /// contain are not read.
    pub fn tail(&self, from: StreamCut, max_bytes: usize) -> RemoteTail {
        RemoteTail::new(self.clone(), from, max_bytes)
    }
}

/// Returns the capabilities that the server's store does not have, with a reason.
fn unsupported(description: &v1::DescribeReply) -> Vec<(Capability, &'static str)> {
    let is_unsupported =
        |capability: &Capability| description.lacks.contains(&v1::Capability::from(*capability).into());
    let with_reason = |capability| (capability, "the server's store does not support it");
    Capability::ALL.into_iter().filter(is_unsupported).map(with_reason).collect()
}
