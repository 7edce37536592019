//! What INSERT does with values that the type of their column does not have: null where it is NOT NULL, and
//! texts and bytes of another length, by Flink's settings.
//!
//! Nulls are looked for before the rows are converted to the table's types, because Arrow has no such rows;
//! lengths after it.

use super::conversion::convert;
use super::lengths::{Lengths, MAX_PADDED, limits_length, limits_length_in_collections, longest_padded};
use super::nested::{Nested, range};
use crate::dialect::FlinkType;
use crate::settings::Settings;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, SchemaRef};
use std::sync::Arc;

/// The setting that says what becomes of a row with null in a NOT NULL column.
const NOT_NULL: &str = "table.exec.sink.not-null-enforcer";
/// The setting that says what becomes of texts and bytes of another length than their column's.
const LENGTH: &str = "table.exec.sink.type-length-enforcer";
/// The setting that says in which nested values both are looked for.
const NESTED: &str = "table.exec.sink.nested-constraint-enforcer";

/// The constraints of a table's columns, as the settings want them.
pub(crate) struct Constraints {
    table: String,
    schema: SchemaRef,
    /// The types as they were declared; empty if the table has no definition.
    types: Vec<FlinkType>,
    drops_nulls: bool,
    nested: Nested,
    lengths: Lengths,
}

impl Constraints {
    /// Returns the constraints of a table with these columns; `types` are as declared, or none.
    ///
    /// # Errors
    /// `NotSupported`: values in collections are not trimmed and padded.
    pub(crate) fn new(
        table: &str,
        schema: SchemaRef,
        types: Vec<FlinkType>,
        settings: &Settings,
    ) -> SqlResult<Self> {
        let nested = match settings.get(NESTED) {
            "rows" => Nested::Rows,
            "rows_and_collections" => Nested::RowsAndCollections,
            _ => Nested::Ignore,
        };
        let lengths = match settings.get(LENGTH) {
            "trim_pad" => Lengths::TrimPad,
            "error" => Lengths::Error,
            _ => Lengths::Ignore,
        };
        if lengths == Lengths::TrimPad
            && nested == Nested::RowsAndCollections
            && let Some((column, _)) =
                schema.fields().iter().zip(&types).find(|(_, kind)| limits_length_in_collections(kind))
        {
            let what = format!(
                "'{LENGTH}' = 'trim_pad' with '{NESTED}' = 'rows_and_collections' in column {} of table {table}",
                column.name()
            );
            return Err(SqlError::not_supported(what));
        }
        if lengths == Lengths::TrimPad
            && let Some((column, kind)) =
                schema.fields().iter().zip(&types).find(|(_, kind)| longest_padded(kind) > MAX_PADDED)
        {
            let what = format!(
                "'{LENGTH}' = 'trim_pad' in column {} of table {table}, whose type {kind} is longer than {MAX_PADDED},",
                column.name()
            );
            return Err(SqlError::not_supported(what));
        }
        let drops_nulls = settings.get(NOT_NULL) == "drop";
        Ok(Self { table: table.to_owned(), schema, types, drops_nulls, nested, lengths })
    }

    /// Returns the rows with the table's types, without those that have null where they must not and that the
    /// settings drop.
    ///
    /// # Errors
    /// `NullValue` for null in a NOT NULL column, `InvalidValue` for a value that the type does not have.
    pub(crate) fn apply(&self, rows: &RecordBatch) -> SqlResult<RecordBatch> {
        let failed = |e: arrow::error::ArrowError| SqlError::internal().because(e);
        let rows = match self.kept(rows)? {
            Some(kept) => filter_record_batch(rows, &kept).map_err(failed)?,
            None => rows.clone(),
        };
        let mut columns = Vec::with_capacity(rows.num_columns());
        for (position, (values, field)) in rows.columns().iter().zip(self.schema.fields()).enumerate() {
            let converted =
                convert(values, field.data_type()).map_err(|error| self.null_below(field, values, error))?;
            columns.push(match self.types.get(position).filter(|kind| limits_length(kind, self.nested)) {
                Some(kind) => self.with_lengths(field.name(), kind, converted)?,
                None => converted,
            });
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)
    }

