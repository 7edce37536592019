//! A session that calls every endpoint and validates each response with the document.

use super::{TestClient, avro, field, format, group};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// `message Order { string id = 1; repeated int32 sizes = 2; }` of package shop.
fn descriptor_set() -> Vec<u8> {
    let id = b"\x12\x0a\x0a\x02id\x18\x01\x20\x01\x28\x09";
    let sizes = b"\x12\x0d\x0a\x05sizes\x18\x02\x20\x03\x28\x05";
    let message = [&b"\x0a\x05Order"[..], id, sizes].concat();
    let file =
        [&b"\x0a\x0border.proto\x12\x04shop\x22"[..], &[message.len() as u8], &message, b"\x62\x06proto3"]
            .concat();
    [&[0x0a, file.len() as u8], &file[..]].concat()
}

#[tokio::test]
async fn every_endpoint_responds_as_documented() {
    let client = TestClient::new().await;
    groups(&client).await;
    schemas(&client).await;
    references(&client).await;
    texts(&client).await;
    encodings(&client).await;
    lists(&client).await;
    exports_and_imports(&client).await;
    streams(&client).await;
    captures(&client).await;
    client.expect("GET /v2/openapi.json", None, 200).await;
    for probe in ["GET /health", "GET /health/live", "GET /health/ready"] {
        assert_eq!(client.expect(probe, None, 200).await["status"], "healthy");
    }
    // each operation has had each of its successful statuses
    let met = client.met.lock().unwrap().clone();
    for places in client.document["paths"].as_object().unwrap().values() {
        for operation in places.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            // these do not end: they have a test of their own
            if ["followStream", "followChanges"].contains(&name) {
                continue;
            }
            for status in operation["responses"].as_object().unwrap().keys().filter(|it| it.starts_with('2'))
            {
                assert!(
                    met.contains(&(name.to_owned(), status.parse().unwrap())),
                    "{name} {status} was not met"
                );
            }
        }
    }
}

async fn captures(client: &TestClient) {
    let listed = client.expect("GET /v2/captures", None, 200).await;
    assert_eq!(listed["captures"][0]["name"], "shop");
    assert_eq!(client.expect("GET /v2/captures/shop", None, 200).await["state"], "streaming");
    assert_eq!(client.expect("DELETE /v2/captures/shop", None, 409).await["kind"], "conflict");
    assert_eq!(client.expect("POST /v2/captures/shop/pause", None, 200).await["state"], "paused");
    let dropped = client.expect("DELETE /v2/captures/shop?storeOnly=true", None, 200).await;
    assert_eq!(dropped, json!({ "name": "shop", "position": "0/10" }));
    assert_eq!(client.expect("POST /v2/captures/shop/resume", None, 200).await["state"], "streaming");
    let signal = json!({ "id": "1", "type": "log", "data": { "message": "x" } });
    assert_eq!(client.expect("POST /v2/captures/shop/signals", signal, 200).await["name"], "shop");
    let malformed = client.expect("POST /v2/captures/shop/signals", json!({ "type": "log" }), 400).await;
    assert!(malformed["error"].as_str().unwrap().starts_with("data.message: "), "{malformed}");
    let missing = client.expect("POST /v2/captures/x/signals", json!({ "type": "log" }), 404).await;
    assert_eq!(missing["kind"], "not-found");
    for request in ["GET /v2/captures/a%2Fb", "POST /v2/captures/x/pause", "DELETE /v2/captures/x"] {
        let missing = client.expect(request, None, 404).await;
        assert_eq!(missing["kind"], "not-found", "{request}");
    }
}

