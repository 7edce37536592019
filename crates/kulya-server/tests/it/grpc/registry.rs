//! The registry over gRPC is equivalent to the one in process: each call is sent to both, on one store, with
//! equal results.

use super::proxy::Direction;
use super::{Proxy, settings};
use crate::{NOW_MS, registry_on};
use axum::Router;
use futures::stream::{self, StreamExt};
use kulya_client::{HttpRegistry, RemoteRegistry, export_namespaces};
use kulya_registry::Registry;
use kulya_registry_api::administration::{
    Change, ChangeEvent, CheckOptions, ExportLine, GroupChange, OnConflict, PageRequest,
    RegistryAdministration, Search,
};
use kulya_registry_api::conformance;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, Format, GroupId, GroupProperties, Rules, SchemaInfo, VersionInfo,
    VersionScope,
};
use kulya_server::Services;
use kulya_store::StreamStore;
use kulya_store::memory::MemoryStore;
use kulya_wire::registry::v1;
use kulya_wire::registry::v1::schema_registry_client::SchemaRegistryClient;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Returns a registry, and a server on the same store with a registry of its own.
async fn both() -> (Registry, SocketAddr, oneshot::Sender<()>) {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    let local = registry_on(Arc::clone(&store)).await;
    let registry = Arc::new(registry_on(Arc::clone(&store)).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, result) = oneshot::channel::<()>();
    let shutdown = async move {
        if result.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::spawn(kulya_server::serve(listener, Services { registry, store }, shutdown));
    (local, address, end)
}

#[tokio::test]
async fn the_registry_over_grpc_conforms() {
    let ran = conformance::run_all(async || {
        let (_, address, _end) = both().await;
        Arc::new(connect(address).await)
    });
    assert_eq!(ran.await, 30);
}

#[tokio::test]
async fn an_incompatibility_arrives_with_its_reasons() {
    let (_, address, _end) = both().await;
    let remote = connect(address).await;
    remote.create_group(&group("g"), properties(Format::Avro, Compatibility::Backward)).await.unwrap();
    remote.add_schema(&group("g"), order(ID)).await.unwrap();
    let error = remote.add_schema(&group("g"), order(TOTAL)).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.reasons[0].incompatibility().unwrap().rule, "avro/missing-default");
    assert_eq!(refusal.reasons[0].versions()[0].id, 0);
}

async fn connect(address: SocketAddr) -> RemoteRegistry {
    RemoteRegistry::connect(settings(address)).await.unwrap()
}

fn group(name: &str) -> GroupId {
    GroupId::new("shop", name)
}

fn properties(format: Format, compatibility: Compatibility) -> GroupProperties {
    let mut properties = GroupProperties::new(format, compatibility, true);
    properties.properties = Rules::strict().to_labels();
    properties
}

