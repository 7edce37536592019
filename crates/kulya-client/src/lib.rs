//! Clients of Kulya's schema registry and stream store. They implement the traits of the in-process backends,
//! so code written against [`SchemaRegistry`] or [`StreamStore`] runs over the network unchanged.
//!
//! - [`HttpRegistry`]: the schema registry of any server with the Pravega Schema Registry REST v1 API,
//!   Kulya's or the Java one, as a [`SchemaRegistry`]; with Kulya's REST v2 API as a
//!   [`RegistryAdministration`] too. [`blocking::HttpRegistry`] is the same for programs without an async
//!   runtime.
//! - [`RemoteRegistry`]: the schema registry of a `kulya serve` over gRPC.
//! - [`RemoteStore`]: the stream store of a `kulya serve` over gRPC, as a [`StreamStore`].
//! - [`export_namespaces`]: the full content of a registry that has REST v1 only.
//!
//! ```no_run
//! use kulya_client::prelude::*;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = HttpRegistry::new("http://127.0.0.1:9092")?;
//! let group = GroupId::new("shop", "orders");
//! let properties = GroupProperties::new(Format::Avro, Compatibility::Backward, false);
//! registry.create_group(&group, properties.with_rules(Rules::strict())).await?;
//! let schema = r#"{"type":"record","name":"Order","fields":[]}"#;
//! let version = registry.add_schema(&group, SchemaInfo::avro(schema)).await?;
//! println!("version {} of {}", version.version, version.type_name);
//!
//! let store = RemoteStore::connect("http://127.0.0.1:9092").await?;
//! let orders = StreamId::new("shop", "orders")?;
//! store.ensure_stream(&orders, StreamConfig::with_segments(1)).await?;
//! let mut consumer = Consumer::open(store, "billing", &orders).await?;
//! while let Some((pointer, event)) = consumer.try_next().await? {
//!     println!("{pointer}: {} bytes", event.len());
//!     consumer.commit().await?;
//! }
//! # Ok(()) }
//! ```
//!
//! Credentials, TLS and retries are set in [`RegistrySettings`] and [`RemoteSettings`].

mod backoff;
pub mod blocking;
mod fetch;
mod http;
pub mod prelude;
mod random;
mod remote;
mod rest_export;
mod tls;

pub use fetch::fetch;
pub use http::{AccessToken, Credentials, HttpCaptures, HttpRegistry, RegistrySettings, TokenSource};
pub use kulya_registry_api;
#[cfg(doc)]
use kulya_registry_api::{SchemaRegistry, administration::RegistryAdministration};
pub use kulya_schema;
pub use kulya_store;
#[cfg(doc)]
use kulya_store::StreamStore;
pub use random::random_id;
pub use remote::{Connection, Network, RemoteRegistry, RemoteSettings, RemoteStore, RemoteTail};
pub use rest_export::export_namespaces;

/// The examples of the page for Rust developers, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
struct RustPage;
