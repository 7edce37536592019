//! The operations of clients ([`SchemaRegistry`]): each reads a group, applies the rules, and commits.

use crate::error::{contended, invalid_input, not_found};
use crate::keys;
use crate::lifecycle::IfReferenced;
use crate::listing::Listing;
use crate::records::{self, EncodingRecord, GroupRecord, SchemaRecord, VersionRecord};
use crate::references::resolution::{self, Resolution};
use crate::registry::Registry;
use crate::snapshot::{GroupSnapshot, format_kind};
use crate::table::{MAX_ATTEMPTS, Table};
use crate::worker_pool::JobRunner;
use async_trait::async_trait;
use futures::TryStreamExt;
use kulya_registry_api::administration::{ChangeEvent, PageRequest, RegistryAdministration};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CanonicalSchema, CodecType, Compatibility, EncodingId, EncodingInfo, GroupId, GroupProperties,
    HistoryRecord, Reference, SchemaInfo, SchemaWithVersion, Unresolved, VersionInfo, compatibility,
    validation,
};
use kulya_store::{Condition, TableChange};
use std::sync::Arc;

/// How often a schema is checked without the group's lock before it is checked under the lock.
const UNLOCKED_ATTEMPTS: usize = 3;

impl Registry {
    /// Sets a group's policy. Returns `false` when `previous` is given and is not the current policy. Any
    /// policy can be set for any format: by Java's rules a policy without a checker accepts everything
    /// (contract §3.5).
    ///
    /// # Errors
    /// `NotFound` when the group does not exist, `Unavailable` when too many others change it or the store
    /// fails.
    pub async fn update_compatibility(
        &self,
        group: &GroupId,
        compatibility: Compatibility,
        previous: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        let _lock = self.cache.lock_group(group).await;
        for _ in 0..MAX_ATTEMPTS {
            let mut snapshot = self.snapshot(group).await?;
            if previous.as_ref().is_some_and(|previous| *previous != snapshot.record.properties.compatibility)
            {
                return Ok(false);
            }
            snapshot.record_mut().properties.compatibility = compatibility.clone();
            let event = ChangeEvent::GroupChanged { properties: snapshot.record.properties.clone() };
            if snapshot.commit(Vec::new(), event, self.now_ms()).await? {
                return Ok(true);
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// Adds a schema, or finds it when it is registered already.
    pub(crate) async fn find_or_add(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<VersionInfo> {
        let runner = self.workers.runner();
        let mut addition = None;
        for attempt in 0..MAX_ATTEMPTS {
            let lock_first = attempt >= UNLOCKED_ATTEMPTS;
            let attempted = match addition.take() {
                Some(addition) => addition,
                None => self.addition(group, &runner, schema.clone(), &references).await?,
            };
            if let Some(version) = self.try_add(group, &runner, &attempted, lock_first).await? {
                return Ok(version);
            }
            // what a schema refers to may have changed, too
            addition = attempted.resolution.is_none().then_some(attempted);
        }
        Err(contended(format!("group {group}")))
    }

    /// Returns the version of a schema that is registered and not deleted. A store may have it under the
    /// fingerprint of an earlier version of the program, which may be another schema's too.
    pub(crate) async fn find_registered(
        &self,
        snapshot: &GroupSnapshot<'_>,
        runner: &JobRunner,
        canonical: &Arc<CanonicalSchema>,
    ) -> RegistryResult<Option<VersionInfo>> {
        let own = (&canonical.fingerprint, canonical.is_shared_fingerprint);
        let former = canonical.former_fingerprint.as_ref().map(|former| (former, true));
        for (fingerprint, is_shared) in std::iter::once(own).chain(former) {
            let Some(record) = snapshot.find_by_fingerprint(canonical, fingerprint).await? else { continue };
            if !is_shared || Self::is_same_content(runner, canonical, &record).await? {
                return Ok(Some(record.version.clone()));
            }
        }
        Ok(None)
    }

    async fn is_same_content(
        runner: &JobRunner,
        canonical: &Arc<CanonicalSchema>,
        record: &Arc<SchemaRecord>,
    ) -> RegistryResult<bool> {
        let (canonical, registered) = (Arc::clone(canonical), Arc::clone(record));
        let bytes = registered.schema.data.len();
        runner.run_linear(bytes, move |_| canonical.is_same_content(&registered.schema)).await
    }

    /// Parses a schema, and reads what it refers to.
    async fn addition(
        &self,
        group: &GroupId,
        runner: &JobRunner,
        schema: SchemaInfo,
        references: &[Reference],
    ) -> RegistryResult<Addition> {
        if references.is_empty() {
            return Ok(Addition { canonical: self.canonicalize(runner, schema).await?, resolution: None });
        }
        // a group that does not exist is reported before what the schema refers to
        self.snapshot(group).await?;
        let resolution = self.resolve(runner, schema, references.to_vec()).await?;
        let canonical = self.canonicalize(runner, resolution.schema.clone()).await?;
        Ok(Addition { canonical, resolution: Some(resolution) })
    }

    /// Removes the reasons from the error of an incompatible schema, for a caller who may add to the group
    /// and not read it: they describe other schemas.
    pub(crate) fn redact_refusal(&self, group: &GroupId, error: RegistryError) -> RegistryError {
        match error.kind() {
            RegistryErrorKind::Incompatible if !self.is_visible(group) => {
                let what = format!(
                    "group {group} refuses the schema: the reasons need permission to read the group"
                );
                RegistryError::new(RegistryErrorKind::Incompatible, what)
            }
            RegistryErrorKind::FormatMismatch if !self.is_visible(group) => {
                RegistryError::new(RegistryErrorKind::FormatMismatch, error.to_string())
            }
            _ => error,
        }
    }

    /// Attempts once to add a schema; returns `None` when the group changed meanwhile. Without `lock_first`
    /// the schema is checked before the group's lock is taken, so that a long check does not block other
    /// changes of the group; with it, a group that changes all the time cannot starve the caller.
    async fn try_add(
        &self,
        group: &GroupId,
        runner: &JobRunner,
        addition: &Addition,
        lock_first: bool,
    ) -> RegistryResult<Option<VersionInfo>> {
        let Addition { canonical, resolution } = addition;
        let schema = &canonical.schema;
        let lock = if lock_first { self.cache.lock_group(group).await } else { None };
        let snapshot = self.snapshot(group).await?;
        // most serializers send a schema that is registered
        if let Some(registered) = self.find_registered(&snapshot, runner, canonical).await? {
            return Ok(Some(registered));
        }
        check_format(&snapshot, schema)?;
        let context = self.compatibility_context(&snapshot)?;
        if let Err(refusal) = self.check_addition(&snapshot, runner, canonical, &context).await? {
            let what = format!("group {group}: {refusal}");
            return Err(RegistryError::new(RegistryErrorKind::Incompatible, what).with_refusal(refusal));
        }
        let checked_version = snapshot.version();
        let _lock = if lock.is_some() { lock } else { self.cache.lock_group(group).await };
        let mut snapshot = self.snapshot(group).await?;
        if snapshot.version() != checked_version {
            return Ok(None);
        }
        let versions = snapshot.versions().await?;
        let next = versions.next_version(schema.format.full_name(), &schema.type_name);
        let version = VersionInfo { id: snapshot.record.schemas, ..next };
        let compatibility = snapshot.record.properties.compatibility.clone();
        let unresolved = resolution.as_ref().map(|resolution| resolution.unresolved.clone());
        let added = NewSchema::new(canonical, version.clone(), compatibility, self.now_ms(), unresolved);
        let conditions = match resolution {
            Some(resolution) => resolution.conditions(&snapshot),
            None => Some(Vec::new()),
        };
        let Some(conditions) = conditions else { return Ok(None) };
        snapshot.record_mut().schemas += 1;
        let mut changes = added.changes(&self.table, group, snapshot.record.incarnation, true);
        changes.extend(conditions);
        let event = ChangeEvent::SchemaAdded { version_info: version.clone() };
        // else the list in the cache has two owners, and would be copied to be extended
        drop(versions);
        if !snapshot.commit(changes, event, self.now_ms()).await? {
            return Ok(None);
        }
        snapshot.cache_added(added.version, added.schema);
        Ok(Some(version))
    }

    /// Returns the encoding id of a schema and a codec, if they have one.
    async fn find_encoding(
        &self,
        snapshot: &GroupSnapshot<'_>,
        schema: u32,
        codec: &str,
    ) -> RegistryResult<Option<EncodingId>> {
        let key = keys::encoding_id(snapshot.record.incarnation, schema, codec);
        let found = self.table.record::<u32>("an encoding", &key).await?;
        Ok(found.map(|(id, _)| EncodingId(id)))
    }

    /// Attempts once to find or allocate the encoding id of a schema and a codec; returns `None` when the
    /// group changed meanwhile.
    async fn try_add_encoding(
        &self,
        group: &GroupId,
        schema: u32,
        codec: &str,
    ) -> RegistryResult<Option<EncodingId>> {
        let mut snapshot = self.snapshot(group).await?;
        if let Some(id) = self.find_encoding(&snapshot, schema, codec).await? {
            return Ok(Some(id));
        }
        if schema >= snapshot.record.schemas || snapshot.record.deleted.contains(schema) {
            return Err(not_found(format!("schema {schema} of group {group} does not exist")));
        }
        let registered = snapshot.record.codecs.iter().find(|registered| registered.name == codec).cloned();
        let none = || (codec.is_empty()).then(CodecType::default);
        let codec = registered.or_else(none).ok_or_else(|| {
            RegistryError::new(RegistryErrorKind::CodecUnknown, format!("codec {codec} not registered"))
        })?;
        let id = snapshot.record.encodings;
        snapshot.record_mut().encodings += 1;
        let (name, record) = (codec.name.clone(), EncodingRecord { schema, codec });
        let changes = encoding_changes(&self.table, snapshot.record.incarnation, id, &record);
        let event =
            ChangeEvent::EncodingAdded { encoding_id: EncodingId(id), schema_id: schema, codec: name };
        Ok(snapshot.commit(changes, event, self.now_ms()).await?.then_some(EncodingId(id)))
    }
}

/// A schema to be added, and what it refers to.
struct Addition {
    canonical: Arc<CanonicalSchema>,
    /// `None` for a schema without references.
    resolution: Option<Resolution>,
}

/// The records of a schema to be added.
pub(crate) struct NewSchema {
    pub(crate) version: VersionRecord,
    pub(crate) schema: SchemaRecord,
    unresolved: Option<Unresolved>,
}

impl NewSchema {
    pub(crate) fn new(
        canonical: &CanonicalSchema,
        version: VersionInfo,
        compatibility: Compatibility,
        timestamp_ms: u64,
        unresolved: Option<Unresolved>,
    ) -> Self {
        let references = unresolved.as_ref().map(|unresolved| unresolved.references.clone());
        let schema = SchemaRecord {
            schema: canonical.schema.clone(),
            version: version.clone(),
            compatibility,
            timestamp_ms,
            fingerprint: canonical.fingerprint,
            references: references.unwrap_or_default(),
        };
        let version = VersionRecord { version, shape: canonical.compatibility_fingerprint.clone() };
        Self { version, schema, unresolved }
    }

    /// Returns the changes of the table that add the records to a group, and for a live schema those of its
    /// fingerprint and of what it refers to.
    pub(crate) fn changes(
        &self,
        table: &Table,
        group: &GroupId,
        incarnation: u64,
        live: bool,
    ) -> Vec<TableChange> {
        let SchemaRecord { schema, version, fingerprint, .. } = &self.schema;
        let id = &version.id;
        let put = |key, condition, value| TableChange::put(&table.id, key, condition, value);
        let mut changes = vec![
            put(keys::version(incarnation, *id), Condition::Absent, records::encode(&self.version)),
            put(keys::schema(incarnation, *id), Condition::Absent, self.schema.encode()),
        ];
        if live {
            let key =
                keys::fingerprint(incarnation, fingerprint, format_kind(&schema.format), &schema.type_name);
            changes.push(put(key, Condition::Any, records::encode(id)));
        }
        if let Some(unresolved) = &self.unresolved {
            changes.extend(resolution::changes(table, group, incarnation, version, unresolved, live));
        }
        changes
    }
}

/// Returns the changes of the table that add an encoding.
pub(crate) fn encoding_changes(
    table: &Table,
    incarnation: u64,
    id: u32,
    record: &EncodingRecord,
) -> Vec<TableChange> {
    let put = |key, value| TableChange::put(&table.id, key, Condition::Absent, value);
    vec![
        put(keys::encoding(incarnation, id), records::encode(record)),
        put(keys::encoding_id(incarnation, record.schema, &record.codec.name), records::encode(&id)),
    ]
}

/// Checks that a group accepts schemas of this format.
///
/// # Errors
/// `FormatMismatch` when it does not.
pub(crate) fn check_format(snapshot: &GroupSnapshot<'_>, schema: &SchemaInfo) -> RegistryResult<()> {
    if compatibility::accepts_format(&snapshot.record.properties, schema) {
        return Ok(());
    }
    // the contract requires the format's name alone in the response to this one
    Err(RegistryError::new(RegistryErrorKind::FormatMismatch, schema.format.full_name())
        .because(format!("group {} accepts only {} schemas", snapshot.id, snapshot.record.properties.format)))
}

fn with_version(HistoryRecord { schema, version, .. }: HistoryRecord) -> SchemaWithVersion {
    SchemaWithVersion { schema, version }
}

#[async_trait]
impl SchemaRegistry for Registry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        self.check_create(group)?;
        validation::check_group(group).map_err(invalid_input)?;
        validation::check_properties(&properties, self.checkers()).map_err(invalid_input)?;
        let event = ChangeEvent::GroupCreated { properties: properties.clone() };
        self.create_group_with(group, event, |incarnation| GroupRecord::new(incarnation, properties.clone()))
            .await
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        Ok(self.snapshot(group).await?.record.properties.clone())
    }

    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        const PAGE: usize = 1000;
        let (mut groups, mut request) = (Vec::new(), PageRequest::first(PAGE));
        loop {
            let page = self.groups_page(namespace, &request).await?;
            groups.extend(page.items);
            match page.next {
                Some(next) => request.after = next,
                None => return Ok(groups),
            }
        }
    }

    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        self.delete_group_records(group, IfReferenced::Refuse).await
    }

    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.find_or_add(group, schema, Vec::new()).await.map_err(|error| self.redact_refusal(group, error))
    }

    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let runner = self.workers.runner();
        let canonical = self.canonicalize(&runner, schema).await?;
        let found = self.find_registered(&self.snapshot(group).await?, &runner, &canonical).await?;
        found.ok_or_else(|| {
            not_found(format!(
                "this schema of type {:?} is not registered in group {group}",
                canonical.schema.type_name
            ))
        })
    }

    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let found = self.live_schemas(group, Listing::Latest(type_name)).await?;
        found.map_ok(with_version).try_collect().await
    }

    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let found = self.live_schemas(group, Listing::Versions(type_name)).await?;
        found.map_ok(with_version).try_collect().await
    }

    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        Ok(self.snapshot(group).await?.schema(id).await?.schema.clone())
    }

    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        let runner = self.workers.runner();
        let canonical = self.canonicalize(&runner, schema).await?;
        let snapshot = self.snapshot(group).await?;
        let context = self.compatibility_context(&snapshot)?;
        self.check_reader(&snapshot, &runner, &canonical, &context).await
    }

    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        self.live_schemas(group, Listing::Versions(None)).await?.try_collect().await
    }

    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        if let Some(id) = self.find_encoding(&self.snapshot(group).await?, version.id, codec).await? {
            return Ok(id);
        }
        let _lock = self.cache.lock_group(group).await;
        for _ in 0..MAX_ATTEMPTS {
            if let Some(id) = self.try_add_encoding(group, version.id, codec).await? {
                return Ok(id);
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        let snapshot = self.snapshot(group).await?;
        let what = format!("encoding {} of group {group}", id.0);
        let found = self.table.record(&what, &keys::encoding(snapshot.record.incarnation, id.0)).await?;
        let (EncodingRecord { schema, codec }, _) =
            found.ok_or_else(|| not_found(format!("{what} does not exist")))?;
        let record = snapshot.schema(schema).await?;
        Ok(EncodingInfo { schema: record.schema.clone(), version: record.version.clone(), codec })
    }

    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        Ok(self.snapshot(group).await?.record.codecs.clone())
    }

    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        validation::check_codec(&codec).map_err(invalid_input)?;
        let _lock = self.cache.lock_group(group).await;
        for _ in 0..MAX_ATTEMPTS {
            let mut snapshot = self.snapshot(group).await?;
            if snapshot.record.codecs.iter().any(|registered| registered.name == codec.name) {
                return Ok(());
            }
            snapshot.record_mut().codecs.push(codec.clone());
            let event = ChangeEvent::CodecAdded { codec_type: codec.clone() };
            if snapshot.commit(Vec::new(), event, self.now_ms()).await? {
                return Ok(());
            }
        }
        Err(contended(format!("group {group}")))
    }
}
