//! Authorization compared with the Java server: every operation by users with different permissions, and
//! unauthenticated.

use super::compare::Comparison;
use super::draw::Request;
use crate::registry_on;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_auth::Authenticator;
use kulya_auth::resource::ResourceNames;
use kulya_auth::text_source::FileSource;
use kulya_server::{AccessControl, Limits, Services};
use kulya_store::clock::SystemClock;
use kulya_store::memory::MemoryStore;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// The user with all permissions, who creates the data.
const EVERYTHING: &str = "everything";
/// The password of all users.
const PASSWORD: &str = "kulya";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Every user of the file, and invalid credentials.
fn callers(accounts: &str) -> Vec<Option<String>> {
    let users =
        accounts.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(':').next());
    let known = users.filter(|user| !user.is_empty()).map(|user| basic(user, PASSWORD));
    let wrong = [
        basic(EVERYTHING, "wrong"),
        basic("stranger", PASSWORD),
        basic("", PASSWORD),
        basic(EVERYTHING, ""),
        basic(EVERYTHING, PASSWORD).replace("Basic", "basic"),
        basic(EVERYTHING, PASSWORD).replace("Basic", "Basic "),
        basic(EVERYTHING, PASSWORD).replace("Basic", "Bearer"),
        format!("Basic {}", STANDARD.encode("no colon")),
        "Basic".to_owned(),
        "Basic !!!".to_owned(),
    ];
    known.chain(wrong).map(Some).chain([None]).collect()
}

/// Every operation, on existing and missing groups; deletions come last.
fn requests() -> Vec<Request> {
    let group = |name: &str| {
        json!({ "groupName": name, "groupProperties": {
            "serializationFormat": { "serializationFormat": "Avro" }, "compatibility": { "policy": "AllowAny" },
            "allowMultipleTypes": true, "properties": {} } })
    };
    let schema = json!({ "type": "U", "serializationFormat": { "serializationFormat": "Avro" }, "properties": {},
        "schemaData": STANDARD.encode(r#"{"type":"record","name":"U","fields":[{"name":"n","type":"int"}]}"#) });
    let version = json!({ "type": "U", "serializationFormat": "Avro", "version": 0, "id": 0 });
    let mut requests = Vec::new();
    let mut push = |operation, method, path: String, body: Option<&Value>| {
        requests.push(Request { body: body.cloned(), ..Request::new(operation, method, path) });
    };
    for (path, name) in
        [("g", "g"), ("other", "other"), ("a%2Fb", "a/b"), ("g?namespace=n", "g"), ("g?namespace=m", "g")]
    {
        let query = path.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        push("createGroup", "POST", format!("/v1/groups{query}"), Some(&group(name)));
    }
    for (method, path) in
        [("GET", "/ping"), ("GET", "/nowhere"), ("GET", "/v1/groups"), ("GET", "/v1/groups?namespace=n")]
    {
        push("listGroups", method, path.to_owned(), None);
    }
    push("addedTo", "POST", "/v1/schemas/addedTo".to_owned(), Some(&schema));
    push("addedTo", "POST", "/v1/schemas/addedTo?namespace=n".to_owned(), Some(&schema));
    let validate = json!({ "schemaInfo": schema, "compatibility": { "policy": "AllowAny" } });
    let encoding = json!({ "versionInfo": version, "codecType": "" });
    let codec = json!({ "name": "mine", "properties": {} });
    let rule = json!({ "compatibility": { "policy": "AllowAny" } });
    let of_group: [(_, _, _, Option<&Value>); 20] = [
        ("addSchema", "POST", "/schemas", Some(&schema)),
        ("group", "GET", "", None),
        ("history", "GET", "/history", None),
        ("latest", "GET", "/schemas", None),
        ("versions", "GET", "/schemas/versions", None),
        ("find", "POST", "/schemas/versions/find", Some(&schema)),
        ("validate", "POST", "/schemas/versions/validate", Some(&validate)),
        ("canRead", "POST", "/schemas/versions/canRead", Some(&schema)),
        ("schema", "GET", "/schemas/schema/0", None),
        ("schemaByVersion", "GET", "/schemas/format/Avro/type/U/versions/0", None),
        ("addCodec", "POST", "/codecTypes", Some(&codec)),
        ("codecs", "GET", "/codecTypes", None),
        ("encodingId", "PUT", "/encodings", Some(&encoding)),
        ("encoding", "GET", "/encodings/0", None),
        ("updateCompatibility", "PUT", "/compatibility", Some(&rule)),
        ("group", "GET", "/nothing", None),
        ("group", "PATCH", "", None),
        ("deleteByVersion", "DELETE", "/schemas/format/Avro/type/U/versions/0", None),
        ("deleteSchema", "DELETE", "/schemas/schema/1", None),
        ("deleteGroup", "DELETE", "", None),
    ];
    for (operation, method, place, body) in of_group {
        for (group, query) in [
            ("unknown", ""),
            ("a%2Fb", ""),
            ("other", ""),
            ("g", "?namespace=m"),
            ("g", "?namespace=n"),
            ("g", ""),
        ] {
            push(operation, method, format!("/v1/groups/{group}{place}{query}"), body);
        }
    }
    requests
}

#[tokio::test]
#[ignore = "needs a Java registry: cargo xtask test"]
async fn authorizes_like_the_java_registry() {
    let set = |variable| std::env::var(variable).unwrap_or_else(|_| panic!("cargo xtask sets {variable}"));
    let java = set("KULYA_TEST_JAVA_REGISTRY_GUARDED");
    let accounts = PathBuf::from(set("KULYA_TEST_JAVA_REGISTRY_ACCOUNTS"));
    let callers = callers(&std::fs::read_to_string(&accounts).unwrap());
    let authenticator = Authenticator::new(ResourceNames::default(), [7; 32])
        .with_accounts(FileSource::new(accounts))
        .unwrap();
    // failed logins are not throttled here
    let limits = Limits { failures_per_second: 0, ..Limits::default() };
    let access_control = AccessControl::permissive(Arc::new(SystemClock))
        .with_authenticator(authenticator)
        .with_limits(limits);
    let store = Arc::new(MemoryStore::new());
    let services = Services { registry: Arc::new(registry_on(store.clone()).await), store };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(kulya_server::serve_with_access_control(
        access_control,
        listener,
        services,
        std::future::pending(),
    ));

    let mut local = Comparison::of(java, ours);
    for request in requests() {
        local.begin("of rights");
        for caller in &callers {
            local.send(&Request { authorization: caller.clone(), ..request.clone() }).await;
        }
    }
    let differences = local.differences();
    assert!(differences.is_empty(), "{differences}");
    println!("{}", local.summary());
    for (status, least) in [(200, 100), (201, 10), (204, 10), (401, 1000), (403, 500), (404, 50)] {
        assert!(local.responded(status) >= least, "{}", local.summary());
    }
}
