//! Temporary Java schema registries with their data in memory, which REST v1 is compared with: one without
//! and one with authentication.

use crate::jars;
use crate::server::{self, Server, TestServers};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

const POM: &str = include_str!("../registry/pom.xml");
/// The account file: users with different permissions and the password `kulya`.
const ACCOUNTS: &str = include_str!("../registry/accounts");
const READY: &str = "Started listener bound to";
const MAIN: &str = "io.pravega.schemaregistry.service.Main";

/// Returns the jars, fetched by Maven if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("schemaregistry-0.6", POM)
}

pub(crate) fn start(classpath: &str) -> Result<TestServers> {
    let folder = server::folder("registry-guarded")?;
    let accounts = folder.join("accounts");
    std::fs::write(&accounts, ACCOUNTS)?;
    let (open, guarded) = std::thread::scope(|scope| {
        let open = scope.spawn(|| launch(classpath, &server::folder("registry")?, None));
        let guarded = launch(classpath, &folder, Some(&accounts));
        (open.join().expect("starting a server does not panic"), guarded)
    });
    let (open, guarded) = (open?, guarded?);
    let variables = vec![
        ("KULYA_TEST_JAVA_REGISTRY", url(&open).into()),
        ("KULYA_TEST_JAVA_REGISTRY_PROCESS", open.process().into()),
        ("KULYA_TEST_JAVA_REGISTRY_GUARDED", url(&guarded).into()),
        ("KULYA_TEST_JAVA_REGISTRY_ACCOUNTS", accounts.into()),
    ];
    Ok(TestServers { servers: vec![open, guarded], variables, folders: Vec::new() })
}

fn url(server: &Server) -> String {
    format!("http://127.0.0.1:{}", server.port())
}

fn launch(classpath: &str, folder: &Path, accounts: Option<&Path>) -> Result<Server> {
    Server::start(folder.to_owned(), READY, |[port]| {
        let mut java = Command::new("java");
        java.args(["-Xmx1g", "--add-opens=java.base/java.lang=ALL-UNNAMED"]);
        let mut settings = vec![
            ("store.type.name", "InMemory".to_owned()),
            ("service.rest.listener.port", port.to_string()),
            ("service.rest.published.host.nameOrIp", "127.0.0.1".to_owned()),
        ];
        if let Some(accounts) = accounts {
            settings.push(("security.auth.enable", "true".to_owned()));
            settings.push(("security.pwdAuthHandler.accountsDb.location", accounts.display().to_string()));
        }
        java.args(settings.iter().map(|(name, value)| format!("-DschemaRegistry.{name}={value}")));
        java.args(["-cp", classpath, MAIN]);
        java
    })
}
