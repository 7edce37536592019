//! How far an initial snapshot is: which tables are read, and, of tables that are read in parts, which ranges
//! of their keys, each with the cut at which its rows were read. It is stored with the position, so it is
//! small: tables are numbers of a list that is stored once (`TableList`), and what was read without a break
//! is one entry.
//!
//! This is a value without I/O; what a cut is only the source knows, here it is a number.

mod contained;
mod key_order;
mod key_range;
mod table_list;
mod tables;

pub(crate) use contained::Contained;
pub use key_order::KeyOrder;
pub use key_range::{Key, KeyColumn, KeyRange, TableRanges};
pub(crate) use table_list::TableList;
pub use tables::{ReadTables, SnapshotProgress, TableProgress};
