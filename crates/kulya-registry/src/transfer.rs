//! Export and import: a registry as lines, and lines as a registry, ids kept.
//!
//! An import writes the records of a group under an incarnation that no group has yet, some at a time; the last commit puts
//! the group's head, and so the whole group appears at once or, when the import ends before, not at all.

use crate::group::Group;
use crate::keys;
use crate::memory::Versions;
use crate::records::{EncodingRecord, Head, VersionRecord};
use crate::registry::{Added, Registry, encoding, refused};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{ChangeEvent, EXPORT_VERSION, Existing, ExportLine, Imported};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::{CodecType, Compatibility, GroupId, GroupProperties, SchemaInfo, VersionInfo, limits};
use kulya_store::TableChange;
use std::collections::VecDeque;
use std::sync::Arc;

/// Groups, schemas and encodings read at a time; of schemas fewer, when they have so many bytes.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 1 << 20;
/// An import commits when so many bytes, or changes, are gathered.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_CHANGES: usize = 500;

pub(crate) fn export(
    registry: Registry,
    namespace: Option<String>,
) -> BoxStream<'static, RegistryResult<ExportLine>> {
    let begin = ExportLine::Begin { kulya_registry_export: EXPORT_VERSION };
    let prefix = namespace.as_deref().map_or_else(keys::groups, keys::namespace);
    let export = Export {
        registry,
        prefix,
        after: None,
        is_last: false,
        waiting: VecDeque::new(),
        group: None,
        lines: VecDeque::from([begin]),
        groups: 0,
        step: Step::Groups,
    };
    let lines = stream::unfold(export, |mut export| async move {
        match export.next().await {
            Ok(line) => line.map(|line| (Ok(line), export)),
            Err(error) => {
                export.step = Step::Over;
                export.lines.clear();
                Some((Err(error), export))
            }
        }
    });
    lines.boxed()
}

struct Export {
    registry: Registry,
    prefix: bytes::Bytes,
    after: Option<bytes::Bytes>,
    /// Whether all groups have been read.
    is_last: bool,
    /// Groups to come.
    waiting: VecDeque<GroupId>,
    group: Option<GroupId>,
    lines: VecDeque<ExportLine>,
    groups: u64,
    step: Step,
}

/// Where an export is.
enum Step {
    Groups,
    Schemas { head: Arc<Head>, next: u32 },
    Encodings { head: Arc<Head>, next: u32 },
    Over,
}

impl Export {
    async fn next(&mut self) -> RegistryResult<Option<ExportLine>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            match std::mem::replace(&mut self.step, Step::Over) {
                Step::Over => return Ok(None),
                Step::Groups => self.groups().await?,
                Step::Schemas { head, next } => self.schemas(head, next).await?,
                Step::Encodings { head, next } => self.encodings(head, next).await?,
            }
        }
    }

    async fn groups(&mut self) -> RegistryResult<()> {
        while self.waiting.is_empty() && !self.is_last {
            let listed = self.registry.listed(&self.prefix, self.after.take(), PAGE).await?;
            (self.is_last, self.after) = (listed.next.is_none(), listed.next);
            self.waiting.extend(listed.groups.into_iter().map(|(id, _)| id));
        }
        let Some(id) = self.waiting.pop_front() else {
            self.lines.push_back(ExportLine::End { groups: self.groups });
            return Ok(());
        };
        self.step = Step::Groups;
        let head = match self.registry.read(&id).await {
            Ok(group) => group.head,
            // deleted meanwhile
            Err(error) if error.kind() == RegistryErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.groups += 1;
        self.lines.push_back(ExportLine::Group {
            namespace: id.namespace.clone(),
            group: id.name.clone(),
            properties: head.properties.clone(),
            codecs: head.codecs.clone(),
            schemas: head.schemas,
            encodings: head.encodings,
        });
        self.group = Some(id);
        self.step = Step::Schemas { head, next: 0 };
        Ok(())
    }

    /// The group as it was when its line was given: what hangs on it never changes, but it may be deleted.
    async fn state(&self, head: &Head) -> RegistryResult<Group<'_>> {
        let id = self.group.as_ref().ok_or_else(|| cut_short("a group"))?;
        let state = self.registry.read(id).await?;
        if state.head.incarnation != head.incarnation {
            let what = format!("group {id} was deleted while it was exported: export again");
            return Err(RegistryError::new(RegistryErrorKind::Unavailable, what));
        }
        Ok(state)
    }

    async fn schemas(&mut self, head: Arc<Head>, next: u32) -> RegistryResult<()> {
        let mut end = next;
        let mut bytes = 0;
        let mut lines = VecDeque::new();
        let state = self.state(&head).await?;
        while end < head.schemas && lines.len() < PAGE && bytes < PAGE_BYTES {
            let id = end;
            end += 1;
            let record = state.schema(id).await?;
            bytes += record.schema.data.len();
            lines.push_back(ExportLine::Schema {
                schema_info: record.schema.clone(),
                version_info: record.version.clone(),
                compatibility: record.compatibility.clone(),
                timestamp: record.timestamp_ms,
                deleted: head.deleted.contains(id),
            });
        }
        drop(state);
        self.lines = lines;
        self.step = if end < head.schemas {
            Step::Schemas { head, next: end }
        } else {
            Step::Encodings { head, next: 0 }
        };
        Ok(())
    }

    async fn encodings(&mut self, head: Arc<Head>, next: u32) -> RegistryResult<()> {
        let end = head.encodings.min(next.saturating_add(PAGE as u32));
        let mut lines = VecDeque::new();
        for id in next..end {
            let what = format!("encoding {id}");
            let found = self.registry.table.record(&what, &keys::encoding(head.incarnation, id)).await?;
            let (EncodingRecord { schema, codec }, _) = found.ok_or_else(|| {
                let what = format!("the registry's record of {what} is missing");
                RegistryError::new(RegistryErrorKind::Failed, what)
            })?;
            lines.push_back(ExportLine::Encoding { encoding_id: id, schema_id: schema, codec_type: codec });
        }
        self.lines = lines;
        self.step = if end < head.encodings { Step::Encodings { head, next: end } } else { Step::Groups };
        Ok(())
    }
}

