//! `ByLogicalTableRouter` of Debezium, which is called `ToLogicalTopicRouter` too: the events of several
//! tables of one form go to one topic, and their keys get a field that says of which table they are.

use super::draft::{Document, Draft, Value, add_member, parse, payload, text};
use super::java_regex::Replacement;
use super::schema_cache::SchemaCache;
use super::settings::Options;
use crate::debezium::connect_schema::{ConnectSchema, ConnectType, SchemaBlock};
use crate::debezium::name_adjustment::NameAdjustment;
use crate::{CdcError, CdcResult};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const OPTIONS: &[&str] = &[
    "topic.regex",
    "topic.replacement",
    "key.enforce.uniqueness",
    "key.field.name",
    "key.field.regex",
    "key.field.replacement",
    "schema.name.adjustment.mode",
    // sizes of caches
    "logical.destination.cache.size",
    "logical.table.cache.size",
];
/// The number of schemas of keys from which on their cache is cleared.
const MAX_KEY_SCHEMAS: usize = 1000;

#[derive(Debug)]
pub(super) struct LogicalRouter {
    topic: Replacement,
    /// The field that keys get, if they get one.
    key_field: Option<String>,
    key_value: Option<Replacement>,
    names: NameAdjustment,
    has_key_schemas: bool,
    envelopes: SchemaCache<Arc<ConnectSchema>>,
    /// By the schema of the old key and the new topic.
    key_blocks: HashMap<(String, String), SchemaBlock>,
}

impl LogicalRouter {
    pub(super) fn new(
        options: &BTreeMap<String, String>,
        default_key_field: &str,
        has_key_schemas: bool,
    ) -> Result<Self, String> {
        let options = Options::new(options, OPTIONS)?;
        let replacement = options.required("topic.replacement")?;
        let topic = Replacement::new(options.required("topic.regex")?, replacement)?;
        let key_value = match options.exact("key.field.regex").filter(|regex| !regex.trim().is_empty()) {
            Some(regex) => Some(Replacement::new(regex, options.required("key.field.replacement")?)?),
            None => None,
        };
        let is_extended = options.boolean("key.enforce.uniqueness", true)?;
        let key_field = options.text("key.field.name").unwrap_or(default_key_field);
        let names = match options.text("schema.name.adjustment.mode").unwrap_or("none") {
            "none" => NameAdjustment::None,
            "avro" => NameAdjustment::Avro,
            "avro_unicode" => NameAdjustment::AvroUnicode,
            other => {
                return Err(format!(
                    "schema.name.adjustment.mode is {other:?}: write none, avro or avro_unicode"
                ));
            }
        };
        Ok(Self {
            topic,
            key_field: is_extended.then(|| key_field.to_owned()),
            key_value,
            names,
            has_key_schemas,
            envelopes: SchemaCache::default(),
            key_blocks: HashMap::new(),
        })
    }

    pub(super) fn apply<'a>(&mut self, mut draft: Draft<'a>) -> CdcResult<Draft<'a>> {
        let Some(topic) = self.topic.apply(&draft.topic).filter(|topic| !topic.is_empty()) else {
            return Ok(draft);
        };
        if draft.key.is_some() {
            self.change_key(&mut draft, &topic)?;
        }
        if let Value::Envelope(_, schema) = &mut draft.value {
            let names = self.names;
            let renamed =
                self.envelopes.get(schema, &topic, || Ok(Arc::new(renamed(schema, names, &topic))))?;
            *schema = Arc::clone(&renamed);
        }
        draft.topic = Cow::Owned(topic);
        draft.is_copy = true;
        Ok(draft)
    }

    fn change_key(&mut self, draft: &mut Draft<'_>, topic: &str) -> CdcResult<()> {
        let table = draft.origin.table.as_ref();
        if let (Some(field), Some(table)) = (&self.key_field, table)
            && table.key.contains(field)
        {
            return Err(CdcError::configuration(format!(
                "the key of {} has a column {field} already: set key.field.name to another name",
                table.qualified_name()
            )));
        }
        let identifier = self.key_field.as_ref().map(|field| {
            let identifier = self.key_value.as_ref().and_then(|value| value.apply(&draft.topic));
            (field.clone(), text(identifier.as_deref().unwrap_or(&draft.topic)))
        });
        let Some(key) = &draft.key else { return Ok(()) };
        let mut new_key = payload(key, self.has_key_schemas)?.to_owned();
        if let Some((field, identifier)) = &identifier {
            add_member(&mut new_key, field, identifier);
            if let Some(routing_key) = &mut draft.routing_key {
                let routing_key = routing_key.to_mut();
                if !routing_key.is_empty() {
                    routing_key.push(b',');
                }
                routing_key.extend_from_slice(identifier.as_bytes());
            }
        }
        let mut out = Vec::new();
        match self.has_key_schemas {
            true => {
                let schema = parse::<Document<'_>>(key)?.schema.get();
                self.key_block(schema, topic)?
                    .write(&mut out, |out| out.extend_from_slice(new_key.as_bytes()));
            }
            false => out = new_key.into_bytes(),
        }
        draft.key = Some(Cow::Owned(out));
        Ok(())
    }

    fn key_block(&mut self, schema: &str, topic: &str) -> CdcResult<&SchemaBlock> {
        if self.key_blocks.len() >= MAX_KEY_SCHEMAS {
            self.key_blocks.clear();
        }
        let names = self.names;
        let entry = self.key_blocks.entry((schema.to_owned(), topic.to_owned()));
        Ok(match entry {
            std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let mut schema: ConnectSchema = parse(schema.as_bytes())?;
                schema.name = Some(names.schema_name(&format!("{topic}.Key")));
                if let Some(field) = &self.key_field {
                    schema.fields.push(ConnectSchema::of_field(field, ConnectType::String, false));
                }
                vacant.insert(SchemaBlock::with_schema(&schema.to_json()))
            }
        })
    }
}

/// Returns the schema of an envelope with the names that follow from a topic.
fn renamed(envelope: &ConnectSchema, names: NameAdjustment, topic: &str) -> ConnectSchema {
    let mut envelope = envelope.clone();
    envelope.name = Some(names.schema_name(&format!("{topic}.Envelope")));
    for field in &mut envelope.fields {
        if matches!(field.field.as_deref(), Some("before" | "after")) {
            field.name = Some(names.schema_name(&format!("{topic}.Value")));
        }
    }
    envelope
}
