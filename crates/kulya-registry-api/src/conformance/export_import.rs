//! Export and import: an identical copy, or an error.

use super::fixture::{
    FORMATS, SchemaSet, add_schema, create, create_open_group, error_kind, export_all, properties,
    schema_set, stream_of,
};
use crate::administration::{EXPORT_VERSION, ExportLine, ImportSummary, OnConflict, RegistryAdministration};
use crate::{RegistryError, RegistryErrorKind};
use futures::stream::{self, StreamExt};
use kulya_schema::{CodecType, Compatibility, EncodingId, Format, GroupId, Rules};

/// A modification that damages an export.
type Edit<'a> = &'a dyn Fn(&mut Vec<ExportLine>);

/// Creates groups of all formats in two namespaces and the default one, with deleted schemas, codecs and
/// encodings.
async fn fill(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, narrow, other } = schema_set(&format);
        let group = create_open_group(registry, format.full_name(), format.clone()).await;
        let codec = CodecType {
            name: "application/x-gzip".to_owned(),
            properties: [("level".to_owned(), "9".to_owned())].into(),
        };
        registry.add_codec_type(&group, codec).await.expect("added");
        let (first, second) =
            (add_schema(registry, &group, &narrow).await, add_schema(registry, &group, &other).await);
        registry.encoding_id(&group, &second, "application/x-gzip").await.expect("an encoding");
        registry.encoding_id(&group, &first, "").await.expect("an encoding");
        registry.delete_schema(&group, second.id).await.expect("deleted");
        // the deleted schema again, as a new version
        add_schema(registry, &group, &other).await;
        add_schema(registry, &group, &wide).await;
    }
    let id = GroupId::new("", "of the default namespace");
    create(registry, &id, properties(Format::Avro, Compatibility::Full, Rules::Java)).await;
    let id = GroupId::new("bank", "empty/ü");
    create(registry, &id, properties(Format::Json, Compatibility::FullTransitive, Rules::strict())).await;
}

pub(super) async fn an_imported_export_is_exported_identically<R: RegistryAdministration>(
    registry: &R,
    other: &R,
) {
    assert_eq!(export_all(registry, None).await.len(), 2, "an empty registry is exported as begin and end");
    fill(registry).await;
    let export = export_all(registry, None).await;
    assert_eq!(export.first(), Some(&ExportLine::Begin { kulya_registry_export: EXPORT_VERSION }));
    assert_eq!(export.last(), Some(&ExportLine::End { groups: 5 }));
    let summary = other.import(stream_of(export.clone()), OnConflict::Refuse).await.expect("imported");
    assert_eq!(summary, ImportSummary { groups: 5, skipped: 0, schemas: 12, encodings: 6 });
    assert_eq!(
        export_all(other, None).await,
        export,
        "all of it: ids, times, deleted versions, codecs, encodings"
    );
    for format in FORMATS {
        let SchemaSet { wide, other: third, .. } = schema_set(&format);
        let group = GroupId::new("shop", format.full_name());
        let encoding = other.encoding(&group, EncodingId(0)).await.expect("an encoding");
        assert_eq!((encoding.version.id, encoding.codec.name.as_str()), (1, "application/x-gzip"));
        assert_eq!(encoding.schema.data, third.data, "a deleted schema too");
        assert_eq!(other.find_schema(&group, third.clone()).await.expect("found").id, 2);
        assert_eq!(
            other.add_schema(&group, wide).await.expect("registered").id,
            3,
            "schemas are not added again"
        );
        let version = other.find_schema(&group, third).await.expect("found");
        let next = other.encoding_id(&group, &version, "application/x-gzip").await.expect("an encoding");
        assert_eq!(next, EncodingId(2), "ids continue");
    }
}

pub(super) async fn an_export_of_one_namespace_has_no_other_groups(registry: &impl RegistryAdministration) {
    fill(registry).await;
    for (namespace, groups) in [("", 1), ("bank", 1), ("shop", 3), ("nowhere", 0)] {
        let export = export_all(registry, Some(namespace)).await;
        let groups_of_namespace = export
            .iter()
            .filter(|line| matches!(line, ExportLine::Group { namespace: other, .. } if other == namespace));
        assert_eq!(groups_of_namespace.count(), groups, "{namespace:?}");
        assert_eq!(export.last(), Some(&ExportLine::End { groups: groups as u64 }), "{namespace:?}");
    }
}

