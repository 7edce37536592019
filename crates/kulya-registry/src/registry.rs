//! What writers and readers ask: each operation reads a group, lets the rules decide, and commits.

use crate::compute::{Compute, ComputeLimits, Work};
use crate::group::{Group, kind, not_found};
use crate::keys;
use crate::listing::Listing;
use crate::memory::Memory;
use crate::records::{self, EncodingRecord, Head, SchemaRecord, VersionRecord};
use crate::table::{TRIES, Table, contended};
use crate::viewer::{Sealers, Viewer};
use async_trait::async_trait;
use futures::TryStreamExt;
use kulya_registry_api::administration::{ChangeEvent, PageRequest, RegistryAdministration};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::decide::Judge;
use kulya_schema::{
    Checkers, CodecType, Compatibility, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord,
    Normal, SchemaInfo, SchemaWithVersion, VersionInfo, decide, limits, normalize_within,
};
use kulya_store::clock::Clock;
use kulya_store::{Condition, StreamStore, TableChange};
use std::sync::Arc;

/// The schema registry on a store. Clones share the store, and what is remembered.
#[derive(Clone)]
pub struct Registry {
    pub(crate) table: Arc<Table>,
    pub(crate) memory: Arc<Memory>,
    /// Who asks; nobody in particular where it is the registry's owner.
    pub(crate) viewer: Option<Arc<dyn Viewer>>,
    pub(crate) sealers: Arc<Sealers>,
    pub(crate) compute: Compute,
    clock: Arc<dyn Clock>,
    checkers: Checkers,
}

/// So often a schema is judged before the turn to change its group is taken.
const PATIENT_TRIES: usize = 3;

pub(crate) fn refused(error: kulya_schema::Error) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, error.to_string())
}

impl Registry {
    /// Opens the registry kept in this store, or makes an empty one: for whoever serves it. Makes the system scope
    /// `_schemaregistry`.
    pub async fn open(store: Arc<dyn StreamStore>, clock: Arc<dyn Clock>) -> RegistryResult<Self> {
        let this = Self::on(store, clock)?;
        this.table.create().await?;
        Ok(this)
    }

    /// The registry kept in this store: for whoever reads it. Nothing is asked of the store before the first question; a
    /// store that has no registry is one without groups, and the first change makes it.
    pub fn on(store: Arc<dyn StreamStore>, clock: Arc<dyn Clock>) -> RegistryResult<Self> {
        let (table, memory) = (Arc::new(Table::new(store)?), Arc::new(Memory::new()));
        let (viewer, sealers, checkers) = (None, Arc::default(), Checkers::default());
        let compute = Compute::new(ComputeLimits::default());
        Ok(Self { table, memory, viewer, sealers, compute, clock, checkers })
    }

    /// With other bounds on the work that schemas cause.
    #[must_use]
    pub fn with_compute_limits(mut self, limits: ComputeLimits) -> Self {
        self.compute = Compute::new(limits);
        self
    }

    /// Runs work on so many bytes from outside, linear in them, where schemas are judged.
    ///
    /// # Errors
    /// `Unavailable` when there is no room for it now.
    pub async fn linear<T: Send + 'static>(
        &self,
        bytes: usize,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> RegistryResult<T> {
        self.compute.work().linear(bytes, move |_| job()).await
    }

    /// Parses and normalises a schema.
    pub(crate) async fn normal(&self, work: &Work, schema: SchemaInfo) -> RegistryResult<Arc<Normal>> {
        let bytes = schema.data.len();
        let normal = work.linear(bytes, move |budget| normalize_within(schema, budget)).await?;
        normal.map(Arc::new).map_err(refused)
    }

    /// Lets users' own formats be judged. Every registry on the store should have the same.
    #[must_use]
    pub fn with_checkers(mut self, checkers: Checkers) -> Self {
        self.checkers = checkers;
        self
    }

    /// The place behind all changes so far, from which [`changes`](RegistryAdministration::changes) tells those that come:
    /// for whoever must not miss one that comes before it is told the first.
    pub async fn end_of_changes(&self) -> RegistryResult<String> {
        self.sealed_place(crate::feed::end(&self.table).await?).await
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.since_epoch().as_millis() as u64
    }

    pub(crate) async fn read<'a>(&'a self, group: &'a GroupId) -> RegistryResult<Group<'a>> {
        Group::read(&self.table, &self.memory, group).await
    }

