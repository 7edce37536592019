//! Rows as bytes: keys that can be hashed and compared, and columns again from bytes.

use crate::error::{Problem, Result};
use crate::row_check;
use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, RowParser, Rows, SortField};
use arrow_schema::{DataType, SortOptions};

/// Converts rows of fixed column types to bytes in Arrow's row format and back.
///
/// The bytes of a row say where they end, so that rows can stand behind one another.
pub(crate) struct RowCodec {
    fields: Vec<(DataType, SortOptions)>,
    converter: RowConverter,
    parser: RowParser,
}

impl std::fmt::Debug for RowCodec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(&self.fields).finish()
    }
}

impl RowCodec {
    /// Rows of the types, in ascending order with nulls first.
    pub(crate) fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self> {
        Self::ordered(types.into_iter().map(|data_type| (data_type, SortOptions::default())))
    }

    /// Rows of the types, whose bytes compare as the columns do in their orders.
    pub(crate) fn ordered(fields: impl IntoIterator<Item = (DataType, SortOptions)>) -> Result<Self> {
        let fields: Vec<_> = fields.into_iter().collect();
        fields.iter().try_for_each(|(data_type, options)| row_check::supports(data_type, *options))?;
        let sorted = |(data_type, options): &(DataType, SortOptions)| {
            SortField::new_with_options(data_type.clone(), *options)
        };
        let converter = RowConverter::new(fields.iter().map(sorted).collect())?;
        let parser = converter.parser();
        Ok(Self { fields, converter, parser })
    }

    /// The bytes of each row.
    pub(crate) fn encode(&self, columns: &[ArrayRef], row_count: usize) -> Result<EncodedRows> {
        match columns {
            [] => Ok(EncodedRows { rows: None, row_count }),
            columns => {
                let rows = self.converter.convert_columns(columns)?;
                Ok(EncodedRows { row_count: rows.num_rows(), rows: Some(rows) })
            }
        }
    }

    /// The columns of rows that [`Self::encode`] or [`Self::check`] has seen.
    pub(crate) fn decode<'a>(&'a self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        if self.fields.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.converter.convert_rows(rows.into_iter().map(|bytes| self.parser.parse(bytes)))?)
    }

    /// Checks that the bytes are one row.
    ///
    /// # Errors
    /// [`Problem::State`] if they are not.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<()> {
        match self.check_prefix(bytes)? {
            [] => Ok(()),
            rest => Err(Problem::state(format!("a row has {} bytes too many", rest.len()))),
        }
    }

    /// Checks that the bytes begin with a row, and returns those behind it.
    pub(crate) fn check_prefix<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let mut rest = bytes;
        for (data_type, options) in &self.fields {
            rest = row_check::skip(rest, data_type, *options)
                .ok_or_else(|| Problem::state("a row does not have the columns' types"))?;
        }
        Ok(rest)
    }
}

/// The bytes of rows.
pub(crate) struct EncodedRows {
    rows: Option<Rows>,
    row_count: usize,
}

impl EncodedRows {
    /// The bytes of a row; of a row without columns, none.
    pub(crate) fn row(&self, index: usize) -> &[u8] {
        match &self.rows {
            Some(rows) => rows.row(index).data(),
            None => &[],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.row_count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.row_count).map(|index| self.row(index))
    }
}

/// Whether a row has a null in one of the columns.
pub(crate) fn any_null(columns: &[ArrayRef], row: usize) -> bool {
    columns.iter().any(|column| column.is_null(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{BooleanArray, Decimal128Array, Int64Array, StringArray, StructArray};
    use arrow_schema::{Field, Fields};
    use proptest::prelude::*;
    use std::sync::Arc;

    /// State in a program's folder has these bytes. Should a version of Arrow change them, count
    /// `operator::FORMAT_VERSION` up.
    #[test]
    fn the_bytes_of_rows_do_not_change() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(-2), None])),
            Arc::new(StringArray::from(vec![Some("long enough"), Some("")])),
            Arc::new(Decimal128Array::from(vec![Some(5), None])),
        ];
        let codec = RowCodec::new(columns.iter().map(|column| column.data_type().clone())).unwrap();
        let rows = codec.encode(&columns, 2).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(rows.row(0)),
            "017ffffffffffffffe026c6f6e6720656e6fff7567680000000000030180000000000000000000000000000005"
        );
        assert_eq!(hex(rows.row(1)), "000000000000000000010000000000000000000000000000000000");
        assert_eq!(codec.decode(rows.iter()).unwrap()[1].as_ref(), columns[1].as_ref());
    }

    const DESCENDING: SortOptions = SortOptions { descending: true, nulls_first: false };

    /// Columns of every encoding, with their orders.
    fn columns() -> (Vec<ArrayRef>, RowCodec) {
        let long = "ß".repeat(40);
        let texts =
            || Arc::new(StringArray::from(vec![Some(long.as_str()), Some(""), None, Some("é")])) as ArrayRef;
        let mut lists = ListBuilder::new(StringBuilder::new());
        for items in [vec![Some("ü"), None], vec![], vec![Some(long.as_str())], vec![Some("")]] {
            lists.append_value(items);
        }
        let fields = Fields::from(vec![Field::new("t", DataType::Utf8, true)]);
        let structs = StructArray::new(fields, vec![texts()], Some(vec![true, false, true, true].into()));
        let columns: Vec<ArrayRef> = vec![
            texts(),
            texts(),
            Arc::new(Int64Array::from(vec![Some(1), None, Some(-1), Some(2)])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), None])),
            Arc::new(lists.finish()),
            Arc::new(structs),
        ];
        let orders = [SortOptions::default(), DESCENDING, DESCENDING]
            .into_iter()
            .chain(std::iter::repeat(SortOptions::default()));
        let types = columns.iter().map(|column| column.data_type().clone());
        let codec = RowCodec::ordered(types.zip(orders)).unwrap();
        (columns, codec)
    }

    #[test]
    fn rows_are_checked_and_decoded() {
        let (columns, codec) = columns();
        let rows = codec.encode(&columns, 4).unwrap();
        rows.iter().for_each(|row| codec.check(row).unwrap());
        assert_eq!(codec.decode(rows.iter()).unwrap(), columns);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        /// The decoder panics at bytes that are no row; what passes the check is one.
        #[test]
        fn damaged_rows_are_refused_or_decoded(
            row in 0..4usize, place in any::<usize>(), byte in any::<u8>(), kind in 0..4u8
        ) {
            let (columns, codec) = columns();
            let mut bytes = codec.encode(&columns, 4).unwrap().row(row).to_vec();
            let place = place % bytes.len();
            match kind {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, byte),
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = byte,
            }
            if codec.check(&bytes).is_ok() {
                codec.decode([bytes.as_slice()]).unwrap();
            }
        }
    }
}
