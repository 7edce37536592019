//! Formats of a program's own: an [`EventDecoder`] is given one event at a time and a [`RowCollector`], to
//! which it adds the rows of the event, none, one or many.

use super::batch_decoder::{BatchDecoder, Decoded, DecodedBatch, RowKind};
use super::column_buffer::{ColumnBuffer, Scalar};
use super::{BATCH_BYTES, BATCH_ROWS};
use crate::{CodecError, CodecResult};
use arrow::datatypes::SchemaRef;
use std::sync::Arc;

/// Decodes the events of a format.
///
/// ```
/// use kulya_codec::CodecResult;
/// use kulya_codec::arrow::{EventDecoder, RowCollector, Scalar};
///
/// /// Events are words between spaces, and each is a row.
/// struct Words;
///
/// impl EventDecoder for Words {
///     fn decode(&mut self, event: &[u8], rows: &mut RowCollector) -> CodecResult<()> {
///         let text = String::from_utf8_lossy(event);
///         text.split_whitespace().try_for_each(|word| rows.insert(&[Some(Scalar::Text(word))]))
///     }
/// }
/// ```
pub trait EventDecoder: Send {
    /// Adds the rows of an event.
    ///
    /// # Errors
    /// `Payload` for an event that is none of the format. Rows that it has added already are removed again.
    fn decode(&mut self, event: &[u8], rows: &mut RowCollector) -> CodecResult<()>;
}

/// The rows of events.
pub struct RowCollector {
    /// The number of columns of the table.
    width: usize,
    /// The buffer of each column of the table, if the column is wanted.
    places: Vec<Option<usize>>,
    buffers: Vec<ColumnBuffer>,
    schema: SchemaRef,
    kinds: Vec<RowKind>,
}

impl RowCollector {
    /// Adds an inserted row: a value for each column of the table, `None` for null.
    ///
    /// # Errors
    /// `Payload` when a value is not one of its column.
    pub fn insert(&mut self, values: &[Option<Scalar<'_>>]) -> CodecResult<()> {
        self.push(RowKind::Insert, values)
    }

    /// Adds a row of a change log: a value for each column of the table, `None` for null.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn push(&mut self, kind: RowKind, values: &[Option<Scalar<'_>>]) -> CodecResult<()> {
        if let Err(reason) = self.append(values) {
            self.truncate(self.kinds.len());
            return Err(CodecError::Payload { type_name: "row".into(), reason });
        }
        self.kinds.push(kind);
        Ok(())
    }

    fn append(&mut self, values: &[Option<Scalar<'_>>]) -> Result<(), String> {
        if values.len() != self.width {
            return Err(format!("it has {} values, but the table has {} columns", values.len(), self.width));
        }
        for (value, place) in values.iter().zip(&self.places) {
            let Some(place) = place else { continue };
            let Some(buffer) = self.buffers.get_mut(*place) else { continue };
            let field = self.schema.field(*place);
            let appended = match value {
                Some(value) => buffer.push(*value),
                None if field.is_nullable() => {
                    buffer.push_null();
                    Ok(())
                }
                None => Err("it must not be null".to_owned()),
            };
            appended.map_err(|reason| format!("column {}: {reason}", field.name()))?;
        }
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.kinds.truncate(rows);
        self.buffers.iter_mut().for_each(|buffer| buffer.truncate(rows));
    }
}

/// Decodes events by an [`EventDecoder`].
pub struct CollectingDecoder<D> {
    decoder: D,
    rows: RowCollector,
    is_change_log: bool,
    bytes: usize,
    numbers: Option<Vec<u64>>,
}

impl<D: EventDecoder> CollectingDecoder<D> {
    /// Creates a decoder of a table with this schema, of whose rows these columns are wanted.
    ///
    /// # Errors
    /// `Schema` for a column that is not there, or whose type has no [`Scalar`]s.
    pub fn new(decoder: D, schema: &SchemaRef, columns: &[usize]) -> CodecResult<Self> {
        let failed = |e: &dyn std::fmt::Display| CodecError::Schema(e.to_string());
        let wanted = Arc::new(schema.project(columns).map_err(|e| failed(&e))?);
        let buffers = ColumnBuffer::all(wanted.fields()).map_err(|e| failed(&e))?;
        let width = schema.fields().len();
        let place = |column| columns.iter().position(|wanted| *wanted == column);
        let places = (0..width).map(place).collect();
        let rows = RowCollector { width, places, buffers, schema: wanted, kinds: Vec::new() };
        Ok(Self { decoder, rows, is_change_log: false, bytes: 0, numbers: None })
    }

    /// Makes batches have the kinds of their rows: for a format of changes.
    #[must_use]
    pub fn with_kinds(self) -> Self {
        Self { is_change_log: true, ..self }
    }

