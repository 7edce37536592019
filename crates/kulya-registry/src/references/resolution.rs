//! Reads the schemas that a new one refers to, within bounds, and resolves it.

use crate::error::invalid_input;
use crate::records::ReferrerRecord;
use crate::registry::Registry;
use crate::snapshot::GroupSnapshot;
use crate::table::Table;
use crate::worker_pool::JobRunner;
use crate::{keys, records};
use futures::future::{BoxFuture, FutureExt};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::limits::MAX_SCHEMA_BYTES;
use kulya_schema::references::{
    self, MAX_REFERENCE_DEPTH, MAX_REFERENCED_SCHEMAS, ReferencedSchema, check_references,
};
use kulya_schema::{GroupId, Reference, SchemaInfo, Unresolved, VersionInfo};
use kulya_store::{Condition, TableChange};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A schema with what it refers to.
pub(crate) struct Resolution {
    /// The self-contained schema.
    pub(crate) schema: SchemaInfo,
    pub(crate) unresolved: Unresolved,
    /// The groups that it refers to, with their incarnations and a change that fails if one has
    /// changed since.
    groups: BTreeMap<GroupId, (u64, TableChange)>,
}

impl Resolution {
    /// Returns the changes of a commit of `snapshot`'s group that fail if what was referred to is not there
    /// any more; `None` if it is known already that they would fail.
    pub(crate) fn conditions(&self, snapshot: &GroupSnapshot<'_>) -> Option<Vec<TableChange>> {
        let mut changes = Vec::new();
        for (group, (incarnation, touch)) in &self.groups {
            if group != snapshot.id {
                changes.push(touch.clone());
                continue;
            }
            // the commit replaces this group's record anyway
            let is_deleted = |reference: &Reference| {
                reference.group_id() == *group && snapshot.record.deleted.contains(reference.id)
            };
            if snapshot.record.incarnation != *incarnation
                || self.unresolved.references.iter().any(is_deleted)
            {
                return None;
            }
        }
        Some(changes)
    }
}

/// Returns the changes of the table that keep a schema as it was sent, and for a live version those of the
/// index of references.
pub(crate) fn changes(
    table: &Table,
    group: &GroupId,
    incarnation: u64,
    version: &VersionInfo,
    unresolved: &Unresolved,
    live: bool,
) -> Vec<TableChange> {
    let key = keys::unresolved(incarnation, version.id);
    let mut changes =
        vec![TableChange::put(&table.id, key, Condition::Absent, unresolved.schema_data.clone())];
    if live {
        let record = records::encode(&ReferrerRecord { group: group.clone(), version: version.clone() });
        let put = |key| TableChange::put(&table.id, key, Condition::Any, record.clone());
        changes.extend(referrer_keys(&unresolved.references, incarnation, version.id).map(put));
    }
    changes
}

/// Returns the keys under which the index has a version with these references, each once.
pub(crate) fn referrer_keys(
    references: &[Reference],
    incarnation: u64,
    id: u32,
) -> impl Iterator<Item = bytes::Bytes> {
    let keys: HashSet<bytes::Bytes> = references
        .iter()
        .map(|reference| keys::referrer(&reference.group_id(), reference.id, incarnation, id))
        .collect();
    keys.into_iter()
}

fn invalid(what: String) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

/// Makes the error of something that does not exist one of the request: it is not what was asked for.
fn as_invalid(name: &str, error: RegistryError) -> RegistryError {
    match error.kind() {
        RegistryErrorKind::NotFound => invalid(format!("reference {name:?}: {error}")),
        _ => error,
    }
}

