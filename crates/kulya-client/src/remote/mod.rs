//! gRPC clients of a `kulya serve`: the stream store ([`RemoteStore`]) and the schema registry
//! ([`RemoteRegistry`]).
//!
//! **Retries after a connection loss.** A failed call is retried with exponential backoff for the settings'
//! [retry timeout](RemoteSettings::retry_timeout); then the error is `Unreachable` and contains the address.
//! For calls that change state:
//! - *Commits are deduplicated.* A commit without a writer mark gets one from the client's session slot, so
//!   the store rejects a repetition even after a restart of the server. (A store remembers its last
//!   [`MAX_WRITERS`](kulya_store::MAX_WRITERS) writers; a client counts as many as it has concurrent
//!   commits.)
//! - *A retry receives the response of the first attempt.* The server caches the last response of each
//!   session slot: pointers, versions, or the error. If the cached response is lost, by a restart or because
//!   the cache is full, a commit that is known to be stored fails with `ResponseLost`. A commit with the
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
mod inner;
mod network;
mod registry;
mod session_slot;
mod settings;
mod status_cause;
mod store;
mod tail;
mod transaction;
mod wait_multiplexer;

pub use network::{Connection, Network};
pub use registry::RemoteRegistry;
pub use settings::RemoteSettings;
pub use store::RemoteStore;
pub use tail::RemoteTail;
