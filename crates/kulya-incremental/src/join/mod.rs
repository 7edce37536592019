//! Equi-joins of two changing inputs, and NOT IN.
//!
//! Both sides are kept by key ([`side`]). With A and B before a tick and their changes ΔA and ΔB, the tick
//! adds ΔA ⋈ B and (A + ΔA) ⋈ ΔB. Outer, semi and anti joins also count for each row how much of the other
//! side matches it; what the count makes visible is added and retracted as it changes.

mod delta;
mod not_in;
mod operator;
mod options;
mod output;
mod side;

pub use not_in::NotIn;
pub use operator::Join;
pub use options::{Expiry, JoinKind, JoinOptions};
