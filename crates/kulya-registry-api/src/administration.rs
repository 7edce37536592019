//! The administrator's part of the contract, beyond what clients need ([`SchemaRegistry`]): list, check,
//! change, compare, search, export, import, and follow changes.

use crate::{RegistryResult, SchemaRegistry};
use async_trait::async_trait;
use futures::stream::BoxStream;
use kulya_schema::compatibility::{Refusal, Warning};
use kulya_schema::{
    CodecType, Compatibility, Difference, EncodingId, Field, GroupId, GroupProperties, Incompatibility,
    Reference, Rules, SchemaInfo, Unresolved, VersionInfo,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A schema registry with the operations of administrators. Every call may be cancelled at any await.
///
/// # Errors
/// Beside the kinds named at each method, any method returns `Unavailable` when the registry or its store
/// does not respond, `Denied` when the caller lacks a permission, and `Failed` for a failure of the registry
/// itself. Every page returns `InvalidInput` for a token that the same list did not return.
#[async_trait]
pub trait RegistryAdministration: SchemaRegistry {
    /// Returns a page of the namespaces that have groups, in a stable order.
    async fn namespaces(&self, page: &PageRequest) -> RegistryResult<Page<String>>;
    /// Returns a page of a namespace's groups, in name order.
    async fn groups_page(
        &self,
        namespace: &str,
        page: &PageRequest,
    ) -> RegistryResult<Page<(GroupId, GroupProperties)>>;
    /// Changes a group and returns its new properties. Returns `None`, and changes nothing, when
    /// `change.previous` is given and differs from the current properties.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, `InvalidInput` for properties that the registry does not
    /// accept.
    async fn change_group(
        &self,
        group: &GroupId,
        change: GroupChange,
    ) -> RegistryResult<Option<GroupProperties>>;
    /// Checks whether a schema could be added, and returns all reasons if not. Adds nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, `FormatMismatch` when the group does not accept the format,
    /// `InvalidInput` for an invalid schema.
    async fn check(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        options: CheckOptions,
    ) -> RegistryResult<Verdict>;
    /// Returns a page of a group's versions in id order, deleted ones included, without their schemas. A
    /// page's `next` is the id of its last version, so that a page can start after any version.
    ///
    /// # Errors
    /// `NotFound` when there is no such group.
    async fn versions_page(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
        page: &PageRequest,
    ) -> RegistryResult<Page<VersionEntry>>;
    /// Returns the id of the version with this format, type and number, deleted ones included.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or version.
    async fn version_id(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<u32>;
    /// Deletes a version: it is no longer listed or compared with, and stays readable by its id (contract
    /// §2.2). Succeeds also when it is deleted already.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or version, `Referenced` when other schemas refer to it.
    async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()>;
    /// Deletes a version like [`delete_schema`](Self::delete_schema), even if other schemas refer to it.
    /// Those stay as they are: they are stored self-contained.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or version.
    async fn force_delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()>;
    /// Deletes a group like [`delete_group`](SchemaRegistry::delete_group), even if schemas of other groups
    /// refer to its schemas.
    async fn force_delete_group(&self, group: &GroupId) -> RegistryResult<()>;
    /// Registers a schema that refers to others, or finds it when it is registered already. It is compared,
    /// identified and returned to readers in its self-contained form;
    /// [`registered_schema`](Self::registered_schema)
    /// returns what was sent.
    ///
    /// # Errors
    /// As [`add_schema`](SchemaRegistry::add_schema), and `InvalidInput` when a reference does not lead to a
    /// live version, or does not fit the schema; `Denied` when the caller may not read a group that it refers
    /// to.
    async fn add_schema_with_references(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<VersionInfo>;
    /// Returns a schema that refers to others in its self-contained form. Adds nothing.
    ///
    /// # Errors
    /// `InvalidInput` and `Denied` as [`add_schema_with_references`](Self::add_schema_with_references).
    async fn resolve_references(
        &self,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<SchemaInfo>;
    /// Returns a version with the schema as it was sent and its references, also a deleted one.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or version.
    async fn registered_schema(&self, group: &GroupId, id: u32) -> RegistryResult<RegisteredSchema>;
    /// Returns a page of the live versions that refer to a version, in a stable order.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or version.
    async fn referenced_by(
        &self,
        group: &GroupId,
        id: u32,
        page: &PageRequest,
    ) -> RegistryResult<Page<Referrer>>;
    /// Returns the groups of a namespace that contain a schema, with its version in each.
    ///
    /// # Errors
    /// `InvalidInput` for an invalid schema.
    async fn schema_references(
        &self,
        namespace: &str,
        schema: SchemaInfo,
    ) -> RegistryResult<SchemaReferences>;
    /// Formats a schema for people; see [`kulya_schema::pretty_print`], whose error is the inner one. An
    /// implementation that serves others overrides this to run the work off the threads that serve
    /// connections.
    async fn pretty_print(
        &self,
        schema: &SchemaInfo,
    ) -> RegistryResult<kulya_schema::Result<Option<String>>> {
        Ok(kulya_schema::pretty_print(schema))
    }
    /// Compares two schemas of a group, by their ids.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or schema.
    async fn compare(&self, group: &GroupId, from: u32, to: u32) -> RegistryResult<Comparison>;
    /// Returns a page of the live versions that a search matches, ordered by group. A page may be short or
    /// empty although there are more: only a page without `next` is the last.
    async fn search(&self, search: &Search, page: &PageRequest) -> RegistryResult<Page<SearchHit>>;
    /// Streams the groups of one namespace, or of all, as lines. See [`ExportLine`] for their order.
    async fn export(
        &self,
        namespace: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<ExportLine>>>;
    /// Imports the lines of an [`export`](Self::export), with their ids. Each group becomes visible when it
    /// is complete; groups before a failed one stay.
    ///
    /// # Errors
    /// `InvalidInput` when the lines are not a whole export, `Incompatible` when a group exists and
    /// `on_conflict` is
    /// [`OnConflict::Refuse`], and the errors of the lines themselves.
    async fn import(
        &self,
        lines: BoxStream<'static, RegistryResult<ExportLine>>,
        on_conflict: OnConflict,
    ) -> RegistryResult<ImportSummary>;
    /// Streams changes, each with the position after it: the changes after a position that came with a
    /// change, or those from now on. The stream waits for new changes.
    ///
    /// # Errors
    /// `InvalidInput` for a position that did not come with a change, `Gone` when retention has removed
    /// changes after it.
    async fn changes(
        &self,
        from: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>>;
}

/// The groups that contain a schema, by name, with its version in each.
pub type SchemaReferences = BTreeMap<String, VersionInfo>;

/// The request of one page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next` of the previous page; empty for the first page.
    pub after: String,
    /// The maximum number of items.
    pub limit: usize,
}

impl PageRequest {
    /// Requests the first page.
    pub fn first(limit: usize) -> Self {
        Self { after: String::new(), limit }
    }

    /// Requests the page after a token.
    pub fn after(after: impl Into<String>, limit: usize) -> Self {
        Self { after: after.into(), limit }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items in the list's order. There may be fewer than requested, or none, although more pages follow.
    pub items: Vec<T>,
    /// The token of the next page; `None` when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A change of a group. What is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupChange {
    /// The new policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<Compatibility>,
    /// The new properties; they replace all old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<BTreeMap<String, String>>,
    /// The expected current properties: the group is changed only if they match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<GroupProperties>,
}

/// The policy and rules of a check, where they are to differ from the group's, and what the schema refers to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckOptions {
    /// The policy; `None` for the group's.
    pub compatibility: Option<Compatibility>,
    /// The rules; `None` for the group's.
    pub rules: Option<Rules>,
    /// The schemas that the schema refers to.
    pub references: Vec<Reference>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether the schema would be accepted.
    pub compatible: bool,
    /// The version, when the schema is registered already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<VersionInfo>,
    /// The reasons why a new schema would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What the policy accepts, and may still be a mistake: changed logical types of Avro.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A version in a list of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionEntry {
    /// The version.
    pub version_info: VersionInfo,
    /// Whether the version is deleted.
    pub deleted: bool,
}

/// A version as it was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredSchema {
    /// The schema as it was sent.
    pub schema_info: SchemaInfo,
    /// The version.
    pub version_info: VersionInfo,
    /// Whether the version is deleted.
    pub deleted: bool,
    /// The schemas that it refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// A version that refers to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// The namespace of its group.
    pub namespace: String,
    /// The name of its group.
    pub group: String,
    /// The version.
    pub version_info: VersionInfo,
}

/// The differences of two schemas, and their compatibility in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The earlier schema, as it was registered.
    pub from: SchemaInfo,
    /// The later schema.
    pub to: SchemaInfo,
    /// The differences, by field.
    pub fields: Difference,
    /// Why the later schema cannot read data of the earlier one; empty when it can.
    pub backward: Vec<Incompatibility>,
    /// Why the earlier schema cannot read data of the later one; empty when it can.
    pub forward: Vec<Incompatibility>,
}

/// The conditions of a search, which all must match. Texts are compared case-insensitively.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Search {
    /// The namespace, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A substring of the group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A substring of the type's name.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// The name of the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// A field's name, or the last names of its path, such as `line.quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether to return every live version, not only the latest of each type.
    #[serde(default)]
    pub all_versions: bool,
}

/// A version that a search matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// The group's namespace.
    pub namespace: String,
    /// The group's name.
    pub group: String,
    /// The version.
    pub version_info: VersionInfo,
    /// The fields that match; empty when no field was searched for.
    pub fields: Vec<Field>,
}

/// What an import does with a group that exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnConflict {
    /// Fails before that group; groups imported before it stay.
    #[default]
    Refuse,
    /// Leaves the group unchanged and continues.
    Skip,
}

