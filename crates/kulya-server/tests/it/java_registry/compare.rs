//! Sends requests to two servers and compares the responses.

use super::draw::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The timeout of a response.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The status and the text of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TestResponse {
    pub(super) status: u16,
    pub(super) text: String,
}

/// An intended difference.
struct KnownDifference {
    name: &'static str,
    /// Why ours is better.
    reason: &'static str,
    holds: fn(&Request, java: &TestResponse, ours: &TestResponse) -> bool,
    /// Whether the servers' data may differ afterwards.
    parts: bool,
}

const KNOWN_DIFFERENCES: &[KnownDifference] = &[
    KnownDifference {
        name: "words for an error",
        reason: "no client reads them, and ours name the thing",
        holds: |_, java, ours| java.status == ours.status && java.status >= 400,
        parts: false,
    },
    KnownDifference {
        name: "a validation by the group's own rule",
        reason: "the Java client always asks so, and the Java server fails on it (contract §0, 7)",
        holds: |request, java, ours| {
            request.operation == "validate"
                && has_no_policy(request)
                && java.status == 500
                && ours.status != 500
        },
        parts: false,
    },
    KnownDifference {
        name: "the latest of a type that is not there",
        reason: "404 tells a client what it is; the Java server fails (contract §0, 8)",
        holds: |request, java, ours| {
            request.operation == "latest" && java.status == 500 && ours.status == 404
        },
        parts: false,
    },
    KnownDifference {
        name: "a group's name with a slash behind a namespace in the path",
        reason: "the name is one segment, as it is without a namespace (contract §1.1)",
        holds: |request, java, _| {
            request.path.starts_with("/v1/namespace/") && request.path.contains("%2F") && java.status == 404
        },
        parts: true,
    },
    KnownDifference {
        name: "the name of a format",
        reason: "the Java server has one of each for all groups, and gives the one that it heard of last (contract §8)",
        holds: |_, java, ours| {
            let unnamed =
                |response: &TestResponse| serde_json::from_str(&response.text).map(without_format_names).ok();
            let has_other =
                ["mine", "yours", "a text"].iter().any(|name| java.text.contains(&format!("\"{name}\"")));
            has_other
                && java.status == ours.status
                && unnamed(java).map(in_order) == unnamed(ours).map(in_order)
        },
        parts: false,
    },
    KnownDifference {
        name: "a body that is not what it should be",
        reason: "a request that is wrong is the client's fault: 400, not 500 (contract §1.1-1.3, §8)",
        holds: |request, java, ours| request.is_wrong && java.status == 500 && ours.status == 400,
        parts: false,
    },
    KnownDifference {
        name: "credentials that cannot be read",
        reason: "invalid credentials are unauthenticated, as a wrong password: 401, not 500 (contract §4.5)",
        holds: |request, java, ours| {
            let is_unreadable = request.authorization.as_deref().is_some_and(is_malformed);
            is_unreadable && java.status == 500 && ours.status == 401
        },
        parts: false,
    },
    KnownDifference {
        name: "a group that the caller is refused by its name",
        reason: "its existence is not revealed without permission: 403, not 409 (NONE)",
        holds: |request, java, ours| {
            let is_refused = request.authorization.as_deref().is_some_and(|by| user_of(by) == "all-but-one");
            is_refused && request.operation == "createGroup" && java.status == 409 && ours.status == 403
        },
        parts: false,
    },
    KnownDifference {
        name: "a schema's bytes as numbers",
        reason: "bytes are base64, which is what every client sends; Java's reader also takes a list",
        holds: |request, _, ours| {
            let data = |body: &Value| body.get("schemaInfo").unwrap_or(body).get("schemaData").cloned();
            ours.status == 400 && request.body.as_ref().and_then(data).is_some_and(|data| data.is_array())
        },
        parts: true,
    },
];

/// The user of Basic credentials; empty when there is none.
fn user_of(authorization: &str) -> String {
    let token = authorization.strip_prefix("Basic ").unwrap_or_default();
    let pair = STANDARD.decode(token).unwrap_or_default();
    String::from_utf8_lossy(pair.split(|byte| *byte == b':').next().unwrap_or_default()).into_owned()
}

/// Whether the Basic credentials are malformed.
fn is_malformed(authorization: &str) -> bool {
    let token = authorization.strip_prefix("Basic ").unwrap_or_default();
    !STANDARD.decode(token).is_ok_and(|pair| pair.contains(&b':'))
}