fn wrong(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

fn cut_short(of: &str) -> RegistryError {
    wrong(format!("the export is cut short: {of} is missing"))
}

type Lines = BoxStream<'static, RegistryResult<ExportLine>>;

pub(crate) async fn import(
    registry: &Registry,
    mut lines: Lines,
    existing: Existing,
) -> RegistryResult<Imported> {
    let mut done = Imported::default();
    let mut next = async || lines.next().await.transpose();
    match next().await? {
        Some(ExportLine::Begin { kulya_registry_export: EXPORT_VERSION }) => {}
        Some(ExportLine::Begin { kulya_registry_export: other }) => {
            return Err(wrong(format!(
                "the export has version {other}, and this program reads version {EXPORT_VERSION}: use a newer one"
            )));
        }
        _ => return Err(wrong("the first line is no export's: expected {\"line\":\"begin\",…}")),
    }
    let mut seen = 0;
    loop {
        match next().await? {
            Some(ExportLine::End { groups }) if groups == seen => return Ok(done),
            Some(ExportLine::End { groups }) => {
                return Err(wrong(format!("the export says that it has {groups} groups, and has {seen}")));
            }
            Some(ExportLine::Group { namespace, group, properties, codecs, schemas, encodings }) => {
                seen += 1;
                let id = GroupId::new(namespace, group);
                registry.may_make(&id)?;
                let is_there = registry.table.entry(&keys::group(&id)).await?.is_some();
                if is_there && existing == Existing::Refuse {
                    return Err(already(&id));
                }
                let mut importing = Importing::begin(registry, id, properties, codecs, is_there).await?;
                for number in 0..schemas {
                    match next().await? {
                        Some(ExportLine::Schema {
                            schema_info,
                            version_info,
                            compatibility,
                            timestamp,
                            deleted,
                        }) => {
                            importing
                                .schema(schema_info, version_info, compatibility, timestamp, deleted)
                                .await?;
                        }
                        _ => return Err(cut_short(&format!("schema {number} of group {}", importing.id))),
                    }
                }
                for number in 0..encodings {
                    match next().await? {
                        Some(ExportLine::Encoding { encoding_id, schema_id, codec_type })
                            if encoding_id == number =>
                        {
                            importing.encoding(schema_id, codec_type).await?;
                        }
                        _ => return Err(cut_short(&format!("encoding {number} of group {}", importing.id))),
                    }
                }
                if is_there {
                    done.skipped += 1;
                    continue;
                }
                importing.end().await?;
                done.groups += 1;
                done.schemas += u64::from(schemas);
                done.encodings += u64::from(encodings);
            }
            Some(_) => {
                return Err(wrong(
                    "a schema or an encoding stands where a group should: the export is damaged",
                ));
            }
            None => return Err(cut_short("its end")),
        }
    }
}

fn already(id: &GroupId) -> RegistryError {
    let what = format!("group {id} is there already: delete it first, or skip those that are there");
    RegistryError::new(RegistryErrorKind::Incompatible, what)
}

/// A group that is being taken in.
struct Importing<'a> {
    registry: &'a Registry,
    id: GroupId,
    head: Head,
    versions: Versions,
    changes: Vec<TableChange>,
    bytes: usize,
    /// Lines are checked, and nothing is written.
    skipped: bool,
}

