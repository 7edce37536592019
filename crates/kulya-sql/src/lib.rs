//! SQL over streams: a catalog in which scopes are databases and streams with schemas are tables, and queries
//! in Flink's dialect. The only crate that depends on DataFusion.
//!
//! A [`Session`] executes statements and returns [`StatementResult`]s. Queries, also those of INSERT, are
//! planned and executed by DataFusion; all else here. Tables are looked up for each statement, so schemas
//! are never cached. A query is bounded: it reads the events that were in the streams when it started. The
//! rows of an INSERT are one transaction.
//!
//! What CREATE TABLE said of a stream, or else its registry group, determines its rows: an event is a row,
//! or a change log is read as the rows that it leaves ([`CurrentRows`]).
//!
//! ```no_run
//! use kulya_registry::prelude::*;
//! use kulya_sql::prelude::*;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let registry = Registry::open(store.clone(), SystemClock).await?;
//! let mut session = Session::new("kulya", CatalogBackend::new(store, registry)).await?;
//! for result in session.execute("SHOW DATABASES; SELECT 1 + 1 AS sum").await? {
//!     print!("{}", result.write(OutputFormat::Table)?);
//! }
//! # Ok(()) }
//! ```

mod catalog;
mod completion;
mod data_types;
mod dialect;
mod engine;
mod error;
mod execute;
mod files;
mod format;
mod functions;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod live;
mod nearest;
mod options;
mod output;
pub mod prelude;
mod progress;
mod scan;
mod session;
mod settings;
mod sink;
mod table;

pub use arrow;
pub use async_trait;
pub use catalog::{CatalogBackend, CatalogOptions, Security, StoreAddress};
pub use completion::Completion;
pub use dialect::{Outline, OutlinePart, PartKind, Position, Statement};
pub use engine::{QueryLimits, RowStream};
pub use error::{SqlError, SqlErrorKind, SqlResult};
pub use format::{ChangeKey, FormatFactory, FormatTable, RowFormat, WantedRows};
pub use kulya_codec;
pub use kulya_codec::arrow::CurrentRows;
pub use kulya_incremental;
pub use kulya_registry_api;
pub use kulya_schema;
pub use kulya_store;
pub use live::{
    ChangelogMode, LivePlan, LiveQuery, LiveRunner, LiveSettings, LiveSource, LiveState, LiveStatus,
    NodeState, PlanNode, Rerun, SourceMode,
};
pub use output::{OutputFormat, RowWriter, StatementResult, visible};
pub use progress::Progress;
pub use session::{BackendFactory, Execution, Session};

/// Parses statements separated by semicolons.
///
/// # Errors
/// A syntax error, that a statement is not supported, or that it exceeds a limit; about the first invalid
/// statement, with its position.
pub fn parse_statements(text: &str) -> SqlResult<Vec<Statement>> {
    Ok(dialect::parse(text)?)
}
