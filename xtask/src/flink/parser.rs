//! Flink's own parser, on a loopback port: the reference for the dialect of `kulya-sql`.

use crate::jars;
use crate::server::{self, Server, TestServers};
use anyhow::Result;
use std::process::Command;

const POM: &str = include_str!("../../flink/parser/pom.xml");
const PROGRAM: &str = include_str!("../../flink/parser/Parser.java");
const READY: &str = "ready";

/// Returns the jars, fetched by Maven if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("flink-sql-parser-2.3", POM)
}

pub(crate) fn start(classpath: &str) -> Result<TestServers> {
    let folder = server::folder("flink-parser")?;
    let program = folder.join("Parser.java");
    std::fs::write(&program, PROGRAM)?;
    let server = Server::start(folder, READY, |[port]| {
        // a single source file is compiled as it is started
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-cp", classpath]).arg(&program).arg(port.to_string());
        java
    })?;
    let address = format!("127.0.0.1:{}", server.port());
    Ok(TestServers::one(server, vec![("KULYA_TEST_FLINK_PARSER", address.into())]))
}
