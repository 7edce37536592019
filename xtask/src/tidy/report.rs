//! Output of findings.

use anyhow::{Context, Result};
use std::io::Write;

/// Prints lines to standard output, as a whole, so that a closed pipe is an error and no panic.
pub(super) fn print_lines(lines: &[String]) -> Result<()> {
    let text = lines.join("\n") + "\n";
    std::io::stdout().write_all(text.as_bytes()).context("cannot print")
}
