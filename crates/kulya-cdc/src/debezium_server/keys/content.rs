//! Known keys of what the events contain: captured tables and columns, the form of values, and names.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{
    ALL, BINLOG, BINLOG_LATER, MARIADB, MYSQL, POSTGRES, fixed, missing, needless, only, rows, used,
};
use crate::debezium_server::choice::{
    BinaryMode, DecimalMode, FailureMode, NameAdjustment, Operation, TimeMode,
};
use Kind::{Boolean, Choice, Choices, Class, List, Number, Patterns, Text};

rows! { "debezium.source.":
    "topic.prefix",                       ALL,      Text,     "",       Events, used("`--name`");
    "topic.delimiter",                    ALL,      Text,     ".",      Events, only(&["."], "`--stream` sets another name");
    "topic.transaction",                  ALL,      Text,     "transaction", Events, only(&["transaction"], "the stream is prefix.transaction");
    "topic.naming.strategy",              ALL,      Class,    "io.debezium.schema.SchemaTopicNamingStrategy", Events, only(&["io.debezium.schema.SchemaTopicNamingStrategy", "io.debezium.schema.DefaultTopicNamingStrategy"], "`--stream` sets another name");
    "topic.cache.size",                   ALL,      Number,   "10000",  Operation, needless("names are not cached");
    "table.include.list",                 ALL,      Patterns, "",       Events, used("`--table`, if the expressions can be written so");
    "table.exclude.list",                 ALL,      Patterns, "",       Events, missing("list the captured tables in table.include.list");
    "schema.include.list",                POSTGRES, Patterns, "",       Events, used("`--table`, if the expressions can be written so");
    "schema.exclude.list",                POSTGRES, Patterns, "",       Events, missing("list the captured schemas in schema.include.list");
    "table.ignore.builtin",               ALL,      Boolean,  "true",   Events, only(&["true"], "tables of the system are not captured");
    "column.include.list",                ALL,      Patterns, "",       Events, missing("all columns are captured");
    "column.exclude.list",                ALL,      Patterns, "",       Events, missing("all columns are captured");
    "column.mask.with.<length>.chars",    ALL,      Patterns, "",       Events, missing("values are not masked");
    "column.mask.hash.<algorithm>.with.salt.<salt>", ALL, Patterns, "", Events, missing("values are not masked");
    "column.mask.hash.v2.<algorithm>.with.salt.<salt>", ALL, Patterns, "", Events, missing("values are not masked");
    "column.truncate.to.<length>.chars",  ALL,      Patterns, "",       Events, missing("values are not truncated");
    "column.propagate.source.type",       ALL,      Patterns, "",       Operation, needless("events have no schema in them");
    "datatype.propagate.source.type",     ALL,      Patterns, "",       Operation, needless("events have no schema in them");
    "include.schema.comments",            ALL,      Boolean,  "false",  Operation, needless("events have no schema in them");
    "message.key.columns",                ALL,      Text,     "",       Events, missing("the key is the table's primary key");
    "skipped.operations",                 ALL,      Choices(Operation::NAMES), "t", Events, used("`truncate`; other operations cannot be skipped");
    "skip.messages.without.change",       ALL,      Boolean,  "false",  Events, only(&["false"], "each update is an event");
    "tombstones.on.delete",               ALL,      Boolean,  "true",   Events, fixed(&["true", "false"], &[], "streams have no tombstones, as with Debezium's Pravega sink");
    "provide.transaction.metadata",       ALL,      Boolean,  "false",  Events, used("`transaction-metadata`");
    "transaction.metadata.factory",       ALL,      Class,    "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory", Events, only(&["io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"], "Java classes cannot be loaded");
    "decimal.handling.mode",              ALL,      Choice(DecimalMode::NAMES), "precise", Events, only(&["precise"], "the other modes are not supported yet");
    "time.precision.mode",                POSTGRES, Choice(TimeMode::NAMES), "adaptive", Events, only(&["adaptive"], "the other modes are not supported yet");
    "time.precision.mode",                BINLOG,   Choice(TimeMode::NAMES), "adaptive_time_microseconds", Events, BINLOG_LATER;
    "binary.handling.mode",               ALL,      Choice(BinaryMode::NAMES), "bytes", Events, only(&["bytes"], "the other modes are not supported yet");
    "unavailable.value.placeholder",      ALL,      Text,     "__debezium_unavailable_value", Events, only(&["__debezium_unavailable_value"], "the text cannot be changed");
    "include.unknown.datatypes",          ALL,      Boolean,  "false",  Events, only(&["false"], "columns of unknown types are omitted");
    "schema.name.adjustment.mode",        ALL,      Choice(NameAdjustment::NAMES), "none", Operation, needless("events have no schema in them");
    "field.name.adjustment.mode",         ALL,      Choice(NameAdjustment::NAMES), "none", Events, only(&["none"], "fields have the names of the columns");
    "converters",                         ALL,      List,     "",       Events, missing("Java classes cannot be loaded");
    "post.processors",                    ALL,      List,     "",       Events, missing("Java classes cannot be loaded");
    "sourceinfo.struct.maker",            POSTGRES, Class,    "io.debezium.connector.postgresql.PostgresSourceInfoStructMaker", Events, only(&["io.debezium.connector.postgresql.PostgresSourceInfoStructMaker"], "Java classes cannot be loaded");
    "sourceinfo.struct.maker",            MYSQL,    Class,    "io.debezium.connector.mysql.MySqlSourceInfoStructMaker", Events, BINLOG_LATER;
    "sourceinfo.struct.maker",            MARIADB,  Class,    "io.debezium.connector.mariadb.MariaDbSourceInfoStructMaker", Events, BINLOG_LATER;
    "extended.headers.enabled",           ALL,      Boolean,  "true",   Operation, fixed(&["true", "false"], &[], "streams have no headers of a Java connector");
    "event.processing.failure.handling.mode", ALL,  Choice(FailureMode::NAMES), "fail", Operation, fixed(&["fail"], &["warn", "skip", "ignore"], "an event that cannot be decoded stops the capture");
    "event.converting.failure.handling.mode", ALL,  Choice(FailureMode::NAMES), "warn", Operation, needless("a value that cannot be converted stops the capture");
}
