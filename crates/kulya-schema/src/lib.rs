//! The schema registry's rules as pure functions: groups, schema versions, encodings, formats and
//! compatibility.
//!
//! There is no clock, disk, network or async code here. Storage is `kulya-registry`'s concern; every decision
//! about a schema is made here, and can be tested in one line:
//!
//! - [`model`]: the registry's data types, with the JSON of the registry contract;
//! - [`validation`]: checks of requests; [`limits`]: their size limits; [`Budget`]: a request's work budget;
//! - [`canonicalize`]: the canonical form and the fingerprints of a schema;
//! - [`avro`]: the Avro schema parser, and schema resolution with every reason;
//! - [`protobuf`]: the same for Protobuf, in the wire format and in JSON;
//! - [`json_schema`]: the JSON Schema parser, and containment of one schema in another, with a witness
//!   against it;
//! - [`pretty_print`]: a schema as text for people;
//! - [`references`]: schemas that refer to others, made self-contained;
//! - [`fields`]: a schema's fields by path, and the differences of two schemas;
//! - [`Rules`]: the compatibility rules of a group; [`Checker`]: the compatibility checker of a custom
//!   format;
//! - [`check`]: whether a schema may be added to a group, in one call; [`compatibility`]: the same in steps.
//!
//! ```
//! use kulya_schema::prelude::*;
//!
//! let old = SchemaInfo::avro(r#"{"type":"record","name":"User","fields":[]}"#);
//! let new = SchemaInfo::avro(r#"{"type":"record","name":"User","fields":[{"name":"id","type":"int"}]}"#);
//! let refusal = check(Compatibility::Backward, Rules::strict(), &new, &[old]).unwrap_err();
//! println!("{refusal}"); // each reason, its location, and the versions it concerns
//! ```

pub mod avro;
mod bounded_json;
mod budget;
mod canonical;
mod check;
mod checker;
pub mod compatibility;
mod error;
mod field_collector;
mod fields;
mod incompatibility;
pub mod json_schema;
pub mod limits;
pub mod model;
pub mod prelude;
mod pretty;
pub mod protobuf;
pub mod references;
mod rules;
mod text;
pub mod validation;

pub use bounded_json::{MAX_DOCUMENT_MEMORY_BYTES, json_memory_bytes};
pub use budget::{Budget, MAX_REQUEST_STEPS};
pub use canonical::{CanonicalSchema, CompatibilityFingerprint, canonicalize, canonicalize_with_budget};
pub use check::{CheckError, check};
pub use checker::{Checker, Checkers};
pub use compatibility::PreparedSchema;
pub use error::{Error, Result};
pub use field_collector::{Field, MAX_FIELDS};
pub use fields::{ChangedField, Difference, difference, difference_with_budget, fields, fields_with_budget};
pub use incompatibility::Incompatibility;
pub use model::*;
pub use pretty::pretty_print;
pub use references::{Reference, Unresolved};
pub use rules::{Rules, StrictRules, UnknownPolicy};