async fn groups(client: &TestClient) {
    assert_eq!(client.expect("GET /v2/namespaces", None, 200).await, json!({ "items": [] }));
    let backward = group("Avro", "Backward");
    client.expect("PUT /v2/groups/orders?namespace=shop", backward.clone(), 201).await;
    client.expect("PUT /v2/groups/orders?namespace=shop", backward.clone(), 200).await;
    let other = client.expect("PUT /v2/groups/orders?namespace=shop", group("Avro", "Full"), 409).await;
    assert_eq!(other["kind"], "conflict");
    client.expect("PUT /v2/groups/a%2Fb%20%C3%BC?namespace=n%2Fs", group("Any", "AllowAny"), 201).await;
    client.expect("PUT /v2/groups/default", group("Avro", "DenyAll"), 201).await;
    let properties = client.expect("GET /v2/groups/orders?namespace=shop", None, 200).await;
    assert_eq!(
        properties["serializationFormat"],
        json!({ "serializationFormat": "Avro", "fullTypeName": "Avro" })
    );
    let change = json!({ "compatibility": { "policy": "BackwardTransitive" }, "previous": properties });
    let changed = client.expect("PATCH /v2/groups/orders?namespace=shop", change.clone(), 200).await;
    assert_eq!(changed["compatibility"]["policy"], "BackwardTransitive");
    client.expect("PATCH /v2/groups/orders?namespace=shop", change, 409).await;
    let page = client.expect("GET /v2/groups?namespace=n%2Fs", None, 200).await;
    assert_eq!(page["items"][0]["group"], "a/b ü");
    client.expect("DELETE /v2/groups/default", None, 204).await;
    client.expect("DELETE /v2/groups/default", None, 204).await;
    client.expect("GET /v2/groups/default", None, 404).await;
}

