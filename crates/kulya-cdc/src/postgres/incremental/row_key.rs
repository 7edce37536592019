//! The key of a row as a chunk and the log both have it: the texts of its cells.

use crate::incremental::RowKey;
use crate::postgres::pgoutput::Cell;
use crate::postgres::table::Table;

/// Returns the key of cells; `None` if one has no value.
pub(super) fn from_cells<'a>(cells: impl Iterator<Item = Option<Cell<'a>>>) -> Option<RowKey> {
    let mut key = Vec::new();
    for cell in cells {
        let Some(Cell::Text(bytes)) = cell else { return None };
        // the length keeps ("a", "bc") from ("ab", "c")
        key.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        key.extend_from_slice(bytes);
    }
    Some(key.into())
}

/// Returns the key of a row of the log: of its primary key, or the surrogate key in a table without one.
/// `None` if the log does not have it.
pub(crate) fn row_key(table: &Table, surrogate_key: Option<&str>, cells: &[Cell<'_>]) -> Option<RowKey> {
    let cell = |name: &str| {
        let place = table.column_names().position(|column| column == name)?;
        cells.get(place).copied()
    };
    match (table.primary_key(), surrogate_key) {
        ([], None) => None,
        ([], Some(name)) => from_cells(std::iter::once(cell(name))),
        (names, _) => from_cells(names.iter().map(|name| cell(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_where_rows_do() {
        let key = |cells: &[Cell<'static>]| from_cells(cells.iter().map(|cell| Some(*cell)));
        let text = Cell::Text;
        assert_ne!(key(&[text(b"a"), text(b"bc")]), key(&[text(b"ab"), text(b"c")]));
        assert_eq!(key(&[text(b"a"), text(b"bc")]), key(&[text(b"a"), text(b"bc")]));
        for missing in [Cell::Null, Cell::Unchanged] {
            assert_eq!(key(&[text(b"a"), missing]), None);
        }
        assert_eq!(from_cells(std::iter::once(None)), None);
    }
}
