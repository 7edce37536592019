//! Known keys of the snapshot, of signals and notifications, and of running a connector.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{ALL, BINLOG, MARIADB, MYSQL, POSTGRES, fixed, missing, needless, only, rows, used};
use Kind::{Boolean, Choice, Class, List, Number, Patterns, Secret, Text};

const MODES: &[&str] =
    &["initial", "always", "initial_only", "no_data", "when_needed", "configuration_based", "custom"];
const BINLOG_MODES: &[&str] = &[
    "initial",
    "always",
    "initial_only",
    "no_data",
    "never",
    "when_needed",
    "recovery",
    "configuration_based",
    "custom",
];
/// The modes of the snapshot that are supported.
const SUPPORTED_MODES: &[&str] = &["initial", "no_data", "initial_only", "when_needed"];
const ISOLATION: &[&str] = &["serializable", "repeatable_read", "read_committed", "read_uncommitted"];

rows! { "debezium.source.":
    "snapshot.mode",                      POSTGRES, Choice(MODES),        "initial", Events, only(SUPPORTED_MODES, "`snapshot-mode`");
    "snapshot.mode",                      BINLOG,   Choice(BINLOG_MODES), "initial", Events, only(SUPPORTED_MODES, "`snapshot-mode`");
    "snapshot.mode.custom.name",          ALL, Text,    "",        Events,    missing("Java classes cannot be loaded");
    "snapshot.mode.configuration.based.*", ALL, Boolean, "false",  Operation, needless("for a snapshot.mode that is not supported");
    "snapshot.locking.mode",              POSTGRES, Choice(&["none", "shared", "custom"]), "none", Operation, fixed(&["none"], &["shared", "custom"], "no table is locked");
    "snapshot.locking.mode",              MYSQL, Choice(&["minimal", "minimal_percona", "minimal_percona_no_table_locks", "extended", "none", "custom"]), "minimal", Operation, needless("tables are locked as long as the place in the log is read");
    "snapshot.locking.mode",              MARIADB, Choice(&["minimal", "extended", "none", "custom"]), "minimal", Operation, needless("tables are locked as long as the place in the log is read");
    "snapshot.locking.mode.custom.name",  ALL, Text,    "",        Operation, needless("no table is locked");
    "snapshot.lock.timeout.ms",           ALL, Number,  "10000",   Operation, needless("no table is locked");
    "snapshot.isolation.mode",            ALL, Choice(ISOLATION), "serializable", Operation, needless("tables are read at one point of the log");
    "snapshot.query.mode",                ALL, Choice(&["select_all", "custom"]), "select_all", Events, only(&["select_all"], "all rows are read");
    "snapshot.query.mode.custom.name",    ALL, Text,    "",        Events,    missing("Java classes cannot be loaded");
    "snapshot.include.collection.list",   ALL, Patterns, "",       Events,    missing("the snapshot has all captured tables");
    "snapshot.select.statement.overrides", ALL, Text,   "",        Events,    missing("all rows are read");
    "snapshot.select.statement.overrides.<table>", ALL, Text, "",  Events,    missing("all rows are read");
    "snapshot.tables.order.by.row.count", ALL, Choice(&["disabled", "ascending", "descending"]), "disabled", Operation, needless("tables are read in their order of names");
    "snapshot.fetch.size",                ALL, Number,  "",        Operation, needless("rows are read as a stream");
    "snapshot.max.threads",               ALL, Number,  "1",       Operation, used("`snapshot-readers`, at most 16");
    "snapshot.max.threads.multiplier",    ALL, Number,  "1",       Operation, needless("tables are read in parts of `snapshot-chunk-rows` rows");
    "legacy.snapshot.max.threads",        ALL, Boolean, "false",   Operation, needless("large tables are read by several connections");
    "internal.snapshot.scan.all.columns.force", ALL, Boolean, "false", Operation, needless("all columns are read");
    "snapshot.delay.ms",                  ALL, Number,  "0",       Operation, needless("the capture starts at once");
    "streaming.delay.ms",                 ALL, Number,  "0",       Operation, needless("streaming starts at once");
    "incremental.snapshot.chunk.size",    ALL, Number,  "1024",    Operation, missing("incremental snapshots are not supported yet");
    "incremental.snapshot.watermarking.strategy", ALL, Choice(&["insert_insert", "insert_delete"]), "insert_insert", Operation, missing("incremental snapshots are not supported yet");
    "signal.data.collection",             ALL, List,    "",        Operation, missing("signals are not read");
    "signal.enabled.channels",            ALL, List,    "source",  Operation, missing("signals are not read");
    "signal.poll.interval.ms",            ALL, Number,  "5000",    Operation, missing("signals are not read");
    "signal.file",                        ALL, Text,    "file-signals.txt", Operation, missing("signals are not read");
    "signal.emit.failure.max.retries",    ALL, Number,  "",        Operation, missing("signals are not read");
    "signal.emit.failure.backoff.ms",     ALL, Number,  "",        Operation, missing("signals are not read");
    "signal.kafka.*",                     ALL, Secret,    "",        Operation, missing("signals are not read");
    "signal.consumer.*",                  ALL, Secret,  "",        Operation, missing("signals are not read");
    "notification.enabled.channels",      ALL, List,    "",        Operation, missing("notifications are not sent; progress is on standard error");
    "notification.sink.topic.name",       ALL, Text,    "",        Operation, missing("notifications are not sent; progress is on standard error");
    "heartbeat.interval.ms",              ALL, Number,  "0",       Operation, used("`heartbeat-interval-ms`; the position is confirmed without heartbeats");
    "heartbeat.action.query",             ALL, Secret,  "",        Operation, used("`heartbeat-query`");
    "heartbeat.topics.prefix",            ALL, Text,    "__debezium-heartbeat", Operation, needless("the topic is named by topic.heartbeat.prefix, as in Debezium");
    "topic.heartbeat.prefix",             ALL, Text,    "__debezium-heartbeat", Operation, used("`format.topic-heartbeat-prefix`");
    "topic.heartbeat.name",               ALL, Text,    "",        Operation, needless("there is no heartbeat topic");
    "max.batch.size",                     ALL, Number,  "2048",    Operation, needless("a commit has whole transactions");
    "max.queue.size",                     ALL, Number,  "8192",    Operation, needless("there is no queue; the database waits for the store");
    "max.queue.size.in.bytes",            ALL, Number,  "0",       Operation, needless("there is no queue; the database waits for the store");
    "poll.interval.ms",                   ALL, Number,  "500",     Operation, needless("changes are written as they arrive");
    "poll.dispatch.interval.ms",          ALL, Number,  "0",       Operation, needless("changes are written as they arrive");
    "queue.provider.type",                ALL, Text,    "",        Operation, needless("there is no queue; the database waits for the store");
    "executor.shutdown.timeout.ms",       ALL, Number,  "4000",    Operation, needless("a commit is whole, whenever the program ends");
    "record.processing.threads",          ALL, Text,    "",        Operation, needless("one thread keeps up");
    "record.processing.shutdown.timeout.ms", ALL, Number, "1000",  Operation, needless("a commit is whole, whenever the program ends");
    "record.processing.order",            ALL, Choice(&["ORDERED", "UNORDERED"]), "ORDERED", Operation, fixed(&["ORDERED"], &["UNORDERED"], "always in order");
    "record.processing.with.serial.consumer", ALL, Boolean, "false", Operation, needless("one thread keeps up");
    "task.management.timeout.ms",         ALL, Number,  "180000",  Operation, needless("there are no tasks");
    "tasks.max",                          ALL, Number,  "1",       Operation, needless("there are no tasks");
    "name",                               ALL, Text,    "",        Operation, needless("the name is topic.prefix");
    "offset.storage",                     ALL, Class,   "org.apache.kafka.connect.storage.FileOffsetBackingStore", Operation, needless("the position is stored together with the events");
    "offset.storage.*",                   ALL, Secret,  "",        Operation, needless("the position is stored together with the events");
    "offset.flush.interval.ms",           ALL, Number,  "60000",   Operation, needless("the position is stored together with the events");
    "offset.flush.timeout.ms",            ALL, Number,  "5000",    Operation, needless("the position is stored together with the events");
    "offset.commit.policy",               ALL, Class,   "io.debezium.engine.spi.OffsetCommitPolicy.PeriodicCommitOffsetPolicy", Operation, needless("the position is stored together with the events");
    "schema.history.internal",            POSTGRES, Class, "",     Operation, needless("the schemas come with the log");
    "schema.history.internal.*",          POSTGRES, Secret, "",    Operation, needless("the schemas come with the log");
    "guardrail.collections.max",          ALL, Number,  "0",       Operation, missing("the number of tables is not limited");
    "guardrail.collections.limit.action", ALL, Choice(&["warn", "fail"]), "warn", Operation, missing("the number of tables is not limited");
    "custom.metric.tags",                 ALL, List,    "",        Operation, needless("Java metrics");
    "statistics.metrics.enabled",         ALL, Boolean, "true",    Operation, needless("Java metrics");
    "internal.advanced.metrics.enable",   ALL, Boolean, "false",   Operation, needless("Java metrics");
    "custom.sanitize.pattern",            ALL, Text,    "",        Operation, needless("passwords are never logged");
    "memory.management.schemas.class",    ALL, Class,   "io.debezium.relational.ConcurrentMapTableMappingStorage", Operation, needless("Java classes cannot be loaded");
    "memory.management.tables.class",     ALL, Class,   "io.debezium.relational.ConcurrentMapTableMappingStorage", Operation, needless("Java classes cannot be loaded");
    "openlineage.integration.*",          ALL, Text,    "",        Operation, missing("no lineage is reported");
}
