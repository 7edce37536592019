//! The streams of a capture's tables and topics, with the groups of the registry that have the tables'
//! schemas. Both are created on first use.

use super::names::{self, sanitize_name};
use super::settings::{RefusedSchema, StoreSettings};
use crate::batch::Destination;
use crate::{CdcError, CdcResult, RowSchema};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::{Scope, StreamConfig, StreamId, StreamStore};
use std::collections::HashMap;
use std::sync::Arc;

/// The labels of a table's group: the format of its events, the table, and the capture's name.
const FORMAT_LABEL: &str = "format";
const TABLE_LABEL: &str = "source.table";
pub(super) const SOURCE_LABEL: &str = "source.name";

pub(super) struct Streams {
    store: Arc<dyn StreamStore>,
    registry: Arc<dyn SchemaRegistry>,
    settings: StoreSettings,
    scope: Scope,
    /// The streams by the table or topic that is written to them, with the last version of the table.
    used: HashMap<String, (Arc<Destination>, Route)>,
}

/// Where the events of a destination go.
#[derive(Debug, Clone)]
pub(super) enum Route {
    Stream(StreamId),
    /// To the dead-letter stream, because the registry refuses the table's schema.
    DeadLetters {
        stream: StreamId,
        /// The registry's reasons.
        reason: Arc<str>,
    },
}

impl Route {
    fn stream(&self) -> &StreamId {
        match self {
            Self::Stream(stream) | Self::DeadLetters { stream, .. } => stream,
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
            return self.topic_stream(destination).await.map(Route::Stream);
        };
        let owner = schema.qualified_name();
        let used = self.used.get(&owner);
        if let Some((last, route)) = used
            && (Arc::ptr_eq(last, destination) || last.table.as_ref() == Some(schema))
        {
            return Ok(route.clone());
        }
        let stream = match used {
            Some((_, route)) => route.stream().clone(),
            None => self.table_stream(schema, &owner).await?,
        };
        let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
        let row = SchemaInfo::new(schema.type_name(), Format::Json, schema.json_schema());
        let is_survived = self.settings.refused_schema == RefusedSchema::DeadLetters;
        let route = match self.registry.add_schema(&group, row).await {
            Ok(_) => Route::Stream(stream),
            Err(error) if error.kind() == RegistryErrorKind::Incompatible && is_survived => {
                tracing::error!(
                    table = owner,
                    reason = %error,
                    "the registry refuses the table's schema: its events go to the dead-letter stream until the schema or the policy changes"
                );
                Route::DeadLetters { stream, reason: error.to_string().into() }
            }
            Err(error) => return Err(error.into()),
        };
        self.used.insert(owner, (Arc::clone(destination), route.clone()));
        Ok(route)
    }

    /// Finds or creates the stream of a table, and its group. A name that another table has already gets a
    /// number.
    async fn table_stream(&self, schema: &RowSchema, owner: &String) -> CdcResult<StreamId> {
        let mut properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, true);
        properties.properties.insert(FORMAT_LABEL.into(), "debezium-json".into());
        properties.properties.insert(TABLE_LABEL.into(), owner.clone());
        properties.properties.insert(SOURCE_LABEL.into(), self.settings.name.clone());
        let name = names::stream_name(&self.settings.stream_template, schema);
        for name in names::candidates(&name) {
            let stream = StreamId::new(self.scope.as_str(), &name)?;
            let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
            if !self.registry.create_group(&group, properties.clone()).await? {
                let labels = self.registry.group(&group).await?.properties;
                let source = labels.get(SOURCE_LABEL);
                let is_own = labels.get(TABLE_LABEL) == Some(owner)
                    && source.is_none_or(|source| *source == self.settings.name);
                if !is_own {
                    continue;
                }
            }
            self.create(&stream).await?;
            return Ok(stream);
        }
        Err(no_name_left(owner, &name))
    }

    /// Returns the stream of a topic that is no table's.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    pub(super) async fn topic_stream(&mut self, destination: &Arc<Destination>) -> CdcResult<StreamId> {
        let topic = &destination.topic;
        if let Some((_, route)) = self.used.get(topic) {
            return Ok(route.stream().clone());
        }
        let name = sanitize_name(topic);
        for name in names::candidates(&name) {
            let stream = StreamId::new(self.scope.as_str(), &name)?;
            // a table's stream has a group
            let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
            match self.registry.group(&group).await {
                Err(error) if error.kind() == RegistryErrorKind::NotFound => {
                    self.create(&stream).await?;
                    let route = Route::Stream(stream.clone());
                    self.used.insert(topic.clone(), (Arc::clone(destination), route));
                    return Ok(stream);
                }
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        Err(no_name_left(topic, &name))
    }

    async fn create(&self, stream: &StreamId) -> CdcResult<()> {
        self.store.create_stream(stream, StreamConfig::with_segments(self.settings.segments)).await?;
        Ok(())
    }
}

fn no_name_left(owner: &str, name: &str) -> CdcError {
    CdcError::configuration(format!(
        "no stream name is left for {owner}: {name} and its numbered variants are in use; choose another stream template or scope"
    ))
}
