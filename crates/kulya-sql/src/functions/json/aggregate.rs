//! Aggregates that build a document: JSON_OBJECTAGG and JSON_ARRAYAGG.

use super::build::values;
use super::error;
use crate::SqlErrorKind;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Returns the aggregates.
pub(in crate::functions) fn aggregates() -> [AggregateUDF; 2] {
    [true, false].map(|is_object| {
        let signature = Signature::any(if is_object { 3 } else { 2 }, Volatility::Immutable);
        AggregateUDF::new_from_impl(JsonAggregate { is_object, signature })
    })
}

/// `json_objectagg(key, value, on null)` or `json_arrayagg(value, on null)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonAggregate {
    is_object: bool,
    signature: Signature,
}

impl AggregateUDFImpl for JsonAggregate {
    fn name(&self) -> &str {
        if self.is_object { "json_objectagg" } else { "json_arrayagg" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Document { is_object: self.is_object, members: Map::new(), items: Vec::new(), bytes: 0 }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[document]", arguments.name), DataType::Utf8, true))])
    }
}

#[derive(Debug)]
struct Document {
    is_object: bool,
    members: Map<String, Value>,
    items: Vec<Value>,
    /// About how much memory the values take.
    bytes: usize,
}

impl Document {
    fn add(&mut self, key: Option<Value>, value: Value) -> Result<()> {
        self.bytes += 64 + value.as_str().map_or(0, str::len);
        let Some(key) = key else {
            self.items.push(value);
            return Ok(());
        };
        let Value::String(key) = key else {
            return Err(error(SqlErrorKind::InvalidValue, "json_objectagg", "a key is no text"));
        };
        self.bytes += key.len();
        if self.members.contains_key(&key) {
            return Err(error(
                SqlErrorKind::InvalidValue,
                "json_objectagg",
                format!("the key {key:.40?} occurs twice"),
            ));
        }
        self.members.insert(key, value);
        Ok(())
    }

    fn document(&mut self) -> Value {
        match self.is_object {
            true => Value::Object(std::mem::take(&mut self.members)),
            false => Value::Array(std::mem::take(&mut self.items)),
        }
    }
}

impl Accumulator for Document {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let mut columns = columns.iter().map(|column| values(column, false)).collect::<Result<Vec<_>>>()?;
        let on_null = columns.pop().unwrap_or_default();
        let added = columns.pop().unwrap_or_default();
        let mut keys = columns.pop().map(Vec::into_iter);
        for (value, on_null) in added.into_iter().zip(on_null) {
            let key = keys.as_mut().map(|keys| keys.next().unwrap_or(Value::Null));
            if !value.is_null() || on_null == "NULL" {
                self.add(key, value)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Utf8(Some(self.document().to_string())))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(state) = states.first() else { return Ok(()) };
        for document in values(state, true)? {
            match document {
                Value::Object(members) => {
                    members
                        .into_iter()
                        .try_for_each(|(key, value)| self.add(Some(Value::from(key)), value))?;
                }
                Value::Array(items) => items.into_iter().try_for_each(|item| self.add(None, item))?,
                _ => {}
            }
        }
        Ok(())
    }
}
