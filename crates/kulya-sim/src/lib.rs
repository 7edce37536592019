//! A seeded world for the embedded store: one seed is one history of commits, transactions, truncations, full and failing
//! disks, kills and power cuts, the same every time. Tests only; no user needs this crate.
//!
//! [`SimDisk`] is the disk, [`live`] the world and its invariant. What is asked of the store, and what two stores must
//! agree on, is [`kulya_store::model`]'s. More seeds than the tests run: `cargo run --release -p kulya-sim -- FROM COUNT`.

mod dice;
mod disk;
mod index;
mod world;

pub use dice::Dice;
pub use disk::{Faults, Owner, SimDisk};
pub use index::SimIndex;
pub use world::{Report, live};
