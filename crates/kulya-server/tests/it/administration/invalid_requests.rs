//! Invalid requests: each with its status, the error's kind, and a part of the message. And REST v1, which
//! has no such errors.

use super::{TestClient, avro, field, group};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const AVRO: &str = r#""serializationFormat":{"serializationFormat":"Avro"}"#;

#[tokio::test]
async fn invalid_requests_get_the_reason() {
    let client = TestClient::new().await;
    client.expect("PUT /v2/groups/g", group("Avro", "Backward"), 201).await;
    client.expect("POST /v2/groups/g/schemas", avro(&json!([field("id", "long")])), 201).await;
    client.expect("PUT /v2/groups/plain", json!({ "serializationFormat": { "serializationFormat": "Avro" }, "compatibility": { "policy": "AllowAny" } }), 201).await;
    let group = |format: &str, policy: &str, more: &str| {
        format!(
            r#"{{"serializationFormat":{{"serializationFormat":"{format}"}},"compatibility":{{"policy":"{policy}"}}{more}}}"#
        )
    };
    let schema = |members: &str| format!("{{{AVRO},{members}}}");
    let check = |members: &str| {
        format!(
            r#"{{"schemaInfo":{{{AVRO},"schema":{{"type":"record","name":"Order","fields":[]}}}},{members}}}"#
        )
    };
    let good = schema(r#""schema":{"type":"record","name":"Order","fields":[]}"#);
    let json_schema = r#"{"serializationFormat":{"serializationFormat":"Json"},"schema":{}}"#;
    let protobuf =
        r#"{"serializationFormat":{"serializationFormat":"Protobuf"},"schema":"syntax = \"proto3\";"}"#;
    let version = r#"{"type":"Order","serializationFormat":"Avro","version":0,"id":0}"#;
    for (line, body, status, kind, message) in [
        ("GET /v2/nowhere", "", 404, "not-found", "/v2/nowhere"),
        ("GET /v2/groups/g/versions/7", "", 404, "not-found", "no endpoint"),
        ("POST /v2/groups", "{}", 405, "not-allowed", "POST"),
        ("GET /v2/groups?limit=many", "", 400, "invalid-input", "invalid query"),
        ("GET /v2/groups?limt=3", "", 400, "invalid-input", "`limt`"),
        ("GET /v2/groups/nobody", "", 404, "not-found", "nobody"),
        ("GET /v2/groups/g?namespace=elsewhere", "", 404, "not-found", "elsewhere/g"),
        ("GET /v2/groups/%ff", "", 400, "invalid-input", "invalid path"),
        ("GET /v2/namespaces?after=shop", "", 400, "invalid-input", "not a page token of namespaces"),
        ("PUT /v2/groups/h", "", 400, "invalid-input", "no body"),
        ("PUT /v2/groups/h", "{", 400, "invalid-input", "invalid request body"),
        ("PUT /v2/groups/h", "[]", 400, "invalid-input", "invalid request body"),
        ("PUT /v2/groups/h", &group("Avro", "Backwards", ""), 400, "invalid-input", "\"Backwards\""),
        ("PUT /v2/groups/h", &group("Thrift", "AllowAny", ""), 400, "invalid-input", "Thrift"),
        (
            "PUT /v2/groups/h",
            &group("Avro", "Backward", r#","compatability":1"#),
            400,
            "invalid-input",
            "`compatability`",
        ),
        ("PUT /v2/groups/h", &group("Json", "Backward", ""), 400, "invalid-input", "kulya.rules"),
        (
            "PUT /v2/groups/h",
            &group("Avro", "Backward", r#","properties":{"kulya.rule":"strict"}"#),
            400,
            "invalid-input",
            "kulya.rule",
        ),
        (
            "PUT /v2/groups/h",
            &group("Avro", "Backward", r#","properties":{"kulya.rules":"lax"}"#),
            400,
            "invalid-input",
            "java or strict",
        ),
        ("PUT /v2/groups/h", &group("Avro", "Advanced", ""), 400, "invalid-input", "advanced"),
        ("PUT /v2/groups/g", &group("Avro", "AllowAny", ""), 409, "conflict", "PATCH"),
        ("PATCH /v2/groups/g", r#"{"policy":"Full"}"#, 400, "invalid-input", "`policy`"),
        ("PATCH /v2/groups/nobody", r#"{"compatibility":{"policy":"Full"}}"#, 404, "not-found", "nobody"),
        (
            "PATCH /v2/groups/g",
            r#"{"properties":{"kulya.unknown":"allow"}}"#,
            400,
            "invalid-input",
            "has no effect without",
        ),
        (
            "PATCH /v2/groups/g",
            &format!(r#"{{"previous":{}}}"#, group("Avro", "Full", r#","allowMultipleTypes":true"#)),
            409,
            "conflict",
            "previous",
        ),
        (
            "POST /v2/groups/g/schemas",
            &schema(r#""schema":{"type":"recrod"}"#),
            400,
            "invalid-input",
            "recrod",
        ),
        ("POST /v2/groups/g/schemas", &schema(r#""type":"Order""#), 400, "invalid-input", "is missing"),
        (
            "POST /v2/groups/g/schemas",
            &schema(r#""schema":{},"schemaData":"""#),
            400,
            "invalid-input",
            "not as both",
        ),
        ("POST /v2/groups/g/schemas", &schema(r#""schemaData":"*""#), 400, "invalid-input", "base64"),
        ("POST /v2/groups/g/schemas", &schema(r#""schema":{},"text":"""#), 400, "invalid-input", "`text`"),
        ("POST /v2/groups/g/schemas", json_schema, 417, "format-mismatch", "accepts only Avro schemas"),
        ("POST /v2/groups/g/schemas", protobuf, 400, "invalid-input", "declares no message"),
        (
            "POST /v2/groups/g/schemas",
            r#"{"serializationFormat":{"serializationFormat":"Json"},"schema":{},"references":[{"name":"n","group":"g","id":0,"more":1}]}"#,
            400,
            "invalid-input",
            "`more`",
        ),
        (
            "POST /v2/resolve",
            &format!(r#"{{{AVRO},"schema":"\"int\"","properties":{{"{}":"x"}}}}"#, "k".repeat(201)),
            400,
            "invalid-input",
            "200",
        ),
        ("POST /v2/groups/nobody/schemas", &good, 404, "not-found", "create it first"),
        ("POST /v2/groups/g/find", &good, 404, "not-found", "not registered"),
        (
            "POST /v2/groups/g/check",
            &check(r#""compatibility":{"policy":"Sometimes"}"#),
            400,
            "invalid-input",
            "Sometimes",
        ),
        (
            "POST /v2/groups/g/check",
            &check(r#""rules":{"kulya.rules":"jawa"}"#),
            400,
            "invalid-input",
            "java or strict",
        ),
        (
            "POST /v2/groups/g/check",
            &check(r#""rules":{"rules":"strict"}"#),
            400,
            "invalid-input",
            "start with",
        ),
        ("POST /v2/groups/g/check", &check(r#""rule":"strict""#), 400, "invalid-input", "`rule`"),
        ("POST /v2/groups/g/check", &good, 400, "invalid-input", "unknown field"),
        ("GET /v2/groups/g/schemas/first", "", 400, "invalid-input", "first"),
        ("GET /v2/groups/g/schemas/7", "", 404, "not-found", "schema 7"),
        ("GET /v2/groups/g/schemas/7/text", "", 404, "not-found", "schema 7"),
        ("DELETE /v2/groups/g/schemas/4294967296", "", 400, "invalid-input", "4294967296"),
        ("GET /v2/groups/g/versions?after=first", "", 400, "invalid-input", "not a page token of versions"),
        ("GET /v2/groups/g/versions/id?format=Avro&type=Order", "", 400, "invalid-input", "`version`"),
        (
            "GET /v2/groups/g/versions/id?format=Avro&type=Order&version=9",
            "",
            404,
            "not-found",
            "no version 9",
        ),
        ("GET /v2/groups/g/compare?from=0", "", 400, "invalid-input", "`to`"),
        ("GET /v2/groups/g/compare?from=0&to=7", "", 404, "not-found", "schema 7"),
        ("POST /v2/groups/g/codecs", r#"{"properties":{}}"#, 400, "invalid-input", "`name`"),
        (
            "POST /v2/groups/g/encodings",
            &format!(r#"{{"versionInfo":{version},"codec":"zip"}}"#),
            412,
            "codec-unknown",
            "zip",
        ),
        (
            "POST /v2/groups/g/encodings",
            &format!(r#"{{"versionInfo":{version},"codecType":"zip"}}"#),
            400,
            "invalid-input",
            "`codecType`",
        ),
        ("GET /v2/groups/g/encodings/0", "", 404, "not-found", "encoding 0"),
        // an array of a struct's members in order
        ("PATCH /v2/groups/g", r#"[{"policy":"AllowAny"},null]"#, 400, "invalid-input", "sequence"),
        (
            "PATCH /v2/groups/g",
            r#"{"compatibility":["AllowAny",null]}"#,
            400,
            "invalid-input",
            "compatibility: ",
        ),
        (
            "PUT /v2/groups/h",
            r#"[{"serializationFormat":"Avro"},{"policy":"AllowAny"}]"#,
            400,
            "invalid-input",
            "sequence",
        ),
        ("POST /v2/groups/g/codecs", r#"["zip",{}]"#, 400, "invalid-input", "sequence"),
        ("POST /v2/search", "[]", 400, "invalid-input", "sequence"),
        (
            "POST /v2/groups/g/encodings",
            r#"{"versionInfo":{"type":"T","serializationFormat":"Avro","version":0,"id":0,"more":1}}"#,
            400,
            "invalid-input",
            "`more`",
        ),
        (
            "POST /v2/groups/g/encodings",
            r#"{"versionInfo":["T","Avro",0,0]}"#,
            400,
            "invalid-input",
            "versionInfo: ",
        ),
        ("POST /v2/groups/g/codecs", r#"{"name":"zip","name":"zap"}"#, 400, "invalid-input", "`name`"),
        (
            "POST /v2/groups/g/codecs",
            r#"{"name":"zip","properties":{"a":"b","a":"c"}}"#,
            400,
            "invalid-input",
            "twice",
        ),
        ("POST /v2/groups/g/codecs", r#"{"name":"zip"} {}"#, 400, "invalid-input", "trailing"),
        ("PUT /v2/streams/s/wide", r#"{"segments":3}"#, 400, "invalid-input", "use the query"),
        ("DELETE /v2/groups/g", r#"{"force":true}"#, 400, "invalid-input", "use the query"),
        ("GET /v2/groups/g", "{}", 400, "invalid-input", "use the query"),
        ("POST /v2/search", "", 400, "invalid-input", "no body"),
        ("POST /v2/search", r#"{"name":"orders"}"#, 400, "invalid-input", "`name`"),
        ("POST /v2/search?after=zz", "{}", 400, "invalid-input", "not a page token of found schemas"),
        ("GET /v2/search?allVersions=perhaps", "", 400, "invalid-input", "invalid query"),
        ("POST /v2/added-to", "{}", 400, "invalid-input", "serializationFormat"),
        ("GET /v2/changes?from=yesterday", "", 400, "invalid-input", "not a position in the changelog"),
        ("POST /v2/import?existing=overwrite", "", 400, "invalid-input", "overwrite"),
        ("PUT /v2/streams/s/t?segments=x", "", 400, "invalid-input", "invalid query"),
        ("GET /v2/events/zz", "", 400, "invalid-input", "hexadecimal digits"),
    ] {
        let (found, result) = send_raw(&client, line, "application/json", body.as_bytes().to_vec()).await;
        let result: Value =
            serde_json::from_str(&result).unwrap_or_else(|_| panic!("{line} {body}: {found} {result:?}"));
        let text = result["error"].as_str().unwrap();
        assert_eq!((found, result["kind"].as_str().unwrap()), (status, kind), "{line} {body}: {text}");
        assert!(text.contains(message), "{line} {body}: {text}");
        client.hold(&json!({ "$ref": "#/components/schemas/Error" }), &result, line);
    }
}

#[tokio::test]
async fn bodies_of_other_types_and_too_large_ones_are_rejected() {
    let client = TestClient::new().await;
    client.expect("PUT /v2/groups/g", group("Avro", "Backward"), 201).await;
    for (line, kind, wanted) in [
        ("POST /v2/groups/g/schemas", "", "application/json"),
        ("POST /v2/groups/g/schemas", "text/plain", "application/json"),
        ("PUT /v2/groups/h", "application/x-www-form-urlencoded", "application/json"),
        ("POST /v2/import", "application/json", "application/x-ndjson"),
    ] {
        let (status, result) = send_raw(&client, line, kind, b"{}".to_vec()).await;
        assert!(status == 415 && result.contains(wanted), "{line} {kind}: {status} {result}");
    }
    let large = vec![b' '; 12 * 1024 * 1024 + 1];
    let request = client.client.post(format!("{}/v2/groups/g/schemas", client.url));
    let sent = request.header("Content-Type", "application/json").body(large).send().await;
    // the server may close the connection before the body is sent
    assert!(sent.map_or(true, |response| response.status() == 413));
}

#[tokio::test]
async fn damaged_imports_are_reported_by_line() {
    let client = TestClient::new().await;
    client.expect("PUT /v2/groups/g", group("Avro", "AllowAny"), 201).await;
    client.expect("POST /v2/groups/g/schemas", avro(&json!([])), 201).await;
    let export = client.expect("GET /v2/export", None, 200).await;
    let lines: Vec<String> = export.as_array().unwrap().iter().map(Value::to_string).collect();
    client.expect("DELETE /v2/groups/g", None, 204).await;
    let joined = |lines: &[String]| lines.join("\n");
    let mut other_version = lines.clone();
    other_version[0] = other_version[0].replace(":1}", ":2}");
    let mut damaged = lines.clone();
    damaged[2].truncate(20);
    let mut unknown = lines.clone();
    unknown[1] = r#"{"line":"gruop"}"#.to_owned();
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    for (text, message) in [
        (String::new(), "this is not an export: the first line must be"),
        ("[]".to_owned(), "line 1 is damaged"),
        (joined(&damaged), "line 3 is damaged"),
        (joined(&unknown), "line 2 is damaged"),
        (joined(&swapped), "is in the place of a group"),
        (joined(&other_version), "has version 2"),
        (joined(&lines[..2]), "the export is truncated"),
        (" ".repeat(13 * 1024 * 1024), "line 1 is longer"),
        // the group is complete and stays
        (joined(&lines[..3]), "the export is truncated"),
    ] {
        let (status, result) =
            send_raw(&client, "POST /v2/import", "application/x-ndjson", text.into_bytes()).await;
        assert!(status == 400 && result.contains(message), "{message}: {status} {result}");
    }
    assert_eq!(client.expect("GET /v2/export", None, 200).await, export);
}

/// REST v1 has no new members.
#[tokio::test]
async fn rest_v1_is_unchanged() {
    let client = TestClient::new().await;
    client.expect("PUT /v2/groups/g", group("Avro", "Backward"), 201).await;
    client.expect("POST /v2/groups/g/schemas", avro(&json!([field("id", "long")])), 201).await;
    client.expect("POST /v2/groups/g/schemas", avro(&json!([])), 201).await;
    client.expect("DELETE /v2/groups/g/schemas/1", None, 204).await;
    let data = STANDARD.encode(r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#);
    let info = format!(
        r#"{{"type":"Order","serializationFormat":{{"serializationFormat":"Avro","fullTypeName":"Avro"}},"schemaData":"{data}","properties":{{}}}}"#
    );
    let version = r#"{"type":"Order","serializationFormat":"Avro","version":0,"id":0}"#;
    let error =
        STANDARD.encode(r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}"#);
    let error = format!(r#"{{"type":"Order",{AVRO},"schemaData":"{error}"}}"#);
    let validate = format!(r#"{{"schemaInfo":{error},"compatibility":null}}"#);
    let with_version = format!(r#"{{"schemas":[{{"schemaInfo":{info},"versionInfo":{version}}}]}}"#);
    let properties = r#"{"serializationFormat":{"serializationFormat":"Avro","fullTypeName":"Avro"},"compatibility":{"policy":"Backward"},"allowMultipleTypes":true,"properties":{"kulya.rules":"strict"}}"#;
    for (line, body, status, response) in [
        ("GET /v1/groups/g", "", 200, properties),
        ("GET /v1/groups", "", 200, &format!(r#"{{"groups":{{"g":{properties}}},"continuationToken":"g"}}"#)),
        ("GET /v1/groups/g/schemas/schema/0", "", 200, &info),
        ("GET /v1/groups/g/schemas", "", 200, &with_version),
        ("GET /v1/groups/g/schemas/versions", "", 200, &with_version),
        ("POST /v1/groups/g/schemas/versions/find", &info, 200, version),
        ("POST /v1/groups/g/schemas/versions/validate", &validate, 200, r#"{"valid":false}"#),
        ("POST /v1/groups/g/schemas/versions/canRead", &info, 200, r#"{"compatible":true}"#),
        ("POST /v1/schemas/addedTo", &info, 200, &format!(r#"{{"groups":{{"g":{version}}}}}"#)),
        ("GET /v1/groups/g/codecTypes", "", 200, r#"{"codecTypes":[]}"#),
    ] {
        let result = send_raw(&client, line, "application/json", body.as_bytes().to_vec()).await;
        assert_eq!(result, (status, response.to_owned()), "{line}");
    }
    for nowhere in ["GET /v1/namespaces", "GET /v1/openapi.json"] {
        let (status, text) = send_raw(&client, nowhere, "application/json", Vec::new()).await;
        assert!(status == 404 && text.starts_with("no endpoint has the path"), "{nowhere}: {text}");
    }
    // an error is plain text, as before
    let (status, text) =
        send_raw(&client, "POST /v1/groups/g/schemas", "application/json", error.into_bytes()).await;
    assert!(status == 409 && text.starts_with("group g: schema Order is refused"), "{text}");
}

/// Sends a request without validating the response.
async fn send_raw(client: &TestClient, line: &str, kind: &str, body: Vec<u8>) -> (u16, String) {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = client.client.request(method.parse().unwrap(), format!("{}{path}", client.url));
    if method != "GET" && method != "DELETE" || !body.is_empty() {
        if !kind.is_empty() {
            request = request.header("Content-Type", kind);
        }
        request = request.body(body);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}
