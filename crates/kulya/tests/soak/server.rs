//! `kulya serve` as a process that writes its log to a file.

use crate::program::command;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    log_file: PathBuf,
}

impl Server {
    /// Starts a server in `folder`, with its log in the file `log`, and waits until it serves.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        let log_file = folder.join("log");
        let file = File::options().create(true).append(true).open(&log_file).unwrap();
        let mut command = command(folder, &[&["serve"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split([' ', ',']).find(|word| word.starts_with("http://")).map(str::to_owned);
        let server = Self { child, url: url.unwrap_or_default(), log_file };
        assert!(!server.url.is_empty(), "the server did not start: {line:?} {}", server.log());
        server
    }

    /// Returns the log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log_file).unwrap_or_default()
    }

    /// Sends a signal by its name and waits for the exit.
    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
