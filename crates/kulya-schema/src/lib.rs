//! The registry's rules as functions on values: groups, schema versions, encodings, formats and compatibility.
//!
//! Pure: no clock, no disk, no network, no async. What a registry *keeps* is `kulya-registry`'s concern; what it
//! *decides* is decided here, and can be tested in one line:
//!
//! - [`model`]: the nouns, with the JSON shapes of the registry contract;
//! - [`limits`]: how much a request may hold; [`Budget`]: how much work it may cause;
//! - [`normalize`]: when two schemas are the same;
//! - [`avro`]: Avro schemas as a tree, and whether one reads what another wrote, with every reason;
//! - [`protobuf`]: the same for Protobuf, in the wire format and in JSON;
//! - [`json_schema`]: JSON schemas, and whether one takes all that another allows, with a value that it does not take;
//! - [`readable`]: a schema as a person reads it;
//! - [`fields`]: a schema's fields by name, and what changed between two schemas;
//! - [`Rules`]: by whose rules a group's schemas are judged; [`Checker`]: a user's own format's;
//! - [`decide`]: whether a schema may follow those a group has.
//!
//! ```
//! use kulya_schema::avro;
//! let writer = avro::parse(r#"{"type":"record","name":"User","fields":[{"name":"id","type":"int"}]}"#)?;
//! let reader = avro::parse(r#"{"type":"record","name":"User","fields":[{"name":"name","type":"string"}]}"#)?;
//! let reasons = avro::can_read(&reader, &writer);
//! assert_eq!(reasons[0].reader_path, "User.name");
//! # Ok::<(), kulya_schema::Error>(())
//! ```

pub mod avro;
mod budget;
mod checker;
pub mod decide;
mod document;
mod error;
mod fields;
mod incompatibility;
pub mod json_schema;
mod judged;
pub mod limits;
pub mod model;
mod normal;
pub mod protobuf;
mod readable;
mod rules;

pub use budget::{Budget, MAX_REQUEST_STEPS};
pub use checker::{Checker, Checkers};
pub use document::{MAX_DOCUMENT_MEMORY_BYTES, weigh};
pub use error::{Error, Result};
pub use fields::{
    Changed, Difference, Field, MAX_FIELDS, difference, difference_within, fields, fields_within,
};
pub use incompatibility::Incompatibility;
pub use judged::Judged;
pub use model::*;
pub use normal::{Normal, Shape, normalize, normalize_within};
pub use readable::readable;
pub use rules::{Rules, Strict, Unknown};

/// A text in at most some two hundred characters, for errors and reasons: what stands in a schema may be megabytes.
pub(crate) fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        None => text.into(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
    }
}