fn order(fields: &str) -> SchemaInfo {
    let data = format!(r#"{{"type":"record","name":"Order","namespace":"shop","fields":[{fields}]}}"#);
    let mut schema = SchemaInfo::new("", Format::Avro, data);
    schema.properties.insert("owner".to_owned(), "é".to_owned());
    schema
}

const ID: &str = r#"{"name":"id","type":"long"}"#;
const NOTE: &str = r#"{"name":"note","type":"string","default":""}"#;
const TOTAL: &str = r#"{"name":"total","type":"long"}"#;

/// The comparable parts of a result: the value, or the error's kind and text.
fn comparable<T: Debug>(response: RegistryResult<T>) -> Result<String, (RegistryErrorKind, String)> {
    response.map(|value| format!("{value:?}")).map_err(|error| (error.kind(), error.to_string()))
}

/// Sends the same read to both and expects equal results; returns the remote one.
macro_rules! compare {
    ($local:expr, $remote:expr, |$registry:ident| $call:expr) => {{
        let expected = {
            let $registry = &$local;
            $call.await
        };
        let found = {
            let $registry = &$remote;
            $call.await
        };
        assert_eq!(comparable(found.clone()), comparable(expected));
        found
    }};
}

/// Creates three groups: two namespaces, three formats, deleted schemas, codecs, encodings.
async fn fill(registry: &dyn RegistryAdministration) {
    let orders = group("orders");
    assert!(registry.create_group(&orders, properties(Format::Avro, Compatibility::Backward)).await.unwrap());
    for fields in [ID.to_owned(), format!("{ID},{NOTE}"), format!("{NOTE},{ID}")] {
        registry.add_schema(&orders, order(&fields)).await.unwrap();
    }
    registry.delete_schema(&orders, 1).await.unwrap();
    let gzip = CodecType {
        name: "application/x-gzip".to_owned(),
        properties: [("level".to_owned(), "9".to_owned())].into(),
    };
    registry.add_codec_type(&orders, gzip).await.unwrap();
    for (id, codec) in [(0, ""), (2, "application/x-gzip"), (2, "")] {
        let version = VersionInfo { type_name: String::new(), format: String::new(), version: 0, id };
        registry.encoding_id(&orders, &version, codec).await.unwrap();
    }
    let any = group("a/b é");
    registry.create_group(&any, properties(Format::Any, Compatibility::AllowAny)).await.unwrap();
    let json = r#"{"type":"object","properties":{"id":{"type":"integer"}}}"#;
    registry.add_schema(&any, SchemaInfo::new("click", Format::Json, json)).await.unwrap();
    registry.add_schema(&any, SchemaInfo::new("t", Format::Custom("thrift".into()), "struct")).await.unwrap();
    registry.add_schema(&any, order(ID)).await.unwrap();
    // all schemas of a type are deleted, and the last one of the group
    registry.delete_schema(&any, 1).await.unwrap();
    registry.delete_schema(&any, 2).await.unwrap();
    let default = GroupId::new("", "plain");
    registry.create_group(&default, properties(Format::Avro, Compatibility::DenyAll)).await.unwrap();
}

async fn lines(registry: &dyn RegistryAdministration, namespace: Option<&str>) -> Vec<ExportLine> {
    let lines = registry.export(namespace).await.unwrap();
    lines.map(Result::unwrap).collect().await
}

fn import_stream(lines: Vec<ExportLine>) -> stream::BoxStream<'static, RegistryResult<ExportLine>> {
    stream::iter(lines.into_iter().map(Ok)).boxed()
}

