//! `buf`, a program in Go that compares Protobuf schemas: the second opinion on `kulya_schema::protobuf`. It is built once,
//! and kept; where there is no Go there is no such program, and whoever asks is told.

use crate::jars::cache_folder;
use crate::server::Beside;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Another version may judge otherwise: the rules of the test are about this one.
const VERSION: &str = "1.75.0";

/// The program, found or built. The error says what is missing.
pub(crate) fn find_or_build() -> Result<PathBuf> {
    let folder = cache_folder()?.join(format!("buf-{VERSION}"));
    let program = folder.join("buf");
    if program.exists() {
        return Ok(program);
    }
    let there = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(there.is_ok_and(|status| status.success()), "go is not on the PATH: install Go 1.25 or later");
    eprintln!("building buf {VERSION}: some minutes, once");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let status = Command::new("go")
        .arg("install")
        .arg(format!("github.com/bufbuild/buf/cmd/buf@v{VERSION}"))
        .env("GOBIN", &folder)
        .env("GOFLAGS", "")
        .status()?;
    ensure!(status.success(), "go could not build buf {VERSION}: see that its module proxy can be reached");
    Ok(program)
}

/// It is no server: a test runs it.
pub(crate) fn start(program: PathBuf) -> Beside {
    Beside { told: vec![("KULYA_TEST_BUF", program.into())], ..Beside::default() }
}
