//! Deterministic simulation tests: one seed is one history of operations and faults, the same in every run.
//! Tests only.
//!
//! - [`simulate_crashes`]: the embedded store on a [simulated disk](SimDisk) with kills, power cuts, full and
//!   failing disks.
//! - [`simulate_kills`]: the same with real processes and files.
//! - [`simulate_maintenance`]: the store's own maintenance threads, as in a server.
//! - [`simulate_connection_loss`]: the remote store over a [simulated network](SimNetwork).
//! - [`simulate_damage`]: check, repair and recovery of damaged folders.
//! - [`fuzzing`]: entry points of the fuzz targets.
//!
//! The steps and the comparison of two stores are [`kulya_store::model`]'s. More seeds than the tests run:
//! `cargo run --release -p kulya-sim -- [kill|wired|damage] FROM COUNT`.

mod connection_loss;
mod crashes;
mod damage;
mod disk;
pub mod fuzzing;
mod index;
mod maintenance;
mod network;
mod process_kills;
mod steps;

pub use connection_loss::{ConnectionLossReport, simulate_connection_loss};
pub use crashes::{CrashReport, simulate_crashes};
pub use damage::{DamageReport, simulate_damage};
pub use disk::{DiskHandle, Faults, SimDisk};
pub use index::SimIndex;
pub use maintenance::{MaintenanceReport, simulate_maintenance};
pub use network::{ConnectionLoss, Direction, SimNetwork};
pub use process_kills::{KillReport, run_child, simulate_kills};
