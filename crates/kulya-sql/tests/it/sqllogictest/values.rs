//! The values of rows as the files have them: texts by the type that a record gives each column.

use super::records::{Expected, Order};
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use md5::{Digest, Md5};

/// Returns the values of all rows in the order of a record.
pub(super) fn values(batches: &[RecordBatch], types: &str, order: Order) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<String>> = batch
            .columns()
            .iter()
            .zip(types.chars().chain(std::iter::repeat('T')))
            .map(|(column, letter)| texts(column, letter))
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|it| it[row].clone()).collect()));
    }
    if order == Order::Rows {
        rows.sort_unstable();
    }
    let mut values: Vec<String> = rows.into_iter().flatten().collect();
    if order == Order::Values {
        values.sort_unstable();
    }
    values
}

/// Whether values are those of a record.
pub(super) fn are_expected(values: &[String], expected: &Expected) -> bool {
    match expected {
        Expected::Values(expected) => values == expected,
        Expected::Hash(count, hash) => {
            let mut md5 = Md5::new();
            for value in values {
                md5.update(value.as_bytes());
                md5.update(b"\n");
            }
            let found: String = md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            values.len() == *count && found == *hash
        }
    }
}

fn texts(column: &ArrayRef, letter: char) -> Vec<String> {
    let is_number = column.data_type().is_numeric();
    let column = match letter {
        // a real number as an integer: its fraction is cut off
        'I' if is_number || *column.data_type() == DataType::Boolean => {
            cast(column, &DataType::Int64).unwrap()
        }
        'R' if is_number => cast(column, &DataType::Float64).unwrap(),
        _ => ArrayRef::clone(column),
    };
    let formatter = ArrayFormatter::try_new(&column, &FormatOptions::default()).unwrap();
    let text = |row: usize| {
        if column.is_null(row) {
            return "NULL".to_owned();
        }
        let text = formatter.value(row).to_string();
        match letter {
            'R' => text.parse().map_or(text, |number: f64| format!("{number:.3}")),
            // a text as an integer is that which it begins with
            'I' if !is_number && *column.data_type() != DataType::Int64 => leading_integer(&text),
            _ if text.is_empty() => "(empty)".to_owned(),
            _ => text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '@' }).collect(),
        }
    };
    (0..column.len()).map(text).collect()
}

fn leading_integer(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    text[..end].parse::<i64>().unwrap_or_default().to_string()
}

#[test]
fn values_are_texts_by_the_types_of_a_record() {
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use std::sync::Arc;
    let batch = RecordBatch::try_from_iter([
        ("a", Arc::new(Int64Array::from(vec![Some(10), Some(9), None])) as ArrayRef),
        ("b", Arc::new(Float64Array::from(vec![-1.5, 2.0, 0.25])) as ArrayRef),
        ("c", Arc::new(StringArray::from(vec!["", "x\ty", "12a"])) as ArrayRef),
    ])
    .unwrap();
    let of = |types: &str, order| values(std::slice::from_ref(&batch), types, order).join(" ");
    assert_eq!(of("IIT", Order::AsGiven), "10 -1 (empty) 9 2 x@y NULL 0 12a");
    assert_eq!(of("IRI", Order::Rows), "10 -1.500 0 9 2.000 0 NULL 0.250 12");
    assert_eq!(of("IIT", Order::Values), "(empty) -1 0 10 12a 2 9 NULL x@y");
    let hash = Expected::Hash(2, "b8a0b7ba1dd4d4cbc8f1ef4f8b9ea5c4".to_owned());
    assert!(!are_expected(&["1".to_owned()], &hash), "another number of values");
    let hash = Expected::Hash(3, "3c13dee48d9356ae19af2515e05e6b54".to_owned());
    assert!(!are_expected(&["1".to_owned(), "2".to_owned(), "3".to_owned()], &hash), "another hash");
}
