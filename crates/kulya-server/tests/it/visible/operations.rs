//! Sends every operation of every API, from the code's own endpoint lists, about each item; and the
//! responses.

use super::fixture::{Fixture, Thing};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD as BASE64};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use futures::stream;
use kulya_schema::GroupId;
use kulya_store::{EventPointer, SegmentId, StreamId, hex};
use kulya_wire::registry::v1 as reg;
use kulya_wire::v1;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use serde_json::{Value, json};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use tonic::{Request as GrpcRequest, Status};

/// Lenient, to find any encoding.
const ANY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Its description.
    pub(super) line: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Http { method: String, path: String, kind: &'static str, body: String },
    Grpc { path: String, messages: Vec<Vec<u8>> },
}

impl Request {
    fn http(method: &str, path: String, kind: &'static str, body: String) -> Self {
        let line = format!("{method} {path} {body}");
        Self { line, what: What::Http { method: method.to_owned(), path, kind, body } }
    }

    fn grpc(path: &str, messages: Vec<Vec<u8>>) -> Self {
        let line = format!("gRPC {path} {}", String::from_utf8_lossy(&messages.concat()));
        Self { line, what: What::Grpc { path: path.to_owned(), messages } }
    }

    pub(super) fn message(&self, marker: &str) -> bool {
        encodings_of(self.line.as_bytes()).contains(marker)
    }

