//! Runs the program in a folder of its own, without the environment variables of the test run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Timeout of a wait: a second or two are enough, but for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Exit code and output of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Returns the command that runs the program with `args` in `folder`.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kulya"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KULYA_")) {
        command.env_remove(name);
    }
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < TIMEOUT, "not after {TIMEOUT:?}: {what}");
        std::thread::yield_now();
    }
}

/// Runs the program, which must succeed; returns its standard output.
pub(crate) fn kulya(folder: &TempDir, args: &[&str]) -> String {
    let ran = run(&mut command(folder.path(), args));
    assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
    ran.out
}

/// A running process; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) out: BufReader<ChildStdout>,
    pub(crate) err: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: BufReader::new(out), err: BufReader::new(err) }
    }

    /// Starts `kulya serve` on a free port; returns the process and its URL.
    pub(crate) fn serve(folder: &TempDir, args: &[&str]) -> (Self, String) {
        let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        Self::serving(&mut command(folder.path(), &args))
    }

    /// Like [`Self::serve`], for any command that serves.
    pub(crate) fn serving(command: &mut Command) -> (Self, String) {
        let mut running = Self::start(command);
        let mut line = String::new();
        running.out.read_line(&mut line).unwrap();
        let url = line.split([' ', ',']).find(|word| word.starts_with("http"));
        let url = url.unwrap_or_else(|| panic!("no URL in {line:?}")).to_owned();
        (running, url)
    }

    /// Reads standard error up to a line that contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut all = String::new();
        loop {
            let before = all.len();
            let read = self.err.read_line(&mut all).unwrap();
            assert!(read > 0, "the process exited before it printed {text:?}: {all}");
            if all[before..].contains(text) {
                return all;
            }
            assert!(!all.contains("the capture stopped"), "the capture stopped before {text:?}: {all}");
        }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Sends SIGINT; returns the exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        self.signal("INT");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends an HTTP request with a JSON body; returns status and body of the response.
pub(crate) fn http(method: &str, url: &str, body: &str) -> (u16, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    let headers = format!(
        "Host: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}"
    );
    write!(stream, "{method} /{path} HTTP/1.1\r\n{headers}\r\n\r\n{body}").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Returns the URL of a server that `cargo xtask test` starts.
pub(crate) fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run cargo xtask test"))
}

/// Creates a database on the tests' server, which is deleted with that server.
pub(crate) async fn database(name: &str) -> (Client, String) {
    let url = server("KULYA_TEST_POSTGRES");
    connect(&url).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = format!("{}/{name}", url.strip_suffix("/postgres").unwrap());
    (connect(&url).await, url)
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
