//! Operators against recomputation: random changes at any split into ticks, with restarts.
//! `PROPTEST_RNG_SEED` and `PROPTEST_CASES` draw other cases.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod aggregates;
mod graphs;
mod harness;
mod joins;
mod partitions;
mod pipelines;
mod replicas;
mod retractions;
mod stateless;
mod stored_state;
mod temporal;
mod upserts;
mod windows;
