//! JSON Schema: parsing a schema into numbered subschemas ([`parse`]), and whether a reader's schema accepts
//! every value that a writer's allows ([`can_read`]).
//!
//! Compatibility is containment: every instance that is valid under the writer's schema is valid under the
//! reader's. Containment is undecidable in general, so there are three verdicts, and the first two are always
//! right:
//!
//! - [`Verdict::Compatible`] is a proof by the keywords' meaning;
//! - [`Verdict::Incompatible`] has a witness for each reason: a value that was validated against both
//!   schemas;
//! - [`Verdict::Unknown`] names the keyword that could not be decided, and its place.
//!
//! The module `solver` decides, and describes how. For a schema that is not contained, `containment` then
//! collects the keywords to report, each with a witness of its own; `explanation` finds the keyword that
//! rejects the solver's witness where that ends without one.
//!
//! An object's content is open unless its schema closes it. A property that the reader *adds* therefore
//! narrows an open writer, who could already write any value there, and widens a closed one.
//!
//! Out of scope: validation of instances for its own sake, loading of other documents, and equality of
//! schemas (see [`crate::canonicalize`]).
//!
//! Assumptions: numbers are exact decimals of at most 38 digits; string lengths are counted in characters;
//! unknown keywords are ignored; an absolute URI names the same external document on both sides. A document
//! without `$schema` is read in the latest draft whose notation it is written in. `format` and, in drafts 6
//! and 7, `contentEncoding` and `contentMediaType` may or may not reject a value: the same keyword value on
//! both sides is compatible, another is unknown.
//!
//! ```
//! use kulya_schema::json_schema::{Verdict, can_read, parse};
//! let writer = parse(r#"{"properties": {"age": {"type": "number"}}}"#)?;
//! let reader = parse(r#"{"properties": {"age": {"type": "integer"}}}"#)?;
//! assert_eq!(can_read(&writer, &reader), Verdict::Compatible);
//! let Verdict::Incompatible(reasons) = can_read(&reader, &writer) else { panic!("fractions are rejected") };
//! assert_eq!(reasons[0].rule.name(), "type-narrowed");
//! assert_eq!(reasons[0].reader_path, "#/properties/age/type");
//! # Ok::<(), kulya_schema::Error>(())
//! ```

mod compatibility;
mod containment;
mod decimal;
mod draft;
mod explanation;
mod fields;
mod node;
mod parse;
mod pattern;
mod reason;
pub(crate) mod reference;
mod region;
mod schema;
mod schema_pair;
mod solver;
mod validate;
mod value_set;
mod witness;

pub(crate) use decimal::{mark_exact_numbers, unmark_numbers};

pub use compatibility::{Verdict, can_read, can_read_with_budget};
pub use draft::Draft;
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_POINTER_BYTES, MAX_SUBSCHEMAS, parse, parse_with_budget};
pub use reason::{Incompatibility, Rule};
pub use schema::Schema;
pub use schema_pair::MAX_STEPS;

#[cfg(test)]
mod tests;
