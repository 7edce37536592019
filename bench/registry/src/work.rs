//! The work that every subject gets, and the client that asks.

use crate::measure::Fallible;
use crate::subject::Subject;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_registry::Registry;
use kulya_store::StreamStore;
use kulya_store::clock::SystemClock;
use kulya_store_embedded::EmbeddedStore;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: u64 = 16;
const READS: u64 = 200_000;
const ADDITIONS: u64 = 20_000;

/// One connection that is kept, and asks one thing at a time. As little of a client as there can be. The Java server ends a
/// connection after some hundred requests: then another one is made.
pub struct Connection {
    address: String,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Fallible<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address: address.to_owned(), stream, buffer: Vec::new() })
    }

    pub async fn get(&mut self, path: &str) -> Fallible<(u16, Vec<u8>)> {
        self.ask("GET", path, "").await
    }

    pub async fn ask(&mut self, method: &str, path: &str, body: &str) -> Fallible<(u16, Vec<u8>)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: registry\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if let Some(answer) = self.once(&request).await? {
            return Ok(answer);
        }
        *self = Self::open(&self.address).await?;
        self.once(&request).await?.ok_or_else(|| "the server closes every connection".into())
    }

    /// The answer; nothing when the server has closed the connection before it.
    async fn once(&mut self, request: &str) -> Fallible<Option<(u16, Vec<u8>)>> {
        self.buffer.clear();
        if self.stream.write_all(request.as_bytes()).await.is_err() {
            return Ok(None);
        }
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err("the server closed the connection".into()),
                read => read?,
            };
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        let body = self.buffer[head..head + length].to_vec();
        if text.contains("connection: close") {
            *self = Self::open(&self.address).await?;
        }
        Ok(Some((status, body)))
    }

    /// Asks, and expects a status.
    pub async fn expect(&mut self, status: u16, method: &str, path: &str, body: &str) -> Fallible<Vec<u8>> {
        let (got, answer) = self.ask(method, path, body).await?;
        if got == status {
            return Ok(answer);
        }
        Err(format!("{method} {path}: {got} {}", String::from_utf8_lossy(&answer)).into())
    }
}

/// A record of ten fields, one of which is this schema's own. `doc` changes the text and not the shape.
fn record(own: &str, doc: &str) -> String {
    record_with(own, doc, "")
}

/// The same, with a record and an array among its fields.
fn nested(own: &str) -> String {
    let customer = r#"{"name":"customer","type":{"type":"record","name":"Customer","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"city","type":["null","string"],"default":null}]}},"#;
    let lines = r#"{"name":"lines","type":{"type":"array","items":"string"},"default":[]},"#;
    record_with(own, "", &format!("{customer}{lines}"))
}

fn record_with(own: &str, doc: &str, more: &str) -> String {
    let mut fields = more.to_owned();
    for (number, kind) in
        ["long", "string", "int", "double", "boolean", "bytes", "float", "string", "long"].iter().enumerate()
    {
        fields += &format!(
            r#"{{"name":"field_{number}","type":"{kind}","default":{}}},"#,
            match *kind {
                "string" | "bytes" => "\"\"",
                "boolean" => "false",
                _ => "0",
            }
        );
    }
    format!(
        r#"{{"type":"record","name":"Order","namespace":"shop","doc":"{doc}","fields":[{fields}{{"name":"{own}","type":["null","string"],"default":null}}]}}"#
    )
}

fn schema_body(text: &str) -> String {
    let data = STANDARD.encode(text);
    format!(
        r#"{{"type":"shop.Order","serializationFormat":{{"serializationFormat":"Avro"}},"schemaData":"{data}","properties":{{}}}}"#
    )
}

fn group_body(name: &str, policy: &str) -> String {
    format!(
        r#"{{"groupName":"{name}","groupProperties":{{"serializationFormat":{{"serializationFormat":"Avro"}},"compatibility":{{"policy":"{policy}"}},"allowMultipleTypes":true,"properties":{{}}}}}}"#
    )
}

/// How many connections share how many requests.
pub struct Load {
    requests: u64,
}

impl Load {
    pub fn of(subject: &dyn Subject) -> Self {
        Self { requests: READS / subject.slower() }
    }
}

fn say(subject: &dyn Subject, what: &str, count: u64, seconds: f64, cpu: f64) {
    println!(
        "{:<44} {:>10.0} /s {:>8.1} µs cpu each {:>10.0} per cpu-second",
        format!("{}: {what}", subject.name()),
        count as f64 / seconds,
        cpu * 1e6 / count as f64,
        count as f64 / cpu
    );
}

/// GET of one schema by id.
pub async fn reads(subject: &dyn Subject, load: Load) -> Fallible {
    let mut connection = Connection::open(subject.address()).await?;
    connection.expect(201, "POST", "/v1/groups", &group_body("reads", "AllowAny")).await?;
    for number in 0..100 {
        let body = schema_body(&record(&format!("own_{number}"), ""));
        connection.expect(201, "POST", "/v1/groups/reads/schemas", &body).await?;
    }
    // a server that compiles while it runs gets its time to do so
    asked(subject, load.requests / 2).await?;
    let (began, cpu) = (Instant::now(), subject.cpu());
    asked(subject, load.requests).await?;
    say(
        subject,
        "GET by id, 16 connections",
        load.requests,
        began.elapsed().as_secs_f64(),
        subject.cpu() - cpu,
    );
    Ok(())
}

