//! The streams of a capture's tables and topics, with the groups of the registry that have the tables'
//! schemas. Both are created on first use.

use super::encoder::{EventEncoder, TableSchema};
use super::names::{self, sanitize_name};
use super::settings::{RefusedSchema, StoreSettings};
use crate::batch::Destination;
use crate::debezium::Encoding;
use crate::{CdcError, CdcResult, RowSchema};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, capture_labels};
use kulya_store::{Scope, StreamConfig, StreamId, StreamStore};
use std::collections::HashMap;
use std::sync::Arc;

/// The codec of events: none.
const NO_CODEC: &str = "";

pub(super) struct Streams {
    store: Arc<dyn StreamStore>,
    registry: Arc<dyn SchemaRegistry>,
    settings: StoreSettings,
    scope: Scope,
    /// The streams by the table or topic that is written to them, with the last version of the table; of a
    /// topic that transformations gave to tables by both.
    used: HashMap<String, (Arc<Destination>, Route)>,
}

/// Where the events of a destination go.
#[derive(Debug, Clone)]
pub(super) enum Route {
    /// To a stream, encoded.
    Stream(StreamId, Arc<EventEncoder>),
    /// Nowhere: the destination has only tombstones.
    Unused,
    /// To the dead-letter stream, because the registry refuses the table's schema, or there is none.
    DeadLetters {
        stream: StreamId,
        /// Why: the registry's reasons.
        reason: Arc<str>,
    },
}

impl Route {
    fn stream(&self) -> Option<&StreamId> {
        match self {
            Self::Stream(stream, _) | Self::DeadLetters { stream, .. } => Some(stream),
            Self::Unused => None,
        }
    }

    /// Returns how events are encoded. Dead letters have them as they come.
    pub(super) fn encoder(&self) -> &EventEncoder {
        match self {
            Self::Stream(_, encoder) => encoder,
            Self::DeadLetters { .. } | Self::Unused => &EventEncoder::Unchanged,
        }
    }
}

impl Streams {
    pub(super) fn new(
        store: Arc<dyn StreamStore>,
        registry: Arc<dyn SchemaRegistry>,
        settings: StoreSettings,
        scope: Scope,
    ) -> Self {
        Self { store, registry, settings, scope, used: HashMap::new() }
    }

    /// Returns where the events of a destination go. A table's schema is registered if it is new; one that
    /// the registry refuses stops its table alone, or the capture, by the settings.
    ///
    /// # Errors
    /// `Configuration` when a thousand tables have the same name; `Store`, `Registry`, `Unreachable`.
    pub(super) async fn route(&mut self, destination: &Arc<Destination>) -> CdcResult<Route> {
        let Some(schema) = &destination.table else {
            let stream = self.topic_stream(destination).await?;
            return Ok(Route::Stream(stream, Arc::new(EventEncoder::Unchanged)));
        };
        let table = schema.qualified_name();
        let owner = if destination.is_routed() { format!("{table} in {}", destination.topic) } else { table };
        let used = self.used.get(&owner);
        if let Some((last, route)) = used
            && (Arc::ptr_eq(last, destination) || is_same_version(last, destination))
        {
            return Ok(route.clone());
        }
        let stream = match used.and_then(|(_, route)| route.stream()) {
            Some(stream) => stream.clone(),
            None => self.table_stream(destination, schema).await?,
        };
        let route = match self.encoder(&stream, destination, schema).await? {
            Ok(encoder) => Route::Stream(stream, Arc::new(encoder)),
            Err(reason) => {
                tracing::error!(
                    table = owner,
                    reason,
                    "the table's schema is refused: its events go to the dead-letter stream until the schema or the policy changes"
                );
                Route::DeadLetters { stream, reason: reason.into() }
            }
        };
        self.used.insert(owner, (Arc::clone(destination), route.clone()));
        Ok(route)
    }

    /// Registers the schema of a version of a table, if it is new, and returns the encoder of its events; the
    /// inner error is why the schema is refused, if the capture goes on without the table.
    ///
    /// # Errors
    /// `Registry` and `Unreachable`, `Configuration`; for a refused schema if the capture stops then.
    async fn encoder(
        &self,
        stream: &StreamId,
        destination: &Destination,
        table: &RowSchema,
    ) -> CdcResult<Result<EventEncoder, String>> {
        let is_survived = self.settings.refused_schema == RefusedSchema::DeadLetters;
        let schema = match TableSchema::of(self.settings.encoding, destination, table)? {
            Ok(schema) => schema,
            Err(reason) => {
                let reason =
                    format!("the events of {} have no Avro schema: {reason}", table.qualified_name());
                return if is_survived { Ok(Err(reason)) } else { Err(CdcError::configuration(reason)) };
            }
        };
        let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
        let version = match self.registry.add_schema(&group, schema.info().clone()).await {
            Ok(version) => version,
            Err(error) if error.kind() == RegistryErrorKind::Incompatible && is_survived => {
                return Ok(Err(format!("the registry refuses the table's schema: {error}")));
            }
            Err(error) => return Err(error.into()),
        };
        if !schema.has_encoding_id() {
            return Ok(Ok(EventEncoder::Unchanged));
        }
        let id = self.registry.encoding_id(&group, &version, NO_CODEC).await?;
        Ok(Ok(schema.encoder(id)))
    }

