//! Generation of the OpenAPI 3.1 document from the list of endpoints.

use super::endpoint::{Content, Endpoint, HEX, NAME, Parameter, U32};
use super::examples;
use super::openapi_schemas::{all_schemas, reference};
use crate::health;
use serde_json::{Map, Value, json};

pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_ascii_lowercase()] = operation(endpoint);
    }
    for (path, item) in health::document() {
        paths.insert(path.to_owned(), item);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kulya, REST v2",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Administration of the schema registry and of change data captures, and the store's streams. Names in a path are \
                percent-encoded, each in one segment. Unknown parameters and members are rejected.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        // a server without authentication requires none
        "security": [{}, { "password": [] }, { "token": [] }],
        "components": {
            "schemas": all_schemas(),
            "securitySchemes": {
                "password": { "type": "http", "scheme": "basic", "description": "a user of the account file" },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "a token of the configured issuer",
                },
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let of_path = endpoint.path_parameters().map(|name| {
        // ids are the only parameters that are not strings
        let (kind, constraints) = match name {
            "id" => ("integer", U32),
            "scope" | "stream" => ("string", NAME),
            "pointer" => ("string", HEX),
            _ => ("string", r#"{"minLength":1}"#),
        };
        let schema = constrained(kind, constraints);
        with_example(json!({ "name": name, "in": "path", "required": true, "schema": schema }), name)
    });
    let of_query = endpoint.query.iter().map(|query| parameter("query", query));
    let of_headers = endpoint.headers.iter().map(|header| parameter("header", header));
    let mut operation = json!({
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.api()],
        "parameters": of_path.chain(of_query).chain(of_headers).collect::<Vec<_>>(),
        "responses": {},
    });
    if let Some(content) = content(endpoint.request) {
        // an event may be empty
        let required = !matches!(endpoint.request, Content::Bytes);
        operation["requestBody"] = json!({ "required": required, "content": content });
    }
    for (status, description, response_content) in &endpoint.responses {
        let mut response = json!({ "description": description });
        if let Some(content) = content(*response_content) {
            response["content"] = content;
        }
        operation["responses"][status.to_string()] = response;
    }
    let has_parameters = endpoint.path_parameters().next().is_some() || !endpoint.query.is_empty();
    let has_json_body = matches!(endpoint.request, Content::Json(_) | Content::Lines(_));
    let has_body = !matches!(endpoint.request, Content::Nothing);
    // 403: without permission, or a cross-origin request
    let common = [
        (400, has_parameters || has_body),
        (401, true),
        (403, true),
        (413, has_body),
        (415, has_json_body),
        (429, true),
        (503, true),
    ];
    let errors =
        common.iter().filter(|(_, applies)| *applies).map(|(status, _)| status).chain(endpoint.errors);
    for status in errors {
        operation["responses"][status.to_string()] = match status {
            // without a body
            401 | 429 => json!({ "description": error_description(*status) }),
            _ => json!({
                "description": error_description(*status),
                "content": content(Content::Json("Error")),
            }),
        };
    }
    operation
}

fn parameter(location: &str, parameter: &Parameter) -> Value {
    let Parameter { name, kind, required, description, constraints } = parameter;
    let schema = constrained(kind, constraints);
    with_example(
        json!({ "name": name, "in": location, "required": required, "description": description, "schema": schema }),
        name,
    )
}

/// Adds a parameter's example.
fn with_example(mut parameter: Value, name: &str) -> Value {
    if let Some(example) = examples::of_parameter(name) {
        parameter["example"] = example;
    }
    parameter
}

/// Returns the schema of a type with constraints.
fn constrained(kind: &str, constraints: &str) -> Value {
    let mut schema = json!({ "type": kind });
    let constraints: Map<String, Value> =
        serde_json::from_str(constraints).expect("constraints are valid JSON");
    if let Some(schema) = schema.as_object_mut() {
        schema.extend(constraints);
    }
    schema
}

fn content(content: Content) -> Option<Value> {
    Some(match content {
        Content::Nothing => return None,
        Content::Json(name) => {
            let mut media = json!({ "schema": reference(name) });
            if let Some(example) = examples::of_schema(name) {
                media["example"] = example;
            }
            json!({ "application/json": media })
        }
        // OpenAPI 3.1 cannot describe the schema of a line or of an event's data
        Content::Lines(name) => {
            json!({ "application/x-ndjson": { "schema": { "type": "string" }, "x-line": reference(name) } })
        }
        Content::Events(name) => {
            json!({ "text/event-stream": { "schema": { "type": "string" }, "x-data": reference(name) } })
        }
        Content::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Content::Bytes => json!({ "application/octet-stream": {} }),
    })
}

fn error_description(status: u16) -> &'static str {
    match status {
        400 => "invalid request; the text has the reason",
        401 => "authentication failed",
        403 => "permission denied; the text names the missing permission",
        429 => "rate limit exceeded: retry later",
        404 => "not found",
        409 => "conflict; for an incompatible schema with all reasons",
        410 => "no longer retained",
        412 => "the codec has not been added to the group",
        413 => "request body too large",
        415 => "unsupported content type",
        417 => "the group has another schema format",
        503 => "unavailable: retry later",
        507 => "disk full",
        _ => "error",
    }
}
