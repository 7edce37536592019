//! CAST and TRY_CAST as Flink has them: integers wrap around, decimals are rounded and null beyond their
//! precision, texts are trimmed and must have the form of the type.
//!
//! `flink_cast(value, 'type')`, because a type of Arrow has no length of characters.

mod failure;
mod numbers;
mod read;
mod write;

use crate::data_types::{arrow_type, type_name};
use crate::dialect::{CAST, TRY_CAST, TypeKind, parse_type};
use crate::{SqlError, SqlErrorKind};
use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use failure::Failure;
use std::sync::Arc;

/// Returns the functions.
pub(super) fn functions() -> [ScalarUDF; 2] {
    [false, true].map(|is_try| {
        ScalarUDF::new_from_impl(FlinkCast { is_try, signature: Signature::any(2, Volatility::Immutable) })
    })
}

/// Returns the cast of a number to a type, in which integers wrap around.
pub(crate) fn wrapping_cast(number: Expr, wanted: &DataType) -> Expr {
    let [cast, _] = functions();
    cast.call(vec![number, datafusion::logical_expr::lit(type_name(wanted))])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkCast {
    is_try: bool,
    signature: Signature,
}

impl ScalarUDFImpl for FlinkCast {
    fn name(&self) -> &str {
        if self.is_try { TRY_CAST } else { CAST }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        exec_err!("the type of a cast depends on its arguments")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let wanted = wanted(
            arguments.scalar_arguments.get(1).copied().flatten().and_then(|text| text.try_as_str().flatten()),
        )?;
        if let Some(given) = arguments.arg_fields.first()
            && !is_possible(given.data_type(), &wanted)
        {
            let what = format!("{} cannot be cast to {wanted}", type_name(given.data_type()));
            return Err(SqlError::new(SqlErrorKind::TypeMismatch, what).into());
        }
        Ok(Arc::new(Field::new(self.name(), arrow_type(&wanted), true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let text = match arguments.args.get(1) {
            Some(ColumnarValue::Scalar(text)) => text.try_as_str().flatten(),
            _ => None,
        };
        let wanted = wanted(text)?;
        let failure = if self.is_try { Failure::Null } else { Failure::Error };
        match arguments.args.first() {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(convert(array, &wanted, failure)?)),
            Some(ColumnarValue::Scalar(value)) => {
                let converted = convert(&value.to_array()?, &wanted, failure)?;
                Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&converted, 0)?))
            }
            None => exec_err!("a cast has a value"),
        }
    }

    /// A conversion that cannot fail and that DataFusion does alike is left to it, which optimizes it.
    fn simplify(&self, mut arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let (Some(Expr::Literal(text, _)), Some(value)) = (arguments.get(1), arguments.first()) else {
            return Ok(ExprSimplifyResult::Original(arguments));
        };
        let kind = wanted(text.try_as_str().flatten())?;
        let (given, wanted) = (value.get_type(context.schema())?, arrow_type(&kind));
        let has_length = matches!(kind, TypeKind::Char(_) | TypeKind::Binary(_))
            || matches!(kind, TypeKind::Varchar(length) | TypeKind::Varbinary(length) if length < i32::MAX as u32);
        let is_timestamp =
            matches!(kind, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) | TypeKind::Time(_));
        if has_length || is_timestamp || wanted.is_nested() {
            return Ok(ExprSimplifyResult::Original(arguments));
        }
        let is_wider = matches!(
            (&given, &wanted),
            (DataType::Int8, DataType::Int16 | DataType::Int32 | DataType::Int64)
                | (DataType::Int16, DataType::Int32 | DataType::Int64)
                | (DataType::Int32, DataType::Int64)
                | (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64, DataType::Float64)
                | (DataType::Float32, DataType::Float64)
        );
        if given == wanted {
            return Ok(ExprSimplifyResult::Simplified(arguments.swap_remove(0)));
        }
        if is_wider {
            let cast = datafusion::logical_expr::cast(arguments.swap_remove(0), wanted);
            return Ok(ExprSimplifyResult::Simplified(cast));
        }
        Ok(ExprSimplifyResult::Original(arguments))
    }
}

