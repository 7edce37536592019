//! The OpenAPI document describes the server's paths, methods and parameters correctly and completely.

use super::TestClient;
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_served_document_is_the_generated_one() {
    let client = TestClient::new().await;
    let server: Value = client
        .client
        .get(format!("{}/v2/openapi.json", client.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(server, client.document);
    // the document is valid OpenAPI
    assert!(server["openapi"].as_str().unwrap().starts_with("3.1."));
    for member in ["title", "version"] {
        assert!(server["info"][member].is_string());
    }
    for schema in server["components"]["schemas"].as_object().unwrap().values() {
        let mut whole = schema.clone();
        whole["components"] = server["components"].clone();
        jsonschema::draft202012::meta::validate(&whole).unwrap();
        jsonschema::draft202012::new(&whole).unwrap();
    }
}

/// An unknown parameter is rejected with the names of the known ones: they are those of the document.
#[tokio::test]
async fn parameters_match_the_document() {
    let client = TestClient::new().await;
    let mut checked = 0;
    for (path, places) in client.document["paths"].as_object().unwrap() {
        for (method, operation) in places.as_object().unwrap() {
            let of = |place: &str| -> BTreeSet<String> {
                let parameters = operation["parameters"].as_array().unwrap().iter();
                let of_place = parameters.filter(|parameter| parameter["in"] == place);
                of_place.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
            };
            let url =
                of("path").iter().fold(path.clone(), |url, name| url.replace(&format!("{{{name}}}"), "1"));
            let request = client.client.request(
                method.to_ascii_uppercase().parse().unwrap(),
                format!("{}{url}?no-such-parameter=1", client.url),
            );
            if of("query").is_empty() {
                continue;
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 400, "{method} {path}");
            let result: Value = response.json().await.unwrap();
            let result = result["error"].as_str().unwrap();
            let (_, known) =
                result.split_once(", expected ").unwrap_or_else(|| panic!("{method} {path}: {result}"));
            let known: BTreeSet<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            assert_eq!(known, of("query"), "{method} {path}: {result}");
            checked += 1;
        }
    }
    assert!(checked > 25, "{checked}");
}

/// A method that a path does not have is rejected with a message.
#[tokio::test]
async fn other_methods_are_rejected() {
    let client = TestClient::new().await;
    for (path, places) in client.document["paths"].as_object().unwrap() {
        let url = path.replace(['{', '}'], "");
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            if places[method.to_ascii_lowercase()].is_object() {
                continue;
            }
            let request = client.client.request(method.parse().unwrap(), format!("{}{url}", client.url));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            let allowed = response.headers()["allow"].to_str().unwrap().to_ascii_lowercase();
            let allowed: BTreeSet<&str> =
                allowed.split(',').map(str::trim).filter(|it| *it != "head").collect();
            let described: BTreeSet<&str> = places.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(allowed, described, "{path}");
            let result: Value = response.json().await.unwrap();
            assert_eq!(result["kind"], "not-allowed", "{path}");
        }
    }
}

/// Every body has a valid example, and the examples can be sent in order.
#[tokio::test]
async fn the_examples_succeed() {
    let client = TestClient::new().await;
    let operations = client.document["paths"].as_object().unwrap().iter().flat_map(|(path, places)| {
        let of_path = move |(method, operation)| (method, path, operation);
        places.as_object().unwrap().iter().map(of_path)
    });
    let mut known = std::collections::BTreeMap::new();
    for (method, path, operation) in operations {
        let name = operation["operationId"].as_str().unwrap();
        let body = &operation["requestBody"]["content"]["application/json"];
        assert!(body.is_null() || !body["example"].is_null(), "{name} has no example");
        let responses = operation["responses"].as_object().unwrap().values();
        let responses = responses.map(|response| &response["content"]["application/json"]);
        for content in responses.chain([body]).filter(|content| !content["example"].is_null()) {
            client.hold(&content["schema"], &content["example"], name);
        }
        let mut path = path.clone();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let example = &parameter["example"];
            if !example.is_null() {
                client.hold(&parameter["schema"], example, name);
            }
            let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            if parameter["in"] == "path" {
                path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &text);
            } else if parameter["in"] == "query" && !example.is_null() {
                let joint = if path.contains('?') { '&' } else { '?' };
                let query = format!("{joint}{}={text}", parameter["name"].as_str().unwrap());
                path += &query;
            }
        }
        known.insert(name, (method.to_ascii_uppercase(), path, body["example"].clone()));
    }
    for (name, status) in [
        ("createGroup", 201),
        ("createGroup", 200),
        ("getGroup", 200),
        ("listGroups", 200),
        ("addSchema", 201),
        ("checkSchema", 200),
        ("findSchema", 200),
        ("canRead", 200),
        ("addedTo", 200),
        ("listVersions", 200),
        ("getVersionId", 200),
        ("getSchema", 200),
        ("addCodec", 204),
        ("getEncodingId", 200),
        ("getEncoding", 200),
        ("search", 200),
        ("searchByQuery", 200),
        ("changeGroup", 200),
        ("createStream", 201),
        ("listStreams", 200),
        ("listCaptures", 200),
        ("pauseCapture", 200),
        ("dropCapture", 200),
        ("resumeCapture", 200),
        ("getCapture", 200),
        ("deleteSchema", 204),
        ("deleteGroup", 204),
    ] {
        let (method, path, body) = &known[name];
        let body = Some(body.clone()).filter(|body| !body.is_null());
        client.expect(&format!("{method} {path}"), body, status).await;
    }
}
