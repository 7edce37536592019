//! Formats whose events are changes of rows, in JSON.

use super::registry::projected;
use super::{RowFormat, WantedRows, json_reading, json_writing};
use crate::options::{FormatOptions, Options};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use kulya_codec::CodecResult;
use kulya_codec::arrow::{
    BatchDecoder, BatchEncoder, ChangeForm, ChangeLogFormat, ChangeLogRows, JsonChangeEncoder, TableFilter,
    flink_columns, metadata_columns,
};
use regex::Regex;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// A format of changes.
pub(super) struct ChangeLog {
    format: ChangeLogFormat,
    schema: SchemaRef,
    options: Options,
    /// Of `database.include` and `table.include`.
    filter: Option<TableFilter>,
    /// Whether the table has a primary key: an update is one event then.
    is_keyed: bool,
}

impl Debug for ChangeLog {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.format, f)
    }
}

impl ChangeLog {
    /// Returns a format by its name; `None` for one that is no change log.
    ///
    /// # Errors
    /// `InvalidOption` for a pattern that cannot be read.
    pub(super) fn find(format: &FormatOptions, schema: SchemaRef, is_keyed: bool) -> SqlResult<Option<Self>> {
        let options = &format.options;
        let found = match format.name.as_str() {
            "debezium-json" => {
                ChangeLogFormat::DebeziumJson { schema_include: options.is_true("schema-include") }
            }
            "canal-json" => ChangeLogFormat::CanalJson,
            "maxwell-json" => ChangeLogFormat::MaxwellJson,
            _ => return Ok(None),
        };
        let pattern = |key: &str| {
            let Some(text) = options.get(key) else { return Ok(None) };
            // the whole name is matched, as Flink does
            Regex::new(&format!("^(?:{text})$")).map(Some).map_err(|e| {
                let what = format!(
                    "option '{}.{key}' = '{text:.100}' is no regular expression",
                    format.name.as_str()
                );
                SqlError::new(SqlErrorKind::InvalidOption, what).because(e)
            })
        };
        let (database, table) = (pattern("database.include")?, pattern("table.include")?);
        let filter: Option<TableFilter> = match (&database, &table) {
            (None, None) => None,
            _ => Some(Arc::new(move |of_database: &str, of_table: &str| {
                database.as_ref().is_none_or(|pattern| pattern.is_match(of_database))
                    && table.as_ref().is_none_or(|pattern| pattern.is_match(of_table))
            })),
        };
        Ok(Some(Self { format: found, schema, options: options.clone(), filter, is_keyed }))
    }
}

#[async_trait]
impl RowFormat for ChangeLog {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn metadata(&self) -> Vec<Field> {
        metadata_columns(self.format)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let columns = flink_columns(&*projected(&self.schema, wanted.columns)?);
        let reading = json_reading(&self.options);
        let mut rows = ChangeLogRows::new(self.format, &columns, wanted.metadata, reading)?;
        if let Some(filter) = &self.filter {
            rows = rows.with_filter(Arc::clone(filter));
        }
        if let Some(key) = wanted.key {
            rows = rows.with_key(&columns, key.columns, key.has_truncates)?;
        }
        Ok(Box::new(if wanted.event_numbers { rows.with_event_numbers() } else { rows }))
    }

    fn is_change_log(&self) -> bool {
        true
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        match self.format {
            ChangeLogFormat::DebeziumJson { schema_include: false } => {
                let form = if self.is_keyed { ChangeForm::Upsert } else { ChangeForm::Flink };
                Ok(Box::new(JsonChangeEncoder::new(form, json_writing(&self.options))))
            }
            ChangeLogFormat::DebeziumJson { schema_include: true } => {
                Err(SqlError::not_supported("INSERT with 'debezium-json.schema-include' = 'true'"))
            }
            ChangeLogFormat::CanalJson => Err(SqlError::not_supported("INSERT into format canal-json")),
            ChangeLogFormat::MaxwellJson => Err(SqlError::not_supported("INSERT into format maxwell-json")),
        }
    }
}
