//! A registry and a store with data of unique names and contents, and a caller with a random access control
//! list.

use super::operations::{self, TestResponse};
use crate::registry_on;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_auth::acl::Acl;
use kulya_auth::operation::{self, RegistryCall, StoreCall};
use kulya_auth::resource::ResourceNames;
use kulya_auth::{Authenticator, PasswordHash, TextSource, account};
use kulya_registry_api::SchemaRegistry;
use kulya_testkit::SeededRng;
use kulya_registry::Registry;
use kulya_schema::{CodecType, Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_server::{AccessControl, Limits, Services};
use kulya_store::clock::SystemClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{
    Append, Commit, Condition, Scope, StreamConfig, StreamId, StreamStore, TableChange, TableId,
};
use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

const PASSWORD: &str = "kulya";

/// A named item and its contents.
#[derive(Debug, Clone)]
pub(super) enum Thing {
    Group { id: GroupId, holds: Vec<String> },
    Scope { name: String, holds: Vec<String> },
    Stream { scope: String, name: String, holds: Vec<String> },
    Table { scope: String, name: String, holds: Vec<String> },
}

impl Thing {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Group { id, .. } => &id.name,
            Self::Scope { name, .. } | Self::Stream { name, .. } | Self::Table { name, .. } => name,
        }
    }

    /// The texts that reveal it.
    pub(super) fn markers(&self) -> impl Iterator<Item = &str> {
        let holds = match self {
            Self::Group { holds, .. }
            | Self::Scope { holds, .. }
            | Self::Stream { holds, .. }
            | Self::Table { holds, .. } => holds,
        };
        std::iter::once(self.name()).chain(holds.iter().map(String::as_str))
    }

    /// A missing item of the same kind with a name of the same length.
    pub(super) fn renamed(&self) -> Self {
        let mut other = self.clone();
        let name = match &mut other {
            Self::Group { id, .. } => &mut id.name,
            Self::Scope { name, .. } | Self::Stream { name, .. } | Self::Table { name, .. } => name,
        };
        name.pop();
        name.push('Z');
        other
    }
}

pub(super) struct Fixture {
    pub(super) things: Vec<Thing>,
    pub(super) rights: String,
    acl: Acl,
    pub(super) address: std::net::SocketAddr,
    pub(super) client: reqwest::Client,
    /// The position of the first change.
    pub(super) place: String,
}

struct Text(Mutex<Option<String>>);

impl TextSource for Text {
    fn read_if_changed(&self) -> io::Result<Option<String>> {
        Ok(self.0.lock().unwrap().take())
    }

    fn name(&self) -> String {
        "accounts".to_owned()
    }
}

const NAMESPACES: [&str; 3] = ["", "ns-a", "ns-b"];

fn random_acl(rng: &mut SeededRng, are_whole: bool) -> String {
    let ours = ["prn::/namespace:*", "prn::/namespace:ns-a", "prn::/namespace:ns-a/*", "prn::/namespace:/*"];
    let stores =
        ["prn::/scope:*", "prn::/scope:scope*", "prn::/scope:*/stream:*", "prn::/scope:*/key-value-table:*"];
    let any = ["prn::/", "prn::/*", "prn::*", "*"];
    let mut items = Vec::new();
    for _ in 0..2 + rng.index(6) {
        let group = || ["1", "2", "3"];
        let namespace = rng.pick(&NAMESPACES);
        let number = rng.pick(&group());
        let pattern = match rng.u64_below(10) {
            0..=2 => format!("prn::/namespace:{namespace}/group:grp-*{number}*"),
            3 => format!("prn::/namespace:{namespace}/group:grp-*"),
            4 => rng.pick(&any).to_owned(),
            5 | 6 => rng.pick(&ours).to_owned(),
            7 => rng.pick(&stores).to_owned(),
            8 if !are_whole => {
                let part = rng.pick(&["schemas:*", "codecs:*"]);
                format!("prn::/namespace:{namespace}/group:grp-*{number}*/{part}")
            }
            _ => format!("prn::/scope:scope-*{number}*"),
        };
        let permission = rng.pick(&["NONE", "NONE", "READ", "READ", "READ_UPDATE"]);
        items.push(format!("{pattern},{permission}"));
    }
    items.join(";")
}

impl Fixture {
    /// Creates a fixture with any access control list.
    pub(super) async fn new(rng: &mut SeededRng) -> Self {
        let rights = random_acl(rng, false);
        Self::of(rights).await
    }

    /// Creates a fixture without permissions on parts of groups: permission to add a schema reveals whether
    /// the group exists.
    pub(super) async fn with_whole_rights(rng: &mut SeededRng) -> Self {
        let rights = random_acl(rng, true);
        Self::of(rights).await
    }

