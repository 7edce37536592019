//! A seeded world for the embedded store: one seed is one history of commits, transactions, truncations, full and failing
//! disks, kills and power cuts, the same every time. Tests only; no user needs this crate.
//!
//! [`SimDisk`] is the disk, [`live`] the world and its invariant. What is asked of the store, and what two stores must
//! agree on, is [`kulya_store::model`]'s. More seeds than the tests run: `cargo run --release -p kulya-sim -- FROM COUNT`.
//! [`kill`] does the same to real processes on real files: `cargo run --release -p kulya-sim -- kill FROM COUNT`.
//! [`live_maintained`] has the store's own threads, as a server has them.
//! [`live_wired`] is a world with a [network](SimNetwork) in it: `cargo run --release -p kulya-sim -- wired FROM COUNT`.
//! [`damage`] hits real folders with flipped, zeroed, cut, deleted, swapped and forged bytes, and holds a check, a repair and an
//! opening to what they promise: `cargo run --release -p kulya-sim -- damage FROM COUNT`.

pub mod bytes;
mod damage;
mod disk;
mod draw;
mod index;
mod kills;
mod maintained;
mod network;
mod wired;
mod world;

pub use damage::{Damages, damage};
pub use disk::{Faults, Owner, SimDisk};
pub use index::SimIndex;
pub use kills::{Kills, child, kill};
pub use maintained::{Maintained, live_maintained};
pub use network::{Cut, SimNetwork, Way};
pub use wired::{Wired, live_wired};
pub use world::{Report, live};
