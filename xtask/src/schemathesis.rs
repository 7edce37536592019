//! schemathesis, which makes requests of an OpenAPI document: fetched by pip into a folder of its own.

use crate::jars;
use crate::server::Beside;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One version, so that what it finds does not depend on the day.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Finds it, or lets pip fetch it; the error says what is missing.
pub(crate) fn find_or_fetch() -> Result<PathBuf> {
    let own = jars::cache_folder()?.join("schemathesis-4.32.5");
    let program = own.join("bin/schemathesis");
    if runs(&program) {
        return Ok(program);
    }
    eprintln!("fetching schemathesis through pip");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&own).stdout(Stdio::null()).status();
    ensure!(
        made.is_ok_and(|status| status.success()),
        "python3 with venv is not there: install it, on Debian or Ubuntu the package python3-venv"
    );
    let mut pip = Command::new(own.join("bin/python"));
    let status = pip.args(["-m", "pip", "install", "--quiet", SCHEMATHESIS]).status()?;
    ensure!(
        status.success() && runs(&program),
        "pip could not fetch {SCHEMATHESIS}: see that PyPI can be reached"
    );
    Ok(program)
}

fn runs(program: &Path) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

pub(crate) fn start(program: PathBuf) -> Beside {
    Beside { servers: Vec::new(), told: vec![("KULYA_TEST_SCHEMATHESIS", program.into())] }
}