/// Normalizes the names of formats.
fn without_format_names(mut response: Value) -> Value {
    match &mut response {
        Value::Object(members) => {
            if let Some(name) = members.get_mut("fullTypeName") {
                *name = Value::Null;
            }
            // a version has only the name
            if let Some(Value::String(name)) = members.get_mut("serializationFormat") {
                name.clear();
            }
            members.values_mut().for_each(|member| *member = without_format_names(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_format_names(item.take())),
        _ => {}
    }
    response
}

fn has_no_policy(request: &Request) -> bool {
    request.body.as_ref().is_some_and(|body| body.get("compatibility").is_none_or(Value::is_null))
}

pub(super) struct Comparison {
    client: reqwest::Client,
    java: String,
    ours: String,
    /// The requests of this history.
    history: String,
    statuses: BTreeMap<u16, u64>,
    known_difference: BTreeMap<&'static str, u64>,
    /// The counts by operation and statuses, and the first history of each.
    unmeant: BTreeMap<(&'static str, u16, u16), (u64, String)>,
}

impl Comparison {
    pub(super) fn of(java: String, ours: String) -> Self {
        let (history, statuses, known_difference) = (String::new(), BTreeMap::new(), BTreeMap::new());
        let unmeant = BTreeMap::new();
        Self { client: crate::client(), java, ours, history, statuses, known_difference, unmeant }
    }

    /// Starts a history in a new namespace.
    pub(super) fn begin(&mut self, namespace: &str) {
        self.history = format!("namespace {namespace}\n");
    }

    pub(super) fn responded(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    pub(super) fn summary(&self) -> String {
        let mut text = format!("responses by status: {:?}\n", self.statuses);
        for known_difference in KNOWN_DIFFERENCES {
            let times = self.known_difference.get(known_difference.name).copied().unwrap_or_default();
            let _ = writeln!(text, "{times:>6} times {}: {}", known_difference.name, known_difference.reason);
        }
        text
    }

    /// Returns the unexpected differences.
    pub(super) fn differences(&self) -> String {
        let mut text = String::new();
        for ((operation, java, ours), (times, history)) in &self.unmeant {
            let _ = writeln!(
                text,
                "== {operation}: Java says {java}, ours {ours}, {times} times; the first:\n{history}"
            );
        }
        text
    }

    /// Sends a request to both; `false` when the responses differ, after which their data may differ.
    pub(super) async fn send(&mut self, request: &Request) -> bool {
        let java = self.response(&self.java, request).await;
        let ours = self.response(&self.ours, request).await;
        let Request { method, path, body, .. } = request;
        let body = body.as_ref().map(Value::to_string).unwrap_or_default();
        let who = request.authorization.as_deref().unwrap_or_default();
        let _ = writeln!(self.history, "{method} {path} {body} {who}\n  -> {} {}", java.status, java.text);
        *self.statuses.entry(ours.status).or_default() += 1;
        if same(request, &java, &ours) {
            return true;
        }
        let known_difference =
            KNOWN_DIFFERENCES.iter().find(|known_difference| (known_difference.holds)(request, &java, &ours));
        let Some(known_difference) = known_difference else {
            let found = self.unmeant.entry((request.operation, java.status, ours.status)).or_default();
            if found.0 == 0 {
                found.1 = format!("{}ours: {} {}\n", self.history, ours.status, ours.text);
            }
            found.0 += 1;
            return false;
        };
        *self.known_difference.entry(known_difference.name).or_default() += 1;
        !known_difference.parts
    }

    async fn response(&self, server: &str, request: &Request) -> TestResponse {
        let Request { method, path, body, authorization, .. } = request;
        let method = method.parse().expect("a method");
        let mut builder = self.client.request(method, format!("{server}{path}"));
        if let Some(body) = body {
            builder = builder.json(body);
        }
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let response = builder
            .timeout(TIMEOUT)
            .send()
            .await
            .unwrap_or_else(|e| panic!("{e}: {request:?}\n{}", self.history));
        let status = response.status().as_u16();
        TestResponse { status, text: response.text().await.expect("the response can be read") }
    }
}

/// Compares exactly, except for times and unordered lists.
fn same(request: &Request, java: &TestResponse, ours: &TestResponse) -> bool {
    if java.status != ours.status {
        return false;
    }
    if java.text == ours.text {
        return true;
    }
    let (Ok(java), Ok(ours)) = (serde_json::from_str(&java.text), serde_json::from_str(&ours.text)) else {
        return false;
    };
    match request.operation {
        "history" | "latest" | "listGroups" | "addedTo" => in_order(java) == in_order(ours),
        _ => false,
    }
}

/// Sorts lists of schemas by id and sets all times equal. The order of members does not matter.
fn in_order(mut response: Value) -> Value {
    if let Some(schemas) = response.get_mut("schemas").and_then(Value::as_array_mut) {
        schemas.sort_by_key(|schema| schema["versionInfo"]["id"].as_u64());
    }
    if let Some(history) = response.get_mut("history").and_then(Value::as_array_mut) {
        for record in history {
            record["timestamp"] = 0.into();
        }
    }
    // continuation tokens differ between the servers
    if let Some(token) = response.get_mut("continuationToken") {
        *token = Value::Null;
    }
    response
}
