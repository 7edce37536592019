//! Serialization of events with a schema registry: Avro, JSON, Protobuf and custom formats, with compression
//! and encryption.
//!
//! An event is a protocol byte, a four-byte encoding id and a payload ([`header`]). A [`SchemaRegistry`]
//! resolves the id to the writer's schema and to the [`codec`] of the payload. The registry is a trait, so
//! that serializers and deserializers work with the registry in process (`kulya-registry`) and with one over
//! the network (`kulya-client`).
//!
//! - [`Serializer`] and [`Deserializer`] write and read single values: Avro, JSON, [`protobuf`], and a user's
//!   [`CustomFormat`];
//! - [`schema_of`] returns the Avro schema of a Rust type;
//! - [`CachedRegistry`] caches what never changes in a registry;
//! - with the feature `arrow`, `arrow` decodes events into Arrow record batches for query engines.
//!
//! ```
//! use kulya_codec::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let store = kulya_store::memory::MemoryStore::new();
//! # let registry = kulya_registry::Registry::open(store, kulya_store::clock::SystemClock).await?;
//! // `registry` is a kulya_registry::Registry, kulya_client::HttpRegistry or kulya_client::RemoteRegistry
//! let group = GroupId::new("shop", "orders");
//! let schema = SchemaInfo::json("Order", r#"{"type":"object"}"#);
//! let properties = GroupProperties::new(Format::Json, Compatibility::Full, false);
//! let properties = properties.with_rules(Rules::strict());
//! let config = SerializerConfig::new(group.clone()).create_group(properties).register_schema();
//! let serializer = Serializer::new(registry.clone(), schema, config).await?;
//! let event = serializer.serialize(&serde_json::json!({ "id": 7 }))?;
//!
//! let order: serde_json::Value = Deserializer::new(registry, group).deserialize(&event).await?;
//! assert_eq!(order["id"], 7);
//! # Ok(()) }) }
//! ```

#[cfg(feature = "arrow")]
pub mod arrow;
mod cached;
pub mod codec;
mod custom;
mod derived;
mod deserializer;
mod encoding_cache;
mod error;
pub mod header;
pub mod prelude;
pub mod protobuf;
mod schema;
mod serializer;
mod single_flight;
mod value;

pub use apache_avro;
pub use apache_avro::types::Value as AvroValue;
pub use bytes;
pub use cached::CachedRegistry;
pub use custom::{CustomError, CustomFormat};
pub use derived::schema_of;
pub use deserializer::Deserializer;
pub use encoding_cache::EncodingCache;
pub use error::{CodecError, CodecResult};
pub use kulya_registry_api;
pub use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
pub use kulya_schema;
pub use prost;
pub use prost_reflect;
pub use serializer::{Serializer, SerializerConfig};
pub use value::{Value, WithSchema};