    /// Whether it deletes something: those come last.
    fn is_destructive(&self) -> bool {
        match &self.what {
            What::Http { method, .. } => method == "DELETE",
            What::Grpc { path, .. } => ["Delete", "Truncate", "Seal"].iter().any(|word| path.contains(word)),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct TestResponse {
    pub(super) status: i32,
    pub(super) body: String,
    raw: Vec<u8>,
}

impl TestResponse {
    fn new(status: i32, raw: Vec<u8>) -> Self {
        Self { status, body: String::from_utf8_lossy(&raw).into_owned(), raw }
    }

    pub(super) fn all_encodings(&self) -> String {
        encodings_of(&self.raw)
    }

    /// Status and text, without the name in the request and without what differs between responses.
    pub(super) fn without(&self, name: &str) -> (i32, String) {
        let lines = self.body.lines().filter(|line| !line.starts_with("date:"));
        (self.status, lines.collect::<Vec<_>>().join("\n").replace(name, "…"))
    }
}

/// A text as it is, and in all decodings.
fn encodings_of(bytes: &[u8]) -> String {
    let mut all = String::from_utf8_lossy(bytes).into_owned();
    let plain = all.clone();
    all.push_str(&percent_encoding::percent_decode_str(&plain).decode_utf8_lossy());
    let is_base64 = |sign: char| sign.is_ascii_alphanumeric() || "+/-_=".contains(sign);
    for run in plain.split(|sign| !is_base64(sign)).filter(|run| run.len() >= 8) {
        let run = run.replace('-', "+").replace('_', "/");
        for from in 0..4 {
            let part = run.get(from..).unwrap_or_default().trim_end_matches('=');
            for part in [part, part.get(..part.len() / 4 * 4).unwrap_or_default()] {
                if let Ok(decoded) = ANY_BASE64.decode(part) {
                    all.push_str(&String::from_utf8_lossy(&decoded));
                }
            }
        }
    }
    for run in plain.split(|sign: char| !sign.is_ascii_hexdigit()).filter(|run| run.len() >= 8) {
        for from in 0..2 {
            let part = run.get(from..).unwrap_or_default();
            if let Some(decoded) = hex::decode(part.get(..part.len() / 2 * 2).unwrap_or_default().as_bytes())
            {
                all.push_str(&String::from_utf8_lossy(&decoded));
            }
        }
    }
    all
}

/// Sends every request about every item as the caller.
pub(super) async fn all(fixture: &Fixture) -> Vec<(Request, TestResponse)> {
    let mut requests = Vec::new();
    for thing in &fixture.things {
        requests.extend(naming(thing));
    }
    requests.extend(lists(fixture));
    requests.sort_by_key(Request::is_destructive);
    let mut responses = Vec::new();
    for request in requests {
        let response = send(fixture, "anna", &request).await;
        responses.extend(pages(fixture, &request, &response).await);
        responses.push((request, response));
    }
    responses
}

/// Reads the pages after the first one.
async fn pages(fixture: &Fixture, request: &Request, first: &TestResponse) -> Vec<(Request, TestResponse)> {
    let What::Http { method, path, kind, body } = &request.what else { return Vec::new() };
    let (mut pages, mut page) = (Vec::new(), first.clone());
    while page.status == 200
        && let Ok(output) = serde_json::from_str::<Value>(page.body.lines().last().unwrap_or_default())
    {
        let is_over = output["groups"].as_object().is_none_or(serde_json::Map::is_empty);
        let (parameter, token) = match (output["next"].as_str(), output["continuationToken"].as_str()) {
            (Some(next), _) => ("after", next),
            (_, Some(token)) if !is_over => ("continuationToken", token),
            _ => break,
        };
        let request = Request::http(method, format!("{path}&{parameter}={token}"), kind, body.clone());
        page = send(fixture, "anna", &request).await;
        assert_eq!(page.status, 200, "a token is good where it was given: {}", request.line);
        // a token in a request reveals nothing to its sender
        pages.push((Request { line: path.clone(), ..request }, page.clone()));
        assert!(pages.len() < 100, "a list ends: {}", page.body);
    }
    pages
}

/// Sends every request about one item. Creating a group over REST v1 reveals whether it exists, as on the
/// Java server.
pub(super) async fn about(fixture: &Fixture, thing: &Thing) -> Vec<(Request, TestResponse)> {
    let mut responses = Vec::new();
    for request in naming(thing) {
        if request.line.starts_with("POST /v1/groups?") {
            continue;
        }
        let response = send(fixture, "anna", &request).await;
        responses.push((request, response));
    }
    responses
}

/// Sends the same request about another item with a name of the same length.
pub(super) async fn again(
    fixture: &Fixture,
    request: &Request,
    thing: &Thing,
    other: &Thing,
) -> TestResponse {
    let (from, to) = (thing.name(), other.name());
    let pointer = |name: &str| hex::encode(name.as_bytes());
    let replace = |text: &str| text.replace(from, to).replace(&pointer(from), &pointer(to));
    let bytes = |message: &Vec<u8>| {
        let mut message = message.clone();
        for at in 0..message.len() {
            if message[at..].starts_with(from.as_bytes()) {
                message[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
        }
        message
    };
    let what = match &request.what {
        What::Http { method, path, kind, body } => {
            What::Http { method: method.clone(), path: replace(path), kind, body: replace(body) }
        }
        What::Grpc { path, messages } => {
            What::Grpc { path: path.clone(), messages: messages.iter().map(bytes).collect() }
        }
    };
    send(fixture, "anna", &Request { line: replace(&request.line), what }).await
}

async fn send(fixture: &Fixture, user: &str, request: &Request) -> TestResponse {
    match &request.what {
        What::Http { method, path, kind, body } => http(fixture, user, method, path, kind, body).await,
        What::Grpc { path, messages } => grpc(fixture, user, path, messages.clone()).await,
    }
}

/// A streaming response is read up to what everybody may see.
fn is_enough(path: &str, read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    match path {
        path if path.contains("/changes") || path.ends_with("/Watch") => text.contains("sentinel"),
        path if path.contains("/tail") => text.contains("data:"),
        path if path.ends_with("/Tail") => !read.is_empty(),
        _ => false,
    }
}

pub(super) async fn http(
    fixture: &Fixture,
    user: &str,
    method: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> TestResponse {
    let url = format!("http://{}{path}", fixture.address);
    let mut request = fixture.client.request(method.parse().unwrap(), url);
    request = request.header("Authorization", Fixture::authorization(user));
    if !body.is_empty() {
        request = request.header("Content-Type", kind).body(body.to_owned());
    }
    let mut response = request.send().await.unwrap();
    let status = i32::from(response.status().as_u16());
    let mut head = String::new();
    for (name, value) in response.headers() {
        if name != "content-length" {
            head += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
    }
    let mut read = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
        if is_enough(path, &read) {
            break;
        }
    }
    let mut response = TestResponse::new(status, [head.as_bytes(), b"\n", &read].concat());
    response.body = String::from_utf8_lossy(&read).into_owned();
    response
}

/// Messages as raw bytes, so that decoding drops nothing.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; from.remaining()];
        from.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

async fn grpc(fixture: &Fixture, user: &str, path: &str, messages: Vec<Vec<u8>>) -> TestResponse {
    let channel = Endpoint::from_shared(format!("http://{}", fixture.address)).unwrap().connect_lazy();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = GrpcRequest::new(stream::iter(messages));
    request.metadata_mut().insert("authorization", Fixture::authorization(user).parse().unwrap());
    let mut read = Vec::new();
    let result = |status: Status, mut read: Vec<u8>| {
        read.extend_from_slice(status.message().as_bytes());
        read.extend_from_slice(status.details());
        TestResponse::new(status.code() as i32, read)
    };
    let mut replies = match client.streaming(request, path.parse().unwrap(), Raw).await {
        Ok(replies) => replies.into_inner(),
        Err(status) => return result(status, read),
    };
    loop {
        match replies.message().await {
            // a transaction's id, which always differs
            Ok(Some(message)) if path.ends_with("/Transact") && read.is_empty() && message.len() < 30 => {}
            Ok(Some(message)) => read.extend_from_slice(&message),
            Ok(None) => return TestResponse::new(0, read),
            Err(status) => return result(status, read),
        }
        if is_enough(path, &read) {
            return TestResponse::new(0, read);
        }
    }
}

/// The current end of the changelog.
pub(super) async fn changelog_end(fixture: &Fixture) -> String {
    let channel = Endpoint::from_shared(format!("http://{}", fixture.address)).unwrap().connect_lazy();
    let mut client = reg::schema_registry_client::SchemaRegistryClient::new(channel);
    let mut request = GrpcRequest::new(reg::WatchRequest { from: None });
    request.metadata_mut().insert("authorization", Fixture::authorization("admin").parse().unwrap());
    let mut replies = client.watch(request).await.unwrap().into_inner();
    replies.message().await.unwrap().unwrap().place
}

fn avro(thing: &Thing) -> (String, String) {
    let Thing::Group { holds, .. } = thing else { return Default::default() };
    let (name, field) = (&holds[1], &holds[2]);
    let text = format!(
        r#"{{"type":"record","name":"{name}","fields":[{{"name":"{field}","type":"int"}},{{"name":"common","type":"int"}}]}}"#
    );
    (name.clone(), text)
}

/// A schema that refers to a type.
fn referring_text(name: &str) -> String {
    format!(r#"{{"type":"record","name":"Referring","fields":[{{"name":"asked","type":"{name}"}}]}}"#)
}

/// The bodies for both REST APIs, by their kind.
fn body(thing: &Thing, kind: &str) -> String {
    let Thing::Group { id, .. } = thing else { return String::new() };
    let (name, text) = avro(thing);
    let format = json!({ "serializationFormat": "Avro" });
    let schema = json!({ "type": name, "serializationFormat": format, "schemaData": BASE64.encode(&text), "properties": {} });
    // an incompatible schema
    let other = json!({ "type": name, "serializationFormat": format, "properties": {},
        "schemaData": BASE64.encode(format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"asked","type":"int"}}]}}"#)) });
    let version = json!({ "type": name, "serializationFormat": "Avro", "version": 0, "id": 0 });
    let policy = json!({ "policy": "AllowAny" });
    let group = json!({ "serializationFormat": format, "compatibility": policy, "allowMultipleTypes": true, "properties": {} });
    match kind {
        "NewGroup" => group,
        "CreateGroup" => json!({ "groupName": id.name, "groupProperties": group }),
        "GroupChange" => json!({ "properties": {} }),
        "NewSchema" => schema,
        "OtherSchema" => other,
        "Referring" => {
            let mut referring = schema;
            referring["type"] = json!("Referring");
            referring["schemaData"] = json!(BASE64.encode(referring_text(&name)));
            referring["references"] =
                json!([{ "name": name, "namespace": id.namespace, "group": id.name, "id": 0 }]);
            referring
        }
        "Check" => json!({ "schemaInfo": other }),
        "Validate" => json!({ "schemaInfo": other, "compatibility": policy }),
        "NewCodec" => json!({ "name": "asked", "properties": {} }),
        "NewEncoding" => json!({ "versionInfo": version, "codec": "" }),
        "GetEncodingId" => json!({ "versionInfo": version, "codecType": "" }),
        "UpdateCompatibility" => json!({ "compatibility": policy }),
        other => panic!("no body for {other}"),
    }
    .to_string()
}

/// Every request that names an item, in every API.
fn naming(thing: &Thing) -> Vec<Request> {
    let mut requests = Vec::new();
    if let Thing::Group { id, .. } = thing {
        requests.extend(rest_v1(thing, id));
    }
    requests.extend(rest_v2(thing));
    requests.extend(services().into_iter().flat_map(|path| {
        let messages = messages(thing, path.rsplit('/').next().unwrap(), path.contains("registry"));
        messages.into_iter().map(move |messages| Request::grpc(&path, messages))
    }));
    requests
}

fn rest_v1(thing: &Thing, id: &GroupId) -> Vec<Request> {
    let mut requests = Vec::new();
    for (method, template) in kulya_server::rest::v1::OPERATIONS {
        let path = template.replace("{group}", &id.name).replace("{id}", "0");
        let path = path.replace("{format}", "Avro").replace("{type}", &avro(thing).0);
        let path = format!("{path}?namespace={}", id.namespace);
        let kinds: &[&str] = match (*method, *template) {
            ("GET" | "DELETE", _) => &[""],
            (_, "/v1/groups") => &["CreateGroup"],
            (_, "/v1/groups/{group}/compatibility") => &["UpdateCompatibility"],
            (_, "/v1/groups/{group}/schemas" | "/v1/groups/{group}/schemas/versions/canRead") => {
                &["NewSchema", "OtherSchema"]
            }
            (_, "/v1/groups/{group}/schemas/versions/find" | "/v1/schemas/addedTo") => &["NewSchema"],
            (_, "/v1/groups/{group}/schemas/versions/validate") => &["Validate"],
            (_, "/v1/groups/{group}/encodings") => &["GetEncodingId"],
            (_, "/v1/groups/{group}/codecTypes") => &["NewCodec"],
            other => panic!("no request for {other:?}"),
        };
        for kind in kinds {
            let body = if kind.is_empty() { String::new() } else { body(thing, kind) };
            // the list of groups names no group
            if *template != "/v1/groups" || *method != "GET" {
                requests.push(Request::http(method, path.clone(), "application/json", body));
            }
        }
    }
    requests
}

/// The operations of the document.
fn operations() -> Vec<(String, String, Value)> {
    let document = kulya_server::rest::v2::document();
    let paths = document["paths"].as_object().unwrap().clone();
    let of_path = |(path, methods): (String, Value)| {
        let methods = methods.as_object().unwrap().clone();
        methods.into_iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    };
    paths.into_iter().flat_map(of_path).collect()
}

fn rest_v2(thing: &Thing) -> Vec<Request> {
    let mut requests = Vec::new();
    for (method, template, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        let is_of_group = template.contains("{group}") || ["addedTo", "resolveReferences"].contains(&name);
        let (path, namespace) = match thing {
            Thing::Group { id, .. } if is_of_group => {
                (template.replace("{group}", &id.name).replace("{id}", "0"), id.namespace.clone())
            }
            Thing::Scope { name, .. } if template == "/v2/streams/{scope}" => {
                (template.replace("{scope}", name), String::new())
            }
            Thing::Stream { scope, name, holds }
                if template.contains("{stream}") || template.contains("{pointer}") =>
            {
                let stream = StreamId::new(scope, name).unwrap();
                let segment = SegmentId { stream, number: 0, epoch: 0 };
                let length = u32::try_from(holds[0].len()).unwrap() + 8;
                let pointer = EventPointer { segment, offset: 0, length };
                let path = template.replace("{scope}", scope).replace("{stream}", name);
                (path.replace("{pointer}", &hex::encode(&pointer.to_bytes())), String::new())
            }
            _ => continue,
        };
        let mut query = Vec::new();
        for parameter in operation["parameters"].as_array().unwrap() {
            let value = match (parameter["name"].as_str().unwrap(), &thing) {
                ("namespace", _) => namespace.clone(),
                ("type" | "format", _) if parameter["required"] != true => continue,
                ("type", _) => avro(thing).0,
                ("format", _) => "Avro".to_owned(),
                ("version" | "from" | "to", Thing::Group { .. }) => "0".to_owned(),
                ("from", Thing::Stream { scope, name, .. }) => format!("{scope}/{name}@0.0:0"),
                ("limit", _) => "1".to_owned(),
                _ => continue,
            };
            query.push(format!("{}={value}", parameter["name"].as_str().unwrap()));
        }
        let path = format!("{path}?{}", query.join("&"));
        let content = &operation["requestBody"]["content"];
        if let Some(schema) = content["application/json"]["schema"]["$ref"].as_str() {
            let kind = schema.rsplit('/').next().unwrap();
            let mut kinds = vec![kind];
            if kind == "NewSchema" {
                kinds.extend(["OtherSchema", "Referring"]);
            }
            for kind in kinds {
                requests.push(Request::http(&method, path.clone(), "application/json", body(thing, kind)));
            }
        } else {
            let body = if content.is_null() { "" } else { "asked" };
            requests.push(Request::http(&method, path, "application/octet-stream", body.to_owned()));
        }
    }
    requests
}

/// Every request that names no item: lists, searches, exports, changes, an import.
fn lists(fixture: &Fixture) -> Vec<Request> {
    let mut requests = Vec::new();
    let namespaces = [None, Some(""), Some("ns-a"), Some("ns-b")];
    let of = |namespace: Option<&str>| namespace.map(|it| format!("&namespace={it}")).unwrap_or_default();
    for namespace in namespaces {
        let query = of(namespace);
        requests.push(Request::http("GET", format!("/v1/groups?limit=1{query}"), "", String::new()));
        for (method, path, operation) in operations().into_iter().filter(|(_, path, _)| !path.contains('{')) {
            let (query, body) = match operation["operationId"].as_str().unwrap() {
                "getDocument" | "addedTo" | "resolveReferences" => continue,
                "listNamespaces" => ("?limit=1".to_owned(), String::new()),
                "listGroups" | "searchByQuery" => (format!("?limit=1{query}"), String::new()),
                "search" => {
                    ("?limit=1".to_owned(), json!({ "namespace": namespace, "field": "common" }).to_string())
                }
                "exportRegistry" => (format!("?{}", query.trim_start_matches('&')), String::new()),
                "importRegistry" => ("?existing=skip".to_owned(), import()),
                "followChanges" => (format!("?from={}", fixture.place), String::new()),
                "listCaptures" => (String::new(), String::new()),
                _ if path.starts_with("/health") => (String::new(), String::new()),
                other => panic!("no request for {other}"),
            };
            let kind = if path == "/v2/import" { "application/x-ndjson" } else { "application/json" };
            requests.push(Request::http(&method, format!("{path}{query}"), kind, body));
        }
        for path in services() {
            let call = path.rsplit('/').next().unwrap();
            let page = Some(reg::Page { after: String::new(), limit: 100 });
            let namespace = namespace.map(str::to_owned);
            let is_registry = path.contains("registry");
            let message = match call {
                "ListNamespaces" => reg::ListNamespacesRequest { page }.encode_to_vec(),
                "ListGroups" => {
                    reg::ListGroupsRequest { namespace: namespace.unwrap_or_default(), page: None }
                        .encode_to_vec()
                }
                "Search" => {
                    let field = Some("common".to_owned());
                    reg::SearchRequest { namespace, field, page, ..Default::default() }.encode_to_vec()
                }
                "Export" => reg::ExportRequest { namespace }.encode_to_vec(),
                "Watch" => reg::WatchRequest { from: Some(fixture.place.clone()) }.encode_to_vec(),
                "ListScopes" => v1::ListScopesRequest {}.encode_to_vec(),
                "Describe" if is_registry => reg::DescribeRequest {}.encode_to_vec(),
                "Describe" => v1::DescribeRequest {}.encode_to_vec(),
                _ => continue,
            };
            requests.push(Request::grpc(&path, vec![message]));
        }
    }
    requests
}

/// An import of one group.
fn import() -> String {
    [
        r#"{"line":"begin","kulyaRegistryExport":1}"#,
        r#"{"line":"group","namespace":"ns-a","group":"grp-a1q","properties":{"serializationFormat":{"serializationFormat":"Any"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true,"properties":{}},"codecs":[],"schemas":0,"encodings":0}"#,
        r#"{"line":"end","groups":1}"#,
    ]
    .join("\n")
}

/// Every call of the services, from their descriptors.
fn services() -> Vec<String> {
    let mut calls = Vec::new();
    for descriptor in [kulya_wire::FILE_DESCRIPTOR_SET, kulya_wire::registry::FILE_DESCRIPTOR_SET] {
        let set = prost_types::FileDescriptorSet::decode(descriptor).unwrap();
        for file in set.file {
            for service in &file.service {
                let name = format!("/{}.{}", file.package(), service.name());
                calls.extend(service.method.iter().map(|method| format!("{name}/{}", method.name())));
            }
        }
    }
    assert!(calls.len() > 40);
    calls
}

/// The messages of a call about an item: none for a call about another kind of item.
fn messages(thing: &Thing, call: &str, is_registry: bool) -> Vec<Vec<Vec<u8>>> {
    let one = |message: Vec<u8>| vec![vec![message]];
    match thing {
        Thing::Group { id, .. } if is_registry => of_group(thing, id, call),
        Thing::Scope { name, .. } if !is_registry => {
            let request = v1::ScopeRequest { scope: name.clone(), call: None }.encode_to_vec();
            if ["CreateScope", "DeleteScope", "ListStreams", "ListTables"].contains(&call) {
                one(request)
            } else {
                Vec::new()
            }
        }
        Thing::Stream { scope, name, holds } if !is_registry => of_stream(scope, name, &holds[0], call),
        Thing::Table { scope, name, holds } if !is_registry => of_table(scope, name, &holds[0], call),
        _ => Vec::new(),
    }
}

fn of_group(thing: &Thing, id: &GroupId, call: &str) -> Vec<Vec<Vec<u8>>> {
    let group = Some(reg::Group { namespace: id.namespace.clone(), name: id.name.clone() });
    let (name, text) = avro(thing);
    let format = Some(reg::Format { kind: reg::FormatKind::Avro.into(), custom: String::new() });
    let schema = |text: String| {
        Some(reg::Schema {
            r#type: name.clone(),
            format: format.clone(),
            data: text.into_bytes().into(),
            ..Default::default()
        })
    };
    let other = || {
        schema(format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"asked","type":"int"}}]}}"#))
    };
    let version = Some(reg::Version { r#type: name.clone(), format: "Avro".to_owned(), version: 0, id: 0 });
    let policy = Some(reg::Compatibility { policy: reg::Policy::AllowAny.into(), ..Default::default() });
    let properties = Some(reg::GroupProperties {
        format: format.clone(),
        compatibility: policy.clone(),
        allow_multiple_types: true,
        ..Default::default()
    });
    let request = |schema| reg::SchemaRequest { group: group.clone(), schema }.encode_to_vec();
    let references = vec![reg::Reference { name: name.clone(), group: group.clone(), id: 0 }];
    let referring =
        schema(referring_text(&name)).map(|schema| reg::Schema { r#type: "Referring".to_owned(), ..schema });
    let of_id = reg::SchemaIdRequest { group: group.clone(), id: 0 };
    let of_group = reg::GroupRequest { group: group.clone() };
    let of_type = reg::SchemasRequest { group: group.clone(), r#type: None };
    vec![vec![match call {
        "CreateGroup" => reg::CreateGroupRequest { group, properties }.encode_to_vec(),
        "DescribeGroup" | "DeleteGroup" | "ListHistory" | "ListCodecs" => of_group.encode_to_vec(),
        "ChangeGroup" => {
            let labels = Some(reg::Labels::default());
            reg::ChangeGroupRequest { group, labels, ..Default::default() }.encode_to_vec()
        }
        "AddSchema" | "CanRead" => return vec![vec![request(schema(text))], vec![request(other())]],
        "AddSchemaWithReferences" => {
            reg::AddSchemaWithReferencesRequest { group, schema: referring, references }.encode_to_vec()
        }
        "ResolveReferences" => {
            reg::ResolveReferencesRequest { schema: referring, references }.encode_to_vec()
        }
        "ReferencedBy" => reg::ReferencedByRequest { group, id: 0, page: None }.encode_to_vec(),
        "FindSchema" => request(schema(text)),
        "Check" => reg::CheckRequest { group, schema: other(), ..Default::default() }.encode_to_vec(),
        "LatestSchemas" | "ListSchemas" => of_type.encode_to_vec(),
        "ListVersions" => reg::ListVersionsRequest { group, ..Default::default() }.encode_to_vec(),
        "GetSchema" | "GetRegisteredSchema" | "DeleteSchema" => of_id.encode_to_vec(),
        "GetVersionId" => {
            reg::VersionIdRequest { group, format: "Avro".to_owned(), r#type: name, version: 0 }
                .encode_to_vec()
        }
        "AddedTo" => {
            reg::AddedToRequest { namespace: id.namespace.clone(), schema: schema(text) }.encode_to_vec()
        }
        "Compare" => reg::CompareRequest { group, from: 0, to: 1 }.encode_to_vec(),
        "GetEncodingId" => reg::EncodingIdRequest { group, version, codec: String::new() }.encode_to_vec(),
        "GetEncoding" => reg::EncodingRequest { group, id: 0 }.encode_to_vec(),
        "AddCodec" => {
            let codec = Some(reg::Codec { name: "asked".to_owned(), ..Default::default() });
            reg::AddCodecRequest { group, codec }.encode_to_vec()
        }
        "Import" => {
            let begin = reg::ImportBegin { existing: reg::Existing::Skip.into() };
            let begin = reg::import_request::Request::Begin(begin);
            use reg::export_line::Line;
            let of_group = reg::GroupLine { group, properties, ..Default::default() };
            let lines = [
                Line::Begin(reg::Begin { version: 1 }),
                Line::Group(of_group),
                Line::End(reg::End { groups: 1 }),
            ];
            let line = |line| reg::import_request::Request::Line(reg::ExportLine { line: Some(line) });
            let requests = std::iter::once(begin).chain(lines.into_iter().map(line));
            let message = |request| reg::ImportRequest { request: Some(request) }.encode_to_vec();
            return vec![requests.map(message).collect()];
        }
        // not about a group
        "Describe" | "ListNamespaces" | "ListGroups" | "Search" | "Export" | "Watch" => return Vec::new(),
        other => panic!("no request for {other} of the registry"),
    }]]
}

fn of_stream(scope: &str, name: &str, event: &str, call: &str) -> Vec<Vec<Vec<u8>>> {
    let stream = Some(v1::Stream { scope: scope.to_owned(), name: name.to_owned() });
    let segment = Some(v1::Segment { stream: stream.clone(), number: 0, epoch: 0 });
    let cut = || {
        let places = vec![v1::Place { number: 0, epoch: 0, offset: 0 }];
        Some(v1::Cut { stream: stream.clone(), places })
    };
    let config = Some(v1::StreamConfig { segments: 1, ..Default::default() });
    let configured = v1::StreamConfigRequest { stream: stream.clone(), config, call: None };
    let events = || {
        let appends = vec![v1::Append { stream: 0, routing_key: None, event: "asked".into() }];
        Some(v1::Events { streams: stream.clone().into_iter().collect(), appends })
    };
    vec![vec![match call {
        "CreateStream" | "UpdateStream" => configured.encode_to_vec(),
        "DescribeStream" | "SealStream" | "DeleteStream" | "ListSegments" => {
            v1::StreamRequest { stream, call: None }.encode_to_vec()
        }
        "ListTails" => v1::TailsRequest { streams: stream.into_iter().collect() }.encode_to_vec(),
        "AppendTimes" => v1::AppendTimesRequest { segment, from: 0, to: 8 }.encode_to_vec(),
        "CutAt" => {
            let since_epoch = Some(prost_types::Duration { seconds: 1, nanos: 0 });
            v1::CutAtRequest { stream, since_epoch }.encode_to_vec()
        }
        "Truncate" => v1::TruncateRequest { cut: cut(), call: None }.encode_to_vec(),
        "Read" => v1::ReadRequest { segment, offset: 0, max_bytes: 1000 }.encode_to_vec(),
        "Tail" => v1::TailRequest { from: cut(), max_bytes: 0 }.encode_to_vec(),
        "Wait" => {
            let what = Some(v1::wait_request::What::Beyond(v1::Beyond { segment, offset: 0 }));
            v1::WaitRequest { id: 1, what }.encode_to_vec()
        }
        "GetEvent" => {
            let length = u32::try_from(event.len()).unwrap() + 8;
            v1::Pointer { segment, offset: 0, length }.encode_to_vec()
        }
        "Commit" => v1::CommitRequest { events: events(), ..Default::default() }.encode_to_vec(),
        "Transact" => {
            let what = events().map(v1::transact_request::What::Stage);
            v1::TransactRequest { what }.encode_to_vec()
        }
        // about ids that only their owner knows
        "LastEventNumber" => v1::WriterRequest { writer: vec![1; 16].into() }.encode_to_vec(),
        "Outcome" => v1::TransactionRequest { transaction: vec![1; 16].into() }.encode_to_vec(),
        // about scopes and tables
        "Describe" | "CreateScope" | "ListScopes" | "DeleteScope" | "ListStreams" | "CreateTable"
        | "ListTables" | "DeleteTable" | "GetEntry" | "Scan" => return Vec::new(),
        other => panic!("no request for {other} of the store"),
    }]]
}

fn of_table(scope: &str, name: &str, key: &str, call: &str) -> Vec<Vec<Vec<u8>>> {
    let table = Some(v1::Table { scope: scope.to_owned(), name: name.to_owned() });
    let changes = || {
        let change =
            v1::TableChange { table: 0, key: "asked".into(), condition: None, value: Some("v".into()) };
        Some(v1::Changes { tables: table.clone().into_iter().collect(), changes: vec![change] })
    };
    vec![vec![match call {
        "CreateTable" | "DeleteTable" => v1::TableRequest { table, call: None }.encode_to_vec(),
        "GetEntry" => v1::GetEntryRequest { table, key: key.to_owned().into() }.encode_to_vec(),
        "Scan" => {
            v1::ScanRequest { table, prefix: Default::default(), after: None, limit: 9 }.encode_to_vec()
        }
        "Commit" => v1::CommitRequest { changes: changes(), ..Default::default() }.encode_to_vec(),
        "Transact" => {
            let what = changes().map(v1::transact_request::What::Commit);
            v1::TransactRequest { what }.encode_to_vec()
        }
        _ => return Vec::new(),
    }]]
}
