//! Transcripts of REST v1: a session's statuses and bodies, and invalid requests.

use crate::serve_memory;
use base64::Engine;
use reqwest::Method;

async fn send(base: &str, line: &str, body: &str) -> (u16, String) {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = crate::client().request(method.parse::<Method>().unwrap(), format!("{base}{path}"));
    if !body.is_empty() {
        request = request.header("Content-Type", "application/json").body(body.to_owned());
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn schema(fields: &str) -> String {
    let text = format!(r#"{{"type":"record","name":"User","fields":[{fields}]}}"#);
    format!(
        r#"{{"type":"User","serializationFormat":{{"serializationFormat":"Avro"}},"schemaData":"{}","properties":{{}}}}"#,
        base64(&text)
    )
}

const GROUP: &str = r#"{"groupName":"mygroup","groupProperties":{"serializationFormat":{"serializationFormat":"Avro"},"compatibility":{"policy":"BackwardTransitive"},"allowMultipleTypes":true,"properties":{}}}"#;

#[tokio::test]
async fn a_session() {
    let base = serve_memory().await;
    let name = schema(r#"{"name":"name","type":"string"}"#);
    let data = base64(r#"{"type":"record","name":"User","fields":[{"name":"name","type":"string"}]}"#);
    let info = format!(
        r#"{{"type":"User","serializationFormat":{{"serializationFormat":"Avro","fullTypeName":"Avro"}},"schemaData":"{data}","properties":{{}}}}"#
    );
    let version = r#"{"type":"User","serializationFormat":"Avro","version":0,"id":0}"#;
    let with_version = format!(r#"{{"schemaInfo":{info},"versionInfo":{version}}}"#);
    let properties = r#"{"serializationFormat":{"serializationFormat":"Avro","fullTypeName":"Avro"},"compatibility":{"policy":"BackwardTransitive"},"allowMultipleTypes":true,"properties":{}}"#;
    let encoding = |codec: &str| format!(r#"{{"versionInfo":{version},"codecType":"{codec}"}}"#);
    let history = format!(
        r#"{{"history":[{{"schemaInfo":{info},"versionInfo":{version},"compatibility":{{"policy":"BackwardTransitive"}},"timestamp":1795474607906,"schemaString":"{{\"type\":\"record\",\"name\":\"User\",\"fields\":[{{\"name\":\"name\",\"type\":\"string\"}}]}}"}}]}}"#
    );
    let thrift = r#"{"groupName":"g1","groupProperties":{"serializationFormat":{"serializationFormat":"Custom","fullTypeName":"thrift"},"compatibility":{"policy":"DenyAll","advanced":null},"allowMultipleTypes":true}}"#;
    for (line, body, status, response) in [
        ("GET /ping", "", 200, ""),
        ("GET /v1/groups", "", 200, r#"{"groups":{},"continuationToken":""}"#),
        ("POST /v1/groups", GROUP, 201, ""),
        ("POST /v1/groups", GROUP, 409, "group \"mygroup\" already exists and is unchanged"),
        ("GET /v1/groups/mygroup", "", 200, properties),
        ("GET /v1/groups/mygroup/", "", 200, properties),
        ("POST /v1/groups?namespace=ns1", thrift, 201, ""),
        (
            "GET /v1/namespace/ns1/groups?limit=1",
            "",
            200,
            r#"{"groups":{"g1":{"serializationFormat":{"serializationFormat":"Custom","fullTypeName":"thrift"},"compatibility":{"policy":"DenyAll"},"allowMultipleTypes":true,"properties":{}}},"continuationToken":"g1"}"#,
        ),
        (
            "GET /v1/groups?namespace=ns1&continuationToken=g1",
            "",
            200,
            r#"{"groups":{},"continuationToken":"g1"}"#,
        ),
        ("GET /v1/groups/mygroup/schemas", "", 200, r#"{"schemas":[]}"#),
        ("POST /v1/groups/mygroup/schemas", &name, 201, version),
        ("POST /v1/groups/mygroup/schemas", &name, 201, version),
        ("GET /v1/groups/mygroup/schemas?type=User", "", 200, &format!(r#"{{"schemas":[{with_version}]}}"#)),
        ("GET /v1/groups/mygroup/schemas/versions", "", 200, &format!(r#"{{"schemas":[{with_version}]}}"#)),
        ("GET /v1/groups/mygroup/schemas/versions?type=Nobody", "", 200, r#"{"schemas":[]}"#),
        ("POST /v1/groups/mygroup/schemas/versions/find", &name, 200, version),
        ("GET /v1/groups/mygroup/schemas/schema/0", "", 200, &info),
        ("GET /v1/groups/mygroup/schemas/format/Avro/type/User/versions/0", "", 200, &info),
        ("POST /v1/groups/mygroup/schemas/versions/canRead", &name, 200, r#"{"compatible":true}"#),
        (
            "POST /v1/groups/mygroup/schemas/versions/validate",
            &format!(r#"{{"schemaInfo":{name},"compatibility":null}}"#),
            200,
            r#"{"valid":true}"#,
        ),
        (
            "POST /v1/groups/mygroup/schemas/versions/validate",
            &format!(r#"{{"schemaInfo":{},"compatibility":null}}"#, schema(r#"{"name":"x","type":"int"}"#)),
            200,
            r#"{"valid":false}"#,
        ),
        ("PUT /v1/groups/mygroup/encodings", &encoding(""), 200, r#"{"encodingId":0}"#),
        ("PUT /v1/groups/mygroup/encodings", &encoding("gz"), 412, "codec gz not registered"),
        ("POST /v1/groups/mygroup/codecTypes", r#"{"name":"gz","properties":{"a":"b"}}"#, 201, ""),
        (
            "GET /v1/groups/mygroup/codecTypes",
            "",
            200,
            r#"{"codecTypes":[{"name":"gz","properties":{"a":"b"}}]}"#,
        ),
        ("PUT /v1/groups/mygroup/encodings", &encoding("gz"), 200, r#"{"encodingId":1}"#),
        (
            "GET /v1/groups/mygroup/encodings/1",
            "",
            200,
            &format!(
                r#"{{"schemaInfo":{info},"versionInfo":{version},"codecType":{{"name":"gz","properties":{{"a":"b"}}}}}}"#
            ),
        ),
        ("GET /v1/groups/mygroup/history", "", 200, &history),
        ("POST /v1/schemas/addedTo", &name, 200, &format!(r#"{{"groups":{{"mygroup":{version}}}}}"#)),
        ("POST /v1/schemas/addedTo?namespace=ns1", &name, 200, r#"{"groups":{}}"#),
        (
            "PUT /v1/groups/mygroup/compatibility",
            r#"{"compatibility":{"policy":"Backward"},"previousCompatibility":{"policy":"Forward"}}"#,
            409,
            "the compatibility of group \"mygroup\" is no longer previousCompatibility: read it again",
        ),
        (
            "PUT /v1/groups/mygroup/compatibility",
            r#"{"compatibility":{"policy":"Backward"},"previousCompatibility":{"policy":"BackwardTransitive"}}"#,
            200,
            "",
        ),
        ("DELETE /v1/groups/mygroup/schemas/schema/0", "", 204, ""),
        ("DELETE /v1/groups/mygroup/schemas/schema/0", "", 204, ""),
        ("GET /v1/groups/mygroup/schemas/versions", "", 200, r#"{"schemas":[]}"#),
        ("GET /v1/groups/mygroup/schemas/schema/0", "", 200, &info),
        ("PUT /v1/groups/mygroup/encodings", &encoding(""), 200, r#"{"encodingId":0}"#),
        (
            "POST /v1/groups/mygroup/schemas",
            &name,
            201,
            r#"{"type":"User","serializationFormat":"Avro","version":1,"id":1}"#,
        ),
        ("DELETE /v1/groups/mygroup", "", 204, ""),
        ("DELETE /v1/groups/mygroup", "", 204, ""),
    ] {
        assert_eq!(send(&base, line, body).await, (status, response.to_owned()), "{line} {body}");
    }
}

/// Request, body, status, and a part of the message.
#[tokio::test]
async fn invalid_requests_get_the_reason() {
    let base = serve_memory().await;
    send(&base, "POST /v1/groups", GROUP).await;
    let avro = |data: &str, type_name: &str| {
        format!(
            r#"{{"type":"{type_name}","serializationFormat":{{"serializationFormat":"Avro"}},"schemaData":"{}"}}"#,
            base64(data)
        )
    };
    let user = r#"{"type":"record","name":"User","fields":[]}"#;
    let long = "x".repeat(201);
    let cases: &[(&str, String, u16, &str)] = &[
        ("POST /v1/groups", "{".into(), 400, "EOF"),
        ("POST /v1/groups", "[]".into(), 400, "invalid request body"),
        ("POST /v1/groups", "{}".into(), 400, "groupName"),
        ("POST /v1/groups", r#"{"groupName":"g"}"#.into(), 400, "groupProperties"),
        ("POST /v1/groups", GROUP.replace("mygroup", ""), 400, "must not be empty"),
        ("POST /v1/groups", GROUP.replace("BackwardTransitive", "Sideways"), 400, "Sideways"),
        ("POST /v1/groups", GROUP.replace("\"Avro\"", "\"Cobol\""), 400, "Cobol"),
        ("POST /v1/groups", GROUP.replace("\"Avro\"", "\"Custom\""), 400, "Custom name not supplied"),
        ("POST /v1/groups", GROUP.replace("\"Avro\"", "\"Json\""), 400, "AllowAny or DenyAll"),
        ("POST /v1/groups", GROUP.replace("\"Avro\"", "\"Protobuf\""), 400, "AllowAny or DenyAll"),
        (
            "POST /v1/groups",
            GROUP.replace("\"properties\":{}", &format!("\"properties\":{{\"{long}\":\"\"}}")),
            400,
            "too long",
        ),
        ("POST /v1/groups", GROUP.replace("\"allowMultipleTypes\":true,", ""), 400, "allowMultipleTypes"),
        ("POST /v1/groups/mygroup/schemas", avro("{", "User"), 400, "Unable to parse schema"),
        ("POST /v1/groups/mygroup/schemas", avro(user, "Other"), 400, "Type mismatch"),
        ("POST /v1/groups/mygroup/schemas", avro(user, "a."), 400, "ends with a dot"),
        ("POST /v1/groups/mygroup/schemas", avro(&user.replace("User", "9"), ""), 400, "\"9\""),
        (
            "POST /v1/groups/mygroup/schemas",
            avro(user, "User").replace("schemaData\":\"", "schemaData\":\"*"),
            400,
            "base64",
        ),
        (
            "POST /v1/groups/mygroup/schemas",
            avro(user, "User").replace("\"Avro\"", "\"Any\""),
            400,
            "cannot have the format Any",
        ),
        ("POST /v1/groups/mygroup/schemas", avro("{}", "").replace("\"Avro\"", "\"Json\""), 417, "Json"),
        ("POST /v1/groups/mygroup/schemas", avro("", "").replace("\"Avro\"", "\"Protobuf\""), 400, "no file"),
        ("POST /v1/groups/nowhere/schemas", avro(user, ""), 404, "nowhere"),
        ("POST /v1/groups/nowhere/schemas", avro("{", ""), 400, "parse"),
        ("GET /v1/groups/nowhere", String::new(), 404, "nowhere"),
        ("GET /v1/groups/mygroup/schemas?type=Nobody", String::new(), 404, "Nobody"),
        ("GET /v1/groups/mygroup/schemas/schema/7", String::new(), 404, "schema 7"),
        ("GET /v1/groups/mygroup/schemas/schema/x", String::new(), 404, ""),
        ("GET /v1/groups/mygroup/schemas/format/avro/type/User/versions/0", String::new(), 404, "avro"),
        ("GET /v1/groups/mygroup/encodings/0", String::new(), 404, "encoding 0"),
        ("GET /v1/groups?limit=many", String::new(), 404, ""),
        ("GET /v1/nothing", String::new(), 404, ""),
        ("DELETE /v1/groups", String::new(), 405, ""),
        ("POST /v1/groups/mygroup", "{}".into(), 405, ""),
        ("PUT /v1/groups/mygroup/encodings", r#"{"codecType":""}"#.into(), 400, "versionInfo"),
        ("PUT /v1/groups/mygroup/compatibility", "{}".into(), 400, "compatibility"),
        ("POST /v1/groups/mygroup/codecTypes", "{}".into(), 400, "name"),
    ];
    for (line, body, status, part) in cases {
        let (got, text) = send(&base, line, body).await;
        assert_eq!(got, *status, "{line} {body}: {text}");
        assert!(text.contains(part), "{line} {body}: {text:?} names {part:?}");
    }
    let plain = crate::client().post(format!("{base}/v1/groups")).body("{}").send().await.unwrap();
    assert_eq!(plain.status().as_u16(), 415);
    let empty = crate::client()
        .post(format!("{base}/v1/groups"))
        .header("Content-Type", "application/json; charset=utf-8");
    let empty = empty.send().await.unwrap();
    assert_eq!((empty.status().as_u16(), empty.text().await.unwrap().contains("no body")), (400, true));
    let wrong = crate::client().delete(format!("{base}/v1/groups")).send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "GET,HEAD,POST");
    let head = crate::client().head(format!("{base}/v1/groups/mygroup")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap()), (200, String::new()));
}

#[tokio::test]
async fn large_schemas_are_accepted_up_to_the_limit() {
    let base = serve_memory().await;
    send(&base, "POST /v1/groups", GROUP).await;
    let body = |bytes: usize| {
        let text = format!(r#"{{"type":"record","name":"User","doc":"{}","fields":[]}}"#, "x".repeat(bytes));
        format!(
            r#"{{"type":"","serializationFormat":{{"serializationFormat":"Avro"}},"schemaData":"{}"}}"#,
            base64(&text)
        )
    };
    let (status, text) = send(&base, "POST /v1/groups/mygroup/schemas", &body(8 * 1024 * 1024 - 100)).await;
    assert_eq!(status, 201, "{text}");
    let (status, text) = send(&base, "POST /v1/groups/mygroup/schemas", &body(8 * 1024 * 1024)).await;
    assert!(status == 400 && text.contains("8388608"), "{status} {text}");
    let (status, text) = send(&base, "POST /v1/groups/mygroup/schemas", &body(9 * 1024 * 1024)).await;
    assert!(status == 413 && text.contains("larger than"), "{status} {text}");
}
