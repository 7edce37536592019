//! Settings of what the events contain: captured tables, columns, the form of values, and names.

use super::reader::{Reader, shown_key};
use super::secret::Secret;
use crate::debezium_server::choice::{
    BinaryMode, DatabaseKind, DecimalMode, FailureMode, HstoreMode, IntervalMode, NameAdjustment, Operation,
    TimeMode, UnsignedBigintMode,
};
use crate::debezium_server::error::InvalidValue;
use crate::name_patterns::NamePatterns;

/// Names that are included and excluded. An empty list is no restriction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// What is captured, if it is not empty.
    pub include: NamePatterns,
    /// What is not captured.
    pub exclude: NamePatterns,
}

impl NameFilter {
    fn read(reader: &Reader<'_>, include: &str, exclude: &str) -> Self {
        Self { include: reader.patterns(include), exclude: reader.patterns(exclude) }
    }

    /// Returns whether a name is captured.
    pub fn accepts(&self, name: &str) -> bool {
        (self.include.is_empty() || self.include.is_match(name)) && !self.exclude.is_match(name)
    }
}

/// Which tables and columns are captured. A table is captured if all filters accept it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// Databases (MySQL, MariaDB).
    pub databases: NameFilter,
    /// Schemas (PostgreSQL).
    pub schemas: NameFilter,
    /// Tables, as `schema.table` or `database.table`.
    pub tables: NameFilter,
    /// Columns, as `schema.table.column` or `database.table.column`.
    pub columns: NameFilter,
    /// Whether tables of the system are left out.
    pub ignore_builtin_tables: bool,
    /// Prefixes of logical messages (PostgreSQL).
    pub message_prefixes: NameFilter,
}

impl Filters {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let is_postgres = reader.database() == DatabaseKind::Postgres;
        let filter = |has: bool, include: &str, exclude: &str| {
            if has { NameFilter::read(reader, include, exclude) } else { NameFilter::default() }
        };
        Self {
            databases: filter(
                !is_postgres,
                "debezium.source.database.include.list",
                "debezium.source.database.exclude.list",
            ),
            schemas: filter(
                is_postgres,
                "debezium.source.schema.include.list",
                "debezium.source.schema.exclude.list",
            ),
            tables: filter(true, "debezium.source.table.include.list", "debezium.source.table.exclude.list"),
            columns: filter(
                true,
                "debezium.source.column.include.list",
                "debezium.source.column.exclude.list",
            ),
            ignore_builtin_tables: reader.boolean("debezium.source.table.ignore.builtin"),
            message_prefixes: filter(
                is_postgres,
                "debezium.source.message.prefix.include.list",
                "debezium.source.message.prefix.exclude.list",
            ),
        }
    }
}

/// A change of the values of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnChange {
    /// The value is replaced by asterisks.
    Mask {
        /// The number of asterisks.
        length: u32,
    },
    /// The value is replaced by its hash.
    Hash {
        /// The name of the algorithm, as Java has it.
        algorithm: String,
        /// The salt.
        salt: Secret,
        /// Whether the second version of the procedure is used.
        is_version_2: bool,
    },
    /// Longer values are cut.
    Truncate {
        /// The maximum number of characters.
        length: u32,
    },
}

/// A change and the columns it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRule {
    /// What is changed.
    pub change: ColumnChange,
    /// The columns, as `schema.table.column` or `database.table.column`.
    pub columns: NamePatterns,
}

/// Reads the rules for columns, in the order of their keys.
pub(super) fn column_rules(reader: &mut Reader<'_>) -> Vec<ColumnRule> {
    const PREFIX: &str = "debezium.source.column.";
    let (mut rules, mut invalid) = (Vec::new(), Vec::new());
    let keys: Vec<(&str, &str)> = reader.family(PREFIX).collect();
    for (rest, columns) in keys {
        let is_rule =
            ["mask.with.", "mask.hash.", "truncate.to."].iter().any(|begin| rest.starts_with(begin));
        match column_change(rest) {
            Some(change) => rules.extend(
                NamePatterns::parse(columns)
                    .ok()
                    .filter(|columns| !columns.is_empty())
                    .map(|columns| ColumnRule { change, columns }),
            ),
            None if is_rule => invalid.push(InvalidValue {
                key: shown_key(&format!("{PREFIX}{rest}")),
                value: None,
                reason: "write mask.with.LENGTH.chars, mask.hash.ALGORITHM.with.salt.SALT or truncate.to.LENGTH.chars"
                    .to_owned(),
            }),
            None => {}
        }
    }
    reader.invalid.extend(invalid);
    rules
}