/// The counts of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportSummary {
    /// Groups created.
    pub groups: u64,
    /// Existing groups left unchanged.
    pub skipped: u64,
    /// Schemas created, deleted ones included.
    pub schemas: u64,
    /// Encodings created.
    pub encodings: u64,
}

/// The version of the export's format.
pub const EXPORT_VERSION: u32 = 1;

/// One line of an export. The order is: `Begin`; for each group `Group`, its schemas in id order, its
/// encodings in id order; `End`. An export without `End` is truncated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ExportLine {
    /// The first line.
    Begin {
        /// [`EXPORT_VERSION`].
        kulya_registry_export: u32,
    },
    /// A group, and the number of lines that follow for it.
    Group {
        /// The namespace.
        namespace: String,
        /// The name.
        group: String,
        /// The properties.
        properties: GroupProperties,
        /// The codecs, in order of registration.
        codecs: Vec<CodecType>,
        /// The number of schema lines that follow.
        schemas: u32,
        /// The number of encoding lines after those.
        encodings: u32,
    },
    /// A schema of the last group.
    Schema {
        /// The schema as it was registered; with references, in its self-contained form.
        schema_info: SchemaInfo,
        /// The version.
        version_info: VersionInfo,
        /// The policy in force when the schema was added.
        compatibility: Compatibility,
        /// The time when the schema was added, in milliseconds since 1970 UTC.
        timestamp: u64,
        /// Whether the version is deleted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deleted: bool,
        /// For a schema with references: what was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unresolved: Option<Unresolved>,
    },
    /// An encoding of the last group.
    Encoding {
        /// The encoding id.
        encoding_id: u32,
        /// The schema's id.
        schema_id: u32,
        /// The codec as it was when the encoding was added.
        codec_type: CodecType,
    },
    /// The last line.
    End {
        /// The number of groups.
        groups: u64,
    },
}