impl Registry {
    /// Reads what a schema refers to, and resolves it.
    ///
    /// # Errors
    /// `InvalidInput` when a reference leads to nothing, to a deleted version or to something that
    /// does not fit,
    /// or a limit is exceeded; `Denied` when the caller may not read a group.
    pub(crate) async fn resolve(
        &self,
        runner: &JobRunner,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<Resolution> {
        check_references(&references).map_err(invalid_input)?;
        let mut groups = BTreeMap::new();
        for Reference { name, namespace, group, id } in &references {
            let group = GroupId::new(namespace, group);
            if !self.is_visible(&group) {
                let what = format!("reference {name:?} needs permission to read group {group}");
                return Err(RegistryError::new(RegistryErrorKind::Denied, what));
            }
            let snapshot = self.snapshot(&group).await.map_err(|error| as_invalid(name, error))?;
            if snapshot.record.deleted.contains(*id) {
                let what =
                    format!("reference {name:?}: schema {id} of group {group} is deleted: refer to another");
                return Err(invalid(what));
            }
            let touched = (snapshot.record.incarnation, snapshot.touch());
            // the first one read: a change between two reads must not be missed
            groups.entry(group.clone()).or_insert(touched);
        }
        let mut loader =
            Loader { registry: self, loaded: HashMap::new(), path: HashSet::new(), bytes: schema.data.len() };
        let loaded = loader.load_all(&references, 1).await?;
        let bytes = loader.bytes;
        let resolved = runner.run_linear(bytes, move |budget| {
            let kept = references::compile(schema, &loaded, budget)?;
            Ok((kept.data.clone(), references::resolve(kept, &loaded, budget)?))
        });
        let (schema_data, schema) = resolved.await?.map_err(invalid_input)?;
        Ok(Resolution { schema, unresolved: Unresolved { schema_data, references }, groups })
    }
}

/// Reads schemas with what they refer to, each once.
struct Loader<'r> {
    registry: &'r Registry,
    loaded: HashMap<(GroupId, u32), Arc<ReferencedSchema>>,
    /// The schemas being read, each referred to by the one before.
    path: HashSet<(GroupId, u32)>,
    bytes: usize,
}

type LoadedReferences = Vec<(String, Arc<ReferencedSchema>)>;

impl Loader<'_> {
    fn load_all<'a>(
        &'a mut self,
        references: &'a [Reference],
        depth: usize,
    ) -> BoxFuture<'a, RegistryResult<LoadedReferences>> {
        async move {
            let mut loaded = Vec::with_capacity(references.len());
            for reference in references {
                let schema = self.load(reference, depth).await;
                loaded.push((reference.name.clone(), schema.map_err(|e| as_invalid(&reference.name, e))?));
            }
            Ok(loaded)
        }
        .boxed()
    }

    async fn load(&mut self, reference: &Reference, depth: usize) -> RegistryResult<Arc<ReferencedSchema>> {
        let (group, id) = (reference.group_id(), reference.id);
        let key = (group.clone(), id);
        if let Some(loaded) = self.loaded.get(&key) {
            return Ok(Arc::clone(loaded));
        }
        let label = format!("schema {id} of group {group}");
        if depth > MAX_REFERENCE_DEPTH {
            return Err(invalid(format!(
                "the chain of references to {label} is longer than {MAX_REFERENCE_DEPTH}"
            )));
        }
        if self.loaded.len() + self.path.len() >= MAX_REFERENCED_SCHEMAS {
            return Err(invalid(format!("more than {MAX_REFERENCED_SCHEMAS} schemas are referred to")));
        }
        // only an import can have such references
        if !self.path.insert(key.clone()) {
            return Err(invalid(format!("{label} refers to itself")));
        }
        let snapshot = self.registry.snapshot(&group).await?;
        let record = snapshot.schema(id).await?;
        let schema = snapshot.unresolved(&record).await?;
        self.bytes += schema.data.len();
        if self.bytes > MAX_SCHEMA_BYTES {
            return Err(invalid(format!(
                "the schema and those that it refers to have more than {MAX_SCHEMA_BYTES} bytes"
            )));
        }
        let references = self.load_all(&record.references, depth + 1).await?;
        self.path.remove(&key);
        let loaded = Arc::new(ReferencedSchema { label, schema, references });
        self.loaded.insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }
}
