//! Test servers that run while a command runs: processes on free loopback ports, each in a temporary folder.
//! The command finds them by environment variables; they are stopped by their process ids when it has exited.
//! Tests that stop, promote and replicate servers start their own, from a script and a prepared data folder.

use anyhow::{Context, Result, bail};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// Lines of the log that are shown if a server does not start.
const MAX_LOG_LINES: usize = 40;
/// Attempts to start a server: a free port may be in use by then.
const MAX_ATTEMPTS: usize = 3;

/// Running servers, and the environment variables that tell a command about them.
#[derive(Default)]
pub(crate) struct TestServers {
    pub(crate) servers: Vec<Server>,
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// What the tests start further servers from.
    pub(crate) folders: Vec<TemporaryFolder>,
}

impl TestServers {
    /// Creates the set of one server.
    pub(crate) fn one(server: Server, variables: Vec<(&'static str, OsString)>) -> Self {
        Self { servers: vec![server], variables, folders: Vec::new() }
    }

    /// Adds the servers of another set.
    pub(crate) fn extend(&mut self, other: Self) {
        self.servers.extend(other.servers);
        self.variables.extend(other.variables);
        self.folders.extend(other.folders);
    }
}

/// A running server; stopped when dropped, and its folder deleted.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
    is_interrupted: bool,
}

impl Server {
    /// Starts the command that `command` builds from free ports, and waits until its output contains `ready`.
    ///
    /// # Errors
    /// A process that exits before that, with the end of its log.
    pub(crate) fn start<const N: usize>(
        folder: PathBuf,
        ready: &'static str,
        command: impl Fn([u16; N]) -> Command,
    ) -> Result<Self> {
        let mut last = String::new();
        for _ in 0..MAX_ATTEMPTS {
            let ports = free_ports()?;
            let mut command = command(ports);
            let program = command.get_program().to_owned();
            command.current_dir(&folder);
            match launch(command, ready).with_context(|| format!("cannot run {}", program.display()))? {
                Ok(process) => {
                    return Ok(Self { process, folder, port: ports[0], is_interrupted: false });
                }
                Err(log) => last = log,
            }
        }
        bail!("the server in {} did not start:\n{last}", folder.display())
    }

    /// Stops the server by SIGINT instead of SIGKILL, because it has child processes.
    pub(crate) fn stopped_by_interrupt(self) -> Self {
        let mut server = self;
        server.is_interrupted = true;
        server
    }

    /// Returns the first of its ports.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns its process id.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the process id.
    pub(crate) fn process(&self) -> String {
        self.process.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_interrupted {
            let _ = Command::new("kill").args(["-INT", &self.process()]).status();
        } else {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A temporary folder, deleted when dropped.
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Creates an empty folder.
    pub(crate) fn new(name: &str) -> Result<Self> {
        folder(name).map(Self)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes a shell script that runs a command with further arguments, as this user if one is given by its ids.
pub(crate) fn write_script(file: &Path, command: &Command, user: Option<(u32, u32)>) -> Result<()> {
    let quoted = |text: &OsStr| format!("'{}'", text.to_string_lossy().replace('\'', "'\\''"));
    let mut script = "#!/bin/sh\n".to_owned();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            script += &format!("export {}={}\n", name.to_string_lossy(), quoted(value));
        }
    }
    script += "exec";
    if let Some((uid, gid)) = user {
        script += &format!(" setpriv --reuid={uid} --regid={gid} --clear-groups");
    }
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        script += &format!(" {}", quoted(word));
    }
    script += " \"$@\"\n";
    std::fs::write(file, script)?;
    Ok(std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))?)
}

/// Creates an empty temporary folder for one server.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("kulya-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// Starts a program and waits until it is ready. The inner error is the end of its log if it exits before.
fn launch(mut command: Command, ready: &'static str) -> Result<Result<Child, String>> {
    let (log, output) = std::io::pipe()?;
    let mut process = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
    // it would keep the pipe open after the process has exited
    drop(command);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = VecDeque::new();
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(ready) {
                let _ = sender.send(Ok(()));
            }
            lines.push_back(line);
            if lines.len() > MAX_LOG_LINES {
                lines.pop_front();
            }
        }
        let _ = sender.send(Err(Vec::from(lines).join("\n")));
    });
    match receiver.recv()? {
        Ok(()) => Ok(Ok(process)),
        Err(log) => {
            process.wait()?;
            Ok(Err(log))
        }
    }
}

/// Returns ports of the loopback that are free now.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<_> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
