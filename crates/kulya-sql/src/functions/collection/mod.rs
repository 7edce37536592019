//! Functions that choose among the elements of arrays or among values: a result is picked by position, and
//! elements are compared by their encoding as rows, null being the smallest.

mod picks;

use crate::data_types::type_name;
use crate::{SqlError, SqlErrorKind};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use picks::Argument::{Element, Flag, List, Number, Value};
use picks::{Declared, FUNCTIONS, Operand, Picked, Picker, Returns, declared};
use std::ops::Range;
use std::sync::Arc;

/// Returns the functions.
pub(in crate::functions) fn functions() -> impl Iterator<Item = ScalarUDF> {
    FUNCTIONS.iter().enumerate().map(|(number, _)| {
        let signature = Signature::variadic_any(Volatility::Immutable);
        ScalarUDF::new_from_impl(CollectionFunction { number, signature })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CollectionFunction {
    /// Its position in [`FUNCTIONS`].
    number: usize,
    signature: Signature,
}

impl CollectionFunction {
    fn declared(&self) -> Declared {
        let none = || declared("", &[], Returns::Int, |_| Ok(None));
        FUNCTIONS.get(self.number).copied().unwrap_or_else(none)
    }

    fn error(&self, kind: SqlErrorKind, what: impl std::fmt::Display) -> DataFusionError {
        SqlError::new(kind, format!("{}: {what}", self.name().to_ascii_uppercase())).into()
    }

    /// Returns the type that all elements are converted to.
    fn element_type(&self, types: &[&DataType]) -> Result<DataType> {
        let declared = self.declared();
        let (least, most) = (declared.arguments.len() - declared.optional, declared.arguments.len());
        if types.len() < least || (types.len() > most && !declared.repeats) {
            let what = format!("expected {least} arguments, found {}", types.len());
            return Err(self.error(SqlErrorKind::UnknownFunction, what));
        }
        let mut elements = Vec::new();
        for (number, given) in types.iter().enumerate() {
            let Some(argument) = declared.arguments.get(number).or(declared.arguments.last()) else {
                continue;
            };
            let fits = match (argument, given) {
                (_, DataType::Null) => true,
                (List, DataType::List(item)) => {
                    elements.push(item.data_type().clone());
                    true
                }
                (Element | Value, _) => {
                    elements.push((*given).clone());
                    true
                }
                (Number, given) => given.is_integer(),
                (Flag, given) => **given == DataType::Boolean,
                _ => false,
            };
            if !fits {
                let expected = match argument {
                    List => "an array",
                    Number => "an integer",
                    _ => "BOOLEAN",
                };
                let what = format!("argument {} must be {expected}, but is {}", number + 1, type_name(given));
                return Err(self.error(SqlErrorKind::TypeMismatch, what));
            }
        }
        elements.retain(|element| !element.is_null());
        if elements.is_empty() {
            return Ok(DataType::Null);
        }
        type_union_resolution(&elements).ok_or_else(|| {
            let names: Vec<String> = elements.iter().map(type_name).collect();
            self.error(SqlErrorKind::TypeMismatch, format!("{} have no common type", names.join(" and ")))
        })
    }
}

impl ScalarUDFImpl for CollectionFunction {
    fn name(&self) -> &str {
        FUNCTIONS.get(self.number).map_or("", |declared| declared.name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let element = self.element_type(&types.iter().collect::<Vec<_>>())?;
        Ok(match self.declared().returns {
            Returns::List => DataType::new_list(element, true),
            Returns::Element => element,
            Returns::Boolean => DataType::Boolean,
            Returns::Int => DataType::Int32,
        })
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> =
            arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let declared = self.declared();
        let rows = arguments.number_rows;
        let types: Vec<DataType> = arguments.args.iter().map(ColumnarValue::data_type).collect();
        let element_type = self.element_type(&types.iter().collect::<Vec<_>>())?;
        let (mut elements, mut operands, mut length): (Vec<ArrayRef>, _, usize) = (Vec::new(), Vec::new(), 0);
        for (number, value) in arguments.args.iter().enumerate() {
            let argument =
                declared.arguments.get(number).or(declared.arguments.last()).copied().unwrap_or(Value);
            let array = value.to_array(rows)?;
            operands.push(match argument {
                List if array.data_type().is_null() => Operand::Lists(vec![None; rows]),
                List => {
                    let lists = array.as_list::<i32>();
                    let ranges = list_ranges(lists, length);
                    length += lists.values().len();
                    elements.push(cast(lists.values(), &element_type)?);
                    Operand::Lists(ranges)
                }
                Element | Value => {
                    let first = length;
                    length += rows;
                    elements.push(cast(&array, &element_type)?);
                    Operand::Elements(first)
                }
                Number => Operand::Numbers(
                    cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect(),
                ),
                Flag => Operand::Flags(cast(&array, &DataType::Boolean)?.as_boolean().iter().collect()),
            });
        }
        let elements = match elements.as_slice() {
            [] => arrow::array::new_empty_array(&element_type),
            some => concat(&some.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
        };
        let converter = RowConverter::new(vec![SortField::new(element_type.clone())])?;
        let keys = converter.convert_columns(&[Arc::clone(&elements)])?;
        let is_null = |position: usize| elements.is_null(position);
        let mut picked = Vec::with_capacity(rows);
        for row in 0..rows {
            let picker = Picker { operands: &operands, keys: &keys, is_null: &is_null, row };
            let result =
                (declared.pick)(&picker).map_err(|what| self.error(SqlErrorKind::InvalidValue, what))?;
            picked.push(result.unwrap_or(Picked::Null));
        }
        Ok(ColumnarValue::Array(column(declared.returns, picked, &elements, &element_type)?))
    }
}

/// Returns where the elements of lists are, after `before` others.
fn list_ranges(lists: &ListArray, before: usize) -> Vec<Option<Range<usize>>> {
    let bound = |offset: &i32| before + usize::try_from(*offset).unwrap_or(0);
    let ranges = lists.value_offsets().windows(2).enumerate().map(|(row, pair)| match pair {
        [from, to] if lists.is_valid(row) => Some(bound(from)..bound(to)),
        _ => None,
    });
    ranges.collect()
}

/// Returns the column of results.
fn column(
    returns: Returns,
    picked: Vec<Picked>,
    elements: &ArrayRef,
    element_type: &DataType,
) -> Result<ArrayRef> {
    let index = |position: usize| u32::try_from(position).ok();
    Ok(match returns {
        Returns::Boolean => {
            let values =
                picked.iter().map(|it| if let Picked::Boolean(value) = it { Some(*value) } else { None });
            Arc::new(values.collect::<BooleanArray>())
        }
        Returns::Int => {
            let values = picked.iter().map(|it| match it {
                Picked::Int(value) => i32::try_from(*value).ok(),
                _ => None,
            });
            Arc::new(values.collect::<Int32Array>())
        }
        Returns::Element => {
            let indices = picked.iter().map(|it| if let Picked::One(one) = it { index(*one) } else { None });
            take(elements, &indices.collect::<UInt32Array>(), None)?
        }
        Returns::List => {
            let lengths = picked.iter().map(|it| if let Picked::List(list) = it { list.len() } else { 0 });
            let offsets = OffsetBuffer::from_lengths(lengths);
            let valid: NullBuffer = picked.iter().map(|it| matches!(it, Picked::List(_))).collect();
            let indices: UInt32Array = picked
                .iter()
                .flat_map(|it| if let Picked::List(list) = it { list.as_slice() } else { &[] })
                .map(|position| index(*position))
                .collect();
            let values = take(elements, &indices, None)?;
            let item = Arc::new(Field::new_list_field(element_type.clone(), true));
            Arc::new(ListArray::try_new(item, offsets, values, Some(valid))?)
        }
    })
}
