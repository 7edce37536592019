//! `cargo-machete`, which finds dependencies that no source file of their crate names. It is built once and
//! cached.

use crate::jars::cache_folder;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// A fixed version, so that a new one cannot fail an unchanged tree.
const VERSION: &str = "0.9.2";

/// Reports unused dependencies of the workspace.
///
/// # Errors
/// An unused dependency, named on standard output, or a missing program.
pub(crate) fn check(cargo: &mut Command) -> Result<()> {
    let program = find_or_install(cargo)?;
    let status = Command::new(&program)
        .args(["crates", "xtask"])
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        status.success(),
        "unused dependencies: remove them, or name those of generated code under package.metadata.cargo-machete"
    );
    Ok(())
}

fn find_or_install(cargo: &mut Command) -> Result<PathBuf> {
    let folder = cache_folder()?.join(format!("machete-{VERSION}"));
    let program = folder.join("bin/cargo-machete");
    if program.exists() {
        return Ok(program);
    }
    eprintln!("building cargo-machete {VERSION}: a minute, once");
    // a build folder of its own: the workspace's has a lock
    let target = folder.join("target");
    let status = cargo
        .args(["install", "cargo-machete", "--locked", "--version", VERSION, "--root"])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .context("cannot run cargo")?;
    let _ = std::fs::remove_dir_all(target);
    ensure!(status.success(), "cargo cannot install cargo-machete {VERSION}");
    Ok(program)
}
