//! Creation and deletion of groups, and deletion of versions.

use crate::changelog;
use crate::error::contended;
use crate::keys;
use crate::records::{self, GroupRecord, SchemaRecord};
use crate::references::resolution::referrer_keys;
use crate::registry::Registry;
use crate::snapshot::format_kind;
use crate::table::MAX_ATTEMPTS;
use bytes::Bytes;
use kulya_registry_api::RegistryResult;
use kulya_registry_api::administration::ChangeEvent;
use kulya_schema::GroupId;
use kulya_store::{Condition, Entry, TableChange};

/// The lock that every creation of a group takes, since all of them increment the last incarnation.
fn creation_lock() -> GroupId {
    GroupId::new("", "")
}

/// What a deletion does if schemas refer to what it deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfReferenced {
    Refuse,
    Delete,
}

/// Records removed in one commit.
const DELETE_BATCH: usize = 500;

impl Registry {
    /// Allocates an incarnation that no other group has.
    pub(crate) async fn new_incarnation(&self) -> RegistryResult<u64> {
        let _lock = self.cache.lock_group(&creation_lock()).await;
        for _ in 0..MAX_ATTEMPTS {
            let (incarnation, change) = self.next_incarnation().await?;
            if self.table.commit(vec![change], Vec::new()).await? {
                return Ok(incarnation);
            }
        }
        Err(contended("the list of groups"))
    }

    async fn next_incarnation(&self) -> RegistryResult<(u64, TableChange)> {
        let last = self.table.record::<u64>("the last incarnation", &keys::last_incarnation()).await?;
        let (incarnation, condition) = match last {
            Some((last, version)) => (last + 1, Condition::At(version)),
            None => (0, Condition::Absent),
        };
        let record = records::encode(&incarnation);
        Ok((incarnation, TableChange::put(&self.table.id, keys::last_incarnation(), condition, record)))
    }

    /// Creates a group whose record `record` builds from a new incarnation. Returns `false` when a group of
    /// that name exists.
    pub(crate) async fn create_group_with(
        &self,
        group: &GroupId,
        event: ChangeEvent,
        record: impl Fn(u64) -> GroupRecord,
    ) -> RegistryResult<bool> {
        let _lock = self.cache.lock_group(&creation_lock()).await;
        for _ in 0..MAX_ATTEMPTS {
            if self.table.entry(&keys::group(group)).await?.is_some() {
                return Ok(false);
            }
            let (incarnation, next) = self.next_incarnation().await?;
            if self.commit_new_group(group, event.clone(), &record(incarnation), vec![next]).await? {
                return Ok(true);
            }
        }
        Err(contended("the list of groups"))
    }

    /// Commits a new group's record, `changes` with it. Returns `false` when a group of that name exists, or
    /// a condition of `changes` does not hold.
    pub(crate) async fn commit_new_group(
        &self,
        group: &GroupId,
        event: ChangeEvent,
        record: &GroupRecord,
        mut changes: Vec<TableChange>,
    ) -> RegistryResult<bool> {
        let (key, record) = (keys::group(group), records::encode(record));
        changes.push(TableChange::put(&self.table.id, key, Condition::Absent, record));
        self.table.commit(changes, vec![changelog::encode(group, event, self.now_ms())]).await
    }

    /// Deletes a group with all its records; succeeds also when there is none.
    ///
    /// # Errors
    /// `Referenced` with [`IfReferenced::Refuse`] when schemas of other groups refer to its schemas.
    pub(crate) async fn delete_group_records(
        &self,
        group: &GroupId,
        if_referenced: IfReferenced,
    ) -> RegistryResult<()> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(entry) = self.table.entry(&keys::group(group)).await? else { return Ok(()) };
            let record: GroupRecord = records::decode(&format!("group {group}"), &entry.value)?;
            if if_referenced == IfReferenced::Refuse {
                // a schema that comes to refer to one of these replaces the record, and the commit fails
                self.check_group_unreferenced(group, record.incarnation).await?;
            }
            let remove = TableChange::remove(&self.table.id, entry.key, Condition::At(entry.version));
            let event = changelog::encode(group, ChangeEvent::GroupDeleted, self.now_ms());
            if self.table.commit(vec![remove], vec![event]).await? {
                return self.remove_incarnation(record.incarnation).await;
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// Deletes a version softly; succeeds also when it is deleted already.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or version, `Referenced` with [`IfReferenced::Refuse`] when
    /// schemas refer to it.
    pub(crate) async fn delete_version(
        &self,
        group: &GroupId,
        id: u32,
        if_referenced: IfReferenced,
    ) -> RegistryResult<()> {
        let _lock = self.cache.lock_group(group).await;
        for _ in 0..MAX_ATTEMPTS {
            let mut snapshot = self.snapshot(group).await?;
            let record = snapshot.schema(id).await?;
            if !snapshot.record_mut().deleted.insert(id) {
                return Ok(());
            }
            if if_referenced == IfReferenced::Refuse {
                // a schema that comes to refer to it replaces the group's record, and the commit fails
                self.check_schema_unreferenced(group, id).await?;
            }
            let (schema, incarnation) = (&record.schema, snapshot.record.incarnation);
            let kind = format_kind(&schema.format);
            let fingerprint = keys::fingerprint(incarnation, &record.fingerprint, kind, &schema.type_name);
            let keys = std::iter::once(fingerprint).chain(referrer_keys(&record.references, incarnation, id));
            let removed = keys.map(|key| TableChange::remove(&self.table.id, key, Condition::Any)).collect();
            let event = ChangeEvent::SchemaDeleted { version_info: record.version.clone() };
            if snapshot.commit(removed, event, self.now_ms()).await? {
                return Ok(());
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// Removes the records of an incarnation whose group record is deleted. Nobody reads them any more, so a
    /// process that stops half-way leaves nothing but unused space.
    pub(crate) async fn remove_incarnation(&self, incarnation: u64) -> RegistryResult<()> {
        for prefix in keys::incarnation_prefixes(incarnation) {
            loop {
                let entries = self.table.page(&prefix, None, DELETE_BATCH).await?;
                let is_last = entries.len() < DELETE_BATCH;
                let mut keys = Vec::with_capacity(entries.len());
                for entry in entries {
                    if keys::is_schema(&entry.key) {
                        keys.extend(indexed_keys(incarnation, &entry)?);
                    }
                    keys.push(entry.key);
                }
                for keys in keys.chunks(DELETE_BATCH) {
                    let remove =
                        |key: &Bytes| TableChange::remove(&self.table.id, key.clone(), Condition::Any);
                    self.table.commit(keys.iter().map(remove).collect(), Vec::new()).await?;
                }
                if is_last {
                    break;
                }
            }
        }
        self.cache.versions.remove(&incarnation);
        Ok(())
    }
}

/// Returns the keys under which the index of references has the version in the record of a schema.
fn indexed_keys(incarnation: u64, schema: &Entry) -> RegistryResult<Vec<Bytes>> {
    let references = SchemaRecord::decode_references("a schema", &schema.value)?;
    let id = schema.key.last_chunk::<4>().map(|id| u32::from_be_bytes(*id)).unwrap_or_default();
    Ok(referrer_keys(&references, incarnation, id).collect())
}
