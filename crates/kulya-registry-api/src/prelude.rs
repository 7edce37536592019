//! The names that most programs with a registry use, for `use kulya_registry_api::prelude::*`: this crate's,
//! and those of schemas.

pub use crate::administration::RegistryAdministration;
pub use crate::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
pub use kulya_schema::prelude::*;
