//! Debezium's engine as a process: its jars from Maven, and our program around it.

use crate::jars;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

const PROGRAM: &str = include_str!("../../debezium/Engine.java");
/// Longest time without an expected event.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Lines of the log that are shown after a failure.
const MAX_LOG_LINES: usize = 30;
/// Frames of each stack in them.
const MAX_FRAMES: usize = 3;

/// The database that a connector reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    Mariadb,
    Mysql,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Postgres, Self::Mariadb, Self::Mysql];

    /// Returns the name on the command line and of the folder.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql8",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.with_context(|| format!("{name:?} is not a database: postgres, mariadb or mysql8"))
    }

    const fn pom(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres => ("debezium-postgres", include_str!("../../debezium/postgres.xml")),
            Self::Mariadb => ("debezium-mariadb", include_str!("../../debezium/mariadb.xml")),
            Self::Mysql => ("debezium-mysql", include_str!("../../debezium/mysql.xml")),
        }
    }

    const fn connector(self) -> &'static str {
        match self {
            Self::Postgres => "io.debezium.connector.postgresql.PostgresConnector",
            Self::Mariadb => "io.debezium.connector.mariadb.MariaDbConnector",
            Self::Mysql => "io.debezium.connector.mysql.MySqlConnector",
        }
    }
}

/// Settings of the engine in the order in which they were set.
#[derive(Clone, Default)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    /// Creates the settings that every run has. Offsets and, where there is one, the schema history are in
    /// `state`.
    pub(super) fn new(kind: Kind, state: &Path) -> Self {
        let mut settings = Self::default();
        settings.set("name", "engine");
        settings.set("connector.class", kind.connector());
        settings.set("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
        settings.set("offset.storage.file.filename", &state.join("offsets").display().to_string());
        settings.set("offset.flush.interval.ms", "1000");
        match kind {
            Kind::Postgres => settings.set("plugin.name", "pgoutput"),
            Kind::Mariadb => settings.set("database.ssl.mode", "disable"),
            Kind::Mysql => settings.set("database.ssl.mode", "disabled"),
        }
        if kind != Kind::Postgres {
            settings.set("database.server.id", "5400");
            settings.set("schema.history.internal", "io.debezium.storage.file.history.FileSchemaHistory");
            let history = state.join("history").display().to_string();
            settings.set("schema.history.internal.file.filename", &history);
        }
        settings
    }

    /// Sets a value, in place of a former one.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(former, _)| former != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            let value = value.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(text, "{name}={value}");
        }
        text
    }
}

/// The compiled program, and the jars of one connector.
pub(super) struct Engine {
    classpath: String,
    folder: PathBuf,
}

impl Engine {
    /// Fetches the jars if needed, and compiles the program into a folder.
    pub(super) fn prepare(kind: Kind, folder: &Path) -> Result<Self> {
        let (name, pom) = kind.pom();
        let jars = jars::find_or_fetch(name, pom)?;
        let source = folder.join("Engine.java");
        std::fs::write(&source, PROGRAM)?;
        let mut javac = Command::new("javac");
        javac.args(["-cp", &jars, "-d"]).arg(folder).arg(&source);
        let output = javac.output().context("javac is not on the PATH: install a JDK 17")?;
        ensure!(output.status.success(), "javac failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { classpath: format!("{}:{jars}", folder.display()), folder: folder.to_owned() })
    }

    /// Returns the command that runs the program with settings. Its log goes to a file.
    fn command(&self, settings: &Settings, heap: &str) -> Result<Command> {
        let file = self.folder.join("engine.properties");
        std::fs::write(&file, settings.text())?;
        let mut java = Command::new("java");
        java.arg(format!("-Xmx{heap}"));
        java.args(["-Duser.timezone=UTC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
        java.args(["-cp", &self.classpath, "Engine"]);
        java.arg(file).stderr(std::fs::File::create(self.log_file())?);
        Ok(java)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("engine.log")
    }

    /// Returns the end of the log, with the first frames of each stack.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let mut frames = 0;
        let mut lines: Vec<&str> = log.lines().collect();
        lines.retain(|line| {
            frames = if line.starts_with("\tat ") { frames + 1 } else { 0 };
            frames <= MAX_FRAMES
        });
        lines[lines.len().saturating_sub(MAX_LOG_LINES)..].join("\n")
    }

    /// Starts the engine; its events are read one by one.
    pub(super) fn start(&self, settings: &Settings) -> Result<Running<'_>> {
        let mut java = self.command(settings, "700m")?;
        java.arg("events").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = java.spawn().context("java is not on the PATH: install a JDK 17")?;
        let output = process.stdout.take().context("the engine has no output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Running { engine: self, process, lines })
    }

    /// Runs the engine to its end and returns what it printed.
    pub(super) fn run(&self, settings: &Settings, heap: &str, arguments: &[&str]) -> Result<String> {
        let mut java = self.command(settings, heap)?;
        let output = java.args(arguments).stdin(Stdio::null()).output();
        let output = output.context("java is not on the PATH: install a JDK 17")?;
        ensure!(output.status.success(), "the engine failed:\n{}", self.log());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A running engine; stopped when dropped.
pub(super) struct Running<'a> {
    engine: &'a Engine,
    process: Child,
    lines: Receiver<String>,
}

impl Running<'_> {
    /// Returns the next event's line.
    pub(super) fn next(&self) -> Result<String> {
        match self.lines.recv_timeout(MAX_WAIT) {
            Ok(line) => Ok(line),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!(
                "no event within {} s; the end of the engine's log:\n{}",
                MAX_WAIT.as_secs(),
                self.engine.log()
            ),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the engine ended:\n{}", self.engine.log()),
        }
    }

    /// Stops the engine, which must not have failed, nor have more events.
    pub(super) fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        ensure!(status.success(), "the engine failed:\n{}", self.engine.log());
        let rest: Vec<String> = self.lines.try_iter().collect();
        ensure!(rest.is_empty(), "the engine had events behind the last marker: {rest:?}");
        Ok(())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // after `stop` both have no effect
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
