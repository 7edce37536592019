//! The workload of every registry.

use crate::connection::Connection;
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
use tokio::task::JoinSet;

const CONNECTIONS: u64 = 16;
const READS: u64 = 200_000;
const ADDITIONS: u64 = 20_000;

/// Returns a record of ten fields, one of them with the name `own`. `doc` changes the text but not the
/// canonical form.
fn record(own: &str, doc: &str) -> String {
    record_with(own, doc, "")
}

/// Like [`record`], with a nested record and an array.
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

/// The number of requests of all connections.
pub struct Load {
    requests: u64,
}

impl Load {
    pub fn of(subject: &dyn Subject) -> Self {
        Self { requests: READS / subject.slowdown() }
    }
}

fn report(subject: &dyn Subject, what: &str, count: u64, seconds: f64, cpu: f64) {
    println!(
        "{:<44} {:>10.0} /s {:>8.1} µs cpu each {:>10.0} per cpu-second",
        format!("{}: {what}", subject.name()),
        count as f64 / seconds,
        cpu * 1e6 / count as f64,
        count as f64 / cpu
    );
}

/// Reads schemas by id.
pub async fn reads(subject: &dyn Subject, load: Load) -> Fallible {
    let mut connection = Connection::open(subject.address()).await?;
    connection.expect(201, "POST", "/v1/groups", &group_body("reads", "AllowAny")).await?;
    for number in 0..100 {
        let body = schema_body(&record(&format!("own_{number}"), ""));
        connection.expect(201, "POST", "/v1/groups/reads/schemas", &body).await?;
    }
    // warm-up for just-in-time compilation
    send_reads(subject, load.requests / 2).await?;
    let (started, cpu) = (Instant::now(), subject.cpu());
    send_reads(subject, load.requests).await?;
    report(
        subject,
        "GET by id, 16 connections",
        load.requests,
        started.elapsed().as_secs_f64(),
        subject.cpu() - cpu,
    );
    Ok(())
}

async fn send_reads(subject: &dyn Subject, requests: u64) -> Fallible {
    let mut tasks = JoinSet::new();
    for number_of_connection in 0..CONNECTIONS {
        let address = subject.address().to_owned();
        tasks.spawn(async move {
            let to_text = |error: Box<dyn std::error::Error>| error.to_string();
            let mut connection = Connection::open(&address).await.map_err(to_text)?;
            for number in 0..requests / CONNECTIONS {
                let path =
                    format!("/v1/groups/reads/schemas/schema/{}", (number + number_of_connection) % 100);
                let (status, _) = connection.get(&path).await.map_err(to_text)?;
                if status != 200 {
                    return Err(format!("{path}: {status}"));
                }
            }
            Ok(())
        });
    }
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    Ok(())
}

/// Registers distinct schemas in sixteen groups concurrently, and in one.
pub async fn additions(subject: &dyn Subject) -> Fallible {
    let requests = ADDITIONS / subject.slowdown();
    for (what, groups) in
        [("add distinct schemas, 16 groups", CONNECTIONS), ("add distinct schemas, one group", 1)]
    {
        let mut connection = Connection::open(subject.address()).await?;
        for group in 0..groups {
            let body = group_body(&format!("additions-{groups}-{group}"), "Backward");
            connection.expect(201, "POST", "/v1/groups", &body).await?;
        }
        let (started, cpu) = (Instant::now(), subject.cpu());
        let mut tasks = JoinSet::new();
        for number_of_connection in 0..CONNECTIONS {
            let address = subject.address().to_owned();
            tasks.spawn(async move {
                let to_text = |error: Box<dyn std::error::Error>| error.to_string();
                let mut connection = Connection::open(&address).await.map_err(to_text)?;
                let path = format!("/v1/groups/additions-{groups}-{}/schemas", number_of_connection % groups);
                for number in 0..requests / CONNECTIONS {
                    let body = schema_body(&record(&format!("own_{number_of_connection}_{number}"), ""));
                    connection.expect(201, "POST", &path, &body).await.map_err(to_text)?;
                }
                Ok::<(), String>(())
            });
        }
        while let Some(result) = tasks.join_next().await {
            result??;
        }
        report(subject, what, requests, started.elapsed().as_secs_f64(), subject.cpu() - cpu);
    }
    Ok(())
}

/// Validates one more schema with BackwardTransitive: the first, uncached request, and the median of the next
/// ones.
pub async fn checks(subject: &dyn Subject) -> Fallible {
    let max_versions = 10_000 / subject.slowdown();
    type Version = fn(u64) -> String;
    let kinds: [(&str, &str, Version, Version); 3] = [
        (
            "flat",
            "of distinct forms",
            |n| record(&format!("own_{n}"), ""),
            |n| record(&format!("new_{n}"), ""),
        ),
        (
            "nested",
            "of distinct nested forms",
            |n| nested(&format!("own_{n}")),
            |n| nested(&format!("new_{n}")),
        ),
        (
            "same-form",
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
        for versions in [1, 100, 1_000, 10_000].into_iter().filter(|versions| *versions <= max_versions) {
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
                let started = Instant::now();
                let response = connection.expect(200, "POST", &path, &body).await?;
                times.push(started.elapsed().as_secs_f64() * 1e3);
                if response != br#"{"valid":true}"# {
                    return Err(format!("not valid: {}", String::from_utf8_lossy(&response)).into());
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

/// Writes a folder with 1,000 groups of 100 schemas each.
pub async fn write_many_schemas(folder: &Path) -> Fallible {
    use kulya_registry_api::SchemaRegistry;
    use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
    let store: Arc<dyn StreamStore> = Arc::new(EmbeddedStore::open(folder)?);
    let registry = Arc::new(Registry::open(Arc::clone(&store), SystemClock).await?);
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
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    store.close().await?;
    Ok(())
}
