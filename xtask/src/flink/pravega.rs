//! Apache Flink on a real Pravega with Kulya as the registry: runs a script through the Pravega connector's
//! catalog and compares the rows. The connector is compiled from a clone of its sources, because Maven
//! Central does not serve its releases.

use super::script::{self, Statement, Step};
use super::session::{self, Session};
use crate::server::{self, Server, TemporaryFolder};
use crate::{jars, pravega};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const USAGE: &str = "usage: cargo xtask flink-pravega --kulya PROGRAM [SCRIPT]";
const POM: &str = include_str!("../../flink/pravega/pom.xml");
/// The script that runs without an argument; an example of the format.
const ROUND_TRIP: &str = include_str!("../../flink/pravega/round_trip.txt");
/// The environment variable with the folder of the connector's sources.
const SOURCES: &str = "KULYA_FLINK_CONNECTORS";

/// Runs the command.
///
/// # Errors
/// What is missing, a failed statement, and rows that differ from the expected ones.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (kulya, script) = match arguments {
        ["--kulya", kulya] => (kulya, ROUND_TRIP.to_owned()),
        ["--kulya", kulya, file] => {
            (kulya, std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?)
        }
        _ => bail!(USAGE),
    };
    let steps = script::parse(&script)?;
    let kulya = std::path::absolute(kulya)?;
    ensure!(kulya.is_file(), "{} is not a program: --kulya names the one to run", kulya.display());
    let programs = find().context("NOT RUN: Flink on Pravega")?;
    let folder = TemporaryFolder::new("flink")?;
    let classpath = compile(&programs, folder.path())?;
    let pravega = pravega::start_open(&programs.pravega)?;
    let controller = format!("tcp://localhost:{}", pravega.port());
    let kulya = Registry::start(kulya, &controller)?;
    let flink = session::launch(&classpath, "Session")?;
    let mut session = Session::connect(&flink)?;
    let variables = [("${controller}", controller.as_str()), ("${registry}", kulya.url.as_str())];
    let resolve =
        |text: &str| variables.iter().fold(text.to_owned(), |text, (name, it)| text.replace(name, it));
    for step in steps {
        match step {
            Step::Append { stream, event } => {
                kulya.run(&["stream", "append", "--text", &event, &stream])?;
            }
            Step::Flink(statement) => {
                let rows = session.execute(&resolve(&statement.text));
                report("flink", &statement, rows)?;
            }
            Step::Kulya(statement) => report("kulya", &statement, kulya.query(&resolve(&statement.text)))?,
        }
    }
    Ok(())
}

struct Programs {
    classpath: String,
    sources: PathBuf,
    pravega: pravega::Programs,
}

fn find() -> Result<Programs> {
    let sources = std::env::var_os(SOURCES).map(|folder| PathBuf::from(folder).join("src/main"));
    let sources = sources.filter(|folder| folder.join("java").is_dir()).with_context(|| {
        format!("{SOURCES} names no clone of pravega/flink-connectors, whose releases Maven Central does not serve")
    })?;
    let classpath = jars::find_or_fetch("flink-pravega-1.18", POM)?;
    Ok(Programs { classpath, sources, pravega: pravega::find_or_fetch()? })
}

/// Compiles the connector and the session, and returns the class path.
fn compile(programs: &Programs, folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    let mut folders = vec![programs.sources.join("java")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()? {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "java") {
                files.push(path);
            }
        }
    }
    let classes = session::compile(&programs.classpath, &files, folder)?;
    let resources = programs.sources.join("resources");
    Ok(format!("{}:{}:{}", classes.display(), resources.display(), programs.classpath))
}

/// `kulya serve` as the registry, with Pravega as its store.
struct Registry {
    program: PathBuf,
    url: String,
    _server: Server,
}

impl Registry {
    fn start(program: PathBuf, controller: &str) -> Result<Self> {
        let server = Server::start(server::folder("flink-registry")?, "registry at", |[port]| {
            let mut kulya = Command::new(&program);
            kulya.args(["serve", "--data", controller, "--listen", &format!("127.0.0.1:{port}")]);
            kulya
        })?;
        Ok(Self { url: format!("http://127.0.0.1:{}", server.port()), program, _server: server })
    }

    /// Runs a command of the program and returns what it prints.
    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program).args(arguments).args(["--url", &self.url]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a statement and returns its rows, sorted.
    fn query(&self, statement: &str) -> Result<Vec<String>> {
        let text = self.run(&["sql", "--output", "csv", "--execute", statement])?;
        let mut rows: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        rows.sort_unstable();
        Ok(rows)
    }
}

/// Prints a statement and its rows, and compares them with the expected ones.
fn report(program: &str, statement: &Statement, rows: Result<Vec<String>>) -> Result<()> {
    println!("{program}> {}", statement.text);
    let rows = rows.with_context(|| format!("{program} refused the statement"))?;
    for row in &rows {
        println!("  {row}");
    }
    if let Some(expected) = &statement.rows {
        ensure!(
            *expected == rows,
            "{program} gave other rows than the expected ones:\n  {}",
            expected.join("\n  ")
        );
    }
    Ok(())
}
