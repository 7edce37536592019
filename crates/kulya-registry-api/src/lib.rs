//! The contract of a schema registry: traits, errors and a conformance suite. `kulya-registry` implements it
//! in process, `kulya-client` over REST and gRPC.
//!
//! - [`SchemaRegistry`] is what serializers, deserializers, the catalog and capture need: groups, schemas,
//!   encodings;
//! - [`administration::RegistryAdministration`] adds what administrators need: list, check, compare, search,
//!   export, import, follow changes;
//! - [`RegistryError`] is the error of both, with a [`RegistryErrorKind`] that shows what a caller can do
//!   next;
//! - with the feature `conformance`, `conformance::run_all` tests an implementation.
//!
//! The data types ([`SchemaInfo`](kulya_schema::SchemaInfo), [`GroupId`](kulya_schema::GroupId) and the
//! others) are those of `kulya-schema`. This crate has no I/O and no format library.
//!
//! ```
//! use kulya_registry_api::prelude::*;
//!
//! /// Registers a schema; returns `None` when the group's policy refuses it.
//! async fn try_register(
//!     registry: &dyn SchemaRegistry,
//!     group: &GroupId,
//!     schema: SchemaInfo,
//! ) -> RegistryResult<Option<VersionInfo>> {
//!     match registry.add_schema(group, schema).await {
//!         Ok(version) => Ok(Some(version)),
//!         Err(error) if error.kind() == RegistryErrorKind::Incompatible => Ok(None),
//!         Err(error) => Err(error),
//!     }
//! }
//! ```

pub mod administration;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod prelude;
mod registry;

pub use async_trait;
pub use error::{RegistryError, RegistryErrorKind, RegistryResult};
pub use kulya_schema;
pub use registry::SchemaRegistry;
