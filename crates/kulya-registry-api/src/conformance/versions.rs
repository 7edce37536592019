//! Versions: lists with deleted versions, reads of deleted versions, comparison.

use super::fixture::{
    FORMATS, SchemaSet, add_schema, all_pages, avro, create_open_group, error_kind, schema_set,
};
use crate::RegistryErrorKind;
use crate::administration::{PageRequest, RegistryAdministration, VersionEntry};
use kulya_schema::{Format, GroupId};

pub(super) async fn a_deleted_schema_stays_readable(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, narrow, other } = schema_set(&format);
        let group = create_open_group(registry, format.full_name(), format.clone()).await;
        let (first, deleted) =
            (add_schema(registry, &group, &wide).await, add_schema(registry, &group, &narrow).await);
        let encoding = registry.encoding_id(&group, &deleted, "").await.expect("an encoding");
        registry.delete_schema(&group, deleted.id).await.expect("deleted");
        registry.delete_schema(&group, deleted.id).await.expect("deleting again succeeds");
        assert_eq!(error_kind(registry.delete_schema(&group, 7).await), RegistryErrorKind::NotFound);
        // by its id, and by the encodings that refer to it
        assert_eq!(
            registry.schema(&group, deleted.id).await.expect("readable").data,
            narrow.data,
            "{format}"
        );
        assert_eq!(registry.encoding(&group, encoding).await.expect("readable").version, deleted);
        assert_eq!(registry.encoding_id(&group, &deleted, "").await.expect("readable"), encoding);
        let by_number =
            registry.version_id(&group, &deleted.format, &deleted.type_name, deleted.version).await;
        assert_eq!(by_number.expect("readable"), deleted.id);
        // but not listed or found
        let found = registry.find_schema(&group, narrow.clone()).await;
        assert_eq!(error_kind(found), RegistryErrorKind::NotFound);
        let live = registry.schema_versions(&group, None).await.expect("listed");
        assert_eq!(live.iter().map(|it| it.version.id).collect::<Vec<_>>(), [first.id], "{format}");
        let latest = registry.latest_schemas(&group, None).await.expect("listed");
        assert_eq!(latest.first().expect("one live version").version, first);
        let last = add_schema(registry, &group, &other).await;
        assert_eq!((last.id, last.version), (2, 2), "numbers are not reused");
        let re_added = add_schema(registry, &group, &narrow).await;
        assert_eq!((re_added.id, re_added.version), (3, 3), "it becomes a new version");
        assert_eq!(registry.find_schema(&group, narrow).await.expect("found"), re_added);
        let missing = registry.version_id(&group, &deleted.format, &deleted.type_name, 9).await;
        assert_eq!(error_kind(missing), RegistryErrorKind::NotFound);
    }
}

