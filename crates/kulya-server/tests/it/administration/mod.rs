//! The registry over REST v2: the conformance suite, every endpoint's responses validated with the OpenAPI
//! document, and invalid requests.

mod bounds;
mod document;
mod invalid_requests;
mod walk;

use crate::{registry_on, serve_memory, serve_services};
use kulya_client::HttpRegistry;
use kulya_registry_api::conformance;
use kulya_server::Services;
use kulya_store::StreamStore;
use kulya_store::memory::MemoryStore;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn the_registry_over_http_conforms() {
    let ran =
        conformance::run_all(async || Arc::new(HttpRegistry::new(&serve_memory().await).unwrap())).await;
    assert_eq!(ran, 30);
}

/// Creating a group that others delete concurrently succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_created_while_others_delete_it() {
    let (url, client) = (serve_memory().await, crate::client());
    let group = format!("{url}/v2/groups/g");
    let body = json!({ "serializationFormat": { "serializationFormat": "Avro" }, "compatibility": { "policy": "AllowAny" } });
    let remover = {
        let (client, group) = (client.clone(), group.clone());
        tokio::spawn(async move {
            for _ in 0..300 {
                let status = client.delete(&group).send().await.unwrap().status().as_u16();
                assert!([204, 404].contains(&status), "{status}");
            }
        })
    };
    for _ in 0..300 {
        let status = client.put(&group).json(&body).send().await.unwrap().status().as_u16();
        assert!([200, 201].contains(&status), "{status}");
    }
    remover.await.unwrap();
}

/// A client that validates every response with the OpenAPI document.
struct TestClient {
    url: String,
    store: Arc<dyn StreamStore>,
    client: Client,
    document: Value,
    /// The operations and statuses seen so far.
    met: Mutex<BTreeSet<(String, u16)>>,
}

impl TestClient {
    async fn new() -> Self {
        let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
        let registry = Arc::new(registry_on(Arc::clone(&store)).await);
        let url = serve_services(Services { registry, store: Arc::clone(&store) }).await;
        let (client, met) = (crate::client(), Mutex::default());
        Self { url, store, client, document: kulya_server::rest::v2::document(), met }
    }

    /// Returns the operation of a path, without its query.
    fn operation(&self, method: &str, path: &str) -> &Value {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(one, part)| one.starts_with('{') || one == part)
        };
        let paths = self.document["paths"].as_object().unwrap();
        // a literal takes precedence over a parameter
        let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        let (template, places) = found.first().unwrap_or_else(|| panic!("{path} is not documented"));
        let operation = &places[method.to_ascii_lowercase()];
        assert!(operation.is_object(), "{method} of {template} is not documented");
        operation
    }

    /// Validates a value with a schema.
    fn hold(&self, schema: &Value, value: &Value, of: &str) {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let wrong: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{of}: {wrong:?}\n{value:#}");
    }

    /// Sends a request such as `GET /v2/groups` with a JSON body; the response must be as documented.
    async fn send(&self, line: &str, body: impl Into<Option<Value>>) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let operation = self.operation(method, path.split('?').next().unwrap());
        let mut request =
            self.client.request(method.parse::<Method>().unwrap(), format!("{}{path}", self.url));
        if let Some(body) = body.into() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.hold(schema, &body, &format!("the body of {line}"));
            request = request.json(&body);
        }
        self.held(line, operation, request.send().await.unwrap()).await
    }

    /// Returns a validated response as JSON, or as a text.
    async fn held(&self, line: &str, operation: &Value, response: Response) -> (u16, Value) {
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        let described = &operation["responses"][status.to_string()];
        assert!(described.is_object(), "{line}: {status} is not documented: {text}");
        self.met.lock().unwrap().insert((operation["operationId"].as_str().unwrap().to_owned(), status));
        let Some(kind) = kind else {
            assert!(described["content"].is_null() && text.is_empty(), "{line}: {text}");
            return (status, Value::Null);
        };
        let kind = kind.split(';').next().unwrap().to_owned();
        let content = &described["content"][&kind];
        assert!(content.is_object(), "{line}: {status} with {kind} is not documented");
        let value = match kind.as_str() {
            "application/json" => {
                let value: Value = serde_json::from_str(&text).unwrap();
                self.hold(&content["schema"], &value, line);
                value
            }
            "application/x-ndjson" => {
                let lines: Vec<Value> =
                    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                lines.iter().for_each(|value| self.hold(&content["x-line"], value, line));
                json!(lines)
            }
            _ => json!(text),
        };
        (status, value)
    }

    /// Returns the body of a response that must have this status.
    async fn expect(&self, line: &str, body: impl Into<Option<Value>>, status: u16) -> Value {
        let (found, value) = self.send(line, body).await;
        assert_eq!(found, status, "{line}: {value}");
        value
    }
}

fn format(name: &str) -> Value {
    json!({ "serializationFormat": name })
}

fn group(name: &str, policy: &str) -> Value {
    json!({
        "serializationFormat": format(name),
        "compatibility": { "policy": policy },
        "allowMultipleTypes": true,
        "properties": { "kulya.rules": "strict" },
    })
}

fn avro(fields: &Value) -> Value {
    let schema = json!({ "type": "record", "name": "Order", "fields": fields });
    json!({ "serializationFormat": format("Avro"), "schema": schema })
}

fn field(name: &str, kind: &str) -> Value {
    json!({ "name": name, "type": kind })
}
