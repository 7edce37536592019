//! The compact bytes of a value in a buffer, from which it can be appended to another one.

use super::{BytesBuffer, ColumnBuffer, Values};

impl BytesBuffer {
    fn get(&self, index: usize) -> Option<&[u8]> {
        self.data.get(*self.offsets.get(index)? as usize..*self.offsets.get(index + 1)? as usize)
    }
}

impl ColumnBuffer {
    /// Appends a value to `out` in a form that says where it ends, so that equal values, and no others, have
    /// equal bytes.
    pub(in crate::arrow) fn write_value(&self, index: usize, out: &mut Vec<u8>) {
        if self.is_null(index) {
            return out.push(0);
        }
        out.push(1);
        self.write_non_null(index, out);
    }

    /// Appends a value that is not null to `out`; see [`write_value`](Self::write_value).
    pub(in crate::arrow) fn write_non_null(&self, index: usize, out: &mut Vec<u8>) {
        match &self.values {
            Values::Null => {}
            Values::Unsigned(values) => write_unsigned(values.get(index).copied().unwrap_or(0), out),
            Values::Boolean(values) => out.push(u8::from(index < values.len() && values.get_bit(index))),
            Values::Int8(values) => write_integer(values.get(index).copied().unwrap_or(0).into(), out),
            Values::Int16(values) => write_integer(values.get(index).copied().unwrap_or(0).into(), out),
            Values::Int32(values) => write_integer(values.get(index).copied().unwrap_or(0).into(), out),
            Values::Int64(values) => write_integer(values.get(index).copied().unwrap_or(0), out),
            Values::Int128(values) => {
                let value = values.get(index).copied().unwrap_or(0);
                let (high, low) = ((value >> 64) as i64, value as u64);
                write_integer(high, out);
                write_unsigned(low, out);
            }
            Values::Float32(values) => {
                out.extend_from_slice(&values.get(index).copied().unwrap_or(0.0).to_le_bytes());
            }
            Values::Float64(values) => {
                out.extend_from_slice(&values.get(index).copied().unwrap_or(0.0).to_le_bytes());
            }
            Values::Bytes(bytes) => {
                let bytes = bytes.get(index).unwrap_or_default();
                write_unsigned(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Values::List(list) => {
                let range = range(&list.offsets, index);
                write_unsigned(range.len() as u64, out);
                range.for_each(|item| list.items.write_value(item, out));
            }
            Values::Map(offsets, entries) => {
                let range = range(offsets, index);
                write_unsigned(range.len() as u64, out);
                for entry in range {
                    entries.iter().for_each(|buffer| buffer.write_value(entry, out));
                }
            }
            Values::Row(fields) => fields.iter().for_each(|buffer| buffer.write_value(index, out)),
        }
    }

    /// Appends the value that [`write_value`](Self::write_value) has written; `None` if it is not one, after
    /// which the buffer is to be truncated.
    pub(in crate::arrow) fn read_value(&mut self, input: &mut &[u8]) -> Option<()> {
        if take_bytes(input, 1)? == [0] {
            self.push_null();
            return Some(());
        }
        self.read_non_null(input)
    }

    /// Appends the value that [`write_non_null`](Self::write_non_null) has written.
    pub(in crate::arrow) fn read_non_null(&mut self, input: &mut &[u8]) -> Option<()> {
        match &mut self.values {
            Values::Null => {}
            Values::Unsigned(values) => values.push(read_unsigned(input)?),
            Values::Boolean(values) => values.append(take_bytes(input, 1)? == [1]),
            Values::Int8(values) => values.push(read_integer(input)? as i8),
            Values::Int16(values) => values.push(read_integer(input)? as i16),
            Values::Int32(values) => values.push(read_integer(input)? as i32),
            Values::Int64(values) => values.push(read_integer(input)?),
            Values::Int128(values) => {
                let high = read_integer(input)?;
                values.push(i128::from(high) << 64 | i128::from(read_unsigned(input)?));
            }
            Values::Float32(values) => {
                values.push(f32::from_le_bytes(*take_bytes(input, 4)?.first_chunk()?));
            }
            Values::Float64(values) => {
                values.push(f64::from_le_bytes(*take_bytes(input, 8)?.first_chunk()?));
            }
            Values::Bytes(bytes) => {
                let length = read_unsigned(input)? as usize;
                bytes.data.extend_from_slice(take_bytes(input, length)?);
                if !bytes.complete() {
                    return None;
                }
            }
            Values::List(list) => {
                for _ in 0..read_unsigned(input)? {
                    list.items.read_value(input)?;
                }
                self.complete_list();
                return Some(());
            }
            Values::Map(_, entries) => {
                for _ in 0..read_unsigned(input)? {
                    entries.iter_mut().try_for_each(|buffer| buffer.read_value(input))?;
                }
                self.complete_list();
                return Some(());
            }
            Values::Row(fields) => fields.iter_mut().try_for_each(|buffer| buffer.read_value(input))?,
        }
        self.complete();
        Some(())
    }
}

pub(in crate::arrow) fn range(offsets: &[i32], index: usize) -> std::ops::Range<usize> {
    let at = |index: usize| offsets.get(index).copied().unwrap_or(0) as usize;
    at(index)..at(index + 1)
}

/// Writes an integer so that small ones take few bytes.
pub(in crate::arrow) fn write_integer(value: i64, out: &mut Vec<u8>) {
    write_unsigned((value << 1 ^ value >> 63) as u64, out);
}

pub(in crate::arrow) fn write_unsigned(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the number of bytes that [`write_unsigned`] writes.
pub(in crate::arrow) fn unsigned_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

fn read_integer(input: &mut &[u8]) -> Option<i64> {
    let value = read_unsigned(input)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

pub(in crate::arrow) fn read_unsigned(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take_bytes<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}
