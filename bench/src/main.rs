//! Benchmarks of the embedded store, of an LSM tree used directly for events, and of a single-node Kafka,
//! with the machine's load:
//!
//! ```sh
//! cargo run --release --manifest-path bench/Cargo.toml -- [all|own|fjall|kafka|growth|segments] [FOLDER]
//! ```
//!
//! Events of 100 bytes go to 16 streams of 4 segments, a thousand in a commit. Each subject runs in its own
//! process, for separate CPU and memory figures. Kafka needs Java and Maven, and is reported as not run
//! without them.

mod growth;
mod kafka;
mod lsm;
mod measure;
mod own;
mod segments;
mod work;

use measure::{Fallible, print_load};
use std::path::{Path, PathBuf};
use std::process::Command;

const SUBJECTS: [&str; 5] = ["own", "fjall", "kafka", "growth", "segments"];

#[tokio::main]
async fn main() -> Fallible {
    let mut arguments = std::env::args().skip(1);
    let subject = arguments.next().unwrap_or_else(|| "all".to_owned());
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    if subject == "all" {
        return SUBJECTS.iter().try_for_each(|subject| run_in_process(subject, &parent));
    }
    let folder = tempfile::tempdir_in(parent)?;
    print_load();
    match subject.as_str() {
        "own" => own::run(folder.path()).await,
        "fjall" => lsm::run(folder.path()),
        "kafka" => kafka::run(folder.path()),
        "growth" => growth::run(folder.path()).await,
        "segments" => segments::run(folder.path()).await,
        other => Err(format!("{other:?} is not one of all, {}", SUBJECTS.join(", ")).into()),
    }
}

/// Runs a subject in its own process.
fn run_in_process(subject: &str, parent: &Path) -> Fallible {
    println!("== {subject}");
    let status = Command::new(std::env::current_exe()?).arg(subject).arg(parent).status()?;
    if status.success() { Ok(()) } else { Err(format!("{subject} exited with {status}").into()) }
}
