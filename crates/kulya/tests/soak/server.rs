//! A server as its operator runs it: a process of its own that writes its log to a file.

use crate::program::command;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

/// `kulya serve`; killed when it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    log: PathBuf,
}

impl Server {
    /// Starts one in `folder`, where its log is the file `log`, and waits until it serves.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        let log = folder.join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = command(folder, &[&["serve"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split([' ', ',']).find(|word| word.starts_with("http://")).map(str::to_owned);
        let server = Self { child, url: url.unwrap_or_default(), log };
        assert!(!server.url.is_empty(), "it does not serve, and says {line:?} {}", server.said());
        server
    }

    /// What it has written to its log.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal by name, as `kill` knows it, and waits for the end.
    pub(crate) fn end(mut self, signal: &str) -> ExitStatus {
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