pub(super) async fn versions_are_listed_page_by_page(registry: &impl RegistryAdministration) {
    let group = create_open_group(registry, "many", Format::Avro).await;
    for number in 0..11 {
        let name = if number % 3 == 0 { "A" } else { "B" };
        let schema = avro(name, &format!(r#"{{"name":"f{number}","type":"int"}}"#));
        assert_eq!(add_schema(registry, &group, &schema).await.id, number);
    }
    for id in [0, 4, 5, 10] {
        registry.delete_schema(&group, id).await.expect("deleted");
    }
    for limit in [1, 2, 5, 11, 100] {
        let pages = async |type_name: Option<&str>| -> Vec<VersionEntry> {
            let page = async |after| {
                registry.versions_page(&group, type_name, &PageRequest::after(after, limit)).await
            };
            all_pages(limit, page).await
        };
        let all = pages(None).await;
        assert_eq!(all.iter().map(|it| it.version_info.id).collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
        let deleted: Vec<u32> = all.iter().filter(|it| it.deleted).map(|it| it.version_info.id).collect();
        assert_eq!(deleted, [0, 4, 5, 10], "deleted versions are listed and marked");
        let of_a = pages(Some("A")).await;
        assert_eq!(of_a.iter().map(|it| it.version_info.id).collect::<Vec<_>>(), [0, 3, 6, 9]);
        assert_eq!(of_a.iter().map(|it| it.version_info.version).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(pages(Some("Nobody")).await.is_empty());
    }
    let after = registry.versions_page(&group, None, &PageRequest::after("6", 1)).await.expect("listed");
    assert_eq!(after.items.first().expect("one more").version_info.id, 7, "a page starts after any id");
    assert_eq!(after.next.as_deref(), Some("7"));
    let after_all = registry.versions_page(&group, None, &PageRequest::after("10", 1)).await.expect("listed");
    assert!(after_all.items.is_empty() && after_all.next.is_none());
    let invalid = registry.versions_page(&group, None, &PageRequest::after("seven", 1)).await;
    assert_eq!(error_kind(invalid), RegistryErrorKind::InvalidInput);
    let missing = GroupId::new("shop", "nowhere");
    let missing = registry.versions_page(&missing, None, &PageRequest::first(1)).await;
    assert_eq!(error_kind(missing), RegistryErrorKind::NotFound);
}

pub(super) async fn schemas_are_compared(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, narrow, other } = schema_set(&format);
        let group = create_open_group(registry, format.full_name(), format.clone()).await;
        for schema in [&wide, &narrow, &other] {
            add_schema(registry, &group, schema).await;
        }
        registry.delete_schema(&group, 1).await.expect("deleted");
        let narrowed = registry.compare(&group, 0, 1).await.expect("deleted versions are compared too");
        assert_eq!((&narrowed.from.data, &narrowed.to.data), (&wide.data, &narrow.data));
        let changed: Vec<&str> = narrowed.fields.changed.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(changed, ["a"], "{format}");
        assert!(
            !narrowed.backward.is_empty(),
            "{format}: the later schema cannot read data of the earlier one"
        );
        assert!(narrowed.forward.is_empty(), "{format}: {:?}", narrowed.forward);
        let widened = registry.compare(&group, 1, 0).await.expect("compared");
        assert_eq!((widened.backward, widened.forward), (narrowed.forward, narrowed.backward));
        let itself = registry.compare(&group, 2, 2).await.expect("compared");
        assert!(itself.fields.changed.is_empty() && itself.backward.is_empty() && itself.forward.is_empty());
        assert_eq!(error_kind(registry.compare(&group, 0, 9).await), RegistryErrorKind::NotFound);
    }
    let group = create_open_group(registry, "fields", Format::Avro).await;
    add_schema(registry, &group, &avro("R", r#"{"name":"a","type":"int"}"#)).await;
    add_schema(registry, &group, &avro("R", r#"{"name":"b","type":"int","default":0}"#)).await;
    let fields = registry.compare(&group, 0, 1).await.expect("compared").fields;
    let names = |fields: &[kulya_schema::Field]| -> Vec<String> {
        fields.iter().map(|field| field.path.clone()).collect()
    };
    assert_eq!((names(&fields.added), names(&fields.removed)), (vec!["b".into()], vec!["a".into()]));
}

pub(super) async fn references_of_a_schema_are_found(registry: &impl RegistryAdministration) {
    let schema = avro("R", "");
    let spaced = kulya_schema::SchemaInfo::new(
        "R",
        Format::Avro,
        r#"{ "type": "record", "name": "R", "fields": [] }"#,
    );
    for name in ["a", "b/c", "without"] {
        create_open_group(registry, name, Format::Avro).await;
    }
    let (a, b) = (GroupId::new("shop", "a"), GroupId::new("shop", "b/c"));
    add_schema(registry, &b, &avro("Other", "")).await;
    let (in_a, in_b) = (add_schema(registry, &a, &schema).await, add_schema(registry, &b, &spaced).await);
    let found = registry.schema_references("shop", spaced.clone()).await.expect("found");
    assert_eq!(found, [("a".to_owned(), in_a), ("b/c".to_owned(), in_b.clone())].into());
    assert!(registry.schema_references("elsewhere", schema.clone()).await.expect("found").is_empty());
    registry.delete_schema(&a, 0).await.expect("deleted");
    assert_eq!(
        registry.schema_references("shop", schema).await.expect("found"),
        [("b/c".to_owned(), in_b)].into()
    );
}
