//! Everything of a registry that can only be asked what writers and readers ask, as an export: so that a shop can move away
//! from the Java registry, whose REST v1 has no export. Ids are dense, and deleted schemas still resolve (contract §2), so
//! counting up finds everything.
//!
//! Not told by such a registry, and so not in the export as it was: the policy and the time of a schema that was deleted
//! since. They are taken from the last live schema before it; from the group, and the beginning of time, when there is
//! none. Namespaces cannot be listed: whoever asks names them.

use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{EXPORT_VERSION, ExportLine};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{Compatibility, EncodingId, GroupId, GroupProperties, VersionInfo};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;

/// The lines of everything in these namespaces. One group's history, without its schemas, is held at a time.
pub fn export_by_probing(
    registry: Arc<dyn SchemaRegistry>,
    namespaces: Vec<String>,
) -> BoxStream<'static, RegistryResult<ExportLine>> {
    let begin = ExportLine::Begin { kulya_registry_export: EXPORT_VERSION };
    let probing = Probing {
        registry,
        namespaces: namespaces.into(),
        groups: VecDeque::new(),
        told: 0,
        lines: VecDeque::from([begin]),
        step: Step::Groups,
    };
    let lines = stream::unfold(probing, |mut probing| async move {
        match probing.next().await {
            Ok(line) => line.map(|line| (Ok(line), probing)),
            Err(error) => {
                (probing.step, probing.lines) = (Step::Over, VecDeque::new());
                Some((Err(error), probing))
            }
        }
    });
    lines.boxed()
}

struct Probing {
    registry: Arc<dyn SchemaRegistry>,
    /// Those to come.
    namespaces: VecDeque<String>,
    groups: VecDeque<(GroupId, GroupProperties)>,
    told: u64,
    lines: VecDeque<ExportLine>,
    step: Step,
}

enum Step {
    Groups,
    Schemas(Box<Counted>),
    Encodings(Box<Counted>),
    Over,
}

/// A group whose schemas and encodings have been counted.
struct Counted {
    id: GroupId,
    live: BTreeMap<u32, Live>,
    /// How many versions were passed of each format and type.
    passed: HashMap<(String, String), u32>,
    /// What a deleted schema is taken to have had.
    compatibility: Compatibility,
    timestamp: u64,
    schemas: u32,
    encodings: u32,
    next: u32,
}

struct Live {
    version: VersionInfo,
    compatibility: Compatibility,
    timestamp: u64,
}

/// What there is under an id; nothing when there is none.
async fn there<T>(asked: impl Future<Output = RegistryResult<T>>) -> RegistryResult<Option<T>> {
    match asked.await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == RegistryErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Probing {
    async fn next(&mut self) -> RegistryResult<Option<ExportLine>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            match std::mem::replace(&mut self.step, Step::Over) {
                Step::Over => return Ok(None),
                Step::Groups => self.group().await?,
                Step::Schemas(group) if group.next == group.schemas => {
                    self.step = Step::Encodings(Box::new(Counted { next: 0, ..*group }));
                }
                Step::Schemas(group) => self.schema(group).await?,
                Step::Encodings(group) if group.next == group.encodings => self.step = Step::Groups,
                Step::Encodings(group) => self.encoding(group).await?,
            }
        }
    }

    async fn group(&mut self) -> RegistryResult<()> {
        let Some((id, properties)) = self.groups.pop_front() else {
            match self.namespaces.pop_front() {
                Some(namespace) => {
                    self.groups = self.registry.groups(&namespace).await?.into();
                    self.step = Step::Groups;
                }
                None => self.lines.push_back(ExportLine::End { groups: self.told }),
            }
            return Ok(());
        };
        self.step = Step::Groups;
        // deleted meanwhile
        let Some(codecs) = there(self.registry.codec_types(&id)).await? else { return Ok(()) };
        let live = self.registry.history(&id).await?.into_iter().map(|record| {
            let (version, compatibility) = (record.version, record.compatibility);
            (version.id, Live { version, compatibility, timestamp: record.timestamp_ms })
        });
        let live: BTreeMap<u32, Live> = live.collect();
        let mut schemas = live.last_key_value().map_or(0, |(last, _)| last + 1);
        while there(self.registry.schema(&id, schemas)).await?.is_some() {
            schemas += 1;
        }
        let encodings = self.count_encodings(&id).await?;
        self.told += 1;
        self.lines.push_back(ExportLine::Group {
            namespace: id.namespace.clone(),
            group: id.name.clone(),
            properties: properties.clone(),
            codecs,
            schemas,
            encodings,
        });
        let (passed, compatibility) = (HashMap::new(), properties.compatibility);
        let group = Counted { id, live, passed, compatibility, timestamp: 0, schemas, encodings, next: 0 };
        self.step = Step::Schemas(Box::new(group));
        Ok(())
    }

    /// The first id that is none, by doubling and halving.
    async fn count_encodings(&self, group: &GroupId) -> RegistryResult<u32> {
        let is_there = async |id: u32| {
            there(self.registry.encoding(group, EncodingId(id))).await.map(|found| found.is_some())
        };
        let (mut known, mut step) = (0_u32, 1_u32);
        // the first `known` are there
        while is_there(known + step - 1).await? {
            known += step;
            step = step.saturating_mul(2).min(i32::MAX as u32 - known).max(1);
        }
        while step > 1 {
            let half = step / 2;
            if is_there(known + half - 1).await? {
                known += half;
                step -= half;
            } else {
                step = half;
            }
        }
        Ok(known)
    }

    async fn schema(&mut self, mut group: Box<Counted>) -> RegistryResult<()> {
        let id = group.next;
        let schema_info = self.registry.schema(&group.id, id).await?;
        let key = (schema_info.format.full_name().to_owned(), schema_info.type_name.clone());
        let number = group.passed.entry(key).or_default();
        let counted = VersionInfo {
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
            None => counted,
        };
        self.lines.push_back(ExportLine::Schema {
            schema_info,
            version_info,
            compatibility: group.compatibility.clone(),
            timestamp: group.timestamp,
            deleted,
        });
        group.next += 1;
        self.step = Step::Schemas(group);
        Ok(())
    }

    async fn encoding(&mut self, mut group: Box<Counted>) -> RegistryResult<()> {
        let encoding_id = group.next;
        let encoding = self.registry.encoding(&group.id, EncodingId(encoding_id)).await?;
        let schema_id = encoding.version.id;
        if schema_id >= group.schemas {
            // counted before the schema was added
            let what = format!("group {} was changed while it was exported: try again", group.id);
            return Err(RegistryError::new(RegistryErrorKind::Unavailable, what));
        }
        self.lines.push_back(ExportLine::Encoding { encoding_id, schema_id, codec_type: encoding.codec });
        group.next += 1;
        self.step = Step::Encodings(group);
        Ok(())
    }
}
