//! References between schemas in one process and in several: no commit leaves a reference to what another
//! commit deleted, everything is bounded, and a caller refers to what it may read only.

use futures::stream::{self, StreamExt, TryStreamExt};
use kulya_registry::Authorizer;
use kulya_registry::prelude::*;
use kulya_registry_api::administration::{ExportLine, OnConflict, PageRequest};
use kulya_schema::Reference;
use kulya_store::StreamStore;
use kulya_store::clock::Clock;
use kulya_store::memory::MemoryStore;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A clock that runs an action when it is read for the first time after it was set: a change reads the clock
/// after its checks, right before its commit.
#[derive(Default)]
struct ActingClock(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl ActingClock {
    fn act(&self, action: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(action));
    }
}

impl Clock for ActingClock {
    fn since_epoch(&self) -> Duration {
        let action = self.0.lock().unwrap().take();
        if let Some(action) = action {
            action();
        }
        Duration::from_secs(1_700_000_000)
    }
}

/// Runs a future to its end on a thread of its own.
fn run<F: Future<Output = ()> + Send + 'static>(future: F) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime().block_on(future)).join().unwrap();
}

fn group(name: &str) -> GroupId {
    GroupId::new("shop", name)
}

fn record(name: &str, fields: &str) -> SchemaInfo {
    SchemaInfo::avro(format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#))
}

fn field(name: &str, kind: &str) -> String {
    format!(r#"{{"name":"{name}","type":"{kind}"}}"#)
}

async fn open_group(registry: &Registry, name: &str) -> GroupId {
    let group = group(name);
    let properties = GroupProperties::new(Format::Avro, Compatibility::AllowAny, true);
    registry.create_group(&group, properties).await.unwrap();
    group
}

/// Creates a group with one record and an empty one.
async fn parts_and_orders(registry: &Registry) -> (GroupId, GroupId) {
    let (parts, orders) = (open_group(registry, "parts").await, open_group(registry, "orders").await);
    registry.add_schema(&parts, record("Part", "")).await.unwrap();
    (parts, orders)
}

async fn refer(registry: &Registry, orders: &GroupId, parts: &GroupId) -> RegistryResult<VersionInfo> {
    let references = vec![Reference::new("Part", parts, 0)];
    registry.add_schema_with_references(orders, record("Order", &field("part", "Part")), references).await
}

/// Two registries on one store, as two processes have them: the clock of the first acts.
fn two_registries() -> (Registry, Registry, Arc<ActingClock>) {
    let (store, clock) = (MemoryStore::new(), Arc::new(ActingClock::default()));
    let store: Arc<dyn StreamStore> = Arc::new(store);
    let one = Registry::new(Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let other = Registry::new(store, Arc::new(ActingClock::default()) as Arc<dyn Clock>).unwrap();
    (one, other, clock)
}

#[tokio::test]
async fn what_is_deleted_before_the_commit_is_not_referred_to() {
    for whole_group in [false, true] {
        let (registry, other, clock) = two_registries();
        let (parts, orders) = parts_and_orders(&registry).await;
        let deleted = parts.clone();
        clock.act(move || {
            run(async move {
                match whole_group {
                    true => other.delete_group(&deleted).await.unwrap(),
                    false => other.delete_schema(&deleted, 0).await.unwrap(),
                }
            });
        });
        let error = refer(&registry, &orders, &parts).await.unwrap_err();
        assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{error}");
        let reason = if whole_group {
            "group shop/parts does not exist"
        } else {
            "schema 0 of group shop/parts is deleted"
        };
        assert!(error.to_string().contains(reason), "{error}");
        assert!(registry.schema_versions(&orders, None).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_is_referred_to_before_the_commit_is_not_deleted() {
    for whole_group in [false, true] {
        let (registry, other, clock) = two_registries();
        let (parts, orders) = parts_and_orders(&registry).await;
        let (referred, referring) = (parts.clone(), orders.clone());
        clock.act(move || run(async move { drop(refer(&other, &referring, &referred).await.unwrap()) }));
        let result = match whole_group {
            true => registry.delete_group(&parts).await,
            false => registry.delete_schema(&parts, 0).await,
        };
        let error = result.unwrap_err();
        assert_eq!(error.kind(), RegistryErrorKind::Referenced, "{error}");
        assert!(error.to_string().contains("schema 0 of group shop/orders refers to it"), "{error}");
        assert_eq!(registry.schema_versions(&parts, None).await.unwrap().len(), 1);
    }
}

/// A schema of the group itself, which the commit replaces anyway.
#[tokio::test]
async fn a_deleted_schema_of_the_same_group_is_not_referred_to() {
    let (registry, other, clock) = two_registries();
    let (parts, _) = parts_and_orders(&registry).await;
    let deleted = parts.clone();
    clock.act(move || run(async move { other.delete_schema(&deleted, 0).await.unwrap() }));
    let error = refer(&registry, &parts, &parts).await.unwrap_err();
    assert!(error.to_string().contains("is deleted"), "{error}");
}

#[tokio::test]
async fn references_are_bounded() {
    let registry = Registry::new(MemoryStore::new(), SystemClock).unwrap();
    let (parts, orders) = parts_and_orders(&registry).await;
    let many = (0..101).map(|number| Reference::new(format!("Part{number}"), &parts, 0)).collect();
    let error = registry.add_schema_with_references(&orders, record("Order", ""), many).await.unwrap_err();
    assert!(error.to_string().contains("101 references"), "{error}");
    // a chain, each referring to the one before
    let chain = open_group(&registry, "chain").await;
    registry.add_schema(&chain, record("R0", "")).await.unwrap();
    for number in 1..40 {
        let before = format!("R{}", number - 1);
        let references = vec![Reference::new(&before, &chain, number - 1)];
        let schema = record(&format!("R{number}"), &field("a", &before));
        match registry.add_schema_with_references(&chain, schema, references).await {
            Ok(version) => assert!(version.id == number && number <= 32, "{number}"),
            Err(error) => {
                assert!(number == 33 && error.to_string().contains("longer than 32"), "{number}: {error}");
                break;
            }
        }
    }
    // large ones
    let doc = "x".repeat(3 << 20);
    let large = |name: &str| {
        SchemaInfo::avro(format!(r#"{{"type":"enum","name":"{name}","symbols":["A"],"doc":"{doc}"}}"#))
    };
    for name in ["Large1", "Large2", "Large3"] {
        registry.add_schema(&parts, large(name)).await.unwrap();
    }
    let references = (1..=3).map(|id| Reference::new(format!("Large{id}"), &parts, id)).collect();
    let schema = SchemaInfo::avro(r#"["Large1","Large2","Large3"]"#);
    let error = registry.add_schema_with_references(&orders, schema, references).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::InvalidInput);
    assert!(error.to_string().contains("have more than 8388608 bytes"), "{error}");
}

/// Only an import can make schemas that refer to each other.
#[tokio::test]
async fn a_cycle_of_an_import_is_reported() {
    let registry = Registry::new(MemoryStore::new(), SystemClock).unwrap();
    let (parts, orders) = parts_and_orders(&registry).await;
    refer(&registry, &orders, &parts).await.unwrap();
    let mut lines: Vec<ExportLine> = registry.export(None).await.unwrap().try_collect().await.unwrap();
    for line in &mut lines {
        if let ExportLine::Schema { unresolved: Some(unresolved), .. } = line {
            unresolved.references = vec![Reference::new("Part", &orders, 0)];
        }
    }
    let other = Registry::new(MemoryStore::new(), SystemClock).unwrap();
    let import = stream::iter(lines.clone().into_iter().map(Ok)).boxed();
    other.import(import, OnConflict::Refuse).await.unwrap();
    assert!(other.schema(&orders, 0).await.is_ok(), "it is stored self-contained");
    let references = vec![Reference::new("Order", &orders, 0)];
    let result = other.add_schema_with_references(&parts, SchemaInfo::avro("\"Order\""), references).await;
    let error = result.unwrap_err();
    assert!(error.to_string().contains("schema 0 of group shop/orders refers to itself"), "{error}");
    // damaged lines
    for damage in [0, 1] {
        let mut lines = lines.clone();
        for line in &mut lines {
            if let ExportLine::Schema { unresolved: Some(unresolved), .. } = line {
                match damage {
                    0 => unresolved.references.clear(),
                    _ => unresolved.references[0].name.clear(),
                }
            }
        }
        let other = Registry::new(MemoryStore::new(), SystemClock).unwrap();
        let import = stream::iter(lines.into_iter().map(Ok)).boxed();
        let error = other.import(import, OnConflict::Refuse).await.unwrap_err();
        assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{error}");
    }
}

/// A caller that may do everything but read some groups.
struct Reader(&'static [&'static str]);

impl Authorizer for Reader {
    fn principal(&self) -> &'static str {
        "reader"
    }

    fn can_read(&self, group: &GroupId) -> bool {
        self.0.contains(&group.name.as_str())
    }

    fn can_list_namespace(&self, _: &str) -> bool {
        true
    }

    fn check_create(&self, _: &GroupId) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test]
async fn a_caller_refers_to_what_it_may_read() {
    let registry = Registry::new(MemoryStore::new(), SystemClock).unwrap();
    let (parts, orders) = parts_and_orders(&registry).await;
    let restricted = registry.authorized_by(Arc::new(Reader(&["orders"])));
    // whether the group exists is not revealed
    for group in [parts.clone(), group("nowhere")] {
        let error = refer(&restricted, &orders, &group).await.unwrap_err();
        assert_eq!(error.kind(), RegistryErrorKind::Denied, "{error}");
        let text = format!("reference \"Part\" needs permission to read group {group}");
        assert_eq!(error.to_string(), text);
        let references = vec![Reference::new("Part", &group, 0)];
        let resolved = restricted.resolve_references(SchemaInfo::avro("\"Part\""), references).await;
        assert_eq!(resolved.unwrap_err().to_string(), text);
    }
    refer(&registry, &orders, &parts).await.unwrap();
    // what refers to a schema is listed and named where it may be read
    let page = PageRequest::first(10);
    let hidden = registry.authorized_by(Arc::new(Reader(&["parts"])));
    assert!(hidden.referenced_by(&parts, 0, &page).await.unwrap().items.is_empty());
    let error = hidden.delete_schema(&parts, 0).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::Referenced);
    assert!(error.to_string().contains("a schema of a group that you may not read"), "{error}");
    let visible = registry.authorized_by(Arc::new(Reader(&["parts", "orders"])));
    assert_eq!(visible.referenced_by(&parts, 0, &page).await.unwrap().items.len(), 1);
    // a page token of one list is none of another
    registry
        .add_schema_with_references(
            &orders,
            record("Sale", &field("part", "Part")),
            vec![Reference::new("Part", &parts, 0)],
        )
        .await
        .unwrap();
    let first = visible.referenced_by(&parts, 0, &PageRequest::first(1)).await.unwrap();
    let token = first.next.unwrap();
    let second = visible.referenced_by(&parts, 0, &PageRequest::after(&token, 1)).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    assert_ne!(first.items, second.items);
    registry.add_schema(&parts, record("Other", "")).await.unwrap();
    let error = visible.referenced_by(&parts, 1, &PageRequest::after(&token, 1)).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{error}");
}

/// A group whose deletion stopped half-way leaves entries of the index, which count no more.
#[tokio::test]
async fn a_group_of_the_same_name_has_other_references() {
    let registry = Registry::new(MemoryStore::new(), SystemClock).unwrap();
    let (parts, orders) = parts_and_orders(&registry).await;
    refer(&registry, &orders, &parts).await.unwrap();
    registry.delete_group(&orders).await.unwrap();
    registry.delete_schema(&parts, 0).await.unwrap();
    let parts = {
        registry.delete_group(&parts).await.unwrap();
        open_group(&registry, "parts").await
    };
    registry.add_schema(&parts, record("Part", &field("id", "int"))).await.unwrap();
    let orders = open_group(&registry, "orders").await;
    refer(&registry, &orders, &parts).await.unwrap();
    let resolved = String::from_utf8(registry.schema(&orders, 0).await.unwrap().data).unwrap();
    assert!(resolved.contains("\"id\""), "{resolved}");
    // by force the name stays, and means what comes next
    registry.force_delete_group(&parts).await.unwrap();
    let parts = open_group(&registry, "parts").await;
    registry.add_schema(&parts, record("Part", "")).await.unwrap();
    assert_eq!(registry.delete_schema(&parts, 0).await.unwrap_err().kind(), RegistryErrorKind::Referenced);
    let again = String::from_utf8(registry.schema(&orders, 0).await.unwrap().data).unwrap();
    assert_eq!(again, resolved, "what is registered does not change");
}
