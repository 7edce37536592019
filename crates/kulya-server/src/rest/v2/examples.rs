//! Examples of the OpenAPI document: requests that succeed when they are sent in order, and their responses.
//! Tests send them.

use serde_json::{Value, json};

/// Returns an example of a schema.
pub(super) fn of_schema(name: &str) -> Option<Value> {
    let avro = json!({ "serializationFormat": "Avro" });
    let version = json!({ "type": "shop.Order", "serializationFormat": "Avro", "version": 0, "id": 0 });
    let schema = |fields: Value| {
        json!({
            "serializationFormat": avro,
            "schema": { "type": "record", "name": "Order", "namespace": "shop", "fields": fields },
        })
    };
    let id = json!({ "name": "id", "type": "long" });
    let note = json!({ "name": "note", "type": "string", "default": "" });
    let group = json!({
        "serializationFormat": avro,
        "compatibility": { "policy": "Backward" },
        "allowMultipleTypes": false,
        "properties": { "owner": "sales" },
    });
    Some(match name {
        "NewGroup" | "GroupProperties" => group,
        "GroupChange" => json!({ "compatibility": { "policy": "FullTransitive" } }),
        "NewSchema" => schema(json!([id])),
        "Check" => json!({ "schemaInfo": schema(json!([id, note])), "rules": { "kulya.rules": "strict" } }),
        "NewCodec" => json!({ "name": "application/x-snappy" }),
        "NewEncoding" => json!({ "versionInfo": version, "codec": "application/x-snappy" }),
        "Search" => json!({ "field": "id", "format": "Avro" }),
        "VersionInfo" => version,
        "Verdict" => json!({ "compatible": true }),
        "CanRead" => json!({ "compatible": true }),
        "EncodingId" => json!({ "encodingId": 0 }),
        "VersionId" => json!({ "id": 0 }),
        "Capture" => json!({
            "name": "shop", "connector": "postgresql", "state": "streaming", "position": "0/1A2B3C8", "lagBytes": 0,
            "lagSeconds": 0, "retainedBytes": 5120, "records": 9000, "recordsPerSecond": 12, "restarts": 0, "deadLetters": 0,
        }),
        "Signal" => {
            json!({ "id": "1", "type": "execute-snapshot", "data": { "data-collections": ["public.orders"] } })
        }
        "DroppedCapture" => {
            json!({ "name": "shop", "slot": "kulya_shop", "publication": "kulya_shop", "position": "0/1A2B3C8" })
        }
        "Streams" => json!({ "streams": ["orders"] }),
        "Error" => json!({ "error": "group shop/orders does not exist", "kind": "not-found" }),
        _ => return None,
    })
}

/// Returns an example of a parameter.
pub(super) fn of_parameter(name: &str) -> Option<Value> {
    Some(match name {
        "group" | "stream" => json!("orders"),
        "scope" | "namespace" | "capture" => json!("shop"),
        "type" => json!("shop.Order"),
        "format" => json!("Avro"),
        "field" | "key" => json!("id"),
        "id" | "version" => json!(0),
        "segments" => json!(2),
        "limit" => json!(100),
        "Kulya-Writer" => json!("0123456789abcdef0123456789abcdef"),
        "Kulya-Event-Number" => json!(1),
        _ => return None,
    })
}
