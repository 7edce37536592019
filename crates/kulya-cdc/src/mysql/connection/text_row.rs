//! A row of a result as texts: its cells as parts of its bytes.

use super::field;
use super::query::NULL_MARKER;
use bytes::Bytes;
use std::ops::Range;

/// A row: the bytes of each cell's text. It keeps the packet that has them, at most 128 KiB with others, or
/// that of a longer row alone.
#[derive(Debug, Clone, Default)]
pub struct TextRow {
    pub(super) packet: Bytes,
    /// Where the cells are in the packet.
    pub(super) cells: Vec<Option<Range<usize>>>,
    /// The indexes of the cells that were left out of a long row.
    pub(super) left: Vec<usize>,
    /// The row's length in bytes, if cells were left out.
    pub(super) cut_from: Option<usize>,
}

impl TextRow {
    /// Returns the number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether the row has no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns the size of what is kept of the row, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.packet.len()
    }

    /// Returns the row's length in bytes if it was too long to be kept, so that only its short cells are
    /// there.
    pub(crate) fn cut_from(&self) -> Option<usize> {
        self.cut_from
    }

    /// Whether a cell was left out of a long row.
    pub(crate) fn is_left(&self, index: usize) -> bool {
        self.left.contains(&index)
    }

    /// Returns a cell; `None` for NULL, and beyond the last cell.
    pub fn cell(&self, index: usize) -> Option<&[u8]> {
        let range = self.cells.get(index)?.clone()?;
        self.packet.get(range)
    }

    /// Returns a cell's text; `None` for NULL, beyond the last cell, and for bytes that are no UTF-8.
    pub fn text(&self, index: usize) -> Option<&str> {
        std::str::from_utf8(self.cell(index)?).ok()
    }

    /// Returns the cells in order; `None` for NULL.
    pub fn cells(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.cells.iter().map(|cell| self.packet.get(cell.clone()?))
    }
}

/// Finds the cells of a row; false for bytes that are no row of so many columns.
pub(super) fn split(packet: &[u8], columns: usize, cells: &mut Vec<Option<Range<usize>>>) -> bool {
    cells.clear();
    let mut input = packet;
    for _ in 0..columns {
        if input.first() == Some(&NULL_MARKER) {
            input = input.get(1..).unwrap_or_default();
            cells.push(None);
            continue;
        }
        let Some(cell) = field::counted(&mut input) else { return false };
        let end = packet.len() - input.len();
        cells.push(Some(end - cell.len()..end));
    }
    input.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_split_into_cells() {
        let mut cells = Vec::new();
        let packet = b"\x02ab\xfb\0";
        assert!(split(packet, 3, &mut cells));
        let packet = Bytes::from_static(packet);
        let row = TextRow { packet, cells: cells.clone(), ..TextRow::default() };
        assert_eq!(row.cells().collect::<Vec<_>>(), [Some(&b"ab"[..]), None, Some(&b""[..])]);
        assert_eq!((row.cell(0), row.cell(1), row.cell(3)), (Some(&b"ab"[..]), None, None));
        for (packet, columns) in [(&b"\x02ab\xfb\0"[..], 2), (b"\x02ab\xfb\0", 4), (b"\x09ab", 1)] {
            assert!(!split(packet, columns, &mut cells), "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300), columns in 0_usize..500) {
            let mut cells = Vec::new();
            if split(&bytes, columns, &mut cells) {
                prop_assert_eq!(cells.len(), columns);
                let row = TextRow { packet: bytes.into(), cells, ..TextRow::default() };
                prop_assert_eq!(row.cells().count(), columns);
            }
        }
    }
}
