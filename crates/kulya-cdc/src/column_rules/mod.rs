//! Rules for the columns of captured tables: which columns rows have, which ones the key has, values that
//! are masked, hashed or cut, and what schemas say of the column in the database (Debezium's `column.*`,
//! `datatype.propagate.source.type` and `message.key.columns`).
//!
//! The rules are applied once for each version of a table (`TableRules`); what is left for each row is a
//! `ValueChange`, which writes straight into the buffer.

mod hash;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod value_change;

pub use hash::{HashAlgorithm, HashVersion};
pub use settings::{ColumnRules, HashRule, MaskRule, TruncateRule};
pub(crate) use table::{AppliedRule, SourceColumn, TableRules};
pub(crate) use value_change::ValueChange;