pub(super) async fn a_damaged_export_is_rejected_and_creates_no_group<R: RegistryAdministration>(
    registry: &R,
    other: &R,
) {
    let group = create_open_group(registry, "a", Format::Avro).await;
    let SchemaSet { wide, narrow, other: third } = schema_set(&Format::Avro);
    for schema in [&wide, &narrow] {
        let version = add_schema(registry, &group, schema).await;
        registry.encoding_id(&group, &version, "").await.expect("an encoding");
    }
    add_schema(registry, &create_open_group(registry, "b", Format::Avro).await, &third).await;
    let good = export_all(registry, None).await;
    // begin, group a, two schemas, two encodings, group b, its schema, end
    assert_eq!(good.len(), 9);
    let edited = |edit: Edit<'_>| {
        let mut lines = good.clone();
        edit(&mut lines);
        lines
    };
    let other_version = |lines: &mut Vec<ExportLine>| {
        lines[0] = ExportLine::Begin { kulya_registry_export: EXPORT_VERSION + 1 };
    };
    let wrong_id = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Schema { version_info, .. } = &mut lines[2] {
            version_info.id = 5;
        }
    };
    let wrong_type = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Schema { version_info, .. } = &mut lines[2] {
            version_info.type_name = "Another".to_owned();
        }
    };
    let invalid_schema = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Schema { schema_info, .. } = &mut lines[3] {
            schema_info.data = b"{".to_vec();
        }
    };
    let missing_schema = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Encoding { schema_id, .. } = &mut lines[5] {
            *schema_id = 9;
        }
    };
    let duplicate_encoding = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Encoding { schema_id, .. } = &mut lines[5] {
            *schema_id = 0;
        }
    };
    let edits: [(&str, Edit<'_>); 12] = [
        ("no lines", &|lines| lines.clear()),
        ("no begin", &|lines| drop(lines.remove(0))),
        ("another format version", &other_version),
        ("truncated within a group", &|lines| lines.truncate(4)),
        ("a missing schema", &|lines| drop(lines.remove(2))),
        ("schemas out of order", &|lines| lines.swap(2, 3)),
        ("an encoding before its schema", &|lines| lines.swap(3, 4)),
        ("another id", &wrong_id),
        ("another type", &wrong_type),
        ("an invalid schema", &invalid_schema),
        ("an encoding of a missing schema", &missing_schema),
        ("a duplicate encoding", &duplicate_encoding),
    ];
    for (what, edit) in edits {
        let result = other.import(stream_of(edited(edit)), OnConflict::Refuse).await;
        assert_eq!(error_kind(result), RegistryErrorKind::InvalidInput, "{what}");
        assert!(
            other.groups("shop").await.expect("listed").is_empty(),
            "{what}: no part of a group is visible"
        );
    }
    // an error of the lines themselves fails the import
    let broken = RegistryError::new(RegistryErrorKind::Unavailable, "the file cannot be read");
    let interrupted = stream::iter(good[..4].to_vec()).map(Ok).chain(stream::iter([Err(broken)]));
    let result = other.import(interrupted.boxed(), OnConflict::Refuse).await.expect_err("interrupted");
    assert_eq!(result.kind(), RegistryErrorKind::Unavailable, "{result}");
    assert!(other.groups("shop").await.expect("listed").is_empty());
    // groups that were complete before the damage stay
    for (what, edit) in [
        ("truncated before its end", &(|lines: &mut Vec<ExportLine>| lines.truncate(8)) as Edit<'_>),
        ("a wrong number of groups", &|lines| lines[8] = ExportLine::End { groups: 3 }),
        ("a schema in the place of a group", &|lines| drop(lines.remove(6))),
    ] {
        let result = other.import(stream_of(edited(edit)), OnConflict::Skip).await;
        assert_eq!(error_kind(result), RegistryErrorKind::InvalidInput, "{what}");
        assert_eq!(
            registry.group(&group).await.expect("the group"),
            other.group(&group).await.expect("the group")
        );
    }
    let summary =
        other.import(stream_of(good.clone()), OnConflict::Skip).await.expect("the rest is imported");
    assert_eq!(summary.skipped + summary.groups, 2);
    assert_eq!(export_all(other, None).await, good);
}

pub(super) async fn existing_groups_are_refused_or_skipped(registry: &impl RegistryAdministration) {
    fill(registry).await;
    let export = export_all(registry, None).await;
    let id = GroupId::new("shop", "Json");
    registry.delete_group(&id).await.expect("deleted");
    let result = registry.import(stream_of(export.clone()), OnConflict::Refuse).await;
    assert_eq!(error_kind(result), RegistryErrorKind::Incompatible, "a group exists");
    // an existing group is unchanged, even where the export differs
    let avro = GroupId::new("shop", "Avro");
    registry.delete_schema(&avro, 0).await.expect("deleted");
    let summary = registry.import(stream_of(export.clone()), OnConflict::Skip).await.expect("imported");
    assert_eq!(summary, ImportSummary { groups: 1, skipped: 4, schemas: 4, encodings: 2 });
    assert_eq!(registry.schema_versions(&avro, None).await.expect("listed").len(), 2);
    let second = export_all(registry, Some("shop")).await;
    let json = |lines: &[ExportLine]| -> Vec<ExportLine> {
        let at =
            lines.iter().position(|line| matches!(line, ExportLine::Group { group, .. } if group == "Json"));
        lines.iter().skip(at.expect("the group")).take(7).cloned().collect()
    };
    assert_eq!(json(&second), json(&export));
}
