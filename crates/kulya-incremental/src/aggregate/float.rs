//! SUM and AVG of floats, exactly: the result is the true sum, rounded once.
//!
//! A sum of floats depends on the order of additions, and subtracting a value does not undo adding it. So
//! each group has its sum as a few floats that do not overlap (Shewchuk, 1997): their exact sum is the
//! group's, and its rounding depends on the values alone. A recomputation, whatever its order, gives the same
//! bits.

use super::accumulator::{Accumulator, EntryChange, Update};
use super::total::{Output, validity};
use crate::entry::{Reader, put_signed, put_unsigned};
use crate::error::{Problem, Result};
use crate::key_table::Slot;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

pub(super) struct FloatSum {
    totals: Vec<ExactFloat>,
    counts: Vec<i64>,
    output: Output,
}

impl FloatSum {
    pub(super) fn new(output: Output) -> Result<Self> {
        match output.data_type {
            DataType::Float32 | DataType::Float64 => {
                Ok(Self { totals: Vec::new(), counts: Vec::new(), output })
            }
            ref other => Err(Problem::unsupported(format!("{} of floats as {other}", output.what()))),
        }
    }

    fn add(&mut self, update: &Update<'_>, argument: &ArrayRef, value: impl Fn(usize) -> f64) -> Result<()> {
        let is_valid = validity(argument);
        for (row, (group, weight)) in update.groups.iter().zip(update.weights).enumerate() {
            if *weight == 0 || !is_valid(row) {
                continue;
            }
            let added = self.totals[*group as usize].add(value(row), *weight);
            added.ok_or(Problem::Overflow { what: self.output.what(), data_type: DataType::Float64 })?;
            self.counts[*group as usize] += weight;
        }
        Ok(())
    }
}

impl Accumulator for FloatSum {
    fn grow(&mut self, slots: usize) {
        self.totals.resize_with(slots, ExactFloat::default);
        self.counts.resize(slots, 0);
    }

    fn update(&mut self, update: &Update<'_>, _changed: &mut EntryChange<'_>) -> Result<()> {
        let Some(argument) = update.argument else { return Ok(()) };
        match argument.data_type() {
            DataType::Float32 => {
                let values = argument.as_primitive::<Float32Type>().values();
                self.add(update, argument, |row| f64::from(values[row]))
            }
            _ => {
                let values = argument.as_primitive::<Float64Type>().values();
                self.add(update, argument, |row| values[row])
            }
        }
    }

    fn evaluate(&self, groups: &[Slot]) -> Result<ArrayRef> {
        self.output.build_floats(groups.iter().map(|group| {
            let group = *group as usize;
            (self.totals[group].value(), self.counts[group])
        }))
    }

    fn clear(&mut self, group: Slot) {
        self.totals[group as usize] = ExactFloat::default();
        self.counts[group as usize] = 0;
    }

    fn write(&self, group: Slot, out: &mut Vec<u8>) {
        put_signed(out, self.counts[group as usize]);
        self.totals[group as usize].write(out);
    }

    fn read(&mut self, group: Slot, input: &mut Reader<'_>) -> Result<()> {
        self.counts[group as usize] = input.weight()?;
        self.totals[group as usize] = ExactFloat::read(input)?;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        // most sums have one to four parts
        self.totals.capacity() * (size_of::<ExactFloat>() + 4 * size_of::<f64>())
            + self.counts.capacity() * size_of::<i64>()
    }
}

/// A sum of floats without rounding.
#[derive(Clone, Debug, Default, PartialEq)]
struct ExactFloat {
    /// Finite floats that do not overlap, in ascending magnitude; none for 0. At most about 40.
    parts: Vec<f64>,
    /// The numbers of NaN, infinity and negative infinity, if there were any.
    special: Option<Box<[i64; 3]>>,
}

