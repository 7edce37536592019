//! The registry over gRPC answers as the one in process does: each call to both, on one store, and the same answers.

use super::proxy::Way;
use super::{Proxy, settings};
use crate::{NOW_MS, registry_on};
use axum::Router;
use futures::stream::{self, StreamExt};
use kulya_client::{HttpRegistry, RemoteRegistry, export_by_probing};
use kulya_codec::administration::{
    Change, ChangeEvent, Existing, ExportLine, GroupChange, PageRequest, Question, RegistryAdministration,
    Search,
};
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_registry::{Registry, conformance};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, Format, GroupId, GroupProperties, Rules, SchemaInfo, Side,
    VersionInfo,
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

/// A registry, and a server of the same store with a memory of its own.
async fn both() -> (Registry, SocketAddr, oneshot::Sender<()>) {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    let local = registry_on(Arc::clone(&store)).await;
    let registry = Arc::new(registry_on(Arc::clone(&store)).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, told) = oneshot::channel::<()>();
    let shutdown = async move {
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::spawn(kulya_server::serve(listener, Services { registry, store }, shutdown));
    (local, address, end)
}

#[tokio::test]
async fn the_registry_over_grpc_conforms() {
    let ran = conformance::all(async || {
        let (_, address, _end) = both().await;
        Arc::new(connect(address).await)
    });
    assert_eq!(ran.await, 23);
}

#[tokio::test]
async fn a_refusal_arrives_with_its_reasons() {
    let (_, address, _end) = both().await;
    let remote = connect(address).await;
    remote.create_group(&group("g"), properties(Format::Avro, Compatibility::Backward)).await.unwrap();
    remote.add_schema(&group("g"), order(ID)).await.unwrap();
    let refused = remote.add_schema(&group("g"), order(TOTAL)).await.unwrap_err();
    let refusal = refused.refusal().unwrap();
    assert_eq!(refusal.reasons[0].why().unwrap().rule, "avro/missing-default");
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
    properties.properties = Rules::strict().labels();
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

/// What an answer says: the value, or the error's kind and text.
fn said<T: Debug>(answer: RegistryResult<T>) -> Result<String, (RegistryErrorKind, String)> {
    answer.map(|value| format!("{value:?}")).map_err(|error| (error.kind(), error.to_string()))
}

/// The same call on both, which changes nothing: the answers are equal. Gives the remote one.
macro_rules! alike {
    ($local:expr, $remote:expr, |$registry:ident| $call:expr) => {{
        let expected = {
            let $registry = &$local;
            $call.await
        };
        let found = {
            let $registry = &$remote;
            $call.await
        };
        assert_eq!(said(found.clone()), said(expected));
        found
    }};
}

/// Three groups with all that a group may have: two namespaces, three formats, deleted schemas, codecs, encodings.
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
    // all of a type is deleted, and the last of the group
    registry.delete_schema(&any, 1).await.unwrap();
    registry.delete_schema(&any, 2).await.unwrap();
    let default = GroupId::new("", "plain");
    registry.create_group(&default, properties(Format::Avro, Compatibility::DenyAll)).await.unwrap();
}

async fn lines(registry: &dyn RegistryAdministration, namespace: Option<&str>) -> Vec<ExportLine> {
    let lines = registry.export(namespace).await.unwrap();
    lines.map(Result::unwrap).collect().await
}

fn given(lines: Vec<ExportLine>) -> stream::BoxStream<'static, RegistryResult<ExportLine>> {
    stream::iter(lines.into_iter().map(Ok)).boxed()
}

