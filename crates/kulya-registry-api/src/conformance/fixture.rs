//! Fixtures of the suite: schemas of every format, groups, and short forms of calls that succeed or fail.

use crate::administration::{ExportLine, Page, RegistryAdministration};
use crate::{RegistryErrorKind, RegistryResult};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, Rules, SchemaInfo, VersionInfo};
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use std::future::Future;

/// The formats with compatibility rules.
pub(super) const FORMATS: [Format; 3] = [Format::Avro, Format::Json, Format::Protobuf];

/// Three schemas of a format: `wide` can read data of `narrow` but not vice versa; `other` is incompatible
/// with both.
pub(super) struct SchemaSet {
    pub(super) wide: SchemaInfo,
    pub(super) narrow: SchemaInfo,
    pub(super) other: SchemaInfo,
}

pub(super) fn schema_set(format: &Format) -> SchemaSet {
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

pub(super) fn avro(name: &str, fields: &str) -> SchemaInfo {
    let text = format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#);
    SchemaInfo::new(name, Format::Avro, text)
}

/// A message in package `p` with fields numbered from 1.
pub(super) fn protobuf(name: &str, fields: &[(&str, Type)]) -> SchemaInfo {
    let field = |(number, (name, kind)): (i32, &(&str, Type))| protobuf_field(name, number, *kind);
    protobuf_schema(name, (1..).zip(fields).map(field).collect(), Vec::new())
}

/// A message in package `p` with one field, of the message `imported` in its own file.
pub(super) fn protobuf_with_import(name: &str, field: &str, imported: &str) -> SchemaInfo {
    let field = FieldDescriptorProto {
        type_name: Some(format!(".p.{imported}")),
        ..protobuf_field(field, 1, Type::Message)
    };
    protobuf_schema(name, vec![field], vec![format!("{imported}.proto")])
}

fn protobuf_field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        json_name: Some(name.to_owned()),
        ..FieldDescriptorProto::default()
    }
}

fn protobuf_schema(name: &str, fields: Vec<FieldDescriptorProto>, imports: Vec<String>) -> SchemaInfo {
    let message =
        DescriptorProto { name: Some(name.to_owned()), field: fields, ..DescriptorProto::default() };
    let file = FileDescriptorProto {
        name: Some(format!("{name}.proto")),
        package: Some("p".to_owned()),
        dependency: imports,
        message_type: vec![message],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet { file: vec![file] };
    SchemaInfo::new(format!("p.{name}"), Format::Protobuf, set.encode_to_vec())
}

/// Properties of a group that select rules.
pub(super) fn properties(format: Format, compatibility: Compatibility, rules: Rules) -> GroupProperties {
    GroupProperties { properties: rules.to_labels(), ..GroupProperties::new(format, compatibility, true) }
}

pub(super) async fn create(
    registry: &impl RegistryAdministration,
    id: &GroupId,
    properties: GroupProperties,
) {
    assert!(registry.create_group(id, properties).await.expect("the group is created"), "{id} is new");
}

/// Creates a group that accepts all schemas of a format.
pub(super) async fn create_open_group(
    registry: &impl RegistryAdministration,
    name: &str,
    format: Format,
) -> GroupId {
    let id = GroupId::new("shop", name);
    create(registry, &id, properties(format, Compatibility::AllowAny, Rules::strict())).await;
    id
}

pub(super) async fn add_schema(
    registry: &impl RegistryAdministration,
    group: &GroupId,
    schema: &SchemaInfo,
) -> VersionInfo {
    registry.add_schema(group, schema.clone()).await.expect("the group accepts this schema")
}

pub(super) fn error_kind<T: std::fmt::Debug>(result: RegistryResult<T>) -> RegistryErrorKind {
    result.expect_err("the call must fail").kind()
}

/// Returns the items of all pages of a list; `page` requests the page after a token. Checks that each page
/// has at most `limit` items.
pub(super) async fn all_pages<T, F>(limit: usize, page: impl Fn(String) -> F) -> Vec<T>
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

pub(super) fn stream_of(lines: Vec<ExportLine>) -> BoxStream<'static, RegistryResult<ExportLine>> {
    stream::iter(lines.into_iter().map(Ok)).boxed()
}

pub(super) async fn export_all(
    registry: &impl RegistryAdministration,
    namespace: Option<&str>,
) -> Vec<ExportLine> {
    let lines = registry.export(namespace).await.expect("the export starts");
    lines.try_collect().await.expect("the export is complete")
}
