//! Temporary PostgreSQL servers, from an installation on this machine or from apt.

use crate::server::{self, Server, TestServers};
use anyhow::{Context, Result, bail, ensure};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of PostgreSQL's programs.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Returns the command of one of the programs.
    pub(crate) fn command(&self, program: &str) -> Command {
        Command::new(self.0.join(program))
    }

    /// Returns the command `psql` for a database; it stops at the first error.
    pub(crate) fn psql(&self, url: &str) -> Command {
        let mut psql = self.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", url]);
        psql
    }
}

const READY: &str = "database system is ready to accept connections";
const PASSWORD: &str = "kulya";

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
    folders.into_iter().find(|f| f.join("initdb").exists() && f.join("postgres").exists()).map(Programs)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Starts two servers: one with logical decoding, and one without.
pub(crate) fn start(programs: &Programs) -> Result<TestServers> {
    let (logical, replica) = (launch(programs, "logical")?, launch(programs, "replica")?);
    let variables = vec![
        ("KULYA_TEST_POSTGRES", url(&logical, "postgres").into()),
        ("KULYA_TEST_POSTGRES_NOT_LOGICAL", url(&replica, "postgres").into()),
    ];
    Ok(TestServers { servers: vec![logical, replica], variables })
}

/// Returns the URL of a server's database, for a superuser with replication.
pub(crate) fn url(server: &Server, database: &str) -> String {
    format!("postgres://kulya:{PASSWORD}@127.0.0.1:{}/{database}", server.port())
}

/// Starts a server with the given `wal_level`.
pub(crate) fn launch(programs: &Programs, wal_level: &str) -> Result<Server> {
    let folder = server::folder(&format!("postgres-{wal_level}"))?;
    let user = server_user()?;
    if let Some((uid, gid)) = user {
        // PostgreSQL does not run as root: the folder belongs to the user of Debian's package
        chown(&folder, Some(uid), Some(gid))?;
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
    init(programs, &folder, user)?;
    let server = Server::start(folder.clone(), READY, |[port]| {
        let mut postgres = command(programs, "postgres", &folder, user);
        postgres.arg("-D").arg(folder.join("data")).arg("-k").arg(&folder);
        postgres.args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        for setting in [
            &format!("wal_level={wal_level}"),
            "max_wal_senders=40",
            "max_replication_slots=40",
            "max_connections=100",
            "max_prepared_transactions=10",
            "fsync=off",
            "log_min_messages=log",
            "lc_messages=C",
        ] {
            postgres.args(["-c", setting]);
        }
        postgres
    })?;
    Ok(server.stopped_by_interrupt())
}

fn init(programs: &Programs, folder: &Path, user: Option<(u32, u32)>) -> Result<()> {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD)?;
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644))?;
    let mut command = command(programs, "initdb", folder, user);
    command.arg("-D").arg(folder.join("data")).arg(format!("--pwfile={}", password.display()));
    command.args(["-U", "kulya", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]);
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn command(programs: &Programs, name: &str, folder: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(programs.0.join(name));
    command.current_dir(folder);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// Returns the user of the server process: the current one, or `postgres` for root.
fn server_user() -> Result<Option<(u32, u32)>> {
    if !is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let ids = passwd.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.map(Some)
        .context("PostgreSQL does not run as root, and there is no user postgres: useradd --system postgres")
}
