//! Rows of an event that is not in memory as a whole: splits bytes, as they come, into rows. Of a row beyond
//! a limit only the short cells are kept, so that the memory is bounded whatever the event's size.

use super::error::BinlogError;
use super::reader::Reader;
use super::rows::{Rows, RowsKind};
use super::table_map::{CellLength, TableMap};
use super::value::Value;
use std::ops::Range;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "rows";
/// The length up to which a cell is kept of a row beyond the limit, in bytes. Keys of the servers have less.
const MAX_SHORT_CELL: usize = 4096;

/// Splits the bytes of an event's rows.
#[derive(Debug)]
pub(crate) struct RowSplitter {
    kind: RowsKind,
    /// The size up to which a row is kept whole, in bytes.
    limit: usize,
    /// What is kept of the present row.
    row: Vec<u8>,
    cells: Vec<Cell>,
    /// The length of the present row so far, in bytes.
    length: usize,
    is_cut: bool,
    /// Whether the present row is complete, so that the next byte begins another one.
    is_complete: bool,
    /// The number of images of the present row that are complete.
    images: usize,
    /// The bitmap of nulls of the present image.
    nulls: Vec<u8>,
    stage: Stage,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Nulls,
    /// A cell, by the number of its column.
    Cell(usize),
    /// The rest of a cell's own length.
    Length {
        column: usize,
        read: usize,
        size: usize,
        value: u64,
    },
    /// The rest of a cell's bytes.
    Content {
        column: usize,
        left: usize,
        start: Option<usize>,
    },
}

/// A cell of the present row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Null,
    /// Where its bytes are, with its own length.
    Kept(Range<usize>),
    /// It was longer than what is kept.
    Left,
}

/// A row.
#[derive(Debug)]
pub(crate) enum SplitRow<'s> {
    /// All its bytes.
    Whole(Rows<'s>),
    /// A row beyond the limit.
    Cut(CutRow<'s>),
}

/// What is kept of a row beyond the limit.
#[derive(Debug)]
pub(crate) struct CutRow<'s> {
    /// The row's length in the log, in bytes.
    pub(crate) length: usize,
    /// The cells of the last image, the row after the change if there is one; `None` for a cell that is not
    /// kept.
    pub(crate) cells: Vec<Option<Value<'s>>>,
}

impl RowSplitter {
    pub(crate) fn new(kind: RowsKind, limit: usize) -> Self {
        Self {
            kind,
            limit,
            row: Vec::new(),
            cells: Vec::new(),
            length: 0,
            is_cut: false,
            is_complete: false,
            images: 0,
            nulls: Vec::new(),
            stage: Stage::Nulls,
        }
    }

