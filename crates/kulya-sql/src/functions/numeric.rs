//! Functions of numbers: those of DOUBLE, and those whose result has the type of the argument.
//!
//! Integers wrap around at the ends of their range, as in Flink.

use super::rows::{Out, Parameter, Returns, RowFunction};
use crate::data_types::type_name;
use crate::{SqlError, SqlErrorKind};
use Parameter::Number;
use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array, Int64Array, PrimitiveArray,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

const fn double(
    name: &'static str,
    compute: for<'a> fn(&super::rows::Row<'a>, &super::rows::Scope) -> Result<Out<'a>>,
) -> RowFunction {
    RowFunction::new(name, &[Number], Returns::Double, compute)
}

pub(super) const FUNCTIONS: &[RowFunction] = &[
    RowFunction::new("POWER", &[Number, Number], Returns::Double, |row, _| {
        Ok(Out::Double(row.number(0).powf(row.number(1))))
    }),
    RowFunction::new("ATAN2", &[Number, Number], Returns::Double, |row, _| {
        Ok(Out::Double(row.number(0).atan2(row.number(1))))
    }),
    RowFunction::new("LOG", &[Number, Number], Returns::Double, |row, _| {
        Ok(Out::Double(match row.len() {
            1 => row.number(0).ln(),
            _ => row.number(1).ln() / row.number(0).ln(),
        }))
    })
    .optional(1),
    double("SQRT", |row, _| Ok(Out::Double(row.number(0).sqrt()))),
    double("LN", |row, _| Ok(Out::Double(row.number(0).ln()))),
    double("LOG10", |row, _| Ok(Out::Double(row.number(0).log10()))),
    double("LOG2", |row, _| Ok(Out::Double(row.number(0).log2()))),
    double("EXP", |row, _| Ok(Out::Double(row.number(0).exp()))),
    double("SIN", |row, _| Ok(Out::Double(row.number(0).sin()))),
    double("SINH", |row, _| Ok(Out::Double(row.number(0).sinh()))),
    double("COS", |row, _| Ok(Out::Double(row.number(0).cos()))),
    double("COSH", |row, _| Ok(Out::Double(row.number(0).cosh()))),
    double("TAN", |row, _| Ok(Out::Double(row.number(0).tan()))),
    double("TANH", |row, _| Ok(Out::Double(row.number(0).tanh()))),
    double("COT", |row, _| Ok(Out::Double(row.number(0).tan().recip()))),
    double("ASIN", |row, _| Ok(Out::Double(row.number(0).asin()))),
    double("ACOS", |row, _| Ok(Out::Double(row.number(0).acos()))),
    double("ATAN", |row, _| Ok(Out::Double(row.number(0).atan()))),
    double("DEGREES", |row, _| Ok(Out::Double(row.number(0).to_degrees()))),
    double("RADIANS", |row, _| Ok(Out::Double(row.number(0).to_radians()))),
    RowFunction::new("PI", &[], Returns::Double, |_, _| Ok(Out::Double(std::f64::consts::PI))),
    RowFunction::new("E", &[], Returns::Double, |_, _| Ok(Out::Double(std::f64::consts::E))),
];

/// A function whose result has about the type of its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Abs,
    Ceil,
    Ceiling,
    Floor,
    Sign,
    Round,
    Truncate,
}

