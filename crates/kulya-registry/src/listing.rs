//! The live schemas of a group one after another, as long answers give them: each is read when its turn comes, so that a
//! group of any size is listed in the memory of one schema.

use crate::group::{Group, not_found, schema};
use crate::memory::Versions;
use crate::records::SchemaRecord;
use crate::registry::Registry;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::RegistryResult;
use kulya_schema::decide;
use kulya_schema::{GroupId, HistoryRecord, VersionInfo};
use std::sync::Arc;

/// Which of a group's live schemas are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing<'a> {
    /// All of them in id order, or those of one type.
    Versions(Option<&'a str>),
    /// The latest one of each type and format, or the one of a type that has the highest version.
    Latest(Option<&'a str>),
}

/// The versions that a listing names.
fn chosen(state: &Group<'_>, versions: &Versions, listing: Listing<'_>) -> RegistryResult<Vec<VersionInfo>> {
    let (Listing::Versions(wanted) | Listing::Latest(wanted)) = listing;
    let live = state.live(versions).map(|record| &record.version);
    let live = live.filter(|version| wanted.is_none_or(|wanted| version.type_name == wanted));
    match listing {
        Listing::Versions(_) => Ok(live.cloned().collect()),
        Listing::Latest(None) => Ok(decide::latest_of_each(live)),
        Listing::Latest(Some(type_name)) => {
            // one answer: the highest version number over all formats
            let last = decide::latest_of_each(live).into_iter().max_by_key(|v| (v.version, v.id));
            let missing = || not_found(format!("group {} has no schema of type {type_name:?}", state.id));
            Ok(vec![last.ok_or_else(missing)?])
        }
    }
}

impl Registry {
    /// The live schemas of a group that a listing names, as they were when this was asked, with the policy and time of each.
    ///
    /// # Errors
    /// There is no such group, or no schema of that type. In the stream: the group was deleted meanwhile (`NotFound`), or its
    /// records cannot be read.
    pub async fn live_schemas(
        &self,
        group: &GroupId,
        listing: Listing<'_>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<HistoryRecord>>> {
        let state = self.read(group).await?;
        let versions = state.versions().await?;
        let chosen = chosen(&state, &versions, listing)?;
        let incarnation = state.head.incarnation;
        let (registry, group) = (self.clone(), group.clone());
        let records = stream::iter(chosen).then(move |version| {
            let (registry, group) = (registry.clone(), group.clone());
            async move {
                let record =
                    schema(&registry.table, &registry.memory, &group, incarnation, version.id).await?;
                let SchemaRecord { schema, version, compatibility, timestamp_ms, .. } =
                    Arc::unwrap_or_clone(record);
                Ok(HistoryRecord { schema, version, compatibility, timestamp_ms })
            }
        });
        Ok(records.boxed())
    }
}
