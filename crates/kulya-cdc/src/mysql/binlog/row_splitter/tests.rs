//! Rows of real logs, and of tables with long cells, in pieces of any length.

use super::super::{Checksum, Decoder, Event, LogFile, Row, TableMap};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Images = (Vec<String>, Vec<String>);

fn images(row: &Row<'_>) -> Images {
    let text = |cells: &[Value<'_>]| cells.iter().map(|cell| format!("{cell:?}")).collect();
    (text(&row.before), text(&row.after))
}

/// Splits rows that arrive in pieces; of rows beyond the limit there are the cells that are kept.
fn split(table: &TableMap, kind: RowsKind, bytes: &[u8], piece: usize, limit: usize) -> Vec<Result<Images>> {
    let mut splitter = RowSplitter::new(kind, limit);
    let mut found = Vec::new();
    for mut piece in bytes.chunks(piece) {
        loop {
            match splitter.next(table, &mut piece) {
                Ok(None) => break,
                Ok(Some(SplitRow::Whole(mut rows))) => {
                    let mut row = Row::default();
                    found.push(rows.next_row(&mut row).map(|_| images(&row)));
                }
                Ok(Some(SplitRow::Cut(row))) => {
                    let cells = row.cells.iter().map(|cell| match cell {
                        Some(cell) => format!("{cell:?}"),
                        None => "left".to_owned(),
                    });
                    found.push(Ok((vec![row.length.to_string()], cells.collect())));
                }
                Err(error) => {
                    found.push(Err(error));
                    return found;
                }
            }
        }
        assert!(splitter.row.len() <= limit + (bytes.len() / 8).max(64) + piece.len());
    }
    assert!(splitter.is_at_end());
    found
}

/// The row events of a log, each with its table.
fn row_events(file: &[u8], mut check: impl FnMut(&TableMap, &super::super::RowsEvent<'_>)) -> usize {
    let mut decoder = Decoder::new(Checksum::Off);
    let (mut tables, mut count) = (BTreeMap::new(), 0);
    for event in LogFile::new(file).unwrap() {
        match decoder.decode(event.unwrap().1).unwrap().1 {
            Event::TableMap(event) => _ = tables.insert(event.table_id, TableMap::prepare(&event).unwrap()),
            Event::Rows(event) => {
                if let Some(table) = tables.get(&event.table_id) {
                    check(table, &event);
                    count += 1;
                }
            }
            _ => {}
        }
    }
    count
}

#[test]
fn rows_of_real_logs_are_split_in_pieces_of_any_length() {
    for name in ["mysql-full.1", "mysql-full.2", "mysql-v1.1", "mariadb-full.1", "mariadb-compressed.1"] {
        let path = format!("{}/tests/data/mysql/{name}.binlog", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read(path).unwrap();
        let count = row_events(&file, |table, event| {
            let mut rows = event.rows(table).unwrap();
            let (mut row, mut expected) = (Row::default(), Vec::new());
            while rows.next_row(&mut row).unwrap() {
                expected.push(Ok(images(&row)));
            }
            for piece in [1, 7, 1 << 20] {
                assert_eq!(split(table, event.kind, event.row_bytes(), piece, 1 << 20), expected, "{name}");
            }
        });
        assert!(count > 5, "{name} {count}");
    }
}

/// A table `(id INT, a LONGBLOB, b VARCHAR(9))`.
fn table() -> TableMap {
    use super::super::table_map::ColumnType::{Blob, Integer, VarChar};
    let types =
        vec![Integer { bytes: 4, is_unsigned: false }, Blob { length_bytes: 4 }, VarChar { max_bytes: 9 }];
    TableMap::of_types(types)
}

fn image(id: u32, a: Option<usize>, b: &str) -> Vec<u8> {
    let mut bytes = vec![if a.is_some() { 0 } else { 2 }];
    bytes.extend_from_slice(&id.to_le_bytes());
    if let Some(length) = a {
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        bytes.resize(bytes.len() + length, b'x');
    }
    bytes.push(b.len() as u8);
    bytes.extend_from_slice(b.as_bytes());
    bytes
}

#[test]
fn of_rows_beyond_the_limit_short_cells_are_kept() {
    let rows =
        [image(1, Some(10), "a"), image(2, Some(50_000), "b"), image(3, None, ""), image(4, Some(9), "d")];
    let length = rows[1].len();
    for piece in [1, 1000, 1 << 20] {
        let found = split(&table(), RowsKind::Insert, &rows.concat(), piece, 20_000);
        let found: Vec<Images> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].1[0], "Int(1)");
        assert_eq!(
            found[1],
            (vec![length.to_string()], vec!["Int(2)".into(), "left".into(), "Bytes([98])".into()])
        );
        assert_eq!((found[2].1[1].as_str(), found[3].1[0].as_str()), ("Null", "Int(4)"));
    }
    // the old row fits, and both together do not
    let update = [image(5, Some(15_000), "e"), image(6, Some(15_000), "f")].concat();
    let found = split(&table(), RowsKind::Update, &update, 999, 20_000);
    let expected = vec!["Int(6)".to_owned(), "left".into(), "Bytes([102])".into()];
    assert_eq!(found, [Ok((vec![update.len().to_string()], expected))]);
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_not(bytes: Vec<u8>, piece in 1usize..9, limit in 1usize..300) {
        for kind in [RowsKind::Insert, RowsKind::Update] {
            let mut splitter = RowSplitter::new(kind, limit);
            let table = table();
            for mut piece in bytes.chunks(piece) {
                while let Ok(Some(row)) = splitter.next(&table, &mut piece) {
                    if let SplitRow::Cut(row) = row {
                        prop_assert_eq!(row.cells.len(), 3);
                    }
                }
            }
            prop_assert!(splitter.row.len() <= limit + bytes.len());
        }
    }

    #[test]
    fn cells_have_the_length_that_decoding_takes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        use super::super::table_map::ColumnType as C;
        let types = [
            C::Integer { bytes: 3, is_unsigned: true }, C::Float, C::Double, C::Decimal { precision: 20, scale: 7 },
            C::Date, C::Time { digits: 5 }, C::DateTime { digits: 3 }, C::Timestamp { digits: 1 }, C::OldTime,
            C::OldDateTime, C::OldTimestamp, C::Year, C::Bit { bits: 17 }, C::Enum { bytes: 2 }, C::Set { bytes: 5 },
            C::Char { max_bytes: 300 }, C::VarChar { max_bytes: 255 }, C::Blob { length_bytes: 2 },
            C::Json { length_bytes: 4 }, C::Geometry { length_bytes: 1 }, C::Vector { length_bytes: 3 },
            C::CompressedVarChar { max_bytes: 9 }, C::CompressedBlob { length_bytes: 2 },
        ];
        for column_type in types {
            let mut reader = Reader::new(&bytes);
            if Value::decode(column_type, &mut reader).is_err() {
                continue;
            }
            let taken = bytes.len() - reader.rest().len();
            let length = match column_type.cell_length().unwrap() {
                CellLength::Fixed(length) => length,
                CellLength::Counted(size) => {
                    let length = Reader::new(&bytes).uint(size, "").unwrap();
                    size + usize::try_from(length).unwrap()
                }
            };
            prop_assert_eq!(taken, length, "{:?}", column_type);
        }
    }
}
