//! The operations: each reads a group, lets the rules decide, and commits.

use crate::group::{Group, kind, not_found};
use crate::keys;
use crate::records::{self, EncodingRecord, Head, HeadVersion, SchemaRecord};
use crate::table::{TRIES, Table, contended};
use async_trait::async_trait;
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, Normal,
    SchemaInfo, SchemaWithVersion, VersionInfo, decide, limits, normalize,
};
use kulya_store::clock::Clock;
use kulya_store::{Condition, StreamStore, TableChange};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The schema registry on a store. Clones share the store.
#[derive(Clone)]
pub struct Registry {
    table: Table,
    clock: Arc<dyn Clock>,
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page {
    /// In name order.
    pub groups: Vec<(GroupId, GroupProperties)>,
    /// Where the next page begins; give it back unchanged. The page after the last is empty.
    pub token: String,
}

/// The groups of a namespace that hold a schema, with its version in each.
pub type AddedTo = BTreeMap<String, VersionInfo>;

fn refused(error: kulya_schema::Error) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, error.to_string())
}

impl Registry {
    /// Opens the registry kept in this store, or makes an empty one. Makes the system scope `_schemaregistry`.
    pub async fn open(store: Arc<dyn StreamStore>, clock: Arc<dyn Clock>) -> RegistryResult<Self> {
        Ok(Self { table: Table::open(store).await?, clock })
    }

    /// A page of a namespace's groups: at most `limit`, behind `token` (empty for the first).
    pub async fn groups_page(&self, namespace: &str, token: &str, limit: usize) -> RegistryResult<Page> {
        let prefix = keys::namespace(namespace);
        let after = if token.is_empty() { None } else { Some(keys::group(&GroupId::new(namespace, token))) };
        let scan = self.table.store.scan(&self.table.id, &prefix, after.as_deref(), limit);
        let entries = scan.await.map_err(crate::table::from_store)?;
        let mut groups = Vec::with_capacity(entries.len());
        for entry in entries {
            let id = GroupId::new(namespace, keys::group_name(namespace, &entry.key));
            let head: Head = records::read(&format!("group {id}"), &entry.value)?;
            groups.push((id, head.properties));
        }
        let token = groups.last().map_or_else(|| token.to_owned(), |(id, _)| id.name.clone());
        Ok(Page { groups, token })
    }

