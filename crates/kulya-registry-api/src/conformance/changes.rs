//! The feed: every change once, in order, and from any place on.

use super::{Three, add, exported, kind, lines, make, properties, three};
use crate::administration::{Change, ChangeEvent, GroupChange, OnConflict, RegistryAdministration};
use crate::{RegistryErrorKind, RegistryResult};
use futures::stream::{BoxStream, StreamExt};
use kulya_schema::{CodecType, Compatibility, Format, GroupId, Rules};

type Feed = BoxStream<'static, RegistryResult<(String, Change)>>;

async fn next(feed: &mut Feed, count: usize) -> Vec<(String, Change)> {
    let mut told = Vec::with_capacity(count);
    while told.len() < count {
        told.push(feed.next().await.expect("a feed does not end").expect("a feed goes on"));
    }
    told
}

pub(super) async fn every_change_is_told_in_order(registry: &impl RegistryAdministration) {
    let (id, other) = (GroupId::new("shop", "orders/ü"), GroupId::new("", "other"));
    make(registry, &other, properties(Format::Any, Compatibility::AllowAny, Rules::Java)).await;
    let mut feed = registry.changes(None).await.expect("a feed from now on");
    let created = properties(Format::Avro, Compatibility::AllowAny, Rules::strict());
    make(registry, &id, created.clone()).await;
    assert!(!registry.create_group(&id, created.clone()).await.expect("known"), "this changes nothing");
    let Three { wide, narrow, .. } = three(&Format::Avro);
    let first = add(registry, &id, &narrow).await;
    add(registry, &id, &narrow).await;
    let codec = CodecType { name: "gz".to_owned(), ..CodecType::default() };
    registry.add_codec_type(&id, codec.clone()).await.expect("added");
    registry.add_codec_type(&id, codec.clone()).await.expect("known");
    let encoding = registry.encoding_id(&id, &first, "gz").await.expect("an encoding");
    registry.encoding_id(&id, &first, "gz").await.expect("known");
    let second = add(registry, &id, &wide).await;
    registry.delete_schema(&id, first.id).await.expect("deleted");
    registry.delete_schema(&id, first.id).await.expect("deleted already");
    let change = GroupChange { compatibility: Some(Compatibility::Backward), ..GroupChange::default() };
    let changed = registry.change_group(&id, change).await.expect("changed").expect("nothing was presumed");
    let export = exported(registry, Some("shop")).await;
    registry.delete_group(&id).await.expect("deleted");
    registry.delete_group(&id).await.expect("there is none");
    registry.import(lines(export), OnConflict::Refuse).await.expect("taken in");
    let expected = [
        ChangeEvent::GroupCreated { properties: created },
        ChangeEvent::SchemaAdded { version_info: first.clone() },
        ChangeEvent::CodecAdded { codec_type: codec },
        ChangeEvent::EncodingAdded { encoding_id: encoding, schema_id: first.id, codec: "gz".to_owned() },
        ChangeEvent::SchemaAdded { version_info: second },
        ChangeEvent::SchemaDeleted { version_info: first },
        ChangeEvent::GroupChanged { properties: changed.clone() },
        ChangeEvent::GroupDeleted,
        ChangeEvent::GroupImported { properties: changed, schemas: 2 },
    ];
    let told = next(&mut feed, expected.len()).await;
    assert!(told.iter().all(|(_, change)| change.group_id() == id), "only what came since: {told:?}");
    let events: Vec<ChangeEvent> = told.iter().map(|(_, change)| change.event.clone()).collect();
    assert_eq!(events, expected);
    for behind in [0, 4, 7] {
        let (place, _) = &told[behind];
        let mut feed = registry.changes(Some(place)).await.expect("a place that was given");
        let rest = told.get(behind + 1..).unwrap_or_default();
        assert_eq!(
            next(&mut feed, rest.len()).await,
            rest,
            "what stands behind a place, with the same places"
        );
    }
    // a feed that has told all waits for more
    let mut feed = registry.changes(told.last().map(|(place, _)| place.as_str())).await.expect("a feed");
    registry.delete_group(&other).await.expect("deleted");
    let (_, change) = next(&mut feed, 1).await.remove(0);
    assert_eq!((change.group_id(), change.event), (other, ChangeEvent::GroupDeleted));
}

pub(super) async fn a_place_of_another_stream_is_refused(registry: &impl RegistryAdministration) {
    let mut feed = registry.changes(None).await.expect("a feed");
    make(registry, &GroupId::new("", "a"), properties(Format::Any, Compatibility::AllowAny, Rules::Java))
        .await;
    let (place, _) = next(&mut feed, 1).await.remove(0);
    for wrong in ["", "here", "shop/orders", &place.replacen("changes", "elsewhere", 1), &format!("{place}x")]
    {
        let refused = registry.changes(Some(wrong)).await.map(drop);
        assert_eq!(kind(refused), RegistryErrorKind::InvalidInput, "{wrong:?}");
    }
}
