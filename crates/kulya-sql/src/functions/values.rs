//! Functions of values of any type: CARDINALITY, TYPEOF, MAP_UNION, and of texts in arrays.

use super::rows::{Cell, Out, Parameter, Returns, RowFunction};
use crate::data_types::type_name;
use crate::{SqlError, SqlErrorKind};
use Parameter::{Text, Texts};
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, MapArray, StructArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{can_cast_types, cast, concat, take};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    create_udf,
};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const FUNCTIONS: &[RowFunction] =
    &[RowFunction::new("ARRAY_JOIN", &[Texts, Text, Text], Returns::Text, |row, scope| {
        let Cell::Texts(texts) = row.cell(0) else {
            return scope.invalid("argument 1 must be ARRAY<STRING>");
        };
        let (delimiter, replacement) = (row.text(1), row.some_text(2));
        let parts: Vec<&str> = texts.iter().filter_map(|text| text.as_deref().or(replacement)).collect();
        let bytes: usize = parts.iter().map(|part| part.len() + delimiter.len()).sum();
        scope.check_bytes(bytes)?;
        Ok(Out::text(parts.join(delimiter)))
    })
    .optional(1)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Cardinality,
    TypeOf,
    MapUnion,
    /// A watermark: there is none in a bounded query.
    Watermark,
}

/// Returns the functions.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    [Kind::Cardinality, Kind::TypeOf, Kind::MapUnion, Kind::Watermark].into_iter().map(|kind| {
        ScalarUDF::new_from_impl(AnyFunction {
            kind,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    })
}

/// Returns CURRENT_DATABASE for a query's database.
pub(super) fn current_database(database: &str) -> ScalarUDF {
    let value = ColumnarValue::Scalar(ScalarValue::from(database));
    let result = Arc::new(move |_: &[ColumnarValue]| Ok(value.clone()));
    create_udf("current_database", Vec::new(), DataType::Utf8, Volatility::Immutable, result)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AnyFunction {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for AnyFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Cardinality => "cardinality",
            Kind::TypeOf => "typeof",
            Kind::MapUnion => "map_union",
            Kind::Watermark => "current_watermark",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let refused = |what: String| {
            let name = self.name().to_ascii_uppercase();
            Err(SqlError::new(SqlErrorKind::TypeMismatch, format!("{name}: {what}")).into())
        };
        match (self.kind, types) {
            (Kind::Cardinality, [DataType::List(_) | DataType::Map(..) | DataType::Null]) => {
                Ok(DataType::Int32)
            }
            (Kind::Cardinality, [other]) => {
                refused(format!("argument 1 must be an array or a map, but is {}", type_name(other)))
            }
            (Kind::TypeOf, [_] | [_, _]) => Ok(DataType::Utf8),
            (Kind::Watermark, [moment @ DataType::Timestamp(..)]) => Ok(moment.clone()),
            (Kind::MapUnion, [first @ DataType::Map(..), rest @ ..]) => {
                // an integer literal has not its final type yet
                match rest.iter().find(|other| !can_cast_types(other, first)) {
                    None => Ok(first.clone()),
                    Some(other) => {
                        refused(format!("the maps have types {} and {}", type_name(first), type_name(other)))
                    }
                }
            }
            _ => refused(format!("cannot be called with {} such arguments", types.len())),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> =
            arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = arguments.return_type().clone();
        match (self.kind, arguments.args.first()) {
            (Kind::Watermark, _) => Ok(ColumnarValue::Scalar(ScalarValue::try_from(&returns)?)),
            (Kind::TypeOf, Some(value)) => {
                Ok(ColumnarValue::Scalar(ScalarValue::from(type_name(&value.data_type()))))
            }
            (Kind::Cardinality, Some(value)) => {
                let array = value.to_array(arguments.number_rows)?;
                Ok(ColumnarValue::Array(Arc::new(lengths(&array))))
            }
            (Kind::MapUnion, Some(_)) => {
                let maps = ColumnarValue::values_to_arrays(&arguments.args)?;
                let maps = maps.iter().map(|map| Ok(cast(map, &returns)?)).collect::<Result<Vec<_>>>()?;
                Ok(ColumnarValue::Array(map_union(&maps)?))
            }
            _ => exec_err!("{} has arguments", self.name()),
        }
    }
}

/// Returns the number of elements of each array or map.
fn lengths(array: &ArrayRef) -> Int32Array {
    let offsets = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value_offsets(),
        DataType::Map(..) => array.as_map().value_offsets(),
        _ => return Int32Array::new_null(array.len()),
    };
    let pairs = offsets.windows(2).enumerate();
    pairs
        .map(|(row, pair)| match pair {
            [from, to] if array.is_valid(row) => Some(to - from),
            _ => None,
        })
        .collect()
}

/// The last value of a key counts; null beside a null.
fn map_union(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let Some(DataType::Map(entries_field, _)) = arrays.first().map(|array| array.data_type()) else {
        return exec_err!("map_union has maps");
    };
    let maps: Vec<&MapArray> = arrays.iter().map(|array| array.as_map()).collect();
    let keys = concat(&maps.iter().map(|map| map.keys().as_ref()).collect::<Vec<_>>())?;
    let values = concat(&maps.iter().map(|map| map.values().as_ref()).collect::<Vec<_>>())?;
    let rows = RowConverter::new(vec![SortField::new(keys.data_type().clone())])?
        .convert_columns(&[Arc::clone(&keys)])?;
    let (mut picked_keys, mut picked_values) = (Vec::new(), Vec::new());
    let (mut lengths, mut valid) = (Vec::new(), Vec::new());
    for row in 0..maps.first().map_or(0, |map| map.len()) {
        let is_valid = maps.iter().all(|map| map.is_valid(row));
        valid.push(is_valid);
        let before = picked_keys.len();
        let (mut first, mut positions) = (0usize, HashMap::new());
        for map in maps.iter().filter(|_| is_valid) {
            let bound =
                |at: usize| map.value_offsets().get(at).and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
            for entry in first + bound(row)..first + bound(row + 1) {
                let index = u32::try_from(entry).ok();
                match positions.get(&rows.row(entry)) {
                    Some(position) => {
                        if let Some(value) = picked_values.get_mut(*position) {
                            *value = index;
                        }
                    }
                    None => {
                        positions.insert(rows.row(entry), picked_values.len());
                        picked_keys.push(index);
                        picked_values.push(index);
                    }
                }
            }
            first += map.keys().len();
        }
        lengths.push(picked_keys.len() - before);
    }
    let keys = take(&keys, &UInt32Array::from(picked_keys), None)?;
    let values = take(&values, &UInt32Array::from(picked_values), None)?;
    let DataType::Struct(fields) = entries_field.data_type() else { return exec_err!("a map has entries") };
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let nulls = Some(NullBuffer::from(valid));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries_field), offsets, entries, nulls, false)?))
}
