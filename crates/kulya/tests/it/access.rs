//! Access control of the server: TLS, accounts, tokens, limits and the audit log.

use crate::program::{Ran, Running, command, run};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::tempdir;

/// Runs the program with something on its standard input.
fn with_input(folder: &Path, args: &[&str], input: &str) -> Ran {
    let mut command = command(folder, args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn user_is_authenticated_over_tls_and_audited() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    write("server.pem", &cert.pem());
    write("server.key", &signing_key.serialize_pem());
    let add = |user: &str, acl: &str| {
        let args = ["account", "add", user, acl, "--iterations", "1000"];
        let ran = with_input(folder.path(), &args, "1111_aaaa\n");
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
        ran.out
    };
    write("accounts", &(add("admin", "prn::*,READ_UPDATE") + &add("reader", "prn::/scope:s/*,READ")));
    write("password", "1111_aaaa\n");
    write(
        "kulya.toml",
        "audit-log = \"audit.jsonl\"\n[tls]\ncertificate = \"server.pem\"\nprivate-key = \"server.key\"\n[auth]\naccounts = \"nobody\"\n",
    );
    let (server, url) = Running::serve(&folder, &["--accounts", "accounts", "--limit", "connections=50"]);
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let stream = |user: &[&str], args: &[&str]| {
        let connection = ["--url", url.as_str(), "--ca", "server.pem"];
        run(&mut command(folder.path(), &[&["stream"], args, &connection, user].concat()))
    };
    let (admin, reader) = (
        ["--user", "admin", "--password-file", "password"],
        ["--user", "reader", "--password-file", "password"],
    );
    let append = ["append", "s/t", "--text", "one"];
    let ran = stream(&admin, &append);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = stream(&reader, &["read", "s/t", "--output", "text"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "one\n"), "{ran:?}");
    let ran = stream(&reader, &append);
    assert!(ran.code == Some(1) && ran.err.contains("permission denied"), "{ran:?}");
    let ran = stream(&[], &append);
    assert!(ran.code == Some(1) && ran.err.contains("authentication failed"), "{ran:?}");
    assert_eq!(server.interrupt(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    for part in [
        r#""caller":"admin","by":"password""#,
        r#""operation":"Commit","resource":"prn::/scope:s/stream:t","permission":"READ_UPDATE","allowed":true,"status":0}"#,
        r#""caller":"reader""#,
        r#""allowed":false,"status":7}"#,
        r#""allowed":false,"status":16}"#,
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    assert!(!log.contains("1111_aaaa") && !log.contains("MTExMV9hYWFh"), "{log}");
}

/// A token issuer whose key set is served at a URL.
struct Issuer {
    key: Ed25519KeyPair,
    url: String,
    /// Requests of the key set.
    requests: Arc<AtomicUsize>,
}

impl Issuer {
    fn start() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] }).to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut line = String::new();
                std::io::BufReader::new(&connection).read_line(&mut line).unwrap();
                assert!(line.starts_with("GET /keys "), "{line}");
                count.fetch_add(1, Ordering::SeqCst);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", keys.len());
                write!(connection, "{head}\r\n\r\n{keys}").unwrap();
            }
        });
        Self { key, url, requests }
    }

    /// Returns a token that expires in two thousand years.
    fn token(&self, key_id: &str, subject: &str, acl: &str) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({ "iss": "https://issuer", "aud": "kulya", "sub": subject, "exp": 64_060_588_800_u64, "acl": acl });
        let message = format!("{}.{}", part(json!({ "alg": "EdDSA", "kid": key_id })), part(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes())))
    }
}

#[test]
fn tokens_of_an_issuer_are_verified() {
    let folder = tempdir().unwrap();
    let issuer = Issuer::start();
    let settings = format!(
        "audit-log = \"audit.jsonl\"\n[auth]\njwks = \"{}\"\nissuer = \"https://issuer\"\naudience = \"kulya\"\nacl-claim = \"acl\"\n",
        issuer.url
    );
    std::fs::write(folder.path().join("kulya.toml"), settings).unwrap();
    let (server, url) = Running::serve(&folder, &[]);
    let append = |token: &str| {
        std::fs::write(folder.path().join("token"), token).unwrap();
        let args = ["stream", "append", "s/t", "--text", "one", "--url", &url, "--token-file", "token"];
        run(&mut command(folder.path(), &args))
    };
    let ran = append(&issuer.token("1", "robot", "prn::*,READ_UPDATE"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = append(&issuer.token("1", "reader", "prn::*,READ"));
    assert!(ran.code == Some(1) && ran.err.contains("permission denied"), "{ran:?}");
    let forged = issuer.token("1", "robot", "prn::*,READ_UPDATE").replace('.', ".a");
    for token in [forged.as_str(), &Issuer::start().token("1", "robot", "prn::*,READ_UPDATE"), "no token"] {
        let ran = append(token);
        assert!(ran.code == Some(1) && ran.err.contains("authentication failed"), "{token}: {ran:?}");
    }
    // unknown key ids do not make the server reload the key set each time
    for number in 2..5 {
        let ran = append(&issuer.token(&number.to_string(), "robot", "prn::*,READ_UPDATE"));
        assert!(ran.code == Some(1) && ran.err.contains("authentication failed"), "{ran:?}");
    }
    assert!(
        (1..=2).contains(&issuer.requests.load(Ordering::SeqCst)),
        "{}",
        issuer.requests.load(Ordering::SeqCst)
    );
    assert_eq!(server.interrupt(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert!(log.contains(r#""caller":"robot","by":"token""#), "{log}");
}

#[test]
fn account_lines_from_a_password() {
    let folder = tempdir().unwrap();
    let hash = with_input(folder.path(), &["account", "hash", "--iterations", "5000"], "1111_aaaa\nmore\n");
    assert_eq!((hash.code, hash.out.trim().len()), (Some(0), 396), "{hash:?}");
    let again = with_input(folder.path(), &["account", "hash", "--iterations", "5000"], "1111_aaaa");
    assert_ne!(hash.out, again.out, "each has its own salt");
    for (args, input, message) in [
        (vec!["account", "hash"], "", "empty"),
        (vec!["account", "add", "a:b"], "x", "a:b"),
        (vec!["account", "add", "a", "prn::/x,WRITE"], "x", "WRITE"),
    ] {
        let rejected = with_input(folder.path(), &args, input);
        assert!(rejected.code == Some(1) && rejected.err.contains(message), "{rejected:?}");
    }
}

#[test]
fn invalid_access_options_are_rejected_at_startup() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("accounts"), "# mine\nadmin:hidden:*,READ\n").unwrap();
    for (args, message) in [
        (vec!["--accounts", "accounts"], "line 2"),
        (vec!["--accounts", "nowhere"], "nowhere"),
        (vec!["--tls-certificate", "accounts"], "both a certificate"),
        (vec!["--tls-certificate", "accounts", "--tls-key", "accounts"], "no certificate"),
        (vec!["--limit", "connections=many"], "connections=many"),
        (vec!["--jwks", "accounts", "--issuer", "i", "--audience", "a"], "invalid JSON"),
    ] {
        let ran =
            run(&mut command(folder.path(), &[&["serve", "--listen", "127.0.0.1:0"], &args[..]].concat()));
        assert!(ran.code == Some(1) && ran.err.contains(message), "{args:?}: {ran:?}");
        assert!(!ran.err.contains("hidden") && ran.err.lines().count() == 1, "{args:?}: {ran:?}");
    }
}
