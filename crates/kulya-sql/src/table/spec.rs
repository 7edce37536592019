//! The definition of a table in a CREATE TABLE: validated, and without what only the stream and the registry
//! know.

use crate::data_types::{field, type_name};
use crate::dialect::{ColumnKind, CreateTable, FlinkType, OptionDef, Position, TypeKind};
use crate::nearest::nearest;
use crate::options::{CONNECTOR, FormatName, FormatOptions, Options, format_options, is_format};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use kulya_schema::Format;
use kulya_store::StreamId;
use std::collections::BTreeSet;

/// The format of a table that names none: that of its group in the registry.
const REGISTRY_FORMAT: &str = "pravega-registry";
/// The format of changes whose schemas are in the registry.
const CHANGES_FORMAT: &str = "debezium-avro";
/// The options that say which streams and events a table has.
const NOT_IN_HINTS: &[&str] =
    &["connector", "format", "controller-uri", "scope", "scan.streams", "sink.stream", "segments"];

/// The options that name streams.
pub(crate) const STREAM_OPTIONS: [&str; 3] = ["scope", "scan.streams", "sink.stream"];

/// A table's definition.
#[derive(Debug, Clone)]
pub(crate) struct TableSpec {
    pub(crate) columns: Vec<SpecColumn>,
    /// The columns of the primary key; empty without one.
    pub(crate) key: Vec<String>,
    pub(crate) connector: Options,
    pub(crate) format: FormatOptions,
    /// The statement.
    pub(crate) create: CreateTable,
}

/// What the options of a catalog say of its tables.
#[derive(Debug, Clone)]
pub(crate) struct TableDefaults {
    /// The format of tables that name none.
    pub(crate) format: Format,
    /// The options of JSON.
    pub(crate) json: Options,
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct SpecColumn {
    pub(crate) name: String,
    pub(crate) kind: SpecColumnKind,
    pub(crate) comment: Option<String>,
    position: Position,
}

impl SpecColumn {
    /// Adds the place of the column in the script to an error about it; a stored statement has none.
    pub(crate) fn located(&self, error: SqlError) -> SqlError {
        error.at(self.position)
    }
}

/// Where the values of a column come from.
#[derive(Debug, Clone)]
pub(crate) enum SpecColumnKind {
    /// From the event.
    Physical { flink: FlinkType, field: Field },
    /// From beside the event: the metadata key.
    Metadata { key: String, field: Field, is_virtual: bool },
    /// From other columns: the expression's text.
    Computed(String),
}

impl TableSpec {
    /// Validates a CREATE TABLE.
    ///
    /// # Errors
    /// With the position in the script: what the definition says twice, or cannot be.
    pub(crate) fn new(create: CreateTable, defaults: &TableDefaults) -> SqlResult<Self> {
        let invalid =
            |what: String, position: Position| SqlError::new(SqlErrorKind::InvalidQuery, what).at(position);
        if !create.partitioned.is_empty() {
            let at = create.path.position.0;
            return Err(SqlError::not_supported("PARTITIONED BY").at(at));
        }
        if let Some(distribution) = &create.distribution {
            let position = distribution.position.0;
            return Err(SqlError::not_supported("DISTRIBUTED").at(position));
        }
        let mut names = BTreeSet::new();
        let mut columns = Vec::with_capacity(create.elements.columns.len());
        for column in &create.elements.columns {
            let (name, position) = (&column.name, column.position.0);
            if !names.insert(name.as_str()) {
                return Err(invalid(format!("column {name} is defined twice"), position));
            }
            let field = |flink: &FlinkType| {
                if has_interval(&flink.kind) {
                    let what = format!("column {name}: type {flink}");
                    return Err(SqlError::not_supported(what).at(position));
                }
                Ok(field(name, flink).as_ref().clone())
            };
            let kind = match &column.kind {
                ColumnKind::Physical { column_type } => {
                    SpecColumnKind::Physical { flink: column_type.clone(), field: field(column_type)? }
                }
                ColumnKind::Metadata { column_type, from, is_virtual } => SpecColumnKind::Metadata {
                    key: from.clone().unwrap_or_else(|| name.clone()),
                    field: field(column_type)?,
                    is_virtual: *is_virtual,
                },
                ColumnKind::Computed(expression) => SpecColumnKind::Computed(expression.text.clone()),
            };
            let comment = column.comment.clone();
            columns.push(SpecColumn { name: name.clone(), kind, comment, position });
        }
        let mut key = Vec::new();
        if let Some(primary) = &create.elements.key {
            let position = primary.position.0;
            for name in &primary.columns {
                let column = columns.iter_mut().find(|column| column.name == *name);
                let Some(SpecColumn { kind, .. }) = column else {
                    let what = format!("the primary key has column {name}, which the table does not have");
                    return Err(unknown_column(what, name, &names).at(position));
                };
                let SpecColumnKind::Physical { flink, field } = kind else {
                    let what = format!("column {name} of the primary key must be a physical column");
                    return Err(invalid(what, position));
                };
                // a key is never null
                flink.nullable = false;
                *field = field.clone().with_nullable(false);
                if key.contains(name) {
                    return Err(invalid(format!("the primary key has column {name} twice"), position));
                }
                key.push(name.clone());
            }
        }
        if let Some(watermark) = &create.elements.watermark {
            let name = watermark.column.parts.first().map(String::as_str).unwrap_or_default();
            let position = watermark.column.position.0;
            let Some(column) = columns.iter().find(|column| column.name == name) else {
                let what = format!("the watermark is of column {name}, which the table does not have");
                return Err(unknown_column(what, name, &names).at(position));
            };
            if let SpecColumnKind::Physical { field, .. } | SpecColumnKind::Metadata { field, .. } =
                &column.kind
                && watermark.column.parts.len() == 1
                && !matches!(field.data_type(), DataType::Timestamp(TimeUnit::Millisecond, _))
            {
                let type_name = type_name(field.data_type());
                let what = format!(
                    "the watermark is of column {name} of type {type_name}: it must be TIMESTAMP(3) or TIMESTAMP_LTZ(3)"
                );
                return Err(SqlError::new(SqlErrorKind::TypeMismatch, what).at(position));
            }
        }
        let (connector, mut format) = table_options(&create.options)?;
        if format.name.as_str() == REGISTRY_FORMAT {
            format.options.set_defaults(&defaults.json);
        }
        Ok(Self { columns, key, connector, format, create })
    }

