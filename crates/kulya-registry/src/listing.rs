//! Streams of a group's live schemas: each schema is read when the stream reaches it, so that a group of any
//! size is listed in the memory of one schema.

use crate::cache::VersionList;
use crate::error::not_found;
use crate::records::SchemaRecord;
use crate::registry::Registry;
use crate::snapshot::{GroupSnapshot, read_schema};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::RegistryResult;
use kulya_schema::compatibility;
use kulya_schema::{GroupId, HistoryRecord, VersionInfo};
use std::sync::Arc;

/// Selects live schemas of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing<'a> {
    /// All of them, or those of one type, in id order.
    Versions(Option<&'a str>),
    /// The latest version of each type and format, or the highest version of one type.
    Latest(Option<&'a str>),
}

/// Returns the versions that a listing selects.
fn select(
    snapshot: &GroupSnapshot<'_>,
    versions: &VersionList,
    listing: Listing<'_>,
) -> RegistryResult<Vec<VersionInfo>> {
    let (Listing::Versions(wanted) | Listing::Latest(wanted)) = listing;
    let live = snapshot.live_versions(versions).map(|record| &record.version);
    let live = live.filter(|version| wanted.is_none_or(|wanted| version.type_name == wanted));
    match listing {
        Listing::Versions(_) => Ok(live.cloned().collect()),
        Listing::Latest(None) => Ok(compatibility::latest_of_each_type(live)),
        Listing::Latest(Some(type_name)) => {
            // one result: the highest version number over all formats
            let last = compatibility::latest_of_each_type(live).into_iter().max_by_key(|v| (v.version, v.id));
            let missing = || not_found(format!("group {} has no schema of type {type_name:?}", snapshot.id));
            Ok(vec![last.ok_or_else(missing)?])
        }
    }
}

impl Registry {
    /// Streams the live schemas that a listing selects, as of this call, each with the policy and the time of
    /// its addition.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, or no schema of that type. In the stream: `NotFound` when the
    /// group was deleted meanwhile, `Failed` when a record is corrupt.
    pub async fn live_schemas(
        &self,
        group: &GroupId,
        listing: Listing<'_>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<HistoryRecord>>> {
        let snapshot = self.snapshot(group).await?;
        let versions = snapshot.versions().await?;
        let selected = select(&snapshot, &versions, listing)?;
        let incarnation = snapshot.record.incarnation;
        let (registry, group) = (self.clone(), group.clone());
        let records = stream::iter(selected).then(move |version| {
            let (registry, group) = (registry.clone(), group.clone());
            async move {
                let record =
                    read_schema(&registry.table, &registry.cache, &group, incarnation, version.id).await?;
                let SchemaRecord { schema, version, compatibility, timestamp_ms, .. } =
                    Arc::unwrap_or_clone(record);
                Ok(HistoryRecord { schema, version, compatibility, timestamp_ms })
            }
        });
        Ok(records.boxed())
    }
}
