//! Nested values: in which of them constraints are checked, and where they are in Arrow's arrays.

/// The nested values in which constraints are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nested {
    Ignore,
    Rows,
    RowsAndCollections,
}

/// Returns the places of a row's items.
pub(super) fn range(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at = |index: usize| offsets.get(index).map_or(0, |offset| usize::try_from(*offset).unwrap_or(0));
    at(row)..at(row + 1)
}
