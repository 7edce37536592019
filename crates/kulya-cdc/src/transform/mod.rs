//! Transformations of records between a source and its sink: single message transforms, with the names,
//! options and results that they have in Debezium.
//!
//! Each is a function of a record (topic, key, headers, value) and the schema of its value; the schema that
//! follows is computed once for a version of a table. [`Transformations`] applies a list of them, in their
//! order, to the batches of a capture. A capture without transformations does not come here.

mod chain;
mod draft;
mod field_reference;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod java_regex;
mod logical_router;
mod predicate;
mod regex_router;
mod schema_cache;
mod settings;
mod sink;
mod step;
#[cfg(test)]
mod tests;
mod unwrap;

pub(crate) use chain::Transformations;
pub use settings::{PredicateSettings, TransformSettings};
pub(crate) use sink::TransformingSink;
