//! Avro Java's parser and its schema resolution, on a loopback port while a command runs: the second opinion on
//! `kulya_schema::avro`.

use crate::jars;
use crate::server::{self, Beside, Server};
use anyhow::Result;
use std::process::Command;

const POM: &str = include_str!("../avro/pom.xml");
const PROGRAM: &str = include_str!("../avro/Resolution.java");
const READY: &str = "ready";

/// Finds the jars, or lets Maven fetch them; the error says what is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("avro-1.11", POM)
}

pub(crate) fn start(classpath: &str) -> Result<Beside> {
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
    Ok(Beside::one(server, vec![("KULYA_TEST_AVRO", address.into())]))
}