    /// Sets a group's policy; `false` when `previous` is given and is not the policy now. Whatever the format: by Java's
    /// rules a policy that nobody checks lets everything pass (contract §3.5).
    pub async fn update_compatibility(
        &self,
        group: &GroupId,
        compatibility: Compatibility,
        previous: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        let _turn = self.memory.turn(group).await;
        for _ in 0..TRIES {
            let mut state = self.read(group).await?;
            if previous.as_ref().is_some_and(|previous| *previous != state.head.properties.compatibility) {
                return Ok(false);
            }
            state.change().properties.compatibility = compatibility.clone();
            let event = ChangeEvent::GroupChanged { properties: state.head.properties.clone() };
            if state.commit(Vec::new(), event, self.now_ms()).await? {
                return Ok(true);
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// How a group judges.
    pub(crate) fn judge_of(&self, state: &Group<'_>) -> RegistryResult<Judge> {
        Judge::of(&state.head.properties, &self.checkers).map_err(refused)
    }

    pub(crate) fn checkers(&self) -> &Checkers {
        &self.checkers
    }

    /// Adds a schema, or finds it.
    async fn add(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let work = self.compute.work();
        // most writers bring what is known
        let normal = self.normal(&work, schema).await?;
        for attempt in 0..TRIES {
            if let Some(version) = self.try_add(group, &work, &normal, attempt < PATIENT_TRIES).await? {
                return Ok(version);
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// The refusal of a schema, for those who may add to a group and not read it: its reasons tell of other schemas.
    fn without_reasons(&self, group: &GroupId, error: RegistryError) -> RegistryError {
        match error.kind() {
            RegistryErrorKind::Incompatible if !self.shows(group) => {
                let what =
                    format!("group {group} refuses the schema; whoever may read the group is told why");
                RegistryError::new(RegistryErrorKind::Incompatible, what)
            }
            RegistryErrorKind::FormatMismatch if !self.shows(group) => {
                RegistryError::new(RegistryErrorKind::FormatMismatch, error.to_string())
            }
            _ => error,
        }
    }

    /// One try to add a schema; `None` when somebody else changed the group meanwhile. A patient one judges before it takes the
    /// process's turn to change the group, so that others who wait for theirs need not wait for that; where the group changes
    /// all the time, the turn is taken first.
    async fn try_add(
        &self,
        group: &GroupId,
        work: &Work,
        normal: &Arc<Normal>,
        is_patient: bool,
    ) -> RegistryResult<Option<VersionInfo>> {
        let schema = &normal.schema;
        let early = if is_patient { None } else { self.memory.turn(group).await };
        let state = self.read(group).await?;
        if let Some(known) = state.find(normal).await? {
            return Ok(Some(known));
        }
        check_format(&state, schema)?;
        let judge = self.judge_of(&state)?;
        if let Err(refusal) = self.judge(&state, work, normal, &judge).await? {
            let what = format!("group {group}: {refusal}");
            return Err(RegistryError::new(RegistryErrorKind::Incompatible, what).refusing(refusal));
        }
        let judged_at = state.version();
        let _turn = if early.is_some() { early } else { self.memory.turn(group).await };
        let mut state = self.read(group).await?;
        if state.version() != judged_at {
            return Ok(None);
        }
        let next = state.versions().await?.next(schema.format.full_name(), &schema.type_name);
        let version = VersionInfo { id: state.head.schemas, ..next };
        let compatibility = state.head.properties.compatibility.clone();
        let added = Added::new(normal, version.clone(), compatibility, self.now_ms());
        state.change().schemas += 1;
        let changes = added.changes(&self.table, state.head.incarnation, true);
        let event = ChangeEvent::SchemaAdded { version_info: version.clone() };
        if !state.commit(changes, event, self.now_ms()).await? {
            return Ok(None);
        }
        state.remember(added.version, added.schema);
        Ok(Some(version))
    }

    /// The id that a pair of schema and codec has.
    async fn known_encoding(
        &self,
        state: &Group<'_>,
        schema: u32,
        codec: &str,
    ) -> RegistryResult<Option<EncodingId>> {
        let pair = keys::pair(state.head.incarnation, schema, codec);
        let found = self.table.record::<u32>("an encoding", &pair).await?;
        Ok(found.map(|(id, _)| EncodingId(id)))
    }

    /// One try to give a pair its encoding id.
    async fn try_encoding(
        &self,
        group: &GroupId,
        schema: u32,
        codec: &str,
    ) -> RegistryResult<Option<EncodingId>> {
        let mut state = self.read(group).await?;
        if let Some(known) = self.known_encoding(&state, schema, codec).await? {
            return Ok(Some(known));
        }
        if schema >= state.head.schemas || state.head.deleted.contains(schema) {
            return Err(not_found(format!("schema {schema} of group {group} does not exist")));
        }
        let known = state.head.codecs.iter().find(|known| known.name == codec).cloned();
        let none = || (codec.is_empty()).then(CodecType::default);
        let codec = known.or_else(none).ok_or_else(|| {
            RegistryError::new(RegistryErrorKind::CodecUnknown, format!("codec {codec} not registered"))
        })?;
        let id = state.head.encodings;
        state.change().encodings += 1;
        let (name, record) = (codec.name.clone(), EncodingRecord { schema, codec });
        let changes = encoding(&self.table, state.head.incarnation, id, &record);
        let event =
            ChangeEvent::EncodingAdded { encoding_id: EncodingId(id), schema_id: schema, codec: name };
        Ok(state.commit(changes, event, self.now_ms()).await?.then_some(EncodingId(id)))
    }
}

/// The records of a schema.
pub(crate) struct Added {
    pub(crate) version: VersionRecord,
    pub(crate) schema: SchemaRecord,
}

impl Added {
    pub(crate) fn new(
        normal: &Normal,
        version: VersionInfo,
        compatibility: Compatibility,
        timestamp_ms: u64,
    ) -> Self {
        let schema = SchemaRecord {
            schema: normal.schema.clone(),
            version: version.clone(),
            compatibility,
            timestamp_ms,
            fingerprint: normal.fingerprint,
        };
        Self { version: VersionRecord { version, shape: normal.shape.clone() }, schema }
    }

    /// What puts them, and for one that is live its fingerprint.
    pub(crate) fn changes(&self, table: &Table, incarnation: u64, live: bool) -> Vec<TableChange> {
        let SchemaRecord { schema, version: VersionInfo { id, .. }, fingerprint, .. } = &self.schema;
        let put = |key, condition, value| TableChange::put(&table.id, key, condition, value);
        let mut changes = vec![
            put(keys::version(incarnation, *id), Condition::Absent, records::write(&self.version)),
            put(keys::schema(incarnation, *id), Condition::Absent, self.schema.to_bytes()),
        ];
        if live {
            let key = keys::fingerprint(incarnation, fingerprint, kind(&schema.format), &schema.type_name);
            changes.push(put(key, Condition::Any, records::write(id)));
        }
        changes
    }
}

/// What puts the records of an encoding.
pub(crate) fn encoding(
    table: &Table,
    incarnation: u64,
    id: u32,
    record: &EncodingRecord,
) -> Vec<TableChange> {
    let put = |key, value| TableChange::put(&table.id, key, Condition::Absent, value);
    vec![
        put(keys::encoding(incarnation, id), records::write(record)),
        put(keys::pair(incarnation, record.schema, &record.codec.name), records::write(&id)),
    ]
}

pub(crate) fn check_format(state: &Group<'_>, schema: &SchemaInfo) -> RegistryResult<()> {
    if decide::takes_format(&state.head.properties, schema) {
        return Ok(());
    }
    // the contract wants the format's name alone in the answer to this one
    Err(RegistryError::new(RegistryErrorKind::FormatMismatch, schema.format.full_name())
        .because(format!("group {} takes {} schemas only", state.id, state.head.properties.format)))
}

fn with_version(HistoryRecord { schema, version, .. }: HistoryRecord) -> SchemaWithVersion {
    SchemaWithVersion { schema, version }
}

#[async_trait]
impl SchemaRegistry for Registry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        self.may_make(group)?;
        limits::check_group(group).map_err(refused)?;
        limits::check_properties(&properties, &self.checkers).map_err(refused)?;
        let event = ChangeEvent::GroupCreated { properties: properties.clone() };
        self.make_group(group, event, |incarnation| Head::new(incarnation, properties.clone())).await
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        Ok(self.read(group).await?.head.properties.clone())
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
        self.remove_group(group).await
    }

    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.add(group, schema).await.map_err(|error| self.without_reasons(group, error))
    }

    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let normal = self.normal(&self.compute.work(), schema).await?;
        let found = self.read(group).await?.find(&normal).await?;
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
        Ok(self.read(group).await?.schema(id).await?.schema.clone())
    }

    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        let work = self.compute.work();
        let normal = self.normal(&work, schema).await?;
        let state = self.read(group).await?;
        let judge = self.judge_of(&state)?;
        self.judge_reader(&state, &work, &normal, &judge).await
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
        if let Some(known) = self.known_encoding(&self.read(group).await?, version.id, codec).await? {
            return Ok(known);
        }
        let _turn = self.memory.turn(group).await;
        for _ in 0..TRIES {
            if let Some(id) = self.try_encoding(group, version.id, codec).await? {
                return Ok(id);
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        let state = self.read(group).await?;
        let what = format!("encoding {} of group {group}", id.0);
        let found = self.table.record(&what, &keys::encoding(state.head.incarnation, id.0)).await?;
        let (EncodingRecord { schema, codec }, _) =
            found.ok_or_else(|| not_found(format!("{what} does not exist")))?;
        let record = state.schema(schema).await?;
        Ok(EncodingInfo { schema: record.schema.clone(), version: record.version.clone(), codec })
    }

    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        Ok(self.read(group).await?.head.codecs.clone())
    }

    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        limits::check_codec(&codec).map_err(refused)?;
        let _turn = self.memory.turn(group).await;
        for _ in 0..TRIES {
            let mut state = self.read(group).await?;
            if state.head.codecs.iter().any(|known| known.name == codec.name) {
                return Ok(());
            }
            state.change().codecs.push(codec.clone());
            let event = ChangeEvent::CodecAdded { codec_type: codec.clone() };
            if state.commit(Vec::new(), event, self.now_ms()).await? {
                return Ok(());
            }
        }
        Err(contended(format!("group {group}")))
    }
}
