//! Long lists, long imports, and expired positions of the changelog.

use super::{TestClient, group};
use crate::registry_on;
use futures::stream::{self, StreamExt};
use kulya_client::HttpRegistry;
use kulya_registry_api::administration::{ExportLine, OnConflict, RegistryAdministration};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties};
use kulya_server::Services;
use kulya_store::memory::MemoryStore;
use kulya_store::{Scope, StreamCut, StreamId, StreamName, StreamStore};
use std::sync::Arc;

#[tokio::test]
async fn pages_have_a_default_size() {
    let client = TestClient::new().await;
    let registry = HttpRegistry::new(&client.url).unwrap();
    for number in 0..101 {
        let properties = GroupProperties::new(Format::Any, Compatibility::AllowAny, true);
        registry.create_group(&GroupId::new("", format!("g{number:03}")), properties).await.unwrap();
    }
    for (query, items) in [("", 100), ("?limit=0", 1), ("?limit=7", 7), ("?limit=1000000", 101)] {
        let page = client.expect(&format!("GET /v2/groups{query}"), None, 200).await;
        assert_eq!(page["items"].as_array().unwrap().len(), items, "{query}");
        assert_eq!(page["next"].is_null(), items == 101, "{query}");
    }
}

#[tokio::test]
async fn an_expired_change_position_is_gone() {
    let client = TestClient::new().await;
    let registry = HttpRegistry::new(&client.url).unwrap();
    let mut feed = registry.changes(None).await.unwrap();
    for name in ["a", "b"] {
        client.expect(&format!("PUT /v2/groups/{name}"), group("Avro", "AllowAny"), 201).await;
    }
    let (first, _) = feed.next().await.unwrap().unwrap();
    let name = StreamName::new("changes").unwrap();
    let stream = StreamId { scope: Scope::system("_schemaregistry"), name };
    let cut = StreamCut::tail(&stream, &client.store.segments(&stream).await.unwrap());
    client.store.truncate(&cut).await.unwrap();
    let gone = client.expect(&format!("GET /v2/changes?from={first}"), None, 410).await;
    assert!(
        gone["kind"] == "gone" && gone["error"].as_str().unwrap().contains("removed by retention"),
        "{gone}"
    );
    let gone = registry.changes(Some(&first)).await.map(drop).unwrap_err();
    assert_eq!(gone.kind(), RegistryErrorKind::Gone, "{gone}");
    drop(registry.changes(Some(&cut.to_string())).await.unwrap());
}

#[tokio::test]
async fn following_changes_ends_at_shutdown() {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    let registry = Arc::new(registry_on(Arc::clone(&store)).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = HttpRegistry::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let services = Services { registry, store };
    let server = tokio::spawn(kulya_server::serve(listener, services, async move { drop(ended.await) }));
    let mut feed = client.changes(None).await.unwrap();
    end.send(()).unwrap();
    let result = feed.next().await.unwrap().unwrap_err();
    assert_eq!(result.kind(), RegistryErrorKind::Unavailable, "{result}");
    assert!(feed.next().await.is_none(), "nothing follows an end");
    drop((feed, client));
    server.await.unwrap().unwrap();
}

/// A client that is still sending reads the error.
#[tokio::test]
async fn a_long_import_fails_at_its_first_line() {
    let registry = HttpRegistry::new(&TestClient::new().await.url).unwrap();
    let properties = GroupProperties::new(Format::Any, Compatibility::AllowAny, true);
    let line = |number: u32| match number {
        0 => ExportLine::Begin { kulya_registry_export: 2 },
        number => ExportLine::Group {
            namespace: "n".into(),
            group: format!("g{number}"),
            properties: properties.clone(),
            codecs: Vec::new(),
            schemas: 0,
            encodings: 0,
        },
    };
    let lines: Vec<_> = (0..50_000).map(|number| Ok(line(number))).collect();
    let error = registry.import(stream::iter(lines).boxed(), OnConflict::Refuse).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("version 2"), "{error}");
}

/// More groups than are ever in memory, exported and imported.
#[tokio::test]
async fn many_groups_are_exported_and_imported() {
    let (from, to) = (TestClient::new().await, TestClient::new().await);
    let (from, to) = (HttpRegistry::new(&from.url).unwrap(), HttpRegistry::new(&to.url).unwrap());
    let properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, true);
    for number in 0..250 {
        let id = GroupId::new("n", format!("g{number}"));
        from.create_group(&id, properties.clone()).await.unwrap();
    }
    let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(6 << 20));
    let id = GroupId::new("n", "g7");
    from.add_schema(&id, kulya_schema::SchemaInfo::new("Long", Format::Json, long)).await.unwrap();
    let done = to.import(from.export(None).await.unwrap(), OnConflict::Refuse).await.unwrap();
    assert_eq!((done.groups, done.schemas), (250, 1));
    assert_eq!(to.schema(&id, 0).await.unwrap(), from.schema(&id, 0).await.unwrap());
}
