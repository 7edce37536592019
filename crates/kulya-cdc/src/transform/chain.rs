//! The transformations of a capture, applied to batches.

use super::draft::{Draft, Value, payload};
use super::schema_cache::SchemaCache;
use super::settings::TransformSettings;
use super::step::Step;
use crate::batch::{Destination, Parts, Span, TransformedDestination};
use crate::debezium::RowSchema;
use crate::debezium::connect_schema::{ConnectSchema, SchemaBlock};
use crate::debezium::format::EventFormat;
use crate::{Batch, CdcError, CdcResult};
use std::collections::HashMap;
use std::sync::Arc;

/// The number of destinations from which on their cache is cleared.
const MAX_DESTINATIONS: usize = 10_000;

/// The transformations of a capture, in their order.
#[derive(Debug)]
pub(crate) struct Transformations {
    steps: Vec<Step>,
    has_schemas: bool,
    /// Whether the sink encodes events, in an encoding that has no null.
    is_encoded: bool,
    /// By the addresses of the source's destination and of the schema, and by topic.
    destinations: HashMap<(usize, usize, String), Target>,
    blocks: SchemaCache<SchemaBlock>,
}

/// A destination, with what must live as long as the addresses by which it is found.
#[derive(Debug)]
struct Target {
    _origin: Arc<Destination>,
    _schema: Option<Arc<ConnectSchema>>,
    destination: Arc<Destination>,
}

impl Transformations {
    /// Creates the transformations of settings.
    ///
    /// # Errors
    /// `Configuration` for one that is not supported.
    pub(crate) fn new(settings: &[TransformSettings], format: &EventFormat) -> CdcResult<Self> {
        let step = |(index, settings): (usize, &TransformSettings)| {
            Step::new(settings, format)
                .map_err(|reason| CdcError::configuration(format!("transforms[{index}]: {reason}")))
        };
        Ok(Self {
            steps: settings.iter().enumerate().map(step).collect::<CdcResult<_>>()?,
            has_schemas: format.schemas_in_values,
            is_encoded: format.encoding.has_header(),
            destinations: HashMap::new(),
            blocks: SchemaCache::default(),
        })
    }

    /// Returns why a transformation cannot be used, if it cannot.
    pub(crate) fn check(settings: &TransformSettings, format: &EventFormat) -> Result<(), String> {
        Step::new(settings, format).map(|_| ())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Forgets the records before: the source begins again.
    pub(crate) fn reset(&mut self) {
        self.steps.iter_mut().for_each(Step::reset);
    }

    /// Transforms the records of a batch. Events that were left out keep their topic.
    ///
    /// # Errors
    /// `Configuration` for an event that a transformation cannot take.
    pub(crate) fn apply(&mut self, batch: &Batch) -> CdcResult<Batch> {
        let mut transformed = Batch::with_capacity(batch.size());
        self.declare(batch, &mut transformed);
        'records: for record in batch.records() {
            let mut draft = Draft::new(record);
            for step in &mut self.steps {
                match step.apply(draft)? {
                    Some(next) => draft = next,
                    None => continue 'records,
                }
            }
            self.write(draft, &mut transformed)?;
        }
        for omitted in batch.omitted() {
            let key = omitted.key.map(|key| transformed.copy(key));
            transformed.omit(omitted.destination, key, omitted.bytes);
        }
        Ok(transformed)
    }

    /// Declares the destinations of the tables that a batch has, with changes or without, as far as the
    /// transformations tell them without a row. What they cannot take is refused with the first change.
    fn declare(&mut self, batch: &Batch, transformed: &mut Batch) {
        for origin in batch.destinations() {
            let mut draft = Draft::of_table(origin);
            for step in &mut self.steps {
                draft = draft.and_then(|draft| step.declare(draft).ok().flatten());
            }
            if let Some(draft) = draft.filter(|draft| !draft.topic.is_empty()) {
                transformed.declare(&self.destination(&draft));
            }
        }
    }