    /// Returns the columns that are in events.
    pub(crate) fn physical_schema(&self) -> Schema {
        let field = |column: &SpecColumn| match &column.kind {
            SpecColumnKind::Physical { field, .. } => Some(field.clone()),
            SpecColumnKind::Metadata { .. } | SpecColumnKind::Computed(_) => None,
        };
        Schema::new(self.columns.iter().filter_map(field).collect::<Vec<_>>())
    }

    /// Returns the types of the columns that are in events, as they were declared.
    pub(crate) fn physical_types(&self) -> Vec<FlinkType> {
        let declared = |column: &SpecColumn| match &column.kind {
            SpecColumnKind::Physical { flink, .. } => Some(flink.clone()),
            SpecColumnKind::Metadata { .. } | SpecColumnKind::Computed(_) => None,
        };
        self.columns.iter().filter_map(declared).collect()
    }

    /// Returns the streams that are read, and the one that is written.
    ///
    /// # Errors
    /// `InvalidOption` for a name that no stream can have.
    pub(crate) fn streams(&self, database: &str, table: &str) -> SqlResult<(Vec<StreamId>, StreamId)> {
        let scope = self.connector.get("scope").unwrap_or(database);
        let stream = |name: &str| {
            StreamId::new(scope, name.trim()).map_err(|e| {
                let error = SqlError::new(SqlErrorKind::InvalidOption, format!("table {table}: {e}"));
                let is_written = self.connector.get("sink.stream") == Some(name);
                self.located(if is_written { "sink.stream" } else { "scan.streams" }, error.because(e))
            })
        };
        let written = self.connector.get("sink.stream");
        let read = match self.connector.get("scan.streams") {
            Some(names) => names.split(';').map(stream).collect::<SqlResult<Vec<_>>>()?,
            None => vec![stream(written.unwrap_or(table))?],
        };
        let sink = match (written, read.first()) {
            (Some(written), _) => stream(written)?,
            (None, Some(first)) => first.clone(),
            (None, None) => stream(table)?,
        };
        Ok((read, sink))
    }

    /// Adds the place of the first column of events for which `is_wrong` to an error.
    pub(crate) fn of_column(&self, error: SqlError, is_wrong: impl Fn(&Field) -> bool) -> SqlError {
        let wrong = self.columns.iter().find(|column| match &column.kind {
            SpecColumnKind::Physical { field, .. } => is_wrong(field),
            _ => false,
        });
        match wrong {
            Some(column) => column.located(error),
            None => error,
        }
    }