impl ExactFloat {
    /// Adds a value `weight` times; None if a partial sum is out of the range of a float.
    fn add(&mut self, value: f64, weight: i64) -> Option<()> {
        if !value.is_finite() {
            let special = self.special.get_or_insert_default();
            let kind = if value.is_nan() { 0 } else { 1 + usize::from(value < 0.0) };
            special[kind] += weight;
            if **special == [0; 3] {
                self.special = None;
            }
            return Some(());
        }
        let value = if weight < 0 { -value } else { value };
        let mut rest = weight.unsigned_abs();
        let mut times = value;
        // a multiple by a power of two is exact
        while rest > 0 {
            if rest & 1 == 1 {
                self.add_once(times)?;
            }
            rest >>= 1;
            times *= 2.0;
        }
        Some(())
    }

    fn add_once(&mut self, mut sum: f64) -> Option<()> {
        let mut kept = 0;
        for index in 0..self.parts.len() {
            let part = self.parts[index];
            let (large, small) = if sum.abs() < part.abs() { (part, sum) } else { (sum, part) };
            sum = large + small;
            let error = small - (sum - large);
            if error != 0.0 {
                self.parts[kept] = error;
                kept += 1;
            }
        }
        self.parts.truncate(kept);
        if sum != 0.0 {
            self.parts.push(sum);
        }
        sum.is_finite().then_some(())
    }

    /// The sum, rounded to the nearest float.
    fn value(&self) -> f64 {
        if let Some(special) = &self.special {
            return match **special {
                [0, infinities, 0] if infinities != 0 => f64::INFINITY,
                [0, 0, infinities] if infinities != 0 => f64::NEG_INFINITY,
                _ => f64::NAN,
            };
        }
        let mut parts = self.parts.iter().rev().copied();
        let mut sum = parts.next().unwrap_or_default();
        let mut error = 0.0;
        for part in parts.by_ref() {
            let before = sum;
            sum += part;
            error = part - (sum - before);
            if error != 0.0 {
                break;
            }
        }
        // A half is rounded to even, unless what is left points away from it.
        if let Some(next) = parts.next()
            && (error < 0.0) == (next < 0.0)
            && error != 0.0
        {
            let twice = error * 2.0;
            let rounded = sum + twice;
            if rounded - sum == twice {
                sum = rounded;
            }
        }
        sum
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_unsigned(out, self.parts.len() as u64 * 2 + u64::from(self.special.is_some()));
        self.parts.iter().for_each(|part| out.extend(part.to_bits().to_le_bytes()));
        self.special.iter().flat_map(|special| special.iter()).for_each(|count| put_signed(out, *count));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let header = input.unsigned()?;
        let mut parts = Vec::new();
        for _ in 0..header / 2 {
            parts.push(f64::from_bits(u64::from_le_bytes(input.array()?)));
        }
        if parts.iter().any(|part| !part.is_finite()) {
            return Err(Problem::state("a part of a sum is no number"));
        }
        let special = match header % 2 {
            0 => None,
            _ => Some(Box::new([input.weight()?, input.weight()?, input.weight()?])),
        };
        Ok(Self { parts, special })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> f64 {
        let mut total = ExactFloat::default();
        values.iter().for_each(|value| total.add(*value, 1).unwrap());
        total.value()
    }

    #[test]
    fn small_values_survive_large_ones() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1e-16]), 1e16 + 2.0);
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_retractions_leave_nothing(
            values in proptest::collection::vec((-1e9f64..1e9, -300i32..300, 1i64..9), 1..20)
        ) {
            let values: Vec<_> =
                values.iter().map(|(value, exponent, weight)| (value * 2f64.powi(*exponent), *weight)).collect();
            let (mut one, mut other) = (ExactFloat::default(), ExactFloat::default());
            values.iter().for_each(|(value, weight)| one.add(*value, *weight).unwrap());
            values.iter().rev().for_each(|(value, weight)| {
                (0..*weight).for_each(|_| other.add(*value, 1).unwrap());
            });
            prop_assert_eq!(one.value().to_bits(), other.value().to_bits());
            values.iter().for_each(|(value, weight)| one.add(*value, -*weight).unwrap());
            prop_assert_eq!(one, ExactFloat::default());
        }
    }
}
