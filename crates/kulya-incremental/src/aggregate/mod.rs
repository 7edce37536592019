//! Aggregates of groups that follow insertions and retractions exactly.
//!
//! [`AggregateCall`] describes a function; a group's state is one number in the vectors of its accumulators
//! ([`accumulator`]). Sums of integers and decimals are integers wide enough for every order of addition;
//! sums of floats are exact too ([`float`]), so that a retraction leaves what a recomputation would give.
//! MIN, MAX, FIRST_VALUE, LAST_VALUE and ARRAY_AGG keep a group's values in order ([`ordered`]).

mod accumulator;
mod call;
mod count;
mod distinct;
mod float;
pub(crate) mod groups;
mod integer;
mod operator;
mod ordered;
mod total;

pub use call::{AggregateCall, AggregateFunction, Ordering};
pub use operator::{Aggregate, AggregateOptions};
pub use total::Rounding;