/// Returns the functions of any type of numbers.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    use Kind::{Abs, Ceil, Ceiling, Floor, Round, Sign, Truncate};
    [Abs, Ceil, Ceiling, Floor, Sign, Round, Truncate].into_iter().map(|kind| {
        ScalarUDF::new_from_impl(NumericFunction {
            kind,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NumericFunction {
    kind: Kind,
    signature: Signature,
}

impl NumericFunction {
    fn rounds(&self) -> bool {
        matches!(self.kind, Kind::Round | Kind::Truncate)
    }

    fn result_type(&self, types: &[&DataType], digits: Option<i64>) -> Result<DataType> {
        let refused = |kind, what: String| {
            Err(SqlError::new(kind, format!("{}: {what}", self.name().to_ascii_uppercase())).into())
        };
        let most = if self.rounds() { 2 } else { 1 };
        let Some(number) = types.first().filter(|_| types.len() <= most) else {
            let what = format!(
                "expected {}1 argument, found {}",
                if most > 1 { "at least " } else { "" },
                types.len()
            );
            return refused(SqlErrorKind::UnknownFunction, what);
        };
        if let Some(digits) = types.get(1).filter(|digits| !digits.is_integer() && !digits.is_null()) {
            let what = format!("argument 2 must be an integer, but is {}", type_name(digits));
            return refused(SqlErrorKind::TypeMismatch, what);
        }
        Ok(match number {
            DataType::Decimal128(precision, scale) => match self.kind {
                Kind::Abs | Kind::Sign => DataType::Decimal128(*precision, *scale),
                _ => {
                    let digits = if self.rounds() { digits.unwrap_or(i64::from(*scale)) } else { 0 };
                    let digits = if digits >= i64::from(*scale) {
                        return Ok((*number).clone());
                    } else {
                        digits.max(0)
                    };
                    let digits = i8::try_from(digits).unwrap_or(0);
                    let precision = i16::from(*precision) - i16::from(*scale) + 1 + i16::from(digits);
                    DataType::Decimal128(u8::try_from(precision).unwrap_or(38).clamp(1, 38), digits)
                }
            },
            DataType::Null => DataType::Int32,
            number if number.is_numeric() => (*number).clone(),
            other => {
                return refused(
                    SqlErrorKind::TypeMismatch,
                    format!("argument 1 must be a number, but is {}", type_name(other)),
                );
            }
        })
    }
}

impl ScalarUDFImpl for NumericFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Abs => "abs",
            Kind::Ceil => "ceil",
            Kind::Ceiling => "ceiling",
            Kind::Floor => "floor",
            Kind::Sign => "sign",
            Kind::Round => "round",
            Kind::Truncate => "truncate",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.result_type(&types.iter().collect::<Vec<_>>(), None)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<&DataType> = arguments.arg_fields.iter().map(|field| field.data_type()).collect();
        let digits = match arguments.scalar_arguments.get(1) {
            None => Some(0),
            Some(Some(digits)) => digits.cast_to(&DataType::Int64).ok().and_then(|digits| match digits {
                ScalarValue::Int64(digits) => digits,
                _ => None,
            }),
            Some(None) => None,
        };
        Ok(Arc::new(Field::new(self.name(), self.result_type(&types, digits)?, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = arguments.return_type().clone();
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let Some(number) = arrays.first() else { return Ok(ColumnarValue::Scalar(ScalarValue::Null)) };
        let digits = match arrays.get(1) {
            Some(digits) => cast(digits, &DataType::Int64)?,
            None => Arc::new(Int64Array::from(vec![0; number.len()])),
        };
        let digits = digits.as_primitive::<Int64Type>();
        let result: ArrayRef = match number.data_type() {
            DataType::Null => cast(number, &returns)?,
            DataType::Float32 => {
                let values = numbers(number.as_primitive::<Float32Type>(), digits, |value, digits| {
                    Some(self.float(f64::from(value), digits) as f32)
                });
                Arc::new(values.collect::<Float32Array>())
            }
            DataType::Float64 => {
                let values = numbers(number.as_primitive::<Float64Type>(), digits, |value, digits| {
                    Some(self.float(value, digits))
                });
                Arc::new(values.collect::<Float64Array>())
            }
            DataType::Decimal128(_, scale) => {
                let DataType::Decimal128(precision, wanted) = returns else {
                    return Ok(ColumnarValue::Scalar(ScalarValue::Null));
                };
                let values = numbers(number.as_primitive::<Decimal128Type>(), digits, |value, digits| {
                    self.decimal(value, *scale, digits, wanted)
                });
                Arc::new(values.collect::<Decimal128Array>().with_precision_and_scale(precision, wanted)?)
            }
            DataType::Int8 => self.integers::<Int8Type>(number, digits, |value| value as i8),
            DataType::Int16 => self.integers::<Int16Type>(number, digits, |value| value as i16),
            DataType::Int32 => self.integers::<Int32Type>(number, digits, |value| value as i32),
            DataType::Int64 => self.integers::<Int64Type>(number, digits, |value| value as i64),
            _ => {
                let wide = cast(number, &DataType::Int64)?;
                let values = self.integers::<Int64Type>(&wide, digits, |value| value as i64);
                cast_with_options(&values, &returns, &CastOptions { safe: true, ..CastOptions::default() })?
            }
        };
        Ok(ColumnarValue::Array(result))
    }
}

/// Computes a number from each number and its digits.
fn numbers<'a, T: ArrowPrimitiveType, R: 'a>(
    array: &'a PrimitiveArray<T>,
    digits: &'a Int64Array,
    compute: impl Fn(T::Native, i64) -> Option<R> + 'a,
) -> impl Iterator<Item = Option<R>> + 'a {
    array.iter().zip(digits).map(move |(value, digits)| compute(value?, digits?))
}

impl NumericFunction {
    fn integers<T: ArrowPrimitiveType>(
        &self,
        array: &ArrayRef,
        digits: &Int64Array,
        narrow: fn(i128) -> T::Native,
    ) -> ArrayRef
    where
        T::Native: Into<i64>,
    {
        let values = numbers(array.as_primitive::<T>(), digits, |value, digits| {
            Some(narrow(self.integer(i128::from(value.into()), digits)))
        });
        Arc::new(values.collect::<PrimitiveArray<T>>())
    }

    fn integer(&self, value: i128, digits: i64) -> i128 {
        match self.kind {
            Kind::Abs => value.abs(),
            Kind::Sign => value.signum(),
            Kind::Ceil | Kind::Ceiling | Kind::Floor => value,
            Kind::Round | Kind::Truncate => {
                let Some(unit) = power_of_ten(digits.saturating_neg().max(0)) else { return 0 };
                self.rounded(value, unit)
            }
        }
    }

    /// Returns the multiple of a unit that the value becomes.
    fn rounded(&self, value: i128, unit: i128) -> i128 {
        let truncated = value / unit * unit;
        let rest = value - truncated;
        let up = match self.kind {
            Kind::Round => rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) && unit > 1,
            Kind::Ceil | Kind::Ceiling => rest > 0,
            Kind::Floor => rest < 0,
            _ => false,
        };
        if up { truncated.saturating_add(unit.saturating_mul(rest.signum())) } else { truncated }
    }

    fn decimal(&self, value: i128, scale: i8, digits: i64, wanted: i8) -> Option<i128> {
        let kept = match self.kind {
            Kind::Abs => return Some(value.abs()),
            Kind::Sign => return value.signum().checked_mul(power_of_ten(i64::from(scale))?),
            Kind::Round | Kind::Truncate => digits.min(i64::from(scale)),
            _ => 0,
        };
        let rounded = match power_of_ten(i64::from(scale).saturating_sub(kept)) {
            Some(unit) => self.rounded(value, unit),
            None => 0,
        };
        Some(rounded / power_of_ten(i64::from(scale) - i64::from(wanted))?)
    }

    fn float(&self, value: f64, digits: i64) -> f64 {
        match self.kind {
            Kind::Abs => value.abs(),
            Kind::Ceil | Kind::Ceiling => value.ceil(),
            Kind::Floor => value.floor(),
            Kind::Sign if value == 0.0 || value.is_nan() => value,
            Kind::Sign => value.signum(),
            Kind::Round | Kind::Truncate => {
                if !value.is_finite() || digits > 300 {
                    return value;
                }
                // by the shortest decimal digits, as Java's BigDecimal.valueOf
                let text = format!("{value:e}");
                decimal_digits(&text).map_or(value, |(number, scale)| {
                    let rounded = match power_of_ten(scale.saturating_sub(digits)) {
                        _ if scale <= digits => return value,
                        Some(unit) => self.rounded(number, unit),
                        None => 0,
                    };
                    format!("{rounded}e{}", scale.saturating_neg()).parse().unwrap_or(value)
                })
            }
        }
    }
}

/// Returns the digits of a number in scientific notation, and how many of them are behind the point.
fn decimal_digits(text: &str) -> Option<(i128, i64)> {
    let (mantissa, exponent) = text.split_once('e')?;
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let number = mantissa.replace('.', "").parse().ok()?;
    Some((number, i64::try_from(fraction).ok()? - exponent.parse::<i64>().ok()?))
}

fn power_of_ten(exponent: i64) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(kind: Kind) -> NumericFunction {
        NumericFunction { kind, signature: Signature::variadic_any(Volatility::Immutable) }
    }

    #[test]
    fn numbers_are_rounded_at_a_digit() {
        let (round, truncate) = (function(Kind::Round), function(Kind::Truncate));
        assert_eq!(round.integer(12_345, -2), 12_300);
        assert_eq!(round.integer(-15, -1), -20);
        assert_eq!(round.integer(i128::from(i64::MAX), i64::MIN), 0);
        assert_eq!(truncate.integer(1299, -2), 1200);
        assert_eq!(round.decimal(12_345, 4, 2, 2), Some(123));
        assert_eq!(round.decimal(-250, 2, 0, 0), Some(-3));
        assert_eq!(round.decimal(i128::MAX, 38, i64::MIN, 0), Some(0));
        assert_eq!(round.float(1.25, 1), 1.3);
        assert_eq!(round.float(1e300, -400), 0.0);
        assert_eq!(round.float(f64::INFINITY, 2), f64::INFINITY);
        assert_eq!(truncate.float(-42.99, 1), -42.9);
        assert_eq!(function(Kind::Floor).decimal(-15, 1, 0, 0), Some(-2));
        assert_eq!(function(Kind::Ceil).decimal(-15, 1, 0, 0), Some(-1));
    }
}
