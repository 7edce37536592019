//! `buf`, a Go program that compares Protobuf schemas: the reference for `kulya_schema::protobuf`. It is
//! built once and cached, and needs Go.

use crate::jars::cache_folder;
use crate::server::TestServers;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A fixed version: another one may have other rules than the test expects.
const VERSION: &str = "1.75.0";

/// Returns the program, built if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_build() -> Result<PathBuf> {
    let folder = cache_folder()?.join(format!("buf-{VERSION}"));
    let program = folder.join("buf");
    if program.exists() {
        return Ok(program);
    }
    let version = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(version.is_ok_and(|status| status.success()), "go is not on the PATH: install Go 1.25 or later");
    eprintln!("building buf {VERSION}: some minutes, once");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let status = Command::new("go")
        .arg("install")
        .arg(format!("github.com/bufbuild/buf/cmd/buf@v{VERSION}"))
        .env("GOBIN", &folder)
        .env("GOFLAGS", "")
        .status()?;
    ensure!(status.success(), "go could not build buf {VERSION}: check that its module proxy is reachable");
    Ok(program)
}

/// Returns the environment variable with the program, which a test runs itself.
pub(crate) fn start(program: PathBuf) -> TestServers {
    TestServers { variables: vec![("KULYA_TEST_BUF", program.into())], ..TestServers::default() }
}
