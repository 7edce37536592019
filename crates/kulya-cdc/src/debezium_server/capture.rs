//! Conversion to the settings of a capture. What Debezium has other defaults for is set, so that events are
//! Debezium's.

use super::choice::{self, DatabaseKind, TlsMode};
use super::settings::{self, ColumnChange, Connection, DebeziumServerSettings, Secret};
use super::transforms;
use super::unsupported::Unsupported;
use crate::column_rules::{ColumnRules, HashAlgorithm, HashRule, HashVersion, MaskRule, TruncateRule};
use crate::debezium::envelope::Operation;
use crate::debezium::format::EventFormat;
use crate::debezium::name_adjustment::NameAdjustment;
use crate::debezium::{
    BigintUnsignedMode, BinaryMode, Compatibility, DecimalMode, Encoding, HstoreMode, IntervalMode,
    TimePrecision, ValueModes,
};
use crate::name_patterns::NamePatterns;
use crate::settings::MAX_SNAPSHOT_READERS;
use crate::table_filter::TableFilter;
use crate::{CaptureSettings, SnapshotMode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Converts the settings, as far as there are settings for them; adds what there is none for.
pub(super) fn convert(settings: &DebeziumServerSettings, refused: &mut Vec<Unsupported>) -> CaptureSettings {
    let DebeziumServerSettings { connection, events, snapshot, signals, .. } = settings;
    let scope = settings.sink.pravega.as_ref().and_then(|pravega| pravega.scope.clone());
    let log = settings.postgres.as_ref();
    let delimiter = &events.topic_delimiter;
    let format = format(settings);
    CaptureSettings {
        url: url(settings.database, connection),
        password: connection.password.as_ref().map(Secret::expose).unwrap_or_default().to_owned(),
        name: events.topic_prefix.clone(),
        scope: scope.unwrap_or_default(),
        table_filter: table_filter(settings),
        columns: column_rules(settings, refused),
        stream: ["{prefix}", "{schema}", "{table}"].join(delimiter),
        slot: log.map(|log| log.slot.clone()).unwrap_or_default(),
        publication: log.map(|log| log.publication.clone()).unwrap_or_default(),
        transaction_metadata: events.transaction_metadata,
        server_id: settings.binlog.as_ref().and_then(|binlog| binlog.server_id),
        snapshot_mode: snapshot_mode(snapshot.mode),
        snapshot_readers: snapshot.threads.clamp(1, MAX_SNAPSHOT_READERS),
        schema_changes: settings.binlog.as_ref().is_some_and(|binlog| binlog.schema_changes),
        include_query: settings.binlog.as_ref().is_some_and(|binlog| binlog.statements),
        heartbeat_interval_ms: signals.heartbeat_interval_ms,
        signal_table: signal_table(settings, refused),
        incremental_snapshot_chunk_size: snapshot.incremental_chunk_rows,
        heartbeat_query: signals.heartbeat_statement.clone().unwrap_or_default(),
        transforms: transforms::convert(settings, &format, refused),
        format,
        values: value_modes(settings, refused),
        ..CaptureSettings::default()
    }
}

/// Returns the URL, without the password.
fn url(database: DatabaseKind, connection: &Connection) -> String {
    let Connection { hostname, port, user, tls, tls_files, .. } = connection;
    let is_address_6 = hostname.contains(':') && !hostname.starts_with('[');
    let host = if is_address_6 { format!("[{hostname}]") } else { hostname.clone() };
    let user = encode(user);
    let scheme = match database {
        DatabaseKind::Postgres => {
            let name = encode(connection.database.as_deref().unwrap_or_default());
            let file = tls_files.root_certificate.as_deref();
            let authorities = file.map(|file| format!("&sslrootcert={}", encode(file))).unwrap_or_default();
            let mode = postgres_tls(*tls);
            return format!("postgres://{user}@{host}:{port}/{name}?sslmode={mode}{authorities}");
        }
        DatabaseKind::MySql => "mysql",
        DatabaseKind::MariaDb => "mariadb",
    };
    let mut url = format!("{scheme}://{user}@{host}:{port}/?ssl-mode={}", mysql_tls(*tls));
    if let Some(milliseconds) = connection.connect_timeout_ms {
        url += &format!("&connect-timeout={}", milliseconds.div_ceil(1000).clamp(1, 3600));
    }
    if connection.gets_public_key {
        url += "&get-server-public-key=true";
    }
    url
}

/// Returns the table of signals, if its channel is enabled.
fn signal_table(settings: &DebeziumServerSettings, refused: &mut Vec<Unsupported>) -> String {
    let signals = &settings.signals;
    let is_enabled = signals.channels.iter().any(|channel| channel == "source");
    let mut tables = signals.tables.iter().filter(|_| is_enabled);
    let (first, further) = (tables.next().cloned().unwrap_or_default(), tables.next());
    if further.is_some() {
        let key = "debezium.source.signal.data.collection";
        refused.push(Unsupported::new(
            key,
            Some(signals.tables.join(",")),
            "one table of signals is supported",
        ));
    }
    // with PostgreSQL the name may have the database before the schema
    let database = settings.connection.database.as_deref().unwrap_or_default();
    let without = first.strip_prefix(database).and_then(|rest| rest.strip_prefix('.'));
    match without.filter(|rest| !database.is_empty() && rest.contains('.')) {
        Some(table) => table.to_owned(),
        None => first,
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn postgres_tls(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Disable => "disable",
        TlsMode::Allow | TlsMode::Prefer => "prefer",
        TlsMode::Require | TlsMode::Trust => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    }
}

fn mysql_tls(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Disable => "disabled",
        TlsMode::Allow | TlsMode::Prefer => "preferred",
        TlsMode::Require | TlsMode::Trust => "required",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-identity",
    }
}

fn table_filter(settings: &DebeziumServerSettings) -> TableFilter {
    let filters = &settings.filters;
    let schemas = match settings.database {
        DatabaseKind::Postgres => &filters.schemas,
        DatabaseKind::MySql | DatabaseKind::MariaDb => &filters.databases,
    };
    TableFilter {
        schemas: schemas.include.clone(),
        exclude_schemas: schemas.exclude.clone(),
        tables: filters.tables.include.clone(),
        exclude_tables: filters.tables.exclude.clone(),
    }
}

fn column_rules(settings: &DebeziumServerSettings, refused: &mut Vec<Unsupported>) -> ColumnRules {
    let mut rules = ColumnRules {
        include: settings.filters.columns.include.clone(),
        exclude: settings.filters.columns.exclude.clone(),
        key: settings.events.key_columns.clone(),
        source_type: settings.events.source_types.clone(),
        source_datatype: settings.events.source_datatypes.clone(),
        ..ColumnRules::default()
    };
    for rule in &settings.column_rules {
        let columns = rule.columns.clone();
        match &rule.change {
            ColumnChange::Mask { length } => rules.mask.push(MaskRule { columns, length: *length }),
            ColumnChange::Truncate { length } => {
                rules.truncate.push(TruncateRule { columns, length: *length })
            }
            ColumnChange::Hash { algorithm, salt, is_version_2 } => {
                match hash_rule(columns, algorithm, salt, *is_version_2) {
                    Ok(rule) => rules.hash.push(rule),
                    Err(unsupported) => refused.push(unsupported),
                }
            }
        }
    }
    rules
}

fn hash_rule(
    columns: NamePatterns,
    algorithm: &str,
    salt: &Secret,
    is_version_2: bool,
) -> Result<HashRule, Unsupported> {
    let (version, part) = if is_version_2 { (HashVersion::V2, "v2.") } else { (HashVersion::V1, "") };
    let found = HashAlgorithm::from_name(algorithm).map_err(|error| {
        let key = format!("debezium.source.column.mask.hash.{part}{algorithm}.with.salt.…");
        Unsupported::new(&key, None, error.to_string())
    });
    Ok(HashRule { columns, algorithm: found?, salt: salt.expose().to_owned(), version })
}

/// Modes that there are none for are refused by their key.
fn snapshot_mode(mode: choice::SnapshotMode) -> SnapshotMode {
    match mode {
        choice::SnapshotMode::NoData => SnapshotMode::NoData,
        choice::SnapshotMode::InitialOnly => SnapshotMode::InitialOnly,
        choice::SnapshotMode::WhenNeeded => SnapshotMode::WhenNeeded,
        choice::SnapshotMode::Initial
        | choice::SnapshotMode::Always
        | choice::SnapshotMode::Never
        | choice::SnapshotMode::Recovery
        | choice::SnapshotMode::ConfigurationBased
        | choice::SnapshotMode::Custom => SnapshotMode::Initial,
    }
}

fn format(settings: &DebeziumServerSettings) -> EventFormat {
    let DebeziumServerSettings { events, format, .. } = settings;
    let operation = |operation: &choice::Operation| match operation {
        choice::Operation::Create => Some(Operation::Create),
        choice::Operation::Update => Some(Operation::Update),
        choice::Operation::Delete => Some(Operation::Delete),
        choice::Operation::Truncate => Some(Operation::Truncate),
        choice::Operation::Read => Some(Operation::Read),
        choice::Operation::None => None,
    };
    let encoding = if format.value == choice::Format::Avro { Encoding::Avro } else { Encoding::Json };
    EventFormat {
        encoding,
        topic_prefix: events.topic_prefix.clone(),
        topic_delimiter: events.topic_delimiter.clone(),
        topic_transaction: events.transaction_topic.clone(),
        topic_heartbeat_prefix: events.heartbeat_prefix.clone(),
        schemas_in_keys: format.key_schemas,
        // Avro has the schemas in the registry
        schemas_in_values: format.value_schemas && !encoding.has_header(),
        schemas_in_headers: format.header_schemas,
        tombstones_on_delete: events.tombstones,
        provide_transaction_metadata: events.transaction_metadata,
        skipped_operations: events.skipped_operations.iter().filter_map(operation).collect(),
        context_headers: events.context_headers,
        schema_names: name_adjustment(events.schema_names),
        field_names: name_adjustment(events.field_names),
    }
}

fn name_adjustment(mode: choice::NameAdjustment) -> NameAdjustment {
    match mode {
        choice::NameAdjustment::None => NameAdjustment::None,
        choice::NameAdjustment::Avro => NameAdjustment::Avro,
        choice::NameAdjustment::AvroUnicode => NameAdjustment::AvroUnicode,
    }
}

fn value_modes(settings: &DebeziumServerSettings, refused: &mut Vec<Unsupported>) -> ValueModes {
    let modes: &settings::ValueModes = &settings.modes;
    ValueModes {
        decimal: match modes.decimal {
            choice::DecimalMode::Precise => DecimalMode::Precise,
            choice::DecimalMode::Double => DecimalMode::Double,
            choice::DecimalMode::String => DecimalMode::String,
        },
        time_precision: time_precision(modes.time),
        binary: match modes.binary {
            choice::BinaryMode::Bytes => BinaryMode::Bytes,
            choice::BinaryMode::Base64 => BinaryMode::Base64,
            choice::BinaryMode::Base64UrlSafe => BinaryMode::Base64UrlSafe,
            choice::BinaryMode::Hex => BinaryMode::Hex,
        },
        interval: match modes.interval {
            choice::IntervalMode::Numeric => IntervalMode::Numeric,
            choice::IntervalMode::String => IntervalMode::String,
        },
        hstore: match modes.hstore {
            choice::HstoreMode::Json => HstoreMode::Json,
            choice::HstoreMode::Map => HstoreMode::Map,
        },
        bigint_unsigned: Some(match modes.unsigned_bigint {
            choice::UnsignedBigintMode::Long => BigintUnsignedMode::Long,
            choice::UnsignedBigintMode::Precise => BigintUnsignedMode::Precise,
        }),
        include_unknown_types: settings.events.unknown_types,
        unavailable_value: placeholder(&settings.events.unavailable_placeholder, refused),
        compat: Compatibility::Debezium,
    }
}

/// Returns the mode of dates and times. One that there is none for is refused by its key.
fn time_precision(mode: choice::TimeMode) -> Option<TimePrecision> {
    Some(match mode {
        choice::TimeMode::Adaptive => TimePrecision::Adaptive,
        choice::TimeMode::AdaptiveTimeMicroseconds => TimePrecision::AdaptiveTimeMicroseconds,
        choice::TimeMode::Connect => TimePrecision::Connect,
        choice::TimeMode::IsoString => TimePrecision::Isostring,
        choice::TimeMode::Microseconds => TimePrecision::Microseconds,
        choice::TimeMode::Nanoseconds => TimePrecision::Nanoseconds,
        choice::TimeMode::Structured => return None,
    })
}

/// Returns the text of a placeholder, which may be in hexadecimal digits.
fn placeholder(text: &str, refused: &mut Vec<Unsupported>) -> String {
    let Some(digits) = text.strip_prefix("hex:") else { return text.to_owned() };
    let pairs: Vec<&[u8]> = digits.as_bytes().chunks(2).collect();
    let byte = |pair: &&[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| {
        let key = "debezium.source.unavailable.value.placeholder";
        let why = "hexadecimal digits of UTF-8 are needed behind hex:";
        refused.push(Unsupported::new(key, Some(text.to_owned()), why));
        text.to_owned()
    })
}
