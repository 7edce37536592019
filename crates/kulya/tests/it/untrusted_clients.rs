//! Untrusted clients of the server: pages of other origins in a browser, and password guessing.

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

/// Sends a request with these lines; returns the status of the response.
fn status(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> u16 {
    let mut connection = TcpStream::connect(address).unwrap();
    let length = format!("Content-Length: {}", body.len());
    let head = [&[line], headers, &[length.as_str(), "Connection: close"]].concat().join("\r\n");
    write!(connection, "{head}\r\n\r\n{body}").unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    response
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{response:?}"))
}

#[test]
fn cross_origin_pages_can_neither_read_nor_change() {
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
    // the README's requests, and the Java client's
    assert_eq!(ours("PUT /v2/streams/shop/clicks HTTP/1.1", &[], ""), 201);
    assert_eq!(ours("POST /v2/streams/shop/clicks/events?key=anna HTTP/1.1", &[FORM], "hello"), 201);
    assert_eq!(ours("POST /v1/groups HTTP/1.1", &[JSON], GROUP), 201);
    for host in ["Host: localhost", "Host: localhost:9092", "Host: [::1]:9092", "Host: KULYA.test:80"] {
        assert_eq!(of("GET /v1/groups HTTP/1.1", &[host], ""), 200, "{host}");
    }
    // DNS rebinding: another host name
    for line in ["GET /v1/groups", "GET /v2/groups", "DELETE /v1/groups/g", "GET /ping", "GET /nowhere"] {
        for host in ["Host: evil.example", "Host: evil.example:9092", "Host: localhost.evil.example"] {
            assert_eq!(of(&format!("{line} HTTP/1.1"), &[host], ""), 403, "{line} {host}");
        }
    }
    assert_eq!(of("GET http://evil.example/v1/groups HTTP/1.1", &[own.as_str()], ""), 403);
    // another origin's page, with requests that need no preflight
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
    assert_eq!(ours("GET /v1/groups HTTP/1.1", &page, ""), 200, "a page of an allowed origin");
    let link = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"];
    assert_eq!(ours("GET /v2/openapi.json HTTP/1.1", &link, ""), 200, "a navigation by a link");
    // content types that need no preflight are not accepted for changes
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
    assert_eq!(ours("GET /v1/groups/g HTTP/1.1", &[], ""), 200, "the group still exists");
    assert_eq!(server.interrupt(), Some(0));
}

/// Sends a request with a password from an address of this machine.
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
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    response
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{response:?}"))
}

/// Counts the guesses that are hashed before a correct login: each hash takes its time.
#[test]
fn password_guessing_does_not_block_other_logins() {
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
        let (first, mut started) = tokio::sync::mpsc::unbounded_channel();
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
        started.recv().await.unwrap();
        let before = hashed.load(Ordering::SeqCst);
        assert_eq!(
            log_in(address, "127.0.0.3", "anna", "1111_aaaa").await,
            200,
            "a first login from another address"
        );
        let between = hashed.load(Ordering::SeqCst) - before;
        assert!(between <= 5, "{between} guesses were hashed before a correct password");
        assert_eq!(
            log_in(address, "127.0.0.1", "bob", "1111_aaaa").await,
            200,
            "a known client is still served"
        );
        let mut rejected = 0;
        for guess in guesses {
            let status = guess.await.unwrap();
            assert!(status == 401 || status == 429, "{status}");
            rejected += usize::from(status == 429);
        }
        // concurrent guesses: at most the burst of failures, and what the rate allows meanwhile
        assert!(rejected >= GUESSES / 2, "{rejected} of {GUESSES} were rejected before they were hashed");
        assert_eq!(
            log_in(address, "127.0.0.2", "anna", "1111_aaaa").await,
            200,
            "another user of the same address"
        );
    });
    assert_eq!(server.interrupt(), Some(0));
}
