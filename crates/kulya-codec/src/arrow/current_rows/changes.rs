//! Changes of rows as bytes: what they do to a table of rows, and the bytes of a row's columns.

use super::layout::Layout;
use super::row_table::RowTable;
use crate::arrow::column_buffer::ColumnBuffer;
use crate::arrow::column_buffer::value_bytes::{read_unsigned, write_unsigned};

/// A change of one row, as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) kind: ChangeKind,
    pub(super) key: &'a [u8],
    /// The log position, of counted rows how many they are, and the columns that are not of the key.
    pub(super) value: &'a [u8],
    /// The numbers of columns that keep their values.
    pub(super) unchanged: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    /// The row of a key is now this one.
    Put,
    /// The key has no row any more.
    Remove,
    /// There is one more of equal rows.
    Add,
    /// There is one less.
    Subtract,
    /// No key has a row any more.
    Clear,
}

impl<'a> Change<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.kind {
            ChangeKind::Put => 0,
            ChangeKind::Remove => 1,
            ChangeKind::Add => 2,
            ChangeKind::Subtract => 3,
            ChangeKind::Clear => 4,
        });
        for part in [self.key, self.value, self.unchanged] {
            write_unsigned(part.len() as u64, out);
            out.extend_from_slice(part);
        }
    }

    /// Reads the next change of a piece.
    pub(super) fn read(piece: &mut &'a [u8]) -> Option<Self> {
        let (kind, rest) = piece.split_first()?;
        let kind = match kind {
            0 => ChangeKind::Put,
            1 => ChangeKind::Remove,
            2 => ChangeKind::Add,
            3 => ChangeKind::Subtract,
            4 => ChangeKind::Clear,
            _ => return None,
        };
        *piece = rest;
        let mut part = || {
            let length = read_unsigned(piece)? as usize;
            let (part, rest) = piece.split_at_checked(length)?;
            *piece = rest;
            Some(part)
        };
        Some(Self { kind, key: part()?, value: part()?, unchanged: part()? })
    }
}

/// Returns a byte for each column that is not of the key: 1 if it is unchanged. Empty if none is.
pub(super) fn marks_of(unchanged: &[usize], key_width: usize, others: usize) -> Vec<u8> {
    if unchanged.is_empty() {
        return Vec::new();
    }
    (0..others).map(|index| u8::from(unchanged.contains(&(index + key_width)))).collect()
}

pub(super) fn read_values(buffers: &mut [ColumnBuffer], bytes: &mut &[u8]) -> Option<()> {
    buffers.iter_mut().try_for_each(|buffer| buffer.read_value(bytes))
}

/// Writes the columns that are not of the key: a bit for each that is not null, then the values.
pub(super) fn write_columns(buffers: &[ColumnBuffer], out: &mut Vec<u8>) {
    for eight in buffers.chunks(8) {
        let bits = eight.iter().enumerate().map(|(bit, buffer)| u8::from(!buffer.is_null(0)) << bit);
        out.push(bits.fold(0, |byte, bit| byte | bit));
    }
    buffers.iter().filter(|buffer| !buffer.is_null(0)).for_each(|buffer| buffer.write_non_null(0, out));
}

pub(super) fn read_columns(buffers: &mut [ColumnBuffer], bytes: &mut &[u8]) -> Option<()> {
    let (bits, rest) = bytes.split_at_checked(buffers.len().div_ceil(8))?;
    *bytes = rest;
    for (eight, bits) in buffers.chunks_mut(8).zip(bits) {
        for (bit, buffer) in eight.iter_mut().enumerate() {
            if bits >> bit & 1 == 1 {
                buffer.read_non_null(bytes)?;
            } else {
                buffer.push_null();
            }
        }
    }
    Some(())
}

/// Applies a change to a table whose rows up to the log position `truncated` are gone.
pub(super) fn apply_change(
    table: &mut RowTable,
    change: &Change<'_>,
    layout: &Layout,
    truncated: Option<u64>,
) {
    match change.kind {
        ChangeKind::Put if change.unchanged.is_empty() => table.put(change.key, change.value),
        ChangeKind::Put => {
            let value = merge(change, table.get(change.key), layout);
            table.put(change.key, value.as_deref().unwrap_or(change.value));
        }
        ChangeKind::Remove => {
            table.remove(change.key);
        }
        ChangeKind::Add => {
            let (position, added, others) = counted(change.value);
            // equal rows of before a truncate are not there any more
            let stored = table.get(change.key).map(counted);
            let is_there = |position: u64| position.checked_sub(1) > truncated || truncated.is_none();
            let stored = stored.filter(|(position, ..)| is_there(*position)).map_or(0, |(_, count, _)| count);
            table.put(change.key, &counted_value(position, stored.saturating_add(added), others));
        }
        ChangeKind::Subtract => match table.get(change.key).map(counted) {
            Some((position, count @ 2.., others)) => {
                let value = counted_value(position, count - 1, others);
                table.put(change.key, &value);
            }
            Some(_) => {
                table.remove(change.key);
            }
            None => {}
        },
        ChangeKind::Clear => table.clear(),
    }
}

/// Returns the position, as it is stored, and the count of equal rows, and their other columns.
fn counted(mut value: &[u8]) -> (u64, u64, &[u8]) {
    (read_unsigned(&mut value).unwrap_or(0), read_unsigned(&mut value).unwrap_or(0), value)
}

fn counted_value(position: u64, count: u64, others: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(others.len() + 12);
    write_unsigned(position, &mut value);
    write_unsigned(count, &mut value);
    value.extend_from_slice(others);
    value
}

/// Returns the value of a row with the unchanged columns of the row that is stored.
fn merge(change: &Change<'_>, stored: Option<&[u8]>, layout: &Layout) -> Option<Vec<u8>> {
    let (mut new, mut old) = (layout.other_buffers()?, layout.other_buffers()?);
    let mut value = change.value;
    let position = read_unsigned(&mut value)?;
    read_columns(&mut new, &mut value)?;
    let mut stored = stored?;
    read_unsigned(&mut stored)?;
    read_columns(&mut old, &mut stored)?;
    for (index, (new, old)) in new.iter_mut().zip(&mut old).enumerate() {
        if change.unchanged.get(index).is_some_and(|is_unchanged| *is_unchanged == 1) {
            std::mem::swap(new, old);
        }
    }
    let mut merged = Vec::with_capacity(change.value.len() + stored.len());
    write_unsigned(position, &mut merged);
    write_columns(&new, &mut merged);
    Some(merged)
}
