//! Conversions of paginated lists: the requested page, and its items.

use super::{convert_all, into_all, required, v1};
use kulya_registry_api::RegistryError;
use kulya_registry_api::administration::{Page, PageRequest, Search, SearchHit, VersionEntry};
use kulya_schema::{GroupId, GroupProperties};

impl From<&PageRequest> for v1::Page {
    fn from(page: &PageRequest) -> Self {
        Self { after: page.after.clone(), limit: u32::try_from(page.limit).unwrap_or(u32::MAX) }
    }
}

impl From<v1::Page> for PageRequest {
    fn from(v1::Page { after, limit }: v1::Page) -> Self {
        Self { after, limit: limit as usize }
    }
}

impl From<Page<String>> for v1::NamespacesReply {
    fn from(Page { items, next }: Page<String>) -> Self {
        Self { namespaces: items, next }
    }
}

impl From<v1::NamespacesReply> for Page<String> {
    fn from(v1::NamespacesReply { namespaces, next }: v1::NamespacesReply) -> Self {
        Self { items: namespaces, next }
    }
}

impl From<Page<(GroupId, GroupProperties)>> for v1::GroupsReply {
    fn from(Page { items, next }: Page<(GroupId, GroupProperties)>) -> Self {
        let entry = |(group, properties): (GroupId, GroupProperties)| v1::GroupEntry {
            group: Some(group.into()),
            properties: Some(properties.into()),
        };
        Self { groups: items.into_iter().map(entry).collect(), next }
    }
}

impl TryFrom<v1::GroupsReply> for Page<(GroupId, GroupProperties)> {
    type Error = RegistryError;

    fn try_from(v1::GroupsReply { groups, next }: v1::GroupsReply) -> Result<Self, RegistryError> {
        let entry = |v1::GroupEntry { group, properties }: v1::GroupEntry| {
            Ok((required(group, "group")?.into(), super::convert_required(properties, "properties")?))
        };
        let items = groups.into_iter().map(entry).collect::<Result<_, RegistryError>>()?;
        Ok(Self { items, next })
    }
}

impl From<Page<VersionEntry>> for v1::VersionsReply {
    fn from(Page { items, next }: Page<VersionEntry>) -> Self {
        let entry = |entry: VersionEntry| v1::VersionEntry {
            version: Some(entry.version_info.into()),
            deleted: entry.deleted,
        };
        Self { versions: items.into_iter().map(entry).collect(), next }
    }
}

impl TryFrom<v1::VersionsReply> for Page<VersionEntry> {
    type Error = RegistryError;

    fn try_from(v1::VersionsReply { versions, next }: v1::VersionsReply) -> Result<Self, RegistryError> {
        let entry = |v1::VersionEntry { version, deleted }: v1::VersionEntry| {
            Ok(VersionEntry { version_info: required(version, "version")?.into(), deleted })
        };
        let items = versions.into_iter().map(entry).collect::<Result<_, RegistryError>>()?;
        Ok(Self { items, next })
    }
}

/// Converts a search; the page is added by the caller.
impl From<Search> for v1::SearchRequest {
    fn from(search: Search) -> Self {
        let Search { namespace, group, type_name, format, field, all_versions } = search;
        Self { namespace, group, r#type: type_name, format, field, all_versions, page: None }
    }
}

impl From<v1::SearchRequest> for Search {
    fn from(message: v1::SearchRequest) -> Self {
        let v1::SearchRequest { namespace, group, r#type, format, field, all_versions, page: _ } = message;
        Self { namespace, group, type_name: r#type, format, field, all_versions }
    }
}

impl From<SearchHit> for v1::Found {
    fn from(SearchHit { namespace, group, version_info, fields }: SearchHit) -> Self {
        let group = v1::Group { namespace, name: group };
        Self { group: Some(group), version: Some(version_info.into()), fields: into_all(fields) }
    }
}

impl TryFrom<v1::Found> for SearchHit {
    type Error = RegistryError;

    fn try_from(v1::Found { group, version, fields }: v1::Found) -> Result<Self, RegistryError> {
        let v1::Group { namespace, name } = required(group, "group")?;
        let (version_info, fields) = (required(version, "version")?.into(), into_all(fields));
        Ok(Self { namespace, group: name, version_info, fields })
    }
}

impl From<Page<SearchHit>> for v1::SearchReply {
    fn from(Page { items, next }: Page<SearchHit>) -> Self {
        Self { found: into_all(items), next }
    }
}

impl TryFrom<v1::SearchReply> for Page<SearchHit> {
    type Error = RegistryError;

    fn try_from(v1::SearchReply { found, next }: v1::SearchReply) -> Result<Self, RegistryError> {
        Ok(Self { items: convert_all(found)?, next })
    }
}
