//! Programs of Debian packages, downloaded by apt and unpacked into a folder of their own: nothing is
//! installed, no service starts, and no root is needed. For Debian and systems made from it.

use crate::jars;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Returns the folder with the unpacked files of packages, cached under `name`: all packages that installing
/// `installed` would install here, and `unpacked` without theirs.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch(name: &str, installed: &[&str], unpacked: &[&str]) -> Result<PathBuf> {
    let folder = jars::cache_folder()?.join(name);
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(folder);
    }
    eprintln!("fetching {} through apt", [installed, unpacked].concat().join(", "));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let packages = match packages(installed) {
        Ok(packages) => packages,
        // lists of packages may be missing; only root may fetch them
        Err(_) => {
            let _ = run(Command::new("apt-get").args(["update", "-qq"]));
            packages(installed)?
        }
    };
    run(Command::new("apt-get")
        .current_dir(&folder)
        .args(["download", "-q"])
        .args(&packages)
        .args(unpacked))?;
    for file in std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path()) {
        if file.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&folder))?;
            std::fs::remove_file(&file)?;
        }
    }
    std::fs::write(complete, "")?;
    Ok(folder)
}

/// Returns a command with the libraries of an unpacked folder.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    let libraries = std::fs::read_dir(folder.join("usr/lib")).into_iter().flatten().flatten();
    let libraries =
        libraries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with("-gnu"));
    if let Ok(path) = std::env::join_paths(libraries.chain([folder.join("usr/lib")])) {
        command.env("LD_LIBRARY_PATH", path);
    }
    command
}

/// Returns what apt would install, the named packages in any case.
fn packages(names: &[&str]) -> Result<Vec<String>> {
    let output = run(Command::new("apt-get")
        .args(["install", "-s", "--reinstall", "--no-install-recommends"])
        .args(names))?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let packages = lines.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    Ok(packages.map(str::to_owned).collect())
}

fn run(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{program} is not on the PATH"))?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(output)
}
