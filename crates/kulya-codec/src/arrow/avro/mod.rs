//! Avro events as record batches: one decoder for each writer's schema, all with the columns of one reader
//! schema.

mod change_payloads;
mod encoder;
mod flat_decoder;
mod payloads;
mod reader_schema;
#[cfg(test)]
mod tests;
mod writer_decoder;

pub use change_payloads::AvroChangePayloads;
pub use encoder::{AvroChangeEncoder, AvroEncoder};
pub use payloads::AvroPayloads;
