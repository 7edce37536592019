//! Known keys of MySQL and MariaDB only: the binlog, GTIDs and the history of schemas.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{BINLOG, MARIADB, MYSQL, fixed, missing, needless, only, rows, used};
use crate::debezium_server::choice::{FailureMode, UnsignedBigintMode};
use Kind::{Boolean, Choice, Class, Number, Patterns, Text};

rows! { "debezium.source.":
    "database.server.id",                        BINLOG, Number,   "",      Operation, used("`server-id`");
    "database.server.id.offset",                 BINLOG, Number,   "10000", Operation, needless("one reader of the log at a time");
    "database.include.list",                     BINLOG, Patterns, "",      Events,    used("`table-filter.schemas`");
    "database.exclude.list",                     BINLOG, Patterns, "",      Events,    used("`table-filter.exclude-schemas`");
    "gtid.source.includes",                      BINLOG, Patterns, "",      Events,    missing("transactions of all servers are captured");
    "gtid.source.excludes",                      BINLOG, Patterns, "",      Events,    missing("transactions of all servers are captured");
    "gtid.source.filter.dml.events",             BINLOG, Boolean,  "true",  Events,    needless("belongs to gtid.source.includes");
    "gtid.ignore.on.recovery",                   MYSQL,  Boolean,  "false", Operation, needless("the position has GTIDs where the server has them");
    "include.schema.changes",                    BINLOG, Boolean,  "true",  Events,    used("`schema-changes`");
    "include.query",                             BINLOG, Boolean,  "false", Events,    used("`include-query`");
    "bigint.unsigned.handling.mode",             BINLOG, Choice(UnsignedBigintMode::NAMES), "long", Events, used("`values.bigint-unsigned`");
    "enable.time.adjuster",                      BINLOG, Boolean,  "true",  Events,    only(&["true"], "years of two digits are completed");
    "event.deserialization.failure.handling.mode", BINLOG, Choice(FailureMode::NAMES), "fail", Operation, fixed(&["fail"], &["warn", "skip", "ignore"], "an event that cannot be decoded stops the capture");
    "inconsistent.schema.handling.mode",         BINLOG, Choice(FailureMode::NAMES), "fail", Operation, fixed(&["fail"], &["warn", "skip", "ignore"], "a table of unknown schema stops the capture");
    "incremental.snapshot.allow.schema.changes", BINLOG, Boolean,  "false", Operation, missing("incremental snapshots are not supported yet");
    "read.only",                                 BINLOG, Boolean,  "false", Operation, needless("nothing is written to the database");
    "internal.log.position.check.enable",        BINLOG, Boolean,  "true",  Operation, only(&["true"], "a position that the server does not have stops the capture");
    "internal.legacy.snapshot.max.threads",      MARIADB, Boolean, "false", Operation, needless("large tables are read by several connections");
    "binlog.buffer.size",                        BINLOG, Number,   "0",     Operation, needless("a transaction is committed, or left out");
    "binlog.net.read.timeout",                   BINLOG, Number,   "0",     Operation, needless("a silent server counts as lost");
    "binlog.net.write.timeout",                  BINLOG, Number,   "0",     Operation, needless("a silent server counts as lost");
    "use.nongraceful.disconnect",                BINLOG, Boolean,  "false", Operation, needless("the connection is closed at the end");
    "min.row.count.to.stream.results",           BINLOG, Number,   "1000",  Operation, needless("rows are read as a stream");
    "ddl.parser.type",                           MYSQL,  Choice(&["default", "legacy"]), "default", Operation, needless("there is one parser");
    "resolve.create.table.like.schema",          MYSQL,  Boolean,  "",      Operation, needless("the table has the columns of the other one");
    "schema.history.internal",                   BINLOG, Class,    "io.debezium.storage.kafka.history.KafkaSchemaHistory", Operation, needless("the history is stored together with the events");
    "schema.history.internal.skip.unparseable.ddl", BINLOG, Boolean, "false", Operation, fixed(&["false"], &["true"], "a statement that changes a captured table and cannot be parsed stops the capture");
    "schema.history.internal.store.only.captured.databases.ddl", BINLOG, Boolean, "false", Operation, needless("the history has what is captured");
    "schema.history.internal.store.only.captured.tables.ddl", BINLOG, Boolean, "false", Operation, needless("the history has what is captured");
    "schema.history.internal.*",                 BINLOG, Text,     "",      Operation, needless("the history is stored together with the events");
}