#[tokio::test]
async fn every_read_is_equal_in_process_and_over_grpc() {
    let (local, address, _end) = both().await;
    let remote = connect(address).await;
    fill(&local).await;
    let (orders, any, nowhere) = (group("orders"), group("a/b é"), group("nowhere"));

    compare!(local, remote, |r| r.namespaces(&PageRequest::first(1))).unwrap();
    let first = compare!(local, remote, |r| r.groups_page("shop", &PageRequest::first(1))).unwrap();
    let next = PageRequest::after(first.next.unwrap(), 10);
    assert_eq!(compare!(local, remote, |r| r.groups_page("shop", &next)).unwrap().items.len(), 1);
    compare!(local, remote, |r| r.namespaces(&PageRequest::after("?", 1))).unwrap_err();
    assert_eq!(compare!(local, remote, |r| r.groups("shop")).unwrap().len(), 2);
    compare!(local, remote, |r| r.groups("none")).unwrap();
    for group in [&orders, &any, &nowhere] {
        let _ = compare!(local, remote, |r| r.group(group));
        let _ = compare!(local, remote, |r| r.history(group));
        let _ = compare!(local, remote, |r| r.latest_schemas(group, None));
        let _ = compare!(local, remote, |r| r.schema_versions(group, None));
        let _ = compare!(local, remote, |r| r.codec_types(group));
        for type_name in ["shop.Order", "click", "t", ""] {
            let _ = compare!(local, remote, |r| r.latest_schemas(group, Some(type_name)));
            let _ = compare!(local, remote, |r| r.schema_versions(group, Some(type_name)));
            let page = PageRequest::first(2);
            let _ = compare!(local, remote, |r| r.versions_page(group, Some(type_name), &page));
        }
        for id in 0..5 {
            let _ = compare!(local, remote, |r| r.schema(group, id));
            let _ = compare!(local, remote, |r| r.encoding(group, EncodingId(id)));
            let _ = compare!(local, remote, |r| r.compare(group, 0, id));
            let _ = compare!(local, remote, |r| r.version_id(group, "Avro", "shop.Order", id));
        }
        for fields in [ID, TOTAL, "wrong"] {
            let _ = compare!(local, remote, |r| r.find_schema(group, order(fields)));
            let _ = compare!(local, remote, |r| r.can_read(group, order(fields)));
            let full = Compatibility::Advanced {
                backward: Some(VersionScope::Transitive),
                forward: Some(VersionScope::Till(VersionInfo {
                    type_name: "shop.Order".into(),
                    format: "Avro".into(),
                    version: 0,
                    id: 0,
                })),
            };
            for question in [
                CheckOptions::default(),
                CheckOptions { compatibility: Some(full), ..CheckOptions::default() },
                CheckOptions { rules: Some(Rules::Java), ..CheckOptions::default() },
            ] {
                let _ = compare!(local, remote, |r| r.check(group, order(fields), question.clone()));
            }
        }
    }
    let refusal =
        remote.check(&orders, order(TOTAL), CheckOptions::default()).await.unwrap().refusal.unwrap();
    assert!(!refusal.reasons.is_empty());
    let json = SchemaInfo::new("click", Format::Json, "{}");
    compare!(local, remote, |r| r.check(&orders, json.clone(), CheckOptions::default())).unwrap_err();
    assert_eq!(compare!(local, remote, |r| r.schema_references("shop", order(ID))).unwrap().len(), 1);
    compare!(local, remote, |r| r.schema_references("shop", order("wrong"))).unwrap_err();
    for search in [
        Search::default(),
        Search { field: Some("ID".into()), all_versions: true, ..Search::default() },
        Search { namespace: Some("shop".into()), group: Some("ORD".into()), ..Search::default() },
        Search { type_name: Some("cl".into()), format: Some("json".into()), ..Search::default() },
    ] {
        let mut page = PageRequest::first(1);
        let mut found = 0;
        while let Some(next) = {
            let response = compare!(local, remote, |r| r.search(&search, &page)).unwrap();
            found += response.items.len();
            response.next
        } {
            page.after = next;
        }
        assert!(found > 0, "{search:?}");
    }
    for namespace in [None, Some("shop"), Some("none")] {
        assert_eq!(lines(&remote, namespace).await, lines(&local, namespace).await);
    }
}

/// Makes changes in one registry; returns the results, so that two registries can be compared.
async fn change(registry: &dyn RegistryAdministration) -> Vec<Result<String, (RegistryErrorKind, String)>> {
    let mut result = Vec::new();
    let orders = group("orders");
    let avro = properties(Format::Avro, Compatibility::Backward);
    result.push(comparable(registry.create_group(&orders, avro.clone()).await));
    result.push(comparable(registry.create_group(&orders, avro.clone()).await));
    result.push(comparable(registry.create_group(&group(""), avro.clone()).await));
    let backward = properties(Format::Custom("thrift".into()), Compatibility::Backward);
    result.push(comparable(registry.create_group(&group("thrift"), backward).await));
    for fields in [ID, ID, TOTAL, "wrong"] {
        result.push(comparable(registry.add_schema(&orders, order(fields)).await));
    }
    result.push(comparable(registry.add_schema(&orders, SchemaInfo::new("c", Format::Json, "{}")).await));
    result.push(comparable(registry.add_schema(&group("nowhere"), order(ID)).await));
    let large = SchemaInfo::new("Order", Format::Avro, vec![b' '; (8 << 20) + 1]);
    result.push(comparable(registry.add_schema(&orders, large).await));
    let policy = GroupChange { compatibility: Some(Compatibility::Full), ..GroupChange::default() };
    result.push(comparable(registry.change_group(&orders, policy.clone()).await));
    result.push(comparable(registry.change_group(&group("nowhere"), policy.clone()).await));
    let conditional = GroupChange { previous: Some(avro), ..policy };
    result.push(comparable(registry.change_group(&orders, conditional.clone()).await));
    let wrong = GroupChange {
        properties: Some([("kulya.rule".to_owned(), "strict".to_owned())].into()),
        ..GroupChange::default()
    };
    result.push(comparable(registry.change_group(&orders, wrong).await));
    let version = registry.find_schema(&orders, order(ID)).await.unwrap();
    result.push(comparable(registry.encoding_id(&orders, &version, "gz").await));
    let codec = CodecType { name: "gz".to_owned(), ..CodecType::default() };
    result.push(comparable(registry.add_codec_type(&orders, codec.clone()).await));
    result.push(comparable(registry.add_codec_type(&group("nowhere"), codec).await));
    for codec in ["gz", "gz", ""] {
        result.push(comparable(registry.encoding_id(&orders, &version, codec).await));
    }
    for id in [0, 0, 7] {
        result.push(comparable(registry.delete_schema(&orders, id).await));
    }
    result.push(comparable(registry.encoding_id(&orders, &version, "").await));
    result.push(comparable(registry.encoding_id(&orders, &VersionInfo { id: 9, ..version }, "").await));
    result.push(comparable(registry.delete_group(&orders).await));
    result.push(comparable(registry.delete_group(&orders).await));
    result.push(comparable(registry.group(&orders).await));
    result
}

