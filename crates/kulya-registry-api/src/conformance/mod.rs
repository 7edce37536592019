//! The conformance suite of [`SchemaRegistry`](crate::SchemaRegistry) and [`RegistryAdministration`]. Each
//! function tests one promise on an empty registry, and panics when the registry breaks it. An
//! implementation's test is one call of [`run_all`], whether it is in process or behind a network. (The exact
//! responses of the Java contract are tested by transcripts of REST v1.)

mod changes;
mod checks;
mod export_import;
mod groups;
mod search;
mod versions;

use crate::administration::{ExportLine, Page, RegistryAdministration};
use crate::{RegistryErrorKind, RegistryResult};
use changes::{an_invalid_position_is_rejected, every_change_is_streamed_once_and_in_order};
use checks::{
    a_check_can_override_policy_and_rules, a_refusal_has_the_locations_and_both_sides,
    a_registered_schema_is_found_by_a_check, adding_a_schema_agrees_with_its_check,
    an_invalid_check_is_an_error, every_policy_checks_its_directions_and_versions,
    several_types_are_accepted_if_the_group_allows_them,
};
use export_import::{
    a_damaged_export_is_rejected_and_creates_no_group, an_export_of_one_namespace_has_no_other_groups,
    an_imported_export_is_exported_identically, existing_groups_are_refused_or_skipped,
};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use groups::{
    a_conditional_change_needs_the_current_properties, groups_are_listed_page_by_page,
    namespaces_are_listed_page_by_page, properties_select_the_rules_and_unknown_values_are_rejected,
};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, Rules, SchemaInfo, VersionInfo};
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use search::{a_search_continues_over_pages, a_search_matches_all_conditions};
use std::future::Future;
use std::sync::Arc;
use versions::{
    a_deleted_schema_stays_readable, references_of_a_schema_are_found, schemas_are_compared,
    versions_are_listed_page_by_page,
};

/// Runs all functions of the suite, each on empty registries that `new_registry` creates. Returns how many
/// ran.
///
/// # Panics
/// When the registry breaks a promise.
pub async fn run_all<F, R>(new_registry: impl Fn() -> F) -> usize
where
    F: Future<Output = Arc<R>>,
    R: RegistryAdministration,
{
    let mut count = 0;
    macro_rules! run {
        ($($case:ident $(with $other:ident)?),* $(,)?) => { $({
            let registry = new_registry().await;
            $(let $other = new_registry().await;)?
            $case(&*registry $(, &*$other)?).await;
            count += 1;
        })* };
    }
    run!(
        namespaces_are_listed_page_by_page,
        groups_are_listed_page_by_page,
        a_conditional_change_needs_the_current_properties,
        properties_select_the_rules_and_unknown_values_are_rejected,
        every_policy_checks_its_directions_and_versions,
        a_refusal_has_the_locations_and_both_sides,
        a_check_can_override_policy_and_rules,
        a_registered_schema_is_found_by_a_check,
        adding_a_schema_agrees_with_its_check,
        several_types_are_accepted_if_the_group_allows_them,
        an_invalid_check_is_an_error,
        a_deleted_schema_stays_readable,
        versions_are_listed_page_by_page,
        schemas_are_compared,
        references_of_a_schema_are_found,
        a_search_matches_all_conditions,
        a_search_continues_over_pages,
        an_imported_export_is_exported_identically with other,
        an_export_of_one_namespace_has_no_other_groups,
        a_damaged_export_is_rejected_and_creates_no_group with other,
        existing_groups_are_refused_or_skipped,
        every_change_is_streamed_once_and_in_order,
        an_invalid_position_is_rejected,
    );
    count
}

/// The formats with compatibility rules.
const FORMATS: [Format; 3] = [Format::Avro, Format::Json, Format::Protobuf];

/// Three schemas of a format: `wide` can read data of `narrow` but not vice versa; `other` is incompatible
/// with both.
struct SchemaSet {
    wide: SchemaInfo,
    narrow: SchemaInfo,
    other: SchemaInfo,
}

