//! Exact totals as the results of SUM and AVG, in the type of the call.

use crate::error::{Problem, Result};
use arrow_array::builder::{Decimal128Builder, Decimal256Builder, PrimitiveBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Decimal256Type, DecimalType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::i256;
use arrow_schema::DataType;
use std::sync::Arc;

/// How a mean becomes an integer or a decimal.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rounding {
    /// Towards zero.
    #[default]
    Truncate,
    /// To the nearest; halves away from zero.
    HalfUp,
}

/// The result of SUM, or of AVG with its rounding.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) data_type: DataType,
    pub(super) average: Option<Rounding>,
    pub(super) wraps: bool,
}

impl Output {
    /// Refuses types that a total of the scale does not become.
    pub(super) fn check(&self, scale: i8) -> Result<()> {
        let is_supported = match &self.data_type {
            DataType::Float64 => true,
            DataType::Decimal128(_, own) | DataType::Decimal256(_, own) => *own >= scale,
            integer if integer.is_integer() => scale == 0,
            _ => false,
        };
        let what = self.what();
        match is_supported {
            true => Ok(()),
            false => Err(Problem::unsupported(format!("{what} with {scale} digits as {}", self.data_type))),
        }
    }

    pub(super) fn what(&self) -> &'static str {
        if self.average.is_some() { "avg" } else { "sum" }
    }

    fn overflow(&self) -> Problem {
        Problem::Overflow { what: self.what(), data_type: self.data_type.clone() }
    }

    /// The results of totals with `scale` digits behind the point, each with the number of its values; null
    /// for none.
    pub(super) fn build(&self, scale: i8, totals: impl Iterator<Item = (i256, i64)>) -> Result<ArrayRef> {
        match &self.data_type {
            DataType::Float64 => {
                let unit = 10f64.powi(i32::from(scale));
                let results = totals.map(|(total, count)| {
                    let divisor = if self.average.is_some() { count as f64 } else { 1.0 };
                    (count != 0).then(|| to_float(total) / unit / divisor)
                });
                Ok(Arc::new(arrow_array::Float64Array::from_iter(results)))
            }
            DataType::Decimal128(precision, own) => {
                let mut builder = Decimal128Builder::new().with_data_type(self.data_type.clone());
                for (total, count) in totals {
                    builder.append_option(self.decimal::<Decimal128Type>(
                        total,
                        count,
                        *precision,
                        own - scale,
                    )?);
                }
                Ok(Arc::new(builder.finish()))
            }
            DataType::Decimal256(precision, own) => {
                let mut builder = Decimal256Builder::new().with_data_type(self.data_type.clone());
                for (total, count) in totals {
                    builder.append_option(self.decimal::<Decimal256Type>(
                        total,
                        count,
                        *precision,
                        own - scale,
                    )?);
                }
                Ok(Arc::new(builder.finish()))
            }
            DataType::Int8 => self.integers::<Int8Type>(totals),
            DataType::Int16 => self.integers::<Int16Type>(totals),
            DataType::Int32 => self.integers::<Int32Type>(totals),
            DataType::Int64 => self.integers::<Int64Type>(totals),
            DataType::UInt8 => self.integers::<UInt8Type>(totals),
            DataType::UInt16 => self.integers::<UInt16Type>(totals),
            DataType::UInt32 => self.integers::<UInt32Type>(totals),
            DataType::UInt64 => self.integers::<UInt64Type>(totals),
            other => Err(Problem::unsupported(format!("{} as {other}", self.what()))),
        }
    }

    fn integers<T: ArrowPrimitiveType>(&self, totals: impl Iterator<Item = (i256, i64)>) -> Result<ArrayRef>
    where
        T::Native: TryFrom<i128> + Wrapping,
    {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(totals.size_hint().0);
        for (total, count) in totals {
            let total = match count {
                0 => None,
                count => Some(self.mean(total, count).ok_or_else(|| self.overflow())?),
            };
            let value = match total {
                None => None,
                Some(total) => {
                    let value = total.to_i128().and_then(|value| T::Native::try_from(value).ok());
                    let value = value.or_else(|| self.wraps.then(|| T::Native::wrapping(total)));
                    Some(value.ok_or_else(|| self.overflow())?)
                }
            };
            builder.append_option(value);
        }
        Ok(Arc::new(builder.finish()))
    }

    fn decimal<T: DecimalType>(
        &self,
        total: i256,
        count: i64,
        precision: u8,
        more_digits: i8,
    ) -> Result<Option<T::Native>>
    where
        T::Native: FromWide,
    {
        if count == 0 {
            return Ok(None);
        }
        let factor = i256::from(10).checked_pow(more_digits.unsigned_abs().into());
        let value = factor
            .and_then(|factor| total.checked_mul(factor))
            .and_then(|total| self.mean(total, count))
            .and_then(T::Native::from_wide)
            .filter(|value| T::is_valid_decimal_precision(*value, precision));
        value.map(Some).ok_or_else(|| self.overflow())
    }

    /// The total itself, or divided by the number of values.
    fn mean(&self, total: i256, count: i64) -> Option<i256> {
        let Some(rounding) = self.average else { return Some(total) };
        let count = i256::from(i128::from(count));
        let (quotient, rest) = (total.checked_div(count)?, total.checked_rem(count)?);
        let twice = rest.wrapping_abs().checked_mul(i256::from(2))?;
        match rounding == Rounding::HalfUp && twice >= count.wrapping_abs() {
            true if total.is_negative() => quotient.checked_sub(i256::ONE),
            true => quotient.checked_add(i256::ONE),
            false => Some(quotient),
        }
    }

    /// The results of exact float sums, each with the number of its values.
    pub(super) fn build_floats(&self, totals: impl Iterator<Item = (f64, i64)>) -> Result<ArrayRef> {
        let results = totals.map(|(total, count)| {
            let divisor = if self.average.is_some() { count as f64 } else { 1.0 };
            (count != 0).then(|| total / divisor)
        });
        match self.data_type {
            DataType::Float32 => {
                let results = results.map(|result| result.map(|value| value as f32));
                Ok(Arc::new(results.collect::<arrow_array::PrimitiveArray<Float32Type>>()))
            }
            _ => Ok(Arc::new(results.collect::<arrow_array::PrimitiveArray<Float64Type>>())),
        }
    }
}

/// A float as near as the total's digits allow.
fn to_float(total: i256) -> f64 {
    match total.to_i128() {
        Some(total) => total as f64,
        None => {
            let (low, high) = total.to_parts();
            high as f64 * 2f64.powi(128) + low as f64
        }
    }
}

/// The integer of a decimal type, from a wide one.
pub(super) trait FromWide: Sized {
    fn from_wide(value: i256) -> Option<Self>;
}

impl FromWide for i128 {
    fn from_wide(value: i256) -> Option<Self> {
        value.to_i128()
    }
}

impl FromWide for i256 {
    fn from_wide(value: i256) -> Option<Self> {
        Some(value)
    }
}

/// The rows of an array that are not null, as a check of one row.
pub(super) fn validity(array: &ArrayRef) -> impl Fn(usize) -> bool + '_ {
    let nulls = array.nulls();
    move |row| nulls.is_none_or(|nulls| nulls.is_valid(row))
}

/// The low bits of a total.
trait Wrapping {
    fn wrapping(total: i256) -> Self;
}

macro_rules! wrapping {
    ($($integer:ty)*) => {$(
        impl Wrapping for $integer {
            fn wrapping(total: i256) -> Self {
                total.to_parts().0 as Self
            }
        }
    )*};
}

wrapping!(i8 i16 i32 i64 u8 u16 u32 u64);
