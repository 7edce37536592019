//! Hostile and idle clients: the server's memory stays bounded, others are served, and it shuts down in time.

use crate::program::{Running, command, http, kulya, run};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

const MEGABYTE: u64 = 1 << 20;

/// Returns the server's resident memory and its peak, in bytes.
fn memory(server: &Running) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn host(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

/// Opens a connection and sends `text`.
fn send(url: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host(url)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Opens a connection, sends a request and reads the status line only.
fn request_unread(url: &str, path: &str) -> TcpStream {
    let mut stream = send(url, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(std::str::from_utf8(&status).unwrap(), "HTTP/1.1 200", "{path}");
    stream
}

/// Appends `count` events of almost 8 MiB, which are six times as large in JSON.
fn large_events(url: &str, count: usize) {
    assert_eq!(http("PUT", &format!("{url}/v2/streams/s/t"), "").0, 201);
    let event = "\u{1}".repeat((8 << 20) - 100);
    for _ in 0..count {
        assert_eq!(http("POST", &format!("{url}/v2/streams/s/t/events?key=k"), &event).0, 201);
    }
}

/// A client that writes HTTP/2 frames by hand.
struct Http2(TcpStream);

impl Http2 {
    /// Connects with an initial window size of 0, so that no response is read.
    fn without_windows(url: &str) -> Self {
        // SETTINGS: INITIAL_WINDOW_SIZE is 0
        Self(send(url, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).with(4, 0, 0, &[0, 4, 0, 0, 0, 0])
    }

    fn with(mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        self.frame(kind, flags, stream, payload).unwrap();
        self
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame)
    }

    /// Sends a GET, or a POST without its body.
    fn request(&mut self, stream: u32, path: &str, is_open: bool) -> std::io::Result<()> {
        // HPACK: the method and the scheme by their numbers, path and authority as they are
        let mut head = vec![if is_open { 0x83 } else { 0x82 }, 0x86, 0x04, path.len() as u8];
        head.extend(path.as_bytes());
        head.extend([0x01, 1, b'h']);
        self.frame(1, if is_open { 4 } else { 5 }, stream, &head)
    }
}

/// Responses that are not read are not buffered: reads and tails over both protocols.
#[test]
fn unread_responses_use_bounded_memory() {
    let folder = tempdir().unwrap();
    let (server, url) = Running::serve(&folder, &["--limit", "megabytes=100"]);
    large_events(&url, 3);
    let (before, _) = memory(&server);
    let mut unread = Vec::new();
    for _ in 0..40 {
        unread.push(request_unread(&url, "/v2/streams/s/t/events"));
        unread.push(request_unread(&url, "/v2/streams/s/t/tail?from=s/t@0.0:0"));
    }
    let mut streams = Http2::without_windows(&url);
    for number in 0..100 {
        streams.request(2 * number + 1, "/v2/streams/s/t/events", false).unwrap();
    }
    // all of those requests were sent before these
    for _ in 0..20 {
        let (status, _) = http("GET", &format!("{url}/ping"), "");
        assert_eq!(status, 200);
    }
    let (_, peak) = memory(&server);
    let grown = peak.saturating_sub(before) / MEGABYTE;
    assert!(grown < 125, "{grown} MB more than before, with a limit of 100");
    drop((unread, streams));
}

/// Lists of schemas are streamed, as events are.
#[test]
fn unread_schema_lists_use_bounded_memory() {
    let folder = tempdir().unwrap();
    let (server, url) = Running::serve(&folder, &["--limit", "megabytes=100"]);
    let group = r#"{"serializationFormat":{"serializationFormat":"Json"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true}"#;
    assert_eq!(http("PUT", &format!("{url}/v2/groups/g"), group).0, 201);
    let text = "x".repeat(6 << 20);
    for number in 0..3 {
        let schema = format!(
            r#"{{"type":"T{number}","serializationFormat":{{"serializationFormat":"Json"}},"schema":{{"description":"{text}"}}}}"#
        );
        let (status, why) = http("POST", &format!("{url}/v2/groups/g/schemas"), &schema);
        assert_eq!(status, 201, "{why}");
    }
    let (before, _) = memory(&server);
    let host = url.strip_prefix("http://").unwrap();
    let unread: Vec<_> = (0..40)
        .flat_map(|_| ["/v1/groups/g/history", "/v1/groups/g/schemas", "/v2/export"])
        .map(|path| {
            let mut stream = TcpStream::connect(host).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
            stream
        })
        .collect();
    // all of those requests were sent before these
    for path in ["/ping", "/ping", "/v1/groups/g"] {
        assert_eq!(http("GET", &format!("{url}{path}"), "").0, 200);
    }
    let (status, _) = http("GET", &format!("{url}/v1/groups/g/history"), "");
    assert!(status == 200 || status == 503, "{status}");
    drop(unread);
    // a client that reads gets the whole response once the others are closed
    let history = loop {
        let (status, history) = http("GET", &format!("{url}/v1/groups/g/history"), "");
        if status == 200 {
            break history;
        }
        assert_eq!(status, 503);
    };
    assert!(history.len() > 3 * (8 << 20) && history.contains(r#""type":"T2""#), "{} bytes", history.len());
    let (_, peak) = memory(&server);
    let grown = peak.saturating_sub(before) / MEGABYTE;
    assert!(grown < 125, "{grown} MB more than before, with a limit of 100");
}

#[test]
fn slowly_read_tail_returns_the_whole_event() {
    let folder = tempdir().unwrap();
    let (_server, url) = Running::serve(&folder, &[]);
    large_events(&url, 1);
    let (status, line) = http("GET", &format!("{url}/v2/streams/s/t/events"), "");
    assert_eq!((status, line.matches("\\u0001").count()), (200, (8 << 20) - 100));
    let mut tail = request_unread(&url, "/v2/streams/s/t/tail?from=s/t@0.0:0");
    let (mut found, mut rest, mut bytes) = (0, Vec::new(), vec![0; 100_000]);
    while found < (8 << 20) - 100 {
        let read = tail.read(&mut bytes).unwrap();
        assert!(read > 0, "after {found}");
        rest.extend_from_slice(&bytes[..read]);
        found += rest.windows(6).filter(|six| six == b"\\u0001").count();
        rest.drain(..rest.len().saturating_sub(5));
    }
}

/// Requests whose bodies do not arrive time out, and others are served meanwhile.
#[test]
fn slow_bodies_time_out_and_do_not_block_others() {
    let folder = tempdir().unwrap();
    let limits = "body-seconds=2,head-seconds=2,connections=40,requests=60";
    let (_server, url) = Running::serve(&folder, &["--limit", limits]);
    assert_eq!(http("PUT", &format!("{url}/v2/streams/s/t"), "").0, 201);
    let post = "POST /v2/streams/s/t/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx";
    let mut open: Vec<_> = (0..20).map(|_| send(&url, post)).collect();
    let mut head = send(&url, "GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ");
    let mut many = Http2::without_windows(&url);
    for number in 0..100 {
        many.request(2 * number + 1, "/v2/streams/s/t/events", true).unwrap();
    }
    assert_eq!(http("GET", &format!("{url}/ping"), "").0, 200, "while they are open");
    for stream in &mut open {
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 408 ") && response.contains("too slowly"), "{response}");
    }
    let mut response = String::new();
    let _ = head.read_to_string(&mut response);
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 408 "), "{response}");
}

/// Above the limit of connections, idle ones are closed for new ones.
#[test]
fn idle_connections_are_closed_for_new_ones() {
    let folder = tempdir().unwrap();
    let (_server, url) = Running::serve(&folder, &["--limit", "connections=10"]);
    let idle: Vec<_> = (0..30).map(|_| TcpStream::connect(host(&url)).unwrap()).collect();
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(host(&url))?;
        stream.write_all(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response.starts_with("HTTP/1.1 200 "))
    };
    // a fresh connection is not closed: then the address is at its limit and this one is rejected
    while !ping().unwrap_or(false) {}
    assert_eq!(idle.len(), 30, "they are still open on this side");
}

/// Rapid reset of HTTP/2 streams, and a flood of pings.
#[test]
fn floods_of_frames_do_not_block_others() {
    let folder = tempdir().unwrap();
    let (server, url) = Running::serve(&folder, &[]);
    let (before, _) = memory(&server);
    for _ in 0..5 {
        let mut flood = Http2::without_windows(&url);
        // the server may close at any time
        let _ = (0..5000_u32).try_for_each(|number| {
            flood.request(2 * number + 1, "/ping", false)?;
            flood.frame(3, 0, 2 * number + 1, &[0, 0, 0, 8])
        });
        let mut pings = Http2::without_windows(&url);
        let _ = (0..20_000).try_for_each(|_| pings.frame(6, 0, 0, &[7; 8]));
        assert_eq!(http("GET", &format!("{url}/ping"), "").0, 200);
    }
    let grown = memory(&server).1.saturating_sub(before) / MEGABYTE;
    assert!(grown < 50, "{grown} MB");
}

/// A signal stops the server in time, with success and with every acknowledged event, whatever clients do.
#[test]
fn signal_stops_the_server_in_time() {
    for signal in ["TERM", "INT"] {
        let folder = tempdir().unwrap();
        let (mut server, url) = Running::serve(&folder, &[]);
        large_events(&url, 1);
        assert_eq!(http("PUT", &format!("{url}/v2/streams/s/small"), "").0, 201);
        let mut hostile = vec![
            TcpStream::connect(host(&url)).unwrap(),
            send(&url, "GET /ping HTTP/1.1\r\n"),
            send(
                &url,
                "POST /v2/streams/s/t/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\nx",
            ),
        ];
        for _ in 0..20 {
            hostile.push(request_unread(&url, "/v2/streams/s/t/events"));
            hostile.push(request_unread(&url, "/v2/streams/s/t/tail?from=s/t@0.0:0"));
            hostile.push(request_unread(&url, "/v2/streams/s/small/tail"));
        }
        let mut streams = Http2::without_windows(&url);
        for number in 0..50 {
            streams.request(2 * number + 1, "/v2/streams/s/t/events", number % 2 == 0).unwrap();
        }
        let (is_over, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let (url, is_over, stored) = (url.clone(), Arc::clone(&is_over), Arc::clone(&stored));
                std::thread::spawn(move || {
                    while !is_over.load(Ordering::SeqCst) && append(&url) {
                        stored.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        while stored.load(Ordering::SeqCst) < 20 {
            std::thread::yield_now();
        }
        let started = Instant::now();
        server.signal(signal);
        let code = server.child.wait().unwrap().code();
        let took = started.elapsed();
        is_over.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(code, Some(0), "{signal}");
        // five seconds are promised; test machines are slow
        assert!(took < Duration::from_secs(9), "{signal}: {took:?}");
        let events = kulya(&folder, &["stream", "read", "s/small", "--output", "text"]);
        let (events, stored) = (events.lines().count(), stored.load(Ordering::SeqCst));
        assert!(
            (stored..=stored + 4).contains(&events),
            "{signal}: {stored} were acknowledged, {events} exist"
        );
    }
}

/// Appends an event; returns whether it was acknowledged.
fn append(url: &str) -> bool {
    let respond = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(host(url))?;
        stream.write_all(
            b"POST /v2/streams/s/small/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    };
    respond().is_ok_and(|response| response.starts_with("HTTP/1.1 201 "))
}

fn lines(folder: &TempDir, name: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn access_log_has_each_request_with_its_id() {
    let folder = tempdir().unwrap();
    let access_log = ["--access-log", "json", "--access-log-file", "access.jsonl", "--limit", "megabytes=1"];
    let (mut server, url) = Running::serve(&folder, &access_log);
    let mut stream = send(
        &url,
        "GET /v2/streams/nowhere?x=hidden HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: mine-1\r\nConnection: close\r\n\r\n",
    );
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.to_lowercase().contains("x-request-id: mine-1\r\n"), "{response}");
    let appended =
        run(&mut command(folder.path(), &["stream", "append", "s/t", "--text", "one", "--url", &url]));
    assert_eq!(appended.code, Some(0), "{appended:?}");
    // above the memory limit: rejected, and logged with its id
    let large = "x".repeat(2_000_000);
    let (status, body) = http("POST", &format!("{url}/v2/streams/s/t/events"), &large);
    assert!(status == 503 && body.contains("no room"), "{status} {body}");
    let log = server.wait_for("a request was refused");
    assert!(log.contains("request{id=") && log.contains("/v2/streams/s/t/events"), "{log}");
    assert_eq!(server.interrupt(), Some(0));
    let lines = lines(&folder, "access.jsonl");
    let found = |name: &str, value: &str| lines.iter().find(|line| line[name] == value).unwrap().clone();
    let mine = found("request_id", "mine-1");
    assert_eq!((&mine["path"], &mine["status"]), (&"/v2/streams/nowhere".into(), &404.into()), "{mine}");
    assert_eq!((&mine["protocol"], &mine["complete"]), (&"HTTP/1.1".into(), &true.into()), "{mine}");
    // the first commit found no stream, which was created then
    let commit = lines.iter().rfind(|line| line["path"] == "/kulya.store.v1.StreamStore/Commit").unwrap();
    assert_eq!((&commit["grpc_status"], &commit["protocol"]), (&0.into(), &"HTTP/2".into()), "{commit}");
    assert!(lines.iter().any(|line| line["status"] == 503), "{lines:?}");
    assert!(!format!("{lines:?}").contains("hidden"), "query strings are not logged");
}

#[test]
fn denied_requests_do_not_fill_the_disk() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("accounts"), "admin:-:prn::*,READ_UPDATE\n").unwrap();
    let args = ["--accounts", "accounts", "--audit-log", "audit.jsonl", "--access-log", "common"];
    let (server, url) = Running::serve(&folder, &[&args[..], &["--access-log-file", "access"]].concat());
    let mut stream = TcpStream::connect(host(&url)).unwrap();
    let long = "A".repeat(50_000);
    let mut response = [0; 4096];
    for _ in 0..200 {
        let head = "Host: 127.0.0.1\r\nContent-Type: application/grpc\r\nContent-Length: 0";
        write!(stream, "POST /{long} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        assert!(stream.read(&mut response).unwrap() > 0);
    }
    assert_eq!(server.interrupt(), Some(0));
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(
        size("audit.jsonl") < 200 * 300 && size("access") < 200 * 500,
        "{} {}",
        size("audit.jsonl"),
        size("access")
    );
    let denied: u64 =
        lines(&folder, "audit.jsonl").iter().map(|line| line["refused"].as_u64().unwrap_or(1)).sum();
    assert_eq!(denied, 200, "each is counted");
}
