//! Temporary Pravega servers, each one Java process with its data in memory.

use crate::jars;
use crate::server::{self, Server, TestServers};
use anyhow::{Context, Result, ensure};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const POM: &str = include_str!("../pravega/pom.xml");
const LOGBACK: &str = include_str!("../pravega/logback.xml");
/// The account file: user and password `kulya`, as Pravega's PBKDF2 hash, and the user's permissions.
const ACCOUNTS: &str = include_str!("../pravega/accounts");
const READY: &str = "running locally now";
/// Longest time until a controller accepts connections.
const MAX_WAIT: Duration = Duration::from_secs(60);
const MAIN: &str = "io.pravega.local.LocalPravegaEmulator";

/// Java packages that must be opened for Pravega's older libraries.
const OPENS: [&str; 5] = ["java.lang", "java.nio", "sun.nio.ch", "java.util", "java.util.concurrent"];
const EXPORTS: [&str; 2] = ["jdk.internal.ref", "sun.nio.ch"];

/// The class path of Pravega.
pub(crate) struct Programs {
    classpath: String,
}

/// Returns the jars, fetched by Maven if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<Programs> {
    Ok(Programs { classpath: jars::find_or_fetch("pravega-0.13", POM)? })
}

pub(crate) fn start(programs: &Programs) -> Result<TestServers> {
    let (open, guarded) = std::thread::scope(|scope| {
        let open = scope.spawn(|| launch(programs, false));
        let guarded = launch(programs, true);
        (open.join().expect("starting a server does not panic"), guarded)
    });
    let (open, guarded) = (open?, guarded?);
    let variables = vec![
        ("KULYA_TEST_PRAVEGA", format!("tcp://localhost:{}", open.port()).into()),
        ("KULYA_TEST_PRAVEGA_GUARDED", format!("tls://localhost:{}", guarded.port()).into()),
        // the certificate authority to trust
        ("KULYA_TEST_PRAVEGA_GUARDED_AUTHORITY", guarded.folder().join("certificate.pem").into()),
        ("KULYA_TEST_PRAVEGA_GUARDED_PROCESS", guarded.process().into()),
    ];
    Ok(TestServers { servers: vec![open, guarded], variables, folders: Vec::new() })
}

/// Starts one server, without TLS and authentication, and waits until its controller accepts connections,
/// which is later than its line in the log.
///
/// # Errors
/// A server that does not start.
pub(crate) fn start_open(programs: &Programs) -> Result<Server> {
    let server = launch(programs, false)?;
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        match TcpStream::connect(("localhost", server.port())) {
            Ok(_) => return Ok(server),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("Pravega's controller accepts no connections");
            }
            #[expect(clippy::disallowed_methods, reason = "nothing tells when the controller listens")]
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Starts a server; a guarded one has TLS and authentication with one user.
fn launch(programs: &Programs, guarded: bool) -> Result<Server> {
    let folder = server::folder(if guarded { "pravega-guarded" } else { "pravega-open" })?;
    std::fs::write(folder.join("logback.xml"), LOGBACK)?;
    std::fs::write(folder.join("accounts"), ACCOUNTS)?;
    std::fs::write(folder.join("config"), "")?;
    if guarded {
        make_certificates(&folder)?;
    }
    Server::start(folder.clone(), READY, |ports| command(programs, &folder, ports, guarded))
}

fn command(programs: &Programs, folder: &Path, ports: [u16; 4], guarded: bool) -> Command {
    let [port, segment_store, zookeeper, health] = ports;
    let mut java = Command::new("java");
    java.args(["-Xms256m", "-Xmx2g", "-XX:MaxDirectMemorySize=1g"]);
    java.args(OPENS.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
    java.args(EXPORTS.map(|package| format!("--add-exports=java.base/{package}=ALL-UNNAMED")));
    for (setting, value) in [
        ("java.io.tmpdir", folder.display().to_string()),
        ("logback.configurationFile", folder.join("logback.xml").display().to_string()),
        ("singlenode.configurationFile", folder.join("config").display().to_string()),
        ("singlenode.controller.rpc.port", port.to_string()),
        ("singlenode.controller.rest.enable", "false".to_owned()),
        ("singlenode.segmentStore.port", segment_store.to_string()),
        ("singlenode.admin.gateway.enable", "false".to_owned()),
        ("singlenode.zk.port", zookeeper.to_string()),
        ("pravegaservice.zk.connect.uri", format!("localhost:{zookeeper}")),
        ("pravegaservice.rest.listener.port", health.to_string()),
    ] {
        java.arg(format!("-D{setting}={value}"));
    }
    if guarded {
        for (setting, file) in [
            ("auth.pwdAuthHandler.accountsDb", "accounts"),
            ("tls.privateKey", "key.pem"),
            ("tls.certificate", "certificate.pem"),
            ("tls.keyStore", "key.p12"),
            ("tls.keyStore.pwd", "password"),
            ("tls.trustStore", "trust.jks"),
        ] {
            java.arg(format!("-Dsinglenode.security.{setting}.location={}", folder.join(file).display()));
        }
        java.args([
            "-Dsinglenode.security.tls.enable=true",
            "-Dsinglenode.security.auth.enable=true",
            "-Dsinglenode.security.auth.credentials.username=kulya",
            "-Dsinglenode.security.auth.credentials.pwd=kulya",
        ]);
    }
    java.arg("-cp").arg(&programs.classpath).arg(MAIN);
    java
}

/// Creates a key and a self-signed certificate for the server's names.
fn make_certificates(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("password"), "kulyakulya")?;
    let run = |program: &str, line: &str| -> Result<()> {
        let output = Command::new(program).current_dir(folder).args(line.split(' ')).output();
        let output = output.with_context(|| {
            format!("{program} is not on the PATH; it creates the certificates of a Pravega with TLS")
        })?;
        ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run(
        "openssl",
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out certificate.pem -subj /CN=localhost \
         -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:0.0.0.0",
    )?;
    run("openssl", "pkcs12 -export -inkey key.pem -in certificate.pem -out key.p12 -passout file:password")?;
    run(
        "keytool",
        "-importcert -noprompt -alias kulya -file certificate.pem -keystore trust.jks -storetype JKS \
         -storepass kulyakulya",
    )
}
