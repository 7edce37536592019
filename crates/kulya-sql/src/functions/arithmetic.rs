//! Arithmetic of decimals, with Flink's types of results, and division that refuses zero.
//!
//! A result with more than 38 digits loses digits behind the point, down to 6 of them; it is rounded half up,
//! and null if it is too large.

use crate::{SqlError, SqlErrorKind};
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, i256};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::Arc;

const MAX_PRECISION: i16 = 38;
/// The digits behind the point that a result keeps.
const MIN_SCALE: i16 = 6;

/// Returns the expression of an operation that DataFusion would compute otherwise; `None` for others.
pub(crate) fn arithmetic(
    op: Operator,
    left: &Expr,
    right: &Expr,
    types: (&DataType, &DataType),
) -> Option<Expr> {
    let operation = Operation::of(op)?;
    let is_float = |data_type: &DataType| matches!(data_type, DataType::Float32 | DataType::Float64);
    let is_decimal = |data_type: &DataType| matches!(data_type, DataType::Decimal128(..));
    let (one, other) = types;
    if !one.is_numeric() || !other.is_numeric() {
        return None;
    }
    let has_float = is_float(one) || is_float(other);
    let divides = matches!(operation, Operation::Divide | Operation::Modulo);
    let computes = match has_float {
        true => divides || is_decimal(one) || is_decimal(other),
        false => is_decimal(one) || is_decimal(other),
    };
    computes.then(|| operation.udf().call(vec![left.clone(), right.clone()]))
}

/// Returns the quotient of two integers; null for a divisor of zero.
pub(crate) fn truncated_quotient(dividend: Expr, divisor: Expr) -> Expr {
    dividend / datafusion::functions::expr_fn::nullif(divisor, datafusion::logical_expr::lit(0i64))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operation {
    fn of(op: Operator) -> Option<Self> {
        Some(match op {
            Operator::Plus => Self::Add,
            Operator::Minus => Self::Subtract,
            Operator::Multiply => Self::Multiply,
            Operator::Divide => Self::Divide,
            Operator::Modulo => Self::Modulo,
            _ => return None,
        })
    }

    fn udf(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(Arithmetic {
            operation: self,
            signature: Signature::any(2, Volatility::Immutable),
        })
    }

    /// Returns precision and scale of a result.
    fn result(self, (p1, s1): (i16, i16), (p2, s2): (i16, i16)) -> (u8, i8) {
        let (precision, scale) = match self {
            Self::Add | Self::Subtract => {
                let scale = s1.max(s2);
                ((p1 - s1).max(p2 - s2) + scale + 1, scale)
            }
            Self::Multiply => (p1 + p2 + 1, s1 + s2),
            Self::Divide => {
                let scale = MIN_SCALE.max(s1 + p2 + 1);
                (p1 - s1 + s2 + scale, scale)
            }
            Self::Modulo => {
                let scale = s1.max(s2);
                ((p1 - s1).min(p2 - s2) + scale, scale)
            }
        };
        let scale = match precision > MAX_PRECISION {
            true => (MAX_PRECISION - (precision - scale)).max(scale.min(MIN_SCALE)),
            false => scale,
        };
        let precision = precision.clamp(1, MAX_PRECISION);
        (u8::try_from(precision).unwrap_or(38), i8::try_from(scale).unwrap_or(0))
    }

    /// Computes a result; the inner `None` is null, the outer a division by zero.
    fn compute(self, one: i128, s1: i8, other: i128, s2: i8, scale: i8) -> Option<Option<i128>> {
        let at = |number: i128, from: i8, to: i16| scaled(i256::from_i128(number), to - i16::from(from));
        let both = i16::from(s1.max(s2));
        let (result, from) = match self {
            Self::Add => {
                (at(one, s1, both).zip(at(other, s2, both)).and_then(|(a, b)| a.checked_add(b)), both)
            }
            Self::Subtract => {
                (at(one, s1, both).zip(at(other, s2, both)).and_then(|(a, b)| a.checked_sub(b)), both)
            }
            Self::Multiply => {
                let product = i256::from_i128(one).checked_mul(i256::from_i128(other));
                (product, i16::from(s1) + i16::from(s2))
            }
            Self::Divide | Self::Modulo if other == 0 => return None,
            Self::Divide => {
                // one digit more than wanted, for rounding; the rest cannot change it
                let wanted = i16::from(scale) + 1;
                let dividend = scaled(i256::from_i128(one), wanted + i16::from(s2) - i16::from(s1));
                (dividend.and_then(|dividend| dividend.checked_div(i256::from_i128(other))), wanted)
            }
            Self::Modulo => {
                (at(one, s1, both).zip(at(other, s2, both)).and_then(|(a, b)| a.checked_rem(b)), both)
            }
        };
        Some(result.and_then(|result| scaled(result, i16::from(scale) - from)).and_then(i256::to_i128))
    }
}

/// Multiplies by a power of ten; a negative one divides and rounds half up.
fn scaled(number: i256, exponent: i16) -> Option<i256> {
    let power = i256::from_i128(10).checked_pow(u32::from(exponent.unsigned_abs()))?;
    if exponent >= 0 {
        return number.checked_mul(power);
    }
    let (whole, rest) = (number.checked_div(power)?, number.checked_rem(power)?);
    let twice = rest.checked_abs()?.checked_add(rest.checked_abs()?)?;
    if twice < power {
        return Some(whole);
    }
    let unit = if number < i256::from_i128(0) { i256::from_i128(-1) } else { i256::from_i128(1) };
    whole.checked_add(unit)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    operation: Operation,
    signature: Signature,
}

/// Returns precision and scale of a number as a decimal.
fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match data_type {
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        other if other.is_integer() => (20, 0),
        _ => return None,
    })
}

