//! The sink that matters: streams of a store, a registry group for each, and the position in a table of the store.

use crate::{CdcError, CdcErrorKind, CdcResult, Position, Record, RowSchema, Sink};
use async_trait::async_trait;
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::{
    Append, Commit, Condition, Scope, StreamConfig, StreamId, StreamStore, TableChange, TableId, Transaction,
    Version,
};
use std::collections::HashMap;
use std::sync::Arc;

/// What a commit may hold in memory; a larger one is staged in a transaction of the store.
const STAGE_BYTES: usize = 4 << 20;

/// How tables become streams.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The connector's name, under which its position is kept.
    pub name: String,
    /// The scope of the streams.
    pub scope: String,
    /// The stream's name, from `{prefix}`, `{schema}` and `{table}`; what a name may not hold becomes `-`.
    pub stream_template: String,
    /// Segments of a new stream.
    pub segments: u32,
}

/// Writes each table's records to a stream of its own, in key order. Tombstones, which have no value, have no place
/// in a stream and are left out.
pub struct StoreSink {
    store: Arc<dyn StreamStore>,
    registry: Arc<dyn SchemaRegistry>,
    settings: StoreSettings,
    scope: Scope,
    positions: TableId,
    version: Option<Version>,
    /// The stream of each topic seen, and whose it is.
    streams: HashMap<String, StreamId>,
    owners: HashMap<StreamId, String>,
    buffer: Vec<Append>,
    buffered: usize,
    transaction: Option<Box<dyn Transaction>>,
}

impl StoreSink {
    /// Makes the scope, and the table of positions.
    pub async fn new(
        store: Arc<dyn StreamStore>,
        registry: Arc<dyn SchemaRegistry>,
        settings: StoreSettings,
    ) -> CdcResult<Self> {
        let scope = Scope::new(&settings.scope)?;
        store.create_scope(&scope).await?;
        store.create_scope(&Scope::system("_kulya")).await?;
        let positions = TableId::system("_kulya", "cdc")?;
        store.create_table(&positions).await?;
        Ok(Self {
            store,
            registry,
            settings,
            scope,
            positions,
            version: None,
            streams: HashMap::new(),
            owners: HashMap::new(),
            buffer: Vec::new(),
            buffered: 0,
            transaction: None,
        })
    }

    fn stream_name(&self, schema: &RowSchema) -> String {
        let name = self.settings.stream_template.replace("{prefix}", &schema.prefix);
        lawful(&name.replace("{schema}", &schema.schema).replace("{table}", &schema.table))
    }

    /// The stream of a topic, made on its first record. Two topics in one stream would mix two tables.
    async fn stream(&mut self, topic: &str, name: &str, owner: &str) -> CdcResult<StreamId> {
        if let Some(stream) = self.streams.get(topic) {
            return Ok(stream.clone());
        }
        let stream = StreamId::new(self.scope.as_str(), name)?;
        if let Some(other) = self.owners.get(&stream)
            && other != owner
        {
            return Err(CdcError::configuration(format!(
                "tables {other} and {owner} would both be written to stream {stream}: choose another stream template"
            )));
        }
        self.store.create_stream(&stream, StreamConfig::with_segments(self.settings.segments)).await?;
        self.owners.insert(stream.clone(), owner.to_owned());
        self.streams.insert(topic.to_owned(), stream.clone());
        Ok(stream)
    }

    async fn stage(&mut self) -> CdcResult<()> {
        if self.transaction.is_none() {
            self.transaction = Some(self.store.begin().await?);
        }
        if let Some(transaction) = &mut self.transaction {
            self.buffered = 0;
            transaction.stage(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }
}

/// A name that a stream may have: what it may not hold becomes `-`.
pub(crate) fn lawful(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '-' }).collect()
}

#[async_trait]
impl Sink for StoreSink {
    async fn position(&mut self) -> CdcResult<Option<Position>> {
        self.buffer.clear();
        self.buffered = 0;
        self.transaction = None;
        let Some(entry) = self.store.get(&self.positions, self.settings.name.as_bytes()).await? else {
            self.version = None;
            return Ok(None);
        };
        self.version = Some(entry.version);
        let position = serde_json::from_slice(&entry.value).map_err(|e| {
            let what = format!("the stored position of {} cannot be read", self.settings.name);
            CdcError::new(CdcErrorKind::Position, what).because(e)
        })?;
        Ok(Some(position))
    }

    async fn table(&mut self, schema: &Arc<RowSchema>) -> CdcResult<()> {
        let owner = schema.table_name();
        let stream = self.stream(&schema.topic(), &self.stream_name(schema), &owner).await?;
        let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
        let mut properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, true);
        properties.properties.insert("format".into(), "debezium-json".into());
        properties.properties.insert("source.table".into(), owner.clone());
        if !self.registry.create_group(&group, properties).await? {
            let there = self.registry.group(&group).await?;
            let other = there.properties.get("source.table");
            if other != Some(&owner) {
                let other = other.map_or("something else", String::as_str);
                return Err(CdcError::configuration(format!(
                    "table {owner} would be written to stream {stream}, which holds {other}: choose another stream \
                     template or scope"
                )));
            }
        }
        let row = SchemaInfo::new(schema.type_name(), Format::Json, schema.json_schema());
        self.registry.add_schema(&group, row).await?;
        Ok(())
    }

    async fn write(&mut self, record: Record) -> CdcResult<()> {
        let Some(value) = record.value else { return Ok(()) };
        let name =
            record.table.as_ref().map_or_else(|| lawful(&record.topic), |schema| self.stream_name(schema));
        let owner = record.table.as_ref().map_or_else(|| record.topic.clone(), |schema| schema.table_name());
        let stream = self.stream(&record.topic, &name, &owner).await?;
        // a table without a key keeps its order too: all its events share one routing key
        let routing_key = record.key.unwrap_or(record.topic);
        self.buffered += value.len() + routing_key.len() + 64;
        self.buffer.push(Append::keyed(&stream, routing_key, value));
        if self.buffered > STAGE_BYTES {
            self.stage().await?;
        }
        Ok(())
    }

    async fn commit(&mut self, position: &Position) -> CdcResult<()> {
        let condition = self.version.map_or(Condition::Absent, Condition::At);
        let value = serde_json::to_vec(position).expect("a position has text keys and no failing parts");
        let change = TableChange::put(&self.positions, self.settings.name.clone(), condition, value);
        let done = if self.transaction.is_some() {
            self.stage().await?;
            let transaction = self.transaction.take().expect("it was there a line above");
            transaction.commit(vec![change]).await?
        } else {
            self.buffered = 0;
            self.store
                .commit(Commit {
                    appends: std::mem::take(&mut self.buffer),
                    changes: vec![change],
                    ..Commit::default()
                })
                .await?
        };
        self.version = done.versions.first().copied();
        Ok(())
    }
}
