//! The embedded store beside an LSM tree used directly for events and a single-node Kafka, in one run, with the machine's
//! load beside the figures:
//!
//! ```sh
//! cargo run --release --manifest-path bench/Cargo.toml -- [all|own|fjall|kafka|growth|segments] [FOLDER]
//! ```
//!
//! Events of 100 bytes go to 16 streams of 4 segments, a thousand a commit. Each subject runs in a process of its own, so
//! that CPU and memory are its own. Kafka needs Java and Maven; where they are not, it says so.

mod growth;
mod kafka;
mod lsm;
mod measure;
mod own;
mod segments;
mod work;

use measure::{Fallible, say_load};
use std::path::{Path, PathBuf};
use std::process::Command;

const SUBJECTS: [&str; 5] = ["own", "fjall", "kafka", "growth", "segments"];

#[tokio::main]
async fn main() -> Fallible {
    let mut arguments = std::env::args().skip(1);
    let subject = arguments.next().unwrap_or_else(|| "all".to_owned());
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    if subject == "all" {
        return SUBJECTS.iter().try_for_each(|subject| apart(subject, &parent));
    }
    let folder = tempfile::tempdir_in(parent)?;
    say_load();
    match subject.as_str() {
        "own" => own::run(folder.path()).await,
        "fjall" => lsm::run(folder.path()),
        "kafka" => kafka::run(folder.path()),
        "growth" => growth::run(folder.path()).await,
        "segments" => segments::run(folder.path()).await,
        other => Err(format!("{other:?} is none of all, {}", SUBJECTS.join(", ")).into()),
    }
}

/// Runs a subject in a process of its own.
fn apart(subject: &str, parent: &Path) -> Fallible {
    println!("== {subject}");
    let status = Command::new(std::env::current_exe()?).arg(subject).arg(parent).status()?;
    if status.success() { Ok(()) } else { Err(format!("{subject} ended with {status}").into()) }
}