    /// Finds or creates the stream of a table, and its group. A name that another table has already gets a
    /// number. A topic that transformations gave to the table has a stream of its name, whatever other
    /// tables are in it.
    async fn table_stream(&self, destination: &Destination, schema: &RowSchema) -> CdcResult<StreamId> {
        let (format, label) = format_of(self.settings.encoding, destination);
        let (owner, name) = match destination.is_routed() {
            true => (owner_of_topic(&destination.topic), sanitize_name(&destination.topic)),
            false => {
                let name = names::stream_name(&self.settings.stream_template, schema);
                (schema.qualified_name(), name)
            }
        };
        let mut properties = GroupProperties::new(format, Compatibility::AllowAny, true);
        properties.properties.insert(capture_labels::FORMAT.into(), label.into());
        properties.properties.insert(capture_labels::TABLE.into(), owner.clone());
        properties.properties.insert(capture_labels::SOURCE.into(), self.settings.name.clone());
        for name in names::candidates(&name) {
            let stream = StreamId::new(self.scope.as_str(), &name)?;
            let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
            if !self.registry.create_group(&group, properties.clone()).await? {
                let labels = self.registry.group(&group).await?.properties;
                let source = labels.get(capture_labels::SOURCE);
                let is_own = labels.get(capture_labels::TABLE) == Some(&owner)
                    && source.is_none_or(|source| *source == self.settings.name);
                if !is_own {
                    continue;
                }
                let stored =
                    labels.get(capture_labels::FORMAT).map_or(capture_labels::DEBEZIUM_JSON, String::as_str);
                if stored != label {
                    return Err(CdcError::configuration(format!(
                        "stream {stream} has events in the format {stored}, and encoding {} writes {label}: \
                         keep the encoding and the transformations, or choose another stream template or scope",
                        self.settings.encoding
                    )));
                }
            }
            self.create(&stream).await?;
            return Ok(stream);
        }
        Err(no_name_left(&owner, &name))
    }

    /// Returns the stream of a topic that is no table's.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    pub(super) async fn topic_stream(&mut self, destination: &Arc<Destination>) -> CdcResult<StreamId> {
        let topic = &destination.topic;
        if let Some(stream) = self.used.get(topic).and_then(|(_, route)| route.stream()) {
            return Ok(stream.clone());
        }
        let name = sanitize_name(topic);
        for name in names::candidates(&name) {
            let stream = StreamId::new(self.scope.as_str(), &name)?;
            // a table's stream has a group
            let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
            match self.registry.group(&group).await {
                Err(error) if error.kind() == RegistryErrorKind::NotFound => {
                    self.create(&stream).await?;
                    let route = Route::Stream(stream.clone(), Arc::new(EventEncoder::Unchanged));
                    self.used.insert(topic.clone(), (Arc::clone(destination), route));
                    return Ok(stream);
                }
                Err(error) => return Err(error.into()),
                Ok(group) => {
                    let is_of_topic = group.properties.get(capture_labels::TABLE)
                        == Some(&owner_of_topic(topic))
                        && group.properties.get(capture_labels::SOURCE) == Some(&self.settings.name);
                    if destination.is_routed() && is_of_topic {
                        let route = Route::Stream(stream.clone(), Arc::new(EventEncoder::Unchanged));
                        self.used.insert(topic.clone(), (Arc::clone(destination), route));
                        return Ok(stream);
                    }
                }
            }
        }
        Err(no_name_left(topic, &name))
    }

    async fn create(&self, stream: &StreamId) -> CdcResult<()> {
        self.store.create_stream(stream, StreamConfig::with_segments(self.settings.segments)).await?;
        Ok(())
    }
}

/// Returns whether two destinations have the same version of a table, in the same form.
fn is_same_version(last: &Destination, destination: &Destination) -> bool {
    last.table == destination.table
        && last.transformed == destination.transformed
        && (last.transformed.is_none() || last.envelope == destination.envelope)
}

/// Returns the owner of the group of a topic that transformations gave to tables. A table's name has no space
/// outside of quotation marks.
fn owner_of_topic(topic: &str) -> String {
    format!("topic {topic}")
}

/// Returns the format of a group's schemas, and what the group's label says of the events. Those of a topic
/// of several tables are no table's changes, and neither are rows.
fn format_of(encoding: Encoding, destination: &Destination) -> (Format, &'static str) {
    if destination.transformed.is_some() {
        return match encoding {
            Encoding::Json => (Format::Json, "json"),
            Encoding::JsonSchema => (Format::Json, "json-schema"),
            Encoding::Avro => (Format::Avro, "avro"),
        };
    }
    match encoding {
        Encoding::Json => (Format::Json, capture_labels::DEBEZIUM_JSON),
        Encoding::JsonSchema => (Format::Json, capture_labels::DEBEZIUM_JSON_SCHEMA),
        Encoding::Avro => (Format::Avro, capture_labels::DEBEZIUM_AVRO),
    }
}

fn no_name_left(owner: &str, name: &str) -> CdcError {
    CdcError::configuration(format!(
        "no stream name is left for {owner}: {name} and its numbered variants are in use; choose another stream template or scope"
    ))
}
