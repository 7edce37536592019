//! The stream store at the other end of a gRPC connection: [`RemoteStore`], one more backend that keeps the contract; and
//! the schema registry beside it: [`RemoteRegistry`].
//!
//! **A cut connection.** Every call is asked again, with growing pauses, until the server has been silent for the
//! [patience](RemoteSettings::patience); then the error is `Unreachable` and names the address. What that means for a
//! call that changes something:
//! - *Nothing is written twice.* A commit that carries no writer's mark gets one of this client's own, so that the store
//!   itself refuses the repetition, even after the server's end and restart. (A store remembers its last writers,
//!   [`MOST_WRITERS`](kulya_store::MOST_WRITERS); a client is as many of them as it has commits on their way at a time.)
//! - *The answer is the first try's.* The server keeps each lane's last answer, and gives it again: pointers, versions, or
//!   the refusal. Only when it was restarted in between, or its memory for answers was full, can a commit be known to be
//!   stored while its answer is lost: the error's kind is then `AnswerLost`. A commit with the caller's own mark answers
//!   `duplicate` in that case, and making or removing a scope, stream or table answers as if it had been done before.
//! - *`Unreachable` leaves open* whether a commit was stored: whoever must know numbers its commits and asks
//!   [`last_event_number`](kulya_store::StreamStore::last_event_number), or repeats.
//! - *A transaction ends with its connection*, as it does with a process. Only a commit whose answer was lost is looked
//!   up by [`outcome`](kulya_store::StreamStore::outcome), and answered truthfully.
//!
//! **Connections.** Short calls share one. A tail, a transaction, and all waits together have their own, so that neither
//! a reader that stalls nor the bound on calls of one connection (200 at `kulya serve`) holds up another.
//!
//! **Sizes.** A commit, or one stage of a transaction, has at most [`kulya_wire::MAX_COMMIT_BYTES`].
//!
//! Why so: `docs/design/0004-the-store-over-the-network.md`.

mod lane;
mod line;
mod network;
mod registry;
mod settings;
mod store;
mod tail;
mod transaction;
mod waits;

use kulya_store::{Capability, Result, StreamCut};
use kulya_wire::v1;
use lane::Lanes;
use line::Line;
pub use network::{Connection, Network};
pub use registry::RemoteRegistry;
pub use settings::RemoteSettings;
use std::sync::Arc;
pub use tail::RemoteTail;
use waits::Waits;

/// A store at a URL. Clones share its connections.
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
pub struct RemoteStore(Arc<Remote>);

struct Remote {
    line: Line,
    lanes: Lanes,
    waits: Waits,
    lacks: Vec<(Capability, &'static str)>,
}

impl RemoteStore {
    /// Connects, and asks who is there. Errors: `InvalidInput` for a wrong URL, certificate or token, and for a server
    /// that is no Kulya; `Unreachable` when nobody answers for as long as the settings' patience.
    pub async fn connect(settings: RemoteSettings) -> Result<Self> {
        Self::begin(settings, None).await
    }

    /// The same over another network than the machine's own.
    pub async fn connect_over(settings: RemoteSettings, network: Arc<dyn Network>) -> Result<Self> {
        Self::begin(settings, Some(network)).await
    }

    async fn begin(settings: RemoteSettings, network: Option<Arc<dyn Network>>) -> Result<Self> {
        let line = Line::new(settings, network.clone())?;
        let hello = line.ask(|mut client| async move { client.describe(v1::DescribeRequest {}).await });
        let hello = line.within_patience(hello).await?;
        let lacks = lacks(&hello);
        Ok(Self(Arc::new(Remote { line, lanes: Lanes::new(network), waits: Waits::default(), lacks })))
    }

    /// Follows a stream from a cut on, by chunks of about `max_bytes` (1 MiB at most): as [`kulya_store::Tail`] does, but
    /// the server pushes. Segments that the cut does not name are not followed.
    pub fn tail(&self, from: StreamCut, max_bytes: usize) -> RemoteTail {
        RemoteTail::new(self.clone(), from, max_bytes)
    }
}

/// What the store behind the server does not do.
fn lacks(hello: &v1::DescribeReply) -> Vec<(Capability, &'static str)> {
    let lacks = |capability: &Capability| hello.lacks.contains(&v1::Capability::from(*capability).into());
    let because = |capability| (capability, "the store behind the server does not");
    Capability::ALL.into_iter().filter(lacks).map(because).collect()
}
