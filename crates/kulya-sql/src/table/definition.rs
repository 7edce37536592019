//! What a table is: the columns, the key and the format of a stream's rows, by its registry group.

use crate::scan::EventForm;
use crate::{SqlError, SqlResult};
use arrow::datatypes::SchemaRef;
use kulya_codec::arrow::{
    AvroBatchDecoder, Column, RowHistory, arrow_schema, columns, primary_key, row_schema,
};
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::StreamId;
use std::sync::Arc;

/// The group property that declares a changelog.
const FORMAT_PROPERTY: &str = "format";
/// The value of [`FORMAT_PROPERTY`] for Debezium's JSON.
const DEBEZIUM_JSON: &str = "debezium-json";
/// The same for Debezium's JSON and Avro with a header.
const DEBEZIUM_JSON_SCHEMA: &str = "debezium-json-schema";
const DEBEZIUM_AVRO: &str = "debezium-avro";

/// A table, as the registry has it.
#[derive(Debug, Clone)]
pub(crate) struct TableDefinition {
    pub(crate) stream: StreamId,
    /// The registry group of the stream's schemas.
    pub(crate) group: GroupId,
    pub(crate) schema: SchemaRef,
    pub(crate) format: RowFormat,
}

/// How rows follow from events.
#[derive(Debug, Clone)]
pub(crate) enum RowFormat {
    /// One row per event, decoded with this reader schema.
    Avro(SchemaInfo),
    /// One row per event, or as many as a top-level array has.
    Json(Vec<Column>),
    /// The current rows of a changelog with this primary key.
    Changelog { columns: Vec<Column>, key: Vec<String>, form: EventForm, history: RowHistory },
}

impl TableDefinition {
    /// Returns the table of a stream, by its group and the group's latest schema.
    ///
    /// # Errors
    /// That the format is not supported, or the schema is not one of rows.
    pub(crate) fn new(
        registry: &Arc<dyn SchemaRegistry>,
        stream: StreamId,
        group: GroupId,
        properties: &GroupProperties,
        latest: SchemaInfo,
    ) -> SqlResult<Self> {
        let (format, schema) = match properties.properties.get(FORMAT_PROPERTY).map(String::as_str) {
            Some(label @ (DEBEZIUM_JSON | DEBEZIUM_JSON_SCHEMA | DEBEZIUM_AVRO)) => {
                let form = if label == DEBEZIUM_JSON { EventForm::Json } else { EventForm::WithHeader };
                let rows = rows_of(latest, form)?;
                let (columns, key) = (columns(&rows)?, primary_key(&rows)?);
                let schema = arrow_schema(&columns);
                (RowFormat::Changelog { columns, key, form, history: RowHistory::default() }, schema)
            }
            Some(other) => return Err(SqlError::not_supported(format!("stream {stream}: format {other}"))),
            None => match latest.format {
                Format::Avro => {
                    let registry = Arc::clone(registry);
                    let schema = AvroBatchDecoder::new(registry, group.clone(), &latest, None)?.schema();
                    (RowFormat::Avro(latest), schema)
                }
                Format::Json => {
                    let columns = columns(&latest)?;
                    let schema = arrow_schema(&columns);
                    (RowFormat::Json(columns), schema)
                }
                other => {
                    return Err(SqlError::not_supported(format!("table {stream}: reading format {other}")));
                }
            },
        };
        Ok(Self { stream, group, schema, format })
    }

    pub(crate) fn is_changelog(&self) -> bool {
        matches!(self.format, RowFormat::Changelog { .. })
    }

    /// Takes the versions of a changelog's schema into account, the oldest first, because its rows may have
    /// been written with any of them: columns that one of them lacks or declares nullable are nullable, and
    /// renamed and added columns are found in older rows.
    pub(crate) fn set_versions(&mut self, versions: Vec<SchemaInfo>) -> SqlResult<()> {
        let RowFormat::Changelog { columns: table_columns, form, history, .. } = &mut self.format else {
            return Ok(());
        };
        let versions = versions
            .into_iter()
            .map(|version| rows_of(version, *form))
            .collect::<SqlResult<Vec<SchemaInfo>>>()?;
        *history = RowHistory::new(&versions)?;
        for version in &versions {
            let writer_columns = columns(version)?;
            for column in table_columns.iter_mut() {
                column.nullable |=
                    writer_columns.iter().all(|writer| writer.name != column.name || writer.nullable);
            }
        }
        self.schema = arrow_schema(table_columns);
        Ok(())
    }

    /// Returns the primary key's columns; empty without a primary key.
    pub(crate) fn key(&self) -> &[String] {
        match &self.format {
            RowFormat::Changelog { key, .. } => key,
            RowFormat::Avro(_) | RowFormat::Json(_) => &[],
        }
    }
}

/// Returns the schema of a changelog's rows.
fn rows_of(schema: SchemaInfo, form: EventForm) -> SqlResult<SchemaInfo> {
    Ok(match form {
        EventForm::Json => schema,
        EventForm::WithHeader => row_schema(&schema)?,
    })
}
