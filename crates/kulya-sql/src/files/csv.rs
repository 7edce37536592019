//! CSV and TSV files with a header line (RFC 4180), by Arrow's reader.
//!
//! The separator is the one of `,` `;` tab and `|` that the header has most of. An empty value is null.

use super::BATCH_ROWS;
use super::source::{FileSource, SAMPLE, invalid};
use crate::data_types::type_name;
use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::{BufReader as CsvReader, Format};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use csv_core::ReadRecordResult;
use std::collections::HashSet;
use std::io::BufRead;

/// The separators that are looked for.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Returns the separator and the columns of a file.
///
/// # Errors
/// `InvalidValue` for a file without a header line, or with the same name twice.
pub(super) fn schema(
    source: &FileSource,
    separator: Option<u8>,
    sample_bytes: usize,
) -> SqlResult<(u8, Schema)> {
    let (sample, _) = source.sample(sample_bytes)?;
    let header = sample.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if header.trim_ascii().is_empty() {
        return Err(invalid(source, Some(1), "there is no header line with the names of the columns"));
    }
    let separator = separator.unwrap_or_else(|| separator_of(header));
    // the last line of a sample may be half of a record
    let format = format(separator).with_truncated_rows(true);
    let (inferred, _) = format
        .infer_schema(sample.as_slice(), None)
        .map_err(|e| invalid(source, line_in(&e.to_string()), described(&e)))?;
    let mut names = HashSet::new();
    let mut fields = Vec::with_capacity(inferred.fields().len());
    for (index, field) in inferred.fields().iter().enumerate() {
        let name = match field.name().trim() {
            "" => format!("column{}", index + 1),
            name => name.to_owned(),
        };
        if !names.insert(name.clone()) {
            return Err(invalid(source, Some(1), format!("two columns have the name {name}")));
        }
        let data_type = match field.data_type() {
            DataType::Null => DataType::Utf8,
            DataType::Timestamp(TimeUnit::Second, zone) => {
                DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
            }
            other => other.clone(),
        };
        fields.push(Field::new(name, data_type, true));
    }
    Ok((separator, Schema::new(fields)))
}

fn separator_of(header: &[u8]) -> u8 {
    let mut counts = [0; SEPARATORS.len()];
    let mut is_quoted = false;
    for byte in header {
        is_quoted ^= *byte == b'"';
        let found = SEPARATORS.iter().position(|separator| separator == byte);
        if let Some(count) = found.and_then(|index| counts.get_mut(index))
            && !is_quoted
        {
            *count += 1;
        }
    }
    // the first of equals
    let most = counts.iter().max().copied().unwrap_or_default();
    let index = counts.iter().position(|count| *count == most);
    index.and_then(|index| SEPARATORS.get(index)).copied().unwrap_or(b',')
}

fn format(separator: u8) -> Format {
    Format::default().with_header(true).with_delimiter(separator)
}

/// The rows of a file.
pub(super) struct CsvRows {
    source: FileSource,
    separator: u8,
    schema: SchemaRef,
    reader: CsvReader<Box<dyn BufRead + Send>>,
}

impl CsvRows {
    /// Opens a file; `schema` has all of its columns, of which those of the projection are returned.
    ///
    /// # Errors
    /// `Failed` if it cannot be read.
    pub(super) fn open(
        source: FileSource,
        separator: u8,
        schema: SchemaRef,
        projection: Vec<usize>,
    ) -> SqlResult<Self> {
        let text = source.text()?;
        let reader = ReaderBuilder::new(SchemaRef::clone(&schema))
            .with_format(format(separator))
            .with_batch_size(BATCH_ROWS)
            .with_projection(projection)
            .build_buffered(text)
            .map_err(|e| invalid(&source, None, e))?;
        Ok(Self { source, separator, schema, reader })
    }

    /// Returns the error with file, line, column and value.
    fn error(&self, error: &ArrowError) -> SqlError {
        let text = error.to_string();
        let value = value_and_column(&text);
        // in messages about values the header does not count
        let record = line_in(&text).map(|record| record + u64::from(value.is_some()));
        // records of several lines, and empty lines, make lines and records differ
        let line = record.and_then(|record| self.line_of(record).ok()).or(record);
        let Some((value, column)) = value else {
            return invalid(&self.source, line, described(error));
        };
        let Some(field) = self.schema.fields().get(column) else {
            return invalid(&self.source, line, described(error));
        };
        let kind = type_name(field.data_type());
        let value = value.map(|value| format!("'{value:.100}'")).unwrap_or_else(|| "the value".to_owned());
        invalid(
            &self.source,
            line,
            format!(
                "column {}: {value} is not a {kind}, the type of the values at the file's beginning (SET '{SAMPLE}' to \
                 look at more of them)",
                field.name()
            ),
        )
    }

    /// Returns the line on which a record begins; the header is record 1.
    fn line_of(&self, record: u64) -> SqlResult<u64> {
        let mut text = self.source.text()?;
        let mut reader = csv_core::ReaderBuilder::new().delimiter(self.separator).build();
        let (mut values, mut ends) = (vec![0; 64 << 10], vec![0; 1 << 10]);
        let mut records = 1;
        while records < record {
            let bytes = text.fill_buf().map_err(|e| super::source::cannot_read(&self.source.path, e))?;
            let (result, read, _, _) = reader.read_record(bytes, &mut values, &mut ends);
            text.consume(read);
            match result {
                ReadRecordResult::Record => records += 1,
                ReadRecordResult::End => break,
                _ => {}
            }
        }
        Ok(reader.line())
    }
}

impl Iterator for CsvRows {
    type Item = SqlResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| self.error(&error)))
    }
}

/// Returns the number after `line` in a message of Arrow.
fn line_in(text: &str) -> Option<u64> {
    // a value of the user may come before or after it
    let after = text.split(" line ").nth(1)?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns the value and the number of the column in a message of Arrow about a value.
fn value_and_column(text: &str) -> Option<(Option<&str>, usize)> {
    let number = |text: &str| text.split(' ').next().and_then(|number| number.parse().ok());
    if let Some((_, rest)) = text.split_once("Error while parsing value '") {
        let (value, rest) = rest.split_once("' as type '")?;
        let (_, rest) = rest.split_once("' for column ")?;
        return Some((Some(value), number(rest)?));
    }
    let (_, rest) = text.split_once("Error parsing column ")?;
    Some((None, number(rest)?))
}

/// Returns a message of Arrow in our words.
fn described(error: &ArrowError) -> String {
    let text = match error {
        ArrowError::CsvError(text) | ArrowError::ParseError(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains("UTF-8") {
        return "the text is not UTF-8: convert it, such as with iconv -f latin1 -t utf-8".to_owned();
    }
    let count = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        Some(rest.split(|c: char| !c.is_ascii_digit()).next()?.to_owned())
    };
    match count(", expected ").zip(count(" got ").or_else(|| count(" got more than "))) {
        Some((expected, _)) if text.contains("got more than") => {
            format!("the header has {expected} columns, this line has more")
        }
        Some((expected, got)) => format!("the header has {expected} columns, this line has {got}"),
        None => text.trim_end_matches('.').to_owned(),
    }
}
