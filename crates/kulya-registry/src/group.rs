//! One group's state at one moment: its head as read, and what is needed to change it if nobody else did.

use crate::feed;
use crate::keys;
use crate::memory::{JudgedKey, Memory, Versions};
use crate::records::{self, Head, SchemaRecord, VersionRecord};
use crate::table::Table;
use kulya_registry_api::administration::ChangeEvent;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::decide::{self, Judge};
use kulya_schema::{Format, GroupId, Judged, Normal, Rules, SchemaInfo, Shape, VersionInfo};
use kulya_store::{Condition, TableChange, Version};
use std::sync::Arc;

/// Versions read from the store at a time.
const PAGE: usize = 1_000;

pub(crate) struct Group<'a> {
    table: &'a Table,
    memory: &'a Memory,
    pub(crate) id: &'a GroupId,
    pub(crate) head: Arc<Head>,
    version: Version,
}

/// The kind under which a schema's identity is kept.
pub(crate) fn kind(format: &Format) -> &str {
    if let Format::Custom(_) = format { "Custom" } else { format.full_name() }
}

impl<'a> Group<'a> {
    pub(crate) async fn read(table: &'a Table, memory: &'a Memory, id: &'a GroupId) -> RegistryResult<Self> {
        let Some(entry) = table.entry(&keys::group(id)).await? else {
            return Err(not_found(format!("group {id} does not exist: create it first")));
        };
        let version = entry.version;
        let head = match memory.heads.get(id) {
            Some((known, head)) if known == version => head,
            _ => {
                let head = Arc::new(records::read(&format!("group {id}"), &entry.value)?);
                memory.heads.insert(id.clone(), (version, Arc::clone(&head)));
                head
            }
        };
        Ok(Self { table, memory, id, head, version })
    }

    /// The head, to be changed.
    pub(crate) fn change(&mut self) -> &mut Head {
        Arc::make_mut(&mut self.head)
    }

    /// Commits a change of this group: the (changed) head in the place of the one that was read, `more` beside it, and the
    /// change's line in the feed. `false` when somebody else changed the group meanwhile.
    pub(crate) async fn commit(
        &self,
        mut more: Vec<TableChange>,
        event: ChangeEvent,
        now_ms: u64,
    ) -> RegistryResult<bool> {
        let condition = Condition::At(self.version);
        let head = records::write(&*self.head);
        more.push(TableChange::put(&self.table.id, keys::group(self.id), condition, head));
        self.table.change(more, vec![feed::line(self.id, event, now_ms)]).await
    }

    /// The versions that the head counts, and maybe some that came since.
    pub(crate) async fn versions(&self) -> RegistryResult<Arc<Versions>> {
        let incarnation = self.head.incarnation;
        if let Some(known) = self.memory.versions.get(&incarnation)
            && known.len() >= self.head.schemas
        {
            return Ok(known);
        }
        // whoever extends it takes it out, so that it is not copied; others who come meanwhile read it anew
        let known = self.memory.versions.remove(&incarnation).map(|(_, versions)| versions);
        let mut versions = known.map(Arc::unwrap_or_clone).unwrap_or_default();
        while versions.len() < self.head.schemas {
            let missing = (self.head.schemas - versions.len()) as usize;
            let after = versions.len().checked_sub(1).map(|id| keys::version(incarnation, id));
            let page = self.table.page(&keys::versions(incarnation), after, missing.min(PAGE)).await?;
            if page.is_empty() {
                // the group was deleted meanwhile, and what hung on it removed
                return Err(not_found(format!("group {} does not exist any more", self.id)));
            }
            for entry in page {
                let what = format!("version {} of group {}", versions.len(), self.id);
                let record: VersionRecord = records::read(&what, &entry.value)?;
                if record.version.id != versions.len() {
                    let what = format!("the registry's record of {what} is missing");
                    return Err(RegistryError::new(RegistryErrorKind::Failed, what));
                }
                versions.push(record);
            }
        }
        let versions = Arc::new(versions);
        self.memory.versions.insert(incarnation, Arc::clone(&versions));
        Ok(versions)
    }

