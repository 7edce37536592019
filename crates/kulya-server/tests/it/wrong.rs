//! Invalid requests and events, one row each: the request, the status or the error's kind, and a part of the
//! message. To add rows of another API, add a function that returns them to `all`, with `rest` for requests.

use crate::{NOW_MS, registry_on, serve_services};
use base64::Engine;
use kulya_codec::codec::{Codecs, Gzip};
use kulya_codec::{CodecError, Deserializer};
use kulya_registry_api::SchemaRegistry;
use kulya_registry_api::administration::RegistryAdministration;
use kulya_schema::{CodecType, Compatibility, EncodingId, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_server::Services;
use kulya_store::memory::MemoryStore;
use kulya_store::{Scope, StreamConfig, StreamId, StreamStore};
use reqwest::Method;
use std::sync::Arc;

/// One invalid request.
struct Row {
    /// Method and target.
    line: &'static str,
    content_type: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
    /// A part of the response's text.
    names: &'static str,
}

fn rest(line: &'static str, body: impl Into<Vec<u8>>, status: u16, names: &'static str) -> Row {
    Row { line, content_type: "application/json", headers: Vec::new(), body: body.into(), status, names }
}

const AVRO: &str = r#"{"type":"record","name":"User","namespace":"n","fields":[{"name":"a","type":"int"}]}"#;
const DESCRIPTORS: &str = "Ci0KCnVzZXIucHJvdG8SAXAiFAoEVXNlchIMCgFhGAEgASgFUgFhYgZwcm90bzM=";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The body of a group's creation, with a part replaced.
fn group(what: &str, by: &str) -> String {
    let body = r#"{"groupName":"new","groupProperties":{"serializationFormat":{"serializationFormat":"Avro"},"compatibility":{"policy":"Backward"},"allowMultipleTypes":true,"properties":{}}}"#;
    assert!(body.contains(what), "{what} is part of it");
    body.replace(what, by)
}

fn schema(format: &str, type_name: &str, data: impl AsRef<[u8]>) -> String {
    format!(
        r#"{{"type":"{type_name}","serializationFormat":{{"serializationFormat":"{format}"}},"schemaData":"{}","properties":{{}}}}"#,
        base64(data)
    )
}

fn avro(data: &str) -> String {
    schema("Avro", "", data)
}

/// Too many or too long properties.
fn labels(count: usize, length: usize) -> String {
    let label = |n: usize| format!(r#""{n:0>length$}":"""#);
    format!("\"properties\":{{{}}}", (0..count).map(label).collect::<Vec<_>>().join(","))
}

fn nested(levels: usize) -> String {
    (0..levels).fold("\"int\"".to_owned(), |inner, _| format!(r#"{{"type":"array","items":{inner}}}"#))
}

fn version(id: &str) -> String {
    format!(r#"{{"type":"n.User","serializationFormat":"Avro","version":0,"id":{id}}}"#)
}

fn policy(text: &str) -> String {
    format!(r#"{{"compatibility":{text}}}"#)
}

fn backward(text: &str) -> String {
    policy(&format!(r#"{{"policy":"Advanced","advanced":{{"backwardPolicy":{{"backwardPolicy":{text}}}}}}}"#))
}

/// REST v1: groups `g` (Avro, one schema, which is deleted in `deleted`), `p` (Protobuf), `j` (JSON), `one`
/// (one type alone).
fn v1_groups() -> Vec<Row> {
    let groups = |what: &str, by: &str, names| rest("POST /v1/groups", group(what, by), 400, names);
    vec![
        rest("POST /v1/groups", "{", 400, "EOF"),
        rest("POST /v1/groups", "[]", 400, "invalid request body"),
        rest("POST /v1/groups", "\"g\"", 400, "invalid request body"),
        rest("POST /v1/groups", "{}", 400, "groupName"),
        rest("POST /v1/groups", "\u{0}", 400, "invalid request body"),
        rest("POST /v1/groups", [b'{', 0xff, b'}'], 400, "invalid request body"),
        rest("POST /v1/groups", "", 400, "no body"),
        rest("POST /v1/groups", r#"{"groupName":"x"}"#, 400, "groupProperties"),
        rest("POST /v1/groups", "[".repeat(100_000), 400, "invalid request body"),
        groups("\"new\"", "7", "string"),
        groups("\"new\"", "\"\"", "the group's name must not be empty"),
        groups("\"allowMultipleTypes\":true,", "", "allowMultipleTypes"),
        groups("true", "\"true\"", "boolean"),
        groups("\"compatibility\":{\"policy\":\"Backward\"},", "", "compatibility"),
        groups("Backward", "Sideways", "Sideways"),
        groups("Backward", "backward", "backward"),
        groups("{\"policy\":\"Backward\"}", "{}", "policy"),
        groups("{\"serializationFormat\":\"Avro\"}", "\"Avro\"", "Avro"),
        groups("Avro", "Cobol", "Cobol"),
        groups("Avro", "Custom", "Custom name not supplied"),
        groups("Avro", "Json", "AllowAny or DenyAll"),
        groups("Avro", "Protobuf", "Protobuf"),
        groups("Avro", "Any", "policy Backward is not supported for format Any"),
        groups("\"properties\":{}", &labels(101, 3), "101 properties"),
        groups("\"properties\":{}", &labels(1, 201), "too long"),
        groups("\"properties\":{}", "\"properties\":{\"a\":1}", "string"),
        rest("POST /v1/groups", group("\"new\"", "\"g\""), 409, "\"g\" already exists"),
        rest("GET /v1/groups/nowhere", "", 404, "nowhere"),
        rest("GET /v1/groups/g?namespace=other", "", 404, "g"),
        rest("GET /v1/groups/nowhere/history", "", 404, "nowhere"),
        rest("GET /v1/groups?limit=many", "", 404, "many"),
        rest("GET /v1/groups?limit=-1", "", 404, "-1"),
        rest("GET /v1/groups/%ff", "", 404, "%ff"),
        rest("GET /v1/groups/g/schemas/", "", 200, "schemas"),
        rest("GET /v1/nothing", "", 404, "/v1/nothing"),
        rest("GET /v1/groups/g/h", "", 404, "/v1/groups/g/h"),
        rest("GET /", "", 404, "no endpoint has the path \"/\""),
        rest("DELETE /v1/groups", "", 405, "GET,HEAD,POST"),
        rest("PATCH /v1/groups/g", "{}", 405, "PATCH"),
        rest("POST /v1/groups/g", "{}", 405, "GET,HEAD,DELETE"),
        rest("GET /v1/schemas/addedTo", "", 405, "POST"),
        Row { content_type: "text/plain", ..rest("POST /v1/groups", group("new", "new"), 415, "text/plain") },
        Row { content_type: "", ..rest("POST /v1/groups", group("new", "new"), 415, "application/json") },
        rest("POST /v1/groups", " ".repeat(12 * 1024 * 1024 + 1), 413, "12582912"),
        rest("PUT /v1/groups/g/compatibility", "{}", 400, "compatibility"),
        rest("PUT /v1/groups/nowhere/compatibility", policy(r#"{"policy":"Full"}"#), 404, "nowhere"),
        rest("PUT /v1/groups/g/compatibility", policy(r#"{"policy":"Advanced"}"#), 400, "Advanced"),
        rest(
            "PUT /v1/groups/g/compatibility",
            policy(r#"{"policy":"Advanced","advanced":{}}"#),
            400,
            "backwardPolicy",
        ),
        rest("PUT /v1/groups/g/compatibility", backward(r#"{"name":"Forward"}"#), 400, "Forward"),
        rest("PUT /v1/groups/g/compatibility", backward("{}"), 400, "name"),
        rest("PUT /v1/groups/g/compatibility", backward(r#"{"name":"BackwardTill"}"#), 400, "versionInfo"),
        rest(
            "PUT /v1/groups/g/compatibility",
            r#"{"compatibility":{"policy":"Full"},"previousCompatibility":{"policy":"Forward"}}"#,
            409,
            "previousCompatibility",
        ),
    ]
}

fn v1_schemas() -> Vec<Row> {
    let add = |body: String, status, names| rest("POST /v1/groups/g/schemas", body, status, names);
    let proto = |type_name: &str, data: &str| {
        let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        rest("POST /v1/groups/p/schemas", schema("Protobuf", type_name, data), 400, "")
    };
    let union = r#"["null",{"type":"record","name":"A","namespace":"x","fields":[]}]"#;
    let large = format!(r#"{{"type":"fixed","name":"F","size":1,"doc":"{}"}}"#, "x".repeat(8 * 1024 * 1024));
    vec![
        add("{}".into(), 400, "type"),
        add(avro(AVRO).replace("\"type\":\"\",", ""), 400, "type"),
        add(avro(AVRO).replace("\"schemaData\":\"", "\"schemaData\":\"*"), 400, "base64"),
        add(avro(AVRO).replace("schemaData", "data"), 400, "schemaData"),
        add(avro(AVRO).replace("\"properties\":{}", &labels(101, 3)), 400, "101 properties"),
        add(avro(AVRO).replace("\"properties\":{}", &labels(1, 201)), 400, "too long"),
        add(schema("Any", "", AVRO), 400, "cannot have the format Any"),
        add(avro(&large), 400, "8388608"),
        add(avro("{"), 400, "Unable to parse schema. Avro"),
        add(avro("\"nothing\""), 400, "\"nothing\" is not defined"),
        add(avro(&AVRO.replace("\"a\"", "\"a b\"")), 400, "\"a b\""),
        add(avro(&AVRO.replace("\"int\"", "{\"type\":{\"type\":\"int\"}}")), 400, "n.User.a"),
        add(avro(&nested(110)), 400, "nest too deeply"),
        add(avro(&nested(200)), 400, "nest too deeply"),
        add(avro(&nested(50)), 409, "array"),
        add(schema("Avro", "Other", AVRO), 400, "n.User"),
        add(schema("Avro", "m.User", AVRO), 400, "m.User"),
        add(schema("Avro", "n.", AVRO), 400, "ends with a dot"),
        add(schema("Avro", "C", union), 400, "\"C\""),
        add(schema("Avro", "y.A", union), 400, "y.A"),
        add(avro(&AVRO.replace("\"int\"", "\"string\"")), 409, "User.a"),
        add(schema("Json", "", "{}"), 417, "Json"),
        rest("POST /v1/groups/one/schemas", avro("\"int\""), 409, "n.User"),
        rest("POST /v1/groups/nowhere/schemas", avro(AVRO), 404, "nowhere"),
        rest("POST /v1/groups/nowhere/schemas", avro("{"), 400, "Unable to parse"),
        rest("POST /v1/groups/j/schemas", schema("Json", "t", "[]"), 400, "object"),
        rest("POST /v1/groups/j/schemas", schema("Json", "t", r#"{"type":"thing"}"#), 400, "thing"),
        rest("POST /v1/groups/j/schemas", schema("Json", "t", "{".repeat(5000)), 400, "Json"),
        Row { names: "Unable to parse schema. Protobuf", ..proto("", "//////////8=") },
        Row { names: "no file", ..proto("", "") },
        Row { names: "p.Nobody", ..proto("p.Nobody", DESCRIPTORS) },
        Row { names: "q.User", ..proto("q.User", DESCRIPTORS) },
        rest("GET /v1/groups/g/schemas?type=Nobody", "", 404, "Nobody"),
        rest("GET /v1/groups/g/schemas/schema/7", "", 404, "schema 7"),
        rest("GET /v1/groups/g/schemas/schema/-1", "", 404, "schema/-1"),
        rest("GET /v1/groups/g/schemas/schema/4294967296", "", 404, "4294967296"),
        rest("DELETE /v1/groups/g/schemas/schema/x", "", 404, "schema/x"),
        rest("DELETE /v1/groups/nowhere/schemas/schema/0", "", 404, "nowhere"),
        rest("GET /v1/groups/g/schemas/format/avro/type/n.User/versions/0", "", 404, "avro"),
        rest("GET /v1/groups/g/schemas/format/Avro/type/n.User/versions/9", "", 404, "9"),
        rest("POST /v1/groups/g/schemas/versions/find", avro("\"int\""), 404, "int"),
        rest("POST /v1/groups/deleted/schemas/versions/find", avro(AVRO), 404, "n.User"),
        rest("POST /v1/groups/g/schemas/versions/validate", "{}", 400, "schemaInfo"),
        rest("POST /v1/groups/g/schemas/versions/canRead", avro("7"), 400, "Unable to parse"),
        rest("POST /v1/schemas/addedTo", "{}", 400, "type"),
    ]
}

fn v1_encodings() -> Vec<Row> {
    let encode = |body: String, status, names| rest("PUT /v1/groups/g/encodings", body, status, names);
    let of = |version: String, codec: &str| format!(r#"{{"versionInfo":{version},"codecType":{codec}}}"#);
    let large = format!(r#"{{"name":"big","properties":{{"a":"{}"}}}}"#, "x".repeat(921_600));
    vec![
        encode(r#"{"codecType":""}"#.into(), 400, "versionInfo"),
        encode(format!(r#"{{"versionInfo":{}}}"#, version("0")), 400, "codecType"),
        encode(of(version("-1"), "\"\""), 400, "-1"),
        encode(of(version("4294967296"), "\"\""), 400, "4294967296"),
        encode(
            of(version("0").replace("\"serializationFormat\":\"Avro\",", ""), "\"\""),
            400,
            "serializationFormat",
        ),
        encode(of(version("7"), "\"\""), 404, "schema 7"),
        encode(of(version("0"), "\"zip\""), 412, "codec zip not registered"),
        rest("PUT /v1/groups/deleted/encodings", of(version("0"), "\"\""), 404, "schema 0"),
        rest("GET /v1/groups/g/encodings/7", "", 404, "encoding 7"),
        rest("GET /v1/groups/g/encodings/seven", "", 404, "seven"),
        rest("POST /v1/groups/g/codecTypes", "{}", 400, "name"),
        rest("POST /v1/groups/g/codecTypes", large, 400, "big"),
        rest("GET /v1/groups/nowhere/codecTypes", "", 404, "nowhere"),
    ]
}

/// REST v2 of streams: an empty stream `s/t`.
fn v2_streams() -> Vec<Row> {
    let plain = |line, status, names| rest(line, "", status, names);
    let append =
        |headers, status, names| Row { headers, ..rest("POST /v2/streams/s/t/events", "x", status, names) };
    vec![
        plain("GET /v2/streams/s/nothing", 404, "s/nothing"),
        plain("POST /v2/streams/s/nothing/events", 404, "s/nothing"),
        plain("GET /v2/streams/s/nothing/events", 404, "s/nothing"),
        plain("GET /v2/streams/s/nothing/tail", 404, "s/nothing"),
        plain("PUT /v2/streams/s/a%20b", 400, "a b"),
        plain("PUT /v2/streams/s/t2?segments=0", 400, "segment"),
        plain("PUT /v2/streams/s/t2?segments=many", 400, "segments"),
        plain("GET /v2/streams/s/t/events?from=here", 400, "here"),
        plain("GET /v2/streams/s/t/events?limit=many", 400, "limit"),
        plain("GET /v2/events/xyz", 400, "xyz"),
        plain("GET /v2/events/00", 400, "pointer"),
        append(vec![("kulya-writer", "00")], 400, "Kulya-Event-Number"),
        append(vec![("kulya-writer", "00"), ("kulya-event-number", "1")], 400, "32 hexadecimal digits"),
        append(
            vec![("kulya-writer", "000102030405060708090a0b0c0d0e0f"), ("kulya-event-number", "one")],
            400,
            "one",
        ),
    ]
}

async fn server() -> (String, Arc<dyn SchemaRegistry>) {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    let registry = Arc::new(registry_on(Arc::clone(&store)).await);
    let make = async |name: &str, format: Format, policy: Compatibility, many: bool| {
        let group = GroupId::new("", name);
        registry.create_group(&group, GroupProperties::new(format, policy, many)).await.unwrap();
        group
    };
    for (name, many) in [("g", true), ("one", false), ("deleted", true)] {
        let group = make(name, Format::Avro, Compatibility::Backward, many).await;
        registry.add_schema(&group, SchemaInfo::new("", Format::Avro, AVRO)).await.unwrap();
    }
    let arrays = SchemaInfo::new("", Format::Avro, r#"{"type":"array","items":"int"}"#);
    registry.add_schema(&GroupId::new("", "g"), arrays).await.unwrap();
    registry.delete_schema(&GroupId::new("", "deleted"), 0).await.unwrap();
    make("p", Format::Protobuf, Compatibility::AllowAny, true).await;
    make("j", Format::Json, Compatibility::AllowAny, true).await;
    store.create_scope(&Scope::new("s").unwrap()).await.unwrap();
    store.create_stream(&StreamId::new("s", "t").unwrap(), StreamConfig::with_segments(1)).await.unwrap();
    let url = serve_services(Services { registry: Arc::clone(&registry), store }).await;
    (url, registry)
}

#[tokio::test]
async fn an_invalid_request_gets_the_reason() {
    let (url, registry) = server().await;
    let v1: Vec<_> = v1_groups().into_iter().chain(v1_schemas()).chain(v1_encodings()).collect();
    assert!(v1.len() >= 45, "{} of REST v1", v1.len());
    let client = crate::client();
    let mut wrong = Vec::new();
    for row in v1.into_iter().chain(v2_streams()) {
        let (method, target) = row.line.split_once(' ').unwrap();
        let mut request = client.request(method.parse::<Method>().unwrap(), format!("{url}{target}"));
        if !row.content_type.is_empty() {
            request = request.header("Content-Type", row.content_type);
        }
        for (name, value) in &row.headers {
            request = request.header(*name, *value);
        }
        let response = request.body(row.body.clone()).send().await.unwrap();
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        if status != row.status || !text.contains(row.names) || row.names.is_empty() {
            let body: String = String::from_utf8_lossy(&row.body).chars().take(200).collect();
            wrong.push(format!(
                "{} {body}: {status} {text:.300?}, and not {} {:?}",
                row.line, row.status, row.names
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    // nothing of it was applied
    assert_eq!(registry.groups("").await.unwrap().len(), 5);
    assert_eq!(registry.schema_versions(&GroupId::new("", "g"), None).await.unwrap().len(), 2);
    assert_eq!(registry.history(&GroupId::new("", "g")).await.unwrap()[0].timestamp_ms, NOW_MS);
}

/// The kind of an error.
fn kind(error: &CodecError) -> &'static str {
    match error {
        CodecError::Registry(_) => "registry",
        CodecError::Header(_) => "header",
        CodecError::Codec(_) => "codec",
        CodecError::Key(_) => "key",
        CodecError::Schema(_) => "schema",
        CodecError::Value { .. } => "value",
        CodecError::Payload { .. } => "payload",
        _ => "another",
    }
}

/// Bytes that are not an event, or do not match the header.
#[tokio::test]
async fn an_invalid_event_gets_the_reason() {
    let (_, registry) = server().await;
    let group = GroupId::new("", "g");
    let version = registry.schema_versions(&group, Some("n.User")).await.unwrap()[0].version.clone();
    for codec in [Gzip::NAME, "mine"] {
        let codec = CodecType { name: codec.into(), properties: Default::default() };
        registry.add_codec_type(&group, codec).await.unwrap();
    }
    for (id, codec) in ["", Gzip::NAME, "mine"].into_iter().enumerate() {
        let encoding = registry.encoding_id(&group, &version, codec).await.unwrap();
        assert_eq!(encoding, EncodingId(id as u32));
    }
    let reader = Deserializer::new(Arc::clone(&registry), group).codecs(Codecs::default());
    let rows: [(&[u8], &str, &str); 12] = [
        (b"", "header", "5"),
        (b"\x01\0\0", "header", "3"),
        (b"\x02\0\0\0\0\x02", "header", "0x02"),
        (b"{\"a\":1}", "header", "0x7b"),
        (b"\x01\0\0\0\x09\x02", "registry", "encoding 9"),
        (b"\x01\xff\xff\xff\xff\x02", "header", "-1 is negative"),
        (b"\x01\0\0\0\0", "payload", "n.User"),
        (b"\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "payload", "n.User"),
        (b"\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\x01", "payload", "n.User"),
        (b"\x01\0\0\0\x01rubbish", "codec", "gzip"),
        (b"\x01\0\0\0\x01", "codec", "gzip"),
        (b"\x01\0\0\0\x02x", "codec", "mine"),
    ];
    let mut wrong = Vec::new();
    for (event, expected, names) in rows {
        let error = reader.deserialize_any(event).await.map(|_| ()).unwrap_err();
        let text = error.to_string();
        if kind(&error) != expected || !text.contains(names) {
            wrong.push(format!("{event:?}: {} {text:?}, and not {expected} {names:?}", kind(&error)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let error = reader.deserialize_dynamic(b"\x01\0\0\0\0\x02").await.unwrap_err();
    assert!(kind(&error) == "schema" && error.to_string().contains("Protobuf"), "{error}");
    let error = reader.deserialize::<String>(b"\x01\0\0\0\0\x02").await.unwrap_err();
    assert!(kind(&error) == "payload" && error.to_string().contains("n.User"), "{error}");
}
