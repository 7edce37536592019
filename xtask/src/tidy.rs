//! The rules of the house that a program can check: each crate's place among the rings, who may own a heavy
//! dependency, room names that say nothing, files too long to remember.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Each crate and its ring; a crate may use only crates of lower rings.
const RINGS: &[(&str, u8)] = &[
    ("kulya-dice", 0),
    ("kulya-schema", 0),
    ("kulya-store", 0),
    ("kulya-store-embedded", 1),
    ("kulya-store-pravega", 1),
    ("kulya-store-object", 1),
    ("kulya-registry-api", 1),
    ("kulya-auth", 1),
    ("kulya-codec", 2),
    ("kulya-wire", 2),
    ("kulya-registry", 2),
    ("kulya-client", 3),
    ("kulya-cdc", 2),
    ("kulya-sql", 3),
    ("kulya-server", 3),
    ("kulya-sim", 4),
    ("kulya", 4),
    ("xtask", 5),
];

/// Heavy dependencies and the one crate that may know them.
const OWNERS: &[(&str, &str)] = &[
    ("datafusion", "kulya-sql"),
    ("axum", "kulya-server"),
    ("jsonwebtoken", "kulya-auth"),
    ("tonic-reflection", "kulya-server"),
    ("tonic-health", "kulya-server"),
    ("reqwest", "kulya-client"),
    ("pgwire-replication", "kulya-cdc"),
    ("tokio-postgres", "kulya-cdc"),
    ("apache-avro", "kulya-codec"),
    ("arrow-avro", "kulya-codec"),
    ("clap", "kulya"),
];

const NAMES_THAT_SAY_NOTHING: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "manager", "shared", "types"];

/// What begins something in the background, where a panic would be noticed by nobody; `kulya_store::supervision` does it so
/// that it is.
const UNSUPERVISED: &[&str] = &["tokio::spawn(", "task::spawn(", "thread::spawn(", "thread::Builder::new("];
/// Where that is done.
const SUPERVISION: &str = "crates/kulya-store/src/supervision.rs";
/// What lets a thread wait for a future: it panics on a thread of a runtime, and the future on one without.
const WAITING: &str = "block_on(";
/// Where a thread is known to be of no runtime, and the future to need none, or the runtime to be this one.
const MAY_WAIT: &[&str] = &[
    "crates/kulya/src/main.rs",
    "crates/kulya/src/serve.rs",
    "crates/kulya/src/stop.rs",
    "crates/kulya-client/src/blocking.rs",
    "crates/kulya-sql/src/engine.rs",
    "crates/kulya-store-embedded/src/keeper.rs",
];
/// Where a thread is waited for by who began it, so that its panic is the caller's error.
const WAITED_FOR: &[&str] = &["crates/kulya-sql/src/engine.rs"];

/// Worlds of tests have nobody to tell.
const WORLDS: &str = "crates/kulya-sim";

/// A file longer than this wants to be a folder (tests and data not counted).
const MOST_LINES: usize = 700;

/// Checks everything; the error lists every finding.
pub(crate) fn run() -> Result<()> {
    let mut findings = Vec::new();
    let metadata = Command::new("cargo").args(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout).context("cargo metadata gives JSON")?;
    for package in metadata["packages"].as_array().context("cargo metadata lists packages")? {
        check_package(package, &mut findings);
    }
    for folder in ["crates", "xtask"] {
        check_files(Path::new(folder), &mut findings)?;
    }
    ensure!(findings.is_empty(), "tidy:\n  {}", findings.join("\n  "));
    Ok(())
}

fn ring(name: &str) -> Option<u8> {
    RINGS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, ring)| *ring)
}

fn check_package(package: &Value, findings: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(own) = ring(name) else {
        findings.push(format!("{name}: give it a ring in xtask/src/tidy.rs and a room in ARCHITECTURE.md"));
        return;
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        // what only tests use may come from anywhere
        if dependency["kind"].as_str() == Some("dev") {
            continue;
        }
        let used = dependency["name"].as_str().unwrap_or_default();
        if ring(used).is_some_and(|other| other >= own) {
            findings.push(format!("{name} (ring {own}) uses {used}, which is not in a lower ring"));
        }
        if let Some((_, owner)) = OWNERS.iter().find(|(heavy, owner)| *heavy == used && *owner != name) {
            findings.push(format!("{name} uses {used}, which only {owner} may know"));
        }
    }
}

fn check_files(folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        if NAMES_THAT_SAY_NOTHING.contains(&stem)
            && (path.is_dir() || path.extension().is_some_and(|e| e == "rs"))
        {
            findings.push(format!("{}: a name that says nothing", path.display()));
        }
        if path.is_dir() {
            check_files(&path, findings)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            check_source(&path, stem, findings)?;
        }
    }
    Ok(())
}

/// Nothing runs in the background unsupervised, and no thread waits for a future where it may be the runtime's.
fn check_background(path: &Path, text: &str, findings: &mut Vec<String>) {
    let is_example = path.components().any(|part| part.as_os_str() == "examples");
    let is_suite = path.components().any(|part| part.as_os_str() == "conformance");
    if is_example || is_suite {
        return;
    }
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let lines = code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    for (number, line) in lines {
        let place = format!("{}:{}", path.display(), number + 1);
        let is_kept = path == Path::new(SUPERVISION) || WAITED_FOR.iter().any(|file| path == Path::new(file));
        if UNSUPERVISED.iter().any(|begins| line.contains(begins)) && !is_kept {
            findings
                .push(format!("{place}: runs in the background unsupervised: see kulya_store::supervision"));
        }
        if line.contains(WAITING) && !MAY_WAIT.iter().any(|may| path == Path::new(may)) {
            findings
                .push(format!("{place}: a thread waits for a future: say in xtask/src/tidy.rs why it may"));
        }
    }
}

fn check_source(path: &Path, stem: &str, findings: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    // nobody reads it: what it was made of is read
    if text.starts_with("// This file is @generated") {
        return Ok(());
    }
    let lines = text.lines().count();
    let is_test = stem == "tests"
        || path.components().any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "benches")));
    if lines > MOST_LINES && !is_test {
        findings.push(format!("{}: {lines} lines, more than {MOST_LINES}: make it a folder", path.display()));
    }
    if !is_test && path.starts_with("crates") && !path.starts_with(WORLDS) {
        check_background(path, &text, findings);
    }
    if !is_test && !text.starts_with("//!") {
        findings.push(format!("{}: says in no first paragraph what it is", path.display()));
    }
    Ok(())
}
