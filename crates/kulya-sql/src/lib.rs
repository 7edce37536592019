//! SQL over streams: a catalog in which scopes are databases and streams with schemas are tables, and queries
//! in Flink's dialect. The only crate that depends on DataFusion.
//!
//! A [`Session`] executes statements and returns [`StatementResult`]s. Catalog statements (CREATE CATALOG,
//! USE, SHOW, DESCRIBE) are executed here; queries are planned and executed by DataFusion. Tables are looked
//! up for each statement, so schemas are never cached. A query is bounded: it reads the events that were in
//! the streams when it started.
//!
//! The registry group of a stream determines its rows: an Avro or JSON event is a row; a changelog in
//! Debezium's JSON is read as the current rows of its table ([`CurrentRows`]).
//!
//! ```no_run
//! use kulya_registry::Registry;
//! use kulya_sql::{CatalogBackend, OutputFormat, Session};
//! use kulya_store::{StreamStore, clock::SystemClock, memory::MemoryStore};
//! use std::sync::Arc;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
//! let registry = Registry::open(Arc::clone(&store), Arc::new(SystemClock)).await?;
//! let backend = CatalogBackend { store, registry: Arc::new(registry) };
//! let mut session = Session::new("kulya", backend).await?;
//! for result in session.execute("SHOW DATABASES; SELECT 1 + 1 AS sum").await? {
//!     print!("{}", result.write(OutputFormat::Table)?);
//! }
//! # Ok(()) }
//! ```

mod backend;
mod catalog;
mod catalog_options;
mod changelog;
mod decode_errors;
mod engine;
mod error;
mod functions;
mod limits;
mod output;
mod projections;
mod scan;
mod session;
mod statement;
mod table;
mod type_names;

pub use backend::CatalogBackend;
pub use catalog_options::{CatalogOptions, Security, StoreAddress};
pub use changelog::CurrentRows;
pub use engine::{QueryLimits, RowStream};
pub use error::{SqlError, SqlResult};
pub use output::{OutputFormat, RowWriter, StatementResult};
pub use session::{BackendFactory, Execution, Session};
pub use statement::{Statement, parse as parse_statements};