async fn asked(subject: &dyn Subject, requests: u64) -> Fallible {
    let mut tasks = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let address = subject.address().to_owned();
        tasks.spawn(async move {
            let told = |error: Box<dyn std::error::Error>| error.to_string();
            let mut asking = Connection::open(&address).await.map_err(told)?;
            for number in 0..requests / CONNECTIONS {
                let path = format!("/v1/groups/reads/schemas/schema/{}", (number + connection) % 100);
                let (status, _) = asking.get(&path).await.map_err(told)?;
                if status != 200 {
                    return Err(format!("{path}: {status}"));
                }
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Distinct schemas into sixteen groups at once, and into one.
pub async fn additions(subject: &dyn Subject) -> Fallible {
    let requests = ADDITIONS / subject.slower();
    for (what, groups) in
        [("add distinct schemas, 16 groups", CONNECTIONS), ("add distinct schemas, one group", 1)]
    {
        let mut connection = Connection::open(subject.address()).await?;
        for group in 0..groups {
            let body = group_body(&format!("additions-{groups}-{group}"), "Backward");
            connection.expect(201, "POST", "/v1/groups", &body).await?;
        }
        let (began, cpu) = (Instant::now(), subject.cpu());
        let mut tasks = JoinSet::new();
        for connection in 0..CONNECTIONS {
            let address = subject.address().to_owned();
            tasks.spawn(async move {
                let told = |error: Box<dyn std::error::Error>| error.to_string();
                let mut asking = Connection::open(&address).await.map_err(told)?;
                let path = format!("/v1/groups/additions-{groups}-{}/schemas", connection % groups);
                for number in 0..requests / CONNECTIONS {
                    let body = schema_body(&record(&format!("own_{connection}_{number}"), ""));
                    asking.expect(201, "POST", &path, &body).await.map_err(told)?;
                }
                Ok::<(), String>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        say(subject, what, requests, began.elapsed().as_secs_f64(), subject.cpu() - cpu);
    }
    Ok(())
}

/// The dry run of one more schema under BackwardTransitive: the median of some, behind a first that nobody remembers.
pub async fn checks(subject: &dyn Subject) -> Fallible {
    let most = 10_000 / subject.slower();
    type Version = fn(u64) -> String;
    let kinds: [(&str, &str, Version, Version); 3] = [
        (
            "flat",
            "of distinct shapes",
            |n| record(&format!("own_{n}"), ""),
            |n| record(&format!("new_{n}"), ""),
        ),
        (
            "nested",
            "of distinct nested shapes",
            |n| nested(&format!("own_{n}")),
            |n| nested(&format!("new_{n}")),
        ),
        (
            "alike",
            "that differ in documentation",
            |n| record("own", &n.to_string()),
            |n| record(&format!("new_{n}"), ""),
        ),
    ];
    for (name, what, old, new) in kinds {
        let group = format!("checks-{name}");
        let mut connection = Connection::open(subject.address()).await?;
        connection.expect(201, "POST", "/v1/groups", &group_body(&group, "AllowAny")).await?;
        let mut added = 0;
        for versions in [1, 100, 1_000, 10_000].into_iter().filter(|versions| *versions <= most) {
            while added < versions {
                let text = old(added);
                let path = format!("/v1/groups/{group}/schemas");
                connection.expect(201, "POST", &path, &schema_body(&text)).await?;
                added += 1;
            }
            let mut times = Vec::new();
            for number in 0..21 {
                let schema = schema_body(&new(number));
                let body =
                    format!(r#"{{"schemaInfo":{schema},"compatibility":{{"policy":"BackwardTransitive"}}}}"#);
                let path = format!("/v1/groups/{group}/schemas/versions/validate");
                let began = Instant::now();
                let answer = connection.expect(200, "POST", &path, &body).await?;
                times.push(began.elapsed().as_secs_f64() * 1e3);
                if answer != br#"{"valid":true}"# {
                    return Err(format!("not valid: {}", String::from_utf8_lossy(&answer)).into());
                }
            }
            let first = times.remove(0);
            times.sort_by(f64::total_cmp);
            println!(
                "{:<44} {:>10.2} ms, the first {first:.1} ms",
                format!("{}: check against {versions} {what}", subject.name()),
                times[times.len() / 2]
            );
        }
    }
    Ok(())
}

/// A folder with 1,000 groups of 100 schemas each.
pub async fn many(folder: &Path) -> Fallible {
    use kulya_registry_api::SchemaRegistry;
    use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
    let store: Arc<dyn StreamStore> = Arc::new(EmbeddedStore::open(folder)?);
    let registry = Arc::new(Registry::open(Arc::clone(&store), Arc::new(SystemClock)).await?);
    let mut tasks = JoinSet::new();
    for part in 0..64_u64 {
        let registry = Arc::clone(&registry);
        tasks.spawn(async move {
            for group in (part..1_000).step_by(64) {
                let id = GroupId::new("", format!("many-{group}"));
                let properties = GroupProperties::new(Format::Avro, Compatibility::AllowAny, true);
                registry.create_group(&id, properties).await.map_err(|e| e.to_string())?;
                for number in 0..100 {
                    let text = record(&format!("own_{number}"), &group.to_string());
                    let schema = SchemaInfo::new("shop.Order", Format::Avro, text);
                    registry.add_schema(&id, schema).await.map_err(|e| e.to_string())?;
                }
            }
            Ok::<(), String>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    store.close().await?;
    Ok(())
}
