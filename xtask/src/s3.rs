//! Throw-away servers that speak S3: Python's moto, found on this machine or fetched by pip into a folder of its own, on a
//! free loopback port, stopped by its process id.

use crate::jars;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SERVER: &str = include_str!("../s3/server.py");
const READY: &str = "ready to serve";
/// Earlier ones do not know `If-None-Match`.
const MOTO: &str = "moto[server]>=5.1,<6";
const IS_THERE: &str =
    "import moto.server, sys; sys.exit(tuple(map(int, moto.__version__.split('.')[:2])) < (5, 1))";

/// A Python that has moto.
pub(crate) struct Python(PathBuf);

/// Finds one, or lets pip fetch it; the error says what is missing.
pub(crate) fn find_or_fetch() -> Result<Python> {
    let own = jars::cache_folder()?.join("moto-5");
    let python = own.join("bin/python");
    for python in [Path::new("python3"), &python] {
        if has_moto(python) {
            return Ok(Python(python.to_owned()));
        }
    }
    eprintln!("fetching moto through pip");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&own).stdout(Stdio::null()).status();
    ensure!(
        made.is_ok_and(|status| status.success()),
        "python3 with venv is not there: install it, on Debian or Ubuntu the package python3-venv"
    );
    let status = Command::new(&python).args(["-m", "pip", "install", "--quiet", MOTO]).status()?;
    ensure!(
        status.success() && has_moto(&python),
        "pip could not fetch {MOTO}: see that PyPI can be reached"
    );
    Ok(Python(python))
}

fn has_moto(python: &Path) -> bool {
    let asked =
        Command::new(python).args(["-c", IS_THERE]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// A running server. Dropping it stops it.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start(python: &Python) -> Result<Self> {
        let mut last = String::new();
        for _ in 0..3 {
            let [port] = jars::free_ports()?;
            let mut server = Command::new(&python.0);
            server.args(["-c", SERVER, &port.to_string()]);
            match jars::launch(server, READY).context("python3 cannot be run")? {
                Ok(process) => return Ok(Self { process, port }),
                Err(log) => last = log,
            }
        }
        bail!("moto does not start:\n{last}")
    }

    /// Its one bucket.
    pub(crate) fn url(&self) -> String {
        format!("s3://kulya?endpoint=http://127.0.0.1:{}&region=us-east-1", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // everything it has is in memory: nothing is lost by stopping it at once
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
