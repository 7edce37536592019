//! What Kulya keeps, over the network, behind the traits that it has in process.
//!
//! [`HttpRegistry`] is the schema registry of any server that speaks REST v1, Kulya's or the Java one, as a
//! [`SchemaRegistry`]; over Kulya's REST v2 it is a [`RegistryAdministration`] too. What a registry holds that speaks v1
//! alone is told whole by [`export_by_probing`]. [`RemoteRegistry`] is the registry of a `kulya serve`, over gRPC.
//! [`RemoteStore`] is the store of a `kulya serve` as a [`StreamStore`]: what is written for a folder runs over the network
//! unchanged.

pub mod blocking;
mod fetch;
mod http;
mod probing;
mod remote;
mod trust;

pub use fetch::fetch;
pub use http::{FreshToken, HttpRegistry, Login, RegistrySettings, TokenSource};
#[cfg(doc)]
use kulya_registry_api::{SchemaRegistry, administration::RegistryAdministration};
#[cfg(doc)]
use kulya_store::StreamStore;
pub use probing::export_by_probing;
pub use remote::{Connection, Network, RemoteRegistry, RemoteSettings, RemoteStore, RemoteTail};

/// A number that nobody else draws, for whoever must be told apart from all others: from the system's randomness, which
/// nothing is tested by.
pub fn random_id() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    u128::from_ne_bytes(bytes)
}