    /// Remembers what was just added, so that it need not be read.
    pub(crate) fn remember(&self, record: VersionRecord, schema: SchemaRecord) {
        let incarnation = self.head.incarnation;
        self.memory.schemas.insert((incarnation, record.version.id), Arc::new(schema));
        let Some((_, versions)) = self.memory.versions.remove(&incarnation) else { return };
        let mut versions = Arc::unwrap_or_clone(versions);
        if versions.len() == record.version.id {
            versions.push(record);
        }
        self.memory.versions.insert(incarnation, Arc::new(versions));
    }

    /// The live ones of the versions, in id order.
    pub(crate) fn live<'v>(
        &'v self,
        versions: &'v Versions,
    ) -> impl DoubleEndedIterator<Item = &'v VersionRecord> {
        let counted = versions.before(self.head.schemas).iter();
        counted.filter(|record| !self.head.deleted.contains(record.version.id))
    }

    pub(crate) async fn schema(&self, id: u32) -> RegistryResult<Arc<SchemaRecord>> {
        if id >= self.head.schemas {
            return Err(no_schema(self.id, id));
        }
        schema(self.table, self.memory, self.id, self.head.incarnation, id).await
    }

    /// The live version that is this very schema.
    pub(crate) async fn find(&self, normal: &Normal) -> RegistryResult<Option<VersionInfo>> {
        let SchemaInfo { format, type_name, .. } = &normal.schema;
        let key = keys::fingerprint(self.head.incarnation, &normal.fingerprint, kind(format), type_name);
        let Some((id, _)) = self.table.record::<u32>("a fingerprint", &key).await? else { return Ok(None) };
        if id >= self.head.schemas || self.head.deleted.contains(id) {
            return Ok(None);
        }
        Ok(Some(self.schema(id).await?.version.clone()))
    }

    /// The versions that a schema of this type is judged against.
    pub(crate) async fn consulted(&self, judge: &Judge, type_name: &str) -> RegistryResult<Vec<VersionInfo>> {
        let versions = self.versions().await?;
        let live = self.live(&versions).map(|record| &record.version);
        Ok(decide::consulted(judge, type_name, live))
    }

    /// Versions with their shapes, where a schema goes by these.
    pub(crate) async fn shaped(
        &self,
        chosen: Vec<VersionInfo>,
        judged: &Judged,
    ) -> RegistryResult<Vec<(VersionInfo, Option<Shape>)>> {
        let versions = self.versions().await?;
        let shape = |version: &VersionInfo| {
            let record = versions.before(self.head.schemas).get(version.id as usize)?;
            Some(record.shape.clone()).filter(|shape| judged.goes_by_shape() && shape.is_current())
        };
        Ok(chosen.into_iter().map(|version| (version.clone(), shape(&version))).collect())
    }

    /// Under which a schema that was made ready is remembered.
    pub(crate) fn judged_key(&self, id: u32, judge: &Judge) -> JudgedKey {
        (self.head.incarnation, id, judge.rules != Rules::Java)
    }

    /// Which state of the group this is.
    pub(crate) fn version(&self) -> Version {
        self.version
    }
}

/// A schema of a group under an incarnation: it never changes, and goes with the group.
pub(crate) async fn schema(
    table: &Table,
    memory: &Memory,
    group: &GroupId,
    incarnation: u64,
    id: u32,
) -> RegistryResult<Arc<SchemaRecord>> {
    let key = (incarnation, id);
    if let Some(known) = memory.schemas.get(&key) {
        return Ok(known);
    }
    let found = table.entry(&keys::schema(incarnation, id)).await?;
    let found = found.ok_or_else(|| no_schema(group, id))?;
    let what = format!("schema {id} of group {group}");
    let record = Arc::new(SchemaRecord::from_bytes(&what, &found.value)?);
    memory.schemas.insert(key, Arc::clone(&record));
    Ok(record)
}

fn no_schema(group: &GroupId, id: u32) -> RegistryError {
    not_found(format!("schema {id} of group {group} does not exist"))
}

pub(crate) fn not_found(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::NotFound, what)
}
