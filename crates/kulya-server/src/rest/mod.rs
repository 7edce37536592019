//! HTTP: [`v1`] is the Pravega Schema Registry's, to the letter; [`v2`] is our own.

mod records;
pub mod v1;
pub mod v2;
mod whole_body;
