//! Export of a registry that has only the operations of REST v1, such as the Java registry, for a migration.
//! Schema and encoding ids are dense, and deleted schemas still resolve (contract §2), so enumerating the ids
//! finds everything.
//!
//! REST v1 does not return the policy and the time of a deleted schema. The export takes them from the last
//! live schema before it; without one, from the group's policy and time 0. REST v1 cannot list namespaces
//! either: the caller names them.

use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{EXPORT_VERSION, ExportLine};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{Compatibility, EncodingId, GroupId, GroupProperties, VersionInfo};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;

/// Exports these namespaces as the lines of a registry export. Memory is bounded by one group's history,
/// without its schemas. The stream ends after its first error, which is the registry's, or `Unavailable` when
/// a group was changed during the export.
pub fn export_namespaces(
    registry: Arc<dyn SchemaRegistry>,
    namespaces: Vec<String>,
) -> BoxStream<'static, RegistryResult<ExportLine>> {
    let begin = ExportLine::Begin { kulya_registry_export: EXPORT_VERSION };
    let exporter = Exporter {
        registry,
        namespaces: namespaces.into(),
        groups: VecDeque::new(),
        exported_groups: 0,
        lines: VecDeque::from([begin]),
        step: Step::Groups,
    };
    let lines = stream::unfold(exporter, |mut exporter| async move {
        match exporter.next().await {
            Ok(line) => line.map(|line| (Ok(line), exporter)),
            Err(error) => {
                (exporter.step, exporter.lines) = (Step::Done, VecDeque::new());
                Some((Err(error), exporter))
            }
        }
    });
    lines.boxed()
}

struct Exporter {
    registry: Arc<dyn SchemaRegistry>,
    /// Namespaces that are not exported yet.
    namespaces: VecDeque<String>,
    groups: VecDeque<(GroupId, GroupProperties)>,
    exported_groups: u64,
    lines: VecDeque<ExportLine>,
    step: Step,
}

enum Step {
    Groups,
    Schemas(Box<GroupScan>),
    Encodings(Box<GroupScan>),
    Done,
}

/// The progress within one group.
struct GroupScan {
    id: GroupId,
    live: BTreeMap<u32, LiveSchema>,
    /// The next version number of each format and type.
    next_versions: HashMap<(String, String), u32>,
    /// Policy and time of the last live schema, used for deleted ones.
    compatibility: Compatibility,
    timestamp: u64,
    schemas: u32,
    encodings: u32,
    next: u32,
}

struct LiveSchema {
    version: VersionInfo,
    compatibility: Compatibility,
    timestamp: u64,
}

/// Converts `NotFound` to `None`.
async fn optional<T>(call: impl Future<Output = RegistryResult<T>>) -> RegistryResult<Option<T>> {
    match call.await {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == RegistryErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Exporter {
    async fn next(&mut self) -> RegistryResult<Option<ExportLine>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            match std::mem::replace(&mut self.step, Step::Done) {
                Step::Done => return Ok(None),
                Step::Groups => self.next_group().await?,
                Step::Schemas(group) if group.next == group.schemas => {
                    self.step = Step::Encodings(Box::new(GroupScan { next: 0, ..*group }));
                }
                Step::Schemas(group) => self.next_schema(group).await?,
                Step::Encodings(group) if group.next == group.encodings => self.step = Step::Groups,
                Step::Encodings(group) => self.next_encoding(group).await?,
            }
        }
    }

    async fn next_group(&mut self) -> RegistryResult<()> {
        let Some((id, properties)) = self.groups.pop_front() else {
            match self.namespaces.pop_front() {
                Some(namespace) => {
                    self.groups = self.registry.groups(&namespace).await?.into();
                    self.step = Step::Groups;
                }
                None => self.lines.push_back(ExportLine::End { groups: self.exported_groups }),
            }
            return Ok(());
        };
        self.step = Step::Groups;
        // the group was deleted during the export
        let Some(codecs) = optional(self.registry.codec_types(&id)).await? else { return Ok(()) };
        let live = self.registry.history(&id).await?.into_iter().map(|record| {
            let (version, compatibility) = (record.version, record.compatibility);
            (version.id, LiveSchema { version, compatibility, timestamp: record.timestamp_ms })
        });
        let live: BTreeMap<u32, LiveSchema> = live.collect();
        let mut schemas = live.last_key_value().map_or(0, |(last, _)| last + 1);
        while optional(self.registry.schema(&id, schemas)).await?.is_some() {
            schemas += 1;
        }
        let encodings = self.count_encodings(&id).await?;
        self.exported_groups += 1;
        self.lines.push_back(ExportLine::Group {
            namespace: id.namespace.clone(),
            group: id.name.clone(),
            properties: properties.clone(),
            codecs,
            schemas,
            encodings,
        });
        let (next_versions, compatibility) = (HashMap::new(), properties.compatibility);
        let group =
            GroupScan { id, live, next_versions, compatibility, timestamp: 0, schemas, encodings, next: 0 };
        self.step = Step::Schemas(Box::new(group));
        Ok(())
    }

    /// Returns the number of encoding ids, by exponential and binary search.
    async fn count_encodings(&self, group: &GroupId) -> RegistryResult<u32> {
        let exists = async |id: u32| {
            optional(self.registry.encoding(group, EncodingId(id))).await.map(|encoding| encoding.is_some())
        };
        let (mut count, mut step) = (0_u32, 1_u32);
        // the ids below `count` exist
        while exists(count + step - 1).await? {
            count += step;
            step = step.saturating_mul(2).min(i32::MAX as u32 - count).max(1);
        }
        while step > 1 {
            let half = step / 2;
            if exists(count + half - 1).await? {
                count += half;
                step -= half;
            } else {
                step = half;
            }
        }
        Ok(count)
    }

    async fn next_schema(&mut self, mut group: Box<GroupScan>) -> RegistryResult<()> {
        let id = group.next;
        let schema_info = self.registry.schema(&group.id, id).await?;
        let key = (schema_info.format.full_name().to_owned(), schema_info.type_name.clone());
        let number = group.next_versions.entry(key).or_default();
        let computed = VersionInfo {
            type_name: schema_info.type_name.clone(),
            format: schema_info.format.full_name().to_owned(),
            version: *number,
            id,
        };
        *number += 1;
        let live = group.live.remove(&id);
        let deleted = live.is_none();
        let version_info = match live {
            Some(live) => {
                (group.compatibility, group.timestamp) = (live.compatibility, live.timestamp);
                live.version
            }
            None => computed,
        };
        self.lines.push_back(ExportLine::Schema {
            schema_info,
            version_info,
            compatibility: group.compatibility.clone(),
            timestamp: group.timestamp,
            deleted,
            // REST v1 has self-contained schemas only
            unresolved: None,
        });
        group.next += 1;
        self.step = Step::Schemas(group);
        Ok(())
    }

    async fn next_encoding(&mut self, mut group: Box<GroupScan>) -> RegistryResult<()> {
        let encoding_id = group.next;
        let encoding = self.registry.encoding(&group.id, EncodingId(encoding_id)).await?;
        let schema_id = encoding.version.id;
        if schema_id >= group.schemas {
            // the schema was added after the schemas were counted
            let what = format!("group {} was changed during the export: try again", group.id);
            return Err(RegistryError::new(RegistryErrorKind::Unavailable, what));
        }
        self.lines.push_back(ExportLine::Encoding { encoding_id, schema_id, codec_type: encoding.codec });
        group.next += 1;
        self.step = Step::Encodings(group);
        Ok(())
    }
}
