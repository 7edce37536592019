//! Source files: names that say something, a length one can remember, a first paragraph, and comments within
//! the width of code.

use super::background;
use anyhow::Result;
use std::path::Path;

/// Module names that would fit anything.
const GENERIC_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "manager", "shared", "types"];

/// Longest source file, in lines; a longer one becomes a folder. Tests and data do not count.
const MAX_LINES: usize = 700;

/// Widest line of a comment, in columns: the width of code in rustfmt.toml, which does not wrap comments.
const MAX_COMMENT_WIDTH: usize = 110;

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
    findings.extend(wide_comments(path, &text));
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

/// The comments that are wider than code, unless they are one long word, such as a URL, or a row of a table.
fn wide_comments(path: &Path, text: &str) -> Vec<String> {
    let is_wide = |line: &str| {
        let comment = line.trim_start();
        comment.starts_with("//")
            && !comment.trim_start_matches(['/', '!']).trim_start().starts_with('|')
            && line.chars().count() > MAX_COMMENT_WIDTH
            && comment.trim_start_matches('/').trim_start_matches('!').trim().contains(' ')
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_wide(line));
    lines
        .map(|(index, _)| {
            format!("{}:{}: comment of more than {MAX_COMMENT_WIDTH} columns", path.display(), index + 1)
        })
        .collect()
}
