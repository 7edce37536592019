//! The changelog: each change once, in order, and from any position.

use super::fixture::{
    SchemaSet, add_schema, create, error_kind, export_all, properties, schema_set, stream_of,
};
use crate::administration::{Change, ChangeEvent, GroupChange, OnConflict, RegistryAdministration};
use crate::{RegistryErrorKind, RegistryResult};
use futures::stream::{BoxStream, StreamExt};
use kulya_schema::{CodecType, Compatibility, Format, GroupId, Rules};

type Changes = BoxStream<'static, RegistryResult<(String, Change)>>;

async fn next(changes: &mut Changes, count: usize) -> Vec<(String, Change)> {
    let mut next = Vec::with_capacity(count);
    while next.len() < count {
        next.push(changes.next().await.expect("the stream does not end").expect("the stream does not fail"));
    }
    next
}

pub(super) async fn every_change_is_streamed_once_and_in_order(registry: &impl RegistryAdministration) {
    let (id, other) = (GroupId::new("shop", "orders/ü"), GroupId::new("", "other"));
    create(registry, &other, properties(Format::Any, Compatibility::AllowAny, Rules::Java)).await;
    let mut changes = registry.changes(None).await.expect("changes from now on");
    let created = properties(Format::Avro, Compatibility::AllowAny, Rules::strict());
    create(registry, &id, created.clone()).await;
    assert!(
        !registry.create_group(&id, created.clone()).await.expect("known"),
        "an existing group is not a change"
    );
    let SchemaSet { wide, narrow, .. } = schema_set(&Format::Avro);
    let first = add_schema(registry, &id, &narrow).await;
    add_schema(registry, &id, &narrow).await;
    let codec = CodecType { name: "gz".to_owned(), ..CodecType::default() };
    registry.add_codec_type(&id, codec.clone()).await.expect("added");
    registry.add_codec_type(&id, codec.clone()).await.expect("known");
    let encoding = registry.encoding_id(&id, &first, "gz").await.expect("an encoding");
    registry.encoding_id(&id, &first, "gz").await.expect("known");
    let second = add_schema(registry, &id, &wide).await;
    registry.delete_schema(&id, first.id).await.expect("deleted");
    registry.delete_schema(&id, first.id).await.expect("deleted already");
    let change = GroupChange { compatibility: Some(Compatibility::Backward), ..GroupChange::default() };
    let changed =
        registry.change_group(&id, change).await.expect("changed").expect("the change is unconditional");
    let export = export_all(registry, Some("shop")).await;
    registry.delete_group(&id).await.expect("deleted");
    registry.delete_group(&id).await.expect("there is none");
    registry.import(stream_of(export), OnConflict::Refuse).await.expect("imported");
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
    let streamed = next(&mut changes, expected.len()).await;
    assert!(streamed.iter().all(|(_, change)| change.group_id() == id), "no earlier changes: {streamed:?}");
    let events: Vec<ChangeEvent> = streamed.iter().map(|(_, change)| change.event.clone()).collect();
    assert_eq!(events, expected);
    for index in [0, 4, 7] {
        let (position, _) = &streamed[index];
        let mut changes = registry.changes(Some(position)).await.expect("a valid position");
        let rest = streamed.get(index + 1..).unwrap_or_default();
        assert_eq!(
            next(&mut changes, rest.len()).await,
            rest,
            "the changes after a position, with the same positions"
        );
    }
    // at its end the stream waits for new changes
    let mut changes =
        registry.changes(streamed.last().map(|(position, _)| position.as_str())).await.expect("changes");
    registry.delete_group(&other).await.expect("deleted");
    let (_, change) = next(&mut changes, 1).await.remove(0);
    assert_eq!((change.group_id(), change.event), (other, ChangeEvent::GroupDeleted));
}

pub(super) async fn an_invalid_position_is_rejected(registry: &impl RegistryAdministration) {
    let mut changes = registry.changes(None).await.expect("changes");
    create(registry, &GroupId::new("", "a"), properties(Format::Any, Compatibility::AllowAny, Rules::Java))
        .await;
    let (position, _) = next(&mut changes, 1).await.remove(0);
    for invalid in
        ["", "here", "shop/orders", &position.replacen("changes", "elsewhere", 1), &format!("{position}x")]
    {
        let result = registry.changes(Some(invalid)).await.map(drop);
        assert_eq!(error_kind(result), RegistryErrorKind::InvalidInput, "{invalid:?}");
    }
}
