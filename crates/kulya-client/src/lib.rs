//! What Kulya keeps, over the network, behind the traits that it has in process.
//!
//! [`HttpRegistry`] is the schema registry of any server that speaks REST v1, Kulya's or the Java one, as a
//! [`SchemaRegistry`]. [`RemoteStore`] is the store of a `kulya serve`, over gRPC, as a [`StreamStore`]: what is written
//! for a folder runs over the network unchanged.

mod http;
mod remote;

pub use http::HttpRegistry;
#[cfg(doc)]
use kulya_codec::SchemaRegistry;
#[cfg(doc)]
use kulya_store::StreamStore;
pub use remote::{RemoteSettings, RemoteStore, RemoteTail};
