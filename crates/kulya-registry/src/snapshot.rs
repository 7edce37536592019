//! A group at one version of its record: reads of the group, and a commit that fails when the group has
//! changed since.

use crate::cache::{PreparedKey, RegistryCache, VersionList};
use crate::changelog;
use crate::error::{missing_record, not_found};
use crate::keys;
use crate::records::{self, GroupRecord, SchemaRecord, VersionRecord};
use crate::table::Table;
use kulya_registry_api::administration::ChangeEvent;
use kulya_registry_api::{RegistryError, RegistryResult};
use kulya_schema::compatibility::{self, CompatibilityContext};
use kulya_schema::{
    CanonicalSchema, CompatibilityFingerprint, Format, GroupId, PreparedSchema, Rules, SchemaInfo,
    VersionInfo,
};
use kulya_store::{Condition, TableChange, Version};
use std::sync::Arc;

/// Versions read from the store at a time.
const PAGE: usize = 1_000;

pub(crate) struct GroupSnapshot<'a> {
    table: &'a Table,
    cache: &'a RegistryCache,
    pub(crate) id: &'a GroupId,
    pub(crate) record: Arc<GroupRecord>,
    version: Version,
}

/// The format in the key of a schema's fingerprint: custom formats share one, since identity compares kinds
/// of formats (contract §2.1).
pub(crate) fn format_kind(format: &Format) -> &str {
    if let Format::Custom(_) = format { "Custom" } else { format.full_name() }
}

impl<'a> GroupSnapshot<'a> {
    /// Reads a group's record.
    ///
    /// # Errors
    /// `NotFound` when the group does not exist.
    pub(crate) async fn read(
        table: &'a Table,
        cache: &'a RegistryCache,
        id: &'a GroupId,
    ) -> RegistryResult<Self> {
        let Some(entry) = table.entry(&keys::group(id)).await? else {
            return Err(not_found(format!("group {id} does not exist: create it first")));
        };
        let version = entry.version;
        let record = match cache.groups.get(id) {
            Some((cached, record)) if cached == version => record,
            _ => {
                let record = Arc::new(records::decode(&format!("group {id}"), &entry.value)?);
                cache.groups.insert(id.clone(), (version, Arc::clone(&record)));
                record
            }
        };
        Ok(Self { table, cache, id, record, version })
    }

    /// Returns the record for modification; [`commit`](Self::commit) writes it.
    pub(crate) fn record_mut(&mut self) -> &mut GroupRecord {
        Arc::make_mut(&mut self.record)
    }

    /// Commits the modified record, `changes` with it, and an event of the changelog. Returns `false` when
    /// the group has changed since the snapshot was read.
    pub(crate) async fn commit(
        &self,
        mut changes: Vec<TableChange>,
        event: ChangeEvent,
        now_ms: u64,
    ) -> RegistryResult<bool> {
        let condition = Condition::At(self.version);
        let record = records::encode(&*self.record);
        changes.push(TableChange::put(&self.table.id, keys::group(self.id), condition, record));
        self.table.commit(changes, vec![changelog::encode(self.id, event, now_ms)]).await
    }

    /// Returns a change that leaves the record as it is and makes a concurrent commit of the group fail.
    pub(crate) fn touch(&self) -> TableChange {
        let record = records::encode(&*self.record);
        TableChange::put(&self.table.id, keys::group(self.id), Condition::At(self.version), record)
    }

    /// Returns the schema of a record as it was sent.
    pub(crate) async fn unresolved(&self, record: &SchemaRecord) -> RegistryResult<SchemaInfo> {
        if record.references.is_empty() {
            return Ok(record.schema.clone());
        }
        let id = record.version.id;
        let entry = self.table.entry(&keys::unresolved(self.record.incarnation, id)).await?;
        let what = format!("schema {id} of group {} as it was sent", self.id);
        let data = entry.ok_or_else(|| missing_record(&what))?.value.to_vec();
        Ok(SchemaInfo { data, ..record.schema.clone() })
    }

    /// Returns the versions that the record counts, and maybe some that were added since.
    pub(crate) async fn versions(&self) -> RegistryResult<Arc<VersionList>> {
        let incarnation = self.record.incarnation;
        if let Some(cached) = self.cache.versions.get(&incarnation)
            && cached.len() >= self.record.schemas
        {
            return Ok(cached);
        }
        // taken out of the cache while it is extended, so that it is not copied; concurrent readers read the
        // list again
        let cached = self.cache.versions.remove(&incarnation).map(|(_, versions)| versions);
        let mut versions = cached.map(Arc::unwrap_or_clone).unwrap_or_default();
        while versions.len() < self.record.schemas {
            let missing = (self.record.schemas - versions.len()) as usize;
            let after = versions.len().checked_sub(1).map(|id| keys::version(incarnation, id));
            let page = self.table.page(&keys::versions(incarnation), after, missing.min(PAGE)).await?;
            if page.is_empty() {
                // the group was deleted after the snapshot was read, and its records were removed
                return Err(not_found(format!("group {} does not exist any more", self.id)));
            }
            for entry in page {
                let what = format!("version {} of group {}", versions.len(), self.id);
                let record: VersionRecord = records::decode(&what, &entry.value)?;
                if record.version.id != versions.len() {
                    return Err(missing_record(&what));
                }
                versions.push(record);
            }
        }
        let versions = Arc::new(versions);
        self.cache.versions.insert(incarnation, Arc::clone(&versions));
        Ok(versions)
    }

