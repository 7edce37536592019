//! Runs the tests: builds them, runs each test executable and the examples in the docs, and lists the slowest
//! tests.
//!
//! `cargo test` differs in two points: test servers would run while the compiler needs their memory, and the
//! time of a single test is shown only by an unstable option of the test harness.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How many of the slowest tests are listed.
const SLOWEST: usize = 10;

/// A test executable.
#[derive(Debug, PartialEq)]
pub(crate) struct Executable {
    /// The package's folder, in which the tests run.
    folder: PathBuf,
    path: PathBuf,
    /// The names of package and target, such as `kulya it`.
    name: String,
}

impl Executable {
    fn command(&self, harness: &[String], environment: &[(&'static str, OsString)]) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder).args(harness);
        // the harness shows times only with unstable options
        command.args(["-Z", "unstable-options", "--report-time"]).env("RUSTC_BOOTSTRAP", "1");
        command.envs(environment.iter().cloned());
        command
    }
}

/// The test executables that cargo built.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Built {
    executables: Vec<Executable>,
    /// Whether a library is among them, whose docs may have examples.
    has_library: bool,
}

/// Builds the tests that these arguments of `cargo test` select.
///
/// # Errors
/// They do not compile, or cargo does not run.
pub(crate) fn build(cargo: &mut Command, selection: &[&str]) -> Result<Built> {
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]).args(selection);
    let output = cargo.stderr(Stdio::inherit()).stdin(Stdio::null()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "the tests do not compile: cargo ended with {}", output.status);
    parse_messages(&String::from_utf8(output.stdout).context("cargo's messages are UTF-8")?)
}

/// Parses cargo's messages, one JSON document per line.
fn parse_messages(messages: &str) -> Result<Built> {
    let mut built = Built::default();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line).context("cargo's messages are JSON")?;
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            continue;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (Some(path), Some(manifest)) = (text(&message["executable"]), text(&message["manifest_path"]))
        else {
            continue;
        };
        let folder = PathBuf::from(manifest).parent().context("a manifest is in a folder")?.to_owned();
        let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = text(&message["target"]["name"]).unwrap_or_default();
        let kinds = message["target"]["kind"].as_array().cloned().unwrap_or_default();
        built.has_library |= kinds.iter().any(|kind| kind == "lib");
        built.executables.push(Executable { folder, path: path.into(), name: format!("{package} {target}") });
    }
    Ok(built)
}

/// Runs everything that was built, with these arguments of the test harness, and lists the slowest tests.
///
/// # Errors
/// A test failed. All tests ran; the executables with failed tests are named.
pub(crate) fn run(
    built: &Built,
    cargo: Command,
    selection: &[&str],
    harness: &[String],
    environment: &[(&'static str, OsString)],
) -> Result<()> {
    let mut failed = Vec::new();
    let mut times = Vec::new();
    for executable in &built.executables {
        println!("     Running {} ({})", executable.name, executable.path.display());
        if !run_and_time(&mut executable.command(harness, environment), &executable.name, &mut times)? {
            failed.push(executable.name.clone());
        }
    }
    let selects_targets =
        selection.iter().any(|word| matches!(*word, "--test" | "--lib" | "--bin" | "--bins"));
    if built.has_library && !selects_targets {
        let mut docs = cargo;
        docs.args(["test", "--doc", "--no-fail-fast"]).args(selection).arg("--").args(harness);
        if !docs.envs(environment.iter().cloned()).status().context("cannot run cargo")?.success() {
            failed.push("the examples in the docs".to_owned());
        }
    }
    println!("\nslowest tests:");
    for (seconds, name) in slowest(times) {
        println!("  {seconds:>8.3} s  {name}");
    }
    if !failed.is_empty() {
        bail!("tests failed in: {}", failed.join(", "));
    }
    Ok(())
}

impl Built {
    /// Whether an executable of this name was built.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.executables.iter().any(|executable| executable.name == name)
    }
}

/// Runs the executable of a name once more, with other servers: `title` names them.
///
/// # Errors
/// A test failed.
pub(crate) fn run_again(
    built: &Built,
    name: &str,
    title: &str,
    harness: &[String],
    environment: &[(&'static str, OsString)],
) -> Result<()> {
    let found = built.executables.iter().find(|executable| executable.name == name);
    let executable = found.with_context(|| format!("the tests {name} were not built"))?;
    println!("     Running {name} with {title} ({})", executable.path.display());
    let title = format!("{name} with {title}");
    let mut times = Vec::new();
    let is_passed = run_and_time(&mut executable.command(harness, environment), &title, &mut times)?;
    for (seconds, test) in slowest(times).into_iter().take(3) {
        println!("  {seconds:>8.3} s  {test}");
    }
    ensure!(is_passed, "tests failed in: {title}");
    Ok(())
}

/// Runs one executable and prints its output. Returns whether it succeeded.
fn run_and_time(command: &mut Command, name: &str, times: &mut Vec<(f64, String)>) -> Result<bool> {
    let shown = format!("cannot run {}", command.get_program().display());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(shown)?;
    let output = child.stdout.take().context("standard output is a pipe")?;
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        if let Some((test, seconds)) = parse_time(&text) {
            times.push((seconds, format!("{name} {test}")));
        }
        writeln!(out, "{text}")?;
    }
    Ok(child.wait()?.success())
}

/// Parses a line such as `test a::b ... ok <1.234s>`: the test's name and its time in seconds.
fn parse_time(line: &str) -> Option<(&str, f64)> {
    let (test, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (_, time) = result.rsplit_once('<')?;
    Some((test, time.strip_suffix("s>")?.parse().ok()?))
}

fn slowest(mut times: Vec<(f64, String)>) -> Vec<(f64, String)> {
    times.sort_by(|one, other| other.0.total_cmp(&one.0));
    times.truncate(SLOWEST);
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_messages_are_parsed() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/a/Cargo.toml","target":{"kind":["lib"],"name":"a"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/crates/a/Cargo.toml","target":{"kind":["lib"],"name":"a"},"profile":{"test":true},"executable":"/t/a-1"}
{"reason":"compiler-artifact","manifest_path":"/w/crates/b/Cargo.toml","target":{"kind":["test"],"name":"it"},"profile":{"test":true},"executable":"/t/it-2"}
{"reason":"build-finished","success":true}"#;
        let built = parse_messages(messages).unwrap();
        assert!(built.has_library);
        let names: Vec<_> = built.executables.iter().map(|executable| executable.name.as_str()).collect();
        assert_eq!(names, ["a a", "b it"]);
        assert_eq!(built.executables[1].folder, PathBuf::from("/w/crates/b"));
    }

    #[test]
    fn the_time_of_a_test_is_parsed() {
        assert_eq!(parse_time("test a::b ... ok <1.234s>"), Some(("a::b", 1.234)));
        assert_eq!(parse_time("test a::b ... FAILED <0.001s>"), Some(("a::b", 0.001)));
        assert_eq!(
            parse_time("test a::b - should panic ... ok <0.001s>"),
            Some(("a::b - should panic", 0.001))
        );
        for other in ["test a::b ... ignored", "test result: ok. 2 passed", "running 2 tests", ""] {
            assert_eq!(parse_time(other), None);
        }
    }

    #[test]
    fn the_slowest_tests_are_listed() {
        let times = (0..20).map(|n| (f64::from(n), n.to_string())).collect();
        let found: Vec<_> = slowest(times).into_iter().map(|(_, name)| name).collect();
        assert_eq!(found, ["19", "18", "17", "16", "15", "14", "13", "12", "11", "10"]);
    }
}
