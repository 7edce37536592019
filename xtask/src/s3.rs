//! Temporary S3 servers: Python's moto, found on this machine or installed by pip into a folder of its own.

use crate::jars;
use crate::server::{self, Server, TestServers};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SERVER: &str = include_str!("../s3/server.py");
const READY: &str = "ready to serve";
/// Earlier versions do not support `If-None-Match`.
const MOTO: &str = "moto[server]>=5.1,<6";
const VERSION_CHECK: &str =
    "import moto.server, sys; sys.exit(tuple(map(int, moto.__version__.split('.')[:2])) < (5, 1))";

/// A Python interpreter with moto.
pub(crate) struct Python(PathBuf);

/// Returns an interpreter with moto, installed by pip if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<Python> {
    let own = jars::cache_folder()?.join("moto-5");
    let python = own.join("bin/python");
    for python in [Path::new("python3"), &python] {
        if has_moto(python) {
            return Ok(Python(python.to_owned()));
        }
    }
    eprintln!("fetching moto through pip");
    let created = Command::new("python3").args(["-m", "venv"]).arg(&own).stdout(Stdio::null()).status();
    ensure!(
        created.is_ok_and(|status| status.success()),
        "python3 with venv is missing: install it, on Debian or Ubuntu the package python3-venv"
    );
    let status = Command::new(&python).args(["-m", "pip", "install", "--quiet", MOTO]).status()?;
    ensure!(
        status.success() && has_moto(&python),
        "pip could not fetch {MOTO}: check that PyPI is reachable"
    );
    Ok(Python(python))
}

fn has_moto(python: &Path) -> bool {
    let status =
        Command::new(python).args(["-c", VERSION_CHECK]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

pub(crate) fn start(python: &Python) -> Result<TestServers> {
    let server = Server::start(server::folder("s3")?, READY, |[port]| {
        let mut moto = Command::new(&python.0);
        moto.args(["-c", SERVER, &port.to_string()]);
        moto
    })?;
    // the server has one bucket
    let url = format!("s3://kulya?endpoint=http://127.0.0.1:{}&region=us-east-1", server.port());
    Ok(TestServers::one(server, vec![("KULYA_TEST_S3", url.into())]))
}