    /// Returns which rows are kept; `None` for all.
    fn kept(&self, rows: &RecordBatch) -> SqlResult<Option<BooleanArray>> {
        let mut kept: Option<Vec<bool>> = None;
        for (field, values) in self.schema.fields().iter().zip(rows.columns()) {
            let looks_inside = self.nested > Nested::Ignore && requires_inside(field, self.nested);
            let has_null = !field.is_nullable() && values.logical_null_count() > 0;
            if !looks_inside && !has_null {
                continue;
            }
            for row in 0..rows.num_rows() {
                let Some(path) = find_null(field, values, row, self.nested) else { continue };
                if !self.drops_nulls {
                    return Err(self.null(&format!("{}{path}", field.name()), ""));
                }
                if let Some(keeps) = kept.get_or_insert_with(|| vec![true; rows.num_rows()]).get_mut(row) {
                    *keeps = false;
                }
            }
        }
        Ok(kept.map(BooleanArray::from))
    }

    fn null(&self, column: &str, more: &str) -> SqlError {
        let what = format!(
            "table {}: column {column} is NOT NULL, but a row has null; SET '{NOT_NULL}' = 'drop'{more} leaves such rows out",
            self.table
        );
        SqlError::new(SqlErrorKind::NullValue, what)
    }

    /// Returns the error of values that are not converted: null in nested ones that are not looked at.
    fn null_below(&self, field: &Field, values: &ArrayRef, error: SqlError) -> SqlError {
        let all = Nested::RowsAndCollections;
        match (0..values.len()).find_map(|row| find_null(field, values, row, all)) {
            Some(path) => {
                let more = format!(" with '{NESTED}' = 'rows_and_collections'");
                self.null(&format!("{}{path}", field.name()), &more)
            }
            None => error,
        }
    }

    fn with_lengths(&self, column: &str, kind: &FlinkType, values: ArrayRef) -> SqlResult<ArrayRef> {
        match self.lengths {
            Lengths::Ignore => Ok(values),
            Lengths::TrimPad => self.lengths.fitted(kind, values, self.nested),
            Lengths::Error => {
                for row in 0..values.len() {
                    if let Some(wrong) = Lengths::find_wrong(kind, &values, row, self.nested) {
                        let what = format!(
                            "table {}: column {column}{} is {}, but a row has a value of length {}, which '{LENGTH}' = 'error' refuses",
                            self.table, wrong.path, wrong.kind, wrong.length
                        );
                        return Err(SqlError::new(SqlErrorKind::InvalidValue, what));
                    }
                }
                Ok(values)
            }
        }
    }
}

/// Returns whether there are NOT NULL values within those of a column.
fn requires_inside(field: &Field, nested: Nested) -> bool {
    let requires = |field: &Field| !field.is_nullable() || requires_inside(field, nested);
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().any(|field| requires(field)),
        DataType::List(item) if nested == Nested::RowsAndCollections => requires(item),
        DataType::Map(entries, _) if nested == Nested::RowsAndCollections => match entries.data_type() {
            DataType::Struct(parts) => parts.iter().any(|part| requires(part)),
            _ => false,
        },
        _ => false,
    }
}

/// Returns where a row has null in what is NOT NULL: the path below its column, as `.field`, `[0]`, `[key]`
/// and `[value]`.
fn find_null(field: &Field, values: &ArrayRef, row: usize, nested: Nested) -> Option<String> {
    if values.is_null(row) || *values.data_type() == DataType::Null {
        return (!field.is_nullable()).then(String::new);
    }
    let below = |prefix: String, field: &Field, values: &ArrayRef, row: usize| {
        find_null(field, values, row, nested).map(|path| format!("{prefix}{path}"))
    };
    match (values.data_type(), field.data_type()) {
        (DataType::Struct(_), DataType::Struct(fields)) if nested >= Nested::Rows => {
            let mut members = values.as_struct().columns().iter().zip(fields);
            members.find_map(|(values, field)| below(format!(".{}", field.name()), field, values, row))
        }
        (DataType::List(_), DataType::List(item)) if nested == Nested::RowsAndCollections => {
            let list = values.as_list::<i32>();
            let mut items = range(list.value_offsets(), row).enumerate();
            items.find_map(|(index, place)| below(format!("[{index}]"), item, list.values(), place))
        }
        (DataType::Map(..), DataType::Map(entries, _)) if nested == Nested::RowsAndCollections => {
            let DataType::Struct(parts) = entries.data_type() else { return None };
            let [key, value] = &parts[..] else { return None };
            let map = values.as_map();
            range(map.value_offsets(), row).find_map(|place| {
                below("[key]".to_owned(), key, map.keys(), place)
                    .or_else(|| below("[value]".to_owned(), value, map.values(), place))
            })
        }
        _ => None,
    }
}