#[tokio::test]
async fn every_change_is_equal_in_process_and_over_grpc() {
    let (local, _, _) = both().await;
    let (other, address, _end) = both().await;
    let remote = connect(address).await;
    let (expected, found) = (change(&local).await, change(&remote).await);
    assert_eq!(found, expected);
    let kinds: Vec<_> =
        found.iter().filter_map(|result| result.as_ref().err()).map(|(kind, _)| *kind).collect();
    for kind in [
        RegistryErrorKind::NotFound,
        RegistryErrorKind::Incompatible,
        RegistryErrorKind::FormatMismatch,
        RegistryErrorKind::CodecUnknown,
        RegistryErrorKind::InvalidInput,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    assert!(other.groups("shop").await.unwrap().is_empty(), "changes over gRPC are visible in process");
}

#[tokio::test]
async fn an_incompatibility_with_many_reasons_is_complete() {
    let (local, address, _end) = both().await;
    let remote = connect(address).await;
    let orders = group("orders");
    local.create_group(&orders, properties(Format::Avro, Compatibility::Backward)).await.unwrap();
    local.add_schema(&orders, order(ID)).await.unwrap();
    let fields: Vec<String> =
        (0..40).map(|n| format!(r#"{{"name":"a_field_with_a_long_name_{n}","type":"long"}}"#)).collect();
    let error = compare!(local, remote, |r| r.add_schema(&orders, order(&fields.join(",")))).unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::Incompatible);
    assert!(error.to_string().len() > 4096 && error.to_string().contains("long_name_39"), "{error}");
}

#[tokio::test]
async fn an_import_keeps_the_ids() {
    let (local, from, _end) = both().await;
    fill(&local).await;
    let exported = lines(&connect(from).await, None).await;
    let (other, to, _end) = both().await;
    let remote = connect(to).await;
    let imported = remote.import(import_stream(exported.clone()), OnConflict::Refuse).await.unwrap();
    assert_eq!((imported.groups, imported.schemas, imported.encodings), (3, 6, 3));
    assert_eq!(lines(&other, None).await, exported);

    // a second import: rejected or skipped
    for existing in [OnConflict::Refuse, OnConflict::Skip] {
        let expected = comparable(other.import(import_stream(exported.clone()), existing).await);
        assert_eq!(comparable(remote.import(import_stream(exported.clone()), existing).await), expected);
    }
    // errors of an import are equal: truncated, an unexpected line, an invalid schema
    remote.delete_group(&group("orders")).await.unwrap();
    let mut odd = exported.clone();
    odd.swap(1, 2);
    let mut wrong = exported.clone();
    for line in &mut wrong {
        if let ExportLine::Schema { schema_info, .. } = line {
            schema_info.data = b"wrong".to_vec();
        }
    }
    for damaged in
        [exported[..4].to_vec(), odd, wrong, vec![], vec![ExportLine::Begin { kulya_registry_export: 9 }]]
    {
        let expected = comparable(other.import(import_stream(damaged.clone()), OnConflict::Skip).await);
        assert!(expected.is_err());
        assert_eq!(comparable(remote.import(import_stream(damaged), OnConflict::Skip).await), expected);
    }
    // an error of the lines' reader ends the import without a partial group
    let broken = RegistryError::new(RegistryErrorKind::InvalidInput, "line 4 is no JSON");
    let torn = stream::iter(exported.into_iter().take(3).map(Ok).chain([Err(broken)])).boxed();
    let error = remote.import(torn, OnConflict::Skip).await.unwrap_err();
    assert_eq!(error.to_string(), "line 4 is no JSON");
    assert_eq!(other.group(&group("orders")).await.unwrap_err().kind(), RegistryErrorKind::NotFound);
}

#[tokio::test]
async fn rest_v1_finds_everything() {
    let (local, address, _end) = both().await;
    fill(&local).await;
    let v1: Arc<dyn SchemaRegistry> = Arc::new(HttpRegistry::new(&format!("http://{address}")).unwrap());
    let namespaces = vec![String::new(), "shop".to_owned(), "none".to_owned()];
    let probed: Vec<ExportLine> = export_namespaces(v1, namespaces).map(Result::unwrap).collect().await;
    let mut expected = lines(&local, None).await;
    // v1 does not report the compatibility at the time of a deleted schema; here it never changed
    for line in &mut expected {
        if let ExportLine::Schema { timestamp, deleted, .. } = line {
            assert_eq!(*timestamp, NOW_MS);
            assert!(!*deleted || *timestamp == NOW_MS);
        }
    }
    assert_eq!(probed, expected);
    let (other, to, _end) = both().await;
    connect(to).await.import(import_stream(probed), OnConflict::Refuse).await.unwrap();
    assert_eq!(lines(&other, None).await, expected);
    let nobody: Arc<dyn SchemaRegistry> = Arc::new(HttpRegistry::new("http://127.0.0.1:1").unwrap());
    let result: Vec<_> = export_namespaces(nobody, vec![String::new()]).collect().await;
    assert_eq!(result.last().unwrap().as_ref().unwrap_err().kind(), RegistryErrorKind::Unavailable);
    assert_eq!(result.len(), 2, "an export that failed has no end");
}

#[tokio::test]
async fn many_encodings_have_ids() {
    for count in [0, 1, 2, 3, 4, 7, 8, 9, 31] {
        let (local, address, _end) = both().await;
        let orders = group("orders");
        local.create_group(&orders, properties(Format::Avro, Compatibility::AllowAny)).await.unwrap();
        let version = local.add_schema(&orders, order(ID)).await.unwrap();
        for number in 0..count {
            let name = number.to_string();
            local
                .add_codec_type(&orders, CodecType { name: name.clone(), ..CodecType::default() })
                .await
                .unwrap();
            local.encoding_id(&orders, &version, &name).await.unwrap();
        }
        let v1: Arc<dyn SchemaRegistry> = Arc::new(HttpRegistry::new(&format!("http://{address}")).unwrap());
        let probed: Vec<ExportLine> =
            export_namespaces(v1, vec!["shop".to_owned()]).map(Result::unwrap).collect().await;
        assert_eq!(probed, lines(&local, None).await);
    }
}

#[tokio::test]
async fn changes_arrive_exactly_once_across_disconnects() {
    let (local, address, _end) = both().await;
    let proxy = Proxy::to(address).await;
    let remote = connect(proxy.address).await;
    let mut changes = remote.changes(None).await.unwrap();
    let mut expected = local.changes(None).await.unwrap();
    let mut result: Vec<(String, Change)> = Vec::new();
    for number in 0..6 {
        let name = group(&number.to_string());
        if number % 2 == 1 {
            proxy.cut_now(Some(address));
        }
        local.create_group(&name, properties(Format::Avro, Compatibility::Backward)).await.unwrap();
        local.add_schema(&name, order(ID)).await.unwrap();
        for _ in 0..2 {
            result.push(changes.next().await.unwrap().unwrap());
            assert_eq!(result.last(), Some(&expected.next().await.unwrap().unwrap()));
        }
    }
    assert!(matches!(result[1].1.event, ChangeEvent::SchemaAdded { .. }));
    // from a position on
    let mut behind = remote.changes(Some(&result[3].0)).await.unwrap();
    assert_eq!(behind.next().await.unwrap().unwrap(), result[4]);
    for place in ["here", "shop/orders@0.0:0"] {
        let ours = local.changes(Some(place)).await.err().unwrap();
        let theirs = remote.changes(Some(place)).await.err().unwrap();
        assert_eq!((theirs.kind(), theirs.to_string()), (ours.kind(), ours.to_string()));
    }
}

#[tokio::test]
async fn streams_end_at_shutdown() {
    let (_local, address, end) = both().await;
    let mut settings = settings(address);
    settings.retry_timeout = Duration::ZERO;
    let remote = RemoteRegistry::connect(settings).await.unwrap();
    let mut changes = remote.changes(None).await.unwrap();
    end.send(()).unwrap();
    let ended = changes.next().await.unwrap().unwrap_err();
    assert_eq!(ended.kind(), RegistryErrorKind::Unavailable);
    assert!(changes.next().await.is_none());
}

#[tokio::test]
async fn reads_are_retried_after_a_disconnect() {
    let (local, address, _end) = both().await;
    fill(&local).await;
    let proxy = Proxy::to(address).await;
    let remote = connect(proxy.address).await;
    for _ in 0..4 {
        proxy.cut_now(Some(address));
        compare!(local, remote, |r| r.history(&group("orders"))).unwrap();
        proxy.cut_now(Some(address));
        assert!(
            !remote
                .create_group(&group("orders"), properties(Format::Avro, Compatibility::Backward))
                .await
                .unwrap()
        );
    }
}

/// Wherever the connection is cut: an idempotent call succeeds, and any other call returns its first result,
/// or that the outcome is unknown.
#[tokio::test]
async fn a_disconnect_anywhere_is_reported_correctly() {
    let (local, address, _end) = both().await;
    fill(&local).await;
    let proxy = Proxy::to(address).await;
    let remote = connect(proxy.address).await;
    let (mut made, mut open) = (0, 0);
    for bytes in (0..600).step_by(17) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let name = group(&format!("{bytes} {direction:?}"));
            let avro = properties(Format::Avro, Compatibility::Backward);
            proxy.cut_after(direction, bytes);
            match remote.create_group(&name, avro.clone()).await {
                Ok(is_new) => {
                    assert!(is_new, "no other client created it");
                    made += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), RegistryErrorKind::Unavailable);
                    assert!(error.to_string().contains("check and try again"), "{error}");
                    open += 1;
                }
            }
            proxy.cut_after(direction, bytes);
            let added = remote.add_schema(&group("orders"), order(ID)).await.unwrap();
            assert_eq!(added.id, 0);
            proxy.cut_after(direction, bytes);
            compare!(local, remote, |r| r.schema_versions(&group("orders"), None)).unwrap();
        }
    }
    assert!(made > 0 && open > 0 && proxy.cuts() > 50, "{made} {open} {}", proxy.cuts());
}

