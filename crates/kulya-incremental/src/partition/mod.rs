//! Operators over partitions of rows in an order: top-N, deduplication and OVER.

mod over;
mod ranking;
pub(crate) mod rows;
mod top_n;

pub use over::{Over, PartitionFunction};
pub use ranking::Ranking;
pub use top_n::{Order, TopN, TopNOptions};
