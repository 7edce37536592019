//! The document beside the server: what it says of paths, methods and parameters is so, and it leaves nothing out.

use super::Asker;
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_served_document_is_the_one_of_the_code() {
    let asker = Asker::new().await;
    let served: Value = asker
        .client
        .get(format!("{}/v2/openapi.json", asker.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(served, asker.document);
    // the document is one by its own standard's structure
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1."));
    for member in ["title", "version"] {
        assert!(served["info"][member].is_string());
    }
    for schema in served["components"]["schemas"].as_object().unwrap().values() {
        let mut whole = schema.clone();
        whole["components"] = served["components"].clone();
        jsonschema::draft202012::meta::validate(&whole).unwrap();
        jsonschema::draft202012::new(&whole).unwrap();
    }
}

/// A parameter that nobody knows is refused with the names of those that are known: they are the document's.
#[tokio::test]
async fn parameters_are_the_documents() {
    let asker = Asker::new().await;
    let mut checked = 0;
    for (path, places) in asker.document["paths"].as_object().unwrap() {
        for (method, operation) in places.as_object().unwrap() {
            let of = |place: &str| -> BTreeSet<String> {
                let parameters = operation["parameters"].as_array().unwrap().iter();
                let of_place = parameters.filter(|parameter| parameter["in"] == place);
                of_place.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
            };
            let url =
                of("path").iter().fold(path.clone(), |url, name| url.replace(&format!("{{{name}}}"), "1"));
            let request = asker.client.request(
                method.to_ascii_uppercase().parse().unwrap(),
                format!("{}{url}?no-such-parameter=1", asker.url),
            );
            if of("query").is_empty() {
                continue;
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400, "{method} {path}");
            let told: Value = answer.json().await.unwrap();
            let told = told["error"].as_str().unwrap();
            let (_, known) =
                told.split_once(", expected ").unwrap_or_else(|| panic!("{method} {path}: {told}"));
            let known: BTreeSet<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            assert_eq!(known, of("query"), "{method} {path}: {told}");
            checked += 1;
        }
    }
    assert!(checked > 25, "{checked}");
}

/// Whatever method a place does not have is refused there, in words.
#[tokio::test]
async fn other_methods_are_refused() {
    let asker = Asker::new().await;
    for (path, places) in asker.document["paths"].as_object().unwrap() {
        let url = path.replace(['{', '}'], "");
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            if places[method.to_ascii_lowercase()].is_object() {
                continue;
            }
            let request = asker.client.request(method.parse().unwrap(), format!("{}{url}", asker.url));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            let allowed = answer.headers()["allow"].to_str().unwrap().to_ascii_lowercase();
            let allowed: BTreeSet<&str> =
                allowed.split(',').map(str::trim).filter(|it| *it != "head").collect();
            let described: BTreeSet<&str> = places.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(allowed, described, "{path}");
            let told: Value = answer.json().await.unwrap();
            assert_eq!(told["kind"], "not-allowed", "{path}");
        }
    }
}

/// Every body has an example, which its schema allows; and the examples, sent as they stand, are what somebody does.
#[tokio::test]
async fn the_examples_work_as_they_stand() {
    let asker = Asker::new().await;
    let operations = asker.document["paths"].as_object().unwrap().iter().flat_map(|(path, places)| {
        let of_path = move |(method, operation)| (method, path, operation);
        places.as_object().unwrap().iter().map(of_path)
    });
    let mut known = std::collections::BTreeMap::new();
    for (method, path, operation) in operations {
        let name = operation["operationId"].as_str().unwrap();
        let body = &operation["requestBody"]["content"]["application/json"];
        assert!(body.is_null() || !body["example"].is_null(), "{name} has no example");
        let answers = operation["responses"].as_object().unwrap().values();
        let answers = answers.map(|answer| &answer["content"]["application/json"]);
        for content in answers.chain([body]).filter(|content| !content["example"].is_null()) {
            asker.hold(&content["schema"], &content["example"], name);
        }
        let mut path = path.clone();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let example = &parameter["example"];
            if !example.is_null() {
                asker.hold(&parameter["schema"], example, name);
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
        ("deleteSchema", 204),
        ("deleteGroup", 204),
    ] {
        let (method, path, body) = &known[name];
        let body = Some(body.clone()).filter(|body| !body.is_null());
        asker.told(&format!("{method} {path}"), body, status).await;
    }
}
