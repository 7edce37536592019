//! Export and import: the same registry again, or none.

use super::{FORMATS, Three, add, exported, kind, lines, make, open_group, properties, three};
use crate::administration::{EXPORT_VERSION, ExportLine, ImportSummary, OnConflict, RegistryAdministration};
use crate::{RegistryError, RegistryErrorKind};
use futures::stream::{self, StreamExt};
use kulya_schema::{CodecType, Compatibility, EncodingId, Format, GroupId, Rules};

/// What damages an export.
type Edit<'a> = &'a dyn Fn(&mut Vec<ExportLine>);

/// Groups of all formats in two namespaces and in the default one, with deleted schemas, codecs and encodings.
async fn filled(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let Three { wide, narrow, other } = three(&format);
        let group = open_group(registry, format.full_name(), format.clone()).await;
        let codec = CodecType {
            name: "application/x-gzip".to_owned(),
            properties: [("level".to_owned(), "9".to_owned())].into(),
        };
        registry.add_codec_type(&group, codec).await.expect("added");
        let (first, second) = (add(registry, &group, &narrow).await, add(registry, &group, &other).await);
        registry.encoding_id(&group, &second, "application/x-gzip").await.expect("an encoding");
        registry.encoding_id(&group, &first, "").await.expect("an encoding");
        registry.delete_schema(&group, second.id).await.expect("deleted");
        // the same once more, as another version
        add(registry, &group, &other).await;
        add(registry, &group, &wide).await;
    }
    let id = GroupId::new("", "of the default namespace");
    make(registry, &id, properties(Format::Avro, Compatibility::Full, Rules::Java)).await;
    let id = GroupId::new("bank", "empty/ü");
    make(registry, &id, properties(Format::Json, Compatibility::FullTransitive, Rules::strict())).await;
}

pub(super) async fn an_export_taken_in_gives_the_same_export<R: RegistryAdministration>(
    registry: &R,
    other: &R,
) {
    assert_eq!(exported(registry, None).await.len(), 2, "an empty registry has a beginning and an end");
    filled(registry).await;
    let export = exported(registry, None).await;
    assert_eq!(export.first(), Some(&ExportLine::Begin { kulya_registry_export: EXPORT_VERSION }));
    assert_eq!(export.last(), Some(&ExportLine::End { groups: 5 }));
    let done = other.import(lines(export.clone()), OnConflict::Refuse).await.expect("taken in");
    assert_eq!(done, ImportSummary { groups: 5, skipped: 0, schemas: 12, encodings: 6 });
    assert_eq!(exported(other, None).await, export, "ids, times, deleted ones, codecs, encodings: all of it");
    for format in FORMATS {
        let Three { wide, other: third, .. } = three(&format);
        let group = GroupId::new("shop", format.full_name());
        let encoding = other.encoding(&group, EncodingId(0)).await.expect("kept");
        assert_eq!((encoding.version.id, encoding.codec.name.as_str()), (1, "application/x-gzip"));
        assert_eq!(encoding.schema.data, third.data, "of a deleted schema too");
        assert_eq!(other.find_schema(&group, third.clone()).await.expect("found").id, 2);
        assert_eq!(other.add_schema(&group, wide).await.expect("known").id, 3, "nothing is added twice");
        let version = other.find_schema(&group, third).await.expect("found");
        let next = other.encoding_id(&group, &version, "application/x-gzip").await.expect("an encoding");
        assert_eq!(next, EncodingId(2), "ids go on where they were");
    }
}

pub(super) async fn an_export_of_one_namespace_has_that_alone(registry: &impl RegistryAdministration) {
    filled(registry).await;
    for (namespace, groups) in [("", 1), ("bank", 1), ("shop", 3), ("nowhere", 0)] {
        let export = exported(registry, Some(namespace)).await;
        let of_it = export
            .iter()
            .filter(|line| matches!(line, ExportLine::Group { namespace: its, .. } if its == namespace));
        assert_eq!(of_it.count(), groups, "{namespace:?}");
        assert_eq!(export.last(), Some(&ExportLine::End { groups: groups as u64 }), "{namespace:?}");
    }
}

