//! What the events of a capture have in common, and those of a table or topic: destinations, schemas,
//! headers.

use super::connect_schema::{SchemaBlock, SchemaBlocks, envelope};
use super::connector::Connector;
use super::format::EventFormat;
use super::headers::{Context, Header};
use super::modes::ValueModes;
use crate::batch::{Batch, Destination, Parts, Span};
use crate::column_rules::ColumnRules;
use crate::{ColumnDescription, RowSchema};
use std::sync::Arc;

/// What all events of a capture have in common.
#[derive(Debug, Clone)]
pub(crate) struct EventContext {
    pub(crate) connector: Connector,
    pub(crate) format: EventFormat,
    pub(crate) modes: ValueModes,
    pub(crate) columns: ColumnRules,
    /// Whether events are transformed, which needs their schemas.
    pub(crate) is_transformed: bool,
    /// The headers `__debezium.context.*` as members of a JSON object; empty without them.
    pub(crate) headers: Vec<u8>,
}

impl EventContext {
    /// `run_id` is new at each start of a capture.
    pub(crate) fn new(connector: Connector, format: EventFormat, modes: ValueModes, run_id: &str) -> Self {
        let mut headers = Vec::new();
        if format.context_headers {
            let context = Context { prefix: &format.topic_prefix, task_id: "0", connector, run_id };
            context
                .headers(format.schemas_in_headers)
                .iter()
                .for_each(|header| add_header(header, &mut headers));
        }
        Self { connector, format, modes, columns: ColumnRules::default(), is_transformed: false, headers }
    }

    /// Sets the rules for columns.
    pub(crate) fn with_columns(self, columns: ColumnRules) -> Self {
        Self { columns, ..self }
    }

    /// Sets whether events are transformed.
    pub(crate) fn with_transformations(self, is_transformed: bool) -> Self {
        Self { is_transformed, ..self }
    }

    /// Returns what the events of a version of a table have in common. The key's columns may be others than
    /// those of the rows.
    pub(crate) fn table_with_key(&self, schema: RowSchema, key: &[ColumnDescription]) -> TableEvents {
        let blocks = SchemaBlocks::of_table_with_key(&schema, key, self.connector, &self.format);
        let key_header = SchemaBlocks::of_key_header_with(&schema, key, &self.format);
        let topic = self.format.topics().table(&schema.schema, &schema.table);
        let has_envelope = self.format.encoding.has_header() || self.is_transformed;
        let envelope = has_envelope.then(|| Arc::new(envelope(&schema, self.connector, &self.format)));
        let schema = Arc::new(schema);
        let destination =
            Arc::new(Destination { topic, table: Some(Arc::clone(&schema)), envelope, transformed: None });
        TableEvents { schema, destination, blocks, key_header }
    }

    /// Returns the transaction topic.
    pub(crate) fn transactions(&self) -> TopicEvents {
        let blocks = SchemaBlocks::of_transactions(&self.format);
        TopicEvents::new(self.format.topics().transaction(), blocks)
    }

    /// Returns the topic of logical decoding messages.
    pub(crate) fn messages(&self) -> TopicEvents {
        let blocks = SchemaBlocks::of_messages(&self.format, self.modes.binary);
        TopicEvents::new(self.format.topics().message(), blocks)
    }

    /// Returns the topic of heartbeats.
    pub(crate) fn heartbeats(&self) -> TopicEvents {
        TopicEvents::new(self.format.topics().heartbeat(), SchemaBlocks::of_heartbeats(&self.format))
    }

    /// Returns the topic of schema changes.
    pub(crate) fn schema_changes(&self) -> TopicEvents {
        let blocks = SchemaBlocks::of_schema_changes(self.connector, &self.format);
        TopicEvents::new(self.format.topics().schema_change().to_owned(), blocks)
    }
}

/// Writes a header as a further member of a JSON object.
fn add_header((name, value): &Header, out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
    super::json::write(out, name);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

/// What the events of a version of a table have in common.
#[derive(Debug, Clone)]
pub(crate) struct TableEvents {
    pub(crate) schema: Arc<RowSchema>,
    pub(crate) destination: Arc<Destination>,
    pub(crate) blocks: SchemaBlocks,
    /// What stands around a key in a header.
    pub(crate) key_header: SchemaBlock,
}

/// What the events of a topic that is no table's have in common.
#[derive(Debug, Clone)]
pub(crate) struct TopicEvents {
    pub(crate) destination: Arc<Destination>,
    blocks: SchemaBlocks,
}

impl TopicEvents {
    fn new(topic: String, blocks: SchemaBlocks) -> Self {
        Self { destination: Arc::new(Destination::of_topic(topic)), blocks }
    }

    /// Adds an event to a batch. `headers` are members of a JSON object.
    pub(crate) fn push(
        &self,
        batch: &mut Batch,
        headers: &[u8],
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let out = batch.buffer();
        let start = out.len();
        let routing_key = self.blocks.key.as_ref().map(|block| {
            block.write(out, |out| {
                let start = out.len();
                key(out);
                Span::new(start, out.len())
            })
        });
        let key = routing_key.map(|_| Span::new(start, out.len()));
        let start = out.len();
        self.blocks.value.write(out, value);
        let value = Some(Span::new(start, out.len()));
        let start = out.len();
        out.extend_from_slice(headers);
        let headers = (!headers.is_empty()).then(|| Span::new(start, out.len()));
        batch.push(&self.destination, Parts { routing_key, ..Parts::new(key, value, headers) });
    }
}
