//! Catalog and SQL: scopes are databases, streams with their schemas are tables. The only crate that knows
//! DataFusion.
//!
//! A [`Session`] takes statements in Flink's dialect and gives [`Outcome`]s. Statements about the catalog (CREATE
//! CATALOG, USE, SHOW, DESCRIBE) are answered here; queries go to DataFusion, over tables that are looked up for each
//! statement anew: there is no copy of a schema. A query is bounded: it sees what was in the streams when it began.
//!
//! What a stream's rows are is decided by its registry group: Avro and JSON events are rows; a change log's events
//! are read as the table's current rows ([`CurrentRows`]).

mod catalog;
mod catalog_options;
mod changelog;
mod engine;
mod error;
mod functions;
mod limits;
mod names;
mod output;
mod projections;
mod scan;
mod session;
mod statement;
mod table;
mod unreadable;

pub use catalog::Backend;
pub use catalog_options::{CatalogOptions, Security, StoreAddress};
pub use changelog::CurrentRows;
pub use engine::{QueryLimits, RowStream};
pub use error::{SqlError, SqlResult};
pub use output::{Outcome, RowWriter, Shape};
pub use session::{Opener, Session, Started};
pub use statement::{Statement, parse as statements};
