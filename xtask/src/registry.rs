//! Throw-away Java schema registries, with everything in memory: what REST v1 is compared with.

use crate::jars;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Child, Command};

const POM: &str = include_str!("../registry/pom.xml");
const READY: &str = "Started listener bound to";
const MAIN: &str = "io.pravega.schemaregistry.service.Main";

/// Finds the jars, or lets Maven fetch them; the error says what is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("schemaregistry-0.6", POM)
}

/// A running server. Dropping it stops it.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    pub(crate) fn start(classpath: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("kulya-registry-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut last = String::new();
        for _ in 0..3 {
            let [port] = jars::free_ports()?;
            let mut java = Command::new("java");
            java.current_dir(&folder).args(["-Xmx1g", "--add-opens=java.base/java.lang=ALL-UNNAMED"]);
            for (setting, value) in [
                ("store.type.name", "InMemory".to_owned()),
                ("service.rest.listener.port", port.to_string()),
                ("service.rest.published.host.nameOrIp", "127.0.0.1".to_owned()),
            ] {
                java.arg(format!("-DschemaRegistry.{setting}={value}"));
            }
            java.args(["-cp", classpath, MAIN]);
            match jars::launch(java, READY)? {
                Ok(process) => return Ok(Self { process, folder, port }),
                Err(log) => last = log,
            }
        }
        bail!("the Java registry does not start:\n{last}")
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // everything it has is in memory: nothing is lost by stopping it at once
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
