//! Expressions with the answers of Flink SQL: `tests/data/flink_expressions.txt` has Flink's type and
//! value of each, which a test with Flink writes and compares, and every run compares with Kulya's.
//!
//! ```text
//! CONCAT('a', 'b')
//! = STRING "ab"
//! CAST('x' AS INT)
//! = error
//! ARRAY[1][4]
//! = INT -1
//! ~ INT null: Flink's -1 stands for null
//! ```
//!
//! A line with `~` is a difference: Kulya's answer, and why. `KULYA_REGENERATE=1` writes Flink's answers in
//! the test with Flink, and Kulya's with `?` for the reason in the other.

use super::TestCatalog;
use crate::flink_sql::{FlinkSql, Mode};
use kulya_sql::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use kulya_sql::arrow::compute::cast;
use kulya_sql::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use kulya_sql::arrow::util::display::{ArrayFormatter, FormatOptions};
use kulya_sql::{Session, SqlError, StatementResult};
use std::path::PathBuf;

/// Flink takes most of a second for each, so that it is asked for every one of so many; for all with
/// `KULYA_ALL=1`.
const SAMPLED: usize = 30;

/// An expression or query, and Flink's answer.
#[derive(Debug, Clone)]
struct Example {
    /// Lines before it, such as headings.
    before: String,
    text: String,
    flink: String,
    /// Kulya's answer and the reason, if it is another.
    difference: Option<(String, String)>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/flink_expressions.txt")
}

fn examples() -> Vec<Example> {
    let text = std::fs::read_to_string(path()).unwrap();
    let mut examples: Vec<Example> = Vec::new();
    let mut before = String::new();
    for line in text.lines() {
        if let Some(answer) = line.strip_prefix("= ") {
            answer.clone_into(&mut examples.last_mut().unwrap().flink);
        } else if let Some(difference) = line.strip_prefix("~ ") {
            let (answer, reason) = difference.rsplit_once(": ").unwrap();
            examples.last_mut().unwrap().difference = Some((answer.to_owned(), reason.to_owned()));
        } else if line.is_empty() || line.starts_with('#') {
            before.push_str(line);
            before.push('\n');
        } else {
            let (text, before) = (line.to_owned(), std::mem::take(&mut before));
            examples.push(Example { before, text, flink: String::new(), difference: None });
        }
    }
    examples
}

fn write(examples: &[Example]) {
    let mut text = String::new();
    for Example { before, text: example, flink, difference } in examples {
        text.push_str(&format!("{before}{example}\n= {flink}\n"));
        if let Some((answer, reason)) = difference {
            text.push_str(&format!("~ {answer}: {reason}\n"));
        }
    }
    std::fs::write(path(), text).unwrap();
}

/// Returns the statement of an example.
fn statement(example: &str) -> String {
    if example.starts_with("SELECT") { example.to_owned() } else { format!("SELECT {example}") }
}

/// Returns an answer as a line: the types, then the sorted rows.
fn answer(types: &[String], mut rows: Vec<Vec<Option<String>>>) -> String {
    rows.sort();
    let value = |(value, data_type): (&Option<String>, &String)| match value {
        None => "null".to_owned(),
        Some(text) if data_type == "STRING" => serde_json::to_string(text).unwrap(),
        Some(text) if data_type == "DOUBLE" || data_type == "FLOAT" => {
            let number: f64 = text.parse().unwrap();
            let java = if number.is_infinite() {
                format!("{number}").replace("inf", "Infinity")
            } else {
                text.clone()
            };
            // the last digits of functions such as SIN are not the same everywhere
            if number.is_finite() { format!("{number:.14e}") } else { java }
        }
        Some(text) => text.clone(),
    };
    let row = |row: &Vec<Option<String>>| row.iter().zip(types).map(value).collect::<Vec<_>>().join(" | ");
    format!("{} {}", types.join(" | "), rows.iter().map(row).collect::<Vec<_>>().join(" ; "))
}

/// Returns a type of Flink as Kulya's columns have it: without lengths, and with 3, 6 or 9 digits of a
/// second.
fn comparable(flink: &str) -> String {
    let mut text = flink.replace(" NOT NULL", "").replace("MULTISET<STRING>", "MAP<STRING, INT>");
    for (from, to) in
        [("VARCHAR(", "STRING"), ("CHAR(", "STRING"), ("VARBINARY(", "BYTES"), ("BINARY(", "BYTES")]
    {
        while let Some(start) = text.find(from) {
            let end = start + text[start..].find(')').unwrap();
            text.replace_range(start..=end, to);
        }
    }
    for digits in 0..=9 {
        let kept = if digits <= 3 {
            3
        } else if digits <= 6 {
            6
        } else {
            9
        };
        text = text
            .replace(&format!("TIMESTAMP({digits}) WITH LOCAL TIME ZONE"), &format!("TIMESTAMP_LTZ({kept})"));
        text = text.replace(&format!("TIMESTAMP({digits})"), &format!("TIMESTAMP({kept})"));
        text = text.replace(&format!("TIME({digits})"), &format!("TIME({kept})"));
    }
    if text.starts_with("INTERVAL") { "INTERVAL".to_owned() } else { text }
}

