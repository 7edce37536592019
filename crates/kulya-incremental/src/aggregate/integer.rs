//! SUM and AVG of integers and decimals: totals that no order of additions overflows.

use super::accumulator::{Accumulator, EntryChange, Update};
use super::total::{Output, validity};
use crate::entry::{Reader, put_signed};
use crate::error::{Problem, Result};
use crate::key_table::Slot;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Int8Type, Int16Type,
    Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::i256;
use arrow_schema::DataType;

/// A total of `i128` for values of up to 64 bits: 2^63 of them fit.
pub(super) type IntegerSum = Sum<i128>;
/// A total of `i256` for decimals: as many as fit, else an error.
pub(super) type DecimalSum = Sum<i256>;

/// The totals of groups, and the numbers of their values.
pub(super) struct Sum<T> {
    totals: Vec<T>,
    counts: Vec<i64>,
    scale: i8,
    output: Output,
}

/// A wide integer.
pub(super) trait Total: Copy + Default + Send {
    /// Adds a value `weight` times; None if the total cannot hold it.
    fn plus(self, value: Self, weight: i64) -> Option<Self>;
    fn wide(self) -> i256;
    fn write(self, out: &mut Vec<u8>);
    fn read(input: &mut Reader<'_>) -> Result<Self>;
}

impl Total for i128 {
    fn plus(self, value: Self, weight: i64) -> Option<Self> {
        self.checked_add(value * i128::from(weight))
    }

    fn wide(self) -> i256 {
        i256::from_i128(self)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self> {
        Ok(Self::from_le_bytes(input.array()?))
    }
}

impl Total for i256 {
    fn plus(self, value: Self, weight: i64) -> Option<Self> {
        match weight {
            1 => self.checked_add(value),
            -1 => self.checked_sub(value),
            weight => self.checked_add(value.checked_mul(i256::from_i128(i128::from(weight)))?),
        }
    }

    fn wide(self) -> i256 {
        self
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self> {
        Ok(Self::from_le_bytes(input.array()?))
    }
}

impl<T: Total> Sum<T> {
    pub(super) fn new(argument: &DataType, output: Output) -> Result<Self> {
        let scale = match argument {
            DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => *scale,
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
            integer if integer.is_integer() => 0,
            other => return Err(Problem::unsupported(format!("{} of {other}", output.what()))),
        };
        output.check(scale)?;
        Ok(Self { totals: Vec::new(), counts: Vec::new(), scale, output })
    }

    fn add<A: ArrowPrimitiveType>(
        &mut self,
        update: &Update<'_>,
        argument: &ArrayRef,
        widen: impl Fn(A::Native) -> T,
    ) -> Result<()> {
        let values = argument.as_primitive::<A>().values();
        let is_valid = validity(argument);
        for (row, ((group, weight), value)) in
            update.groups.iter().zip(update.weights).zip(values.iter()).enumerate()
        {
            if *weight == 0 || !is_valid(row) {
                continue;
            }
            let group = *group as usize;
            let Some(total) = self.totals[group].plus(widen(*value), *weight) else {
                let data_type = DataType::Decimal256(76, self.scale);
                return Err(Problem::Overflow { what: self.output.what(), data_type });
            };
            self.totals[group] = total;
            self.counts[group] += weight;
        }
        Ok(())
    }

    fn evaluate_groups(&self, groups: &[Slot]) -> Result<ArrayRef> {
        let totals = groups.iter().map(|group| {
            let group = *group as usize;
            (self.totals[group].wide(), self.counts[group])
        });
        self.output.build(self.scale, totals)
    }

    fn read_group(&mut self, group: Slot, input: &mut Reader<'_>) -> Result<()> {
        self.counts[group as usize] = input.weight()?;
        self.totals[group as usize] = T::read(input)?;
        Ok(())
    }

    fn write_group(&self, group: Slot, out: &mut Vec<u8>) {
        put_signed(out, self.counts[group as usize]);
        self.totals[group as usize].write(out);
    }

    fn clear_group(&mut self, group: Slot) {
        self.totals[group as usize] = T::default();
        self.counts[group as usize] = 0;
    }

    fn grow_groups(&mut self, slots: usize) {
        self.totals.resize(slots, T::default());
        self.counts.resize(slots, 0);
    }

    fn memory(&self) -> usize {
        self.totals.capacity() * size_of::<T>() + self.counts.capacity() * size_of::<i64>()
    }
}

macro_rules! accumulator {
    ($total:ty, $($data_type:pat => $arrow:ty, $widen:expr;)*) => {
        impl Accumulator for Sum<$total> {
            fn grow(&mut self, slots: usize) {
                self.grow_groups(slots);
            }

            fn update(&mut self, update: &Update<'_>, _changed: &mut EntryChange<'_>) -> Result<()> {
                let Some(argument) = update.argument else { return Ok(()) };
                match argument.data_type() {
                    $($data_type => self.add::<$arrow>(update, argument, $widen),)*
                    other => Err(Problem::unsupported(format!("the sum of {other}"))),
                }
            }

            fn evaluate(&self, groups: &[Slot]) -> Result<ArrayRef> {
                self.evaluate_groups(groups)
            }

            fn clear(&mut self, group: Slot) {
                self.clear_group(group);
            }

            fn write(&self, group: Slot, out: &mut Vec<u8>) {
                self.write_group(group, out);
            }

            fn read(&mut self, group: Slot, input: &mut Reader<'_>) -> Result<()> {
                self.read_group(group, input)
            }

            fn size_bytes(&self) -> usize {
                self.memory()
            }
        }
    };
}

accumulator! { i128,
    DataType::Int8 => Int8Type, i128::from;
    DataType::Int16 => Int16Type, i128::from;
    DataType::Int32 => Int32Type, i128::from;
    DataType::Int64 => Int64Type, i128::from;
    DataType::UInt8 => UInt8Type, i128::from;
    DataType::UInt16 => UInt16Type, i128::from;
    DataType::UInt32 => UInt32Type, i128::from;
    DataType::UInt64 => UInt64Type, i128::from;
    DataType::Decimal32(..) => Decimal32Type, i128::from;
    DataType::Decimal64(..) => Decimal64Type, i128::from;
}

accumulator! { i256,
    DataType::Decimal128(..) => Decimal128Type, i256::from_i128;
    DataType::Decimal256(..) => Decimal256Type, |value| value;
}
