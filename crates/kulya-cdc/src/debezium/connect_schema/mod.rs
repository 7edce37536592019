//! The schemas that Kafka Connect's JSON converter writes into keys and values (`schemas.enable`), bytes for
//! bytes. A schema is computed once for a version of a table, and written in front of each payload.

mod block;
mod column;
mod records;
mod source;
mod table;
mod tree;
mod tree_writer;
mod writer;

#[cfg(test)]
mod tests;

pub use block::SchemaBlock;
pub(crate) use table::envelope;
pub use tree::{ConnectSchema, ConnectType};

/// The schemas of a kind of records: those of a version of a table, or of records that belong to no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaBlocks {
    /// The key's schema; `None` for a table without a key, whose records have the key `null`.
    pub key: Option<SchemaBlock>,
    /// The value's schema. A tombstone's value is `null` without one.
    pub value: SchemaBlock,
}
