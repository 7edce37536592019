//! The settings file of Debezium Server, `application.properties`: what it says, and what Kulya makes of it.
//!
//! [`Properties::parse`] reads the file as Quarkus does, with environment variables on top.
//! [`DebeziumServerSettings::from_properties`] gives the settings in typed form, and a [`Converted`] with
//! what Kulya can do of them: a setting that would change the events and is not supported is refused, one
//! that has no effect is a warning. [`known_keys`] is the table of all keys.
//!
//! ```
//! use kulya_cdc::debezium_server::{DebeziumServerSettings, Properties};
//! use std::collections::BTreeMap;
//!
//! let file = b"
//!     debezium.sink.type = pravega
//!     debezium.source.connector.class = io.debezium.connector.postgresql.PostgresConnector
//!     debezium.source.topic.prefix = shop
//!     debezium.source.database.hostname = ${DB:localhost}
//!     debezium.source.database.user = kulya
//!     debezium.source.database.dbname = shop
//!     debezium.source.table.include.list = public\\\\.orders
//!     debezium.source.decimal.handling.mode = string
//!     debezium.source.converters = isbn
//! ";
//! let properties = Properties::parse(file, &BTreeMap::new()).unwrap();
//! let converted = DebeziumServerSettings::from_properties(&properties).unwrap();
//! assert!(converted.capture.table_filter.accepts("public", "orders"));
//! assert_eq!(converted.refused[0].key, "debezium.source.converters");
//! ```

mod capture;
mod choice;
mod converted;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod keys;
mod properties;
mod settings;
#[cfg(test)]
mod tests;
mod transforms;
mod unsupported;

pub use crate::name_patterns::{NamePattern, NamePatterns, PatternError};
pub use choice::{
    BinaryMode, DatabaseKind, DecimalMode, DecodingPlugin, FailureMode, Format, HstoreMode, IntervalMode,
    NameAdjustment, Operation, PublicationMode, SnapshotLocking, SnapshotMode, TimeMode, TlsMode,
    UnsignedBigintMode,
};
pub use converted::Converted;
pub use error::{InvalidSettings, InvalidValue};
pub use keys::{
    Databases, Effect, Handling, Kind, KnownKey, NearestKey, find, known_keys, markdown_table, nearest,
};
pub use properties::{
    ExpressionError, LineError, MAX_DEPTH, MAX_FILE_BYTES, MAX_PAIRS, MAX_VALUE_BYTES, Properties,
    PropertiesError, Property,
};
pub use settings::{
    BinlogOptions, ColumnChange, ColumnRule, Connection, DebeziumServerSettings, EventOptions, Filters,
    FormatSettings, JavaPlugin, NameFilter, PostgresOptions, PravegaSink, Secret, Signals, SinkSettings,
    SnapshotOptions, TlsFiles, ValueModes,
};
pub use unsupported::{UnknownKey, Unsupported};