    /// Whether the bytes so far end with a row.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_complete || self.length == 0
    }

    /// Takes bytes from the front of `input` up to the end of a row; `None` if the row goes on.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] for bytes that are not a row of the table.
    pub(crate) fn next<'s>(
        &'s mut self,
        table: &'s TableMap,
        input: &mut &[u8],
    ) -> Result<Option<SplitRow<'s>>> {
        if std::mem::take(&mut self.is_complete) {
            self.begin();
        }
        while !input.is_empty() || self.is_without_bytes(table) {
            self.step(table, input)?;
            if self.is_complete {
                return self.finished(table).map(Some);
            }
        }
        Ok(None)
    }

    fn begin(&mut self) {
        // memory of a long row is not kept for short ones
        if self.row.capacity() > self.limit / 8 {
            self.row = Vec::new();
        }
        self.row.clear();
        self.cells.clear();
        (self.length, self.images, self.is_cut) = (0, 0, false);
        self.nulls.clear();
        self.stage = Stage::Nulls;
    }

    /// Whether the next step takes no byte.
    fn is_without_bytes(&self, table: &TableMap) -> bool {
        match self.stage {
            Stage::Cell(column) => self.length > 0 && (column == table.types().len() || self.is_null(column)),
            Stage::Content { left, .. } => left == 0,
            Stage::Nulls | Stage::Length { .. } => false,
        }
    }

    fn is_null(&self, column: usize) -> bool {
        self.nulls.get(column / 8).is_some_and(|nulls| nulls >> (column % 8) & 1 != 0)
    }

    /// Takes the bytes of a part of the row, or as many of them as are there.
    fn step(&mut self, table: &TableMap, input: &mut &[u8]) -> Result<()> {
        match self.stage {
            Stage::Nulls => {
                let missing = table.types().len().div_ceil(8) - self.nulls.len();
                let taken = take(input, missing);
                self.nulls.extend_from_slice(taken);
                self.add(taken);
                if taken.len() == missing {
                    self.stage = Stage::Cell(0);
                }
            }
            Stage::Cell(column) => match table.types().get(column) {
                None => self.end_image(),
                Some(_) if self.is_null(column) => {
                    self.cells.push(Cell::Null);
                    self.stage = Stage::Cell(column + 1);
                }
                Some(column_type) => match column_type.cell_length().ok_or(BinlogError::malformed(PART))? {
                    CellLength::Fixed(length) => self.begin_content(column, 0, length),
                    CellLength::Counted(size) => {
                        self.stage = Stage::Length { column, read: 0, size, value: 0 };
                    }
                },
            },
            Stage::Length { column, mut read, size, mut value } => {
                for byte in take(input, size - read) {
                    value |= u64::from(*byte) << (8 * read);
                    read += 1;
                }
                self.stage = Stage::Length { column, read, size, value };
                if read == size {
                    let length = usize::try_from(value).map_err(|_| BinlogError::malformed(PART))?;
                    let bytes = value.to_le_bytes();
                    self.add(bytes.get(..size).unwrap_or_default());
                    self.begin_content(column, size, length);
                }
            }
            Stage::Content { column, left, start } => {
                let taken = take(input, left);
                if start.is_some() {
                    self.row.extend_from_slice(taken);
                }
                let left = left - taken.len();
                self.stage = Stage::Content { column, left, start };
                if left == 0 {
                    self.cells.push(start.map_or(Cell::Left, |start| Cell::Kept(start..self.row.len())));
                    self.stage = Stage::Cell(column + 1);
                }
            }
        }
        Ok(())
    }

    /// Adds bytes that are always kept.
    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.row.extend_from_slice(bytes);
    }

    /// Begins the bytes of a cell, whose own length of `size` bytes has been added.
    fn begin_content(&mut self, column: usize, size: usize, length: usize) {
        self.length = self.length.saturating_add(length);
        let mut start = Some(self.row.len() - size);
        if self.length > self.limit && !self.is_cut {
            let own_length = self.row.split_off(self.row.len() - size);
            self.cut();
            start = Some(self.row.len());
            self.row.extend_from_slice(&own_length);
        }
        if self.is_cut && length > MAX_SHORT_CELL {
            self.row.truncate(self.row.len() - size);
            start = None;
        }
        self.stage = Stage::Content { column, left: length, start };
    }

    /// Leaves out the long cells so far, and everything that only a whole row needs.
    fn cut(&mut self) {
        self.is_cut = true;
        let row = std::mem::take(&mut self.row);
        for cell in &mut self.cells {
            let Cell::Kept(range) = cell else { continue };
            if range.len() > MAX_SHORT_CELL + size_of::<u32>() {
                *cell = Cell::Left;
                continue;
            }
            let start = self.row.len();
            self.row.extend_from_slice(row.get(range.clone()).unwrap_or_default());
            *range = start..self.row.len();
        }
    }

    fn end_image(&mut self) {
        self.images += 1;
        self.nulls.clear();
        self.stage = Stage::Nulls;
        let images = if self.kind == RowsKind::Update { 2 } else { 1 };
        self.is_complete = self.images == images;
    }

    fn finished<'s>(&'s self, table: &'s TableMap) -> Result<SplitRow<'s>> {
        if !self.is_cut {
            return Ok(SplitRow::Whole(Rows::new(self.kind, table, &self.row)));
        }
        let types = table.types();
        let last_image = self.cells.len().saturating_sub(types.len());
        let cells = self.cells.get(last_image..).unwrap_or_default();
        let decode = |(cell, column_type): (&Cell, &_)| match cell {
            Cell::Null => Ok(Some(Value::Null)),
            Cell::Left => Ok(None),
            Cell::Kept(range) => {
                let mut reader = Reader::new(self.row.get(range.clone()).unwrap_or_default());
                Value::decode(*column_type, &mut reader).map(Some)
            }
        };
        let cells = cells.iter().zip(types).map(decode).collect::<Result<_>>()?;
        Ok(SplitRow::Cut(CutRow { length: self.length, cells }))
    }
}

/// Takes at most `length` bytes from the front.
fn take<'a>(input: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(length.min(input.len()));
    *input = rest;
    taken
}

#[cfg(test)]
mod tests;
