//! `kulya registry decode`: the header and the value of an encoded event.

use super::connection::RegistryTarget;
use super::display::print_encoding;
use crate::output::{print_json, print_line};
use anyhow::{Context, Result};
use kulya_codec::{Deserializer, Value, WithSchema, header};
use kulya_registry_api::SchemaRegistry;
use kulya_schema::GroupId;
use kulya_store::hex;
use serde_json::json;
use std::sync::Arc;

pub(super) async fn run(target: RegistryTarget, group: GroupId, text: &str, as_json: bool) -> Result<()> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let event = hex::decode(&digits)
        .with_context(|| format!("{text:.80?} is not an even number of hexadecimal digits"))?;
    let (id, payload) = header::split(&event)?;
    let connection = target.open(false).await?;
    let registry: Arc<dyn SchemaRegistry> = connection.registry.clone();
    let WithSchema { encoding, value } = Deserializer::new(registry, group).deserialize_any(&event).await?;
    connection.close().await?;
    let value = match value {
        Value::Avro(value) => {
            serde_json::Value::try_from(value).context("the value cannot be represented in JSON")?
        }
        Value::Json(value) => value,
        Value::Protobuf(message) => json!(format!("{message:?}")),
        Value::Custom(bytes) => json!(hex::encode(&bytes)),
        other => json!(format!("{other:?}")),
    };
    if as_json {
        return print_json(&json!({
            "encodingId": id.0,
            "versionInfo": encoding.version,
            "codecType": encoding.codec,
            "payload": hex::encode(payload),
            "value": value,
        }));
    }
    print_encoding(id, &encoding);
    print_line!("payload   {}", hex::encode(payload));
    print_line!("value     {value}");
    Ok(())
}
