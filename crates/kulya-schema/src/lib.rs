//! The registry's rules as functions on values: groups, schema versions, encodings, formats and compatibility.
//!
//! Pure: no clock, no disk, no network, no async. What a registry *keeps* is `kulya-registry`'s concern; what it
//! *decides* is decided here, and can be tested in one line.
//!
//! - [`model`]: the nouns, with the JSON shapes of the registry contract.
mod error;
pub mod model;

pub use error::{Error, Result};
pub use model::*;
