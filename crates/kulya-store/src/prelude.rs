//! The names that most programs on a stream store use, for `use kulya_store::prelude::*`.

pub use crate::clock::{Clock, SystemClock};
pub use crate::memory::MemoryStore;
pub use crate::{
    Append, Commit, CommitReceipt, Condition, Consumer, EventPointer, Retention, Scope, StreamConfig,
    StreamCut, StreamId, StreamStore, StreamStoreExt, TableChange, TableId, Tail, bounded_read, head_cut,
    tail_cut,
};