fn column_change(rest: &str) -> Option<ColumnChange> {
    let length = |text: &str| text.strip_suffix(".chars")?.parse::<u32>().ok();
    if let Some(rest) = rest.strip_prefix("mask.with.") {
        return Some(ColumnChange::Mask { length: length(rest)? });
    }
    if let Some(rest) = rest.strip_prefix("truncate.to.") {
        return Some(ColumnChange::Truncate { length: length(rest)? });
    }
    let rest = rest.strip_prefix("mask.hash.")?;
    let (rest, is_version_2) = rest.strip_prefix("v2.").map_or((rest, false), |rest| (rest, true));
    let (algorithm, salt) = rest.split_once(".with.salt.")?;
    let is_valid = !algorithm.is_empty() && !algorithm.contains('.') && !salt.is_empty();
    is_valid.then(|| ColumnChange::Hash {
        algorithm: algorithm.to_owned(),
        salt: Secret::new(salt),
        is_version_2,
    })
}

/// The form of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueModes {
    /// Exact decimal numbers.
    pub decimal: DecimalMode,
    /// Dates and times.
    pub time: TimeMode,
    /// Binary values.
    pub binary: BinaryMode,
    /// Intervals (PostgreSQL).
    pub interval: IntervalMode,
    /// hstore (PostgreSQL).
    pub hstore: HstoreMode,
    /// Digits of money after the point (PostgreSQL).
    pub money_digits: u32,
    /// BIGINT UNSIGNED (MySQL, MariaDB).
    pub unsigned_bigint: UnsignedBigintMode,
    /// Whether years of two digits are completed (MySQL, MariaDB).
    pub adjusts_years: bool,
}

impl ValueModes {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let is_postgres = reader.database() == DatabaseKind::Postgres;
        let interval = is_postgres
            .then(|| reader.choice("debezium.source.interval.handling.mode", IntervalMode::Numeric));
        let hstore =
            is_postgres.then(|| reader.choice("debezium.source.hstore.handling.mode", HstoreMode::Json));
        let unsigned = (!is_postgres).then(|| {
            reader.choice("debezium.source.bigint.unsigned.handling.mode", UnsignedBigintMode::Long)
        });
        Self {
            decimal: reader.choice("debezium.source.decimal.handling.mode", DecimalMode::Precise),
            time: reader.choice("debezium.source.time.precision.mode", TimeMode::Adaptive),
            binary: reader.choice("debezium.source.binary.handling.mode", BinaryMode::Bytes),
            interval: interval.unwrap_or(IntervalMode::Numeric),
            hstore: hstore.unwrap_or(HstoreMode::Json),
            money_digits: is_postgres
                .then(|| reader.number("debezium.source.money.fraction.digits"))
                .flatten()
                .unwrap_or(2),
            unsigned_bigint: unsigned.unwrap_or(UnsignedBigintMode::Long),
            adjusts_years: !is_postgres && reader.boolean("debezium.source.enable.time.adjuster"),
        }
    }
}

/// Which events there are, and their names and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOptions {
    /// The prefix of all topics.
    pub topic_prefix: String,
    /// The text between the parts of a topic.
    pub topic_delimiter: String,
    /// The name of the topic of transactions, without the prefix.
    pub transaction_topic: String,
    /// The beginning of the topic of heartbeats.
    pub heartbeat_prefix: String,
    /// The Java class that names topics.
    pub topic_naming: String,
    /// Whether a tombstone follows each delete.
    pub tombstones: bool,
    /// Whether events have headers with the connector's context.
    pub context_headers: bool,
    /// Whether events have a transaction block, and transactions a topic.
    pub transaction_metadata: bool,
    /// Operations without events; empty if there is an event for each.
    pub skipped_operations: Vec<Operation>,
    /// Whether updates without a change of a captured column are left out.
    pub skip_unchanged: bool,
    /// The columns of keys in key order, as `schema.table.column`.
    pub key_columns: NamePatterns,
    /// Columns whose schema has the type in the database.
    pub source_types: NamePatterns,
    /// Types of columns whose schema has the type in the database, as `schema.table.type`.
    pub source_datatypes: NamePatterns,
    /// The text in place of a value that the log does not contain.
    pub unavailable_placeholder: String,
    /// Whether columns of unknown types are in the events.
    pub unknown_types: bool,
    /// How the names of schemas are changed.
    pub schema_names: NameAdjustment,
    /// How the names of fields are changed.
    pub field_names: NameAdjustment,
    /// What happens with an event that cannot be processed.
    pub on_failure: FailureMode,
}

