//! References between schemas: they are resolved, kept and shown, verdicts go through them, and what is
//! referred to is not deleted.

use super::fixture::{
    FORMATS, SchemaSet, add_schema, all_pages, create, create_open_group, error_kind, export_all, properties,
    protobuf_with_import, schema_set, stream_of,
};
use crate::RegistryErrorKind;
use crate::administration::{CheckOptions, OnConflict, PageRequest, Referrer, RegistryAdministration};
use kulya_schema::{Compatibility, Format, GroupId, Reference, Rules, SchemaInfo, VersionInfo};

/// Returns a schema that refers to the one of [`schema_set`], and the name that it uses.
fn referring(format: &Format) -> (SchemaInfo, &'static str) {
    match format {
        Format::Json => {
            let text = r#"{"type":"object","properties":{"r":{"$ref":"r.json"}},"required":["r"]}"#;
            (SchemaInfo::new("O", Format::Json, text), "r.json")
        }
        Format::Protobuf => (protobuf_with_import("O", "r", "R"), "R.proto"),
        _ => {
            let text = r#"{"type":"record","name":"O","fields":[{"name":"r","type":"R"}]}"#;
            (SchemaInfo::new("O", Format::Avro, text), "R")
        }
    }
}

/// Creates a group `parts` with the three schemas of [`schema_set`], and an empty group `orders`.
async fn fill(
    registry: &impl RegistryAdministration,
    format: &Format,
    compatibility: Compatibility,
) -> (GroupId, GroupId) {
    let SchemaSet { wide, narrow, other } = schema_set(format);
    let parts = create_open_group(registry, &format!("parts {format}"), format.clone()).await;
    for schema in [&narrow, &wide, &other] {
        add_schema(registry, &parts, schema).await;
    }
    let orders = GroupId::new("sales", format!("orders {format}"));
    create(registry, &orders, properties(format.clone(), compatibility, Rules::strict())).await;
    (parts, orders)
}

async fn add(
    registry: &impl RegistryAdministration,
    orders: &GroupId,
    format: &Format,
    parts: &GroupId,
    id: u32,
) -> VersionInfo {
    let (schema, name) = referring(format);
    let references = vec![Reference::new(name, parts, id)];
    registry.add_schema_with_references(orders, schema, references).await.expect("added")
}

pub(super) async fn a_schema_with_references_is_resolved_and_kept(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let (parts, orders) = fill(registry, &format, Compatibility::AllowAny).await;
        let (schema, name) = referring(&format);
        let version = add(registry, &orders, &format, &parts, 0).await;
        assert_eq!((version.id, version.version), (0, 0), "{format}");
        assert_eq!(add(registry, &orders, &format, &parts, 0).await, version, "registered already");
        let registered = registry.registered_schema(&orders, 0).await.expect("registered");
        assert_eq!(registered.schema_info.data, schema.data, "{format}: what was sent");
        assert_eq!(registered.references, [Reference::new(name, &parts, 0)]);
        assert_eq!((&registered.version_info, registered.deleted), (&version, false));
        let plain = registry.registered_schema(&parts, 1).await.expect("registered");
        assert_eq!((plain.references.len(), plain.version_info.id), (0, 1));
        // readers get a schema that needs no other
        let resolved = registry.schema(&orders, 0).await.expect("registered");
        assert_ne!(resolved.data, schema.data, "{format}");
        let references = vec![Reference::new(name, &parts, 0)];
        let again = registry.resolve_references(schema.clone(), references).await.expect("resolved");
        assert_eq!(again.data, resolved.data, "{format}");
        let encoding = registry.encoding_id(&orders, &version, "").await.expect("an encoding");
        assert_eq!(registry.encoding(&orders, encoding).await.expect("an encoding").schema, resolved);
        assert_eq!(registry.latest_schemas(&orders, None).await.expect("listed")[0].schema, resolved);
        // a serializer that has the whole schema finds it
        assert_eq!(registry.find_schema(&orders, resolved.clone()).await.expect("found"), version);
        assert_eq!(registry.add_schema(&orders, resolved).await.expect("found"), version);
        // another version of the part is another schema
        let second = add(registry, &orders, &format, &parts, 1).await;
        assert_eq!((second.id, second.version), (1, 1), "{format}");
        let compared = registry.compare(&orders, 0, 1).await.expect("compared");
        assert!(!compared.forward.is_empty() && compared.backward.is_empty(), "{format}: {compared:?}");
    }
}