fn wanted(text: Option<&str>) -> Result<TypeKind> {
    match text {
        Some(text) => Ok(parse_type(text).map_err(SqlError::from)?.kind),
        None => exec_err!("the type of a cast is a literal"),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

/// Returns whether values of a type can be cast to another.
fn is_possible(from: &DataType, to: &TypeKind) -> bool {
    let is_moment = matches!(from, DataType::Timestamp(..) | DataType::Date32);
    let is_time = matches!(from, DataType::Time32(_) | DataType::Time64(_));
    if from.is_null() || arrow_type(to) == *from {
        return true;
    }
    match to {
        TypeKind::Char(_) | TypeKind::Varchar(_) => true,
        TypeKind::Boolean => is_text(from) || from.is_numeric(),
        TypeKind::TinyInt
        | TypeKind::SmallInt
        | TypeKind::Int
        | TypeKind::BigInt
        | TypeKind::Float
        | TypeKind::Double
        | TypeKind::Decimal(..) => is_text(from) || from.is_numeric() || *from == DataType::Boolean,
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => is_text(from) || is_bytes(from),
        TypeKind::Date => is_text(from) || is_moment,
        TypeKind::Time(_) => is_text(from) || is_time || matches!(from, DataType::Timestamp(..)),
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => is_text(from) || is_moment || is_time,
        TypeKind::IntervalYearMonth(..) | TypeKind::IntervalDayTime(..) => {
            matches!(from, DataType::Interval(_))
        }
        TypeKind::Array(element) => {
            matches!(from, DataType::List(item) if is_possible(item.data_type(), &element.kind))
        }
        TypeKind::Multiset(_) => false,
        TypeKind::Map(key, value) => match from {
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => match fields.as_ref() {
                    [given_key, given_value] => {
                        is_possible(given_key.data_type(), &key.kind)
                            && is_possible(given_value.data_type(), &value.kind)
                    }
                    _ => false,
                },
                _ => false,
            },
            _ => false,
        },
        TypeKind::Row(fields) => match from {
            DataType::Struct(given) => {
                given.len() == fields.len()
                    && given
                        .iter()
                        .zip(fields)
                        .all(|(given, wanted)| is_possible(given.data_type(), &wanted.field_type.kind))
            }
            _ => false,
        },
    }
}

/// Converts a column.
fn convert(array: &ArrayRef, wanted: &TypeKind, failure: Failure) -> Result<ArrayRef> {
    let (from, to) = (array.data_type(), arrow_type(wanted));
    if from.is_null() {
        return Ok(new_null_array(&to, array.len()));
    }
    match wanted {
        TypeKind::Char(length) => return write::texts(array, Some(*length as usize), true),
        TypeKind::Varchar(length) => return write::texts(array, Some(*length as usize), false),
        TypeKind::Binary(length) => return write::bytes(array, *length as usize, true),
        TypeKind::Varbinary(length) => return write::bytes(array, *length as usize, false),
        _ => {}
    }
    if is_text(from) {
        return read::values(cast(array, &DataType::Utf8)?.as_string::<i32>(), wanted, failure);
    }
    match (from, wanted) {
        (DataType::List(_), TypeKind::Array(element)) => {
            let lists = array.as_list::<i32>();
            let DataType::List(item) = to else { return exec_err!("an array is a list") };
            let values = convert(lists.values(), &element.kind, failure)?;
            let item = Arc::new(item.as_ref().clone().with_nullable(true));
            let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
            Ok(cast(
                &(Arc::new(ListArray::try_new(item, offsets, values, nulls)?) as ArrayRef),
                &arrow_type(wanted),
            )?)
        }
        (DataType::Map(..), TypeKind::Map(key, value)) => {
            let maps = array.as_map();
            let DataType::Map(entries_field, _) = to else { return exec_err!("a map is a map") };
            let DataType::Struct(fields) = entries_field.data_type() else {
                return exec_err!("a map has entries");
            };
            let keys = convert(maps.keys(), &key.kind, failure)?;
            let values = convert(maps.values(), &value.kind, failure)?;
            let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
            let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(entries_field, offsets, entries, nulls, false)?))
        }
        (DataType::Struct(_), TypeKind::Row(fields)) => {
            let rows = array.as_struct();
            let columns = rows.columns().iter().zip(fields);
            let columns = columns.map(|(column, field)| convert(column, &field.field_type.kind, failure));
            let DataType::Struct(wanted) = to else { return exec_err!("a row is a struct") };
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(wanted, columns, rows.nulls().cloned())?))
        }
        _ if from.is_numeric() || *from == DataType::Boolean => numbers::convert(array, wanted, &to),
        _ => moments(array, wanted, &to, failure),
    }
}

/// Converts dates and times; fractions beyond the precision are cut.
fn moments(array: &ArrayRef, wanted: &TypeKind, to: &DataType, failure: Failure) -> Result<ArrayRef> {
    let options = CastOptions { safe: failure == Failure::Null, ..CastOptions::default() };
    let digits = match wanted {
        TypeKind::Timestamp(digits) | TypeKind::TimestampLtz(digits) | TypeKind::Time(digits) => *digits,
        _ => return Ok(cast_with_options(array, to, &options)?),
    };
    // Arrow has the digits 3, 6 and 9; one that has none is a count of 1970 otherwise
    let array = match (array.data_type(), to) {
        (DataType::Time32(_) | DataType::Time64(_), DataType::Timestamp(..)) => {
            let nanos = cast(&cast(array, &DataType::Time64(TimeUnit::Nanosecond))?, &DataType::Int64)?;
            &cast(&nanos, &DataType::Timestamp(TimeUnit::Nanosecond, None))?
        }
        _ => array,
    };
    let converted = cast_with_options(array, to, &options)?;
    write::cut(&converted, digits)
}
