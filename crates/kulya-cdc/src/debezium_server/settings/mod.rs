//! The settings of a Debezium Server in typed form: everything that its properties say, with Debezium's
//! defaults, whether Kulya can do it or not.

mod connection;
mod content;
pub(super) mod reader;
mod secret;
mod server;
mod source;

pub use connection::{Connection, TlsFiles};
pub use content::{ColumnChange, ColumnRule, EventOptions, Filters, NameFilter, ValueModes};
pub use secret::Secret;
pub use server::{FormatSettings, JavaPlugin, PravegaSink, SinkSettings};
pub use source::{BinlogOptions, PostgresOptions, Signals, SnapshotOptions};

use super::choice::{Choice, DatabaseKind};
use super::error::{InvalidSettings, InvalidValue};
use super::properties::{Properties, Property};
use reader::Reader;

/// The key of the connector's class.
pub(super) const CONNECTOR_CLASS: &str = "debezium.source.connector.class";

/// The settings of a Debezium Server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DebeziumServerSettings {
    /// The kind of database.
    pub database: DatabaseKind,
    /// The connection to it.
    pub connection: Connection,
    /// Which events there are, and their names and keys.
    pub events: EventOptions,
    /// Which tables and columns are captured.
    pub filters: Filters,
    /// Changes of the values of columns.
    pub column_rules: Vec<ColumnRule>,
    /// The form of values.
    pub modes: ValueModes,
    /// The snapshot.
    pub snapshot: SnapshotOptions,
    /// Signals and heartbeats.
    pub signals: Signals,
    /// The log of PostgreSQL, if it is that.
    pub postgres: Option<PostgresOptions>,
    /// The binlog of MySQL or MariaDB, if it is one of these.
    pub binlog: Option<BinlogOptions>,
    /// The sink.
    pub sink: SinkSettings,
    /// The format of events.
    pub format: FormatSettings,
    /// Transformations, in their order.
    pub transforms: Vec<JavaPlugin>,
    /// The predicates of transformations.
    pub predicates: Vec<JavaPlugin>,
    /// Converters of values.
    pub converters: Vec<JavaPlugin>,
    /// Processors of events.
    pub post_processors: Vec<JavaPlugin>,
}

/// Returns the kind of database by the connector's class.
pub(super) fn database_kind(properties: &Properties) -> Result<DatabaseKind, InvalidSettings> {
    let class = properties.get(CONNECTOR_CLASS).map(str::trim).filter(|class| !class.is_empty());
    let permitted = || format!("permitted are {}", DatabaseKind::NAMES.join(", "));
    let reason = match class {
        Some(class) => match DatabaseKind::from_name(class) {
            Some(kind) => return Ok(kind),
            None => permitted(),
        },
        None => match properties.iter().find(|(key, _)| *key == CONNECTOR_CLASS) {
            Some((_, Property { value: Err(error), .. })) => error.to_string(),
            _ => format!("it is not set, and Debezium requires it; {}", permitted()),
        },
    };
    let value = class.map(str::to_owned);
    Err(InvalidSettings { values: vec![InvalidValue { key: CONNECTOR_CLASS.to_owned(), value, reason }] })
}

/// Reads the settings.
pub(super) fn read(properties: &Properties) -> Result<DebeziumServerSettings, InvalidSettings> {
    let database = database_kind(properties)?;
    let mut reader = Reader::new(properties, database);
    let reader = &mut reader;
    let settings = DebeziumServerSettings {
        database,
        connection: Connection::read(reader),
        events: EventOptions::read(reader),
        filters: Filters::read(reader),
        column_rules: content::column_rules(reader),
        modes: ValueModes::read(reader),
        snapshot: SnapshotOptions::read(reader),
        signals: Signals::read(reader),
        postgres: PostgresOptions::read(reader),
        binlog: BinlogOptions::read(reader),
        sink: SinkSettings::read(reader),
        format: FormatSettings::read(reader),
        transforms: server::plugins(reader, "debezium.transforms", "debezium.transforms."),
        predicates: server::plugins(reader, "debezium.predicates", "debezium.predicates."),
        converters: server::plugins(reader, "debezium.source.converters", "debezium.source."),
        post_processors: server::plugins(reader, "debezium.source.post.processors", "debezium.source."),
    };
    let values = std::mem::take(&mut reader.invalid);
    if values.is_empty() { Ok(settings) } else { Err(InvalidSettings { values }) }
}
