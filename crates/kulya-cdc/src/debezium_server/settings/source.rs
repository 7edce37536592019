//! Settings of the snapshot, of signals and heartbeats, and of each database's log.

use super::reader::Reader;
use crate::debezium_server::choice::{
    DatabaseKind, DecodingPlugin, PublicationMode, SnapshotLocking, SnapshotMode,
};
use crate::name_patterns::NamePatterns;

/// The snapshot before the first change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// When it is read.
    pub mode: SnapshotMode,
    /// Which locks it takes.
    pub locking: SnapshotLocking,
    /// The tables whose rows are read, if not all captured ones.
    pub tables: NamePatterns,
    /// Statements that select the rows of a table, by the table's name.
    pub statements: Vec<(String, String)>,
    /// The timeout of a lock, in milliseconds.
    pub lock_timeout_ms: u64,
    /// The number of tables that are read at the same time.
    pub threads: u32,
    /// The number of rows of a part of an incremental snapshot.
    pub incremental_chunk_rows: u32,
}

impl SnapshotOptions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let statements = reader.family("debezium.source.snapshot.select.statement.overrides.");
        let statements = statements.map(|(table, sql)| (table.to_owned(), sql.to_owned())).collect();
        Self {
            mode: reader.choice("debezium.source.snapshot.mode", SnapshotMode::Initial),
            locking: reader.choice("debezium.source.snapshot.locking.mode", SnapshotLocking::None),
            tables: reader.patterns("debezium.source.snapshot.include.collection.list"),
            statements,
            lock_timeout_ms: reader.number("debezium.source.snapshot.lock.timeout.ms").unwrap_or_default(),
            threads: reader.number("debezium.source.snapshot.max.threads").unwrap_or(1),
            incremental_chunk_rows: reader
                .number("debezium.source.incremental.snapshot.chunk.size")
                .unwrap_or_default(),
        }
    }
}

/// Signals to the connector, and heartbeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals {
    /// The tables with signals.
    pub tables: Vec<String>,
    /// The enabled channels.
    pub channels: Vec<String>,
    /// The channels of notifications.
    pub notification_channels: Vec<String>,
    /// Milliseconds between two heartbeats; 0 for none.
    pub heartbeat_interval_ms: u64,
    /// A statement that each heartbeat runs.
    pub heartbeat_statement: Option<String>,
}

impl Signals {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            tables: reader.list("debezium.source.signal.data.collection"),
            channels: reader.list("debezium.source.signal.enabled.channels"),
            notification_channels: reader.list("debezium.source.notification.enabled.channels"),
            heartbeat_interval_ms: reader.number("debezium.source.heartbeat.interval.ms").unwrap_or_default(),
            heartbeat_statement: reader.text("debezium.source.heartbeat.action.query"),
        }
    }
}

/// The log of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The logical decoding plugin.
    pub plugin: DecodingPlugin,
    /// The replication slot.
    pub slot: String,
    /// Whether the slot is dropped at the end.
    pub drops_slot: bool,
    /// The publication.
    pub publication: String,
    /// Which tables the publication has if the connector creates it.
    pub publication_mode: PublicationMode,
    /// Whether the events of a partition are those of the partitioned table.
    pub via_partition_root: bool,
}

impl PostgresOptions {
    pub(super) fn read(reader: &Reader<'_>) -> Option<Self> {
        (reader.database() == DatabaseKind::Postgres).then(|| Self {
            plugin: reader.choice("debezium.source.plugin.name", DecodingPlugin::Decoderbufs),
            slot: reader.text("debezium.source.slot.name").unwrap_or_default(),
            drops_slot: reader.boolean("debezium.source.slot.drop.on.stop"),
            publication: reader.text("debezium.source.publication.name").unwrap_or_default(),
            publication_mode: reader
                .choice("debezium.source.publication.autocreate.mode", PublicationMode::AllTables),
            via_partition_root: reader.boolean("debezium.source.publish.via.partition.root"),
        })
    }
}

/// The binlog of MySQL and MariaDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinlogOptions {
    /// The id of the reader among the servers and readers of the database.
    pub server_id: Option<u32>,
    /// What is added to the id for an incremental snapshot's reader.
    pub server_id_offset: u32,
    /// The servers whose transactions are captured, if not all.
    pub gtid_includes: NamePatterns,
    /// The servers whose transactions are not captured.
    pub gtid_excludes: NamePatterns,
    /// Whether changes of rows of other servers are left out.
    pub gtid_filters_rows: bool,
    /// Whether changes of schemas are events.
    pub schema_changes: bool,
    /// Whether events have the statement.
    pub statements: bool,
    /// Whether nothing is written to the database.
    pub is_read_only: bool,
    /// Whether a statement that cannot be parsed is left out of the history of schemas.
    pub skips_unparseable_ddl: bool,
}

impl BinlogOptions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.database() == DatabaseKind::Postgres {
            return None;
        }
        // Debezium requires it, and ends with a message of the database without it
        reader.required("debezium.source.database.server.id");
        Some(Self {
            server_id: reader.number("debezium.source.database.server.id"),
            server_id_offset: reader.number("debezium.source.database.server.id.offset").unwrap_or_default(),
            gtid_includes: reader.patterns("debezium.source.gtid.source.includes"),
            gtid_excludes: reader.patterns("debezium.source.gtid.source.excludes"),
            gtid_filters_rows: reader.boolean("debezium.source.gtid.source.filter.dml.events"),
            schema_changes: reader.boolean("debezium.source.include.schema.changes"),
            statements: reader.boolean("debezium.source.include.query"),
            is_read_only: reader.boolean("debezium.source.read.only"),
            skips_unparseable_ddl: reader
                .boolean("debezium.source.schema.history.internal.skip.unparseable.ddl"),
        })
    }
}