impl Arithmetic {
    fn result_type(&self, types: &[DataType]) -> Result<DataType> {
        let [one, other] = types else { return internal_err!("arithmetic has two arguments") };
        let is_single = |data_type: &DataType| *data_type == DataType::Float32;
        match as_decimal(one).zip(as_decimal(other)) {
            Some((one, other)) => {
                let wide = |(precision, scale): (u8, i8)| (i16::from(precision), i16::from(scale));
                let (precision, scale) = self.operation.result(wide(one), wide(other));
                Ok(DataType::Decimal128(precision, scale))
            }
            None if is_single(one) && (is_single(other) || other.is_integer())
                || is_single(other) && one.is_integer() =>
            {
                Ok(DataType::Float32)
            }
            None => Ok(DataType::Float64),
        }
    }

    fn zero<T>() -> Result<T> {
        Err(SqlError::new(SqlErrorKind::DivisionByZero, "division by zero").into())
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "add",
            Operation::Subtract => "subtract",
            Operation::Multiply => "multiply",
            Operation::Divide => "divide",
            Operation::Modulo => "modulo",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.result_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> =
            arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name(), self.result_type(&types)?, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = arguments.return_type().clone();
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [one, other] = arrays.as_slice() else { return exec_err!("arithmetic has two arguments") };
        macro_rules! floats {
            ($type:ty, $array:ty) => {{
                let (one, other) = (cast(one, &returns)?, cast(other, &returns)?);
                let pairs = one.as_primitive::<$type>().iter().zip(other.as_primitive::<$type>());
                let results = pairs.map(|pair| {
                    let (Some(one), Some(other)) = pair else { return Ok(None) };
                    Ok(Some(match self.operation {
                        Operation::Add => one + other,
                        Operation::Subtract => one - other,
                        Operation::Multiply => one * other,
                        Operation::Divide | Operation::Modulo if other == 0.0 => return Self::zero(),
                        Operation::Divide => one / other,
                        Operation::Modulo => one % other,
                    }))
                });
                Arc::new(results.collect::<Result<$array>>()?) as ArrayRef
            }};
        }
        let result = match returns {
            DataType::Float32 => floats!(Float32Type, Float32Array),
            DataType::Float64 => floats!(Float64Type, Float64Array),
            DataType::Decimal128(precision, scale) => {
                let ((one, s1), (other, s2)) = (decimals(one)?, decimals(other)?);
                let limit = 10u128.pow(u32::from(precision));
                let pairs =
                    one.as_primitive::<Decimal128Type>().iter().zip(other.as_primitive::<Decimal128Type>());
                let results = pairs.map(|pair| {
                    let (Some(one), Some(other)) = pair else { return Ok(None) };
                    match self.operation.compute(one, s1, other, s2, scale) {
                        Some(result) => Ok(result.filter(|result| result.unsigned_abs() < limit)),
                        None => Self::zero(),
                    }
                });
                let results = results.collect::<Result<Decimal128Array>>()?;
                Arc::new(results.with_precision_and_scale(precision, scale)?)
            }
            other => return internal_err!("no arithmetic of {other}"),
        };
        Ok(ColumnarValue::Array(result))
    }
}

/// Returns numbers as decimals, and their scale.
fn decimals(array: &ArrayRef) -> Result<(ArrayRef, i8)> {
    match as_decimal(array.data_type()) {
        Some((precision, scale)) => Ok((cast(array, &DataType::Decimal128(precision, scale))?, scale)),
        None => internal_err!("{} is no decimal", array.data_type()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_flinks_digits() {
        for (operation, one, other, expected) in [
            (Operation::Add, (3, 2), (2, 1), (4, 2)),
            (Operation::Subtract, (3, 2), (10, 0), (13, 2)),
            (Operation::Add, (38, 10), (38, 18), (38, 9)),
            (Operation::Multiply, (38, 10), (38, 10), (38, 6)),
            (Operation::Divide, (3, 1), (10, 0), (14, 12)),
            (Operation::Divide, (20, 10), (20, 10), (38, 18)),
            (Operation::Modulo, (10, 2), (5, 1), (6, 2)),
        ] {
            assert_eq!(operation.result(one, other), expected, "{operation:?} {one:?} {other:?}");
        }
    }

    #[test]
    fn results_are_rounded_or_null() {
        assert_eq!(Operation::Divide.compute(10, 0, 3, 0, 2), Some(Some(333)));
        assert_eq!(Operation::Divide.compute(-2, 0, 3, 0, 2), Some(Some(-67)));
        assert_eq!(Operation::Divide.compute(1, 0, 0, 0, 2), None);
        assert_eq!(Operation::Modulo.compute(1, 0, 0, 0, 2), None);
        assert_eq!(Operation::Multiply.compute(i128::MAX, 0, i128::MAX, 0, 0), Some(None));
        assert_eq!(Operation::Multiply.compute(15, 1, 5, 1, 1), Some(Some(8)));
        assert_eq!(Operation::Add.compute(i128::MAX, 0, 1, 38, 0), Some(Some(i128::MAX)));
    }
}
