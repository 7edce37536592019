//! PERCENTILE: the value below which a share of the values lies, interpolated between the two nearest
//! ones; each
//! value may have a frequency. Several shares give an array.

use crate::data_types::type_name;
use crate::{SqlError, SqlErrorKind};
use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, TypeSignature, Volatility,
};
use std::sync::Arc;

/// Returns the function.
pub(super) fn function() -> AggregateUDF {
    let signature =
        Signature::one_of(vec![TypeSignature::Any(2), TypeSignature::Any(3)], Volatility::Immutable);
    AggregateUDF::new_from_impl(Percentile { signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Percentile {
    signature: Signature,
}

fn doubles() -> DataType {
    DataType::new_list(DataType::Float64, true)
}

impl AggregateUDFImpl for Percentile {
    fn name(&self) -> &str {
        "percentile"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let refused = |number: usize, expected: &str, found: &DataType| {
            let what =
                format!("PERCENTILE: argument {number} must be {expected}, but is {}", type_name(found));
            Err(SqlError::new(SqlErrorKind::TypeMismatch, what).into())
        };
        let is_number = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
        match types {
            [value, ..] if !is_number(value) => refused(1, "a number", value),
            [_, _, frequency] if !frequency.is_integer() && !frequency.is_null() => {
                refused(3, "an integer", frequency)
            }
            [_, DataType::List(share), ..] if is_number(share.data_type()) => Ok(doubles()),
            [_, share, ..] if is_number(share) => Ok(DataType::Float64),
            [_, share, ..] => refused(2, "a number or an array of numbers", share),
            _ => refused(1, "a number", &DataType::Null),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let is_list = arguments.return_type().is_nested();
        Ok(Box::new(Values { values: Vec::new(), shares: None, is_list }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |part: &str, data_type| {
            let data_type = DataType::new_list(data_type, true);
            Arc::new(Field::new(format!("{}[{part}]", arguments.name), data_type, true))
        };
        Ok(vec![
            field("values", DataType::Float64),
            field("frequencies", DataType::Int64),
            field("shares", DataType::Float64),
        ])
    }
}

#[derive(Debug)]
struct Values {
    /// Values and their frequencies.
    values: Vec<(f64, i64)>,
    /// The shares of the first row: they are constants.
    shares: Option<Vec<f64>>,
    is_list: bool,
}

impl Values {
    fn take_shares(&mut self, shares: &ArrayRef, row: usize) -> Result<()> {
        if self.shares.is_some() || shares.is_null(row) {
            return Ok(());
        }
        let shares = match shares.data_type() {
            DataType::List(_) => shares.as_list::<i32>().value(row),
            _ => shares.slice(row, 1),
        };
        let shares = cast(&shares, &DataType::Float64)?;
        let shares: Vec<f64> = shares.as_primitive::<Float64Type>().iter().flatten().collect();
        if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            let what = format!("PERCENTILE: the share {share} is not between 0 and 1");
            return Err(SqlError::new(SqlErrorKind::InvalidValue, what).into());
        }
        self.shares = Some(shares);
        Ok(())
    }

    /// Returns the value at a share of the sorted values.
    fn at(&self, share: f64) -> Option<f64> {
        let total = self.values.iter().fold(0i64, |sum, (_, count)| sum.saturating_add(*count));
        let position = share * (total.saturating_sub(1)) as f64;
        let nth = |position: f64| {
            let mut before = 0i64;
            let found = self.values.iter().find(|(_, count)| {
                before = before.saturating_add(*count);
                (before as f64) > position
            });
            found.or(self.values.last()).map(|(value, _)| *value)
        };
        let (low, high) = (nth(position.floor())?, nth(position.ceil())?);
        let fraction = position - position.floor();
        Some(if fraction == 0.0 { low } else { low + (high - low) * fraction })
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [values, shares, rest @ ..] = columns else { return Ok(()) };
        let values = cast(values, &DataType::Float64)?;
        let frequencies = rest.first().map(|counts| cast(counts, &DataType::Int64)).transpose()?;
        for (row, value) in values.as_primitive::<Float64Type>().iter().enumerate() {
            self.take_shares(shares, row)?;
            let frequency = match &frequencies {
                None => Some(1),
                Some(counts) => counts.is_valid(row).then(|| counts.as_primitive::<Int64Type>().value(row)),
            };
            if let (Some(value), Some(frequency @ 1..)) = (value, frequency) {
                self.values.push((value, frequency));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.values.sort_by(|one, other| one.0.total_cmp(&other.0));
        let shares = self.shares.clone().unwrap_or_default();
        let found: Vec<Option<f64>> = shares.iter().map(|share| self.at(*share)).collect();
        if !self.is_list {
            return Ok(ScalarValue::Float64(found.first().copied().flatten()));
        }
        if found.is_empty() || self.values.is_empty() {
            return ScalarValue::try_from(doubles());
        }
        Ok(ScalarValue::List(Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some(found)]))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<(f64, i64)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values.iter().map(|(value, _)| Some(*value));
        let counts = self.values.iter().map(|(_, count)| Some(*count));
        let shares = self.shares.iter().flatten().map(|share| Some(*share));
        let shares = self.shares.is_some().then(|| shares.collect::<Vec<_>>());
        let doubles = |list| Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([list]));
        Ok(vec![
            ScalarValue::List(doubles(Some(values.collect()))),
            ScalarValue::List(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(
                counts.collect::<Vec<_>>(),
            )]))),
            ScalarValue::List(doubles(shares)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, counts, shares] = states else { return Ok(()) };
        for row in 0..values.len() {
            self.take_shares(shares, row)?;
            let (values, counts) = (values.as_list::<i32>().value(row), counts.as_list::<i32>().value(row));
            let counts = counts.as_primitive::<Int64Type>().iter().flatten();
            self.values.extend(values.as_primitive::<Float64Type>().iter().flatten().zip(counts));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_interpolated() {
        let values = |values: &[(f64, i64)]| Values { values: values.to_vec(), shares: None, is_list: false };
        let four = values(&[(1.0, 1), (2.0, 1), (4.0, 1), (8.0, 1)]);
        for (share, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (1.0, 8.0)] {
            assert_eq!(four.at(share), Some(expected), "{share}");
        }
        assert_eq!(values(&[(1.0, 3), (2.0, 1)]).at(0.5), Some(1.0));
        assert_eq!(values(&[(1.0, i64::MAX), (2.0, i64::MAX)]).at(1.0), Some(2.0));
        assert_eq!(values(&[]).at(0.5), None);
    }
}