fn schema_set(format: &Format) -> SchemaSet {
    let [wide, narrow, other] = match format {
        Format::Json => [
            r#"{"type":"object","properties":{"a":{"type":["integer","string"]}},"required":["a"]}"#,
            r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#,
            r#"{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}"#,
        ]
        .map(|text| SchemaInfo::new("R", Format::Json, text)),
        Format::Protobuf => {
            [Type::Bytes, Type::String, Type::Double].map(|kind| protobuf("R", &[("a", kind)]))
        }
        _ => [r#"["int","string"]"#, r#""int""#, r#""boolean""#]
            .map(|kind| avro("R", &format!(r#"{{"name":"a","type":{kind}}}"#))),
    };
    SchemaSet { wide, narrow, other }
}

fn avro(name: &str, fields: &str) -> SchemaInfo {
    let text = format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#);
    SchemaInfo::new(name, Format::Avro, text)
}

/// A message in package `p` with fields numbered from 1.
fn protobuf(name: &str, fields: &[(&str, Type)]) -> SchemaInfo {
    let field = |(number, (name, kind)): (i32, &(&str, Type))| FieldDescriptorProto {
        name: Some((*name).to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some((*kind).into()),
        json_name: Some((*name).to_owned()),
        ..FieldDescriptorProto::default()
    };
    let message = DescriptorProto {
        name: Some(name.to_owned()),
        field: (1..).zip(fields).map(field).collect(),
        ..DescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some(format!("{name}.proto")),
        package: Some("p".to_owned()),
        message_type: vec![message],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet { file: vec![file] };
    SchemaInfo::new(format!("p.{name}"), Format::Protobuf, set.encode_to_vec())
}

/// Properties of a group that select rules.
fn properties(format: Format, compatibility: Compatibility, rules: Rules) -> GroupProperties {
    GroupProperties { properties: rules.to_labels(), ..GroupProperties::new(format, compatibility, true) }
}

async fn create(registry: &impl RegistryAdministration, id: &GroupId, properties: GroupProperties) {
    assert!(registry.create_group(id, properties).await.expect("the group is created"), "{id} is new");
}

/// Creates a group that accepts all schemas of a format.
async fn create_open_group(registry: &impl RegistryAdministration, name: &str, format: Format) -> GroupId {
    let id = GroupId::new("shop", name);
    create(registry, &id, properties(format, Compatibility::AllowAny, Rules::strict())).await;
    id
}

async fn add_schema(
    registry: &impl RegistryAdministration,
    group: &GroupId,
    schema: &SchemaInfo,
) -> VersionInfo {
    registry.add_schema(group, schema.clone()).await.expect("the group accepts this schema")
}

fn error_kind<T: std::fmt::Debug>(result: RegistryResult<T>) -> RegistryErrorKind {
    result.expect_err("the call must fail").kind()
}

/// Returns the items of all pages of a list; `page` requests the page after a token. Checks that each page
/// has at most `limit` items.
async fn all_pages<T, F>(limit: usize, page: impl Fn(String) -> F) -> Vec<T>
where
    F: Future<Output = RegistryResult<Page<T>>>,
{
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = page(after).await.expect("a page");
        assert!(page.items.len() <= limit, "{} items of {limit}", page.items.len());
        items.extend(page.items);
        match page.next {
            Some(next) => after = next,
            None => return items,
        }
    }
}

fn stream_of(lines: Vec<ExportLine>) -> BoxStream<'static, RegistryResult<ExportLine>> {
    stream::iter(lines.into_iter().map(Ok)).boxed()
}

async fn export_all(registry: &impl RegistryAdministration, namespace: Option<&str>) -> Vec<ExportLine> {
    let lines = registry.export(namespace).await.expect("the export starts");
    lines.try_collect().await.expect("the export is complete")
}