/// A `.proto` source imports what it refers to. It is kept as it was compiled.
pub(super) async fn a_source_imports_what_it_refers_to(registry: &impl RegistryAdministration) {
    let format = Format::Protobuf;
    let (parts, orders) = fill(registry, &format, Compatibility::Backward).await;
    let source = |text: &str| SchemaInfo::new("", format.clone(), text);
    let text = "syntax = \"proto3\"; package sales; import \"R.proto\"; message Sale { p.R part = 1; }";
    let references = |id| vec![Reference::new("R.proto", &parts, id)];
    let added = registry.add_schema_with_references(&orders, source(text), references(0)).await;
    let version = added.expect("added");
    assert_eq!((version.type_name.as_str(), version.id), ("sales.Sale", 0));
    let registered = registry.registered_schema(&orders, 0).await.expect("registered");
    assert_eq!(registered.references, references(0));
    let kept = registered.schema_info;
    assert_eq!(kept.type_name, "sales.Sale");
    let resolved = registry.schema(&orders, 0).await.expect("registered");
    assert!(resolved.data.len() > kept.data.len(), "the file of the part is in it");
    for (schema, references) in
        [(source(text), references(0)), (kept.clone(), references(0)), (resolved.clone(), Vec::new())]
    {
        let again = registry.resolve_references(schema.clone(), references.clone()).await.expect("resolved");
        assert_eq!(again, resolved);
        let again = registry.add_schema_with_references(&orders, schema, references).await.expect("found");
        assert_eq!(again, version);
    }
    // a verdict goes through the reference, and a missing one is named
    let check = async |text: &str, references| {
        let options = CheckOptions { references, ..CheckOptions::default() };
        registry.check(&orders, source(text), options).await
    };
    assert!(check(text, references(1)).await.expect("checked").compatible);
    assert!(!check(text, references(2)).await.expect("checked").compatible);
    for (text, references, named) in [
        (text, vec![Reference::new("S.proto", &parts, 0)], "R.proto"),
        ("syntax = \"proto3\"; import \"T.proto\"; message Sale {}", references(0), "T.proto"),
        (
            "syntax = \"proto3\"; import \"R.proto\"; message Sale { Missing a = 1; }",
            references(0),
            "Missing",
        ),
    ] {
        let error = check(text, references).await.expect_err("refused");
        assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    // another schema refers to the one that was sent as a source
    let reference = vec![Reference::new("sale.proto", &orders, 0)];
    let text = "syntax = \"proto3\"; import \"sale.proto\"; message Invoice { sales.Sale sale = 1; }";
    let invoices = create_open_group(registry, "invoices", format.clone()).await;
    let added = registry.add_schema_with_references(&invoices, source(text), reference).await;
    assert_eq!(added.expect("added").type_name, "Invoice");
}

pub(super) async fn a_reference_that_leads_nowhere_is_refused(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let (parts, orders) = fill(registry, &format, Compatibility::AllowAny).await;
        let (schema, name) = referring(&format);
        registry.delete_schema(&parts, 2).await.expect("deleted");
        let nowhere = GroupId::new("shop", "nowhere");
        let another = if format == Format::Json { Format::Avro } else { Format::Json };
        let other = create_open_group(registry, &format!("other {format}"), another.clone()).await;
        add_schema(registry, &other, &SchemaInfo::new("", another, r#"{"type":"string"}"#)).await;
        for (reference, named) in [
            (Reference::new(name, &nowhere, 0), "shop/nowhere"),
            (Reference::new(name, &parts, 7), "schema 7"),
            (Reference::new(name, &parts, 2), "deleted"),
            (Reference::new(name, &other, 0), "format"),
            (Reference::new("", &parts, 0), "name"),
        ] {
            let result =
                registry.add_schema_with_references(&orders, schema.clone(), vec![reference.clone()]).await;
            let error = result.expect_err("refused");
            assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{reference:?}: {error}");
            assert!(error.to_string().contains(named), "{reference:?}: {error}");
            let options = CheckOptions { references: vec![reference], ..CheckOptions::default() };
            let result = registry.check(&orders, schema.clone(), options).await;
            assert_eq!(error_kind(result), RegistryErrorKind::InvalidInput);
        }
        let result = registry
            .add_schema_with_references(&nowhere, schema.clone(), vec![Reference::new(name, &parts, 0)])
            .await;
        assert_eq!(error_kind(result), RegistryErrorKind::NotFound, "the group itself");
        assert!(registry.schema_versions(&orders, None).await.expect("listed").is_empty());
    }
}

pub(super) async fn a_verdict_goes_through_references(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let (parts, orders) = fill(registry, &format, Compatibility::Backward).await;
        let (schema, name) = referring(&format);
        let check = async |id| {
            let references = vec![Reference::new(name, &parts, id)];
            let options = CheckOptions { references, ..CheckOptions::default() };
            registry.check(&orders, schema.clone(), options).await.expect("checked")
        };
        add(registry, &orders, &format, &parts, 0).await;
        assert!(check(1).await.compatible, "{format}: a wider part");
        assert_eq!(check(0).await.registered.expect("registered").id, 0);
        let verdict = check(2).await;
        assert!(!verdict.compatible && verdict.refusal.is_some(), "{format}: {verdict:?}");
        let references = vec![Reference::new(name, &parts, 2)];
        let result = registry.add_schema_with_references(&orders, schema.clone(), references).await;
        assert_eq!(error_kind(result), RegistryErrorKind::Incompatible, "{format}");
        add(registry, &orders, &format, &parts, 1).await;
    }
}

pub(super) async fn a_referenced_schema_is_not_deleted(registry: &impl RegistryAdministration) {
    let format = Format::Avro;
    let (parts, orders) = fill(registry, &format, Compatibility::AllowAny).await;
    let other = create_open_group(registry, "other", format.clone()).await;
    let mut expected = Vec::new();
    for (group, id) in [(&orders, 0), (&orders, 1), (&other, 0)] {
        let version_info = add(registry, group, &format, &parts, id).await;
        let GroupId { namespace, name: group } = group.clone();
        expected.push((id, Referrer { namespace, group, version_info }));
    }
    let referrers = async |id: u32, limit: usize| -> Vec<Referrer> {
        let page = async |after| registry.referenced_by(&parts, id, &PageRequest::after(after, limit)).await;
        all_pages(limit, page).await
    };
    for limit in [1, 2, 100] {
        for id in 0..3 {
            let mut found = referrers(id, limit).await;
            found.sort_by(|one, other| one.group.cmp(&other.group));
            let mut expected: Vec<Referrer> =
                expected.iter().filter(|(of, _)| *of == id).map(|(_, referrer)| referrer.clone()).collect();
            expected.sort_by(|one, other| one.group.cmp(&other.group));
            assert_eq!(found, expected, "schema {id}, {limit} a page");
        }
    }
    let missing = registry.referenced_by(&parts, 9, &PageRequest::first(1)).await;
    assert_eq!(error_kind(missing), RegistryErrorKind::NotFound);

    assert_eq!(error_kind(registry.delete_schema(&parts, 1).await), RegistryErrorKind::Referenced);
    assert_eq!(error_kind(registry.delete_group(&parts).await), RegistryErrorKind::Referenced);
    registry.delete_schema(&parts, 2).await.expect("nothing refers to it");
    // the referrer goes first
    registry.delete_schema(&orders, 1).await.expect("deleted");
    assert!(referrers(1, 10).await.is_empty());
    registry.delete_schema(&parts, 1).await.expect("nothing refers to it any more");
    registry.delete_group(&other).await.expect("deleted");
    assert_eq!(referrers(0, 10).await.len(), 1);
    let error = registry.delete_schema(&parts, 0).await.expect_err("refused");
    assert!(error.to_string().contains("sales/orders Avro"), "{error}");
    // by force: what refers to it stays readable
    let resolved = registry.schema(&orders, 0).await.expect("readable");
    registry.force_delete_schema(&parts, 0).await.expect("deleted");
    assert_eq!(registry.schema(&orders, 0).await.expect("readable"), resolved);
    assert_eq!(error_kind(registry.delete_group(&parts).await), RegistryErrorKind::Referenced);
    registry.force_delete_group(&parts).await.expect("deleted");
    registry.force_delete_group(&parts).await.expect("deleting again succeeds");
    assert_eq!(registry.schema(&orders, 0).await.expect("readable"), resolved);
    assert_eq!(registry.registered_schema(&orders, 0).await.expect("readable").references.len(), 1);
}

pub(super) async fn references_within_a_group_do_not_keep_it(registry: &impl RegistryAdministration) {
    let parts = create_open_group(registry, "parts", Format::Avro).await;
    add_schema(registry, &parts, &schema_set(&Format::Avro).wide).await;
    let version = add(registry, &parts, &Format::Avro, &parts, 0).await;
    assert_eq!((version.id, version.version), (1, 0));
    assert_eq!(error_kind(registry.delete_schema(&parts, 0).await), RegistryErrorKind::Referenced);
    registry.delete_group(&parts).await.expect("deleted");
    // a group of the same name has nothing of the first
    let parts = create_open_group(registry, "parts", Format::Avro).await;
    add_schema(registry, &parts, &schema_set(&Format::Avro).wide).await;
    assert!(
        registry.referenced_by(&parts, 0, &PageRequest::first(9)).await.expect("listed").items.is_empty()
    );
    registry.delete_schema(&parts, 0).await.expect("deleted");
}

pub(super) async fn references_are_exported_and_imported<R: RegistryAdministration>(registry: &R, other: &R) {
    for format in FORMATS {
        let (parts, orders) = fill(registry, &format, Compatibility::Backward).await;
        for id in 0..2 {
            add(registry, &orders, &format, &parts, id).await;
        }
        registry.delete_schema(&orders, 0).await.expect("deleted");
    }
    let export = export_all(registry, None).await;
    other.import(stream_of(export.clone()), OnConflict::Refuse).await.expect("imported");
    assert_eq!(export_all(other, None).await, export);
    for format in FORMATS {
        let (parts, orders) = (
            GroupId::new("shop", format!("parts {format}")),
            GroupId::new("sales", format!("orders {format}")),
        );
        let registered = other.registered_schema(&orders, 1).await.expect("registered");
        assert_eq!(registered, registry.registered_schema(&orders, 1).await.expect("registered"));
        assert_eq!(registered.references.len(), 1);
        assert_eq!(
            other.schema(&orders, 1).await.expect("readable"),
            registry.schema(&orders, 1).await.expect("readable")
        );
        // the versions are known as referred to, though their groups came later
        assert_eq!(error_kind(other.delete_schema(&parts, 1).await), RegistryErrorKind::Referenced);
        other.delete_schema(&parts, 0).await.expect("its referrer is deleted");
        let again = add(other, &orders, &format, &parts, 1).await;
        assert_eq!(again.id, 1, "registered already");
    }
}
