//! The permissions of the store's gRPC calls.

use super::*;
use futures::{StreamExt, stream};
use kulya_store::{Append, Commit, StreamConfig, StreamId, TableId};
use kulya_wire::v1;
use kulya_wire::v1::stream_store_client::StreamStoreClient;
use std::collections::BTreeSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

struct TestClient {
    client: StreamStoreClient<Channel>,
    authorization: Option<String>,
}

impl TestClient {
    fn new(server: &TestServer, user: &str) -> Self {
        use base64::Engine;
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{PASSWORD}"));
        let authorization = (!user.is_empty()).then(|| format!("Basic {token}"));
        Self { client: StreamStoreClient::new(endpoint.connect_lazy()), authorization }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        request
    }

    /// Sends a call about a scope, or the stream or table in it; returns its code.
    async fn call(&self, call: &str, scope: &str, name: &str) -> Code {
        let mut client = self.client.clone();
        let stream = || Some(v1::Stream { scope: scope.to_owned(), name: name.to_owned() });
        let table = || Some(v1::Table { scope: scope.to_owned(), name: name.to_owned() });
        let segment = || Some(v1::Segment { stream: stream(), number: 0, epoch: 0 });
        let cut =
            || Some(v1::Cut { stream: stream(), places: vec![v1::Place { number: 0, epoch: 0, offset: 0 }] });
        let of_scope = || self.request(v1::ScopeRequest { scope: scope.to_owned(), call: None });
        let of_stream = || self.request(v1::StreamRequest { stream: stream(), call: None });
        let of_table = || self.request(v1::TableRequest { table: table(), call: None });
        let config = || Some(v1::StreamConfig { segments: 1, ..Default::default() });
        let configured =
            || self.request(v1::StreamConfigRequest { stream: stream(), config: config(), call: None });
        let events = || v1::Events {
            streams: stream().into_iter().collect(),
            appends: vec![v1::Append { stream: 0, routing_key: None, event: "e".into() }],
        };
        let changes = || v1::Changes {
            tables: table().into_iter().collect(),
            changes: vec![v1::TableChange {
                table: 0,
                key: "k".into(),
                condition: None,
                value: Some("v".into()),
            }],
        };
        let commit = |events, changes| {
            self.request(v1::CommitRequest { events, changes, writer: None, durability: 0, call: None })
        };
        match call {
            "Describe" => code(client.describe(self.request(v1::DescribeRequest {})).await),
            "CreateScope" => code(client.create_scope(of_scope()).await),
            "ListScopes" => code(client.list_scopes(self.request(v1::ListScopesRequest {})).await),
            "DeleteScope" => code(client.delete_scope(of_scope()).await),
            "CreateStream" => code(client.create_stream(configured()).await),
            "DescribeStream" => code(client.describe_stream(of_stream()).await),
            "UpdateStream" => code(client.update_stream(configured()).await),
            "SealStream" => code(client.seal_stream(of_stream()).await),
            "DeleteStream" => code(client.delete_stream(of_stream()).await),
            "ListStreams" => code(client.list_streams(of_scope()).await),
            "ListSegments" => code(client.list_segments(of_stream()).await),
            "ListTails" => {
                let streams = stream().into_iter().collect();
                code(client.list_tails(self.request(v1::TailsRequest { streams })).await)
            }
            "AppendTimes" => {
                let request = v1::AppendTimesRequest { segment: segment(), from: 0, to: 9 };
                code(client.append_times(self.request(request)).await)
            }
            "CutAt" => {
                let since_epoch = Some(prost_types::Duration { seconds: 1, nanos: 0 });
                code(client.cut_at(self.request(v1::CutAtRequest { stream: stream(), since_epoch })).await)
            }
            "Truncate" => {
                code(client.truncate(self.request(v1::TruncateRequest { cut: cut(), call: None })).await)
            }
            "Read" => {
                let request = v1::ReadRequest { segment: segment(), offset: 0, max_bytes: 1 };
                code(client.read(self.request(request)).await)
            }
            "GetEvent" => {
                let request = v1::Pointer { segment: segment(), offset: 0, length: 9 };
                code(client.get_event(self.request(request)).await)
            }
            "Commit" => code(client.commit(commit(Some(events()), None)).await),
            "CommitTable" => code(client.commit(commit(None, Some(changes()))).await),
            "LastEventNumber" => {
                let request = v1::WriterRequest { writer: vec![1; 16].into() };
                code(client.last_event_number(self.request(request)).await)
            }
            "Outcome" => {
                let request = v1::TransactionRequest { transaction: vec![1; 16].into() };
                code(client.outcome(self.request(request)).await)
            }
            "CreateTable" => code(client.create_table(of_table()).await),
            "ListTables" => code(client.list_tables(of_scope()).await),
            "DeleteTable" => code(client.delete_table(of_table()).await),
            "GetEntry" => {
                let request = v1::GetEntryRequest { table: table(), key: "k".into() };
                code(client.get_entry(self.request(request)).await)
            }
            "Scan" => {
                let request =
                    v1::ScanRequest { table: table(), prefix: Default::default(), after: None, limit: 9 };
                code(client.scan(self.request(request)).await)
            }
            "Tail" => code(client.tail(self.request(v1::TailRequest { from: cut(), max_bytes: 0 })).await),
            "Wait" => {
                let what = Some(v1::wait_request::What::Beyond(v1::Beyond { segment: segment(), offset: 0 }));
                let request = stream::iter([v1::WaitRequest { id: 1, what }]).chain(stream::pending());
                match client.wait(self.request(request)).await {
                    Ok(replies) => code(replies.into_inner().message().await),
                    Err(status) => status.code(),
                }
            }
            "Stage" | "CommitTransaction" => {
                use v1::transact_request::What;
                let what = if call == "Stage" { What::Stage(events()) } else { What::Commit(changes()) };
                let request =
                    stream::iter([v1::TransactRequest { what: Some(what) }]).chain(stream::pending());
                match client.transact(self.request(request)).await {
                    Ok(replies) => {
                        let mut replies = replies.into_inner();
                        match replies.message().await {
                            Ok(_) => code(replies.message().await),
                            Err(status) => status.code(),
                        }
                    }
                    Err(status) => status.code(),
                }
            }
            other => panic!("no call {other}"),
        }
    }
}

