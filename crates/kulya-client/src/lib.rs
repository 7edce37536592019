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
//! use kulya_client::{Credentials, HttpRegistry, RegistrySettings};
//! use kulya_registry_api::SchemaRegistry;
//! use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
//! use std::time::Duration;
//! # async fn example() -> kulya_registry_api::RegistryResult<()> {
//! let mut settings = RegistrySettings::new("http://127.0.0.1:9092");
//! settings.credentials = Credentials::Basic { user: "anna".into(), password: "secret".into() };
//! settings.retry_timeout = Duration::from_secs(10);
//! let registry = HttpRegistry::with_settings(settings)?;
//! let orders = GroupId::new("shop", "orders");
//! let properties = GroupProperties::new(Format::Avro, Compatibility::Backward, false);
//! registry.create_group(&orders, properties).await?;
//! let schema = SchemaInfo::new("", Format::Avro, r#"{"type":"record","name":"Order","fields":[]}"#);
//! let version = registry.add_schema(&orders, schema).await?;
//! println!("version {} of {}", version.version, version.type_name);
//! # Ok(()) }
//! ```

mod backoff;
pub mod blocking;
mod fetch;
mod http;
mod random;
mod remote;
mod rest_export;
mod tls;

pub use fetch::fetch;
pub use http::{AccessToken, Credentials, HttpRegistry, RegistrySettings, TokenSource};
#[cfg(doc)]
use kulya_registry_api::{SchemaRegistry, administration::RegistryAdministration};
#[cfg(doc)]
use kulya_store::StreamStore;
pub use random::random_id;
pub use remote::{Connection, Network, RemoteRegistry, RemoteSettings, RemoteStore, RemoteTail};
pub use rest_export::export_namespaces;
