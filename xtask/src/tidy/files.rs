//! Source files: names that say something, a length one can remember, and a first paragraph.

use super::background;
use anyhow::Result;
use std::path::Path;

/// Module names that would fit anything.
const GENERIC_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "manager", "shared", "types"];

/// Longest source file, in lines; a longer one becomes a folder. Tests and data do not count.
const MAX_LINES: usize = 700;

/// Adds every source file below `folder` that breaks a rule to `findings`.
pub(super) fn check(folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if GENERIC_NAMES.contains(&stem) && (path.is_dir() || is_source) {
            findings.push(format!("{}: generic module name", path.display()));
        }
        if path.is_dir() {
            check(&path, findings)?;
        } else if is_source {
            check_source(&path, stem, findings)?;
        }
    }
    Ok(())
}

fn check_source(path: &Path, stem: &str, findings: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    // its source is checked, not the generated file
    if text.starts_with("// This file is @generated") {
        return Ok(());
    }
    let is_test = stem == "tests"
        || path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches")));
    if is_test {
        return Ok(());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{}: {lines} lines, more than {MAX_LINES}: make it a folder", path.display()));
    }
    if !text.starts_with("//!") {
        findings.push(format!("{}: no first paragraph (`//!`) that says what it is", path.display()));
    }
    background::check(path, &text, findings);
    Ok(())
}
