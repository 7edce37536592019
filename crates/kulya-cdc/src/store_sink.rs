//! A sink that writes to a stream store ([`StoreSink`]): one stream and one registry group per table, and the
//! position in a table of the store.

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

/// The maximum size of a commit in memory, in bytes; a larger one is staged in a transaction of the store.
const STAGE_BYTES: usize = 4 << 20;

/// The settings of a [`StoreSink`].
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The connector's name, under which the position is stored.
    pub name: String,
    /// The scope of the streams.
    pub scope: String,
    /// The template of stream names, with `{prefix}`, `{schema}` and `{table}`; invalid characters become
    /// `-`.
    pub stream_template: String,
    /// The number of segments of a new stream.
    pub segments: u32,
}

/// A sink that writes each table's records to its own stream, in order per key. Tombstones, which have no
/// value, are skipped.
pub struct StoreSink {
    store: Arc<dyn StreamStore>,
    registry: Arc<dyn SchemaRegistry>,
    settings: StoreSettings,
    scope: Scope,
    positions: TableId,
    version: Option<Version>,
    /// The streams by topic.
    streams: HashMap<String, StreamId>,
    /// The table or topic that is written to each stream.
    owners: HashMap<StreamId, String>,
    buffer: Vec<Append>,
    buffered_bytes: usize,
    transaction: Option<Box<dyn Transaction>>,
}

impl StoreSink {
    /// Creates the scope and the table of positions, if they do not exist.
    ///
    /// # Errors
    /// `Store` for an invalid scope name or when the store fails; `Unreachable`.
    pub async fn new(
        store: impl Into<Arc<dyn StreamStore>>,
        registry: impl Into<Arc<dyn SchemaRegistry>>,
        settings: StoreSettings,
    ) -> CdcResult<Self> {
        let (store, registry) = (store.into(), registry.into());
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
            buffered_bytes: 0,
            transaction: None,
        })
    }

    fn stream_name(&self, schema: &RowSchema) -> String {
        let name = self.settings.stream_template.replace("{prefix}", &schema.prefix);
        sanitize_name(&name.replace("{schema}", &schema.schema).replace("{table}", &schema.table))
    }

    /// Returns the stream of a topic, created on first use. Two topics must not share a stream.
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
            self.buffered_bytes = 0;
            transaction.stage(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }
}

/// Replaces characters that scope and stream names must not contain by `-`.
pub(crate) fn sanitize_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '-' }).collect()
}

#[async_trait]
impl Sink for StoreSink {
    async fn position(&mut self) -> CdcResult<Option<Position>> {
        self.buffer.clear();
        self.buffered_bytes = 0;
        self.transaction = None;
        let Some(entry) = self.store.get(&self.positions, self.settings.name.as_bytes()).await? else {
            self.version = None;
            return Ok(None);
        };
        self.version = Some(entry.version);
        let position = serde_json::from_slice(&entry.value).map_err(|e| {
            let what = format!("the stored position of {} cannot be parsed", self.settings.name);
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
            let existing = self.registry.group(&group).await?;
            let other = existing.properties.get("source.table");
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
        let name = record
            .table
            .as_ref()
            .map_or_else(|| sanitize_name(&record.topic), |schema| self.stream_name(schema));
        let owner = record.table.as_ref().map_or_else(|| record.topic.clone(), |schema| schema.table_name());
        let stream = self.stream(&record.topic, &name, &owner).await?;
        // all events of a table without a key share one routing key, which preserves their order
        let routing_key = record.key.unwrap_or(record.topic);
        self.buffered_bytes += value.len() + routing_key.len() + 64;
        self.buffer.push(Append::keyed(&stream, routing_key, value));
        if self.buffered_bytes > STAGE_BYTES {
            self.stage().await?;
        }
        Ok(())
    }

    async fn commit(&mut self, position: &Position) -> CdcResult<()> {
        let condition = self.version.map_or(Condition::Absent, Condition::At);
        let value = serde_json::to_vec(position).expect("a position serializes without errors");
        let change = TableChange::put(&self.positions, self.settings.name.clone(), condition, value);
        let committed = if self.transaction.is_some() {
            self.stage().await?;
            let transaction = self.transaction.take().expect("the transaction was set above");
            transaction.commit(vec![change]).await?
        } else {
            self.buffered_bytes = 0;
            self.store
                .commit(Commit {
                    appends: std::mem::take(&mut self.buffer),
                    changes: vec![change],
                    ..Commit::default()
                })
                .await?
        };
        self.version = committed.versions.first().copied();
        Ok(())
    }
}
