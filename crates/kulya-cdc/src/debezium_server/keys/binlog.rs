//! Known keys of MySQL and MariaDB only: the binlog, GTIDs and the history of schemas.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{BINLOG, BINLOG_LATER, MARIADB, MYSQL, rows};
use crate::debezium_server::choice::{FailureMode, UnsignedBigintMode};
use Kind::{Boolean, Choice, Class, Number, Patterns, Text};

rows! { "debezium.source.":
    "database.server.id",                        BINLOG, Number,   "",      Operation, BINLOG_LATER;
    "database.server.id.offset",                 BINLOG, Number,   "10000", Operation, BINLOG_LATER;
    "database.include.list",                     BINLOG, Patterns, "",      Events,    BINLOG_LATER;
    "database.exclude.list",                     BINLOG, Patterns, "",      Events,    BINLOG_LATER;
    "gtid.source.includes",                      BINLOG, Patterns, "",      Events,    BINLOG_LATER;
    "gtid.source.excludes",                      BINLOG, Patterns, "",      Events,    BINLOG_LATER;
    "gtid.source.filter.dml.events",             BINLOG, Boolean,  "true",  Events,    BINLOG_LATER;
    "gtid.ignore.on.recovery",                   MYSQL,  Boolean,  "false", Operation, BINLOG_LATER;
    "include.schema.changes",                    BINLOG, Boolean,  "true",  Events,    BINLOG_LATER;
    "include.query",                             BINLOG, Boolean,  "false", Events,    BINLOG_LATER;
    "bigint.unsigned.handling.mode",             BINLOG, Choice(UnsignedBigintMode::NAMES), "long", Events, BINLOG_LATER;
    "enable.time.adjuster",                      BINLOG, Boolean,  "true",  Events,    BINLOG_LATER;
    "event.deserialization.failure.handling.mode", BINLOG, Choice(FailureMode::NAMES), "fail", Operation, BINLOG_LATER;
    "inconsistent.schema.handling.mode",         BINLOG, Choice(FailureMode::NAMES), "fail", Operation, BINLOG_LATER;
    "incremental.snapshot.allow.schema.changes", BINLOG, Boolean,  "false", Operation, BINLOG_LATER;
    "read.only",                                 BINLOG, Boolean,  "false", Operation, BINLOG_LATER;
    "internal.log.position.check.enable",        BINLOG, Boolean,  "true",  Operation, BINLOG_LATER;
    "internal.legacy.snapshot.max.threads",      MARIADB, Boolean, "false", Operation, BINLOG_LATER;
    "binlog.buffer.size",                        BINLOG, Number,   "0",     Operation, BINLOG_LATER;
    "binlog.net.read.timeout",                   BINLOG, Number,   "0",     Operation, BINLOG_LATER;
    "binlog.net.write.timeout",                  BINLOG, Number,   "0",     Operation, BINLOG_LATER;
    "use.nongraceful.disconnect",                BINLOG, Boolean,  "false", Operation, BINLOG_LATER;
    "min.row.count.to.stream.results",           BINLOG, Number,   "1000",  Operation, BINLOG_LATER;
    "ddl.parser.type",                           MYSQL,  Choice(&["default", "legacy"]), "default", Operation, BINLOG_LATER;
    "resolve.create.table.like.schema",          MYSQL,  Boolean,  "",      Operation, BINLOG_LATER;
    "schema.history.internal",                   BINLOG, Class,    "io.debezium.storage.kafka.history.KafkaSchemaHistory", Operation, BINLOG_LATER;
    "schema.history.internal.skip.unparseable.ddl", BINLOG, Boolean, "false", Operation, BINLOG_LATER;
    "schema.history.internal.store.only.captured.databases.ddl", BINLOG, Boolean, "false", Operation, BINLOG_LATER;
    "schema.history.internal.store.only.captured.tables.ddl", BINLOG, Boolean, "false", Operation, BINLOG_LATER;
    "schema.history.internal.*",                 BINLOG, Text,     "",      Operation, BINLOG_LATER;
}
