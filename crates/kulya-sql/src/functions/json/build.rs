//! JSON of values: JSON_STRING, JSON_OBJECT and JSON_ARRAY.
//!
//! A value that is itself the result of JSON_OBJECT, JSON_ARRAY or JSON_STRING is inserted as JSON and
//! not as a
//! text: its field has a mark.

use super::error;
use crate::SqlErrorKind;
use crate::data_types::type_name;
use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The mark of a field whose texts are JSON.
const MARK: &str = "kulya.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::functions) enum BuildKind {
    /// `json_string(value)`.
    String,
    /// `json_object(on null, key, value, …)`.
    Object,
    /// `json_array(on null, value, …)`.
    Array,
}

/// Returns the function.
pub(in crate::functions) fn build_function(kind: BuildKind, max_bytes: usize) -> ScalarUDF {
    let signature =
        Signature::one_of(vec![TypeSignature::VariadicAny, TypeSignature::Nullary], Volatility::Immutable);
    ScalarUDF::new_from_impl(BuildFunction { kind, signature, max_bytes })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BuildFunction {
    kind: BuildKind,
    signature: Signature,
    max_bytes: usize,
}

impl ScalarUDFImpl for BuildFunction {
    fn name(&self) -> &str {
        match self.kind {
            BuildKind::String => "json_string",
            BuildKind::Object => "json_object",
            BuildKind::Array => "json_array",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        for field in arguments.arg_fields {
            check(field.data_type(), self.name())?;
        }
        let mark = HashMap::from([(MARK.to_owned(), "true".to_owned())]);
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true).with_metadata(mark)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let mut columns = Vec::with_capacity(arguments.args.len());
        for (value, field) in arguments.args.iter().zip(&arguments.arg_fields) {
            columns.push(values(&value.to_array(rows)?, field.metadata().contains_key(MARK))?);
        }
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        let mut builder = StringBuilder::new();
        let mut bytes = 0usize;
        for _ in 0..rows {
            let mut row: Vec<Value> =
                columns.iter_mut().map(|column| column.next().unwrap_or(Value::Null)).collect();
            let document = match self.kind {
                BuildKind::String => match row.pop().unwrap_or(Value::Null) {
                    Value::Null => None,
                    value => Some(value),
                },
                BuildKind::Object => Some(object(row)?),
                BuildKind::Array => {
                    let keeps_nulls = row.first().is_some_and(|on_null| on_null == "NULL");
                    let items = row.into_iter().skip(1).filter(|item| keeps_nulls || !item.is_null());
                    Some(Value::Array(items.collect()))
                }
            };
            let text = document.map(|document| document.to_string());
            bytes = bytes.saturating_add(text.as_ref().map_or(0, String::len));
            if bytes > self.max_bytes {
                return Err(error(
                    SqlErrorKind::OutOfMemory,
                    self.name(),
                    format!("a column of a batch exceeds {} bytes", self.max_bytes),
                ));
            }
            builder.append_option(text);
        }
        Ok(ColumnarValue::Array(Arc::new(builder.finish())))
    }
}

fn object(row: Vec<Value>) -> Result<Value> {
    let mut row = row.into_iter();
    let keeps_nulls = row.next().is_some_and(|on_null| on_null == "NULL");
    let mut members = Map::new();
    while let (Some(key), Some(value)) = (row.next(), row.next()) {
        let Value::String(key) = key else {
            return Err(error(SqlErrorKind::InvalidValue, "json_object", "a key is no text"));
        };
        if keeps_nulls || !value.is_null() {
            members.insert(key, value);
        }
    }
    Ok(Value::Object(members))
}

/// Refuses types that JSON does not have.
fn check(data_type: &DataType, name: &str) -> Result<()> {
    match data_type {
        DataType::List(item) => check(item.data_type(), name),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check(field.data_type(), name)),
        DataType::Map(entries, _) => check(entries.data_type(), name),
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Timestamp(..) => Ok(()),
        number if number.is_numeric() => Ok(()),
        other => Err(error(
            SqlErrorKind::TypeMismatch,
            name,
            format!("a {} cannot be converted to JSON: cast it to STRING", type_name(other)),
        )),
    }
}

/// Returns the values of a column as JSON.
pub(super) fn values(array: &ArrayRef, is_json: bool) -> Result<Vec<Value>> {
    let each = |value: &dyn Fn(usize) -> Value| {
        let value = |row| if array.is_valid(row) { value(row) } else { Value::Null };
        (0..array.len()).map(value).collect::<Vec<_>>()
    };
    Ok(match array.data_type() {
        DataType::Null => vec![Value::Null; array.len()],
        DataType::Boolean => each(&|row| Value::from(array.as_boolean().value(row))),
        DataType::Timestamp(..) => {
            let texts = cast(array, &DataType::Utf8)?;
            each(&|row| Value::from(texts.as_string::<i32>().value(row)))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = cast(array, &DataType::Binary)?;
            each(&|row| Value::from(STANDARD.encode(bytes.as_binary::<i32>().value(row))))
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let mut items = values(lists.values(), false)?.into_iter().map(Some).collect::<Vec<_>>();
            let offsets = lists.value_offsets();
            let list = |row: usize| {
                let range = offsets.get(row..row + 2).and_then(|pair| match pair {
                    [from, to] => Some(usize::try_from(*from).ok()?..usize::try_from(*to).ok()?),
                    _ => None,
                });
                let taken = range.and_then(|range| items.get_mut(range)).unwrap_or_default();
                Value::Array(taken.iter_mut().map(|item| item.take().unwrap_or(Value::Null)).collect())
            };
            let mut list = list;
            (0..array.len()).map(|row| if array.is_valid(row) { list(row) } else { Value::Null }).collect()
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let columns = columns.iter().map(|column| values(column, false)).collect::<Result<Vec<_>>>()?;
            each(&|row| {
                let members = fields.iter().zip(&columns).map(|(field, column)| {
                    (field.name().clone(), column.get(row).cloned().unwrap_or(Value::Null))
                });
                Value::Object(members.collect())
            })
        }
        DataType::Map(..) => {
            let maps = array.as_map();
            let keys = cast(maps.keys(), &DataType::Utf8)?;
            let keys = keys.as_string::<i32>();
            let items = values(maps.values(), false)?;
            let offsets = maps.value_offsets();
            each(&|row| {
                let bound = |at: usize| offsets.get(at).and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
                let members = (bound(row)..bound(row + 1)).map(|entry| {
                    (keys.value(entry).to_owned(), items.get(entry).cloned().unwrap_or(Value::Null))
                });
                Value::Object(members.collect())
            })
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let numbers = cast(array, &DataType::Float64)?;
            each(&|row| Value::from(numbers.as_primitive::<Float64Type>().value(row)))
        }
        number if number.is_integer() => {
            let numbers = cast(array, &DataType::Int64)?;
            each(&|row| Value::from(numbers.as_primitive::<Int64Type>().value(row)))
        }
        _ => {
            let texts = cast(array, &DataType::Utf8)?;
            let is_number = array.data_type().is_numeric();
            each(&|row| {
                let text = texts.as_string::<i32>().value(row);
                match is_json || is_number {
                    // a decimal, or a document
                    true => serde_json::from_str(text).unwrap_or(Value::from(text)),
                    false => Value::from(text),
                }
            })
        }
    })
}