    /// Sets a group's rule; `false` when `previous` is given and is not the rule now.
    pub async fn update_compatibility(
        &self,
        group: &GroupId,
        compatibility: Compatibility,
        previous: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        for _ in 0..TRIES {
            let mut state = Group::read(&self.table, group).await?;
            if previous.as_ref().is_some_and(|previous| *previous != state.head.properties.compatibility) {
                return Ok(false);
            }
            state.head.properties.compatibility = compatibility.clone();
            if self.table.change(vec![state.put_head()]).await? {
                return Ok(true);
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// Whether a schema could be added, by the group's rule or by another.
    pub async fn validate(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        policy: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        let normal = normalize(schema).map_err(refused)?;
        let mut state = Group::read(&self.table, group).await?;
        if let Some(policy) = policy {
            state.head.properties.compatibility = policy;
        }
        check_format(&state, &normal.schema)?;
        Ok(self.judge(&state, &normal.judged()).await?.is_ok())
    }

    /// Deletes a version softly (contract §2.2); fine when it is deleted already.
    pub async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        for _ in 0..TRIES {
            let mut state = Group::read(&self.table, group).await?;
            let record = state.schema(id).await?;
            match state.head.versions.get_mut(id as usize) {
                Some(version) if !version.deleted => version.deleted = true,
                _ => return Ok(()),
            }
            let schema = &record.schema;
            let fingerprint = keys::fingerprint(
                state.head.incarnation,
                &record.fingerprint,
                kind(&schema.format),
                &schema.type_name,
            );
            let forget = TableChange::remove(&self.table.id, fingerprint, Condition::Any);
            if self.table.change(vec![state.put_head(), forget]).await? {
                return Ok(());
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// The id of a version given by format, type and number, the deleted ones included.
    pub async fn version_id(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<u32> {
        let state = Group::read(&self.table, group).await?;
        let found = state
            .head
            .versions
            .iter()
            .map(|v| &v.version)
            .find(|v| v.format == format && v.type_name == type_name && v.version == version);
        found.map(|v| v.id).ok_or_else(|| {
            not_found(format!("group {group} has no version {version} of {format} type {type_name:?}"))
        })
    }

    /// Which groups of a namespace hold this very schema.
    pub async fn added_to(&self, namespace: &str, schema: SchemaInfo) -> RegistryResult<AddedTo> {
        let normal = normalize(schema).map_err(refused)?;
        let mut found = AddedTo::new();
        for entry in self.table.all(&keys::namespace(namespace)).await? {
            let id = GroupId::new(namespace, keys::group_name(namespace, &entry.key));
            let Ok(state) = Group::read(&self.table, &id).await else { continue };
            if let Some(version) = state.find(&normal.schema, &normal.fingerprint).await? {
                found.insert(id.name, version);
            }
        }
        Ok(found)
    }

    async fn judge(
        &self,
        state: &Group<'_>,
        schema: &SchemaInfo,
    ) -> RegistryResult<Result<(), decide::Refusal>> {
        let live: Vec<VersionInfo> = state.head.live().cloned().collect();
        let consulted = decide::consulted(&state.head.properties, &schema.type_name, &live);
        let consulted = state.schemas(consulted).await?;
        decide::may_add(&state.head.properties, schema, &consulted).map_err(refused)
    }

    /// One try to add a schema; `None` when somebody else changed the group meanwhile.
    async fn try_add(&self, group: &GroupId, normal: &Normal) -> RegistryResult<Option<VersionInfo>> {
        let Normal { schema, fingerprint, .. } = normal;
        let mut state = Group::read(&self.table, group).await?;
        if let Some(known) = state.find(schema, fingerprint).await? {
            return Ok(Some(known));
        }
        check_format(&state, schema)?;
        if let Err(refusal) = self.judge(&state, &normal.judged()).await? {
            return Err(RegistryError::new(
                RegistryErrorKind::Incompatible,
                format!("group {group}: {refusal}"),
            ));
        }
        let version = state.head.next_version(schema.format.full_name(), &schema.type_name);
        let record = SchemaRecord {
            schema: schema.clone(),
            version: version.clone(),
            compatibility: state.head.properties.compatibility.clone(),
            timestamp_ms: self.clock.since_epoch().as_millis() as u64,
            fingerprint: *fingerprint,
        };
        state.head.versions.push(HeadVersion { version: version.clone(), deleted: false });
        let incarnation = state.head.incarnation;
        let identity = keys::fingerprint(incarnation, fingerprint, kind(&schema.format), &schema.type_name);
        let put = |key, condition, value| TableChange::put(&self.table.id, key, condition, value);
        let changes = vec![
            state.put_head(),
            put(keys::schema(incarnation, version.id), Condition::Absent, records::write(&record)),
            put(identity, Condition::Any, records::write(&version.id)),
        ];
        Ok(self.table.change(changes).await?.then_some(version))
    }

    /// One try to give a pair its encoding id.
    async fn try_encoding(
        &self,
        group: &GroupId,
        schema: u32,
        codec: &str,
    ) -> RegistryResult<Option<EncodingId>> {
        let mut state = Group::read(&self.table, group).await?;
        let pair = keys::pair(state.head.incarnation, schema, codec);
        if let Some((id, _)) = self.table.record::<u32>("an encoding", &pair).await? {
            return Ok(Some(EncodingId(id)));
        }
        if !state.head.live().any(|version| version.id == schema) {
            return Err(not_found(format!("schema {schema} of group {group} does not exist")));
        }
        let known = state.head.codecs.iter().find(|known| known.name == codec).cloned();
        let none = || (codec.is_empty()).then(CodecType::default);
        let codec = known.or_else(none).ok_or_else(|| {
            RegistryError::new(RegistryErrorKind::CodecUnknown, format!("codec {codec} not registered"))
        })?;
        let id = state.head.encodings;
        state.head.encodings += 1;
        let record = EncodingRecord { schema, codec };
        let key = keys::encoding(state.head.incarnation, id);
        let changes = vec![
            state.put_head(),
            TableChange::put(&self.table.id, key, Condition::Absent, records::write(&record)),
            TableChange::put(&self.table.id, pair, Condition::Absent, records::write(&id)),
        ];
        Ok(self.table.change(changes).await?.then_some(EncodingId(id)))
    }
}

fn check_format(state: &Group<'_>, schema: &SchemaInfo) -> RegistryResult<()> {
    if decide::takes_format(&state.head.properties, schema) {
        return Ok(());
    }
    // the contract wants the format's name alone in the answer to this one
    Err(RegistryError::new(RegistryErrorKind::FormatMismatch, schema.format.full_name())
        .because(format!("group {} takes {} schemas only", state.id, state.head.properties.format)))
}

fn of_type<'a>(wanted: Option<&'a str>) -> impl Fn(&VersionInfo) -> bool + 'a {
    move |version| wanted.is_none_or(|wanted| version.type_name == wanted)
}

#[async_trait]
impl SchemaRegistry for Registry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        limits::check_group(group).map_err(refused)?;
        limits::check_properties(&properties).map_err(refused)?;
        for _ in 0..TRIES {
            if self.table.entry(&keys::group(group)).await?.is_some() {
                return Ok(false);
            }
            let last = self.table.record::<u64>("the incarnations", &keys::incarnations()).await?;
            let (incarnation, condition) = match last {
                Some((last, version)) => (last + 1, Condition::At(version)),
                None => (0, Condition::Absent),
            };
            let properties = properties.clone();
            let head =
                Head { incarnation, properties, versions: Vec::new(), encodings: 0, codecs: Vec::new() };
            let put = |key, condition, value| TableChange::put(&self.table.id, key, condition, value);
            let changes = vec![
                put(keys::incarnations(), condition, records::write(&incarnation)),
                put(keys::group(group), Condition::Absent, records::write(&head)),
            ];
            if self.table.change(changes).await? {
                return Ok(true);
            }
        }
        Err(contended("the list of groups"))
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        Ok(Group::read(&self.table, group).await?.head.properties)
    }

    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        const PAGE: usize = 1000;
        let (mut groups, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.groups_page(namespace, &token, PAGE).await?;
            if page.groups.is_empty() {
                return Ok(groups);
            }
            groups.extend(page.groups);
            token = page.token;
        }
    }

    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        for _ in 0..TRIES {
            let Some(entry) = self.table.entry(&keys::group(group)).await? else { return Ok(()) };
            // what hangs on the old incarnation is never read again
            let remove = TableChange::remove(&self.table.id, entry.key, Condition::At(entry.version));
            if self.table.change(vec![remove]).await? {
                return Ok(());
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let normal = normalize(schema).map_err(refused)?;
        for _ in 0..TRIES {
            if let Some(version) = self.try_add(group, &normal).await? {
                return Ok(version);
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let normal = normalize(schema).map_err(refused)?;
        let state = Group::read(&self.table, group).await?;
        let found = state.find(&normal.schema, &normal.fingerprint).await?;
        found.ok_or_else(|| {
            not_found(format!(
                "this schema of type {:?} is not registered in group {group}",
                normal.schema.type_name
            ))
        })
    }

    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let state = Group::read(&self.table, group).await?;
        let wanted = of_type(type_name);
        let mut latest = decide::latest_of_each(state.head.live().filter(|version| wanted(version)));
        if let Some(type_name) = type_name {
            // one answer: the highest version number over all formats
            let last = latest.into_iter().max_by_key(|v| (v.version, v.id));
            latest =
                vec![last.ok_or_else(|| {
                    not_found(format!("group {group} has no schema of type {type_name:?}"))
                })?];
        }
        state.schemas(latest).await
    }

    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let state = Group::read(&self.table, group).await?;
        let wanted = state.head.live().filter(|v| of_type(type_name)(v)).cloned().collect();
        state.schemas(wanted).await
    }

    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        Ok(Group::read(&self.table, group).await?.schema(id).await?.schema)
    }

    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        let normal = normalize(schema).map_err(refused)?;
        let state = Group::read(&self.table, group).await?;
        let live: Vec<VersionInfo> = state.head.live().cloned().collect();
        let consulted = decide::consulted(&state.head.properties, &normal.schema.type_name, &live);
        let consulted = state.schemas(consulted).await?;
        decide::may_read(&state.head.properties, &normal.judged(), &consulted).map_err(refused)
    }

    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        let state = Group::read(&self.table, group).await?;
        let mut history = Vec::new();
        for version in state.head.live() {
            let SchemaRecord { schema, version, compatibility, timestamp_ms, .. } =
                state.schema(version.id).await?;
            history.push(HistoryRecord { schema, version, compatibility, timestamp_ms });
        }
        Ok(history)
    }

    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        for _ in 0..TRIES {
            if let Some(id) = self.try_encoding(group, version.id, codec).await? {
                return Ok(id);
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        let state = Group::read(&self.table, group).await?;
        let what = format!("encoding {} of group {group}", id.0);
        let found = self.table.record(&what, &keys::encoding(state.head.incarnation, id.0)).await?;
        let (EncodingRecord { schema, codec }, _) =
            found.ok_or_else(|| not_found(format!("{what} does not exist")))?;
        let SchemaRecord { schema, version, .. } = state.schema(schema).await?;
        Ok(EncodingInfo { schema, version, codec })
    }

    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        Ok(Group::read(&self.table, group).await?.head.codecs)
    }

    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        limits::check_codec(&codec).map_err(refused)?;
        for _ in 0..TRIES {
            let mut state = Group::read(&self.table, group).await?;
            if state.head.codecs.iter().any(|known| known.name == codec.name) {
                return Ok(());
            }
            state.head.codecs.push(codec.clone());
            if self.table.change(vec![state.put_head()]).await? {
                return Ok(());
            }
        }
        Err(contended(format!("group {group}")))
    }
}
