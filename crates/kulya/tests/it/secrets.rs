//! Secrets do not leak: every setting that may contain one has a marker here, and output, logs and files of
//! many runs are searched for it. Also: TLS mismatches and untrusted certificates are reported at once.

use crate::program::{Ran, Running, command, run};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::{TempDir, tempdir};

/// The secret.
const MARKER: &str = "hidden7marker";

/// Sets the environment variables of secrets to the marker.
fn with_secrets(command: &mut Command) -> &mut Command {
    for (name, value) in [
        ("KULYA_TOKEN", MARKER.to_owned()),
        ("KULYA_PASSWORD", MARKER.to_owned()),
        ("KULYA_POSTGRES", format!("postgres://me:{MARKER}@127.0.0.1:1/shop")),
        ("KULYA_POSTGRES_PASSWORD", MARKER.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", MARKER.to_owned()),
        ("AWS_ACCESS_KEY_ID", MARKER.to_owned()),
        ("AWS_SESSION_TOKEN", MARKER.to_owned()),
        ("pravega_client_auth_method", "Basic".to_owned()),
        ("pravega_client_auth_token", MARKER.to_owned()),
    ] {
        command.env(name, value);
    }
    command
}

fn assert_no_secret(ran: &Ran, what: &[&str]) {
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains(MARKER), "{what:?}: {ran:?}");
    }
}

fn assert_no_secret_in_files(folder: &Path, except: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_secret_in_files(&path, except);
        } else if !except.contains(&path.file_name().unwrap().to_str().unwrap()) {
            let bytes = std::fs::read(&path).unwrap();
            let has_secret = bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
            assert!(!has_secret, "{}", path.display());
        }
    }
}

#[test]
fn secrets_do_not_leak() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("secret", format!("{MARKER}\n"));
    write("accounts", format!("me:{MARKER}:*,READ\n"));
    write(
        "cdc.toml",
        format!(
            "[[cdc]]\nname = \"shop\"\nurl = \"postgres://me:{MARKER}@127.0.0.1:1/shop\"\nslot = \"Wrong Slot\"\n"
        ),
    );
    write("bad.toml", format!("[[cdc]]\npassword = \"{MARKER}\"\nurl = 7\n"));
    write("bad2.toml", format!("[[cdc]]\nurl = \"postgres://me:{MARKER}@h/d\"\nslott = \"x\"\n"));
    let postgres = |rest: &str| format!("postgres://me:{MARKER}{rest}");
    let urls: Vec<String> = [
        "@127.0.0.1:1/shop",
        "@127.0.0.1:port/shop",
        "x@y@127.0.0.1:1/shop",
        "@/shop",
        "@127.0.0.1:1/shop?nothing=1",
        "@127.0.0.1:1/shop?sslmode=require",
        "",
        "/@h/x",
    ]
    .iter()
    .map(|rest| postgres(rest))
    .collect();
    let token = format!("'security.auth-type' = 'Basic', 'security.auth-token' = '{MARKER}'");
    let catalogs = [
        format!(
            "CREATE CATALOG c WITH ('type' = 'pravega', 'controller-uri' = 'http://127.0.0.1:1', {token})"
        ),
        format!(
            "CREATE CATALOG c WITH ('type' = 'pravega', 'controller-uri' = 'http://me:{MARKER}@127.0.0.1:1')"
        ),
        format!(
            "CREATE CATALOG c WITH ('type' = 'pravega', 'schema-registry-uri' = 'http://me:{MARKER}@127.0.0.1:1')"
        ),
        format!("CREATE CATALOG c WITH ('type' = 'hive', {token})"),
    ];
    let mut lines: Vec<Vec<&str>> = vec![
        vec!["stream", "list", "--url", "http://127.0.0.1:1"],
        vec!["stream", "list", "--url", "http://127.0.0.1:1", "--user", "me"],
        vec!["stream", "list", "--url", "http://127.0.0.1:1", "--user", "me", "--password-file", "secret"],
        vec!["stream", "list", "--url", "http://127.0.0.1:1", "--token-file", "secret"],
        vec!["registry", "export", "--from-v1", "http://127.0.0.1:1", "--user", "me"],
        vec!["sql", "--url", "http://127.0.0.1:1", "-e", "SELECT 1"],
        vec!["cdc", "--data", "d"],
        vec!["cdc", "--config", "cdc.toml"],
        vec!["serve", "--config", "cdc.toml"],
        vec!["serve", "--config", "bad.toml"],
        vec!["serve", "--config", "bad2.toml"],
        vec!["serve", "--accounts", "accounts", "--listen", "127.0.0.1:0"],
    ];
    lines.extend(urls.iter().map(|url| vec!["cdc", "--data", "d", "--postgres", url.as_str()]));
    lines.extend(catalogs.iter().map(|text| vec!["sql", "-e", text.as_str()]));
    for line in &lines {
        let mut run_it = command(folder.path(), &[&line[..], &["--log", "trace"]].concat());
        let ran = run(with_secrets(&mut run_it));
        assert_eq!(ran.code, Some(1), "{line:?}: {ran:?}");
        assert_no_secret(&ran, line);
    }
    for help in [
        &["--help"][..],
        &["cdc", "--help"],
        &["serve", "--help"],
        &["sql", "-h"],
        &["stream", "read", "--help"],
    ] {
        let mut run_it = command(folder.path(), help);
        let ran = run(with_secrets(&mut run_it).env("KULYA_URL", format!("http://me:{MARKER}@h")));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_no_secret(&ran, help);
    }
    check_successful_runs(&folder);
    assert_no_secret_in_files(folder.path(), &["secret", "accounts", "cdc.toml", "bad.toml", "bad2.toml"]);
}