pub(super) async fn a_damaged_import_is_refused_and_leaves_no_group<R: RegistryAdministration>(
    registry: &R,
    other: &R,
) {
    let group = open_group(registry, "a", Format::Avro).await;
    let Three { wide, narrow, other: third } = three(&Format::Avro);
    for schema in [&wide, &narrow] {
        let version = add(registry, &group, schema).await;
        registry.encoding_id(&group, &version, "").await.expect("an encoding");
    }
    add(registry, &open_group(registry, "b", Format::Avro).await, &third).await;
    let good = exported(registry, None).await;
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
    let unreadable = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Schema { schema_info, .. } = &mut lines[3] {
            schema_info.data = b"{".to_vec();
        }
    };
    let no_schema = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Encoding { schema_id, .. } = &mut lines[5] {
            *schema_id = 9;
        }
    };
    let twice = |lines: &mut Vec<ExportLine>| {
        if let ExportLine::Encoding { schema_id, .. } = &mut lines[5] {
            *schema_id = 0;
        }
    };
    let edits: [(&str, Edit<'_>); 12] = [
        ("nothing at all", &|lines| lines.clear()),
        ("no beginning", &|lines| drop(lines.remove(0))),
        ("another version", &other_version),
        ("cut in a group", &|lines| lines.truncate(4)),
        ("a schema less", &|lines| drop(lines.remove(2))),
        ("schemas in another order", &|lines| lines.swap(2, 3)),
        ("an encoding before its schema", &|lines| lines.swap(3, 4)),
        ("another id", &wrong_id),
        ("another type", &wrong_type),
        ("a schema that is none", &unreadable),
        ("an encoding of no schema", &no_schema),
        ("an encoding twice", &twice),
    ];
    for (what, edit) in edits {
        let refused = other.import(lines(edited(edit)), OnConflict::Refuse).await;
        assert_eq!(kind(refused), RegistryErrorKind::InvalidInput, "{what}");
        assert!(other.groups("shop").await.expect("listed").is_empty(), "{what}: no part of a group appears");
    }
    // an error of the lines themselves ends it too
    let broken = RegistryError::new(RegistryErrorKind::Unavailable, "the file cannot be read on");
    let torn = stream::iter(good[..4].to_vec()).map(Ok).chain(stream::iter([Err(broken)]));
    let refused = other.import(torn.boxed(), OnConflict::Refuse).await.expect_err("torn");
    assert_eq!(refused.kind(), RegistryErrorKind::Unavailable, "{refused}");
    assert!(other.groups("shop").await.expect("listed").is_empty());
    // what was whole before the damage stays
    for (what, edit) in [
        ("cut before its end", &(|lines: &mut Vec<ExportLine>| lines.truncate(8)) as Edit<'_>),
        ("another number of groups", &|lines| lines[8] = ExportLine::End { groups: 3 }),
        ("a schema where a group should be", &|lines| drop(lines.remove(6))),
    ] {
        let refused = other.import(lines(edited(edit)), OnConflict::Skip).await;
        assert_eq!(kind(refused), RegistryErrorKind::InvalidInput, "{what}");
        assert_eq!(registry.group(&group).await.expect("whole"), other.group(&group).await.expect("whole"));
    }
    let done = other.import(lines(good.clone()), OnConflict::Skip).await.expect("the rest is taken in");
    assert_eq!(done.skipped + done.groups, 2);
    assert_eq!(exported(other, None).await, good);
}

pub(super) async fn groups_that_are_there_are_refused_or_skipped(registry: &impl RegistryAdministration) {
    filled(registry).await;
    let export = exported(registry, None).await;
    let id = GroupId::new("shop", "Json");
    registry.delete_group(&id).await.expect("deleted");
    let refused = registry.import(lines(export.clone()), OnConflict::Refuse).await;
    assert_eq!(kind(refused), RegistryErrorKind::Incompatible, "a group is there");
    // one that is there is left as it is, even where the export has another
    let avro = GroupId::new("shop", "Avro");
    registry.delete_schema(&avro, 0).await.expect("deleted");
    let done = registry.import(lines(export.clone()), OnConflict::Skip).await.expect("taken in");
    assert_eq!(done, ImportSummary { groups: 1, skipped: 4, schemas: 4, encodings: 2 });
    assert_eq!(registry.schema_versions(&avro, None).await.expect("listed").len(), 2);
    let again = exported(registry, Some("shop")).await;
    let json = |lines: &[ExportLine]| -> Vec<ExportLine> {
        let at =
            lines.iter().position(|line| matches!(line, ExportLine::Group { group, .. } if group == "Json"));
        lines.iter().skip(at.expect("there")).take(7).cloned().collect()
    };
    assert_eq!(json(&again), json(&export));
}