    fn write(&mut self, draft: Draft<'_>, batch: &mut Batch) -> CdcResult<()> {
        if draft.topic.is_empty() {
            return Err(CdcError::configuration(format!(
                "the transformations give events of {} an empty topic: change the replacement",
                draft.origin.topic
            )));
        }
        let destination = self.destination(&draft);
        let key = draft.key.as_deref().map(|key| batch.copy(key));
        let routing_key = draft.routing_key.as_deref().map(|key| batch.copy(key));
        let value = self.write_value(&draft, batch)?;
        let headers = (!draft.headers.is_empty()).then(|| batch.copy(&draft.headers));
        batch.push(&destination, Parts { routing_key, ..Parts::new(key, value, headers) });
        Ok(())
    }

    fn write_value(&mut self, draft: &Draft<'_>, batch: &mut Batch) -> CdcResult<Option<Span>> {
        let (json, schema) = match &draft.value {
            Value::Absent => return Ok(None),
            Value::Null { .. } if self.is_encoded => return Ok(None),
            Value::Other(value) => return Ok(Some(batch.copy(value))),
            Value::Envelope(value, schema) => {
                if draft.has_own(schema) || !self.has_schemas {
                    return Ok(Some(batch.copy(value)));
                }
                (payload(value, true)?, schema)
            }
            Value::Row(json, schema) => (&**json, schema),
            Value::Null { schema, .. } => ("null", schema),
        };
        if !self.has_schemas {
            return Ok(Some(batch.copy(json.as_bytes())));
        }
        let block = || Ok(SchemaBlock::with_schema(&schema.to_json()));
        let block = self.blocks.get(schema, "", block)?;
        let out = batch.buffer();
        let start = out.len();
        block.write(out, |out| out.extend_from_slice(json.as_bytes()));
        Ok(Some(Span::new(start, out.len())))
    }

    fn destination(&mut self, draft: &Draft<'_>) -> Arc<Destination> {
        let (schema, has_rows) = match &draft.value {
            Value::Envelope(_, schema) => (Some(schema), false),
            Value::Row(_, row) | Value::Null { row, .. } => (Some(row), true),
            Value::Absent | Value::Other(_) => (None, false),
        };
        let address = schema.map_or(0, |schema| Arc::as_ptr(schema) as usize);
        let key = (Arc::as_ptr(draft.origin) as usize, address, draft.topic.to_string());
        if self.destinations.len() >= MAX_DESTINATIONS {
            self.destinations.clear();
        }
        let new = || Target {
            _origin: Arc::clone(draft.origin),
            _schema: schema.cloned(),
            destination: new_destination(draft, schema, has_rows),
        };
        Arc::clone(&self.destinations.entry(key).or_insert_with(new).destination)
    }
}

fn new_destination(
    draft: &Draft<'_>,
    schema: Option<&Arc<ConnectSchema>>,
    has_rows: bool,
) -> Arc<Destination> {
    let is_routed = *draft.topic != *draft.origin.topic;
    if !is_routed && schema.is_some_and(|schema| draft.has_own(schema)) {
        return Arc::clone(draft.origin);
    }
    let table = schema.and_then(|schema| {
        let table = draft.origin.table.as_ref()?;
        Some(if has_rows { Arc::new(with_fields(table, schema)) } else { Arc::clone(table) })
    });
    Arc::new(Destination {
        topic: draft.topic.to_string(),
        table,
        envelope: schema.cloned(),
        transformed: Some(TransformedDestination { is_routed, has_rows }),
    })
}

/// Returns a table's schema with the fields that its rows have beyond its columns.
fn with_fields(table: &RowSchema, row: &ConnectSchema) -> RowSchema {
    let mut table = table.clone();
    for field in row.fields.iter().skip(table.columns.len()) {
        table.columns.push(field.describe());
    }
    table
}
