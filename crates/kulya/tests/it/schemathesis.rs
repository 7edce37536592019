//! Checks the server against its OpenAPI document of REST v2 with schemathesis: responses conform to the
//! document, and requests that do not are rejected. `cargo xtask schemathesis` runs this alone.

use crate::program::Running;
use kulya_auth::{PasswordHash, account};
use std::num::NonZeroU32;
use std::process::Command;
use tempfile::tempdir;

fn finds_nothing(url: &str, examples: &str, more: &[&str]) {
    let schemathesis = std::env::var("KULYA_TEST_SCHEMATHESIS").expect("cargo xtask sets it");
    // it writes files to its folder
    let folder = tempdir().unwrap();
    for (name, text) in [
        ("schemathesis.toml", include_str!("schemathesis/schemathesis.toml")),
        ("hooks.py", include_str!("schemathesis/hooks.py")),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let ran = Command::new(schemathesis)
        .current_dir(&folder)
        .env("HYPOTHESIS_STORAGE_DIRECTORY", folder.path())
        .arg("--config-file=schemathesis.toml")
        .args([
            "run",
            &format!("{url}/v2/openapi.json"),
            "--checks",
            "all",
            "--mode",
            "all",
            "--seed",
            "2026",
        ])
        .args(["--no-color", "--max-examples", examples])
        .args(more)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{stdout}\n{stderr}");
    println!("{stdout}");
}

#[test]
#[ignore = "needs schemathesis: run cargo xtask test"]
fn schemathesis_finds_nothing() {
    let folder = tempdir().unwrap();
    let (server, url) = Running::serve(&folder, &[]);
    finds_nothing(&url, "15", &[]);
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
#[ignore = "needs schemathesis: run cargo xtask test"]
fn schemathesis_finds_nothing_with_accounts() {
    let folder = tempdir().unwrap();
    let hash = PasswordHash::new(b"1111_aaaa", [7; 32], NonZeroU32::MIN);
    let line = account::line("admin", &hash, "prn::*,READ_UPDATE").unwrap();
    std::fs::write(folder.path().join("accounts"), line + "\n").unwrap();
    let (server, url) =
        Running::serve(&folder, &["--accounts", "accounts", "--limit", "failures-per-second=0"]);
    finds_nothing(&url, "5", &["--auth", "admin:1111_aaaa"]);
    assert_eq!(server.interrupt(), Some(0));
}
