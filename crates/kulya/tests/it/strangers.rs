//! Who comes to the program and should not: pages in somebody's browser, and whoever guesses passwords.

use crate::program::{Running, command};
use kulya_auth::{PasswordHash, account};
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

fn serve(folder: &TempDir, args: &[&str]) -> (Running, SocketAddr) {
    let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
    let mut running = Running::start(&mut command(folder.path(), &args));
    let mut line = String::new();
    running.out.read_line(&mut line).unwrap();
    let url = line.split([' ', ',']).find(|word| word.starts_with("http")).unwrap();
    let address = url.trim_start_matches("http://").parse().unwrap();
    (running, address)
}

/// What a request is answered, written out as it is sent.
fn status(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> u16 {
    let mut connection = TcpStream::connect(address).unwrap();
    let length = format!("Content-Length: {}", body.len());
    let head = [&[line], headers, &[length.as_str(), "Connection: close"]].concat().join("\r\n");
    write!(connection, "{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn a_page_in_a_browser_reads_and_changes_nothing() {
    let folder = tempdir().unwrap();
    let (server, address) =
        serve(&folder, &["--allowed-host", "kulya.test", "--allowed-origin", "http://ours.test"]);
    let own = format!("Host: {address}");
    let of = |line: &str, headers: &[&str], body: &str| status(address, line, headers, body);
    let ours =
        |line: &str, headers: &[&str], body: &str| of(line, &[&[own.as_str()], headers].concat(), body);
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
    const JSON: &str = "Content-Type: application/json";
    const GROUP: &str = r#"{"groupName":"g","groupProperties":{"serializationFormat":{"serializationFormat":"Any"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true,"properties":{}}}"#;
    // as the README has it, and as the Java client sends it
    assert_eq!(ours("PUT /v2/streams/shop/clicks HTTP/1.1", &[], ""), 201);
    assert_eq!(ours("POST /v2/streams/shop/clicks/events?key=anna HTTP/1.1", &[FORM], "hello"), 201);
    assert_eq!(ours("POST /v1/groups HTTP/1.1", &[JSON], GROUP), 201);
    for host in ["Host: localhost", "Host: localhost:9092", "Host: [::1]:9092", "Host: KULYA.test:80"] {
        assert_eq!(of("GET /v1/groups HTTP/1.1", &[host], ""), 200, "{host}");
    }
    // another name that leads here, for reading and for changing
    for line in ["GET /v1/groups", "GET /v2/groups", "DELETE /v1/groups/g", "GET /ping", "GET /nowhere"] {
        for host in ["Host: evil.example", "Host: evil.example:9092", "Host: localhost.evil.example"] {
            assert_eq!(of(&format!("{line} HTTP/1.1"), &[host], ""), 403, "{line} {host}");
        }
    }
    assert_eq!(of("GET http://evil.example/v1/groups HTTP/1.1", &[own.as_str()], ""), 403);
    // another site's page, with what needs no question before it
    const EVIL: &str = "Origin: http://evil.example";
    for headers in
        [&[EVIL][..], &["Origin: null"], &["Sec-Fetch-Site: cross-site"], &["Sec-Fetch-Site: same-site"]]
    {
        for (line, body) in [
            ("POST /v2/streams/shop/clicks/events", "forged"),
            ("POST /v2/streams/shop/clicks/events?key=a", ""),
            ("GET /v2/streams/shop/clicks/events", ""),
            ("GET /v2/export", ""),
            ("DELETE /v1/groups/g", ""),
        ] {
            for kind in [FORM, "Content-Type: text/plain"] {
                let headers = [headers, &[kind]].concat();
                assert_eq!(ours(&format!("{line} HTTP/1.1"), &headers, body), 403, "{line} {headers:?}");
            }
        }
    }
    let page = ["Origin: http://ours.test", "Sec-Fetch-Site: cross-site"];
    assert_eq!(ours("GET /v1/groups HTTP/1.1", &page, ""), 200, "a page that is listed");
    let link = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"];
    assert_eq!(ours("GET /v2/openapi.json HTTP/1.1", &link, ""), 200, "a link that somebody follows");
    // what a page can send without asking is not what changes are sent as
    for (line, expected) in [
        ("POST /v1/groups", 415),
        ("PUT /v2/groups/h", 415),
        ("POST /v2/import", 415),
        ("POST /kulya.store.v1.StreamStore/ListScopes", 415),
        ("POST /kulya.registry.v1.SchemaRegistry/ListGroups", 415),
    ] {
        for kind in ["Content-Type: text/plain", FORM, "Content-Type: multipart/form-data"] {
            assert_eq!(ours(&format!("{line} HTTP/1.1"), &[kind], GROUP), expected, "{line} {kind}");
        }
    }
    assert_eq!(ours("GET /v1/groups/g HTTP/1.1", &[], ""), 200, "it is still there");
    assert_eq!(server.interrupt(), Some(0));
}

/// One request with a password, from an address of this machine.
async fn log_in(server: SocketAddr, from: &str, user: &str, password: &str) -> u16 {
    use base64::Engine;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut connection = socket.connect(server).await.unwrap();
    let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let request = format!(
        "GET /ping HTTP/1.1\r\nHost: {server}\r\nAuthorization: Basic {token}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// What counts is how many passwords of others are hashed before mine: each takes its time.
#[test]
fn who_guesses_passwords_keeps_nobody_out() {
    const GUESSES: usize = 600;
    let folder = tempdir().unwrap();
    let mut accounts = String::new();
    for user in ["anna", "bob", "root"] {
        let hash = PasswordHash::new(b"1111_aaaa", [7; 32], NonZeroU32::new(20_000).unwrap());
        accounts += &(account::line(user, &hash, "prn::*,READ").unwrap() + "\n");
    }
    std::fs::write(folder.path().join("accounts"), accounts).unwrap();
    let (server, address) = serve(&folder, &["--accounts", "accounts"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert_eq!(log_in(address, "127.0.0.1", "bob", "1111_aaaa").await, 200);
        let hashed = Arc::new(AtomicUsize::new(0));
        let (first, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let guesses: Vec<_> = (0..GUESSES)
            .map(|n| {
                let (hashed, first) = (Arc::clone(&hashed), first.clone());
                tokio::spawn(async move {
                    let status = log_in(address, "127.0.0.2", "root", &format!("guess{n}")).await;
                    if status == 401 {
                        hashed.fetch_add(1, Ordering::SeqCst);
                        let _ = first.send(());
                    }
                    status
                })
            })
            .collect();
        begun.recv().await.unwrap();
        let before = hashed.load(Ordering::SeqCst);
        assert_eq!(
            log_in(address, "127.0.0.3", "anna", "1111_aaaa").await,
            200,
            "a first login from elsewhere"
        );
        let between = hashed.load(Ordering::SeqCst) - before;
        assert!(between <= 5, "{between} guesses were hashed before a right password");
        assert_eq!(log_in(address, "127.0.0.1", "bob", "1111_aaaa").await, 200, "who is known goes on");
        let mut refused = 0;
        for guess in guesses {
            let status = guess.await.unwrap();
            assert!(status == 401 || status == 429, "{status}");
            refused += usize::from(status == 429);
        }
        // all of them at once: at most what may fail at once, and what time gives back meanwhile
        assert!(refused >= GUESSES / 2, "{refused} of {GUESSES} were sent away before they were hashed");
        assert_eq!(log_in(address, "127.0.0.2", "anna", "1111_aaaa").await, 200, "their neighbours, too");
    });
    assert_eq!(server.interrupt(), Some(0));
}
