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
