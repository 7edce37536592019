//! The registries that are measured: Kulya's and the Java one.

use crate::connection::Connection;
use crate::measure::{Fallible, cpu_of, resident_of};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A registry server.
pub trait Subject {
    fn name(&self) -> &str;
    /// Address that it listens on.
    fn address(&self) -> &str;
    fn process(&self) -> &str;
    /// Divisor of its requests, so that the run ends in time.
    fn slowdown(&self) -> u64;

    fn cpu(&self) -> f64 {
        cpu_of(self.process())
    }

    fn megabytes(&self) -> f64 {
        resident_of(self.process()) as f64 / 1024.0
    }
}

/// Kulya's server.
pub struct Kulya {
    child: Child,
    process: String,
    address: String,
    /// Time from the process's start to its first response.
    pub start_ms: f64,
}

impl Kulya {
    pub async fn start(folder: &Path) -> Fallible<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = match std::env::var_os("KULYA") {
            Some(kulya) => {
                let mut command = Command::new(kulya);
                command.args(["serve", "--listen", &address, "--data"]).arg(folder);
                command
            }
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("serve").arg(folder).arg(&address);
                command
            }
        };
        let started = Instant::now();
        let child = command.stdout(Stdio::null()).spawn()?;
        let process = child.id().to_string();
        let server = |start_ms| Self { child, process, address: address.clone(), start_ms };
        while started.elapsed() < Duration::from_secs(60) {
            if let Ok(mut connection) = Connection::open(&address).await
                && connection.get("/v1/groups").await.is_ok()
            {
                return Ok(server(started.elapsed().as_secs_f64() * 1e3));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(server(0.0));
        Err("the server did not start".into())
    }
}

impl Drop for Kulya {
    fn drop(&mut self) {
        // every acknowledged write is synced
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Subject for Kulya {
    fn name(&self) -> &str {
        "Kulya"
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn process(&self) -> &str {
        &self.process
    }

    fn slowdown(&self) -> u64 {
        1
    }
}

/// The Java server of `cargo xtask registry`.
pub struct Java {
    address: String,
    process: String,
}

impl Java {
    pub fn find() -> Option<Self> {
        let url = std::env::var("KULYA_TEST_JAVA_REGISTRY").ok()?;
        let process = std::env::var("KULYA_TEST_JAVA_REGISTRY_PROCESS").ok()?;
        Some(Self { address: url.trim_start_matches("http://").to_owned(), process })
    }
}

impl Subject for Java {
    fn name(&self) -> &str {
        "Java"
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn process(&self) -> &str {
        &self.process
    }

    fn slowdown(&self) -> u64 {
        10
    }
}
