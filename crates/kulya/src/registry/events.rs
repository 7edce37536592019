//! `kulya registry decode` and `watch`: an event by its header, and the registry's changes as they come.

use super::{At, json, shown};
use crate::say;
use crate::stop;
use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat};
use futures::StreamExt;
use kulya_codec::{Deserializer, Value, WithSchema, header};
use kulya_registry_api::SchemaRegistry;
use kulya_registry_api::administration::Change;
use kulya_schema::{EncodingId, EncodingInfo, GroupId};
use kulya_store::hex;
use serde_json::json;
use std::sync::Arc;

/// An encoding, as people read it.
pub(super) fn encoding(id: EncodingId, encoding: &EncodingInfo) {
    let codec = if encoding.codec.name.is_empty() { "none" } else { &encoding.codec.name };
    say!("encoding  {}", id.0);
    say!("schema    {} {}", encoding.version.format, shown::version(&encoding.version));
    say!("codec     {}", shown::plain(codec));
}

pub(super) async fn decode(at: At, group: GroupId, text: &str, as_json: bool) -> Result<()> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let event = hex::decode(&digits)
        .with_context(|| format!("{text:.80?} is not an even number of hexadecimal digits"))?;
    let (id, payload) = header::split(&event)?;
    let opened = at.open(false).await?;
    let registry: Arc<dyn SchemaRegistry> = opened.registry.clone();
    let WithSchema { encoding: by, value } =
        Deserializer::new(registry, group).deserialize_any(&event).await?;
    opened.close().await?;
    let value = match value {
        Value::Avro(value) => serde_json::Value::try_from(value).context("the value has no form in JSON")?,
        Value::Json(value) => value,
        Value::Protobuf(message) => json!(format!("{message:?}")),
        Value::Custom(bytes) => json!(hex::encode(&bytes)),
        other => json!(format!("{other:?}")),
    };
    if as_json {
        return json(&json!({
            "encodingId": id.0,
            "versionInfo": by.version,
            "codecType": by.codec,
            "payload": hex::encode(payload),
            "value": value,
        }));
    }
    encoding(id, &by);
    say!("payload   {}", hex::encode(payload));
    say!("value     {value}");
    Ok(())
}

pub(super) async fn watch(at: At, from: Option<&str>, as_json: bool) -> Result<()> {
    let stop = stop::on_signal()?;
    let opened = at.open(false).await?;
    let mut changes = opened.registry.changes(from).await?;
    // whoever waits for what comes may begin now
    eprintln!("following the registry's changes");
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => break,
            change = changes.next() => change,
        };
        let Some(change) = change else { break };
        let (place, change) = change?;
        if as_json {
            let mut line = serde_json::to_value(&change)?;
            line["place"] = place.into();
            json(&line)?;
        } else {
            say!(
                "{}  {}  {}",
                time(&change),
                shown::plain(&change.group_id().to_string()),
                shown::event(&change.event)
            );
        }
    }
    drop(changes);
    opened.close().await
}

fn time(change: &Change) -> String {
    let time = i64::try_from(change.timestamp).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(
        || change.timestamp.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}
