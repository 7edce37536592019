//! Throw-away PostgreSQL servers: found on this machine, or installed where that is possible.

use crate::server::{self, Beside, Server};
use anyhow::{Context, Result, bail, ensure};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the server's programs are.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// `psql` on a database, which ends at the first error.
    pub(crate) fn psql(&self, url: &str) -> Command {
        let mut psql = Command::new(self.0.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", url]);
        psql
    }
}

const READY: &str = "database system is ready to accept connections";
const PASSWORD: &str = "kulya";

/// Finds the programs; on a Debian-like machine, as root, installs what is missing; elsewhere says what to type.
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

/// Two servers: one whose log can be decoded, and one whose cannot.
pub(crate) fn start(programs: &Programs) -> Result<Beside> {
    let (logical, replica) = (launch(programs, "logical")?, launch(programs, "replica")?);
    let told = vec![
        ("KULYA_TEST_POSTGRES", url(&logical).into()),
        ("KULYA_TEST_POSTGRES_NOT_LOGICAL", url(&replica).into()),
    ];
    Ok(Beside { servers: vec![logical, replica], told })
}

/// Where a server answers, as a superuser who may replicate.
pub(crate) fn url(server: &Server) -> String {
    format!("postgres://kulya:{PASSWORD}@127.0.0.1:{}/postgres", server.port())
}

/// A server with the given `wal_level`.
pub(crate) fn launch(programs: &Programs, wal_level: &str) -> Result<Server> {
    let folder = server::folder(&format!("postgres-{wal_level}"))?;
    let user = server_user()?;
    if let Some((uid, gid)) = user {
        // PostgreSQL refuses to run as root: the folder goes to the user that Debian's package made
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
            "fsync=off",
            "log_min_messages=log",
            "lc_messages=C",
        ] {
            postgres.args(["-c", setting]);
        }
        postgres
    })?;
    Ok(server.asked_to_end())
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

/// The user the server runs as: ourselves, or `postgres` when we are root.
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
