//! What those who look after a registry ask of it, wherever it runs: beyond what writers and readers need
//! ([`SchemaRegistry`]), to list, judge, change, search, compare, move and follow.

use crate::{RegistryResult, SchemaRegistry};
use async_trait::async_trait;
use futures::stream::BoxStream;
use kulya_schema::decide::Refusal;
use kulya_schema::{
    CodecType, Compatibility, Difference, EncodingId, Field, GroupId, GroupProperties, Incompatibility,
    Rules, SchemaInfo, VersionInfo,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A schema registry, for those who look after it. Calls may be cancelled at any await.
#[async_trait]
pub trait RegistryAdministration: SchemaRegistry {
    /// The namespaces that hold groups, in an order that stays.
    async fn namespaces(&self, page: &PageRequest) -> RegistryResult<Page<String>>;
    /// The groups of a namespace, in name order.
    async fn groups_page(
        &self,
        namespace: &str,
        page: &PageRequest,
    ) -> RegistryResult<Page<(GroupId, GroupProperties)>>;
    /// Changes a group; its properties afterwards. `None` when `change.previous` is given and is not so now.
    async fn change_group(
        &self,
        group: &GroupId,
        change: GroupChange,
    ) -> RegistryResult<Option<GroupProperties>>;
    /// Whether a schema could be added, and every reason why not.
    async fn check(&self, group: &GroupId, schema: SchemaInfo, question: Question)
    -> RegistryResult<Verdict>;
    /// A group's versions in id order, those that were deleted included, without their schemas. A page's `next` is the id
    /// of its last version, so that a page may begin behind any.
    async fn versions_page(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
        page: &PageRequest,
    ) -> RegistryResult<Page<VersionEntry>>;
    /// The id of a version given by format, type and number, the deleted ones included.
    async fn version_id(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<u32>;
    /// Deletes a version softly (contract §2.2); fine when it is deleted already.
    async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()>;
    /// The groups of a namespace that hold a schema, with its version in each.
    async fn added_to(&self, namespace: &str, schema: SchemaInfo) -> RegistryResult<AddedTo>;
    /// A schema as a person reads it; see [`kulya_schema::readable`], whose error is the inner one. A registry that serves
    /// others does it where it does not keep them waiting.
    async fn readable(&self, schema: &SchemaInfo) -> RegistryResult<kulya_schema::Result<Option<String>>> {
        Ok(kulya_schema::readable(schema))
    }
    /// What changed from one schema of a group to another, by their ids.
    async fn compare(&self, group: &GroupId, from: u32, to: u32) -> RegistryResult<Comparison>;
    /// Live versions that a search names, group by group.
    async fn search(&self, search: &Search, page: &PageRequest) -> RegistryResult<Page<Found>>;
    /// Everything of one namespace, or of all, line by line.
    async fn export(
        &self,
        namespace: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<ExportLine>>>;
    /// Takes in what [`export`](Self::export) gave, ids kept. Each group appears when the whole of it is there.
    async fn import(
        &self,
        lines: BoxStream<'static, RegistryResult<ExportLine>>,
        existing: Existing,
    ) -> RegistryResult<Imported>;
    /// Changes as they come, each with the place behind it. From a place that was given with a change, or from now on.
    async fn changes(
        &self,
        from: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>>;
}

/// The groups that hold a schema, with its version in each.
pub type AddedTo = BTreeMap<String, VersionInfo>;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// What the page before gave as its `next`; empty for the first.
    pub after: String,
    /// The most items.
    pub limit: usize,
}

impl PageRequest {
    /// The first page.
    pub fn first(limit: usize) -> Self {
        Self { after: String::new(), limit }
    }

    /// The page behind another.
    pub fn after(after: impl Into<String>, limit: usize) -> Self {
        Self { after: after.into(), limit }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// In the list's order. May be fewer than asked for, and none, though there are more behind.
    pub items: Vec<T>,
    /// Where the next page begins; nothing when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What of a group becomes another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupChange {
    /// The policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<Compatibility>,
    /// All of the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<BTreeMap<String, String>>,
    /// The change is made only while the group is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<GroupProperties>,
}

/// By what a schema is to be judged, where not by what the group says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Another policy.
    pub compatibility: Option<Compatibility>,
    /// Other rules.
    pub rules: Option<Rules>,
}

/// Whether a schema could be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether it would be taken.
    pub compatible: bool,
    /// Its version, when it is registered already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<VersionInfo>,
    /// Why it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// A version of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionEntry {
    /// Which.
    pub version_info: VersionInfo,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// What changed between two schemas, and who reads whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The earlier schema, as it was sent.
    pub from: SchemaInfo,
    /// The later one.
    pub to: SchemaInfo,
    /// What changed, field by field.
    pub fields: Difference,
    /// What keeps the later one from reading what the earlier one wrote; empty when it can.
    pub backward: Vec<Incompatibility>,
    /// What keeps the earlier one from reading what the later one writes; empty when it can.
    pub forward: Vec<Incompatibility>,
}

/// What is searched for: all that is given must hold. Texts are compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Search {
    /// Only in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A part of the group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A part of the type's name.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// The format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// A field's name, or the last names of its path, as `line.quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Every live version instead of the latest of each type.
    #[serde(default)]
    pub all_versions: bool,
}

/// A version that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The group's namespace.
    pub namespace: String,
    /// The group's name.
    pub group: String,
    /// The version.
    pub version_info: VersionInfo,
    /// The fields that were searched for.
    pub fields: Vec<Field>,
}

