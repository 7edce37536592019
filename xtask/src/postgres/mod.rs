//! Temporary PostgreSQL servers.

mod programs;

pub(crate) use programs::{Programs, VERSIONS, find_or_fetch, find_or_install};

use crate::server::{self, Server, TestServers};
use anyhow::{Context, Result, ensure};
use programs::is_root;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const READY: &str = "database system is ready to accept connections";
const PASSWORD: &str = "kulya";

/// Starts two servers: one with logical decoding, and one without. Provides the data folder and the script of
/// further ones.
pub(crate) fn start(programs: &Programs) -> Result<TestServers> {
    let folder = server::TemporaryFolder::new("postgres-template")?;
    let programs = programs.for_any_user(folder.path())?;
    let user = prepare_folder(folder.path())?;
    // what the script runs must be reachable for the user
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    init(&programs, folder.path(), user)?;
    let script = folder.path().join("server");
    server::write_script(&script, &command(&programs, "postgres", folder.path(), None), user)?;
    let (logical, replica) = (launch(&programs, "logical")?, launch(&programs, "replica")?);
    let variables = vec![
        ("KULYA_TEST_POSTGRES", url(&logical, "postgres").into()),
        ("KULYA_TEST_POSTGRES_NOT_LOGICAL", url(&replica, "postgres").into()),
        ("KULYA_TEST_POSTGRES_SERVER", script.into()),
        ("KULYA_TEST_POSTGRES_TEMPLATE", folder.path().join("data").into()),
    ];
    Ok(TestServers { servers: vec![logical, replica], variables, folders: vec![folder] })
}

/// Returns the URL of a server's database, for a superuser with replication.
pub(crate) fn url(server: &Server, database: &str) -> String {
    format!("postgres://kulya:{PASSWORD}@127.0.0.1:{}/{database}", server.port())
}

/// Starts a server with the given `wal_level`.
pub(crate) fn launch(programs: &Programs, wal_level: &str) -> Result<Server> {
    let folder = server::folder(&format!("postgres-{wal_level}"))?;
    let user = prepare_folder(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
    init(programs, &folder, user)?;
    let server = Server::start(folder.clone(), READY, |[port]| {
        let mut postgres = command(programs, "postgres", &folder, user);
        postgres.arg("-D").arg(folder.join("data")).arg("-k").arg(&folder);
        postgres.args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        for setting in [
            &format!("wal_level={wal_level}"),
            "max_wal_senders=60",
            "max_replication_slots=60",
            "max_connections=200",
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

/// Gives a server's folder to its user, and returns that one.
fn prepare_folder(folder: &Path) -> Result<Option<(u32, u32)>> {
    let user = server_user()?;
    if let Some((uid, gid)) = user {
        // PostgreSQL does not run as root: the folder belongs to the user of Debian's package
        chown(folder, Some(uid), Some(gid))?;
    }
    Ok(user)
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
    let mut command = programs.command(name);
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
