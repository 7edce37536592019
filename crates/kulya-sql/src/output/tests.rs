//! The formats, with values that are hard for them.

use super::*;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use arrow::array::{Int32Array, StructArray};

/// A number, a text and a row, with nulls and characters that have a meaning.
fn rows() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(-300)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a|b, \"c\""), None, Some("")]));
    let field = Field::new("x", DataType::Int32, true);
    let row: ArrayRef = Arc::new(StructArray::from(vec![(Arc::new(field), Arc::clone(&numbers))]));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("text", texts, true), ("r", row, true)])
        .unwrap()
}

fn written(rows: &RecordBatch, format: OutputFormat) -> String {
    let result =
        StatementResult::Rows { schema: rows.schema(), batches: vec![rows.clone()], warnings: Vec::new() };
    result.write(format).unwrap()
}

#[test]
fn formats_have_nulls_and_nested_values() {
    for (format, expected) in [
        (
            OutputFormat::Table,
            "+--------+----------+-----------+\n\
             | n      | text     | r         |\n\
             +--------+----------+-----------+\n\
             |      1 | a|b, \"c\" | {x: 1}    |\n\
             | <NULL> | <NULL>   | {x: NULL} |\n\
             |   -300 |          | {x: -300} |\n\
             +--------+----------+-----------+\n",
        ),
        (
            OutputFormat::Vertical,
            "-[ row 1 ]----\nn    | 1\ntext | a|b, \"c\"\nr    | {x: 1}\n\
             -[ row 2 ]----\nn    | <NULL>\ntext | <NULL>\nr    | {x: NULL}\n\
             -[ row 3 ]----\nn    | -300\ntext | \nr    | {x: -300}\n",
        ),
        (OutputFormat::Csv, "n,text,r\n1,\"a|b, \"\"c\"\"\",{x: 1}\n,,{x: NULL}\n-300,\"\",{x: -300}\n"),
        (
            OutputFormat::Json,
            "{\"n\":1,\"text\":\"a|b, \\\"c\\\"\",\"r\":{\"x\":1}}\n\
             {\"n\":null,\"text\":null,\"r\":{\"x\":null}}\n\
             {\"n\":-300,\"text\":\"\",\"r\":{\"x\":-300}}\n",
        ),
        (
            OutputFormat::Markdown,
            "| n | text | r |\n|---:|---|---|\n| 1 | a\\|b, \"c\" | {x: 1} |\n| &lt;NULL> | &lt;NULL> | {x: NULL} |\n| -300 |  | {x: -300} |\n",
        ),
    ] {
        assert_eq!(written(&rows(), format), expected, "{format:?}");
    }
}

#[test]
fn results_without_rows_have_a_header() {
    let none = rows().slice(0, 0);
    for (format, expected) in [
        (OutputFormat::Table, "+---+------+---+\n| n | text | r |\n+---+------+---+\n+---+------+---+\n"),
        (OutputFormat::Vertical, ""),
        (OutputFormat::Csv, "n,text,r\n"),
        (OutputFormat::Json, ""),
        (OutputFormat::Markdown, "| n | text | r |\n|---:|---|---|\n"),
    ] {
        assert_eq!(written(&none, format), expected, "{format:?}");
        let schema = none.schema();
        let finished = RowWriter::new(&schema, format).unwrap().finish().unwrap();
        assert_eq!(String::from_utf8(finished).unwrap(), expected, "{format:?}");
    }
}

#[test]
fn values_do_not_control_the_terminal() {
    let texts: ArrayRef =
        Arc::new(StringArray::from(vec!["\u{1b}[2J\u{7}\t\r", "two\nlines\u{9b}0m\u{202e}"]));
    let rows = RecordBatch::try_from_iter([("a\u{1b}c", texts)]).unwrap();
    for (format, expected) in [
        (
            OutputFormat::Table,
            "+---------------------+\n\
             | a\\u001bc            |\n\
             +---------------------+\n\
             | \\u001b[2J\\u0007\\t\\r |\n\
             | two                 |\n\
             | lines\\u009b0m\\u202e |\n\
             +---------------------+\n",
        ),
        (
            OutputFormat::Vertical,
            "-[ row 1 ]--------\na\\u001bc | \\u001b[2J\\u0007\\t\\r\n-[ row 2 ]--------\na\\u001bc | two\n         | lines\\u009b0m\\u202e\n",
        ),
        (
            OutputFormat::Markdown,
            "| a\\u001bc |\n|---|\n| \\u001b[2J\\u0007\\t\\r |\n| two<br>lines\\u009b0m\\u202e |\n",
        ),
    ] {
        assert_eq!(written(&rows, format), expected, "{format:?}");
    }
    // data for programs is not changed
    assert!(written(&rows, OutputFormat::Csv).contains("\"\u{1b}[2J\u{7}\t\r\""));
}

#[test]
fn empty_texts_and_nulls_of_one_column_are_no_empty_lines() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("")]));
    let rows = RecordBatch::try_from_iter([("t", texts)]).unwrap();
    assert_eq!(written(&rows, OutputFormat::Csv), "t\nx\n\"\"\n\"\"\n");
}

/// Rows beyond those that determine the widths are written as they come.
#[test]
fn long_tables_are_written_as_they_come() {
    let batch = |count: usize, text: &str| {
        let texts: ArrayRef = Arc::new((0..count).map(|_| Some(text)).collect::<StringArray>());
        RecordBatch::try_from_iter([("t", texts)]).unwrap()
    };
    let wide = "東京".repeat(40);
    let mut writer = RowWriter::new(&batch(0, "").schema(), OutputFormat::Table).unwrap();
    assert!(writer.write(&batch(999, "xy")).unwrap().is_empty());
    let first = String::from_utf8(writer.write(&batch(2, "東京")).unwrap()).unwrap();
    assert!(
        first.starts_with("+------+\n| t    |\n+------+\n| xy   |\n")
            && first.ends_with("| 東京 |\n| 東京 |\n")
    );
    assert_eq!(first.lines().count(), 1004);
    assert_eq!(writer.write(&batch(1, "z")).unwrap(), b"| z    |\n");
    assert_eq!(String::from_utf8(writer.write(&batch(1, &wide)).unwrap()).unwrap(), format!("| {wide} |\n"));
    assert_eq!(writer.finish().unwrap(), b"+------+\n");
    // a value of a megabyte does not make every line that long
    let mut writer = RowWriter::new(&batch(0, "").schema(), OutputFormat::Table).unwrap();
    writer.write(&batch(1, &"x".repeat(1 << 20))).unwrap();
    writer.write(&batch(100, "y")).unwrap();
    assert!(writer.finish().unwrap().len() < (1 << 20) + 20_000);
}

#[test]
fn parquet_has_the_rows() {
    let rows = rows();
    let mut writer = RowWriter::new(&rows.schema(), OutputFormat::Parquet).unwrap();
    let mut file = writer.write(&rows).unwrap();
    file.extend(writer.finish().unwrap());
    let reader = ParquetRecordBatchReader::try_new(bytes::Bytes::from(file), 10).unwrap();
    let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(read, std::slice::from_ref(&rows));
    let result = StatementResult::Rows { schema: rows.schema(), batches: vec![rows], warnings: Vec::new() };
    assert!(result.write(OutputFormat::Parquet).is_err());
}