    /// Adds the place of an option to an error about it.
    pub(crate) fn located(&self, key: &str, error: SqlError) -> SqlError {
        let option = self.create.options.iter().find(|option| option.key == key);
        match option {
            Some(option) => error.at(option.position.0),
            None => error,
        }
    }

    /// Adds the place of the format's name to an error that the name is unknown.
    pub(crate) fn of_format(&self, error: SqlError) -> SqlError {
        let is_unknown = matches!(self.format.name, FormatName::Other { .. })
            && error.kind() == SqlErrorKind::InvalidOption
            && error.position().is_none();
        if is_unknown { self.located("format", error) } else { error }
    }

    /// Returns whether the table has streams of other names than its own.
    pub(crate) fn names_streams(&self) -> bool {
        STREAM_OPTIONS.iter().any(|key| self.connector.is_given(key))
    }

    /// Returns whether the schemas of events are in the registry.
    pub(crate) fn has_registry(&self) -> bool {
        self.format.name.as_str() == REGISTRY_FORMAT
    }

    /// Returns whether events are changes whose schemas are in the registry.
    pub(crate) fn has_registered_changes(&self) -> bool {
        self.format.name.as_str() == CHANGES_FORMAT
    }

    /// Returns the definition with the options of a hint in place of its own.
    ///
    /// # Errors
    /// As [`Self::new`] for the options, and `NotSupported` for one that says which table it is.
    pub(crate) fn hinted(&self, hint: &[OptionDef]) -> SqlResult<Self> {
        let prefix = format!("{}.", self.format.name.as_str());
        let (mut of_connector, mut of_format) = (Vec::new(), Vec::new());
        for option in hint {
            match option.key.strip_prefix(&prefix) {
                Some(key) => of_format.push((key, option.value.as_str(), option.position.0)),
                None => of_connector.push(option.clone()),
            }
        }
        let connector = self.connector.overlaid(&hinted_options(&of_connector)?);
        let given = format_options(self.format.name.as_str(), of_format)?;
        let format = match (&self.format.name, given.name) {
            (FormatName::Other { name, given }, FormatName::Other { given: hinted, .. }) => {
                let is_hinted = |key: &String| hinted.iter().any(|(other, _)| other == key);
                let kept = given.iter().filter(|(key, _)| !is_hinted(key)).cloned();
                let given = kept.chain(hinted.iter().cloned()).collect();
                let name = FormatName::Other { name: name.clone(), given };
                FormatOptions { name, options: Options::default() }
            }
            (name, _) => {
                let (name, options) = (name.clone(), self.format.options.overlaid(&given.options));
                FormatOptions { name, options }
            }
        };
        Ok(Self { connector, format, ..self.clone() })
    }
}

/// Validates the options of a hint of a table that are not of its format.
///
/// # Errors
/// With the position in the script: an unknown option or an invalid value, and `NotSupported` for an option
/// that says which table it is.
pub(crate) fn hinted_options(hint: &[OptionDef]) -> SqlResult<Options> {
    let specs: Vec<_> = CONNECTOR.iter().collect();
    let mut all = Options::default();
    for option in hint {
        let given = [(option.key.as_str(), option.value.as_str(), option.position.0)];
        let parsed = Options::parse_at(&specs, "", given)?;
        if NOT_IN_HINTS.contains(&option.key.as_str()) {
            let what = format!("option '{}' in a hint", option.key);
            return Err(SqlError::not_supported(what).at(option.position.0));
        }
        if all.is_given(&option.key) {
            let what = format!("option '{}' is given twice", option.key);
            return Err(SqlError::new(SqlErrorKind::InvalidOption, what).at(option.position.0));
        }
        all = all.overlaid(&parsed);
    }
    Ok(all)
}

/// Returns the error of a column that is not there, with the nearest one.
fn unknown_column(what: String, name: &str, known: &BTreeSet<&str>) -> SqlError {
    let error = SqlError::new(SqlErrorKind::UnknownColumn, what);
    match nearest(name, known.iter().copied()) {
        Some(nearest) => error.hint(&format!("did you mean {nearest}?")),
        None => error,
    }
}

/// Returns whether a type has an interval in it, which no format has.
fn has_interval(kind: &TypeKind) -> bool {
    match kind {
        TypeKind::IntervalYearMonth(..) | TypeKind::IntervalDayTime(..) => true,
        TypeKind::Array(item) | TypeKind::Multiset(item) => has_interval(&item.kind),
        TypeKind::Map(key, value) => has_interval(&key.kind) || has_interval(&value.kind),
        TypeKind::Row(fields) => fields.iter().any(|field| has_interval(&field.field_type.kind)),
        _ => false,
    }
}

/// Validates the options of WITH: those of the connector, and those of its format, which have the format's
/// name in front.
fn table_options(given: &[OptionDef]) -> SqlResult<(Options, FormatOptions)> {
    let format_option = given.iter().find(|option| option.key == "format");
    let format_name = format_option.map_or(REGISTRY_FORMAT, |option| option.value.trim());
    let prefix = format!("{format_name}.");
    let (mut of_format, mut of_connector) = (Vec::new(), Vec::new());
    for option in given {
        let (value, position) = (option.value.as_str(), option.position.0);
        match option.key.strip_prefix(&prefix) {
            Some(key) => of_format.push((key, value, position)),
            None => of_connector.push((option.key.as_str(), value, position)),
        }
    }
    let format = format_options(format_name, of_format);
    // of the format's name itself
    let format = format.map_err(|error| match (error.position(), format_option) {
        (None, Some(option)) => error.at(option.position.0),
        _ => error,
    })?;
    if let Some((key, _, position)) = of_connector.iter().find(|(key, ..)| is_of_other_format(key)) {
        let what = format!("option '{key}' is of another format: the table has format {format_name}");
        return Err(SqlError::new(SqlErrorKind::InvalidOption, what).at(*position));
    }
    let specs: Vec<_> = CONNECTOR.iter().collect();
    Ok((Options::parse_at(&specs, "", of_connector)?, format))
}

/// Returns whether a key begins with the name of a format.
fn is_of_other_format(key: &str) -> bool {
    key.split_once('.').is_some_and(|(format, _)| is_format(format))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::parse_create_table;

    fn spec(text: &str) -> SqlResult<TableSpec> {
        let defaults = TableDefaults { format: Format::Avro, json: Options::default() };
        TableSpec::new(parse_create_table(text)?, &defaults)
    }

    #[test]
    fn definition_has_columns_key_and_options() {
        let spec = spec(
            "CREATE TABLE t (id BIGINT, name STRING, `day` AS CAST(added AS DATE), added TIMESTAMP(3) METADATA FROM 'append-time',
             PRIMARY KEY (id) NOT ENFORCED) WITH ('format' = 'json', 'json.ignore-parse-errors' = 'true', 'segments' = '4')",
        )
        .unwrap();
        let physical = spec.physical_schema();
        let fields: Vec<_> = physical.fields().iter().map(|f| (f.name().as_str(), f.is_nullable())).collect();
        assert_eq!(fields, [("id", false), ("name", true)]);
        assert_eq!((spec.key, spec.connector.number("segments")), (vec!["id".to_owned()], 4));
        assert_eq!(spec.format.name.as_str(), "json");
        assert!(spec.format.options.is_true("ignore-parse-errors"));
        assert!(
            matches!(&spec.columns[3].kind, SpecColumnKind::Metadata { key, .. } if key == "append-time")
        );
        assert!(
            matches!(&spec.columns[2].kind, SpecColumnKind::Computed(text) if text == "CAST(added AS DATE)")
        );
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, kind, expected) in [
            (
                "CREATE TABLE t (a INT, a STRING)",
                SqlErrorKind::Syntax,
                "column a is defined twice at line 1, column 24",
            ),
            ("CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED)", SqlErrorKind::UnknownColumn, "column b"),
            ("CREATE TABLE t (a AS 1, PRIMARY KEY (a) NOT ENFORCED)", SqlErrorKind::InvalidQuery, "physical"),
            ("CREATE TABLE t (a INT, WATERMARK FOR b AS b)", SqlErrorKind::UnknownColumn, "column b"),
            ("CREATE TABLE t (a INT) PARTITIONED BY (a)", SqlErrorKind::NotSupported, "PARTITIONED BY"),
            ("CREATE TABLE t (a INTERVAL YEAR)", SqlErrorKind::NotSupported, "column a: type INTERVAL YEAR"),
            (
                "CREATE TABLE t (a INT) WITH ('segment' = '4')",
                SqlErrorKind::InvalidOption,
                "did you mean 'segments'?",
            ),
            (
                "CREATE TABLE t (a INT) WITH ('format' = 'json', 'json.ignore-parse-error' = 'true')",
                SqlErrorKind::InvalidOption,
                "'json.ignore-parse-errors'?",
            ),
            (
                "CREATE TABLE t (a INT) WITH ('format' = 'orc')",
                SqlErrorKind::NotSupported,
                "format orc is not supported",
            ),
        ] {
            let error = spec(text).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
