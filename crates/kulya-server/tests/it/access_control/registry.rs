//! The permissions of REST v1, which are those of the Java registry (contract §4.5).

use super::*;

const GROUP: &str = r#"{"groupName":"g","groupProperties":{"serializationFormat":{"serializationFormat":"Avro"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true}}"#;
const SCHEMA: &str = r#"{"type":"U","serializationFormat":{"serializationFormat":"Avro"},"schemaData":"eyJ0eXBlIjoicmVjb3JkIiwibmFtZSI6IlUiLCJmaWVsZHMiOlt7Im5hbWUiOiJuIiwidHlwZSI6ImludCJ9XX0="}"#;
const ENCODING: &str =
    r#"{"versionInfo":{"type":"U","serializationFormat":"Avro","version":0,"id":0},"codecType":""}"#;
const RULE: &str = r#"{"compatibility":{"policy":"AllowAny"}}"#;

#[tokio::test]
async fn registry_operations_require_their_permissions() {
    let server = TestServer::with_accounts().await;
    assert_eq!(server.status("admin", "POST /v1/groups?namespace=ns", GROUP).await, 201);
    assert_eq!(server.status("admin", "POST /v1/groups/g/schemas?namespace=ns", SCHEMA).await, 201);
    let validate = format!(r#"{{"schemaInfo":{SCHEMA}}}"#);
    // unauthenticated, admin, reader, writer, codecs, schemas, nothing
    let callers = ["", "admin", "reader", "writer", "codecs", "schemas", "nothing"];
    for (line, body, expected) in [
        ("GET /ping", "", [401, 200, 200, 200, 200, 200, 200]),
        ("GET /nowhere", "", [401, 404, 404, 404, 404, 404, 404]),
        ("PATCH /v1/groups", "", [401, 405, 405, 405, 405, 405, 405]),
        ("GET /v1/groups?namespace=ns", "", [401, 200, 200, 200, 200, 200, 200]),
        ("POST /v1/groups?namespace=ns", GROUP, [401, 409, 403, 403, 403, 403, 403]),
        ("POST /v1/groups", GROUP, [401, 201, 403, 403, 403, 403, 403]),
        ("GET /v1/groups/g?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        ("HEAD /v1/groups/g?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        ("GET /v1/namespace/ns/groups/g", "", [401, 200, 200, 200, 403, 403, 403]),
        ("GET /v1/groups/g", "", [401, 200, 403, 403, 403, 403, 403]),
        ("GET /v1/groups/none?namespace=ns", "", [401, 404, 403, 403, 403, 403, 403]),
        ("GET /v1/groups/gone?namespace=ns", "", [401, 404, 403, 404, 403, 403, 403]),
        ("GET /v1/groups/g/history?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        ("GET /v1/groups/g/schemas?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        ("GET /v1/groups/g/schemas/versions?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        ("POST /v1/groups/g/schemas/versions/find?namespace=ns", SCHEMA, [401, 200, 200, 200, 403, 403, 403]),
        (
            "POST /v1/groups/g/schemas/versions/canRead?namespace=ns",
            SCHEMA,
            [401, 200, 200, 200, 403, 403, 403],
        ),
        (
            "POST /v1/groups/g/schemas/versions/validate?namespace=ns",
            &validate,
            [401, 200, 200, 200, 403, 403, 403],
        ),
        ("GET /v1/groups/g/schemas/schema/0?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        ("PUT /v1/groups/g/encodings?namespace=ns", ENCODING, [401, 200, 200, 200, 403, 403, 403]),
        ("GET /v1/groups/g/encodings/0?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        ("GET /v1/groups/g/codecTypes?namespace=ns", "", [401, 200, 200, 200, 403, 403, 403]),
        // read permission suffices to add a codec
        (
            "POST /v1/groups/g/codecTypes?namespace=ns",
            r#"{"name":"gz"}"#,
            [401, 201, 403, 201, 201, 403, 403],
        ),
        ("PUT /v1/groups/g/compatibility?namespace=ns", RULE, [401, 200, 403, 200, 403, 403, 403]),
        ("POST /v1/groups/g/schemas?namespace=ns", SCHEMA, [401, 201, 403, 201, 403, 201, 403]),
        ("POST /v1/schemas/addedTo?namespace=ns", SCHEMA, [401, 200, 403, 403, 200, 403, 403]),
        // by version it requires permission on the schemas, by id on the group
        ("DELETE /v1/groups/g/schemas/schema/9?namespace=ns", "", [401, 404, 403, 404, 403, 403, 403]),
        (
            "DELETE /v1/groups/g/schemas/format/Avro/type/U/versions/9?namespace=ns",
            "",
            [401, 404, 403, 404, 403, 404, 403],
        ),
        ("DELETE /v1/groups/gone?namespace=ns", "", [401, 204, 403, 204, 403, 403, 403]),
        ("GET /v2/captures", "", [401, 200, 403, 403, 403, 403, 403]),
        ("GET /v2/captures/none", "", [401, 404, 403, 403, 403, 403, 403]),
        ("POST /v2/captures/none/pause", "", [401, 404, 403, 403, 403, 403, 403]),
        ("POST /v2/captures/none/resume", "", [401, 404, 403, 403, 403, 403, 403]),
        ("POST /v2/captures/none/signals", r#"{"type":"log"}"#, [401, 404, 403, 403, 403, 403, 403]),
        ("DELETE /v2/captures/none", "", [401, 404, 403, 403, 403, 403, 403]),
        ("GET /v2/nowhere", "", [401, 404, 403, 403, 403, 403, 403]),
        ("GET /v2/registry/anything", "", [401, 404, 403, 403, 403, 403, 403]),
    ] {
        for (caller, expected) in callers.iter().zip(expected) {
            assert_eq!(server.status(caller, line, body).await, expected, "{caller}: {line}");
        }
    }
}

#[tokio::test]
async fn stream_operations_require_their_permissions() {
    let server = TestServer::with_accounts().await;
    let callers = ["", "admin", "looker", "orders", "nothing"];
    for (line, body, expected) in [
        ("PUT /v2/streams/shop/orders", "", [401, 201, 403, 403, 403]),
        ("PUT /v2/streams/shop/other", "", [401, 201, 403, 403, 403]),
        ("GET /v2/streams/shop", "", [401, 200, 200, 403, 403]),
        ("GET /v2/streams/shop/orders", "", [401, 200, 200, 200, 403]),
        ("GET /v2/streams/shop/none", "", [401, 404, 404, 403, 403]),
        ("POST /v2/streams/shop/orders/events", "e", [401, 201, 403, 201, 403]),
        ("POST /v2/streams/shop/other/events", "e", [401, 201, 403, 403, 403]),
        ("GET /v2/streams/shop/orders/events", "", [401, 200, 200, 200, 403]),
        ("GET /v2/streams/shop/orders/tail", "", [401, 200, 200, 200, 403]),
        ("GET /v2/streams/shop/other/tail", "", [401, 200, 200, 403, 403]),
        ("GET /v2/streams/_kulya/x", "", [401, 403, 403, 403, 403]),
    ] {
        for (caller, expected) in callers.iter().zip(expected) {
            assert_eq!(server.status(caller, line, body).await, expected, "{caller}: {line}");
        }
    }
    let event = server.send("orders", "POST /v2/streams/shop/orders/events", "e").await;
    let event: serde_json::Value = serde_json::from_str(&event.text().await.unwrap()).unwrap();
    let line = format!("GET /v2/events/{}", event["pointer"].as_str().unwrap());
    for (caller, expected) in callers.iter().zip([401, 200, 200, 200, 403]) {
        assert_eq!(server.status(caller, &line, "").await, expected, "{caller}: {line}");
    }
}

#[tokio::test]
async fn unauthenticated_clients_get_no_information() {
    let server = TestServer::with_accounts().await;
    for authorization in [
        "",
        "Basic",
        "basic YWRtaW46MTExMV9hYWFh",
        "BASIC YWRtaW46MTExMV9hYWFh",
        "Digest YWRtaW46MTExMV9hYWFh",
        "Bearer YWRtaW46MTExMV9hYWFh",
        "Basic !!!!",
        "Basic YWRtaW4=",
        "Basic YWRtaW46d3Jvbmc=",
        "Basic bm9ib2R5OjExMTFfYWFhYQ==",
        "Basic YWRtaW46MTExMV9hYWFh extra",
    ] {
        for path in ["/ping", "/v1/groups", "/nowhere", "/v2/streams/s"] {
            let url = format!("http://{}{path}", server.address);
            let response =
                server.client.get(url).header("Authorization", authorization).send().await.unwrap();
            assert_eq!(response.status(), 401, "{authorization} {path}");
            assert!(!response.headers().contains_key("www-authenticate"), "{authorization}");
            assert_eq!(response.bytes().await.unwrap().len(), 0, "{authorization}");
        }
    }
    let url = format!("http://{}/ping", server.address);
    let padded = server.client.get(url).header("Authorization", "Basic   YWRtaW46MTExMV9hYWFh ");
    assert_eq!(padded.send().await.unwrap().status(), 200);
    for (line, expected) in [
        ("GET /v1/groups/x", "the caller needs READ on prn::/namespace:/group:x"),
        ("GET /v2/streams/shop", r#"{"error":"the caller needs READ on prn::/scope:shop","kind":"denied"}"#),
        (
            "GET /v2/streams/_kulya",
            r#"{"error":"the caller needs READ on prn::/scope:_kulya, granted by an ACL entry that starts with prn::/scope:_","kind":"denied"}"#,
        ),
    ] {
        let response = server.send("nothing", line, "").await;
        assert_eq!(response.status(), 403, "{line}");
        assert_eq!(response.text().await.unwrap(), expected, "a refusal names the right that is missing");
    }
}

#[tokio::test]
async fn lists_are_filtered_and_have_no_empty_pages() {
    let accounts = accounts()
        + &account::format_line(
            "odd",
            &PasswordHash::new(PASSWORD.as_bytes(), [5; 32], NonZeroU32::MIN),
            "prn::/namespace:ns/group:*1,READ;prn::/namespace:ns/group:s%2Ft,READ",
        )
        .unwrap();
    let authenticator = Authenticator::new(ResourceNames::default(), [8; 32])
        .with_accounts(StubSource::of(accounts))
        .unwrap();
    let server =
        TestServer::start(AccessControl::permissive(clock()).with_authenticator(authenticator)).await;
    for name in (0..45).map(|n| format!("g{n:02}")).chain(["s/t".to_owned()]) {
        let body = GROUP.replace("\"g\"", &format!("{name:?}"));
        assert_eq!(server.status("admin", "POST /v1/groups?namespace=ns", &body).await, 201, "{name}");
    }
    let list = async |user: &str, limit: usize| {
        let (mut token, mut pages) = (String::new(), Vec::new());
        loop {
            let line = format!("GET /v1/groups?namespace=ns&limit={limit}&continuationToken={token}");
            let text = server.send(user, &line, "").await.text().await.unwrap();
            let page: serde_json::Value = serde_json::from_str(&text).unwrap();
            let names: Vec<_> = page["groups"].as_object().unwrap().keys().cloned().collect();
            if names.is_empty() {
                return pages;
            }
            token = page["continuationToken"].as_str().unwrap().replace('/', "%2F");
            pages.push(names);
        }
    };
    assert_eq!(list("odd", 2).await, [vec!["g01", "g11"], vec!["g21", "g31"], vec!["g41", "s/t"]]);
    assert_eq!(list("admin", 100).await.concat().len(), 46);
    assert!(list("nothing", 3).await.is_empty());
    assert_eq!(list("reader", 3).await, Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn changed_accounts_are_reloaded() {
    let page = StubSource::of(accounts());
    let authenticator =
        Authenticator::new(ResourceNames::default(), [8; 32]).with_accounts(page.clone()).unwrap();
    let server =
        TestServer::start(AccessControl::permissive(clock()).with_authenticator(authenticator)).await;
    assert_eq!(server.status("admin", "GET /v1/groups/g", "").await, 404);
    page.write("no account at all");
    assert_eq!(server.status("admin", "GET /v1/groups/g", "").await, 404, "a mistake changes nothing");
    page.write(accounts().replace("prn::*,READ_UPDATE;\n", "\n"));
    assert_eq!(server.status("admin", "GET /v1/groups/g", "").await, 403);
    page.write("# nobody\n");
    assert_eq!(server.status("admin", "GET /v1/groups/g", "").await, 401);
}

#[tokio::test]
async fn resource_names_are_configurable() {
    let names = ResourceNames { domain: "d".into(), namespace: "n".into(), group: "gr".into() };
    let hash = PasswordHash::new(PASSWORD.as_bytes(), [5; 32], NonZeroU32::MIN);
    let line = account::format_line("reader", &hash, "d::/n:ns/gr:g,READ").unwrap();
    let authenticator = Authenticator::new(names, [8; 32]).with_accounts(StubSource::of(line)).unwrap();
    let server =
        TestServer::start(AccessControl::permissive(clock()).with_authenticator(authenticator)).await;
    assert_eq!(server.status("reader", "GET /v1/groups/g?namespace=ns", "").await, 404);
    assert_eq!(server.status("reader", "GET /v1/groups/h?namespace=ns", "").await, 403);
}

#[tokio::test]
async fn changes_and_denials_are_audited() {
    let log = Log::default();
    let access_control = AccessControl::permissive(clock())
        .with_authenticator(authenticator())
        .with_audit(AuditLog::new(log.clone(), clock()));
    let server = TestServer::start(access_control).await;
    server.status("", "GET /ping", "").await;
    server.status("admin", "GET /ping", "").await;
    server.status("admin", "POST /v1/groups?namespace=ns", GROUP).await;
    server.status("admin", "POST /v1/groups?namespace=ns", GROUP).await;
    server.status("reader", "GET /v1/groups/g?namespace=ns", "").await;
    server.status("reader", "GET /v1/groups/h?namespace=ns", "").await;
    server.status("reader", "PUT /v1/groups/g/encodings?namespace=ns", ENCODING).await;
    server.status("orders", "POST /v2/streams/shop/orders/events", "secret-event").await;
    let text = log.text();
    let output: Vec<String> = text
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["address"].as_str().unwrap().starts_with("127.0.0.1:"));
            assert_eq!(line["time"], "2026-11-23T22:56:47.906Z");
            let word = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            let (resource, permission) = (word("resource"), word("permission"));
            let (face, operation) = (word("face"), word("operation"));
            let (allowed, status) = (&line["allowed"], &line["status"]);
            format!("{} {face} {operation} {resource} {permission} {allowed} {status}", word("caller"))
        })
        .collect();
    assert_eq!(
        output,
        [
            "- registry ping - - false 401",
            "admin registry createGroup prn::/namespace:ns READ_UPDATE true 201",
            "admin registry createGroup prn::/namespace:ns READ_UPDATE true 409",
            "reader registry readGroup prn::/namespace:ns/group:h READ false 403",
            "reader registry encodingId prn::/namespace:ns/group:g READ true 404",
            "orders streams append prn::/scope:shop/stream:orders READ_UPDATE true 404",
        ]
    );
    for secret in [PASSWORD, "secret-event", "YWRtaW46"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