/// Checks a server where the marker is a user's password, and its clients.
fn check_successful_runs(folder: &TempDir) {
    let mut add = command(
        folder.path(),
        &[
            "account",
            "add",
            "me",
            "prn::/scope:_schemaregistry*,READ_UPDATE;prn::/scope:_kulya*,READ_UPDATE;prn::*,READ_UPDATE",
            "--iterations",
            "1000",
        ],
    );
    let mut child = add.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(MARKER.as_bytes()).unwrap();
    let line = child.wait_with_output().unwrap().stdout;
    std::fs::write(folder.path().join("known"), line).unwrap();
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "d",
        "--accounts",
        "known",
        "--audit-log",
        "audit.jsonl",
    ];
    let mut serve = command(folder.path(), &[&args[..], &["--log", "trace"]].concat());
    let (mut server, url) = Running::serving(with_secrets(&mut serve));
    // the log is read, or a full pipe would block the server
    let mut log = std::mem::replace(&mut server.err, std::io::BufReader::new(empty_stderr()));
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut log, &mut text).unwrap();
        text
    });
    for line in [
        &["stream", "append", "s/t", "--text", "x"][..],
        &["stream", "read", "s/t"],
        &["registry", "group", "list"],
        &["sql", "-e", "SELECT 1"],
    ] {
        let connection = ["--url", url.as_str(), "--user", "me", "--log", "trace"];
        let mut run_it = command(folder.path(), &[line, &connection].concat());
        let ran = run(with_secrets(&mut run_it));
        assert_eq!(ran.code, Some(0), "{line:?}: {ran:?}");
        assert_no_secret(&ran, line);
    }
    let list = std::fs::read(format!("/proc/{}/cmdline", server.child.id())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&list).contains(MARKER));
    assert_eq!(server.interrupt(), Some(0));
    let log = log.join().unwrap();
    assert!(!log.contains(MARKER), "{log}");
}

/// Returns the standard error of a process without output.
fn empty_stderr() -> std::process::ChildStderr {
    let mut child = Command::new("true").stderr(Stdio::piped()).spawn().unwrap();
    let err = child.stderr.take().unwrap();
    child.wait().unwrap();
    err
}

#[test]
fn tls_mismatches_are_reported_at_once() {
    let folder = tempdir().unwrap();
    let certificate = |name: &str| {
        let names = vec![name.to_owned()];
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    };
    let ((own, key), (other, _)) = (certificate("127.0.0.1"), certificate("127.0.0.1"));
    let (elsewhere, elsewhere_key) = certificate("elsewhere.example");
    for (name, text) in [
        ("own.pem", &own),
        ("key.pem", &key),
        ("other.pem", &other),
        ("else.pem", &elsewhere),
        ("else.key", &elsewhere_key),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let serving = |args: &[&str]| {
        let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        let mut running = Running::start(&mut command(folder.path(), &args));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut running.out, &mut line).unwrap();
        let url = line.split([' ', ',']).find(|word| word.starts_with("http")).unwrap().to_owned();
        let host = url.split_once("://").unwrap().1.to_owned();
        (running, host)
    };
    let (secure, secure_host) =
        serving(&["--data", "a", "--tls-certificate", "own.pem", "--tls-key", "key.pem"]);
    let (named, named_host) =
        serving(&["--data", "b", "--tls-certificate", "else.pem", "--tls-key", "else.key"]);
    let (plain, plain_host) = serving(&["--data", "c"]);
    for (url, ca, message) in [
        (format!("https://{secure_host}"), "other.pem", "not signed by the given authority"),
        (format!("https://{named_host}"), "else.pem", "for another name"),
        (format!("https://{plain_host}"), "own.pem", "speaks no TLS: write http://"),
        (format!("http://{secure_host}"), "", "write https://"),
    ] {
        for line in [&["stream", "list"][..], &["registry", "namespaces"]] {
            let mut args = [line, &["--url", &url]].concat();
            if !ca.is_empty() {
                args.extend(["--ca", ca]);
            }
            let ran = run(&mut command(folder.path(), &args));
            assert!(ran.code == Some(1) && ran.err.contains(message), "{args:?}: {ran:?}");
            assert!(!ran.err.contains("no Kulya answers"), "it was not retried: {ran:?}");
        }
    }
    let args = ["stream", "list", "--url", &format!("https://{secure_host}"), "--ca", "own.pem"];
    let ran = run(&mut command(folder.path(), &args));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for server in [secure, named, plain] {
        assert_eq!(server.interrupt(), Some(0));
    }
}
