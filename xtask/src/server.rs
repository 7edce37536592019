//! Servers that stand beside a command while it runs: processes on free loopback ports, each in a folder of its own, known to
//! the command by its environment, stopped by their ids when it has ended.

use anyhow::{Context, Result, bail};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// So much of the log is shown when a server does not start.
const LOG_LINES: usize = 40;
/// A port can be taken between its choice and its use.
const TRIES: usize = 3;

/// What stands beside a command, and what the command is told of it.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) servers: Vec<Server>,
    pub(crate) told: Vec<(&'static str, OsString)>,
}

impl Beside {
    /// One server, and what is told of it.
    pub(crate) fn one(server: Server, told: Vec<(&'static str, OsString)>) -> Self {
        Self { servers: vec![server], told }
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.servers.extend(other.servers);
        self.told.extend(other.told);
    }
}

/// A running server. Dropping it stops it and removes its folder.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
    is_asked_to_end: bool,
}

impl Server {
    /// Starts what `command` makes of free ports, and waits until it says `ready`. The folder is removed in the end.
    pub(crate) fn start<const N: usize>(
        folder: PathBuf,
        ready: &'static str,
        command: impl Fn([u16; N]) -> Command,
    ) -> Result<Self> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let ports = free_ports()?;
            let mut command = command(ports);
            let program = command.get_program().to_owned();
            command.current_dir(&folder);
            match launch(command, ready).with_context(|| format!("cannot run {}", program.display()))? {
                Ok(process) => {
                    return Ok(Self { process, folder, port: ports[0], is_asked_to_end: false });
                }
                Err(log) => last = log,
            }
        }
        bail!("what should run in {} does not start:\n{last}", folder.display())
    }

    /// Lets it end by itself at an interrupt, because it has processes of its own. The others are killed: everything they
    /// have is in memory or thrown away.
    pub(crate) fn asked_to_end(self) -> Self {
        let mut server = self;
        server.is_asked_to_end = true;
        server
    }

    /// The first of its ports.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process, for a test that wants to see it go.
    pub(crate) fn process(&self) -> String {
        self.process.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_asked_to_end {
            let _ = Command::new("kill").args(["-INT", &self.process()]).status();
        } else {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An empty folder for one server.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("kulya-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Starts a program that says when it is ready. The inner error is the end of what it said when it ended before.
fn launch(mut command: Command, ready: &'static str) -> Result<Result<Child, String>> {
    let (log, said) = std::io::pipe()?;
    let mut process = command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn()?;
    // else it holds the pipe open when the process has ended
    drop(command);
    let (tell, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = VecDeque::new();
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(ready) {
                let _ = tell.send(Ok(()));
            }
            lines.push_back(line);
            if lines.len() > LOG_LINES {
                lines.pop_front();
            }
        }
        let _ = tell.send(Err(Vec::from(lines).join("\n")));
    });
    match wait.recv()? {
        Ok(()) => Ok(Ok(process)),
        Err(log) => {
            process.wait()?;
            Ok(Err(log))
        }
    }
}

fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<_> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
