//! What Kulya keeps, over the network, behind the traits that it has in process.
//!
//! [`HttpRegistry`] is the schema registry of any server that speaks REST v1, Kulya's or the Java one, as a
//! [`SchemaRegistry`]; over Kulya's REST v2 it is a [`RegistryAdministration`] too. [`RemoteStore`] is the store of a `kulya serve`, over gRPC, as a [`StreamStore`]: what is written
//! for a folder runs over the network unchanged.

mod http;
mod remote;

pub use http::HttpRegistry;
#[cfg(doc)]
use kulya_codec::SchemaRegistry;
#[cfg(doc)]
use kulya_codec::administration::RegistryAdministration;
#[cfg(doc)]
use kulya_store::StreamStore;
pub use remote::{Connection, Network, RemoteSettings, RemoteStore, RemoteTail};

/// A number that nobody else draws, for whoever must be told apart from all others: from the system's randomness, which
/// nothing is tested by.
pub fn random_id() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    u128::from_ne_bytes(bytes)
}