    /// Makes batches have the numbers of their rows' events.
    #[must_use]
    pub fn with_event_numbers(self) -> Self {
        Self { numbers: Some(Vec::new()), ..self }
    }

    fn push(&mut self, event: &[u8], number: u64) -> CodecResult<()> {
        let before = self.rows.kinds.len();
        if let Err(error) = self.decoder.decode(event, &mut self.rows) {
            self.rows.truncate(before);
            return Err(error);
        }
        self.bytes += event.len();
        if let Some(numbers) = &mut self.numbers {
            numbers.resize(self.rows.kinds.len(), number);
        }
        Ok(())
    }
}

impl<D: EventDecoder> BatchDecoder for CollectingDecoder<D> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rows.schema)
    }

    fn decode(&mut self, events: &[&[u8]], number: u64) -> Decoded {
        let is_full = |decoder: &Self| decoder.rows.kinds.len() >= BATCH_ROWS || decoder.bytes >= BATCH_BYTES;
        Decoded::one_by_one(self, (events, number), is_full, |decoder, event, number| {
            decoder.push(event, number)
        })
    }

    fn flush(&mut self) -> CodecResult<Option<DecodedBatch>> {
        self.bytes = 0;
        let kinds = std::mem::take(&mut self.rows.kinds);
        if kinds.is_empty() {
            return Ok(None);
        }
        let events = self.numbers.as_mut().map(std::mem::take);
        let rows = ColumnBuffer::finish_all(&mut self.rows.buffers, &self.rows.schema, kinds.len())?;
        Ok(Some(DecodedBatch { rows, kinds: self.is_change_log.then_some(kinds), events, clears: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};

    /// Events are `a=1 b=2`: a row for each pair; `!` after a pair ends the event with an error.
    struct Pairs;

    impl EventDecoder for Pairs {
        fn decode(&mut self, event: &[u8], rows: &mut RowCollector) -> CodecResult<()> {
            let invalid = || CodecError::Payload { type_name: "pairs".into(), reason: "no pair".into() };
            for pair in String::from_utf8_lossy(event).split_whitespace() {
                let (name, number) = pair.split_once('=').ok_or_else(invalid)?;
                let number = if number.is_empty() { None } else { Some(number.parse::<i64>()) };
                let number = number.transpose().map_err(|_| invalid())?;
                rows.push(RowKind::UpdateAfter, &[Some(Scalar::Text(name)), number.map(Scalar::Integer)])?;
            }
            Ok(())
        }
    }

    fn schema() -> SchemaRef {
        let number = Field::new("number", DataType::Int16, true);
        Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, false), number]))
    }

    #[test]
    fn an_event_gives_any_number_of_rows() {
        let decoder = CollectingDecoder::new(Pairs, &schema(), &[1, 0]).unwrap();
        let mut decoder = decoder.with_kinds().with_event_numbers();
        let events = ["a=1 b=", "", "c=3 !", "d=100000", "e=5"].map(str::as_bytes);
        let decoded = decoder.decode(&events, 7);
        assert_eq!((decoded.count, decoded.failed.is_some()), (2, true));
        let failed = decoder.decode(&events[3..], 10).failed.unwrap().to_string();
        assert!(failed.contains("column number: 100000 is not within"), "{failed}");
        assert_eq!(decoder.decode(&events[4..], 11).count, 1);
        let batch = decoder.flush().unwrap().unwrap();
        assert_eq!(batch.events, Some(vec![7, 7, 11]));
        assert_eq!(batch.kinds, Some(vec![RowKind::UpdateAfter; 3]));
        let text = arrow::util::pretty::pretty_format_batches(&[batch.rows]).unwrap().to_string();
        assert!(text.contains("| 1      | a    |") && text.contains("|        | b    |"), "{text}");
        assert!(decoder.flush().unwrap().is_none());
    }

    #[test]
    fn columns_are_checked() {
        CollectingDecoder::new(Pairs, &schema(), &[2]).map(|_| ()).unwrap_err();
        let mut decoder = CollectingDecoder::new(Pairs, &schema(), &[]).unwrap();
        assert_eq!(decoder.decode(&[b"a=1"], 0).count, 1);
        let batch = decoder.flush().unwrap().unwrap();
        assert_eq!((batch.rows.num_rows(), batch.kinds), (1, None));
        let rows = &mut decoder.rows;
        assert!(rows.insert(&[None]).unwrap_err().to_string().contains("it has 1 values"));
        let mut decoder = CollectingDecoder::new(Pairs, &schema(), &[0]).unwrap();
        let error = decoder.rows.insert(&[None, None]).unwrap_err().to_string();
        assert!(error.contains("column name: it must not be null"), "{error}");
    }
}