/// What an import does with a group that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// It ends with an error before that group; those before it stay.
    #[default]
    Refuse,
    /// It leaves the group as it is, and goes on.
    Skip,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Groups made.
    pub groups: u64,
    /// Groups left as they are.
    pub skipped: u64,
    /// Schemas, with those that were deleted.
    pub schemas: u64,
    /// Encodings.
    pub encodings: u64,
}

/// The version of the export's format.
pub const EXPORT_VERSION: u32 = 1;

/// One line of an export. First stands `Begin`; then for each group `Group`, its schemas in id order, its encodings in
/// id order; last stands `End`, without which the export is cut short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ExportLine {
    /// What this is.
    Begin {
        /// [`EXPORT_VERSION`].
        kulya_registry_export: u32,
    },
    /// A group, and what follows of it.
    Group {
        /// Its namespace.
        namespace: String,
        /// Its name.
        group: String,
        /// Its properties.
        properties: GroupProperties,
        /// Its codecs, in order of registration.
        codecs: Vec<CodecType>,
        /// How many schema lines follow.
        schemas: u32,
        /// How many encoding lines follow then.
        encodings: u32,
    },
    /// A schema of the group above.
    Schema {
        /// As it was sent.
        schema_info: SchemaInfo,
        /// Its version.
        version_info: VersionInfo,
        /// The policy in force when it was added.
        compatibility: Compatibility,
        /// When it was added, milliseconds since 1970 UTC.
        timestamp: u64,
        /// Whether it was deleted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deleted: bool,
    },
    /// An encoding of the group above.
    Encoding {
        /// Its id.
        encoding_id: u32,
        /// The schema's.
        schema_id: u32,
        /// The codec, as it was when the id was given.
        codec_type: CodecType,
    },
    /// All was given.
    End {
        /// How many groups.
        groups: u64,
    },
}

/// A change of a registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The group's namespace.
    pub namespace: String,
    /// The group's name.
    pub group: String,
    /// When, milliseconds since 1970 UTC.
    pub timestamp: u64,
    /// What.
    #[serde(flatten)]
    pub event: ChangeEvent,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ChangeEvent {
    /// A group was made.
    GroupCreated {
        /// With these properties.
        properties: GroupProperties,
    },
    /// A group was made by an import, with all its schemas.
    GroupImported {
        /// With these properties.
        properties: GroupProperties,
        /// How many schemas it has.
        schemas: u32,
    },
    /// A group's policy or labels became others.
    GroupChanged {
        /// These.
        properties: GroupProperties,
    },
    /// A group is gone.
    GroupDeleted,
    /// A schema was added.
    SchemaAdded {
        /// Its version.
        version_info: VersionInfo,
    },
    /// A schema was deleted, softly.
    SchemaDeleted {
        /// Its version.
        version_info: VersionInfo,
    },
    /// A codec was added.
    CodecAdded {
        /// It.
        codec_type: CodecType,
    },
    /// A pair of schema and codec got its id.
    EncodingAdded {
        /// The id.
        encoding_id: EncodingId,
        /// The schema's.
        schema_id: u32,
        /// The codec's name; empty for none.
        codec: String,
    },
}

impl Change {
    /// The group.
    pub fn group_id(&self) -> GroupId {
        GroupId::new(&self.namespace, &self.group)
    }
}

impl Search {
    /// Whether a format and a type are searched for.
    pub fn names(&self, version: &VersionInfo) -> bool {
        let contains = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| text.to_lowercase().contains(&wanted.to_lowercase()))
        };
        let format = |wanted: &String| wanted.eq_ignore_ascii_case(&version.format);
        contains(&self.type_name, &version.type_name) && self.format.as_ref().is_none_or(format)
    }

    /// Whether a group is searched for, by its name.
    pub fn names_group(&self, name: &str) -> bool {
        self.group.as_ref().is_none_or(|wanted| name.to_lowercase().contains(&wanted.to_lowercase()))
    }

    /// Whether a field is the one that is searched for: its last names are those.
    pub fn names_field(&self, field: &Field) -> bool {
        let Some(wanted) = &self.field else { return false };
        let plain = |path: &str| path.replace("[]", "").replace("{}", "").to_lowercase();
        let (path, wanted) = (plain(&field.path), plain(wanted));
        path == wanted || path.ends_with(&format!(".{wanted}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_changes_have_their_shapes() {
        let version = VersionInfo { type_name: "T".into(), format: "Avro".into(), version: 1, id: 2 };
        let change = Change {
            namespace: "shop".into(),
            group: "orders".into(),
            timestamp: 7,
            event: ChangeEvent::SchemaAdded { version_info: version },
        };
        let text = r#"{"namespace":"shop","group":"orders","timestamp":7,"change":"schema-added","versionInfo":{"type":"T","serializationFormat":"Avro","version":1,"id":2}}"#;
        assert_eq!(serde_json::to_string(&change).unwrap(), text);
        assert_eq!(serde_json::from_str::<Change>(text).unwrap(), change);
        let line = ExportLine::Begin { kulya_registry_export: EXPORT_VERSION };
        assert_eq!(serde_json::to_string(&line).unwrap(), r#"{"line":"begin","kulyaRegistryExport":1}"#);
    }

    #[test]
    fn a_field_is_found_by_its_last_names() {
        let field = Field { path: "order.lines[].Quantity".into(), kind: "int".into() };
        let finds =
            |wanted: &str| Search { field: Some(wanted.into()), ..Search::default() }.names_field(&field);
        assert!(finds("quantity") && finds("lines.quantity") && finds("lines[].QUANTITY"));
        assert!(!finds("antity") && !finds("order"));
        assert!(!Search::default().names_field(&field));
    }
}