fn code<T>(result: Result<T, Status>) -> Code {
    result.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Lists the service's calls from the proto file.
fn calls() -> BTreeSet<String> {
    use prost_types::FileDescriptorSet;
    let set = <FileDescriptorSet as prost::Message>::decode(kulya_wire::FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.into_iter().flat_map(|file| file.service);
    let store = services.filter(|service| service.name() == "StreamStore");
    store.flat_map(|service| service.method).map(|method| method.name().to_owned()).collect()
}

async fn server() -> TestServer {
    let server = TestServer::with_accounts().await;
    fill(&server.store).await;
    server
}

async fn fill(store: &MemoryStore) {
    for scope in [kulya_store::Scope::new("shop").unwrap(), kulya_store::Scope::system("_kulya")] {
        store.create_scope(&scope).await.unwrap();
        let stream = StreamId { scope: scope.clone(), name: kulya_store::StreamName::new("orders").unwrap() };
        store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        store.commit(Commit::events(vec![Append::keyed(&stream, "k", "e")])).await.unwrap();
        let table = TableId { scope, name: stream.name };
        store.create_table(&table).await.unwrap();
    }
}

#[tokio::test]
async fn store_calls_require_their_permissions() {
    let server = server().await;
    // allowed: looker, orders, system; admin may do everything, nothing only what requires no permission
    let callers = ["looker", "orders"];
    let table = [
        ("Describe", [true, true]),
        ("ListScopes", [true, true]),
        ("LastEventNumber", [true, true]),
        ("Outcome", [true, true]),
        ("CreateScope", [false, false]),
        ("CreateStream", [false, false]),
        ("CreateTable", [false, false]),
        ("ListStreams", [true, false]),
        ("ListTables", [true, false]),
        ("DescribeStream", [true, true]),
        ("ListSegments", [true, true]),
        ("ListTails", [true, true]),
        ("AppendTimes", [true, true]),
        ("CutAt", [true, true]),
        ("Read", [true, true]),
        ("GetEvent", [true, true]),
        ("Tail", [true, true]),
        ("Wait", [true, true]),
        ("Commit", [false, true]),
        ("Stage", [false, true]),
        ("CommitTable", [false, false]),
        ("CommitTransaction", [false, false]),
        ("GetEntry", [true, false]),
        ("Scan", [true, false]),
        ("UpdateStream", [false, true]),
        ("Truncate", [false, true]),
        ("SealStream", [false, true]),
        ("DeleteStream", [false, false]),
        ("DeleteTable", [false, false]),
        ("DeleteScope", [false, false]),
    ];
    let mut named: BTreeSet<&str> = table.iter().map(|(call, _)| *call).collect();
    for (part, whole) in [("Stage", "Transact"), ("CommitTransaction", "Transact"), ("CommitTable", "Commit")]
    {
        named.remove(part);
        named.insert(whole);
    }
    assert_eq!(
        named,
        calls().iter().map(String::as_str).collect(),
        "every call of the service is in the table"
    );
    for (call, expected) in table {
        for (caller, may) in callers.iter().zip(expected) {
            let result = TestClient::new(&server, caller).call(call, "shop", "orders").await;
            assert_ne!(result, Code::Unauthenticated, "{caller}: {call}");
            assert_eq!(result != Code::PermissionDenied, may, "{caller}: {call}: {result:?}");
            // nothing in another scope, except what requires no permission
            let elsewhere = TestClient::new(&server, caller).call(call, "other", "orders").await;
            let is_free = ["Describe", "ListScopes", "LastEventNumber", "Outcome"].contains(&call);
            assert_eq!(
                elsewhere != Code::PermissionDenied,
                is_free,
                "{caller}: {call} elsewhere: {elsewhere:?}"
            );
        }
        let nobody = TestClient::new(&server, "").call(call, "shop", "orders").await;
        assert_eq!(nobody, Code::Unauthenticated, "{call}");
        let is_free = ["Describe", "ListScopes", "LastEventNumber", "Outcome"].contains(&call);
        let nothing = TestClient::new(&server, "nothing").call(call, "shop", "orders").await;
        assert_eq!(nothing != Code::PermissionDenied, is_free, "{call}: {nothing:?}");
        // before existence is checked
        let nowhere = TestClient::new(&server, "nothing").call(call, "nowhere", "none").await;
        assert_eq!(nothing == Code::PermissionDenied, nowhere == Code::PermissionDenied, "{call}");
        // a system scope requires an ACL entry that names it
        let own = TestClient::new(&server, "admin").call(call, "_kulya", "orders").await;
        assert_eq!(own != Code::PermissionDenied, is_free, "{call}: {own:?}");
        let named = TestClient::new(&server, "system").call(call, "_kulya", "orders").await;
        assert_ne!(named, Code::PermissionDenied, "{call}");
    }
    for call in ["CreateScope", "CreateStream", "Commit", "ListStreams", "DeleteStream", "DeleteScope"] {
        let result = TestClient::new(&server, "admin").call(call, "mine", "t").await;
        assert_ne!(result, Code::PermissionDenied, "{call}");
    }
}

#[tokio::test]
async fn tails_require_permission_for_every_stream() {
    let server = server().await;
    let other = StreamId::new("shop", "other").unwrap();
    server.store.create_stream(&other, StreamConfig::with_segments(1)).await.unwrap();
    for (user, names, expected) in [
        ("orders", &["orders"][..], Code::Ok),
        ("orders", &["orders", "other"], Code::PermissionDenied),
        ("orders", &["other", "orders"], Code::PermissionDenied),
        ("orders", &["orders", "missing"], Code::PermissionDenied),
        ("looker", &["orders", "other"], Code::Ok),
        ("looker", &["orders", "missing"], Code::NotFound),
    ] {
        let caller = TestClient::new(&server, user);
        let stream = |name: &&str| v1::Stream { scope: "shop".to_owned(), name: (*name).to_owned() };
        let request = v1::TailsRequest { streams: names.iter().map(stream).collect() };
        let result = code(caller.client.clone().list_tails(caller.request(request)).await);
        assert_eq!(result, expected, "{user}: {names:?}");
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    let server = server().await;
    let other = StreamId::new("shop", "other").unwrap();
    server.store.create_stream(&other, StreamConfig::with_segments(1)).await.unwrap();
    server.store.create_scope(&kulya_store::Scope::new("second").unwrap()).await.unwrap();
    let scopes = async |user: &str| {
        let client = TestClient::new(&server, user);
        let request = client.request(v1::ListScopesRequest {});
        client.client.clone().list_scopes(request).await.unwrap().into_inner().names
    };
    assert_eq!(scopes("looker").await, ["shop"]);
    assert_eq!(scopes("admin").await, ["second", "shop"]);
    assert_eq!(scopes("system").await, ["_kulya", "second", "shop"]);
    assert!(scopes("nothing").await.is_empty());
}

#[tokio::test]
async fn a_commit_is_audited_once_per_stream() {
    let log = Log::default();
    let access_control = AccessControl::permissive(clock())
        .with_authenticator(authenticator())
        .with_audit(AuditLog::new(log.clone(), clock()));
    let server = TestServer::start(access_control).await;
    fill(&server.store).await;
    let remote = kulya_client::RemoteStore::connect(server.remote("orders")).await.unwrap();
    let orders = StreamId::new("shop", "orders").unwrap();
    let events =
        |stream: &StreamId| (0..5).map(|n| Append::keyed(stream, "k", format!("secret {n}"))).collect();
    remote.commit(Commit::events(events(&orders))).await.unwrap();
    let denied =
        remote.commit(Commit::events(events(&StreamId::new("shop", "other").unwrap()))).await.unwrap_err();
    assert!(denied.to_string().contains("permission denied"), "{denied}");
    let mut transaction = remote.begin().await.unwrap();
    transaction.stage(events(&orders)).await.unwrap();
    transaction.commit(vec![]).await.unwrap();
    let text = log.text();
    let output: Vec<_> = text
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let word = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            let (operation, resource) = (word("operation"), word("resource"));
            format!("{} {operation} {resource} {} {}", word("caller"), line["allowed"], line["status"])
        })
        .collect();
    assert_eq!(
        output,
        [
            "orders Commit prn::/scope:shop/stream:orders true 0",
            "orders Commit prn::/scope:shop/stream:other false 7",
            "orders Transact prn::/scope:shop/stream:orders true 0",
        ]
    );
    assert!(!text.contains("secret"));
}