async fn schemas(client: &TestClient) {
    let at = |rest: &str| format!("{rest}?namespace=shop");
    let with_id = avro(&json!([field("id", "long")]));
    let version = client.expect(&at("POST /v2/groups/orders/schemas"), with_id.clone(), 201).await;
    assert_eq!(version, json!({ "type": "Order", "serializationFormat": "Avro", "version": 0, "id": 0 }));
    // the same as in REST v1
    let data = STANDARD.encode(r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#);
    let as_v1 = json!({ "type": "Order", "serializationFormat": format("Avro"), "schemaData": data, "properties": {} });
    assert_eq!(client.expect(&at("POST /v2/groups/orders/schemas"), as_v1.clone(), 201).await, version);
    assert_eq!(client.expect(&at("POST /v2/groups/orders/find"), as_v1, 200).await, version);
    let text = r#"{"type":"record","name":"Order","fields":[]}"#;
    let as_text = json!({ "serializationFormat": format("Avro"), "schema": text });
    client.expect(&at("POST /v2/groups/orders/schemas"), as_text, 201).await;

    let error = avro(&json!([field("id", "string"), field("note", "string")]));
    let refusal = client.expect(&at("POST /v2/groups/orders/schemas"), error.clone(), 409).await;
    assert_eq!(refusal["kind"], "incompatible");
    let reasons = refusal["refusal"]["reasons"].as_array().unwrap();
    // id against version 0; note against both
    assert_eq!(
        (&refusal["refusal"]["policy"], reasons.len()),
        (&json!("BackwardTransitive"), 4),
        "{refusal:#}"
    );
    let id = reasons.iter().find(|it| it["readerPath"] == "Order.id" && it["reader"] == "string").unwrap();
    assert_eq!((&id["kind"], &id["writer"]), (&json!("cannot-read"), &json!("long")));
    assert_eq!(id["versions"][0], version);
    assert!(!id["fix"].as_str().unwrap().is_empty());

    let check = |question: Value| {
        let mut body = json!({ "schemaInfo": error });
        body.as_object_mut().unwrap().extend(question.as_object().unwrap().clone());
        body
    };
    let verdict = client.expect(&at("POST /v2/groups/orders/check"), check(json!({})), 200).await;
    assert_eq!((&verdict["compatible"], &verdict["refusal"]), (&json!(false), &refusal["refusal"]));
    let by_java = check(json!({ "compatibility": { "policy": "AllowAny" }, "rules": {} }));
    let verdict = client.expect(&at("POST /v2/groups/orders/check"), by_java, 200).await;
    assert_eq!(verdict, json!({ "compatible": true }));
    let till = json!({ "policy": "Advanced", "advanced": { "backwardPolicy": { "backwardPolicy": {
        "name": "BackwardTill", "versionInfo": version } } } });
    let by_till = check(json!({ "compatibility": till, "rules": { "kulya.rules": "strict" } }));
    let verdict = client.expect(&at("POST /v2/groups/orders/check"), by_till, 200).await;
    assert_eq!(verdict["refusal"]["policy"], "Advanced");
    let verdict = json!({ "schemaInfo": with_id, "compatibility": { "policy": "DenyAll" } });
    let verdict = client.expect(&at("POST /v2/groups/orders/check"), verdict, 200).await;
    assert_eq!(verdict["registered"], version);
    let can_read = client.expect(&at("POST /v2/groups/orders/can-read"), error.clone(), 200).await;
    assert_eq!(can_read, json!({ "compatible": false }));

    let comparison =
        client.expect("GET /v2/groups/orders/compare?namespace=shop&from=0&to=1", None, 200).await;
    assert_eq!(comparison["fields"]["removed"], json!([{ "path": "id", "type": "long" }]));
    assert_eq!(
        (&comparison["backward"], &comparison["forward"][0]["readerPath"]),
        (&json!([]), &json!("Order.id"))
    );

    client.expect(&at("DELETE /v2/groups/orders/schemas/1"), None, 204).await;
    client.expect(&at("DELETE /v2/groups/orders/schemas/9"), None, 404).await;
    let schema = client.expect(&at("GET /v2/groups/orders/schemas/1"), None, 200).await;
    assert_eq!((&schema["deleted"], &schema["versionInfo"]["id"]), (&json!(true), &json!(1)));
    assert_eq!(schema["text"], "{\n  \"type\": \"record\",\n  \"name\": \"Order\",\n  \"fields\": []\n}\n");
    let schema = client.expect(&at("GET /v2/groups/orders/schemas/0"), None, 200).await;
    assert_eq!((&schema["deleted"], &schema["versionInfo"]), (&json!(false), &version));
    let first = client.expect("GET /v2/groups/orders/versions?namespace=shop&limit=1", None, 200).await;
    assert_eq!((&first["items"][0]["versionInfo"], &first["next"]), (&version, &json!("0")));
    let last =
        client.expect("GET /v2/groups/orders/versions?namespace=shop&limit=1&after=0&type=Order", None, 200);
    assert_eq!(last.await["items"][0]["deleted"], true);
    let id = "GET /v2/groups/orders/versions/id?namespace=shop&format=Avro&type=Order&version=1";
    assert_eq!(client.expect(id, None, 200).await, json!({ "id": 1 }));
}

async fn references(client: &TestClient) {
    client.expect("PUT /v2/groups/sales", group("Avro", "FullTransitive"), 201).await;
    let reference = json!({ "name": "Order", "namespace": "shop", "group": "orders", "id": 0 });
    let mut sale = json!({ "serializationFormat": format("Avro"), "references": [reference], "schema":
        { "type": "record", "name": "Sale", "fields": [{ "name": "order", "type": "Order" }] } });
    let version = client.expect("POST /v2/groups/sales/schemas", sale.clone(), 201).await;
    assert_eq!((&version["type"], &version["id"]), (&json!("Sale"), &json!(0)));
    let resolved = client.expect("POST /v2/resolve", sale.clone(), 200).await;
    let data = STANDARD.decode(resolved["schemaData"].as_str().unwrap()).unwrap();
    let text = String::from_utf8(data).unwrap();
    assert!(text.contains(r#""type":{"type":"record","name":"Order""#), "{text}");
    for call in ["find", "can-read"] {
        client.expect(&format!("POST /v2/groups/sales/{call}"), sale.clone(), 200).await;
    }
    let groups = client.expect("POST /v2/added-to", sale.clone(), 200).await;
    assert_eq!(groups["groups"]["sales"], version);
    let verdict = client.expect("POST /v2/groups/sales/check", json!({ "schemaInfo": sale }), 200).await;
    assert_eq!(verdict["registered"], version);
    // as it was sent, and for readers
    let schema = client.expect("GET /v2/groups/sales/schemas/0", None, 200).await;
    assert_eq!(schema["references"], json!([reference]));
    assert!(schema["text"].as_str().unwrap().contains(r#""type": "Order""#), "{schema}");
    let schema = client.expect("GET /v2/groups/sales/schemas/0?resolved=true", None, 200).await;
    let data = &schema["schemaInfo"]["schemaData"];
    assert_eq!((&schema["references"], data), (&json!([reference]), &resolved["schemaData"]));
    let text = client.expect("GET /v2/groups/sales/schemas/0/text?resolved=true", None, 200).await;
    assert!(text.as_str().unwrap().contains(r#""name": "Order""#), "{text}");
    let plain = client.expect("GET /v2/groups/orders/schemas/0?namespace=shop", None, 200).await;
    assert!(plain["references"].is_null(), "{plain}");
    // in use
    let path = "/v2/groups/orders/schemas/0/referenced-by?namespace=shop&limit=1";
    let referrers = client.expect(&format!("GET {path}"), None, 200).await;
    assert_eq!(referrers["items"], json!([{ "namespace": "", "group": "sales", "versionInfo": version }]));
    for path in [
        "/v2/groups/orders/schemas/0",
        "/v2/groups/orders",
        "/v1/groups/orders",
        "/v1/groups/orders/schemas/schema/0",
    ] {
        let request = client.client.delete(format!("{}{path}?namespace=shop", client.url));
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(
            status == 409 && text.contains("schema 0 of group sales refers to it"),
            "{path}: {status} {text}"
        );
    }
    let missing =
        client.expect("GET /v2/groups/orders/schemas/9/referenced-by?namespace=shop", None, 404).await;
    assert_eq!(missing["kind"], "not-found");
    sale["references"][0]["id"] = json!(1);
    let deleted = client.expect("POST /v2/groups/sales/schemas", sale, 400).await;
    assert!(
        deleted["error"].as_str().unwrap().contains("schema 1 of group shop/orders is deleted"),
        "{deleted}"
    );
    let kept = client.expect("DELETE /v2/groups/orders?namespace=shop", None, 409).await;
    assert_eq!(kept["kind"], "referenced");
    client.expect("DELETE /v2/groups/sales?force=true", None, 204).await;
}

async fn texts(client: &TestClient) {
    let mixed = |rest: &str| format!("{rest}?namespace=n%2Fs");
    let add = mixed("POST /v2/groups/a%2Fb%20%C3%BC/schemas");
    let text = |id: usize| mixed(&format!("GET /v2/groups/a%2Fb%20%C3%BC/schemas/{id}/text"));
    let of = |format_name: &str, data: &[u8]| json!({ "serializationFormat": format(format_name), "schemaData": STANDARD.encode(data) });
    client.expect(&add, of("Protobuf", &descriptor_set()), 201).await;
    client
        .expect(
            &add,
            json!({ "type": "J", "serializationFormat": format("Json"), "schema": { "type": "string" } }),
            201,
        )
        .await;
    let mut custom = of("Custom", &[0xff]);
    custom["serializationFormat"]["fullTypeName"] = json!("thrift");
    client.expect(&add, custom.clone(), 201).await;
    custom["schemaData"] = json!(STANDARD.encode("struct T {}"));
    client.expect(&add, custom, 201).await;
    let source = "// order.proto\nsyntax = \"proto3\";\n\npackage shop;\n\nmessage Order {\n  string id = 1;\n  repeated int32 sizes = 2;\n}\n";
    assert_eq!(client.expect(&text(0), None, 200).await, source);
    assert_eq!(client.expect(&text(1), None, 200).await, "{\n  \"type\": \"string\"\n}\n");
    let bytes = client.expect(&text(2), None, 404).await;
    assert!(bytes["error"].as_str().unwrap().contains("has no text"), "{bytes}");
    assert_eq!(client.expect(&text(3), None, 200).await, "struct T {}");
    let schema = client.expect(&mixed("GET /v2/groups/a%2Fb%20%C3%BC/schemas/2"), None, 200).await;
    assert!(schema["text"].is_null(), "{schema}");
}

async fn encodings(client: &TestClient) {
    let at = |rest: &str| format!("{rest}?namespace=shop");
    let codec = json!({ "name": "gz", "properties": { "level": "9" } });
    client.expect(&at("POST /v2/groups/orders/codecs"), codec.clone(), 204).await;
    client.expect(&at("POST /v2/groups/orders/codecs"), json!({ "name": "gz" }), 204).await;
    let codecs = client.expect(&at("GET /v2/groups/orders/codecs"), None, 200).await;
    assert_eq!(codecs, json!({ "codecs": [codec] }));
    let version = json!({ "type": "Order", "serializationFormat": "Avro", "version": 0, "id": 0 });
    let pair = |codec: &str| json!({ "versionInfo": version, "codec": codec });
    let id = client.expect(&at("POST /v2/groups/orders/encodings"), pair("gz"), 200).await;
    assert_eq!(id, json!({ "encodingId": 0 }));
    let none = json!({ "versionInfo": version });
    assert_eq!(client.expect(&at("POST /v2/groups/orders/encodings"), none, 200).await["encodingId"], 1);
    let unknown = client.expect(&at("POST /v2/groups/orders/encodings"), pair("zip"), 412).await;
    assert_eq!(unknown["kind"], "codec-unknown");
    let info = client.expect(&at("GET /v2/groups/orders/encodings/0"), None, 200).await;
    assert_eq!((&info["versionInfo"], &info["codecType"]["name"]), (&version, &json!("gz")));
}

async fn lists(client: &TestClient) {
    let found = client.expect(
        "GET /v2/search?namespace=shop&type=order&format=avro&allVersions=true&limit=5",
        None,
        200,
    );
    assert_eq!(found.await["items"].as_array().unwrap().len(), 1);
    let found = client.expect("POST /v2/search?limit=1", json!({ "field": "sizes" }), 200).await;
    let sizes = json!([{ "path": "sizes", "type": "repeated int32 sizes = 2" }]);
    assert_eq!(
        (&found["items"][0]["fields"], &found["items"][0]["group"]),
        (&sizes, &json!("a/b ü")),
        "{found}"
    );
    let with_id = avro(&json!([field("id", "long")]));
    let groups = client.expect("POST /v2/added-to?namespace=shop", with_id, 200).await;
    assert_eq!(groups["groups"]["orders"]["id"], 0);
    let page = client.expect("GET /v2/namespaces?limit=1", None, 200).await;
    let next = page["next"].as_str().unwrap();
    let rest = client.expect(&format!("GET /v2/namespaces?after={next}"), None, 200).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

async fn exports_and_imports(client: &TestClient) {
    let one = client.expect("GET /v2/export?namespace=shop", None, 200).await;
    let default = client.expect("GET /v2/export?namespace=", None, 200).await;
    assert_eq!((one.as_array().unwrap().len(), default.as_array().unwrap().len()), (7, 2));
    let all = client.expect("GET /v2/export", None, 200).await;
    let text: String = all.as_array().unwrap().iter().map(|line| format!("{line}\n")).collect();
    let other = TestClient::new().await;
    for (existing, status) in [("", 200), ("?existing=refuse", 409), ("?existing=skip", 200)] {
        let line = format!("POST /v2/import{existing}");
        let request = other.client.post(format!("{}/v2/import{existing}", other.url));
        let request = request.header("Content-Type", "application/x-ndjson").body(text.clone());
        let response = request.send().await.unwrap();
        let (found, done) = client.held(&line, client.operation("POST", "/v2/import"), response).await;
        assert_eq!(found, status, "{done}");
        match existing {
            "" => assert_eq!(done, json!({ "groups": 2, "skipped": 0, "schemas": 6, "encodings": 2 })),
            "?existing=skip" => assert_eq!(done["skipped"], 2),
            _ => assert_eq!(done["kind"], "incompatible"),
        }
    }
    assert_eq!(other.expect("GET /v2/export", None, 200).await, all);
}

async fn streams(client: &TestClient) {
    client.expect("PUT /v2/streams/s/t?segments=2", None, 201).await;
    client.expect("PUT /v2/streams/s/t", None, 200).await;
    client.expect("GET /v2/streams/s", None, 200).await;
    client.expect("GET /v2/streams/s/t", None, 200).await;
    for status in [201, 200] {
        let request = client.client.post(format!("{}/v2/streams/s/t/events?key=k", client.url)).body("one");
        let request = request.header("Kulya-Writer", "000102030405060708090a0b0c0d0e0f");
        let response = request.header("Kulya-Event-Number", "1").send().await.unwrap();
        let operation = client.operation("POST", "/v2/streams/s/t/events");
        assert_eq!(client.held("POST events", operation, response).await.0, status);
    }
    let binary = client.client.post(format!("{}/v2/streams/s/t/events", client.url)).body(vec![0xff]);
    binary.send().await.unwrap();
    let events = client.expect("GET /v2/streams/s/t/events", None, 200).await;
    assert_eq!(events.as_array().unwrap().len(), 2);
    let pointer = events[0]["pointer"].as_str().unwrap();
    client.expect(&format!("GET /v2/events/{pointer}"), None, 200).await;
    let error = client.expect("GET /v2/streams/s/none", None, 404).await;
    assert_eq!(error["kind"], "not-found");
}

/// The changes as `curl` sees them; the conformance suite checks their content.
#[tokio::test]
async fn changes_are_followed_and_resumed() {
    let client = TestClient::new().await;
    let schema =
        client.operation("GET", "/v2/changes")["responses"]["200"]["content"]["text/event-stream"]["x-data"]
            .clone();
    let follow = async |from: Option<&str>| {
        let request = client.client.get(format!("{}/v2/changes", client.url));
        let request = from.into_iter().fold(request, |request, from| request.header("Last-Event-ID", from));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response
    };
    let mut feed = follow(None).await;
    client.expect("PUT /v2/groups/orders?namespace=shop", group("Avro", "Backward"), 201).await;
    client.expect("POST /v2/groups/orders/schemas?namespace=shop", avro(&json!([])), 201).await;
    client.expect("DELETE /v2/groups/orders?namespace=shop", None, 204).await;
    let result = events(&mut feed, 3).await;
    for (_, change) in &result {
        client.hold(&schema, change, "a change");
    }
    let words: Vec<&str> = result.iter().map(|(_, change)| change["change"].as_str().unwrap()).collect();
    assert_eq!(words, ["group-created", "schema-added", "group-deleted"]);
    let again = events(&mut follow(Some(&result[0].0)).await, 2).await;
    assert_eq!(again, result[1..]);
}

/// Reads the ids and data of `count` server-sent events.
async fn events(response: &mut reqwest::Response, count: usize) -> Vec<(String, Value)> {
    let (mut text, mut found) = (String::new(), Vec::new());
    while found.len() < count {
        text += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                found.push((id.to_owned(), serde_json::from_str(data).unwrap()));
            }
            text = rest.to_owned();
        }
    }
    found
}
