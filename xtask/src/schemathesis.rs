//! schemathesis, which generates requests from an OpenAPI document: installed by pip into a folder of its
//! own.

use crate::jars;
use crate::server::TestServers;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A fixed version, for reproducible results.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Returns the program, installed by pip if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<PathBuf> {
    let own = jars::cache_folder()?.join("schemathesis-4.32.5");
    let program = own.join("bin/schemathesis");
    if runs(&program) {
        return Ok(program);
    }
    eprintln!("fetching schemathesis through pip");
    let created = Command::new("python3").args(["-m", "venv"]).arg(&own).stdout(Stdio::null()).status();
    ensure!(
        created.is_ok_and(|status| status.success()),
        "python3 with venv is missing: install it, on Debian or Ubuntu the package python3-venv"
    );
    let mut pip = Command::new(own.join("bin/python"));
    let status = pip.args(["-m", "pip", "install", "--quiet", SCHEMATHESIS]).status()?;
    ensure!(
        status.success() && runs(&program),
        "pip could not fetch {SCHEMATHESIS}: check that PyPI is reachable"
    );
    Ok(program)
}

fn runs(program: &Path) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

pub(crate) fn start(program: PathBuf) -> TestServers {
    TestServers { variables: vec![("KULYA_TEST_SCHEMATHESIS", program.into())], ..TestServers::default() }
}
