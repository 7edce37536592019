//! Slow and hostile clients on an address of their own (127.0.0.2), so that limits per address do not affect
//! the well-behaved: unread responses and tails, slow bodies and heads, garbage, expensive schemas, large
//! events, HTTP/2 windows of 0.

use super::monitor::Counts;
use kulya_testkit::SeededRng;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Concurrent clients.
const CLIENTS: u64 = 24;
/// Longest connection, in milliseconds.
const MAX_CONNECTION_MS: u64 = 8000;

/// Starts the clients; each opens one short connection after another until the runtime ends.
pub(super) fn start(url: &str, counts: &Arc<Counts>) {
    let server: SocketAddr = url.strip_prefix("http://").expect("an URL").parse().expect("an address");
    for seed in 0..CLIENTS {
        let counts = Arc::clone(counts);
        tokio::spawn(async move {
            let mut rng = SeededRng::new(seed);
            loop {
                let limit = Duration::from_millis(200 + rng.u64_below(MAX_CONNECTION_MS));
                let connection = connect(server, &mut rng);
                // any response is fine as long as others are served
                let _ = tokio::time::timeout(limit, connection).await;
                counts.add("hostile", 1);
            }
        });
    }
}

async fn connect(server: SocketAddr, rng: &mut SeededRng) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 2], 0).into())?;
    // unread responses stay in the server
    socket.set_recv_buffer_size(4096)?;
    let mut stream = socket.connect(server).await?;
    match rng.u64_below(11) {
        0 => unread(&mut stream, "/v2/streams/soak/by-size/events?limit=10000").await,
        1 => unread(&mut stream, "/v2/streams/soak/large/tail").await,
        2 => unread(&mut stream, "/v2/export").await,
        3 => {
            trickle(
                &mut stream,
                "POST /v2/streams/soak/large/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n",
            )
            .await
        }
        4 => trickle(&mut stream, "GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").await,
        5 => {
            let garbage: Vec<u8> = (0..4096).map(|_| rng.next_u8()).collect();
            stream.write_all(&garbage).await?;
            drain(&mut stream).await
        }
        6 => post(&mut stream, "/v2/groups/h/check?namespace=soak", &pattern_check()).await,
        7 => post(&mut stream, "/v2/groups/h/check?namespace=soak", &union_check()).await,
        8 => {
            let event = "\u{1}".repeat(2 << 20);
            post(&mut stream, "/v2/streams/soak/large/events?key=k", &event).await
        }
        9 => zero_window(&mut stream).await,
        // disconnects before the response
        _ => stream.write_all(b"GET /v2/search?field=f1_1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await,
    }
}

async fn unread(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).await?;
    std::future::pending().await
}

async fn trickle(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stream.write_all(b"x").await?;
    }
}

async fn post(stream: &mut TcpStream, path: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    drain(stream).await
}

async fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

fn check(format: &str, schema: &serde_json::Value) -> String {
    json!({
        "schemaInfo": {"type": "t", "serializationFormat": {"serializationFormat": format}, "schema": schema},
        "compatibility": {"policy": "FullTransitive"},
        "rules": {"kulya.rules": "strict"},
    })
    .to_string()
}

fn pattern_check() -> String {
    let patterns: serde_json::Map<_, _> =
        (0..200).map(|i| (format!("^(a+)+{i}$"), json!({"type": "integer"}))).collect();
    let properties: serde_json::Map<_, _> =
        (0..200).map(|i| (format!("{}{i}!", "a".repeat(40)), json!({"type": "string"}))).collect();
    check("Json", &json!({"type": "object", "patternProperties": patterns, "properties": properties}))
}

fn union_check() -> String {
    let records: Vec<_> = (0..2000)
        .map(|i| json!({"type": "record", "name": format!("r{i}"), "fields": [{"name": "a", "type": "int"}]}))
        .collect();
    check("Avro", &json!(records))
}

/// Sends fifty HTTP/2 requests with an initial window size of 0.
async fn zero_window(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    frame(&mut bytes, 4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let path = b"/v2/streams/soak/by-size/events?limit=10000";
    // indexed :method GET and :scheme http; literals :authority and :path
    let mut block = vec![0x82, 0x86, 0x01, 9];
    block.extend_from_slice(b"127.0.0.1");
    block.extend_from_slice(&[0x04, path.len() as u8]);
    block.extend_from_slice(path);
    for request in 0..50 {
        frame(&mut bytes, 1, 0x5, 1 + 2 * request, &block);
    }
    stream.write_all(&bytes).await?;
    drain(stream).await
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(payload);
}