impl EventOptions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let text = |reader: &Reader<'_>, key: &str| reader.text(key).unwrap_or_default();
        Self {
            topic_prefix: reader.required("debezium.source.topic.prefix"),
            topic_delimiter: text(reader, "debezium.source.topic.delimiter"),
            transaction_topic: text(reader, "debezium.source.topic.transaction"),
            heartbeat_prefix: text(reader, "debezium.source.topic.heartbeat.prefix"),
            topic_naming: text(reader, "debezium.source.topic.naming.strategy"),
            tombstones: reader.boolean("debezium.source.tombstones.on.delete"),
            context_headers: reader.boolean("debezium.source.extended.headers.enabled"),
            transaction_metadata: reader.boolean("debezium.source.provide.transaction.metadata"),
            skipped_operations: skipped_operations(reader),
            skip_unchanged: reader.boolean("debezium.source.skip.messages.without.change"),
            key_columns: key_columns(reader),
            source_types: reader.patterns("debezium.source.column.propagate.source.type"),
            source_datatypes: reader.patterns("debezium.source.datatype.propagate.source.type"),
            unavailable_placeholder: text(reader, "debezium.source.unavailable.value.placeholder"),
            unknown_types: reader.boolean("debezium.source.include.unknown.datatypes"),
            schema_names: reader.choice("debezium.source.schema.name.adjustment.mode", NameAdjustment::None),
            field_names: reader.choice("debezium.source.field.name.adjustment.mode", NameAdjustment::None),
            on_failure: reader
                .choice("debezium.source.event.processing.failure.handling.mode", FailureMode::Fail),
        }
    }
}

/// Reads `schema.table:column,column;…`: an expression for each column.
fn key_columns(reader: &mut Reader<'_>) -> NamePatterns {
    const KEY: &str = "debezium.source.message.key.columns";
    let Some(text) = reader.text(KEY) else { return NamePatterns::default() };
    let mut all = NamePatterns::default();
    for part in text.trim().trim_end_matches(';').split(';') {
        let Some((tables, columns)) = tables_and_columns(part) else {
            let reason = "write schema.table:column,column, with ; between tables".to_owned();
            reader.invalid.push(InvalidValue { key: KEY.to_owned(), value: Some(text.clone()), reason });
            break;
        };
        for column in columns {
            match NamePatterns::parse(&format!("{tables}.{column}")) {
                Ok(patterns) => all.append(patterns),
                Err(error) => {
                    let (key, value) = (KEY.to_owned(), Some(text.clone()));
                    reader.invalid.push(InvalidValue { key, value, reason: error.to_string() });
                }
            }
        }
    }
    all
}

/// Splits `schema.table:column,column`.
fn tables_and_columns(part: &str) -> Option<(&str, Vec<&str>)> {
    let (tables, columns) = part.split_once(':').filter(|(tables, _)| !tables.trim().is_empty())?;
    let columns: Vec<&str> = columns.split(',').map(str::trim).collect();
    let is_column = |column: &&str| !column.is_empty() && !column.contains(':');
    columns.iter().all(is_column).then_some((tables, columns))
}

fn skipped_operations(reader: &mut Reader<'_>) -> Vec<Operation> {
    use crate::debezium_server::choice::Choice;
    const KEY: &str = "debezium.source.skipped.operations";
    let list = reader.list(KEY);
    let mut operations: Vec<Operation> = list.iter().filter_map(|name| Operation::from_name(name)).collect();
    if operations.contains(&Operation::None) && operations.len() > 1 {
        let reason = "none cannot be combined with operations".to_owned();
        reader.invalid.push(InvalidValue { key: KEY.to_owned(), value: Some(list.join(",")), reason });
    }
    operations.retain(|operation| *operation != Operation::None);
    operations
}
