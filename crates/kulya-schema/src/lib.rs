//! The registry's rules as functions on values: groups, schema versions, encodings, formats and compatibility.
//!
//! Pure: no clock, no disk, no network, no async. What a registry *keeps* is `kulya-registry`'s concern; what it
//! *decides* is decided here, and can be tested in one line:
//!
//! - [`model`]: the nouns, with the JSON shapes of the registry contract;
//! - [`limits`]: how much a request may hold;
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
mod checker;
pub mod decide;
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

pub use checker::{Checker, Checkers};
pub use error::{Error, Result};
pub use fields::{Changed, Difference, Field, MAX_FIELDS, difference, fields};
pub use incompatibility::Incompatibility;
pub use judged::Judged;
pub use model::*;
pub use normal::{Normal, Shape, normalize};
pub use readable::readable;
pub use rules::{Rules, Strict, Unknown};
