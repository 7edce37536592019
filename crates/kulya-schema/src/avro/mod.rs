//! Avro schemas: parsing the JSON text ([`parse`]), the canonical form that identifies a schema
//! ([`Schema::canonical_form`]), schema resolution between a reader and a writer ([`can_read`], [`resolve`];
//! [`RecordSummary`] as its fast path), the form that matters to it ([`Schema::compatibility_form`]), what a
//! group's rules demand of a new schema ([`Schema::check_new`]), and the size of one datum
//! ([`Schema::datum_size`]).
//!
//! Sources: the Avro specifications 1.11 and 1.12 ("Schema Declaration", "Schema Resolution"), and the
//! registry contract §2.1 and §3.4 where Java's verdict differs from the specification.

mod aliases;
mod canonical;
mod compatibility_form;
mod datum;
mod defaults;
mod describe;
mod field_index;
mod fields;
mod logical;
mod parse;
mod resolve;
mod schema;
mod summary;
mod validation;
mod varint;

pub use datum::{DatumError, DatumSize, MAX_DATUM_DEPTH, MAX_DATUM_VALUES};
pub use parse::{MAX_NAME_BYTES, parse, parse_with_budget};
pub use resolve::{
    Incompatibility, MAX_COMPARISONS, MAX_REASONS, ResolutionMode, Rule, can_read, logical_type_changes,
    resolve, resolve_with_budget,
};
pub use schema::Schema;
pub use summary::RecordSummary;
pub use varint::{VarintError, read_long};

#[cfg(test)]
mod tests;
