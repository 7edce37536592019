//! Who is measured.

use crate::measure::{Fallible, cpu_of, resident_of};
use crate::work::Connection;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub trait Subject {
    fn name(&self) -> &str;
    /// Where it listens.
    fn address(&self) -> &str;
    fn process(&self) -> &str;
    /// How many times less work it gets, so that the run ends.
    fn slower(&self) -> u64;

    fn cpu(&self) -> f64 {
        cpu_of(self.process())
    }

    fn megabytes(&self) -> f64 {
        resident_of(self.process()) as f64 / 1024.0
    }
}

pub struct Own {
    child: Child,
    process: String,
    address: String,
    /// From the process's start to its first answer.
    pub start_ms: f64,
}

impl Own {
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
        let began = Instant::now();
        let child = command.stdout(Stdio::null()).spawn()?;
        let process = child.id().to_string();
        let own = |start_ms| Self { child, process, address: address.clone(), start_ms };
        while began.elapsed() < Duration::from_secs(60) {
            if let Ok(mut connection) = Connection::open(&address).await
                && connection.get("/v1/groups").await.is_ok()
            {
                return Ok(own(began.elapsed().as_secs_f64() * 1e3));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(own(0.0));
        Err("the server does not answer".into())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // everything that was answered is synced
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Subject for Own {
    fn name(&self) -> &str {
        "ours"
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn process(&self) -> &str {
        &self.process
    }

    fn slower(&self) -> u64 {
        1
    }
}

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

    fn slower(&self) -> u64 {
        10
    }
}