impl<'a> Importing<'a> {
    async fn begin(
        registry: &'a Registry,
        id: GroupId,
        properties: GroupProperties,
        codecs: Vec<CodecType>,
        skipped: bool,
    ) -> RegistryResult<Self> {
        limits::check_group(&id).map_err(refused)?;
        for codec in &codecs {
            limits::check_codec(codec).map_err(refused)?;
        }
        let incarnation = if skipped { 0 } else { registry.new_incarnation().await? };
        let head = Head { codecs, ..Head::new(incarnation, properties) };
        let versions = Versions::default();
        Ok(Self { registry, id, head, versions, changes: Vec::new(), bytes: 0, skipped })
    }

    async fn schema(
        &mut self,
        schema: SchemaInfo,
        version: VersionInfo,
        compatibility: Compatibility,
        timestamp_ms: u64,
        deleted: bool,
    ) -> RegistryResult<()> {
        let Self { id, .. } = self;
        let expected = self.versions.next(&version.format, &version.type_name);
        if version != expected {
            return Err(wrong(format!(
                "schema {} of group {id} is version {} of type {:?}, where id {} and version {} come next",
                version.id, version.version, version.type_name, expected.id, expected.version
            )));
        }
        let normal = self.registry.normal(&self.registry.compute.work(), schema).await.map_err(|error| {
            let what = format!("schema {} of group {id}: {error}", version.id);
            RegistryError::new(error.kind(), what)
        })?;
        if normal.schema.type_name != version.type_name {
            return Err(wrong(format!(
                "schema {} of group {id} describes {:?}, and its version says {:?}",
                version.id, normal.schema.type_name, version.type_name
            )));
        }
        self.versions.push(VersionRecord { version: version.clone(), shape: normal.shape.clone() });
        let number = version.id;
        let added = Added::new(&normal, version, compatibility, timestamp_ms);
        let changes = added.changes(&self.registry.table, self.head.incarnation, !deleted);
        self.head.schemas += 1;
        if deleted {
            self.head.deleted.insert(number);
        }
        self.write(changes, normal.schema.data.len() * 2).await
    }

    async fn encoding(&mut self, schema: u32, codec: CodecType) -> RegistryResult<()> {
        if schema >= self.head.schemas {
            let (number, id) = (self.head.encodings, &self.id);
            return Err(wrong(format!(
                "encoding {number} of group {id} names schema {schema}, which is not there"
            )));
        }
        let record = EncodingRecord { schema, codec };
        let number = self.head.encodings;
        let changes = encoding(&self.registry.table, self.head.incarnation, number, &record);
        self.head.encodings += 1;
        self.write(changes, 200).await
    }

    async fn write(&mut self, changes: Vec<TableChange>, bytes: usize) -> RegistryResult<()> {
        // a large schema goes alone: a store takes a bounded commit
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
        if self.skipped || changes.is_empty() || self.registry.table.change(changes, Vec::new()).await? {
            return Ok(());
        }
        // nobody else writes under this incarnation, so something stands in the export twice
        Err(wrong(format!("group {} has an encoding twice, or a live schema", self.id)))
    }

    async fn end(mut self) -> RegistryResult<()> {
        self.flush().await?;
        let properties = self.head.properties.clone();
        let event = ChangeEvent::GroupImported { properties, schemas: self.head.schemas };
        if self.registry.put_group(&self.id, event, &self.head, Vec::new()).await? {
            return Ok(());
        }
        self.registry.sweep(self.head.incarnation).await?;
        Err(already(&self.id))
    }
}
