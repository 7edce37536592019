//! Change events in Avro: of Debezium's envelopes only the operation and the rows are decoded. Other fields,
//! `source` among them, are skipped without building values.

use super::payloads::AvroPayloads;
use super::reader_schema::row_schema;
use crate::arrow::RowKind;
use crate::arrow::change_log::{missing_row, refused_truncate};
use crate::arrow::payload::{PayloadDecoder, PayloadRows};
use crate::{CodecError, CodecResult};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use kulya_schema::{EncodingInfo, Format, SchemaInfo, avro};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Decodes Debezium's envelopes in Avro to rows with kinds. The rows are those of a reader schema, as
/// [`AvroPayloads`] has them.
pub struct AvroChangePayloads {
    rows: AvroPayloads,
    /// Whether the last row of each key is enough, and if so, whether truncates are changes of all rows.
    key: Option<bool>,
    /// The envelopes by the id of the writer's schema, or why they cannot be read.
    writers: HashMap<u32, Result<Arc<Envelope>, String>>,
    current: Option<(u32, Arc<Envelope>)>,
    kinds: Vec<RowKind>,
    /// The rows of `kinds` whose event failed at its second row.
    failed: Vec<usize>,
    clears: bool,
    ends: Vec<usize>,
}

/// A writer's envelope.
struct Envelope {
    schema: avro::Schema,
    /// The encoded union index of the record, when the root is a union of null and a record.
    union_index: Option<u8>,
    op: Part,
    before: Option<Part>,
    after: Option<Part>,
    /// The encoding of the rows.
    rows: EncodingInfo,
}

/// A field of an envelope.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: usize,
    /// The encoded union index of null, if the field can be null.
    null: Option<u8>,
}

impl AvroChangePayloads {
    /// Creates a decoder of rows as `rows` decodes them.
    pub fn new(rows: AvroPayloads) -> Self {
        Self {
            rows,
            key: None,
            writers: HashMap::new(),
            current: None,
            kinds: Vec::new(),
            failed: Vec::new(),
            clears: false,
            ends: Vec::new(),
        }
    }

    /// Makes rows those of which the last one of each key is the current one: an update has no row before it.
    /// With `has_truncates`, a truncate removes all rows; without it, it is an error.
    #[must_use]
    pub fn with_key(self, has_truncates: bool) -> Self {
        Self { key: Some(has_truncates), ..self }
    }

    fn envelope(&mut self, encoding: &EncodingInfo) -> CodecResult<Arc<Envelope>> {
        let id = encoding.version.id;
        if let Some((current, envelope)) = &self.current
            && *current == id
        {
            return Ok(Arc::clone(envelope));
        }
        let known = self.writers.entry(id).or_insert_with(|| {
            Envelope::new(encoding).map(Arc::new).map_err(|reason| {
                format!("schema {} is not that of change events: {reason}", encoding.version.type_name)
            })
        });
        let envelope = known.clone().map_err(CodecError::Schema)?;
        self.current = Some((id, Arc::clone(&envelope)));
        Ok(envelope)
    }

    fn decode_row(&mut self, kind: RowKind, row: &[u8], envelope: &Envelope) -> CodecResult<()> {
        self.rows.decode(row, &envelope.rows)?;
        self.kinds.push(kind);
        Ok(())
    }

    fn apply(&mut self, payload: &[u8], envelope: &Envelope) -> CodecResult<()> {
        let invalid = |reason: String| CodecError::Payload { type_name: "Debezium envelope".into(), reason };
        let mut ends = std::mem::take(&mut self.ends);
        let datum = envelope.datum(payload, &mut ends).map_err(invalid);
        self.ends = ends;
        let datum = datum?;
        let op = envelope.op(datum, &self.ends).ok_or_else(|| invalid("it has no op".into()))?;
        let part = |part: Option<Part>| part.and_then(|part| part.value(datum, &self.ends));
        let (before, after) = (part(envelope.before), part(envelope.after));
        let before = || before.ok_or_else(|| invalid(missing_row(op, "before")));
        let after = || after.ok_or_else(|| invalid(missing_row(op, "after")));
        match (op, self.key) {
            ("c" | "r", _) => self.decode_row(RowKind::Insert, after()?, envelope),
            ("u", Some(_)) => self.decode_row(RowKind::UpdateAfter, after()?, envelope),
            ("u", None) => {
                let (before, after) = (before()?, after()?);
                self.decode_row(RowKind::UpdateBefore, before, envelope)?;
                self.decode_row(RowKind::UpdateAfter, after, envelope)
            }
            ("d", _) => self.decode_row(RowKind::Delete, before()?, envelope),
            // a message in the log, not a change
            ("m", _) => Ok(()),
            ("t", Some(true)) => {
                self.kinds.clear();
                self.failed.clear();
                self.rows.flush()?;
                self.clears = true;
                Ok(())
            }
            ("t", key) => Err(invalid(refused_truncate(key.is_some()).into())),
            (other, _) => Err(invalid(format!("unknown op {other:?}"))),
        }
    }
}

