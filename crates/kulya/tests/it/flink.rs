//! The requests of Flink's catalog and format to a registry, on the first group of `docs/registry.md`: an
//! Avro group of one type with the strict rules. Flink derives its schemas from a table's columns and names
//! every record itself.

use crate::program::{Running, command, http, kulya};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::tempdir;

/// The name that Flink 1.18 gives a table's record.
const FLINK: &str = "org.apache.flink.avro.generated.record";

fn schema_info(type_name: &str, format: &str, data: &str) -> String {
    let format = json!({ "serializationFormat": format });
    let data = STANDARD.encode(data);
    json!({ "type": type_name, "serializationFormat": format, "schemaData": data, "properties": {} })
        .to_string()
}

/// Returns an Avro record with these nullable fields, as Flink derives it.
fn derived(fields: &[(&str, &str)]) -> String {
    let field = |(name, of): &(&str, &str)| json!({ "name": name, "type": ["null", of], "default": null });
    let fields: Vec<Value> = fields.iter().map(field).collect();
    let namespace = FLINK.strip_suffix(".record").unwrap();
    json!({ "type": "record", "name": "record", "namespace": namespace, "fields": fields }).to_string()
}

fn body((status, body): (u16, String)) -> (u16, Value) {
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

#[test]
fn flink_reads_a_strict_group_of_one_type() {
    let folder = tempdir().unwrap();
    let (_server, url) = Running::serve(&folder, &[]);
    let v2 = |method: &str, path: &str, body: Value| {
        let (status, response) =
            http(method, &format!("{url}/v2/groups/{path}?namespace=shop"), &body.to_string());
        assert!(status < 300, "{path}: {status} {response}");
    };
    let avro = json!({ "serializationFormat": "Avro" });
    v2(
        "PUT",
        "orders",
        json!({
            "serializationFormat": avro, "compatibility": { "policy": "Backward" }, "properties": { "kulya.rules": "strict" },
        }),
    );
    let order = |fields: Value| json!({ "type": "record", "name": "Order", "fields": fields });
    let id = json!({ "name": "id", "type": "long" });
    v2("POST", "orders/schemas", json!({ "serializationFormat": avro, "schema": order(json!([id])) }));
    let quantity = json!({ "name": "quantity", "type": "int", "default": 1 });
    let second = order(json!([id, quantity]));
    v2("POST", "orders/schemas", json!({ "serializationFormat": avro, "schema": second }));
    let call = |method: &str, path: &str, sent: &str| body(http(method, &format!("{url}/v1/{path}"), sent));
    let version = json!({ "type": "Order", "serializationFormat": "Avro", "version": 1, "id": 1 });
    let encoding = json!({ "versionInfo": version, "codecType": "" }).to_string();
    assert_eq!(
        call("PUT", "groups/orders/encodings?namespace=shop", &encoding),
        (200, json!({ "encodingId": 0 }))
    );

    // SHOW TABLES
    let (status, page) = call("GET", "groups?namespace=shop&limit=100", "");
    assert_eq!((status, page["groups"].as_object().unwrap().len()), (200, 1), "{page}");
    let token = page["continuationToken"].as_str().unwrap();
    let (status, page) =
        call("GET", &format!("groups?namespace=shop&limit=100&continuationToken={token}"), "");
    assert_eq!((status, &page["groups"]), (200, &json!({})));
    // DESCRIBE, and SELECT before it reads
    let (status, latest) = call("GET", "groups/orders/schemas?namespace=shop", "");
    assert_eq!((status, &latest["schemas"][0]["versionInfo"]), (200, &version), "{latest}");
    let (status, group) = call("GET", "groups/orders?namespace=shop", "");
    assert_eq!((status, group["serializationFormat"]["serializationFormat"].as_str()), (200, Some("Avro")));
    assert_eq!(
        call("GET", "groups/orders/codecTypes?namespace=shop", ""),
        (200, json!({ "codecTypes": [] }))
    );
    // SELECT
    let can_read = |fields: &[(&str, &str)]| {
        let reader = schema_info(FLINK, "Avro", &derived(fields));
        let (status, response) =
            call("POST", "groups/orders/schemas/versions/canRead?namespace=shop", &reader);
        assert_eq!(status, 200, "{response}");
        response["compatible"].as_bool().unwrap()
    };
    assert!(can_read(&[("id", "long"), ("quantity", "int")]));
    assert!(can_read(&[("id", "long")]), "a table without the column");
    assert!(can_read(&[("id", "long"), ("more", "string")]), "a column that nobody wrote is null");
    assert!(!can_read(&[("id", "string")]), "the other rules hold");
    let (status, written) = call("GET", "groups/orders/encodings/0?namespace=shop", "");
    assert_eq!((status, &written["versionInfo"]), (200, &version));
    // INSERT looks for its own schema, and fails if that is not registered, as with the Java registry
    let own = schema_info(FLINK, "Avro", &derived(&[("id", "long"), ("quantity", "int")]));
    assert_eq!(call("POST", "groups/orders/schemas/versions/find?namespace=shop", &own).0, 404);
    // CREATE TABLE of that name
    let create = |name: &str, format: &str| {
        let properties = json!({
            "serializationFormat": { "serializationFormat": format }, "compatibility": { "policy": "AllowAny" },
            "allowMultipleTypes": true, "properties": {},
        });
        let group = json!({ "groupName": name, "groupProperties": properties }).to_string();
        call("POST", "groups?namespace=shop", &group).0
    };
    assert_eq!(create("orders", "Avro"), 409);
    // tables that Flink writes
    assert_eq!((create("avro", "Avro"), create("json", "Json")), (201, 201));
    let title = r#"{"title": "Json Schema", "type": "object", "properties": { "id": {"type": "number"}}}"#;
    for (name, schema) in [("avro", own.clone()), ("json", schema_info("", "Json", title))] {
        let schemas = format!("groups/{name}/schemas");
        assert_eq!(call("POST", &format!("{schemas}?namespace=shop"), &schema).0, 201, "{name}");
        let (status, found) = call("POST", &format!("{schemas}/versions/find?namespace=shop"), &schema);
        assert_eq!((status, &found["version"]), (200, &json!(0)), "{found}");
        let encoding = json!({ "versionInfo": found, "codecType": "" }).to_string();
        assert_eq!(call("PUT", &format!("groups/{name}/encodings?namespace=shop"), &encoding).0, 200);
    }
    // DROP TABLE
    for name in ["orders", "avro", "json"] {
        assert_eq!(call("DELETE", &format!("groups/{name}?namespace=shop"), "").0, 204);
    }
}

/// The catalog of the connector's demonstration, on a server and on object storage.
#[test]
fn catalog_of_the_connectors_demonstration() {
    let folder = tempdir().unwrap();
    kulya(&folder, &["stream", "append", "examples/t", "--hex", "78"]);
    let objects = format!("file://{}/objects", folder.path().display());
    kulya(&folder, &["stream", "--data", &objects, "append", "examples/t", "--hex", "78"]);
    let (_server, url) = Running::serving(&mut command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]));
    let registry = url.replace("http://", "tcp://");
    for controller in [&url, &objects] {
        let create = format!(
            "CREATE CATALOG pravega_catalog WITH ('type' = 'pravega', 'default-database' = 'examples',
             'controller-uri' = ' {controller} ', 'schema-registry-uri' = ' {registry} ',
             'serialization.format' = 'Json', 'json.ignore-parse-errors' = 'false',
             'json.timestamp-format.standard' = 'ISO-8601', 'json.map-null-key.mode' = 'LITERAL');
             USE CATALOG pravega_catalog; SHOW CURRENT DATABASE; SHOW TABLES;"
        );
        let own = tempdir().unwrap();
        kulya(&own, &["stream", "append", "own/t", "--hex", "78"]);
        let printed = kulya(&own, &["sql", "-e", &create]);
        assert!(printed.contains("examples"), "{controller}: {printed}");
    }
}
