//! The list of places as an OpenAPI document (3.1).

use super::place::{Content, HEX, NAME, Parameter, Place, U32};
use super::{examples, schemas};
use crate::health;
use serde_json::{Map, Value, json};

pub(super) fn document(places: &[Place]) -> Value {
    let mut paths = Map::new();
    for place in places {
        let path = paths.entry(place.path).or_insert_with(|| json!({}));
        path[place.method.as_str().to_ascii_lowercase()] = operation(place);
    }
    for (path, item) in health::document() {
        paths.insert(path.to_owned(), item);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kulya, REST v2",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The schema registry for those who look after it, and the store's streams. Names in a path are \
                percent-encoded, each within one segment. Unknown parameters and members are refused.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        // where the server knows nobody, nothing is asked for
        "security": [{}, { "password": [] }, { "token": [] }],
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "password": { "type": "http", "scheme": "basic", "description": "a user of the account file" },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "a token of the issuer that the server believes",
                },
            },
        },
    })
}

fn operation(place: &Place) -> Value {
    let of_path = place.parts().map(|name| {
        // ids and numbers are the only parts that are not texts
        let (kind, bounds) = match name {
            "id" => ("integer", U32),
            "scope" | "stream" => ("string", NAME),
            "pointer" => ("string", HEX),
            _ => ("string", r#"{"minLength":1}"#),
        };
        let schema = bounded(kind, bounds);
        exemplified(json!({ "name": name, "in": "path", "required": true, "schema": schema }), name)
    });
    let of_query = place.query.iter().map(|parameter| parameter_of("query", parameter));
    let of_headers = place.headers.iter().map(|parameter| parameter_of("header", parameter));
    let mut operation = json!({
        "operationId": place.name,
        "summary": place.summary,
        "tags": [if place.path.contains("/streams") || place.path.contains("/events") { "streams" } else { "registry" }],
        "parameters": of_path.chain(of_query).chain(of_headers).collect::<Vec<_>>(),
        "responses": {},
    });
    if let Some(content) = content(place.takes) {
        // an event may be empty
        let required = !matches!(place.takes, Content::Bytes);
        operation["requestBody"] = json!({ "required": required, "content": content });
    }
    for (status, what, answer) in &place.answers {
        let mut response = json!({ "description": what });
        if let Some(content) = content(*answer) {
            response["content"] = content;
        }
        operation["responses"][status.to_string()] = response;
    }
    let has_parameters = place.parts().next().is_some() || !place.query.is_empty();
    let takes_json = matches!(place.takes, Content::Json(_) | Content::Lines(_));
    let takes_body = !matches!(place.takes, Content::Nothing);
    // without a right, or sent by another site's page
    let always = [
        (400, has_parameters || takes_body),
        (401, true),
        (403, true),
        (413, takes_body),
        (415, takes_json),
        (429, true),
        (503, true),
    ];
    let refuses = always.iter().filter(|(_, is_so)| *is_so).map(|(status, _)| status).chain(place.refuses);
    for status in refuses {
        operation["responses"][status.to_string()] = match status {
            // nothing is said to whom nobody knows
            401 | 429 => json!({ "description": refusal(*status) }),
            _ => json!({
                "description": refusal(*status),
                "content": content(Content::Json("Error")),
            }),
        };
    }
    operation
}

fn parameter_of(place: &str, parameter: &Parameter) -> Value {
    let Parameter { name, kind, required, what, bounds } = parameter;
    let schema = bounded(kind, bounds);
    exemplified(
        json!({ "name": name, "in": place, "required": required, "description": what, "schema": schema }),
        name,
    )
}

/// A parameter with its example.
fn exemplified(mut parameter: Value, name: &str) -> Value {
    if let Some(example) = examples::of_parameter(name) {
        parameter["example"] = example;
    }
    parameter
}

/// A kind, and what its values are between.
fn bounded(kind: &str, bounds: &str) -> Value {
    let mut schema = json!({ "type": kind });
    let bounds: Map<String, Value> = serde_json::from_str(bounds).expect("bounds are written as JSON");
    if let Some(schema) = schema.as_object_mut() {
        schema.extend(bounds);
    }
    schema
}

fn content(content: Content) -> Option<Value> {
    Some(match content {
        Content::Nothing => return None,
        Content::Json(name) => {
            let mut media = json!({ "schema": schemas::refer(name) });
            if let Some(example) = examples::of_schema(name) {
                media["example"] = example;
            }
            json!({ "application/json": media })
        }
        // what a line and an event's data hold: OpenAPI 3.1 has no word for them
        Content::Lines(name) => {
            json!({ "application/x-ndjson": { "schema": { "type": "string" }, "x-line": schemas::refer(name) } })
        }
        Content::Events(name) => {
            json!({ "text/event-stream": { "schema": { "type": "string" }, "x-data": schemas::refer(name) } })
        }
        Content::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Content::Bytes => json!({ "application/octet-stream": {} }),
    })
}

fn refusal(status: u16) -> &'static str {
    match status {
        400 => "the request is wrong; the text says how",
        401 => "nobody who is known here",
        403 => "the caller has no right to it: the text names the one that is missing",
        429 => "asked too often: come again later",
        404 => "what is asked for is not there",
        409 => "it stands against what is there; a refused schema has every reason with it",
        410 => "what was asked for is no longer kept",
        412 => "the codec was never added to the group",
        413 => "the body is too large",
        415 => "the body is of another type",
        417 => "the group takes schemas of another format",
        503 => "come again later",
        507 => "the disk is full",
        _ => "it cannot be done",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{document, places};
    use crate::health;
    use serde_json::Value;
    use std::collections::HashSet;

    fn refs<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(to) if name == "$ref" => found.push(to),
                        value => refs(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_is_whole() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        let mut found = Vec::new();
        refs(&document, &mut found);
        assert!(found.len() > 50);
        for to in &found {
            assert!(document.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
        }
        // no schema that nobody names
        let named: HashSet<&str> = found.iter().filter_map(|to| to.rsplit('/').next()).collect();
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(named.contains(name.as_str()), "{name}");
        }
        let mut names = HashSet::new();
        for place in places() {
            let operation = &document["paths"][place.path][place.method.as_str().to_ascii_lowercase()];
            assert_eq!(operation["operationId"], place.name, "{} {}", place.method, place.path);
            assert!(names.insert(place.name) && !place.summary.is_empty(), "{}", place.name);
            assert!(!place.answers.is_empty(), "{}", place.name);
            let parameters = operation["parameters"].as_array().unwrap();
            for part in place.parts() {
                assert!(
                    parameters.iter().any(|it| it["name"] == part && it["in"] == "path"),
                    "{}",
                    place.path
                );
            }
        }
        let operations =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len());
        assert_eq!(operations.sum::<usize>(), names.len() + health::document().len());
    }
}
