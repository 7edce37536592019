//! The names that most programs with SQL use, for `use kulya_sql::prelude::*`: this crate's, and those of the
//! registry's contract, of schemas and of stream stores.

pub use crate::{CatalogBackend, OutputFormat, Session, SqlError, SqlErrorKind, SqlResult, StatementResult};
pub use kulya_registry_api::prelude::*;
pub use kulya_store::prelude::*;