impl Envelope {
    fn new(encoding: &EncodingInfo) -> Result<Self, String> {
        let failed = |e: &dyn std::fmt::Display| e.to_string();
        let (record, union_index) = row_schema(&encoding.schema).map_err(|e| failed(&e))?;
        let fields = record.get("fields").and_then(Value::as_array).ok_or("it is not a record")?;
        let part = |name: &str| {
            let number =
                fields.iter().position(|field| field.get("name").and_then(Value::as_str) == Some(name))?;
            let schema = fields.get(number)?.get("type")?;
            let null = schema.as_array().and_then(|members| {
                let index = members.iter().position(|member| *member == "null")?;
                u8::try_from(index).ok().filter(|index| *index < 2).map(|index| index * 2)
            });
            Some((Part { number, null }, schema))
        };
        let (op, _) = part("op").ok_or("it has no field op")?;
        let (before, after) = (part("before"), part("after"));
        // the record is defined where it is used first
        let row = [&before, &after].into_iter().flatten().find_map(|(_, schema)| match schema {
            Value::Array(members) => members.iter().find(|member| member.is_object()),
            other => Some(*other).filter(|schema| schema.is_object()),
        });
        let row = row.ok_or("it has no rows before or after a change")?.to_string();
        let text = record.to_string();
        Ok(Self {
            schema: avro::parse(&text).map_err(|e| failed(&e))?,
            union_index,
            op,
            before: before.map(|(part, _)| part),
            after: after.map(|(part, _)| part),
            rows: EncodingInfo {
                schema: SchemaInfo::new(&*encoding.schema.type_name, Format::Avro, row),
                ..encoding.clone()
            },
        })
    }

    /// Returns the datum in a payload without the zeros behind it, and where its fields end.
    fn datum<'a>(&self, payload: &'a [u8], ends: &mut Vec<usize>) -> Result<&'a [u8], String> {
        let datum = match self.union_index {
            None => payload,
            Some(index) => payload.strip_prefix(&[index]).ok_or("it is null and not a record")?,
        };
        let size = self.schema.field_ends(datum, ends).map_err(|e| e.to_string())?;
        let (datum, padding) = datum.split_at_checked(size.bytes).unwrap_or((datum, &[]));
        if padding.iter().any(|byte| *byte != 0) {
            return Err(format!("it is corrupt: {} bytes follow it", padding.len()));
        }
        Ok(datum)
    }

    fn op<'a>(&self, datum: &'a [u8], ends: &[usize]) -> Option<&'a str> {
        // operations have one letter: the length before it is one byte
        let (length, text) = self.op.value(datum, ends)?.split_first()?;
        std::str::from_utf8(text).ok().filter(|_| usize::from(*length) == text.len() * 2)
    }
}

impl Part {
    /// Returns the bytes of the field's value; `None` for null.
    fn value<'a>(self, datum: &'a [u8], ends: &[usize]) -> Option<&'a [u8]> {
        let start = match self.number.checked_sub(1) {
            Some(previous) => *ends.get(previous)?,
            None => 0,
        };
        let value = datum.get(start..*ends.get(self.number)?)?;
        match self.null {
            None => Some(value),
            Some(null) => value.split_first().filter(|(index, _)| **index != null).map(|(_, value)| value),
        }
    }
}

impl PayloadDecoder for AvroChangePayloads {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn decode(&mut self, payload: &[u8], encoding: &EncodingInfo) -> CodecResult<usize> {
        let envelope = self.envelope(encoding)?;
        let before = self.kinds.len();
        if let Err(error) = self.apply(payload, &envelope) {
            // the first row of an event with two is there already
            self.failed.extend(before..self.kinds.len());
            return Err(error);
        }
        Ok(self.kinds.len().saturating_sub(before))
    }

    fn is_full(&self) -> bool {
        self.rows.is_full()
    }

    fn flush(&mut self) -> CodecResult<Option<PayloadRows>> {
        let (mut kinds, clears) = (std::mem::take(&mut self.kinds), std::mem::take(&mut self.clears));
        let failed = std::mem::take(&mut self.failed);
        let rows = match self.rows.flush()? {
            Some(batch) => batch.rows,
            None if clears => RecordBatch::new_empty(self.rows.schema()),
            None => return Ok(None),
        };
        if failed.is_empty() {
            return Ok(Some(PayloadRows { rows, kinds: Some(kinds), clears }));
        }
        let is_kept: BooleanArray = (0..kinds.len()).map(|row| Some(!failed.contains(&row))).collect();
        let mut kept = is_kept.values().iter();
        kinds.retain(|_| kept.next().unwrap_or(true));
        let rows = filter_record_batch(&rows, &is_kept);
        let rows = rows.map_err(|e| CodecError::Schema(format!("removing rows of a batch failed: {e}")))?;
        Ok(Some(PayloadRows { rows, kinds: Some(kinds), clears }))
    }
}