/// A change of a registry: an event of the changelog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The group's namespace.
    pub namespace: String,
    /// The group's name.
    pub group: String,
    /// The time of the change, in milliseconds since 1970 UTC.
    pub timestamp: u64,
    /// What changed.
    #[serde(flatten)]
    pub event: ChangeEvent,
}

/// The kind of a change, with its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ChangeEvent {
    /// A group was created.
    GroupCreated {
        /// The properties.
        properties: GroupProperties,
    },
    /// A group was created by an import, with all its schemas.
    GroupImported {
        /// The properties.
        properties: GroupProperties,
        /// The number of schemas.
        schemas: u32,
    },
    /// A group's policy or properties were changed.
    GroupChanged {
        /// The new properties.
        properties: GroupProperties,
    },
    /// A group was deleted.
    GroupDeleted,
    /// A schema was added.
    SchemaAdded {
        /// The version.
        version_info: VersionInfo,
    },
    /// A schema was deleted; it stays readable by its id.
    SchemaDeleted {
        /// The version.
        version_info: VersionInfo,
    },
    /// A codec was added.
    CodecAdded {
        /// The codec.
        codec_type: CodecType,
    },
    /// An encoding was added: an id for a schema and a codec.
    EncodingAdded {
        /// The encoding id.
        encoding_id: EncodingId,
        /// The schema's id.
        schema_id: u32,
        /// The codec's name; empty for no codec.
        codec: String,
    },
}

impl Change {
    /// Returns the id of the group.
    pub fn group_id(&self) -> GroupId {
        GroupId::new(&self.namespace, &self.group)
    }
}

impl Search {
    /// Returns whether the format and the type of a version match.
    pub fn matches_version(&self, version: &VersionInfo) -> bool {
        let contains = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| text.to_lowercase().contains(&wanted.to_lowercase()))
        };
        let format = |wanted: &String| wanted.eq_ignore_ascii_case(&version.format);
        contains(&self.type_name, &version.type_name) && self.format.as_ref().is_none_or(format)
    }

    /// Returns whether the name of a group matches.
    pub fn matches_group(&self, name: &str) -> bool {
        self.group.as_ref().is_none_or(|wanted| name.to_lowercase().contains(&wanted.to_lowercase()))
    }

    /// Returns whether a field matches: the last names of its path are the searched ones. Always `false`
    /// without a field.
    pub fn matches_field(&self, field: &Field) -> bool {
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
    fn export_lines_and_changes_have_stable_json() {
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
    fn a_field_matches_by_the_last_names_of_its_path() {
        let field = Field { path: "order.lines[].Quantity".into(), kind: "int".into() };
        let matches =
            |wanted: &str| Search { field: Some(wanted.into()), ..Search::default() }.matches_field(&field);
        assert!(matches("quantity") && matches("lines.quantity") && matches("lines[].QUANTITY"));
        assert!(!matches("antity") && !matches("order"));
        assert!(!Search::default().matches_field(&field));
    }
}
