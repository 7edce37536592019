//! Avro Java's parser and schema resolution, on a loopback port: the reference for `kulya_schema::avro`.

use crate::jars;
use crate::server::{self, Server, TestServers};
use anyhow::Result;
use std::process::Command;

const POM: &str = include_str!("../avro/pom.xml");
const PROGRAM: &str = include_str!("../avro/Resolution.java");
const READY: &str = "ready";

/// Returns the jars, fetched by Maven if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("avro-1.11", POM)
}

pub(crate) fn start(classpath: &str) -> Result<TestServers> {
    let folder = server::folder("avro")?;
    let program = folder.join("Resolution.java");
    std::fs::write(&program, PROGRAM)?;
    let server = Server::start(folder, READY, |[port]| {
        // a single source file is compiled as it is started
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-XX:-OmitStackTraceInFastThrow", "-cp", classpath]);
        java.arg(&program).arg(port.to_string());
        java
    })?;
    let address = format!("127.0.0.1:{}", server.port());
    Ok(TestServers::one(server, vec![("KULYA_TEST_AVRO", address.into())]))
}