#[tokio::test]
async fn an_address_without_a_registry_is_one_clear_error() {
    let error = async |address: SocketAddr| {
        let mut settings = settings(address);
        settings.retry_timeout = Duration::ZERO;
        let error = RemoteRegistry::connect(settings).await.err().unwrap();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        error
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(error(free).await.kind(), RegistryErrorKind::Unavailable);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(error(silent.local_addr().unwrap()).await.kind(), RegistryErrorKind::Unavailable);
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    tokio::spawn(axum::serve(web, Router::new()).into_future());
    let error = error(address).await;
    assert_eq!(error.kind(), RegistryErrorKind::InvalidInput);
    assert!(error.to_string().contains("has no such registry"), "{error}");
    let wrong = kulya_client::RemoteSettings::new("nonsense");
    let wrong = RemoteRegistry::connect(wrong).await.err().unwrap();
    assert_eq!(wrong.kind(), RegistryErrorKind::InvalidInput);
}

#[tokio::test]
async fn large_pages_are_split_and_large_schemas_accepted() {
    let (local, address, _end) = both().await;
    let remote = connect(address).await;
    let large = group("large");
    local.create_group(&large, properties(Format::Any, Compatibility::AllowAny)).await.unwrap();
    // the largest schema, alone and in a list
    for number in 0..3 {
        let custom = Format::Custom("bytes".into());
        let schema = SchemaInfo::new(number.to_string(), custom, vec![number; 8 << 20]);
        remote.add_schema(&large, schema).await.unwrap();
    }
    assert_eq!(
        remote.schema_versions(&large, None).await.unwrap(),
        local.schema_versions(&large, None).await.unwrap()
    );
    assert_eq!(lines(&remote, None).await, lines(&local, None).await);
    let over = SchemaInfo::new("over", Format::Custom("bytes".into()), vec![0; (8 << 20) + 1]);
    compare!(local, remote, |r| r.add_schema(&large, over.clone())).unwrap_err();
    // groups with the maximum of labels: a page of all is larger than a reply
    let mut heavy = properties(Format::Avro, Compatibility::Backward);
    heavy.properties = (0..100).map(|n| (format!("{n:0200}"), "é".repeat(200))).collect();
    for number in 0..200 {
        local.create_group(&GroupId::new("heavy", number.to_string()), heavy.clone()).await.unwrap();
    }
    let page = remote.groups_page("heavy", &PageRequest::first(1000)).await.unwrap();
    assert!(page.items.len() < 200 && page.next.is_some(), "{}", page.items.len());
    assert_eq!(remote.groups("heavy").await.unwrap(), local.groups("heavy").await.unwrap());
}

#[tokio::test]
async fn invalid_messages_of_other_clients_are_reported() {
    let (_local, address, _end) = both().await;
    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut client = SchemaRegistryClient::new(channel).max_encoding_message_size(64 << 20);
    let version = client.describe(v1::DescribeRequest {}).await.unwrap().into_inner().version;
    assert!(version.starts_with("kulya "), "{version}");
    let error = client.describe_group(v1::GroupRequest::default()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (tonic::Code::InvalidArgument, "the message has no group"));
    let named = Some(v1::Group { namespace: "shop".to_owned(), name: "orders".to_owned() });
    let format = Some(v1::Format { kind: 77, custom: String::new() });
    let properties = Some(v1::GroupProperties { format, ..v1::GroupProperties::default() });
    let request = v1::CreateGroupRequest { group: named.clone(), properties };
    let error = client.create_group(request).await.unwrap_err();
    assert!(error.code() == tonic::Code::InvalidArgument && error.message().contains("77"), "{error}");
    let error = client.describe_group(v1::GroupRequest { group: named.clone() }).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    let schema = Some(v1::Schema { data: vec![0; 13 << 20].into(), ..v1::Schema::default() });
    let error = client.add_schema(v1::SchemaRequest { group: named, schema }).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::OutOfRange, "{error}");
    for first in [None, Some(v1::import_request::Request::Line(v1::ExportLine::default()))] {
        let request = stream::iter([v1::ImportRequest { request: first }]);
        let error = client.import(request).await.unwrap_err();
        assert!(error.message().contains("must be a begin"), "{error}");
    }
}

#[tokio::test]
async fn reflection_lists_both_services() {
    let (_local, address, _end) = both().await;
    let services = super::secured::services(address).await;
    for name in ["kulya.store.v1.StreamStore", "kulya.registry.v1.SchemaRegistry"] {
        assert!(services.iter().any(|service| service == name), "{services:?}");
    }
}
