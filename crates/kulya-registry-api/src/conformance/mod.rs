//! What [`SchemaRegistry`](crate::SchemaRegistry) and [`RegistryAdministration`] promise, as functions: each takes an
//! empty registry and panics, with the sentence that is broken, when the registry does not keep it. A registry's test is
//! one call of [`all`]: in process and over the network alike. (What the Java contract wants to the letter is tested by
//! transcripts, where it is spoken.)

mod changes;
mod checks;
mod groups;
mod search;
mod transfer;
mod versions;

use crate::administration::{ExportLine, Page, RegistryAdministration};
use crate::{RegistryErrorKind, RegistryResult};
use changes::{a_place_of_another_stream_is_refused, every_change_is_told_in_order};
use checks::{
    a_check_may_ask_by_other_rules, a_check_tells_what_is_wrong_with_the_question,
    a_refusal_tells_what_stands_where, a_registered_schema_is_found_by_a_check,
    every_policy_asks_its_questions, types_live_side_by_side_or_not, what_a_check_says_is_what_happens,
};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use groups::{
    a_group_changes_only_while_it_is_as_it_was, groups_are_listed_page_by_page,
    labels_choose_the_rules_and_misspelt_ones_are_refused, namespaces_are_listed_page_by_page,
};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, Rules, SchemaInfo, VersionInfo};
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use search::{a_search_finds_what_is_named, a_search_goes_on_over_pages};
use std::future::Future;
use std::sync::Arc;
use transfer::{
    a_damaged_import_is_refused_and_leaves_no_group, an_export_of_one_namespace_has_that_alone,
    an_export_taken_in_gives_the_same_export, groups_that_are_there_are_refused_or_skipped,
};
use versions::{
    a_deleted_schema_stays_readable, schemas_are_compared, schemas_are_found_in_groups,
    versions_are_listed_page_by_page,
};

/// Runs every function of the suite, each on registries that `fresh` makes. Gives how many ran.
pub async fn all<F, R>(fresh: impl Fn() -> F) -> usize
where
    F: Future<Output = Arc<R>>,
    R: RegistryAdministration,
{
    let mut ran = 0;
    macro_rules! run {
        ($($case:ident $(with $other:ident)?),* $(,)?) => { $({
            let registry = fresh().await;
            $(let $other = fresh().await;)?
            $case(&*registry $(, &*$other)?).await;
            ran += 1;
        })* };
    }
    run!(
        namespaces_are_listed_page_by_page,
        groups_are_listed_page_by_page,
        a_group_changes_only_while_it_is_as_it_was,
        labels_choose_the_rules_and_misspelt_ones_are_refused,
        every_policy_asks_its_questions,
        a_refusal_tells_what_stands_where,
        a_check_may_ask_by_other_rules,
        a_registered_schema_is_found_by_a_check,
        what_a_check_says_is_what_happens,
        types_live_side_by_side_or_not,
        a_check_tells_what_is_wrong_with_the_question,
        a_deleted_schema_stays_readable,
        versions_are_listed_page_by_page,
        schemas_are_compared,
        schemas_are_found_in_groups,
        a_search_finds_what_is_named,
        a_search_goes_on_over_pages,
        an_export_taken_in_gives_the_same_export with other,
        an_export_of_one_namespace_has_that_alone,
        a_damaged_import_is_refused_and_leaves_no_group with other,
        groups_that_are_there_are_refused_or_skipped,
        every_change_is_told_in_order,
        a_place_of_another_stream_is_refused,
    );
    ran
}

/// The three formats that have rules of their own.
const FORMATS: [Format; 3] = [Format::Avro, Format::Json, Format::Protobuf];

/// Three schemas of a format: the first reads the second and not the other way round, and the third and they cannot read
/// each other.
struct Three {
    wide: SchemaInfo,
    narrow: SchemaInfo,
    other: SchemaInfo,
}

fn three(format: &Format) -> Three {
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
    Three { wide, narrow, other }
}

fn avro(name: &str, fields: &str) -> SchemaInfo {
    let text = format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#);
    SchemaInfo::new(name, Format::Avro, text)
}

/// A message of package `p` with fields 1, 2, 3….
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

/// A group's properties, with the labels of its rules.
fn properties(format: Format, compatibility: Compatibility, rules: Rules) -> GroupProperties {
    GroupProperties { properties: rules.labels(), ..GroupProperties::new(format, compatibility, true) }
}

async fn make(registry: &impl RegistryAdministration, id: &GroupId, properties: GroupProperties) {
    assert!(registry.create_group(id, properties).await.expect("a group can be made"), "{id} is new");
}

/// A group that takes every schema of a format.
async fn open_group(registry: &impl RegistryAdministration, name: &str, format: Format) -> GroupId {
    let id = GroupId::new("shop", name);
    make(registry, &id, properties(format, Compatibility::AllowAny, Rules::strict())).await;
    id
}

async fn add(registry: &impl RegistryAdministration, group: &GroupId, schema: &SchemaInfo) -> VersionInfo {
    registry.add_schema(group, schema.clone()).await.expect("the group takes this schema")
}

fn kind<T: std::fmt::Debug>(result: RegistryResult<T>) -> RegistryErrorKind {
    result.expect_err("this must be refused").kind()
}

/// All pages of a list, by what gives the page behind a token. Each page has at most `limit` items, and the last has no
/// token.
async fn paged<T, F>(limit: usize, page: impl Fn(String) -> F) -> Vec<T>
where
    F: Future<Output = RegistryResult<Page<T>>>,
{
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = page(after).await.expect("a page is given");
        assert!(page.items.len() <= limit, "{} items of {limit}", page.items.len());
        items.extend(page.items);
        match page.next {
            Some(next) => after = next,
            None => return items,
        }
    }
}

fn lines(lines: Vec<ExportLine>) -> BoxStream<'static, RegistryResult<ExportLine>> {
    stream::iter(lines.into_iter().map(Ok)).boxed()
}

async fn exported(registry: &impl RegistryAdministration, namespace: Option<&str>) -> Vec<ExportLine> {
    let lines = registry.export(namespace).await.expect("an export begins");
    lines.try_collect().await.expect("an export is whole")
}
