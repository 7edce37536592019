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
//! - [`CachedRegistry`] caches what never changes in a registry;
//! - with the feature `arrow`, `arrow` decodes events into Arrow record batches for query engines.
//!
//! ```
//! # use std::sync::Arc;
//! # use kulya_store::{clock::SystemClock, memory::MemoryStore};
//! use kulya_codec::{Deserializer, SchemaRegistry, Serializer, SerializerConfig};
//! use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let registry = kulya_registry::Registry::open(Arc::new(MemoryStore::new()), Arc::new(SystemClock)).await?;
//! # let registry: Arc<dyn SchemaRegistry> = Arc::new(registry);
//! let group = GroupId::new("shop", "orders");
//! let properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, false);
//! let config = SerializerConfig::new(group.clone()).create_group(properties).register_schema();
//! let schema = SchemaInfo::new("Order", Format::Json, r#"{"type":"object"}"#);
//! let serializer = Serializer::new(&*registry, schema, config).await?;
//! let event = serializer.serialize(&serde_json::json!({ "id": 7 }))?;
//!
//! let order: serde_json::Value = Deserializer::new(registry, group).deserialize(&event).await?;
//! assert_eq!(order["id"], 7);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

#[cfg(feature = "arrow")]
pub mod arrow;
mod cached;
pub mod codec;
mod custom;
mod deserializer;
mod encoding_cache;
mod error;
pub mod header;
pub mod protobuf;
mod schema;
mod serializer;
mod single_flight;
mod value;

pub use apache_avro::types::Value as AvroValue;
pub use cached::CachedRegistry;
pub use custom::{CustomError, CustomFormat};
pub use deserializer::Deserializer;
pub use encoding_cache::EncodingCache;
pub use error::{CodecError, CodecResult};
pub use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
pub use serializer::{Serializer, SerializerConfig};
pub use value::{Value, WithSchema};
