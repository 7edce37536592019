//! Tables: what the registry says of a stream's rows, and the table that a query scans.

mod alter;
mod as_query;
mod captured_schema;
mod counted;
mod definition;
mod like;
mod live;
mod provider;
mod spec;

pub(crate) use alter::{Events, altered};
pub(crate) use as_query::as_query;
pub(crate) use definition::{TableDefinition, TableRows, registered_schemas, registry_format};
pub(crate) use like::like;
pub(crate) use live::{RowChanges, TickTable};
pub(crate) use provider::{CHANGE_NUMBER, StreamTable};
pub(crate) use spec::{STREAM_OPTIONS, SpecColumn, SpecColumnKind, TableDefaults, TableSpec, hinted_options};
