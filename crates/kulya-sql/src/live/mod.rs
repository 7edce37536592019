//! Live queries: results that stay up to date while their tables change; materialized views, and INSERTs that
//! go on, which live with their store.

mod driver;
mod frame;
mod log;
pub(crate) mod lowering;
mod output;
mod plan;
mod program;
mod record;
mod runner;
mod source;
mod status;

pub(crate) use driver::{Inputs, prepare};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use frame::read_any;
pub(crate) use output::{ChangeOutput, JobSink};
pub use plan::{ChangelogMode, LivePlan, LiveQuery, LiveSource, NodeState, PlanNode, Rerun, SourceMode};
pub(crate) use record::{QueryKind, Record, Records, Stored};
pub use runner::{LiveRunner, LiveSettings};
pub use status::{LiveState, LiveStatus};