#[tokio::test]
async fn every_question_is_answered_alike() {
    let (local, address, _end) = both().await;
    let remote = connect(address).await;
    fill(&local).await;
    let (orders, any, nowhere) = (group("orders"), group("a/b é"), group("nowhere"));

    alike!(local, remote, |r| r.namespaces(&PageRequest::first(1))).unwrap();
    let first = alike!(local, remote, |r| r.groups_page("shop", &PageRequest::first(1))).unwrap();
    let next = PageRequest::after(first.next.unwrap(), 10);
    assert_eq!(alike!(local, remote, |r| r.groups_page("shop", &next)).unwrap().items.len(), 1);
    alike!(local, remote, |r| r.namespaces(&PageRequest::after("?", 1))).unwrap_err();
    assert_eq!(alike!(local, remote, |r| r.groups("shop")).unwrap().len(), 2);
    alike!(local, remote, |r| r.groups("none")).unwrap();
    for group in [&orders, &any, &nowhere] {
        let _ = alike!(local, remote, |r| r.group(group));
        let _ = alike!(local, remote, |r| r.history(group));
        let _ = alike!(local, remote, |r| r.latest_schemas(group, None));
        let _ = alike!(local, remote, |r| r.schema_versions(group, None));
        let _ = alike!(local, remote, |r| r.codec_types(group));
        for type_name in ["shop.Order", "click", "t", ""] {
            let _ = alike!(local, remote, |r| r.latest_schemas(group, Some(type_name)));
            let _ = alike!(local, remote, |r| r.schema_versions(group, Some(type_name)));
            let page = PageRequest::first(2);
            let _ = alike!(local, remote, |r| r.versions_page(group, Some(type_name), &page));
        }
        for id in 0..5 {
            let _ = alike!(local, remote, |r| r.schema(group, id));
            let _ = alike!(local, remote, |r| r.encoding(group, EncodingId(id)));
            let _ = alike!(local, remote, |r| r.compare(group, 0, id));
            let _ = alike!(local, remote, |r| r.version_id(group, "Avro", "shop.Order", id));
        }
        for fields in [ID, TOTAL, "wrong"] {
            let _ = alike!(local, remote, |r| r.find_schema(group, order(fields)));
            let _ = alike!(local, remote, |r| r.can_read(group, order(fields)));
            let full = Compatibility::Advanced {
                backward: Some(Side::Transitive),
                forward: Some(Side::Till(VersionInfo {
                    type_name: "shop.Order".into(),
                    format: "Avro".into(),
                    version: 0,
                    id: 0,
                })),
            };
            for question in [
                Question::default(),
                Question { compatibility: Some(full), rules: None },
                Question { compatibility: None, rules: Some(Rules::Java) },
            ] {
                let _ = alike!(local, remote, |r| r.check(group, order(fields), question.clone()));
            }
        }
    }
    let refusal = remote.check(&orders, order(TOTAL), Question::default()).await.unwrap().refusal.unwrap();
    assert!(!refusal.reasons.is_empty());
    let json = SchemaInfo::new("click", Format::Json, "{}");
    alike!(local, remote, |r| r.check(&orders, json.clone(), Question::default())).unwrap_err();
    assert_eq!(alike!(local, remote, |r| r.added_to("shop", order(ID))).unwrap().len(), 1);
    alike!(local, remote, |r| r.added_to("shop", order("wrong"))).unwrap_err();
    for search in [
        Search::default(),
        Search { field: Some("ID".into()), all_versions: true, ..Search::default() },
        Search { namespace: Some("shop".into()), group: Some("ORD".into()), ..Search::default() },
        Search { type_name: Some("cl".into()), format: Some("json".into()), ..Search::default() },
    ] {
        let mut page = PageRequest::first(1);
        let mut found = 0;
        while let Some(next) = {
            let answer = alike!(local, remote, |r| r.search(&search, &page)).unwrap();
            found += answer.items.len();
            answer.next
        } {
            page.after = next;
        }
        assert!(found > 0, "{search:?}");
    }
    for namespace in [None, Some("shop"), Some("none")] {
        assert_eq!(lines(&remote, namespace).await, lines(&local, namespace).await);
    }
}

/// The changes, asked of one registry; each answer, so that two can be compared.
async fn change(registry: &dyn RegistryAdministration) -> Vec<Result<String, (RegistryErrorKind, String)>> {
    let mut told = Vec::new();
    let orders = group("orders");
    let avro = properties(Format::Avro, Compatibility::Backward);
    told.push(said(registry.create_group(&orders, avro.clone()).await));
    told.push(said(registry.create_group(&orders, avro.clone()).await));
    told.push(said(registry.create_group(&group(""), avro.clone()).await));
    let backward = properties(Format::Custom("thrift".into()), Compatibility::Backward);
    told.push(said(registry.create_group(&group("thrift"), backward).await));
    for fields in [ID, ID, TOTAL, "wrong"] {
        told.push(said(registry.add_schema(&orders, order(fields)).await));
    }
    told.push(said(registry.add_schema(&orders, SchemaInfo::new("c", Format::Json, "{}")).await));
    told.push(said(registry.add_schema(&group("nowhere"), order(ID)).await));
    let large = SchemaInfo::new("Order", Format::Avro, vec![b' '; (8 << 20) + 1]);
    told.push(said(registry.add_schema(&orders, large).await));
    let policy = GroupChange { compatibility: Some(Compatibility::Full), ..GroupChange::default() };
    told.push(said(registry.change_group(&orders, policy.clone()).await));
    told.push(said(registry.change_group(&group("nowhere"), policy.clone()).await));
    let conditional = GroupChange { previous: Some(avro), ..policy };
    told.push(said(registry.change_group(&orders, conditional.clone()).await));
    let wrong = GroupChange {
        properties: Some([("kulya.rule".to_owned(), "strict".to_owned())].into()),
        ..GroupChange::default()
    };
    told.push(said(registry.change_group(&orders, wrong).await));
    let version = registry.find_schema(&orders, order(ID)).await.unwrap();
    told.push(said(registry.encoding_id(&orders, &version, "gz").await));
    let codec = CodecType { name: "gz".to_owned(), ..CodecType::default() };
    told.push(said(registry.add_codec_type(&orders, codec.clone()).await));
    told.push(said(registry.add_codec_type(&group("nowhere"), codec).await));
    for codec in ["gz", "gz", ""] {
        told.push(said(registry.encoding_id(&orders, &version, codec).await));
    }
    for id in [0, 0, 7] {
        told.push(said(registry.delete_schema(&orders, id).await));
    }
    told.push(said(registry.encoding_id(&orders, &version, "").await));
    told.push(said(registry.encoding_id(&orders, &VersionInfo { id: 9, ..version }, "").await));
    told.push(said(registry.delete_group(&orders).await));
    told.push(said(registry.delete_group(&orders).await));
    told.push(said(registry.group(&orders).await));
    told
}

