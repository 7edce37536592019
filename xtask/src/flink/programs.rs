//! Flink's own test programs as data: statements, rows of sources, and the rows that Flink expects. Read from
//! Flink's test jars and cached as lines of JSON, which `xtask/flink/programs/Programs.java` describes.

use crate::jars;
use crate::server::TestServers;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

const NAME: &str = "flink-programs-2.3";
const POM: &str = include_str!("../../flink/programs/pom.xml");
const PROGRAM: &str = include_str!("../../flink/programs/Programs.java");
/// The jar with the programs.
const TESTS: &str = "flink-table-planner_2.12-2.3.0-tests.jar";

/// Returns the file of programs, written if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_write() -> Result<PathBuf> {
    let folder = jars::cache_folder()?.join(NAME);
    let (program, file) = (folder.join("Programs.java"), folder.join("programs.jsonl"));
    let is_written = std::fs::read_to_string(&program).is_ok_and(|text| text == PROGRAM);
    if is_written && file.exists() {
        return Ok(file);
    }
    let classpath = jars::find_or_fetch(NAME, POM)?;
    let tests = classpath.split(':').find(|jar| jar.ends_with(TESTS));
    let tests = tests.with_context(|| format!("maven fetched no {TESTS}"))?;
    std::fs::write(&program, PROGRAM)?;
    let written = folder.join("programs.jsonl.new");
    let output =
        Command::new("java").args(["-cp", &classpath]).arg(&program).arg(tests).arg(&written).output()?;
    if !output.status.success() {
        std::fs::remove_file(&program)?;
    }
    ensure!(
        output.status.success(),
        "Flink's test programs cannot be read:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::rename(written, &file)?;
    Ok(file)
}

/// Returns the environment variable with the file.
pub(crate) fn start(file: PathBuf) -> TestServers {
    TestServers { variables: vec![("KULYA_TEST_FLINK_PROGRAMS", file.into())], ..TestServers::default() }
}

/// Prints where the file is and what is in it.
///
/// # Errors
/// What is missing.
pub(crate) fn print_counts() -> Result<()> {
    let file = find_or_write().context("NOT RUN: Flink's test programs")?;
    let text = std::fs::read_to_string(&file)?;
    let programs: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let count = |is_counted: &dyn Fn(&Value) -> bool| programs.iter().filter(|it| is_counted(it)).count();
    let has = |program: &Value, part: &str, is_found: &dyn Fn(&Value) -> bool| {
        program[part].as_array().is_some_and(|steps| steps.iter().any(is_found))
    };
    let is_sql = |step: &Value| step["kind"] == "sql" || step["kind"] == "statement_set";
    let is_filled = |rows: &Value| rows.as_array().is_some_and(|rows| !rows.is_empty());
    let is_expected = |step: &Value| {
        step["kind"] == "sink" && (is_filled(&step["rows"]) || is_filled(&step["rowsAfterRestore"]))
    };
    let is_restarted = |step: &Value| step["kind"] == "sink" && !step["rowsAfterRestore"].is_null();
    println!("{}", file.display());
    println!("{} programs", programs.len());
    println!("{} with SQL", count(&|program| has(program, "run", &is_sql)));
    println!("{} with expected rows", count(&|program| has(program, "setup", &is_expected)));
    println!("{} with a restart", count(&|program| has(program, "setup", &is_restarted)));
    println!("{} with functions in Java", count(&|it| has(it, "setup", &|step| step["kind"] == "function")));
    Ok(())
}
