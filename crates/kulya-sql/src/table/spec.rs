//! The definition of a table in a CREATE TABLE: validated, and without what only the stream and the registry
//! know.

use crate::data_types::field;
use crate::dialect::{ColumnKind, CreateTable, FlinkType, OptionDef, Position, TypeKind};
use crate::options::{CONNECTOR, FormatOptions, Options, format_options};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, Schema};
use kulya_store::StreamId;
use std::collections::BTreeSet;

/// The format of a table that names none: that of its group in the registry.
const REGISTRY_FORMAT: &str = "pravega-registry";

/// A table's definition.
#[derive(Debug, Clone)]
pub(crate) struct TableSpec {
    pub(crate) columns: Vec<SpecColumn>,
    /// The columns of the primary key; empty without one.
    pub(crate) key: Vec<String>,
    pub(crate) connector: Options,
    pub(crate) format: FormatOptions,
    /// The statement in its canonical form.
    pub(crate) text: String,
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct SpecColumn {
    pub(crate) name: String,
    pub(crate) kind: SpecColumnKind,
}

/// Where the values of a column come from.
#[derive(Debug, Clone)]
pub(crate) enum SpecColumnKind {
    /// From the event.
    Physical { flink: FlinkType, field: Field },
    /// From beside the event: the metadata key.
    Metadata { key: String, field: Field },
    /// From other columns: the expression's text.
    Computed(String),
}

impl TableSpec {
    /// Validates a CREATE TABLE.
    ///
    /// # Errors
    /// With the position in the script: what the definition says twice, or cannot be.
    pub(crate) fn new(create: &CreateTable) -> SqlResult<Self> {
        let invalid =
            |what: String, position: Position| SqlError::new(SqlErrorKind::InvalidQuery, what).at(position);
        if !create.partitioned.is_empty() {
            return Err(SqlError::not_supported(format!("table {}: PARTITIONED BY", create.path)));
        }
        if let Some(distribution) = &create.distribution {
            let position = distribution.position.0;
            return Err(SqlError::not_supported("DISTRIBUTED").at(position));
        }
        let mut names = BTreeSet::new();
        let mut columns = Vec::with_capacity(create.elements.columns.len());
        for column in &create.elements.columns {
            let (name, position) = (&column.name, column.position.0);
            names.insert(name.as_str());
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
                ColumnKind::Metadata { column_type, from, .. } => SpecColumnKind::Metadata {
                    key: from.clone().unwrap_or_else(|| name.clone()),
                    field: field(column_type)?,
                },
                ColumnKind::Computed(expression) => SpecColumnKind::Computed(expression.text.clone()),
            };
            columns.push(SpecColumn { name: name.clone(), kind });
        }
        let mut key = Vec::new();
        if let Some(primary) = &create.elements.key {
            let position = primary.position.0;
            for name in &primary.columns {
                let column = columns.iter_mut().find(|column| column.name == *name);
                let Some(SpecColumn { kind, .. }) = column else {
                    let what = format!("the primary key has column {name}, which the table does not have");
                    return Err(SqlError::new(SqlErrorKind::UnknownColumn, what).at(position));
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
            if !names.contains(name) {
                let position = watermark.column.position.0;
                let what = format!("the watermark is of column {name}, which the table does not have");
                return Err(SqlError::new(SqlErrorKind::UnknownColumn, what).at(position));
            }
        }
        let (connector, format) = table_options(&create.options)?;
        for key in ["scan.start-streamcuts", "scan.end-streamcuts"] {
            if let Some(option) = create.options.iter().find(|option| option.key == key) {
                return Err(SqlError::not_supported(format!("option '{key}'")).at(option.position.0));
            }
        }
        Ok(Self { columns, key, connector, format, text: create.to_string() })
    }

    /// Returns the columns that are in events.
    pub(crate) fn physical_schema(&self) -> Schema {
        let field = |column: &SpecColumn| match &column.kind {
            SpecColumnKind::Physical { field, .. } => Some(field.clone()),
            SpecColumnKind::Metadata { .. } | SpecColumnKind::Computed(_) => None,
        };
        Schema::new(self.columns.iter().filter_map(field).collect::<Vec<_>>())
    }

    /// Returns the streams that are read, and the one that is written.
    ///
    /// # Errors
    /// `InvalidOption` for a name that no stream can have.
    pub(crate) fn streams(&self, database: &str, table: &str) -> SqlResult<(Vec<StreamId>, StreamId)> {
        let scope = self.connector.get("scope").unwrap_or(database);
        let stream = |name: &str| {
            StreamId::new(scope, name.trim()).map_err(|e| {
                SqlError::new(SqlErrorKind::InvalidOption, format!("table {table}: {e}")).because(e)
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

    /// Returns whether the table has streams of other names than its own.
    pub(crate) fn names_streams(&self) -> bool {
        ["scope", "scan.streams", "sink.stream"].iter().any(|key| self.connector.is_given(key))
    }

    /// Returns whether the schemas of events are in the registry.
    pub(crate) fn has_registry(&self) -> bool {
        self.format.name == REGISTRY_FORMAT
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
    let format_name = given.iter().find(|option| option.key == "format");
    let format_name = format_name.map_or(REGISTRY_FORMAT, |option| option.value.trim());
    let prefix = format!("{format_name}.");
    let (mut of_format, mut of_connector) = (Vec::new(), Vec::new());
    for option in given {
        match option.key.strip_prefix(&prefix) {
            Some(key) => of_format.push((key.to_owned(), option.value.clone())),
            None => of_connector.push((option.key.clone(), option.value.clone())),
        }
    }
    let format = format_options(format_name, &of_format)?;
    let specs: Vec<_> = CONNECTOR.iter().collect();
    Ok((Options::parse(&specs, "", &of_connector)?, format))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::parse_create_table;

    fn spec(text: &str) -> SqlResult<TableSpec> {
        TableSpec::new(&parse_create_table(text)?)
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
        assert_eq!(spec.format.name, "json");
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
                "CREATE TABLE t (a INT) WITH ('format' = 'xml')",
                SqlErrorKind::InvalidOption,
                "unknown format 'xml'",
            ),
        ] {
            let error = spec(text).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
