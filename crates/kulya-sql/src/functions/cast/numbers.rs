//! Conversion of numbers and booleans, as Java converts them.

use super::write;
use crate::dialect::TypeKind;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::common::Result;
use std::sync::Arc;

pub(super) fn convert(array: &ArrayRef, wanted: &TypeKind, to: &DataType) -> Result<ArrayRef> {
    match wanted {
        TypeKind::Boolean => {
            let numbers = cast(array, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            Ok(Arc::new(
                numbers.iter().map(|number| number.map(|number| number != 0.0)).collect::<BooleanArray>(),
            ))
        }
        TypeKind::TinyInt => integers::<Int8Type>(array, |number| number as i8),
        TypeKind::SmallInt => integers::<Int16Type>(array, |number| number as i16),
        TypeKind::Int => integers::<Int32Type>(array, |number| number as i32),
        TypeKind::BigInt => integers::<Int64Type>(array, |number| number),
        TypeKind::Decimal(precision, scale) => decimals(array, *precision, i64::from(*scale)),
        _ => Ok(cast(array, to)?),
    }
}

/// Integers lose their upper bits; numbers with a fraction are cut first, and end at the range of
/// BIGINT, or of
/// INT if the type is smaller.
fn integers<T: ArrowPrimitiveType>(array: &ArrayRef, narrow: fn(i64) -> T::Native) -> Result<ArrayRef> {
    let narrowed = |numbers: &mut dyn Iterator<Item = Option<i64>>| -> ArrayRef {
        Arc::new(numbers.map(|number| number.map(narrow)).collect::<PrimitiveArray<T>>())
    };
    let is_big = T::DATA_TYPE == DataType::Int64;
    Ok(match array.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let numbers = cast(array, &DataType::Float64)?;
            let whole = |number: f64| if is_big { number as i64 } else { i64::from(number as i32) };
            narrowed(&mut numbers.as_primitive::<Float64Type>().iter().map(|number| number.map(whole)))
        }
        DataType::Decimal128(_, scale) => {
            let unit = power_of_ten(i64::from(*scale)).unwrap_or(i128::MAX);
            let whole = |number: i128| (number / unit) as i64;
            narrowed(&mut array.as_primitive::<Decimal128Type>().iter().map(|number| number.map(whole)))
        }
        _ => {
            let numbers = cast(array, &DataType::Int64)?;
            narrowed(&mut numbers.as_primitive::<Int64Type>().iter())
        }
    })
}

/// Decimals are rounded half up, and null beyond their precision.
fn decimals(array: &ArrayRef, precision: u8, scale: i64) -> Result<ArrayRef> {
    let limit = power_of_ten(i64::from(precision)).unwrap_or(i128::MAX);
    let bounded = |number: Option<i128>| number.filter(|number| number.unsigned_abs() < limit.unsigned_abs());
    let values: Vec<Option<i128>> = match array.data_type() {
        DataType::Decimal128(_, from) => {
            let numbers = array.as_primitive::<Decimal128Type>().iter();
            numbers.map(|number| bounded(rescaled(number?, i64::from(*from), scale))).collect()
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let texts = write::texts(array, None, false)?;
            let texts = texts.as_string::<i32>().iter();
            texts.map(|text| text.and_then(|text| bounded(parse(text, scale)))).collect()
        }
        _ => {
            let numbers = cast(array, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>().iter();
            numbers.map(|number| bounded(rescaled(i128::from(number?), 0, scale))).collect()
        }
    };
    let decimals = Decimal128Array::from(values);
    Ok(Arc::new(decimals.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?))
}

/// Reads a decimal, rounded to a scale; `None` if it is none or too large.
pub(super) fn parse(text: &str, scale: i64) -> Option<i128> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok().filter(|exponent| (-10_000..=10_000).contains(exponent))?;
    let (is_negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0i128;
    let mut kept = i64::try_from(whole.len()).ok()?.saturating_add(exponent).saturating_add(scale);
    let mut is_up = false;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = char::from(digit).to_digit(10)?;
        if kept > 0 {
            number = number.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else if kept == 0 {
            is_up = digit >= 5;
        }
        kept -= 1;
    }
    if kept > 0 && number != 0 {
        number = number.checked_mul(power_of_ten(kept)?)?;
    }
    let number = number.checked_add(i128::from(is_up))?;
    Some(if is_negative { -number } else { number })
}

fn rescaled(number: i128, from: i64, to: i64) -> Option<i128> {
    if to >= from {
        return number.checked_mul(power_of_ten(to - from)?);
    }
    let unit = power_of_ten(from - to)?;
    let (whole, rest) = (number / unit, number % unit);
    Some(if rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) { whole + number.signum() } else { whole })
}

fn power_of_ten(exponent: i64) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_rounded() {
        for (text, scale, expected) in [
            ("1.555", 2, Some(156)),
            ("-1.555", 2, Some(-156)),
            ("1.5E3", 0, Some(1500)),
            ("15e-1", 0, Some(2)),
            (".5", 1, Some(5)),
            ("5.", 1, Some(50)),
            ("0e9999", 0, Some(0)),
            ("0.004", 2, Some(0)),
            ("0.0005", 2, Some(0)),
            ("1e9999", 0, None),
            ("1e99999999999999", 0, None),
            (".", 0, None),
            ("1x", 0, None),
            ("170141183460469231731687303715884105727", 0, Some(i128::MAX)),
            ("170141183460469231731687303715884105728", 0, None),
        ] {
            assert_eq!(parse(text, scale), expected, "{text}");
        }
        assert_eq!(rescaled(15, 1, 0), Some(2));
        assert_eq!(rescaled(i128::MAX, 0, 1), None);
    }
}
