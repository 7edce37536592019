//! Deletion of the streams of a capture's tables, with their groups. Which they are, the groups' labels say.

use super::settings::StoreSettings;
use crate::CdcResult;
use kulya_registry_api::SchemaRegistry;
use kulya_schema::capture_labels;
use kulya_store::{ErrorKind, StreamId, StreamStore};

/// Deletes the streams of the tables that a capture has captured, with their events, and their groups with
/// the schemas. The capture must not run: drop it first. Streams without a table stay, such as that of
/// transactions. Returns the names of the deleted streams.
///
/// # Errors
/// `Store`, `Registry`, `Unreachable`: what was not deleted yet is deleted by the next call.
pub async fn delete_captured_streams(
    settings: &StoreSettings,
    store: &dyn StreamStore,
    registry: &dyn SchemaRegistry,
) -> CdcResult<Vec<String>> {
    let mut deleted = Vec::new();
    for (group, properties) in registry.groups(&settings.scope).await? {
        if properties.properties.get(capture_labels::SOURCE) != Some(&settings.name) {
            continue;
        }
        let stream = StreamId::new(&settings.scope, &group.name)?;
        let delete = async {
            store.seal_stream(&stream).await?;
            store.delete_stream(&stream).await
        };
        match delete.await {
            Ok(_) => {}
            // deleted by an earlier call, which did not get to the group
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        registry.delete_group(&group).await?;
        deleted.push(stream.to_string());
    }
    Ok(deleted)
}