/// Returns the name of an Arrow type as [`comparable`] names it.
fn type_of(data_type: &DataType) -> String {
    let digits = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(unit)),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::List(item) => format!("ARRAY<{}>", type_of(item.data_type())),
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { panic!("entries") };
            format!("MAP<{}, {}>", type_of(fields[0].data_type()), type_of(fields[1].data_type()))
        }
        DataType::Struct(fields) => {
            let fields =
                fields.iter().map(|field| format!("`{}` {}", field.name(), type_of(field.data_type())));
            format!("ROW<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        DataType::Null => "NULL".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the text of a value as Flink's session writes it.
fn value(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let all = |array: &ArrayRef| -> Vec<String> {
        (0..array.len()).map(|row| value(array, row).unwrap_or_else(|| "null".to_owned())).collect()
    };
    Some(match array.data_type() {
        DataType::Null => return None,
        DataType::Binary => {
            array.as_binary::<i32>().value(row).iter().map(|byte| format!("{byte:02x}")).collect()
        }
        DataType::List(_) => format!("[{}]", all(&array.as_list::<i32>().value(row)).join(", ")),
        DataType::Struct(_) => {
            let values = array.as_struct().columns().iter();
            let values = values.map(|column| value(column, row).unwrap_or_else(|| "null".to_owned()));
            format!("({})", values.collect::<Vec<_>>().join(", "))
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (all(entries.column(0)), all(entries.column(1)));
            let mut entries: Vec<_> =
                keys.iter().zip(&values).map(|(key, value)| format!("{key}={value}")).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        DataType::Timestamp(_, zone) => {
            let text = cast(array, &DataType::Timestamp(TimeUnit::Nanosecond, None)).unwrap();
            let text = formatted(&text, row);
            let text = text.trim_end_matches('0').trim_end_matches('.');
            let text = if text.len() < 19 {
                format!("{text}{}", &"0000-00-00 00:00:00"[text.len()..])
            } else {
                text.to_owned()
            };
            format!("{text}{}", if zone.is_some() { "Z" } else { "" })
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let text = formatted(array, row);
            text.strip_suffix(":00").filter(|text| text.len() == 5).unwrap_or(&text).to_owned()
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => formatted(array, row),
        _ => formatted(array, row),
    })
}

fn formatted(array: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.9f"));
    ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string()
}

/// Returns Kulya's answer to a statement.
async fn ours(session: &mut Session, sql: &str) -> Result<String, SqlError> {
    let Some(StatementResult::Rows { schema, batches, .. }) = session.execute(sql).await?.pop() else {
        panic!("{sql}: rows")
    };
    let types: Vec<String> = schema.fields().iter().map(|field| type_of(field.data_type())).collect();
    let rows = |batch: &RecordBatch| {
        let row = |row| batch.columns().iter().map(|column| value(column, row)).collect();
        (0..batch.num_rows()).map(row).collect::<Vec<_>>()
    };
    Ok(answer(&types, batches.iter().flat_map(rows).collect()))
}

#[tokio::test]
async fn expressions_have_flinks_answers_but_for_named_differences() {
    let mut session = TestCatalog::new().await.session().await;
    let mut examples = examples();
    let mut failures = Vec::new();
    for example in &mut examples {
        let found = ours(&mut session, &statement(&example.text)).await;
        let shown = found.as_ref().map_or_else(|_| "error".to_owned(), Clone::clone);
        // Flink says nothing of the type where it refuses null
        let shown =
            if example.flink == "null" && shown.ends_with(" null") { "null".to_owned() } else { shown };
        let expected = example.difference.as_ref().map_or(&example.flink, |(answer, _)| answer);
        if shown != *expected {
            let error = found.err().map(|error| error.to_string()).unwrap_or_default();
            failures.push(format!("{}\n  expected {expected}\n  found    {shown} {error}", example.text));
        }
        let reason = example.difference.take().map_or("?".to_owned(), |(_, reason)| reason);
        example.difference = (shown != example.flink).then_some((shown, reason));
    }
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        write(&examples);
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), examples.len(), failures.join("\n"));
    assert!(examples.len() >= 250, "{} expressions", examples.len());
    let equal = examples.iter().filter(|example| example.difference.is_none()).count();
    assert!(equal * 10 >= examples.len() * 9, "{equal} of {} are equal", examples.len());
}

#[test]
#[ignore = "needs Flink SQL: cargo xtask flink-sql"]
fn flink_sql_gives_the_answers_of_the_file() {
    let mut flink = FlinkSql::connect();
    let mut examples = examples();
    let mut failures = Vec::new();
    let writes = std::env::var_os("KULYA_REGENERATE").is_some();
    let every = if writes || std::env::var_os("KULYA_ALL").is_some() { 1 } else { SAMPLED };
    for example in examples.iter_mut().step_by(every) {
        let found = match flink.table(Mode::Batch, &statement(&example.text)) {
            Ok((types, rows)) => answer(&types.iter().map(|it| comparable(it)).collect::<Vec<_>>(), rows),
            // Flink says that these functions are never null, and refuses the null that they give
            Err(error) if error.contains("a null value is being written into it") => "null".to_owned(),
            Err(_) => "error".to_owned(),
        };
        if found != example.flink {
            failures.push(format!("{}\n  expected {}\n  found    {found}", example.text, example.flink));
        }
        example.flink = found;
    }
    if writes {
        write(&examples);
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), examples.len(), failures.join("\n"));
}
