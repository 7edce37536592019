//! Long rows of a result: splits bytes, as they come, into cells, and keeps the short ones, so that the
//! memory is bounded whatever the row's size.

use super::query::NULL_MARKER;
use super::text_row::TextRow;
use std::ops::Range;

/// The length up to which a cell is kept, in bytes. Keys of the servers have less.
const MAX_SHORT_CELL: u64 = 4096;
/// Bytes of the longest length of a cell: a marker, and eight bytes.
const MAX_LENGTH_BYTES: usize = 9;

/// Keeps the short cells of a row.
pub(super) struct RowCutter {
    /// The number of cells.
    columns: usize,
    /// The row's length so far, in bytes.
    length: usize,
    kept: Vec<u8>,
    cells: Vec<Option<Range<usize>>>,
    left: Vec<usize>,
    stage: Stage,
}

/// What comes next.
enum Stage {
    /// The length of a cell, of which these bytes are there.
    Length(Vec<u8>),
    /// The rest of a cell, and where it begins if it is kept.
    Content { missing: u64, start: Option<usize> },
}

impl RowCutter {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            columns,
            length: 0,
            kept: Vec::new(),
            cells: Vec::new(),
            left: Vec::new(),
            stage: Stage::Length(Vec::with_capacity(MAX_LENGTH_BYTES)),
        }
    }

    /// Adds bytes; `None` if they are no row of so many cells.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<()> {
        self.length = self.length.saturating_add(bytes.len());
        let mut input = bytes;
        while !input.is_empty() {
            match &mut self.stage {
                Stage::Length(read) => {
                    let (first, rest) = input.split_first()?;
                    input = rest;
                    read.push(*first);
                    if self.cells.len() == self.columns {
                        return None;
                    }
                    self.begin_cell()?;
                }
                Stage::Content { missing, start } => {
                    let length = usize::try_from(*missing).unwrap_or(usize::MAX).min(input.len());
                    let (taken, rest) = input.split_at(length);
                    input = rest;
                    *missing -= taken.len() as u64;
                    if start.is_some() {
                        self.kept.extend_from_slice(taken);
                    }
                    self.end_cell();
                }
            }
        }
        Some(())
    }

    /// Begins a cell if its length is complete; `None` for an invalid length.
    fn begin_cell(&mut self) -> Option<()> {
        let Stage::Length(read) = &mut self.stage else { return Some(()) };
        let (marker, number) = read.split_first().map(|(first, rest)| (*first, rest))?;
        let size = match marker {
            NULL_MARKER => {
                read.clear();
                self.cells.push(None);
                return Some(());
            }
            0..=0xfa => 0,
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            _ => return None,
        };
        if number.len() < size {
            return Some(());
        }
        let number = number.iter().rev().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let missing = if size == 0 { u64::from(marker) } else { number };
        let start = (missing <= MAX_SHORT_CELL).then_some(self.kept.len());
        self.stage = Stage::Content { missing, start };
        self.end_cell();
        Some(())
    }

    /// Ends the cell if it is complete.
    fn end_cell(&mut self) {
        let Stage::Content { missing: 0, start } = self.stage else { return };
        if start.is_none() {
            self.left.push(self.cells.len());
        }
        self.cells.push(start.map(|start| start..self.kept.len()));
        self.stage = Stage::Length(Vec::with_capacity(MAX_LENGTH_BYTES));
    }

    /// Returns the row; `None` if it is not complete.
    pub(super) fn finish(self) -> Option<TextRow> {
        let is_between = matches!(&self.stage, Stage::Length(read) if read.is_empty());
        let Self { columns, length, kept, cells, left, .. } = self;
        let is_complete = is_between && cells.len() == columns;
        is_complete.then(|| TextRow { packet: kept.into(), cells, left, cut_from: Some(length) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::put_length;
    use super::*;
    use proptest::prelude::*;

    fn cut(row: &[u8], piece: usize, columns: usize) -> Option<TextRow> {
        let mut cutter = RowCutter::new(columns);
        for piece in row.chunks(piece) {
            cutter.add(piece)?;
            assert!(cutter.kept.len() <= columns * 4096);
        }
        cutter.finish()
    }

    #[test]
    fn short_cells_are_kept() {
        let mut row = Vec::new();
        for cell in [Some(3), None, Some(0), Some(4096), Some(4097), Some(70_000), Some(2)] {
            match cell {
                None => row.push(NULL_MARKER),
                Some(length) => {
                    put_length(&mut row, length);
                    row.resize(row.len() + length, b'x');
                }
            }
        }
        for piece in [1, 7, 1000, 1 << 20] {
            let found = cut(&row, piece, 7).unwrap();
            let lengths: Vec<Option<usize>> = found.cells().map(|cell| cell.map(<[u8]>::len)).collect();
            assert_eq!(lengths, [Some(3), None, Some(0), Some(4096), None, None, Some(2)]);
            let left: Vec<bool> = (0..7).map(|index| found.is_left(index)).collect();
            assert_eq!(left, [false, false, false, false, true, true, false]);
            assert_eq!(found.cut_from(), Some(row.len()));
        }
        for columns in [6, 8] {
            assert!(cut(&row, 1000, columns).is_none());
        }
        assert!(cut(&row[..row.len() - 1], 1000, 7).is_none());
        assert!(cut(b"\xff", 1, 1).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut_or_refused(bytes: Vec<u8>, piece in 1usize..9, columns in 0usize..9) {
            if let Some(row) = cut(&bytes, piece, columns) {
                prop_assert_eq!(row.cells().count(), columns);
                prop_assert!(row.cut_from() == Some(bytes.len()));
            }
        }
    }
}