    /// Caches the records of a schema that was just added.
    pub(crate) fn cache_added(&self, record: VersionRecord, schema: SchemaRecord) {
        let incarnation = self.record.incarnation;
        self.cache.schemas.insert((incarnation, record.version.id), Arc::new(schema));
        let Some((_, versions)) = self.cache.versions.remove(&incarnation) else { return };
        let mut versions = Arc::unwrap_or_clone(versions);
        if versions.len() == record.version.id {
            versions.push(record);
        }
        self.cache.versions.insert(incarnation, Arc::new(versions));
    }

    /// Returns the versions that are not deleted, in id order.
    pub(crate) fn live_versions<'v>(
        &'v self,
        versions: &'v VersionList,
    ) -> impl DoubleEndedIterator<Item = &'v VersionRecord> {
        let counted = versions.up_to(self.record.schemas).iter();
        counted.filter(|record| !self.record.deleted.contains(record.version.id))
    }

    /// Returns a schema, also a deleted one.
    ///
    /// # Errors
    /// `NotFound` when the group has no schema of this id.
    pub(crate) async fn schema(&self, id: u32) -> RegistryResult<Arc<SchemaRecord>> {
        if id >= self.record.schemas {
            return Err(no_schema(self.id, id));
        }
        read_schema(self.table, self.cache, self.id, self.record.incarnation, id).await
    }

    /// Returns the schema, not deleted, that is registered under a fingerprint.
    pub(crate) async fn find_by_fingerprint(
        &self,
        canonical: &CanonicalSchema,
        fingerprint: &[u8; 32],
    ) -> RegistryResult<Option<Arc<SchemaRecord>>> {
        let SchemaInfo { format, type_name, .. } = &canonical.schema;
        let kind = format_kind(format);
        let key = keys::fingerprint(self.record.incarnation, fingerprint, kind, type_name);
        let Some((id, _)) = self.table.record::<u32>("a fingerprint", &key).await? else { return Ok(None) };
        if id >= self.record.schemas || self.record.deleted.contains(id) {
            return Ok(None);
        }
        Ok(Some(self.schema(id).await?))
    }

    /// Returns the versions that the policy compares a schema of this type with.
    pub(crate) async fn versions_to_check(
        &self,
        context: &CompatibilityContext,
        type_name: &str,
    ) -> RegistryResult<Vec<VersionInfo>> {
        let versions = self.versions().await?;
        let live = self.live_versions(&versions).map(|record| &record.version);
        Ok(compatibility::versions_to_check(context, type_name, live))
    }

    /// Pairs versions with their shapes; versions of one shape need only one comparison. `None` where shapes
    /// cannot stand for schemas.
    pub(crate) async fn with_shapes(
        &self,
        selected: Vec<VersionInfo>,
        prepared: &PreparedSchema,
    ) -> RegistryResult<Vec<(VersionInfo, Option<CompatibilityFingerprint>)>> {
        let versions = self.versions().await?;
        let shape = |version: &VersionInfo| {
            let record = versions.up_to(self.record.schemas).get(version.id as usize)?;
            Some(record.shape.clone())
                .filter(|shape| prepared.can_group_by_fingerprint() && shape.is_current())
        };
        Ok(selected.into_iter().map(|version| (version.clone(), shape(&version))).collect())
    }

    /// Returns the key of a prepared schema in the cache.
    pub(crate) fn prepared_key(&self, id: u32, context: &CompatibilityContext) -> PreparedKey {
        (self.record.incarnation, id, context.rules != Rules::Java)
    }

    /// Returns the version of the group's record.
    pub(crate) fn version(&self) -> Version {
        self.version
    }
}

/// Reads a schema of an incarnation: it is immutable, and is removed when the group is deleted.
///
/// # Errors
/// `NotFound` when there is no such schema, or the group was deleted.
pub(crate) async fn read_schema(
    table: &Table,
    cache: &RegistryCache,
    group: &GroupId,
    incarnation: u64,
    id: u32,
) -> RegistryResult<Arc<SchemaRecord>> {
    let key = (incarnation, id);
    if let Some(cached) = cache.schemas.get(&key) {
        return Ok(cached);
    }
    let entry = table.entry(&keys::schema(incarnation, id)).await?;
    let entry = entry.ok_or_else(|| no_schema(group, id))?;
    let what = format!("schema {id} of group {group}");
    let record = Arc::new(SchemaRecord::decode(&what, &entry.value)?);
    cache.schemas.insert(key, Arc::clone(&record));
    Ok(record)
}

fn no_schema(group: &GroupId, id: u32) -> RegistryError {
    not_found(format!("schema {id} of group {group} does not exist"))
}
