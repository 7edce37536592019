//! The functions of queries.

mod bounded;

pub(crate) use bounded::register_bounded;
