//! Tables: what the registry says of a stream's rows, and the table that a query scans.

mod definition;
mod provider;

pub(crate) use definition::TableDefinition;
pub(crate) use provider::StreamTable;
