//! The numbers of schemas and instances as exact decimals: `0.01` is one hundredth, and `0.3` a multiple of
//! `0.1`.
//!
//! The value of a number comes from `serde_json`: a 64-bit integer, or the shortest decimal of a double.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// `mantissa × 10^exponent`; the mantissa does not end in zero, so that equal numbers have equal
/// representations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    pub(crate) const ZERO: Self = Self { mantissa: 0, exponent: 0 };
    pub(crate) const ONE: Self = Self { mantissa: 1, exponent: 0 };

    fn new(mut mantissa: i128, mut exponent: i32) -> Self {
        if mantissa == 0 {
            return Self::ZERO;
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        Self { mantissa, exponent }
    }

    pub(crate) fn from_integer(integer: i128) -> Self {
        Self::new(integer, 0)
    }

    /// Converts a JSON number; every one has a decimal.
    pub(crate) fn from_number(number: &Number) -> Self {
        if let Some(integer) = number.as_i64() {
            return Self::new(integer.into(), 0);
        }
        if let Some(integer) = number.as_u64() {
            return Self::new(integer.into(), 0);
        }
        let text = format!("{:e}", number.as_f64().unwrap_or_default());
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let mantissa = digits.replace('.', "").parse().unwrap_or(0);
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Self::new(mantissa, exponent - i32::try_from(fraction).unwrap_or(0))
    }

    pub(crate) fn is_integer(self) -> bool {
        self.exponent >= 0
    }

    pub(crate) fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    /// Returns whether it is between -1000 and 1000.
    pub(crate) fn is_small(self) -> bool {
        let thousand = Self::from_integer(1000);
        self <= thousand && self >= thousand.negated()
    }

    /// Converts to an unsigned 64-bit count, if it is one.
    pub(crate) fn to_count(self) -> Option<u64> {
        let scale = 10i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        u64::try_from(self.mantissa.checked_mul(scale)?).ok()
    }

    /// Converts to a JSON number: the nearest double if it is not a 64-bit integer.
    pub(crate) fn to_value(self) -> Value {
        let scale = u32::try_from(self.exponent).ok().and_then(|exponent| 10i128.checked_pow(exponent));
        let integer = scale.and_then(|scale| self.mantissa.checked_mul(scale));
        if let Some(integer) = integer.and_then(|integer| i64::try_from(integer).ok()) {
            return Value::from(integer);
        }
        if let Some(integer) = integer.and_then(|integer| u64::try_from(integer).ok()) {
            return Value::from(integer);
        }
        let double = format!("{}e{}", self.mantissa, self.exponent).parse::<f64>().unwrap_or(0.0);
        Number::from_f64(double).map_or(Value::from(0), Value::Number)
    }

    /// Returns whether it is an integer multiple of `unit`; `None` if the numbers are too large to decide.
    pub(crate) fn is_multiple_of(self, unit: Self) -> Option<bool> {
        if self.mantissa == 0 {
            return Some(true);
        }
        if unit.mantissa == 0 {
            return Some(false);
        }
        if self.exponent < unit.exponent {
            // the mantissa does not end in zero, so no power of ten divides it
            return Some(false);
        }
        let unit = unit_parts(unit);
        let mut rest = self.mantissa % unit.0;
        for _ in 0..(self.exponent - unit.1) {
            rest = rest.checked_mul(10)? % unit.0;
            if rest == 0 {
                break;
            }
        }
        Some(rest == 0)
    }

    /// Returns the least integer that is not less; `None` if it is too large.
    pub(crate) fn ceiling(self) -> Option<Self> {
        if self.is_integer() {
            return Some(self);
        }
        let scale = 10i128.checked_pow(self.exponent.unsigned_abs());
        Some(match scale {
            Some(scale) => Self::from_integer(-(-self.mantissa).div_euclid(scale)),
            None if self.mantissa > 0 => Self::ONE,
            None => Self::ZERO,
        })
    }

    pub(crate) fn negated(self) -> Self {
        Self { mantissa: -self.mantissa, exponent: self.exponent }
    }

    pub(crate) fn tenth(self) -> Self {
        Self::new(self.mantissa, self.exponent - 1)
    }

    /// Adds two numbers; `None` if the sum has too many digits.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |number: Self| {
            let scale = 10i128.checked_pow((number.exponent - exponent).unsigned_abs())?;
            number.mantissa.checked_mul(scale)
        };
        Some(Self::new(scaled(self)?.checked_add(scaled(other)?)?, exponent))
    }

    /// Returns the least multiple of `unit` that is not less; `None` if the numbers are too large.
    pub(crate) fn next_multiple(self, unit: Self) -> Option<Self> {
        let exponent = self.exponent.min(unit.exponent);
        let scaled = |number: Self| {
            let scale = 10i128.checked_pow((number.exponent - exponent).unsigned_abs())?;
            number.mantissa.checked_mul(scale)
        };
        let (number, unit) = (scaled(self)?, scaled(unit)?);
        let rest = number.checked_rem_euclid(unit)?;
        let next = if rest == 0 { number } else { number.checked_add(unit.checked_sub(rest)?)? };
        Some(Self::new(next, exponent))
    }
}

fn unit_parts(unit: Decimal) -> (i128, i32) {
    (unit.mantissa.abs(), unit.exponent)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs != Ordering::Equal {
            return signs;
        }
        if self.exponent < other.exponent {
            return other.cmp(self).reverse();
        }
        // a scaled mantissa that overflows is larger than any mantissa
        let difference = self.exponent.abs_diff(other.exponent);
        let scaled = 10i128.checked_pow(difference).and_then(|scale| self.mantissa.checked_mul(scale));
        match scaled {
            Some(scaled) => scaled.cmp(&other.mantissa),
            None => self.mantissa.cmp(&0),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares JSON values as JSON Schema does: `1` equals `1.0`, and the order of members does not matter.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            Decimal::from_number(one) == Decimal::from_number(other)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}
