//! `cargo xtask tidy`: the project's rules that a program can check.
//!
//! - `layers`: dependencies point to lower layers, heavy ones have one owner.
//! - `files`: module names, file lengths, first paragraphs.
//! - `background`: supervised tasks, no blocked runtime threads.
//! - `circles`: no circles of modules within a crate.
//! - `words`: no figures of speech that standard terms have replaced.

mod background;
mod circles;
mod files;
mod layers;
mod words;

use anyhow::{Result, bail, ensure};
use std::path::{Path, PathBuf};

/// Runs every check; with `circles`, prints all circles instead, the explained ones included.
///
/// # Errors
/// Every finding, one a line.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    match args {
        [] => check(),
        ["circles"] => circles::print(&crates()?),
        _ => bail!("usage: cargo xtask tidy [circles]"),
    }
}

fn check() -> Result<()> {
    let mut findings = Vec::new();
    layers::check(&mut findings)?;
    for folder in ["crates", "xtask"] {
        files::check(Path::new(folder), &mut findings)?;
    }
    circles::check(&crates()?, &mut findings)?;
    words::check(&mut findings)?;
    ensure!(findings.is_empty(), "tidy:\n  {}", findings.join("\n  "));
    Ok(())
}

/// The folders of all crates, those outside the workspace included, sorted.
fn crates() -> Result<Vec<PathBuf>> {
    let mut folders = vec![PathBuf::from("xtask"), PathBuf::from("bench")];
    for parent in ["crates", "bench"] {
        for entry in std::fs::read_dir(parent)? {
            let folder = entry?.path();
            if folder.join("Cargo.toml").is_file() && folder.join("src").is_dir() {
                folders.push(folder);
            }
        }
    }
    folders.sort();
    Ok(folders)
}
