//! Query parameters that several endpoints share.

use kulya_registry_api::administration::PageRequest;
use kulya_schema::GroupId;
use serde::Deserialize;

/// Items per page by default. The registry bounds the maximum.
const DEFAULT_LIMIT: usize = 100;

/// The query of an endpoint whose only parameter is the namespace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InNamespace {
    #[serde(default)]
    pub(super) namespace: String,
}

impl InNamespace {
    /// Returns the group of this name in the namespace.
    pub(super) fn group(self, name: String) -> GroupId {
        GroupId::new(self.namespace, name)
    }
}

/// The query of a deletion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    #[serde(default)]
    pub(super) namespace: String,
    /// Whether to delete even what schemas refer to.
    #[serde(default)]
    pub(super) force: bool,
}

/// The query of an endpoint whose only parameters are those of a page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    pub(super) limit: Option<u32>,
    pub(super) after: Option<String>,
}

/// Returns the page with these parameters.
pub(super) fn page(limit: Option<u32>, after: Option<String>) -> PageRequest {
    PageRequest::after(after.unwrap_or_default(), limit.map_or(DEFAULT_LIMIT, |limit| limit as usize))
}
