//! Export of groups as lines, and import of such lines, with their ids.
//!
//! An import writes the records of a group in batches, under an incarnation that no group has yet; the last
//! commit adds the group's record. So the whole group appears at once or, when the import fails before, not
//! at all.
//!
//! A schema with references is exported in its self-contained form too, so that it can be imported before,
//! and without, the groups that it refers to.

use crate::cache::VersionList;
use crate::error::{invalid_input, missing_record, unless_deleted};
use crate::keys;
use crate::records::{EncodingRecord, GroupRecord, VersionRecord};
use crate::registry::Registry;
use crate::schemas::{NewSchema, encoding_changes};
use crate::snapshot::GroupSnapshot;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{
    ChangeEvent, EXPORT_VERSION, ExportLine, ImportSummary, OnConflict,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::references::check_references;
use kulya_schema::{
    CodecType, Compatibility, GroupId, GroupProperties, SchemaInfo, Unresolved, VersionInfo, validation,
};
use kulya_store::TableChange;
use std::collections::VecDeque;
use std::sync::Arc;

/// Groups, schemas and encodings read at a time; fewer schemas when they reach this size in bytes.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 1 << 20;
/// An import commits when a batch has this size, in bytes or in changes.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_CHANGES: usize = 500;

/// Streams the groups of a namespace, or of all, as lines.
pub(crate) fn export(
    registry: Registry,
    namespace: Option<String>,
) -> BoxStream<'static, RegistryResult<ExportLine>> {
    let begin = ExportLine::Begin { kulya_registry_export: EXPORT_VERSION };
    let prefix = namespace.as_deref().map_or_else(keys::groups, keys::namespace);
    let exporter = Exporter {
        registry,
        prefix,
        after: None,
        is_last: false,
        pending: VecDeque::new(),
        group: None,
        lines: VecDeque::from([begin]),
        groups: 0,
        state: ExportState::Groups,
    };
    let lines = stream::unfold(exporter, |mut exporter| async move {
        match exporter.next().await {
            Ok(line) => line.map(|line| (Ok(line), exporter)),
            Err(error) => {
                exporter.state = ExportState::Done;
                exporter.lines.clear();
                Some((Err(error), exporter))
            }
        }
    });
    lines.boxed()
}

struct Exporter {
    registry: Registry,
    prefix: bytes::Bytes,
    after: Option<bytes::Bytes>,
    /// Whether all groups were listed.
    is_last: bool,
    /// Groups listed and not exported yet.
    pending: VecDeque<GroupId>,
    group: Option<GroupId>,
    lines: VecDeque<ExportLine>,
    groups: u64,
    state: ExportState,
}

/// What an export reads next.
enum ExportState {
    Groups,
    Schemas { record: Arc<GroupRecord>, next: u32 },
    Encodings { record: Arc<GroupRecord>, next: u32 },
    Done,
}

