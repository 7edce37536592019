//! From values to event bytes and back.
//!
//! An event is a protocol byte, a four-byte encoding id and a payload ([`header`]); the id leads, through a
//! [`SchemaRegistry`], to the writer's schema and the [`codec`] that the payload went through. The
//! registry is a trait here so that writers and readers work alike against the one in process (`kulya-registry`)
//! and one over HTTP (`kulya-client`).
//!
//! - [`Serializer`] and [`Deserializer`] write and read single values: Avro, JSON, [`protobuf`], and a user's
//!   [`CustomFormat`];
//! - [`CachedRegistry`] asks another registry once for what never changes;
//! - with the feature `arrow`, `arrow` decodes whole batches of events for query engines.

mod answers;
#[cfg(feature = "arrow")]
pub mod arrow;
mod cached;
pub mod codec;
mod custom;
mod deserializer;
mod encodings;
mod error;
pub mod header;
pub mod protobuf;
mod schema;
mod serializer;
mod value;

pub use apache_avro::types::Value as AvroValue;
pub use cached::CachedRegistry;
pub use custom::{CustomError, CustomFormat};
pub use deserializer::Deserializer;
pub use encodings::Encodings;
pub use error::{CodecError, CodecResult};
pub use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
pub use serializer::{Serializer, SerializerConfig};
pub use value::{Value, WithSchema};
