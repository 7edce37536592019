//! The registry on its stores: two registries at a time, after a restart, and on a full disk.

use crate::{registry_on, serve};
use kulya_client::HttpRegistry;
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{Compatibility, EncodingId, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::fault::FaultyStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{ErrorKind, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use kulya_store_object::{Location, ObjectLogStore, Settings as ObjectSettings};
use std::collections::BTreeSet;
use std::sync::Arc;

fn group() -> GroupId {
    GroupId::new("shop", "orders")
}

fn properties() -> GroupProperties {
    GroupProperties::new(Format::Avro, Compatibility::AllowAny, true)
}

fn schema(number: usize) -> SchemaInfo {
    let text = format!(
        r#"{{"type":"record","name":"R{}","fields":[{{"name":"f{number}","type":"int"}}]}}"#,
        number % 3
    );
    SchemaInfo::new("", Format::Avro, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_registries_on_one_store_assign_dense_ids() {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    ids_are_dense(Arc::clone(&store), store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_the_same_objects_assign_dense_ids() {
    let location = Location::of("memory://", |_| None).unwrap();
    let open = async |instance| {
        let settings = ObjectSettings { checkpoint_every: 16, ..ObjectSettings::new(instance) };
        let objects = Arc::clone(&location.objects);
        let store = ObjectLogStore::open(objects, &location.prefix, settings).await.unwrap();
        Arc::new(store) as Arc<dyn StreamStore>
    };
    ids_are_dense(open(1).await, open(2).await).await;
    let third = registry_on(open(3).await).await;
    assert_eq!(third.group(&group()).await.unwrap(), properties());
    assert_eq!(third.add_schema(&group(), schema(500)).await.unwrap().id, 30, "a later writer continues");
}

/// A registry on each of two stores with the same data.
async fn ids_are_dense(left: Arc<dyn StreamStore>, right: Arc<dyn StreamStore>) {
    let (one, two) = (registry_on(left).await, registry_on(right).await);
    one.create_group(&group(), properties()).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let registry = if writer % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                let mut given = Vec::new();
                for number in 0..15 {
                    // every schema is added and encoded by two writers
                    let version =
                        registry.add_schema(&group(), schema(writer / 2 * 100 + number)).await.unwrap();
                    given
                        .push((version.clone(), registry.encoding_id(&group(), &version, "").await.unwrap()));
                }
                given
            })
        })
        .collect();
    let mut ids = BTreeSet::new();
    let mut encodings = BTreeSet::new();
    for writer in writers {
        for (version, encoding) in writer.await.unwrap() {
            ids.insert(version.id);
            encodings.insert((version.id, encoding.0));
        }
    }
    assert_eq!(ids, (0..30).collect(), "each schema once, ids dense");
    assert_eq!(encodings.len(), 30, "each schema has one encoding");
    assert_eq!(encodings.iter().map(|(_, e)| *e).collect::<BTreeSet<_>>(), (0..30).collect());
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let registry = registry_on(Arc::new(EmbeddedStore::open(folder.path()).unwrap())).await;
        registry.create_group(&group(), properties()).await.unwrap();
        let version = registry.add_schema(&group(), schema(1)).await.unwrap();
        registry.encoding_id(&group(), &version, "").await.unwrap();
    }
    let registry = registry_on(Arc::new(EmbeddedStore::open(folder.path()).unwrap())).await;
    assert_eq!(registry.group(&group()).await.unwrap(), properties());
    let encoding = registry.encoding(&group(), EncodingId(0)).await.unwrap();
    assert_eq!(encoding.schema.data, schema(1).data);
    assert_eq!(registry.add_schema(&group(), schema(2)).await.unwrap().id, 1);
}

#[tokio::test]
async fn a_full_disk_is_a_503_with_the_reason() {
    let store = Arc::new(FaultyStore::failing_after(MemoryStore::new(), 4, ErrorKind::Full));
    let registry = registry_on(store.clone()).await;
    let http = HttpRegistry::new(&serve(registry).await).unwrap();
    http.create_group(&group(), properties()).await.unwrap();
    let error = http.add_schema(&group(), schema(1)).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::Unavailable);
    assert!(error.to_string().contains("make room and try again"), "{error}");
    assert_eq!(http.group(&group()).await.unwrap(), properties(), "reads still succeed");
    store.allow(10);
    assert_eq!(http.add_schema(&group(), schema(1)).await.unwrap().id, 0, "nothing was half written");
}

#[tokio::test]
async fn an_unreachable_url_is_named() {
    // a port that was free a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let http = HttpRegistry::new(&format!("http://127.0.0.1:{port}")).unwrap();
    let error = http.group(&group()).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::Unavailable);
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}
