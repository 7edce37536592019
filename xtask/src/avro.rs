//! Avro Java's parser and its schema resolution, on a loopback port while a command runs: the second opinion on
//! `kulya_schema::avro`.

use crate::jars;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Child, Command};

const POM: &str = include_str!("../avro/pom.xml");
const PROGRAM: &str = include_str!("../avro/Resolution.java");
const READY: &str = "ready";

/// Finds the jars, or lets Maven fetch them; the error says what is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("avro-1.11", POM)
}

/// A running program. Dropping it stops it.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    pub(crate) fn start(classpath: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("kulya-avro-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let program = folder.join("Resolution.java");
        std::fs::write(&program, PROGRAM)?;
        let mut last = String::new();
        for _ in 0..3 {
            let [port] = jars::free_ports()?;
            // a single source file is compiled as it is started
            let mut java = Command::new("java");
            java.current_dir(&folder)
                .args(["-Xmx512m", "-XX:-OmitStackTraceInFastThrow", "-cp", classpath])
                .arg(&program)
                .arg(port.to_string());
            match jars::launch(java, READY)? {
                Ok(process) => return Ok(Self { process, folder, port }),
                Err(log) => last = log,
            }
        }
        bail!("Avro Java does not start:\n{last}")
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it keeps nothing
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
