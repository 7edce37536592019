//! Servers that a test starts for itself, because it stops, crashes, replicates or promotes them. The command
//! `cargo xtask test` gives the script of each server's program and a prepared data folder.

use crate::database::server;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// The lines of a server's log that a failing test shows.
const MAX_LOG_LINES: usize = 60;

/// The product of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Postgres,
    Mysql,
    Mariadb,
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Connections are ended, and what was committed is written to the data files.
    Clean,
    /// As after a loss of power: the next start recovers from the log.
    Crash,
}

impl Product {
    fn variable(self, what: &str) -> String {
        server(&format!("KULYA_TEST_{}_{what}", format!("{self:?}").to_uppercase()))
    }

    fn ready(self) -> &'static str {
        match self {
            Self::Postgres => "database system is ready to accept",
            Self::Mysql | Self::Mariadb => "ready for connections",
        }
    }
}

/// A server.
pub(crate) struct OwnServer {
    product: Product,
    folder: tempfile::TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl OwnServer {
    /// Creates a server that is not running yet.
    pub(crate) fn create(product: Product, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL's user is another one
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let template = product.variable("TEMPLATE");
        let copied = Command::new("cp").arg("-a").arg(template).arg(folder.path().join("data")).status();
        assert!(copied.unwrap().success());
        std::fs::write(
            folder.path().join("init.sql"),
            "CREATE USER IF NOT EXISTS kulya@'%' IDENTIFIED BY 'kulya';\n\
             GRANT ALL PRIVILEGES ON *.* TO kulya@'%' WITH GRANT OPTION;\n",
        )
        .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { product, folder, port, arguments, process: None }
    }

    /// Creates a server and starts it.
    pub(crate) async fn start_new(product: Product, arguments: &[&str]) -> Self {
        let mut server = Self::create(product, arguments);
        server.start().await;
        server
    }

    /// Adds arguments for the next start.
    pub(crate) fn add_arguments(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
    }

    /// Starts the server, on the same port as before.
    pub(crate) async fn start(&mut self) {
        let mut command = Command::new(self.product.variable("SERVER"));
        command.current_dir("/").args(self.product_arguments()).args(&self.arguments);
        let (log, output) = std::io::pipe().unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        self.process = Some(command.spawn().unwrap());
        // it would keep the pipe open after the process has exited
        drop(command);
        let (sender, receiver) = mpsc::channel();
        let ready = self.product.ready();
        std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if line.contains(ready) {
                    let _ = sender.send(None);
                }
                lines.push(line);
                if lines.len() > MAX_LOG_LINES {
                    lines.remove(0);
                }
            }
            let _ = sender.send(Some(lines.join("\n")));
        });
        let log = tokio::task::spawn_blocking(move || receiver.recv().unwrap()).await.unwrap();
        assert_eq!(log, None, "the server did not start");
    }

    fn product_arguments(&self) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let port = self.port;
        match self.product {
            Product::Postgres => {
                let mut arguments = vec!["-D".into(), path("data"), "-k".into(), path("")];
                arguments.extend(["-p".into(), port.to_string(), "-h".into(), "127.0.0.1".into()]);
                for setting in ["wal_level=logical", "fsync=off", "log_min_messages=log", "lc_messages=C"] {
                    arguments.extend(["-c".into(), setting.into()]);
                }
                arguments
            }
            Product::Mysql | Product::Mariadb => {
                // a server that starts removes the temporary tables in its folder
                let folder = format!("--tmpdir={}", path(""));
                let mut arguments = vec![format!("--port={port}"), folder];
                for (name, file) in [
                    ("datadir", "data"),
                    ("socket", "socket"),
                    ("pid-file", "pid"),
                    ("init-file", "init.sql"),
                ] {
                    arguments.push(format!("--{name}={}", path(file)));
                }
                arguments.push(match self.product {
                    Product::Mysql => "--mysqlx=OFF".into(),
                    _ => "--gtid-strict-mode=1".into(),
                });
                arguments
            }
        }
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn stop(&mut self, stop: Stop) {
        let Some(mut process) = self.process.take() else { return };
        signal(&process, self.product, stop);
        tokio::task::spawn_blocking(move || process.wait().unwrap()).await.unwrap();
    }

    /// Returns the data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host and the port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the URL of the administrator, with a database of PostgreSQL.
    pub(crate) fn url(&self, database: &str) -> String {
        let address = self.address();
        match self.product {
            Product::Postgres => format!("postgres://kulya:kulya@{address}/{database}"),
            Product::Mysql => {
                format!("mysql://kulya:kulya@{address}/?ssl-mode=disabled&get-server-public-key=true")
            }
            Product::Mariadb => format!("mysql://kulya:kulya@{address}/"),
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(&process, self.product, Stop::Crash);
            let _ = process.wait();
        }
    }
}

fn signal(process: &Child, product: Product, stop: Stop) {
    let name = match (product, stop) {
        (Product::Postgres, Stop::Clean) => "-INT",
        (Product::Postgres, Stop::Crash) => "-QUIT",
        (_, Stop::Clean) => "-TERM",
        (_, Stop::Crash) => "-KILL",
    };
    let _ = Command::new("kill").args([name, &process.id().to_string()]).status();
}