impl Exporter {
    async fn next(&mut self) -> RegistryResult<Option<ExportLine>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            match std::mem::replace(&mut self.state, ExportState::Done) {
                ExportState::Done => return Ok(None),
                ExportState::Groups => self.read_group().await?,
                ExportState::Schemas { record, next } => {
                    let read = self.read_schemas(Arc::clone(&record), next).await;
                    self.check_group(read, &record).await?;
                }
                ExportState::Encodings { record, next } => {
                    let read = self.read_encodings(Arc::clone(&record), next).await;
                    self.check_group(read, &record).await?;
                }
            }
        }
    }

    async fn read_group(&mut self) -> RegistryResult<()> {
        while self.pending.is_empty() && !self.is_last {
            let visible = self.registry.visible_groups(&self.prefix, self.after.take(), PAGE).await?;
            (self.is_last, self.after) = (visible.next.is_none(), visible.next);
            self.pending.extend(visible.groups.into_iter().map(|(id, _)| id));
        }
        let Some(id) = self.pending.pop_front() else {
            self.lines.push_back(ExportLine::End { groups: self.groups });
            return Ok(());
        };
        self.state = ExportState::Groups;
        let Some(snapshot) = unless_deleted(self.registry.snapshot(&id).await)? else { return Ok(()) };
        let record = snapshot.record;
        self.group = Some(id.clone());
        match self.start_group(id, &record).await {
            Ok(()) => {
                self.groups += 1;
                Ok(())
            }
            // deleted before its first page was read: as if it had been deleted before the export
            Err(_) if self.is_deleted(&record).await? => {
                self.lines.clear();
                self.state = ExportState::Groups;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the first page of a group, its header included. Most groups have no further one.
    async fn start_group(&mut self, id: GroupId, record: &Arc<GroupRecord>) -> RegistryResult<()> {
        self.lines.push_back(ExportLine::Group {
            namespace: id.namespace,
            group: id.name,
            properties: record.properties.clone(),
            codecs: record.codecs.clone(),
            schemas: record.schemas,
            encodings: record.encodings,
        });
        self.read_schemas(Arc::clone(record), 0).await?;
        match &self.state {
            ExportState::Encodings { .. } => self.read_encodings(Arc::clone(record), 0).await,
            _ => Ok(()),
        }
    }

    /// Returns whether the group being exported was deleted. Its schemas and encodings are immutable.
    async fn is_deleted(&self, group: &GroupRecord) -> RegistryResult<bool> {
        let id = self.group.as_ref().ok_or_else(|| truncated("a group"))?;
        let snapshot = unless_deleted(self.registry.snapshot(id).await)?;
        Ok(snapshot.is_none_or(|snapshot| snapshot.record.incarnation != group.incarnation))
    }

    /// Replaces the error of reading a group by that of its deletion, if it was deleted.
    async fn check_group(&self, read: RegistryResult<()>, group: &GroupRecord) -> RegistryResult<()> {
        if read.is_err() && self.is_deleted(group).await? {
            let id = self.group.as_ref().ok_or_else(|| truncated("a group"))?;
            let what = format!("group {id} was deleted during the export: export again");
            return Err(RegistryError::new(RegistryErrorKind::Unavailable, what));
        }
        read
    }

    /// Returns a snapshot of the group being exported.
    async fn snapshot(&self, group: &GroupRecord) -> RegistryResult<GroupSnapshot<'_>> {
        let id = self.group.as_ref().ok_or_else(|| truncated("a group"))?;
        let snapshot = self.registry.snapshot(id).await?;
        if snapshot.record.incarnation != group.incarnation {
            return Err(RegistryError::new(RegistryErrorKind::NotFound, format!("group {id} was replaced")));
        }
        Ok(snapshot)
    }

    async fn read_schemas(&mut self, group: Arc<GroupRecord>, next: u32) -> RegistryResult<()> {
        let mut end = next;
        let mut bytes = 0;
        let mut lines = VecDeque::new();
        let snapshot = self.snapshot(&group).await?;
        while end < group.schemas && lines.len() < PAGE && bytes < PAGE_BYTES {
            let id = end;
            end += 1;
            let record = snapshot.schema(id).await?;
            bytes += record.schema.data.len();
            let unresolved = match record.references.as_slice() {
                [] => None,
                references => {
                    let schema_data = snapshot.unresolved(&record).await?.data;
                    bytes += schema_data.len();
                    Some(Unresolved { schema_data, references: references.to_vec() })
                }
            };
            lines.push_back(ExportLine::Schema {
                schema_info: record.schema.clone(),
                version_info: record.version.clone(),
                compatibility: record.compatibility.clone(),
                timestamp: record.timestamp_ms,
                deleted: group.deleted.contains(id),
                unresolved,
            });
        }
        drop(snapshot);
        self.lines.extend(lines);
        self.state = if end < group.schemas {
            ExportState::Schemas { record: group, next: end }
        } else {
            ExportState::Encodings { record: group, next: 0 }
        };
        Ok(())
    }

    async fn read_encodings(&mut self, group: Arc<GroupRecord>, next: u32) -> RegistryResult<()> {
        let end = group.encodings.min(next.saturating_add(PAGE as u32));
        let mut lines = VecDeque::new();
        for id in next..end {
            let what = format!("encoding {id}");
            let found = self.registry.table.record(&what, &keys::encoding(group.incarnation, id)).await?;
            let (EncodingRecord { schema, codec }, _) = found.ok_or_else(|| missing_record(&what))?;
            lines.push_back(ExportLine::Encoding { encoding_id: id, schema_id: schema, codec_type: codec });
        }
        self.lines.extend(lines);
        self.state = if end < group.encodings {
            ExportState::Encodings { record: group, next: end }
        } else {
            ExportState::Groups
        };
        Ok(())
    }
}

fn invalid(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

fn truncated(missing: &str) -> RegistryError {
    invalid(format!("the export is truncated: {missing} is missing"))
}

type Lines = BoxStream<'static, RegistryResult<ExportLine>>;

/// Imports the groups of an export. Groups before a failed one stay.
///
/// # Errors
/// `InvalidInput` when the lines are not a whole export, `Incompatible` when a group exists and `on_conflict`
/// is `Refuse`, `Denied` when the caller may not create a group, and the errors of the lines themselves.
pub(crate) async fn import(
    registry: &Registry,
    mut lines: Lines,
    on_conflict: OnConflict,
) -> RegistryResult<ImportSummary> {
    let mut summary = ImportSummary::default();
    let mut next = async || lines.next().await.transpose();
    match next().await? {
        Some(ExportLine::Begin { kulya_registry_export: EXPORT_VERSION }) => {}
        Some(ExportLine::Begin { kulya_registry_export: other }) => {
            return Err(invalid(format!(
                "the export has version {other}, and this program reads version {EXPORT_VERSION}: use a newer program"
            )));
        }
        _ => return Err(invalid("this is not an export: the first line must be {\"line\":\"begin\",…}")),
    }
    let mut groups_read = 0;
    loop {
        match next().await? {
            Some(ExportLine::End { groups }) if groups == groups_read => return Ok(summary),
            Some(ExportLine::End { groups }) => {
                return Err(invalid(format!(
                    "the export is damaged: it declares {groups} groups and contains {groups_read}"
                )));
            }
            Some(ExportLine::Group { namespace, group, properties, codecs, schemas, encodings }) => {
                groups_read += 1;
                let id = GroupId::new(namespace, group);
                registry.check_create(&id)?;
                let exists = registry.table.entry(&keys::group(&id)).await?.is_some();
                if exists && on_conflict == OnConflict::Refuse {
                    return Err(already_exists(&id));
                }
                let mut import = GroupImport::start(registry, id, properties, codecs, exists).await?;
                for number in 0..schemas {
                    match next().await? {
                        Some(ExportLine::Schema {
                            schema_info,
                            version_info,
                            compatibility,
                            timestamp,
                            deleted,
                            unresolved,
                        }) => {
                            let policy = (compatibility, timestamp);
                            import.add_schema(schema_info, version_info, policy, deleted, unresolved).await?;
                        }
                        _ => return Err(truncated(&format!("schema {number} of group {}", import.id))),
                    }
                }
                for number in 0..encodings {
                    match next().await? {
                        Some(ExportLine::Encoding { encoding_id, schema_id, codec_type })
                            if encoding_id == number =>
                        {
                            import.add_encoding(schema_id, codec_type).await?;
                        }
                        _ => return Err(truncated(&format!("encoding {number} of group {}", import.id))),
                    }
                }
                if exists {
                    summary.skipped += 1;
                    continue;
                }
                import.finish().await?;
                summary.groups += 1;
                summary.schemas += u64::from(schemas);
                summary.encodings += u64::from(encodings);
            }
            Some(_) => {
                return Err(invalid(
                    "the export is damaged: a schema or an encoding is in the place of a group",
                ));
            }
            None => return Err(truncated("the end line")),
        }
    }
}

fn already_exists(id: &GroupId) -> RegistryError {
    let what = format!("group {id} already exists: delete it first, or skip existing groups");
    RegistryError::new(RegistryErrorKind::Incompatible, what)
}

/// The import of one group.
struct GroupImport<'a> {
    registry: &'a Registry,
    id: GroupId,
    record: GroupRecord,
    versions: VersionList,
    changes: Vec<TableChange>,
    bytes: usize,
    /// Whether lines are only validated, since the group exists.
    is_dry_run: bool,
}

impl<'a> GroupImport<'a> {
    async fn start(
        registry: &'a Registry,
        id: GroupId,
        properties: GroupProperties,
        codecs: Vec<CodecType>,
        is_dry_run: bool,
    ) -> RegistryResult<Self> {
        validation::check_group(&id).map_err(invalid_input)?;
        for codec in &codecs {
            validation::check_codec(codec).map_err(invalid_input)?;
        }
        let incarnation = if is_dry_run { 0 } else { registry.new_incarnation().await? };
        let record = GroupRecord { codecs, ..GroupRecord::new(incarnation, properties) };
        let versions = VersionList::default();
        Ok(Self { registry, id, record, versions, changes: Vec::new(), bytes: 0, is_dry_run })
    }

    async fn add_schema(
        &mut self,
        schema: SchemaInfo,
        version: VersionInfo,
        (compatibility, timestamp_ms): (Compatibility, u64),
        deleted: bool,
        unresolved: Option<Unresolved>,
    ) -> RegistryResult<()> {
        let Self { id, .. } = self;
        if let Some(Unresolved { schema_data, references }) = &unresolved {
            let sent = SchemaInfo { data: schema_data.clone(), ..schema.clone() };
            let checked = validation::check_schema(&sent).and_then(|()| check_references(references));
            let unreferring = || kulya_schema::Error::new("it is unresolved and has no references");
            let checked =
                checked.and_then(|()| if references.is_empty() { Err(unreferring()) } else { Ok(()) });
            checked.map_err(|error| invalid(format!("schema {} of group {id}: {error}", version.id)))?;
        }
        let expected = self.versions.next_version(&version.format, &version.type_name);
        if version != expected {
            return Err(invalid(format!(
                "schema {} of group {id} is version {} of type {:?}, but id {} and version {} are next",
                version.id, version.version, version.type_name, expected.id, expected.version
            )));
        }
        let canonical =
            self.registry.canonicalize(&self.registry.workers.runner(), schema).await.map_err(|error| {
                let what = format!("schema {} of group {id}: {error}", version.id);
                RegistryError::new(error.kind(), what)
            })?;
        if canonical.schema.type_name != version.type_name {
            return Err(invalid(format!(
                "schema {} of group {id} defines type {:?}, but its version has type {:?}",
                version.id, canonical.schema.type_name, version.type_name
            )));
        }
        self.versions.push(VersionRecord {
            version: version.clone(),
            shape: canonical.compatibility_fingerprint.clone(),
        });
        let schema_id = version.id;
        let unresolved_bytes = unresolved.as_ref().map_or(0, |unresolved| unresolved.schema_data.len());
        let added = NewSchema::new(&canonical, version, compatibility, timestamp_ms, unresolved);
        let changes = added.changes(&self.registry.table, &self.id, self.record.incarnation, !deleted);
        self.record.schemas += 1;
        if deleted {
            self.record.deleted.insert(schema_id);
        }
        self.write(changes, canonical.schema.data.len() * 2 + unresolved_bytes).await
    }

    async fn add_encoding(&mut self, schema: u32, codec: CodecType) -> RegistryResult<()> {
        if schema >= self.record.schemas {
            let (number, id) = (self.record.encodings, &self.id);
            return Err(invalid(format!(
                "encoding {number} of group {id} refers to schema {schema}, which does not exist"
            )));
        }
        let record = EncodingRecord { schema, codec };
        let number = self.record.encodings;
        let changes = encoding_changes(&self.registry.table, self.record.incarnation, number, &record);
        self.record.encodings += 1;
        self.write(changes, 200).await
    }

    async fn write(&mut self, changes: Vec<TableChange>, bytes: usize) -> RegistryResult<()> {
        // a large schema is committed alone, since a store limits the size of a commit
        if !self.changes.is_empty() && self.bytes + bytes > BATCH_BYTES {
            self.flush().await?;
        }
        self.bytes += bytes;
        self.changes.extend(changes);
        if self.bytes >= BATCH_BYTES || self.changes.len() >= BATCH_CHANGES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> RegistryResult<()> {
        let changes = std::mem::take(&mut self.changes);
        self.bytes = 0;
        if self.is_dry_run || changes.is_empty() || self.registry.table.commit(changes, Vec::new()).await? {
            return Ok(());
        }
        // nobody else writes under this incarnation, so the export contains something twice
        Err(invalid(format!("group {} contains an encoding or a live schema twice", self.id)))
    }

    async fn finish(mut self) -> RegistryResult<()> {
        self.flush().await?;
        let properties = self.record.properties.clone();
        let event = ChangeEvent::GroupImported { properties, schemas: self.record.schemas };
        if self.registry.commit_new_group(&self.id, event, &self.record, Vec::new()).await? {
            return Ok(());
        }
        self.registry.remove_incarnation(self.record.incarnation).await?;
        Err(already_exists(&self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_registry_api::SchemaRegistry;
    use kulya_schema::Format;
    use kulya_store::clock::SystemClock;
    use kulya_store::memory::MemoryStore;

    fn custom() -> Format {
        Format::Custom("bytes".into())
    }

    /// Creates a group with schemas of several types.
    async fn create(registry: &Registry, name: &str, schemas: usize) -> GroupId {
        let id = GroupId::new("bank", name);
        let properties = GroupProperties::new(custom(), Compatibility::AllowAny, true);
        assert!(registry.create_group(&id, properties).await.unwrap());
        for number in 0..schemas {
            let schema = SchemaInfo::new(format!("type{number}"), custom(), "x");
            registry.add_schema(&id, schema).await.unwrap();
        }
        id
    }

    #[tokio::test]
    async fn group_deleted_during_an_export_is_reported_or_left_out() {
        let registry = Registry::new(MemoryStore::new(), SystemClock).unwrap();
        let large = create(&registry, "large", PAGE + 1).await;
        let small = create(&registry, "small", 1).await;
        let mut lines = export(registry.clone(), None);
        let (begin, group) = (lines.next().await.unwrap().unwrap(), lines.next().await.unwrap().unwrap());
        assert!(matches!(begin, ExportLine::Begin { .. }));
        assert!(matches!(group, ExportLine::Group { schemas, .. } if schemas as usize == PAGE + 1));
        registry.delete_group(&large).await.unwrap();
        let rest: Vec<_> = lines.collect().await;
        assert_eq!(rest.iter().filter(|line| line.is_ok()).count(), PAGE, "the page that was read");
        let error = rest.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), RegistryErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("export again"), "{error}");

        // listed and deleted before it is read
        let other = create(&registry, "other", 1).await;
        let mut lines = export(registry.clone(), None);
        for _ in 0..2 {
            lines.next().await.unwrap().unwrap();
        }
        registry.delete_group(&small).await.unwrap();
        let rest: Vec<_> = lines.map(Result::unwrap).collect().await;
        assert_eq!(rest.last(), Some(&ExportLine::End { groups: 1 }));
        registry.delete_group(&other).await.unwrap();
        let rest: Vec<_> = export(registry, None).map(Result::unwrap).collect().await;
        assert_eq!(rest.last(), Some(&ExportLine::End { groups: 0 }));
    }
}
