//! The contract of a schema registry, wherever it runs: in process (`kulya-registry`), or behind REST or gRPC
//! (`kulya-client`).
//!
//! - [`SchemaRegistry`] is what serializers, deserializers, the catalog and capture need: groups, schemas,
//!   encodings;
//! - [`administration::RegistryAdministration`] adds what administrators need: list, check, compare, search,
//!   export, import, follow changes;
//! - [`RegistryError`] is the error of both, with a [`RegistryErrorKind`] that says what a caller can do
//!   next;
//! - with the feature `conformance`, `conformance::run_all` tests an implementation.
//!
//! The data types ([`SchemaInfo`](kulya_schema::SchemaInfo), [`GroupId`](kulya_schema::GroupId) and the
//! others) are those of `kulya-schema`. This crate has no I/O and no format library.

pub mod administration;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod registry;

pub use error::{RegistryError, RegistryErrorKind, RegistryResult};
pub use registry::SchemaRegistry;
