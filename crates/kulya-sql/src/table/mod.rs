//! Tables: what the registry says of a stream's rows, and the table that a query scans.

mod definition;
mod provider;
mod spec;

pub(crate) use definition::{TableDefinition, TableRows, registry_format, registry_schema};
pub(crate) use provider::StreamTable;
pub(crate) use spec::{SpecColumnKind, TableSpec};