    async fn of(random_acl: String) -> Self {
        // readable by everybody, so that a changelog can be read to a known end
        let rights = format!("prn::/namespace:/group:sentinel,READ;{random_acl}");
        println!("rights {rights}");
        let hash = PasswordHash::new(PASSWORD.as_bytes(), [1; 32], NonZeroU32::MIN);
        let everything = "prn::/scope:_*,READ_UPDATE;prn::*,READ_UPDATE";
        let lines = [("admin", everything), ("anna", rights.as_str()), ("eva", "prn::*,READ")]
            .map(|(user, rights)| account::format_line(user, &hash, rights).unwrap() + "\n");
        let document = Text(Mutex::new(Some(lines.concat())));
        let authenticator =
            Authenticator::new(ResourceNames::default(), [7; 32]).with_accounts(document).unwrap();
        let limits = Limits { failures_per_second: 0, ..Limits::default() };
        let access_control = AccessControl::permissive(Arc::new(SystemClock))
            .with_authenticator(authenticator)
            .with_limits(limits);
        let store = Arc::new(MemoryStore::new());
        let registry = registry_on(store.clone()).await;
        let mut things = Vec::new();
        let services = Services { registry: Arc::new(registry.clone()), store: store.clone() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(kulya_server::serve_with_access_control(
            access_control,
            listener,
            services,
            std::future::pending(),
        ));
        let acl = rights.parse().unwrap();
        let mut fixture =
            Self { things: Vec::new(), rights, acl, address, client: crate::client(), place: String::new() };
        fixture.place = operations::end_of_changes(&fixture).await;
        fill_registry(&registry, &mut things).await;
        fill_store(&store, &mut things).await;
        fixture.things = things;
        fixture
    }

    /// Whether the caller may read an item.
    pub(super) fn may_read(&self, thing: &Thing) -> bool {
        let names = ResourceNames::default();
        let store = |call, scope: &str, name: &str| operation::store(&names, call, scope, name);
        let need = match thing {
            Thing::Group { id, .. } => {
                operation::registry(&names, RegistryCall::ReadGroup, &id.namespace, &id.name)
            }
            Thing::Scope { name, .. } => store(StoreCall::ReadScope, name, ""),
            Thing::Stream { scope, name, .. } => store(StoreCall::ReadStream, scope, name),
            Thing::Table { scope, name, .. } => store(StoreCall::ReadTable, scope, name),
        };
        self.acl.allows(&need)
    }

    pub(super) async fn admin(&self, method: &str, path: &str, body: &str) -> TestResponse {
        self.send("admin", method, path, body).await
    }

    pub(super) async fn send(&self, user: &str, method: &str, path: &str, body: &str) -> TestResponse {
        operations::http(self, user, method, path, "application/json", body).await
    }

    pub(super) fn authorization(user: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{PASSWORD}")))
    }
}

async fn fill_registry(registry: &Registry, things: &mut Vec<Thing>) {
    for (at, namespace) in NAMESPACES.into_iter().enumerate() {
        for number in 1..=3 {
            let mark = format!("{}{number}", ["d", "a", "b"][at]);
            let id = GroupId::new(namespace, format!("grp-{mark}q"));
            let mut properties = GroupProperties::new(Format::Avro, Compatibility::Backward, false);
            let label = format!("label-{mark}q");
            properties.properties.insert("team".to_owned(), label.clone());
            registry.create_group(&id, properties).await.unwrap();
            let (name, field, more) =
                (format!("Rec_{mark}q"), format!("field_{mark}q"), format!("more_{mark}q"));
            let first = format!(
                r#"{{"type":"record","name":"{name}","fields":[{{"name":"{field}","type":"int"}},{{"name":"common","type":"int"}}]}}"#
            );
            let second = format!(
                r#"{{"type":"record","name":"{name}","fields":[{{"name":"{field}","type":"int"}},{{"name":"{more}","type":"int","default":1}},{{"name":"common","type":"int"}}]}}"#
            );
            let schema = |text: &str| SchemaInfo::new(&name, Format::Avro, text.as_bytes());
            let version = registry.add_schema(&id, schema(&first)).await.unwrap();
            registry.add_schema(&id, schema(&second)).await.unwrap();
            let codec = format!("codec-{mark}q");
            let added = CodecType { name: codec.clone(), ..CodecType::default() };
            registry.add_codec_type(&id, added).await.unwrap();
            registry.encoding_id(&id, &version, &codec).await.unwrap();
            things.push(Thing::Group { id, holds: vec![label, name, field, more, codec] });
        }
    }
    let sentinel = GroupProperties::new(Format::Any, Compatibility::AllowAny, true);
    registry.create_group(&GroupId::new("", "sentinel"), sentinel).await.unwrap();
}

async fn fill_store(store: &MemoryStore, things: &mut Vec<Thing>) {
    for number in 1..=3 {
        let scope = Scope::new(&format!("scope-{number}q")).unwrap();
        store.create_scope(&scope).await.unwrap();
        things.push(Thing::Scope { name: scope.to_string(), holds: Vec::new() });
        for part in ["x", "y"] {
            let mark = format!("{number}{part}q");
            let stream = StreamId::new(scope.as_str(), &format!("stream-{mark}")).unwrap();
            store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
            let event = format!("event-{mark}");
            store.commit(Commit::events(vec![Append::keyed(&stream, "k", event.clone())])).await.unwrap();
            let table = TableId::new(scope.as_str(), &format!("table-{mark}")).unwrap();
            store.create_table(&table).await.unwrap();
            let (key, value) = (format!("key-{mark}"), format!("value-{mark}"));
            let put = TableChange::put(&table, key.clone(), Condition::Any, value.clone());
            store.commit(Commit::changes(vec![put])).await.unwrap();
            let scope = scope.to_string();
            things.push(Thing::Stream {
                scope: scope.clone(),
                name: stream.name.to_string(),
                holds: vec![event],
            });
            things.push(Thing::Table { scope, name: table.name.to_string(), holds: vec![key, value] });
        }
    }
}
