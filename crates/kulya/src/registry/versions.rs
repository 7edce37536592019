//! Versions of a group by the ids that `till:ID` names.

use anyhow::Result;
use kulya_registry_api::administration::{PageRequest, RegistryAdministration};
use kulya_schema::{GroupId, VersionInfo};
use std::collections::HashMap;

/// Returns the versions of a group that have one of `ids`.
///
/// # Errors
/// What the registry reports.
pub(super) async fn versions_by_id(
    registry: &dyn RegistryAdministration,
    group: &GroupId,
    ids: &[u32],
) -> Result<HashMap<u32, VersionInfo>> {
    let mut versions = HashMap::new();
    for id in ids {
        let previous = id.checked_sub(1).map_or_else(String::new, |id| id.to_string());
        let page = registry.versions_page(group, None, &PageRequest::after(previous, 1)).await?;
        versions.extend(page.items.into_iter().map(|entry| (entry.version_info.id, entry.version_info)));
    }
    Ok(versions)
}