#[tokio::test]
async fn every_change_is_made_and_refused_alike() {
    let (local, _, _) = both().await;
    let (beside, address, _end) = both().await;
    let remote = connect(address).await;
    let (expected, found) = (change(&local).await, change(&remote).await);
    assert_eq!(found, expected);
    let kinds: Vec<_> = found.iter().filter_map(|told| told.as_ref().err()).map(|(kind, _)| *kind).collect();
    for kind in [
        RegistryErrorKind::NotFound,
        RegistryErrorKind::Incompatible,
        RegistryErrorKind::FormatMismatch,
        RegistryErrorKind::CodecUnknown,
        RegistryErrorKind::InvalidInput,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    assert!(beside.groups("shop").await.unwrap().is_empty(), "what was done remotely is done");
}

#[tokio::test]
async fn a_refusal_with_many_reasons_is_told_whole() {
    let (local, address, _end) = both().await;
    let remote = connect(address).await;
    let orders = group("orders");
    local.create_group(&orders, properties(Format::Avro, Compatibility::Backward)).await.unwrap();
    local.add_schema(&orders, order(ID)).await.unwrap();
    let fields: Vec<String> =
        (0..40).map(|n| format!(r#"{{"name":"a_field_with_a_long_name_{n}","type":"long"}}"#)).collect();
    let refused = alike!(local, remote, |r| r.add_schema(&orders, order(&fields.join(",")))).unwrap_err();
    assert_eq!(refused.kind(), RegistryErrorKind::Incompatible);
    assert!(refused.to_string().len() > 4096 && refused.to_string().contains("long_name_39"), "{refused}");
}

#[tokio::test]
async fn an_export_is_taken_in_with_its_ids() {
    let (local, from, _end) = both().await;
    fill(&local).await;
    let exported = lines(&connect(from).await, None).await;
    let (other, to, _end) = both().await;
    let remote = connect(to).await;
    let imported = remote.import(given(exported.clone()), Existing::Refuse).await.unwrap();
    assert_eq!((imported.groups, imported.schemas, imported.encodings), (3, 6, 3));
    assert_eq!(lines(&other, None).await, exported);

    // again: refused, or skipped
    for existing in [Existing::Refuse, Existing::Skip] {
        let expected = said(other.import(given(exported.clone()), existing).await);
        assert_eq!(said(remote.import(given(exported.clone()), existing).await), expected);
    }
    // what is wrong with an export is said alike: cut short, an odd line, a wrong schema
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
        let expected = said(other.import(given(damaged.clone()), Existing::Skip).await);
        assert!(expected.is_err());
        assert_eq!(said(remote.import(given(damaged), Existing::Skip).await), expected);
    }
    // what the lines' own reader says ends the import, and nothing of the group is there
    let broken = RegistryError::new(RegistryErrorKind::InvalidInput, "line 4 is no JSON");
    let torn = stream::iter(exported.into_iter().take(3).map(Ok).chain([Err(broken)])).boxed();
    let refused = remote.import(torn, Existing::Skip).await.unwrap_err();
    assert_eq!(refused.to_string(), "line 4 is no JSON");
    assert_eq!(other.group(&group("orders")).await.unwrap_err().kind(), RegistryErrorKind::NotFound);
}

#[tokio::test]
async fn by_rest_v1_alone_everything_is_found() {
    let (local, address, _end) = both().await;
    fill(&local).await;
    let v1: Arc<dyn SchemaRegistry> = Arc::new(HttpRegistry::new(&format!("http://{address}")).unwrap());
    let namespaces = vec![String::new(), "shop".to_owned(), "none".to_owned()];
    let probed: Vec<ExportLine> = export_by_probing(v1, namespaces).map(Result::unwrap).collect().await;
    let mut expected = lines(&local, None).await;
    // v1 does not tell what was in force when a deleted schema was added; here nothing else was, and nothing before it
    for line in &mut expected {
        if let ExportLine::Schema { timestamp, deleted, .. } = line {
            assert_eq!(*timestamp, NOW_MS);
            assert!(!*deleted || *timestamp == NOW_MS);
        }
    }
    assert_eq!(probed, expected);
    let (other, to, _end) = both().await;
    connect(to).await.import(given(probed), Existing::Refuse).await.unwrap();
    assert_eq!(lines(&other, None).await, expected);
    let nobody: Arc<dyn SchemaRegistry> = Arc::new(HttpRegistry::new("http://127.0.0.1:1").unwrap());
    let told: Vec<_> = export_by_probing(nobody, vec![String::new()]).collect().await;
    assert_eq!(told.last().unwrap().as_ref().unwrap_err().kind(), RegistryErrorKind::Unavailable);
    assert_eq!(told.len(), 2, "an export that failed has no end");
}

#[tokio::test]
async fn many_encodings_are_counted() {
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
            export_by_probing(v1, vec!["shop".to_owned()]).map(Result::unwrap).collect().await;
        assert_eq!(probed, lines(&local, None).await);
    }
}

#[tokio::test]
async fn changes_come_through_cuts_once_each() {
    let (local, address, _end) = both().await;
    let proxy = Proxy::to(address).await;
    let remote = connect(proxy.address).await;
    let mut changes = remote.changes(None).await.unwrap();
    let mut expected = local.changes(None).await.unwrap();
    let mut told: Vec<(String, Change)> = Vec::new();
    for number in 0..6 {
        let name = group(&number.to_string());
        if number % 2 == 1 {
            proxy.cut_now(Some(address));
        }
        local.create_group(&name, properties(Format::Avro, Compatibility::Backward)).await.unwrap();
        local.add_schema(&name, order(ID)).await.unwrap();
        for _ in 0..2 {
            told.push(changes.next().await.unwrap().unwrap());
            assert_eq!(told.last(), Some(&expected.next().await.unwrap().unwrap()));
        }
    }
    assert!(matches!(told[1].1.event, ChangeEvent::SchemaAdded { .. }));
    // from a place on
    let mut behind = remote.changes(Some(&told[3].0)).await.unwrap();
    assert_eq!(behind.next().await.unwrap().unwrap(), told[4]);
    for place in ["here", "shop/orders@0.0:0"] {
        let ours = local.changes(Some(place)).await.err().unwrap();
        let theirs = remote.changes(Some(place)).await.err().unwrap();
        assert_eq!((theirs.kind(), theirs.to_string()), (ours.kind(), ours.to_string()));
    }
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let (_local, address, end) = both().await;
    let mut settings = settings(address);
    settings.patience = Duration::ZERO;
    let remote = RemoteRegistry::connect(settings).await.unwrap();
    let mut changes = remote.changes(None).await.unwrap();
    end.send(()).unwrap();
    let ended = changes.next().await.unwrap().unwrap_err();
    assert_eq!(ended.kind(), RegistryErrorKind::Unavailable);
    assert!(changes.next().await.is_none());
}

#[tokio::test]
async fn reads_are_asked_again_after_a_cut() {
    let (local, address, _end) = both().await;
    fill(&local).await;
    let proxy = Proxy::to(address).await;
    let remote = connect(proxy.address).await;
    for _ in 0..4 {
        proxy.cut_now(Some(address));
        alike!(local, remote, |r| r.history(&group("orders"))).unwrap();
        proxy.cut_now(Some(address));
        assert!(
            !remote
                .create_group(&group("orders"), properties(Format::Avro, Compatibility::Backward))
                .await
                .unwrap()
        );
    }
}

/// Wherever the line is cut: what may be repeated is answered as if nothing had happened, and of what may not the answer
/// is the first one's, or that it is open.
#[tokio::test]
async fn a_cut_anywhere_is_told_truly() {
    let (local, address, _end) = both().await;
    fill(&local).await;
    let proxy = Proxy::to(address).await;
    let remote = connect(proxy.address).await;
    let (mut made, mut open) = (0, 0);
    for bytes in (0..600).step_by(17) {
        for way in [Way::ToServer, Way::ToClient] {
            let name = group(&format!("{bytes} {way:?}"));
            let avro = properties(Format::Avro, Compatibility::Backward);
            proxy.cut_after(way, bytes);
            match remote.create_group(&name, avro.clone()).await {
                Ok(is_new) => {
                    assert!(is_new, "nobody else made it");
                    made += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), RegistryErrorKind::Unavailable);
                    assert!(error.to_string().contains("look, and try again"), "{error}");
                    open += 1;
                }
            }
            proxy.cut_after(way, bytes);
            let added = remote.add_schema(&group("orders"), order(ID)).await.unwrap();
            assert_eq!(added.id, 0);
            proxy.cut_after(way, bytes);
            alike!(local, remote, |r| r.schema_versions(&group("orders"), None)).unwrap();
        }
    }
    assert!(made > 0 && open > 0 && proxy.cuts() > 50, "{made} {open} {}", proxy.cuts());
}

