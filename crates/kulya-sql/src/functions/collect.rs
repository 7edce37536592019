//! COLLECT: the multiset of values, which is a map of their counts.

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, MapArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int32Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::collections::HashMap;
use std::sync::Arc;

/// Returns the function.
pub(super) fn function() -> AggregateUDF {
    AggregateUDF::new_from_impl(Collect { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Collect {
    signature: Signature,
}

/// Returns the fields of an entry of a multiset.
fn entry_fields(value: &DataType) -> Fields {
    Fields::from(vec![Field::new("key", value.clone(), false), Field::new("value", DataType::Int32, false)])
}

fn multiset(value: &DataType) -> DataType {
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry_fields(value)), false)), false)
}

impl AggregateUDFImpl for Collect {
    fn name(&self) -> &str {
        "collect"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value] => Ok(multiset(value)),
            _ => internal_err!("collect has one argument"),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let Some(field) = arguments.expr_fields.first() else {
            return internal_err!("collect has one argument");
        };
        let value = field.data_type().clone();
        let converter = RowConverter::new(vec![SortField::new(value.clone())])?;
        let (counts, is_distinct) = (HashMap::new(), arguments.is_distinct);
        Ok(Box::new(Counts { value, converter, counts, order: Vec::new(), bytes: 0, is_distinct }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let Some(field) = arguments.input_fields.first() else {
            return internal_err!("collect has one argument");
        };
        let name = format!("{}[counts]", arguments.name);
        Ok(vec![Arc::new(Field::new(name, multiset(field.data_type()), true))])
    }
}

struct Counts {
    value: DataType,
    converter: RowConverter,
    counts: HashMap<OwnedRow, i32>,
    /// The values in the order of their first occurrence.
    order: Vec<OwnedRow>,
    bytes: usize,
    is_distinct: bool,
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts").field("values", &self.order.len()).finish_non_exhaustive()
    }
}

impl Counts {
    fn add(&mut self, values: &ArrayRef, counts: Option<&Int32Array>) -> Result<()> {
        let rows = self.converter.convert_columns(&[Arc::clone(values)])?;
        for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
            let added = counts.map_or(1, |counts| counts.value(row));
            let key = rows.row(row).owned();
            match self.counts.get_mut(&key) {
                Some(count) if self.is_distinct => *count = 1,
                Some(count) => *count = count.saturating_add(added),
                None => {
                    self.bytes += 2 * (key.as_ref().len() + 48);
                    self.order.push(key.clone());
                    self.counts.insert(key, added);
                }
            }
        }
        Ok(())
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        columns.first().map_or(Ok(()), |values| self.add(values, None))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let keys = self.converter.convert_rows(self.order.iter().map(OwnedRow::row))?;
        let counts = self.order.iter().map(|key| self.counts.get(key).copied());
        let counts: ArrayRef = Arc::new(counts.collect::<Int32Array>());
        let Some(keys) = keys.into_iter().next() else { return internal_err!("rows have a column") };
        let entries = StructArray::try_new(entry_fields(&self.value), vec![keys, counts], None)?;
        let DataType::Map(field, _) = multiset(&self.value) else {
            return internal_err!("a multiset is a map");
        };
        let offsets = OffsetBuffer::from_lengths([self.order.len()]);
        Ok(ScalarValue::Map(Arc::new(MapArray::try_new(field, offsets, entries, None, false)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(state) = states.first() else { return Ok(()) };
        for row in (0..state.len()).filter(|row| state.is_valid(*row)) {
            let entries = state.as_map().value(row);
            let (Some(keys), Some(counts)) = (entries.columns().first(), entries.columns().get(1)) else {
                continue;
            };
            self.add(keys, Some(counts.as_primitive::<Int32Type>()))?;
        }
        Ok(())
    }
}
