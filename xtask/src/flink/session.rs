//! Sessions of Flink SQL on a loopback port, which `xtask/flink/session/Session.java` describes: the peer
//! whose answers to a query are compared with Kulya's.

use crate::jars;
use crate::server::{self, Server, TemporaryFolder, TestServers};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

const POM: &str = include_str!("../../flink/session/pom.xml");
const PROGRAM: (&str, &str) = ("Session.java", include_str!("../../flink/session/Session.java"));
/// The program that makes events, too.
const EVENTS: [(&str, &str); 4] = [
    ("EventSession.java", include_str!("../../flink/session/EventSession.java")),
    ("Events.java", include_str!("../../flink/session/Events.java")),
    ("EventFile.java", include_str!("../../flink/session/EventFile.java")),
    ("Order.java", include_str!("../../flink/session/Order.java")),
];
/// The file by which Flink finds connectors, and the one that it has.
const FACTORIES: (&str, &str) = ("META-INF/services/org.apache.flink.table.factories.Factory", "EventFile");
const READY: &str = "ready";
/// Java packages that must be opened for Flink's serializers.
const OPENS: [&str; 4] = ["java.lang", "java.nio", "java.util", "sun.nio.ch"];
/// Seconds without a further row after which a query of a stream without an end is cancelled.
const IDLE_SECONDS: u32 = 5;

/// Returns the jars, fetched by Maven if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("flink-sql-2.3", POM)
}

pub(crate) fn start(classpath: &str) -> Result<TestServers> {
    let folder = TemporaryFolder::new("flink-classes")?;
    let mut sources = Vec::new();
    for (name, text) in EVENTS {
        let file = folder.path().join(name);
        std::fs::write(&file, text)?;
        sources.push(file);
    }
    let classes = compile(classpath, &sources, folder.path())?;
    let factories = classes.join(FACTORIES.0);
    std::fs::create_dir_all(factories.parent().unwrap_or(&classes))?;
    std::fs::write(&factories, FACTORIES.1)?;
    let server = launch(&format!("{}:{classpath}", classes.display()), "EventSession")?;
    let address = format!("127.0.0.1:{}", server.port());
    // a benchmark measures the process
    let process = server.process_id().to_string();
    let variables =
        vec![("KULYA_TEST_FLINK_SQL", address.into()), ("KULYA_TEST_FLINK_SQL_PROCESS", process.into())];
    let mut servers = TestServers::one(server, variables);
    servers.folders.push(folder);
    Ok(servers)
}

/// Compiles the program and further sources, and returns the folder of classes.
pub(super) fn compile(classpath: &str, sources: &[PathBuf], folder: &Path) -> Result<PathBuf> {
    let classes = folder.join("classes");
    let mut javac = Command::new("javac");
    javac.args(["-nowarn", "-proc:none", "-cp", classpath, "-d"]).arg(&classes);
    let program = folder.join(PROGRAM.0);
    std::fs::write(&program, PROGRAM.1)?;
    let output =
        javac.arg(program).args(sources).output().context("javac is not on the PATH: install a JDK 17")?;
    ensure!(
        output.status.success(),
        "the sources for Flink do not compile:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(classes)
}

/// Starts the program with this main class.
pub(super) fn launch(classpath: &str, main: &str) -> Result<Server> {
    Server::start(server::folder("flink-session")?, READY, |[port]| {
        let mut java = Command::new("java");
        java.args(["-Xmx1g"]);
        java.args(OPENS.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
        java.args(["-cp", classpath, main, &port.to_string()]);
        java
    })
}

/// A session on streams that do not end.
pub(super) struct Session {
    requests: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Session {
    pub(super) fn connect(server: &Server) -> Result<Self> {
        let requests = TcpStream::connect(("127.0.0.1", server.port()))?;
        Ok(Self { answers: BufReader::new(requests.try_clone()?), requests })
    }

    /// Executes a statement and returns the rows that its changes leave, sorted, without null.
    pub(super) fn execute(&mut self, statement: &str) -> Result<Vec<String>> {
        let request = json!({ "mode": "streaming", "sql": statement, "idle": IDLE_SECONDS });
        writeln!(self.requests, "{request}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let answer: Value = serde_json::from_str(&answer).context("Flink's session ended")?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{error}");
        }
        let rows: Vec<Vec<Option<String>>> = serde_json::from_value(answer["rows"].clone())?;
        let text =
            |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
        let mut rows: Vec<String> = rows.into_iter().map(|row| text(row).join(",")).collect();
        rows.sort_unstable();
        Ok(rows)
    }
}