#[tokio::test]
async fn where_no_registry_is_one_error_says_so() {
    let refused = async |address: SocketAddr| {
        let mut settings = settings(address);
        settings.patience = Duration::ZERO;
        let refused = RemoteRegistry::connect(settings).await.err().unwrap();
        assert!(refused.to_string().contains(&address.to_string()), "{refused}");
        refused
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(refused(free).await.kind(), RegistryErrorKind::Unavailable);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(refused(silent.local_addr().unwrap()).await.kind(), RegistryErrorKind::Unavailable);
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    tokio::spawn(axum::serve(web, Router::new()).into_future());
    let refused = refused(address).await;
    assert_eq!(refused.kind(), RegistryErrorKind::InvalidInput);
    assert!(refused.to_string().contains("has no such registry"), "{refused}");
    let wrong = kulya_client::RemoteSettings::new("nonsense");
    let wrong = RemoteRegistry::connect(wrong).await.err().unwrap();
    assert_eq!(wrong.kind(), RegistryErrorKind::InvalidInput);
}

#[tokio::test]
async fn large_pages_are_cut_and_large_schemas_pass() {
    let (local, address, _end) = both().await;
    let remote = connect(address).await;
    let large = group("large");
    local.create_group(&large, properties(Format::Any, Compatibility::AllowAny)).await.unwrap();
    // as large as a schema may be, there and back, alone and in a list
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
    alike!(local, remote, |r| r.add_schema(&large, over.clone())).unwrap_err();
    // groups with as many labels as there may be: a page of all is larger than a reply
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
async fn what_a_foreign_client_sends_wrongly_is_named() {
    let (_local, address, _end) = both().await;
    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut client = SchemaRegistryClient::new(channel).max_encoding_message_size(64 << 20);
    let version = client.describe(v1::DescribeRequest {}).await.unwrap().into_inner().version;
    assert!(version.starts_with("kulya "), "{version}");
    let refused = client.describe_group(v1::GroupRequest::default()).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (tonic::Code::InvalidArgument, "the message names no group")
    );
    let named = Some(v1::Group { namespace: "shop".to_owned(), name: "orders".to_owned() });
    let format = Some(v1::Format { kind: 77, custom: String::new() });
    let properties = Some(v1::GroupProperties { format, ..v1::GroupProperties::default() });
    let request = v1::CreateGroupRequest { group: named.clone(), properties };
    let refused = client.create_group(request).await.unwrap_err();
    assert!(refused.code() == tonic::Code::InvalidArgument && refused.message().contains("77"), "{refused}");
    let refused = client.describe_group(v1::GroupRequest { group: named.clone() }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    let schema = Some(v1::Schema { data: vec![0; 13 << 20].into(), ..v1::Schema::default() });
    let refused = client.add_schema(v1::SchemaRequest { group: named, schema }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused}");
    for first in [None, Some(v1::import_request::Request::Line(v1::ExportLine::default()))] {
        let request = stream::iter([v1::ImportRequest { request: first }]);
        let refused = client.import(request).await.unwrap_err();
        assert!(refused.message().contains("send a begin"), "{refused}");
    }
}

#[tokio::test]
async fn reflection_names_both_services() {
    let (_local, address, _end) = both().await;
    let services = super::secured::services(address).await;
    for name in ["kulya.store.v1.StreamStore", "kulya.registry.v1.SchemaRegistry"] {
        assert!(services.iter().any(|service| service == name), "{services:?}");
    }
}
