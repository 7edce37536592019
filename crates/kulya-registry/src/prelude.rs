//! The names that most programs with a registry in a store use, for `use kulya_registry::prelude::*`: this
//! crate's, and those of the registry's contract, of schemas and of stream stores.

pub use crate::Registry;
pub use kulya_registry_api::prelude::*;
pub use kulya_store::prelude::*;
