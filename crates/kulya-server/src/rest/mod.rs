//! The REST APIs: [`v1`] is that of the Pravega Schema Registry, [`v2`] is Kulya's own.

mod read_body;
mod record_stream;
pub mod v1;
pub mod v2;
