//! Known keys of what the events contain: captured tables and columns, the form of values, and names.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{ALL, BINLOG, MARIADB, MYSQL, POSTGRES, fixed, missing, needless, only, rows, used};
use crate::debezium_server::choice::{
    BinaryMode, DecimalMode, FailureMode, NameAdjustment, Operation, TimeMode,
};
use Kind::{Boolean, Choice, Choices, Class, List, Number, Patterns, Text};

/// The modes of dates and times that are supported.
const TIME_MODES: &[&str] =
    &["adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"];

rows! { "debezium.source.":
    "topic.prefix",                       ALL,      Text,     "",       Events, used("`--name`");
    "topic.delimiter",                    ALL,      Text,     ".",      Events, used("`format.topic-delimiter`, and the names of streams");
    "topic.transaction",                  ALL,      Text,     "transaction", Events, used("`format.topic-transaction`");
    "topic.naming.strategy",              ALL,      Class,    "io.debezium.schema.SchemaTopicNamingStrategy", Events, only(&["io.debezium.schema.SchemaTopicNamingStrategy", "io.debezium.schema.DefaultTopicNamingStrategy"], "`--stream` sets another name");
    "topic.cache.size",                   ALL,      Number,   "10000",  Operation, needless("names are not cached");
    "table.include.list",                 ALL,      Patterns, "",       Events, used("`table-filter.tables`");
    "table.exclude.list",                 ALL,      Patterns, "",       Events, used("`table-filter.exclude-tables`");
    "schema.include.list",                POSTGRES, Patterns, "",       Events, used("`table-filter.schemas`");
    "schema.exclude.list",                POSTGRES, Patterns, "",       Events, used("`table-filter.exclude-schemas`");
    "table.ignore.builtin",               ALL,      Boolean,  "true",   Events, only(&["true"], "tables of the system are not captured");
    "column.include.list",                ALL,      Patterns, "",       Events, used("`columns.include`");
    "column.exclude.list",                ALL,      Patterns, "",       Events, used("`columns.exclude`; a column of the key stays in the key");
    "column.mask.with.<length>.chars",    ALL,      Patterns, "",       Events, used("`columns.mask`");
    "column.mask.hash.<algorithm>.with.salt.<salt>", ALL, Patterns, "", Events, used("`columns.hash`, with MD5, SHA-1, SHA-224 to SHA-512, SHA-512/224, SHA-512/256, SHA3-224 to SHA3-512");
    "column.mask.hash.v2.<algorithm>.with.salt.<salt>", ALL, Patterns, "", Events, used("`columns.hash`, likewise");
    "column.truncate.to.<length>.chars",  ALL,      Patterns, "",       Events, used("`columns.truncate`");
    "column.propagate.source.type",       ALL,      Patterns, "",       Operation, used("`columns.source-type`");
    "datatype.propagate.source.type",     ALL,      Patterns, "",       Operation, used("`columns.source-datatype`");
    "include.schema.comments",            POSTGRES, Boolean,  "false",  Operation, needless("schemas have no comments, as with Debezium");
    "include.schema.comments",            BINLOG,   Boolean,  "false",  Events, only(&["false"], "schemas have no comments");
    "message.key.columns",                ALL,      Text,     "",       Events, used("`columns.key`");
    "skipped.operations",                 ALL,      Choices(Operation::NAMES), "t", Events, used("`format.skipped-operations`");
    "skip.messages.without.change",       ALL,      Boolean,  "false",  Events, only(&["false"], "each update is an event");
    "tombstones.on.delete",               ALL,      Boolean,  "true",   Events, used("`format.tombstones-on-delete`; streams have no tombstones, as with Debezium's Pravega sink");
    "provide.transaction.metadata",       ALL,      Boolean,  "false",  Events, used("`transaction-metadata`");
    "transaction.metadata.factory",       ALL,      Class,    "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory", Events, only(&["io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"], "Java classes cannot be loaded");
    "decimal.handling.mode",              ALL,      Choice(DecimalMode::NAMES), "precise", Events, used("`values.decimal`");
    "time.precision.mode",                POSTGRES, Choice(TimeMode::NAMES), "adaptive", Events, only(TIME_MODES, "`values.time-precision`; `structured` is not supported yet");
    "time.precision.mode",                BINLOG,   Choice(TimeMode::NAMES), "adaptive_time_microseconds", Events, only(TIME_MODES, "`values.time-precision`; `structured` is not supported yet");
    "binary.handling.mode",               ALL,      Choice(BinaryMode::NAMES), "bytes", Events, used("`values.binary`");
    "unavailable.value.placeholder",      ALL,      Text,     "__debezium_unavailable_value", Events, used("`values.unavailable-value`");
    "include.unknown.datatypes",          ALL,      Boolean,  "false",  Events, used("`values.include-unknown-types`");
    "schema.name.adjustment.mode",        ALL,      Choice(NameAdjustment::NAMES), "none", Operation, used("`format.schema-names`");
    "field.name.adjustment.mode",         ALL,      Choice(NameAdjustment::NAMES), "none", Events, used("`format.field-names`");
    "converters",                         ALL,      List,     "",       Events, missing("Java classes cannot be loaded");
    "post.processors",                    ALL,      List,     "",       Events, missing("Java classes cannot be loaded");
    "sourceinfo.struct.maker",            POSTGRES, Class,    "io.debezium.connector.postgresql.PostgresSourceInfoStructMaker", Events, only(&["io.debezium.connector.postgresql.PostgresSourceInfoStructMaker"], "Java classes cannot be loaded");
    "sourceinfo.struct.maker",            MYSQL,    Class,    "io.debezium.connector.mysql.MySqlSourceInfoStructMaker", Events, only(&["io.debezium.connector.mysql.MySqlSourceInfoStructMaker"], "Java classes cannot be loaded");
    "sourceinfo.struct.maker",            MARIADB,  Class,    "io.debezium.connector.mariadb.MariaDbSourceInfoStructMaker", Events, only(&["io.debezium.connector.mariadb.MariaDbSourceInfoStructMaker"], "Java classes cannot be loaded");
    "extended.headers.enabled",           ALL,      Boolean,  "true",   Operation, used("`format.context-headers`");
    "event.processing.failure.handling.mode", ALL,  Choice(FailureMode::NAMES), "fail", Operation, fixed(&["fail"], &["warn", "skip", "ignore"], "an event that cannot be decoded stops the capture");
    "event.converting.failure.handling.mode", ALL,  Choice(FailureMode::NAMES), "warn", Operation, needless("a value that cannot be converted stops the capture");
}
