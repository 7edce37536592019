//! A session that comes by every place, each answer held against the document.

use super::{Asker, avro, field, format, group};
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
async fn every_place_answers_as_the_document_says() {
    let asker = Asker::new().await;
    groups(&asker).await;
    schemas(&asker).await;
    texts(&asker).await;
    encodings(&asker).await;
    lists(&asker).await;
    transfers(&asker).await;
    streams(&asker).await;
    asker.told("GET /v2/openapi.json", None, 200).await;
    for probe in ["GET /health", "GET /health/live", "GET /health/ready"] {
        assert_eq!(asker.told(probe, None, 200).await["status"], "healthy");
    }
    // each operation met each of its successes
    let met = asker.met.lock().unwrap().clone();
    for places in asker.document["paths"].as_object().unwrap().values() {
        for operation in places.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            // these do not end: followed in a test of their own
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

async fn groups(asker: &Asker) {
    assert_eq!(asker.told("GET /v2/namespaces", None, 200).await, json!({ "items": [] }));
    let backward = group("Avro", "Backward");
    asker.told("PUT /v2/groups/orders?namespace=shop", backward.clone(), 201).await;
    asker.told("PUT /v2/groups/orders?namespace=shop", backward.clone(), 200).await;
    let other = asker.told("PUT /v2/groups/orders?namespace=shop", group("Avro", "Full"), 409).await;
    assert_eq!(other["kind"], "conflict");
    asker.told("PUT /v2/groups/a%2Fb%20%C3%BC?namespace=n%2Fs", group("Any", "AllowAny"), 201).await;
    asker.told("PUT /v2/groups/default", group("Avro", "DenyAll"), 201).await;
    let properties = asker.told("GET /v2/groups/orders?namespace=shop", None, 200).await;
    assert_eq!(
        properties["serializationFormat"],
        json!({ "serializationFormat": "Avro", "fullTypeName": "Avro" })
    );
    let change = json!({ "compatibility": { "policy": "BackwardTransitive" }, "previous": properties });
    let changed = asker.told("PATCH /v2/groups/orders?namespace=shop", change.clone(), 200).await;
    assert_eq!(changed["compatibility"]["policy"], "BackwardTransitive");
    asker.told("PATCH /v2/groups/orders?namespace=shop", change, 409).await;
    let page = asker.told("GET /v2/groups?namespace=n%2Fs", None, 200).await;
    assert_eq!(page["items"][0]["group"], "a/b ü");
    asker.told("DELETE /v2/groups/default", None, 204).await;
    asker.told("DELETE /v2/groups/default", None, 204).await;
    asker.told("GET /v2/groups/default", None, 404).await;
}

async fn schemas(asker: &Asker) {
    let at = |rest: &str| format!("{rest}?namespace=shop");
    let with_id = avro(&json!([field("id", "long")]));
    let version = asker.told(&at("POST /v2/groups/orders/schemas"), with_id.clone(), 201).await;
    assert_eq!(version, json!({ "type": "Order", "serializationFormat": "Avro", "version": 0, "id": 0 }));
    // the same as v1 sends it
    let data = STANDARD.encode(r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#);
    let as_v1 = json!({ "type": "Order", "serializationFormat": format("Avro"), "schemaData": data, "properties": {} });
    assert_eq!(asker.told(&at("POST /v2/groups/orders/schemas"), as_v1.clone(), 201).await, version);
    assert_eq!(asker.told(&at("POST /v2/groups/orders/find"), as_v1, 200).await, version);
    let text = r#"{"type":"record","name":"Order","fields":[]}"#;
    let as_text = json!({ "serializationFormat": format("Avro"), "schema": text });
    asker.told(&at("POST /v2/groups/orders/schemas"), as_text, 201).await;

    let refused = avro(&json!([field("id", "string"), field("note", "string")]));
    let refusal = asker.told(&at("POST /v2/groups/orders/schemas"), refused.clone(), 409).await;
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
        let mut body = json!({ "schemaInfo": refused });
        body.as_object_mut().unwrap().extend(question.as_object().unwrap().clone());
        body
    };
    let verdict = asker.told(&at("POST /v2/groups/orders/check"), check(json!({})), 200).await;
    assert_eq!((&verdict["compatible"], &verdict["refusal"]), (&json!(false), &refusal["refusal"]));
    let by_java = check(json!({ "compatibility": { "policy": "AllowAny" }, "rules": {} }));
    let verdict = asker.told(&at("POST /v2/groups/orders/check"), by_java, 200).await;
    assert_eq!(verdict, json!({ "compatible": true }));
    let till = json!({ "policy": "Advanced", "advanced": { "backwardPolicy": { "backwardPolicy": {
        "name": "BackwardTill", "versionInfo": version } } } });
    let by_till = check(json!({ "compatibility": till, "rules": { "kulya.rules": "strict" } }));
    let verdict = asker.told(&at("POST /v2/groups/orders/check"), by_till, 200).await;
    assert_eq!(verdict["refusal"]["policy"], "Advanced");
    let verdict = json!({ "schemaInfo": with_id, "compatibility": { "policy": "DenyAll" } });
    let verdict = asker.told(&at("POST /v2/groups/orders/check"), verdict, 200).await;
    assert_eq!(verdict["registered"], version);
    let can_read = asker.told(&at("POST /v2/groups/orders/can-read"), refused.clone(), 200).await;
    assert_eq!(can_read, json!({ "compatible": false }));

    let comparison = asker.told("GET /v2/groups/orders/compare?namespace=shop&from=0&to=1", None, 200).await;
    assert_eq!(comparison["fields"]["removed"], json!([{ "path": "id", "type": "long" }]));
    assert_eq!(
        (&comparison["backward"], &comparison["forward"][0]["readerPath"]),
        (&json!([]), &json!("Order.id"))
    );

    asker.told(&at("DELETE /v2/groups/orders/schemas/1"), None, 204).await;
    asker.told(&at("DELETE /v2/groups/orders/schemas/9"), None, 404).await;
    let schema = asker.told(&at("GET /v2/groups/orders/schemas/1"), None, 200).await;
    assert_eq!((&schema["deleted"], &schema["versionInfo"]["id"]), (&json!(true), &json!(1)));
    assert_eq!(schema["text"], "{\n  \"type\": \"record\",\n  \"name\": \"Order\",\n  \"fields\": []\n}\n");
    let schema = asker.told(&at("GET /v2/groups/orders/schemas/0"), None, 200).await;
    assert_eq!((&schema["deleted"], &schema["versionInfo"]), (&json!(false), &version));
    let first = asker.told("GET /v2/groups/orders/versions?namespace=shop&limit=1", None, 200).await;
    assert_eq!((&first["items"][0]["versionInfo"], &first["next"]), (&version, &json!("0")));
    let last =
        asker.told("GET /v2/groups/orders/versions?namespace=shop&limit=1&after=0&type=Order", None, 200);
    assert_eq!(last.await["items"][0]["deleted"], true);
    let id = "GET /v2/groups/orders/versions/id?namespace=shop&format=Avro&type=Order&version=1";
    assert_eq!(asker.told(id, None, 200).await, json!({ "id": 1 }));
}

async fn texts(asker: &Asker) {
    let mixed = |rest: &str| format!("{rest}?namespace=n%2Fs");
    let add = mixed("POST /v2/groups/a%2Fb%20%C3%BC/schemas");
    let text = |id: usize| mixed(&format!("GET /v2/groups/a%2Fb%20%C3%BC/schemas/{id}/text"));
    let of = |format_name: &str, data: &[u8]| json!({ "serializationFormat": format(format_name), "schemaData": STANDARD.encode(data) });
    asker.told(&add, of("Protobuf", &descriptor_set()), 201).await;
    asker
        .told(
            &add,
            json!({ "type": "J", "serializationFormat": format("Json"), "schema": { "type": "string" } }),
            201,
        )
        .await;
    let mut custom = of("Custom", &[0xff]);
    custom["serializationFormat"]["fullTypeName"] = json!("thrift");
    asker.told(&add, custom.clone(), 201).await;
    custom["schemaData"] = json!(STANDARD.encode("struct T {}"));
    asker.told(&add, custom, 201).await;
    let source = "// order.proto\nsyntax = \"proto3\";\n\npackage shop;\n\nmessage Order {\n  string id = 1;\n  repeated int32 sizes = 2;\n}\n";
    assert_eq!(asker.told(&text(0), None, 200).await, source);
    assert_eq!(asker.told(&text(1), None, 200).await, "{\n  \"type\": \"string\"\n}\n");
    let bytes = asker.told(&text(2), None, 404).await;
    assert!(bytes["error"].as_str().unwrap().contains("has no text"), "{bytes}");
    assert_eq!(asker.told(&text(3), None, 200).await, "struct T {}");
    let schema = asker.told(&mixed("GET /v2/groups/a%2Fb%20%C3%BC/schemas/2"), None, 200).await;
    assert!(schema["text"].is_null(), "{schema}");
}

async fn encodings(asker: &Asker) {
    let at = |rest: &str| format!("{rest}?namespace=shop");
    let codec = json!({ "name": "gz", "properties": { "level": "9" } });
    asker.told(&at("POST /v2/groups/orders/codecs"), codec.clone(), 204).await;
    asker.told(&at("POST /v2/groups/orders/codecs"), json!({ "name": "gz" }), 204).await;
    let codecs = asker.told(&at("GET /v2/groups/orders/codecs"), None, 200).await;
    assert_eq!(codecs, json!({ "codecs": [codec] }));
    let version = json!({ "type": "Order", "serializationFormat": "Avro", "version": 0, "id": 0 });
    let pair = |codec: &str| json!({ "versionInfo": version, "codec": codec });
    let id = asker.told(&at("POST /v2/groups/orders/encodings"), pair("gz"), 200).await;
    assert_eq!(id, json!({ "encodingId": 0 }));
    let none = json!({ "versionInfo": version });
    assert_eq!(asker.told(&at("POST /v2/groups/orders/encodings"), none, 200).await["encodingId"], 1);
    let unknown = asker.told(&at("POST /v2/groups/orders/encodings"), pair("zip"), 412).await;
    assert_eq!(unknown["kind"], "codec-unknown");
    let info = asker.told(&at("GET /v2/groups/orders/encodings/0"), None, 200).await;
    assert_eq!((&info["versionInfo"], &info["codecType"]["name"]), (&version, &json!("gz")));
}

async fn lists(asker: &Asker) {
    let found = asker.told(
        "GET /v2/search?namespace=shop&type=order&format=avro&allVersions=true&limit=5",
        None,
        200,
    );
    assert_eq!(found.await["items"].as_array().unwrap().len(), 1);
    let found = asker.told("POST /v2/search?limit=1", json!({ "field": "sizes" }), 200).await;
    let sizes = json!([{ "path": "sizes", "type": "repeated int32 sizes = 2" }]);
    assert_eq!(
        (&found["items"][0]["fields"], &found["items"][0]["group"]),
        (&sizes, &json!("a/b ü")),
        "{found}"
    );
    let with_id = avro(&json!([field("id", "long")]));
    let groups = asker.told("POST /v2/added-to?namespace=shop", with_id, 200).await;
    assert_eq!(groups["groups"]["orders"]["id"], 0);
    let page = asker.told("GET /v2/namespaces?limit=1", None, 200).await;
    let next = page["next"].as_str().unwrap();
    let rest = asker.told(&format!("GET /v2/namespaces?after={next}"), None, 200).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

async fn transfers(asker: &Asker) {
    let one = asker.told("GET /v2/export?namespace=shop", None, 200).await;
    let default = asker.told("GET /v2/export?namespace=", None, 200).await;
    assert_eq!((one.as_array().unwrap().len(), default.as_array().unwrap().len()), (7, 2));
    let all = asker.told("GET /v2/export", None, 200).await;
    let text: String = all.as_array().unwrap().iter().map(|line| format!("{line}\n")).collect();
    let other = Asker::new().await;
    for (existing, status) in [("", 200), ("?existing=refuse", 409), ("?existing=skip", 200)] {
        let line = format!("POST /v2/import{existing}");
        let request = other.client.post(format!("{}/v2/import{existing}", other.url));
        let request = request.header("Content-Type", "application/x-ndjson").body(text.clone());
        let answer = request.send().await.unwrap();
        let (found, done) = asker.held(&line, asker.operation("POST", "/v2/import"), answer).await;
        assert_eq!(found, status, "{done}");
        match existing {
            "" => assert_eq!(done, json!({ "groups": 2, "skipped": 0, "schemas": 6, "encodings": 2 })),
            "?existing=skip" => assert_eq!(done["skipped"], 2),
            _ => assert_eq!(done["kind"], "incompatible"),
        }
    }
    assert_eq!(other.told("GET /v2/export", None, 200).await, all);
}

async fn streams(asker: &Asker) {
    asker.told("PUT /v2/streams/s/t?segments=2", None, 201).await;
    asker.told("PUT /v2/streams/s/t", None, 200).await;
    asker.told("GET /v2/streams/s", None, 200).await;
    asker.told("GET /v2/streams/s/t", None, 200).await;
    for status in [201, 200] {
        let request = asker.client.post(format!("{}/v2/streams/s/t/events?key=k", asker.url)).body("one");
        let request = request.header("Kulya-Writer", "000102030405060708090a0b0c0d0e0f");
        let answer = request.header("Kulya-Event-Number", "1").send().await.unwrap();
        let operation = asker.operation("POST", "/v2/streams/s/t/events");
        assert_eq!(asker.held("POST events", operation, answer).await.0, status);
    }
    let binary = asker.client.post(format!("{}/v2/streams/s/t/events", asker.url)).body(vec![0xff]);
    binary.send().await.unwrap();
    let events = asker.told("GET /v2/streams/s/t/events", None, 200).await;
    assert_eq!(events.as_array().unwrap().len(), 2);
    let pointer = events[0]["pointer"].as_str().unwrap();
    asker.told(&format!("GET /v2/events/{pointer}"), None, 200).await;
    let refused = asker.told("GET /v2/streams/s/none", None, 404).await;
    assert_eq!(refused["kind"], "not-found");
}

/// The feed as `curl` sees it; what it tells is the suite's concern.
#[tokio::test]
async fn changes_are_followed_left_and_taken_up_again() {
    let asker = Asker::new().await;
    let schema =
        asker.operation("GET", "/v2/changes")["responses"]["200"]["content"]["text/event-stream"]["x-data"]
            .clone();
    let follow = async |from: Option<&str>| {
        let request = asker.client.get(format!("{}/v2/changes", asker.url));
        let request = from.into_iter().fold(request, |request, from| request.header("Last-Event-ID", from));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response
    };
    let mut feed = follow(None).await;
    asker.told("PUT /v2/groups/orders?namespace=shop", group("Avro", "Backward"), 201).await;
    asker.told("POST /v2/groups/orders/schemas?namespace=shop", avro(&json!([])), 201).await;
    asker.told("DELETE /v2/groups/orders?namespace=shop", None, 204).await;
    let told = events(&mut feed, 3).await;
    for (_, change) in &told {
        asker.hold(&schema, change, "a change");
    }
    let words: Vec<&str> = told.iter().map(|(_, change)| change["change"].as_str().unwrap()).collect();
    assert_eq!(words, ["group-created", "schema-added", "group-deleted"]);
    let again = events(&mut follow(Some(&told[0].0)).await, 2).await;
    assert_eq!(again, told[1..]);
}

/// The ids and data of so many server-sent events.
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
