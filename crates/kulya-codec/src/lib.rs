//! From values to event bytes and back.
//!
//! An event is a protocol byte, a four-byte encoding id and a payload; the id leads, through a
//! [`SchemaRegistry`], to the writer's schema and the codec. The registry is a trait here so that writers and
//! readers work alike against the one in process (`kulya-registry`) and one over HTTP (`kulya-client`).
mod registry;

pub use registry::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
