//! Settings of Debezium Server around the connector: sink, format, and what it loads from Java classes.

use super::reader::Reader;
use super::secret::Secret;
use crate::debezium_server::choice::Format;
use std::collections::BTreeMap;

/// The sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSettings {
    /// Its type, such as `pravega`.
    pub kind: String,
    /// Pravega's settings, if it is that.
    pub pravega: Option<PravegaSink>,
}

/// The sink to Pravega.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PravegaSink {
    /// The URI of the controller.
    pub controller: String,
    /// The scope of the streams.
    pub scope: Option<String>,
    /// Whether each batch is written in a transaction for each stream.
    pub transaction: bool,
}

impl SinkSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let kind = reader.required("debezium.sink.type");
        let pravega = (kind == "pravega").then(|| PravegaSink {
            controller: reader.text("debezium.sink.pravega.controller.uri").unwrap_or_default(),
            scope: reader.text("debezium.sink.pravega.scope"),
            transaction: reader.boolean("debezium.sink.pravega.transaction"),
        });
        Self { kind, pravega }
    }
}

/// The format of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatSettings {
    /// The format of keys.
    pub key: Format,
    /// The format of values.
    pub value: Format,
    /// Whether a JSON key has its schema in it.
    pub key_schemas: bool,
    /// Whether a JSON value has its schema in it.
    pub value_schemas: bool,
    /// Whether a JSON header has its schema in it.
    pub header_schemas: bool,
}

impl FormatSettings {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let has_schemas = |of_part: &'static str, of_converter: &'static str| {
            let keys = [of_part, "debezium.format.schemas.enable", of_converter];
            let key = keys.into_iter().find(|key| reader.set(key).is_some());
            reader.boolean(key.unwrap_or(of_part))
        };
        Self {
            key: reader.choice("debezium.format.key", Format::Json),
            value: reader.choice("debezium.format.value", Format::Json),
            key_schemas: has_schemas(
                "debezium.format.key.schemas.enable",
                "debezium.source.key.converter.schemas.enable",
            ),
            value_schemas: has_schemas(
                "debezium.format.value.schemas.enable",
                "debezium.source.value.converter.schemas.enable",
            ),
            header_schemas: has_schemas(
                "debezium.format.header.schemas.enable",
                "debezium.source.header.converter.schemas.enable",
            ),
        }
    }
}

/// A Java class with its options: a transformation, a predicate or a converter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JavaPlugin {
    /// The name that the properties give it.
    pub name: String,
    /// The class.
    pub class: Option<String>,
    /// The other keys with the name in front, and their values.
    pub options: BTreeMap<String, Secret>,
}

/// Reads the classes that `list` names; their keys begin with `prefix` and the name.
pub(super) fn plugins<'a>(reader: &Reader<'a>, list: &str, prefix: &'a str) -> Vec<JavaPlugin> {
    let keys: BTreeMap<&str, &str> = reader.family(prefix).collect();
    let plugin = |name: String| {
        let own =
            keys.iter().filter_map(|(key, value)| Some((key.strip_prefix(&name)?.strip_prefix('.')?, value)));
        let mut options: BTreeMap<String, Secret> =
            own.map(|(key, value)| (key.to_owned(), Secret::new(*value))).collect();
        JavaPlugin { class: options.remove("type").map(|class| class.expose().to_owned()), name, options }
    };
    reader.list(list).into_iter().take(100).map(plugin).collect()
}
