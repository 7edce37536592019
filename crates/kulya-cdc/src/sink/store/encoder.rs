//! The encoding of events for a stream: as they come from the source, or behind a header with the encoding id
//! of their schema in the registry. The events of a batch are encoded into one buffer.

#[cfg(test)]
mod tests;

use crate::batch::{Destination, Entry, Span};
use crate::debezium::avro::{AvroEncoding, NotEncodable};
use crate::debezium::{Encoding, json_schema};
use crate::{CdcError, CdcResult, RowSchema};
use bytes::Bytes;
use kulya_schema::{EncodingId, Format, SchemaInfo};

/// How the events of a version of a table are encoded.
#[derive(Debug)]
pub(super) enum EventEncoder {
    /// As they come.
    Unchanged,
    /// The JSON behind a header.
    Json([u8; 5]),
    /// Avro behind a header.
    Avro([u8; 5], Box<AvroEncoding>),
}

/// What the registry gets for a version of a table.
pub(super) enum TableSchema {
    /// The schema of the rows.
    Rows(SchemaInfo),
    /// The JSON schema of the events.
    JsonEvents(SchemaInfo),
    /// The Avro schema of the events.
    AvroEvents(SchemaInfo, Box<AvroEncoding>),
}

impl TableSchema {
    /// Returns what the registry gets for a version of a table.
    ///
    /// # Errors
    /// `Configuration` for a recorded change log, which does not have the schemas of events; the inner one is
    /// that of a table whose events have no Avro schema.
    pub(super) fn of(
        encoding: Encoding,
        destination: &Destination,
        table: &RowSchema,
    ) -> CdcResult<Result<Self, NotEncodable>> {
        if !encoding.has_header() {
            let rows = SchemaInfo::new(table.type_name(), Format::Json, table.json_schema());
            return Ok(Ok(Self::Rows(rows)));
        }
        let Some(envelope) = &destination.envelope else {
            return Err(CdcError::configuration(format!(
                "a recorded change log has no schemas of events: write it with encoding json, not {encoding}"
            )));
        };
        if encoding == Encoding::JsonSchema {
            let schema = json_schema::of_envelope(envelope, table).to_string();
            let name = envelope.name.clone().unwrap_or_default();
            return Ok(Ok(Self::JsonEvents(SchemaInfo::new(name, Format::Json, schema))));
        }
        Ok(AvroEncoding::of_table(envelope, table).map(|avro| {
            let schema = SchemaInfo::new(avro.type_name(), Format::Avro, avro.schema());
            Self::AvroEvents(schema, Box::new(avro))
        }))
    }

    pub(super) fn info(&self) -> &SchemaInfo {
        match self {
            Self::Rows(info) | Self::JsonEvents(info) | Self::AvroEvents(info, _) => info,
        }
    }

    /// Returns whether events name the schema by an encoding id.
    pub(super) fn has_encoding_id(&self) -> bool {
        !matches!(self, Self::Rows(_))
    }

    /// Returns the encoder of events whose schema has an id.
    pub(super) fn encoder(self, id: EncodingId) -> EventEncoder {
        match self {
            Self::Rows(_) => EventEncoder::Unchanged,
            Self::JsonEvents(_) => EventEncoder::Json(id.header()),
            Self::AvroEvents(_, avro) => EventEncoder::Avro(id.header(), avro),
        }
    }
}

/// The events of a batch.
pub(super) struct EncodedBatch {
    /// The events as they come.
    unchanged: Bytes,
    /// Those that are encoded.
    encoded: Bytes,
    /// The events by the index of their entries; `None` for a tombstone.
    events: Vec<Option<Encoded>>,
}

enum Encoded {
    Unchanged(Span),
    WithHeader(Span),
    Refused(NotEncodable),
}

impl EncodedBatch {
    /// Encodes the events of a batch, each by the encoder of its destination.
    pub(super) fn new(entries: &[Entry], encoders: &[&EventEncoder], bytes: &Bytes) -> Self {
        let mut encoded = Vec::new();
        if encoders.iter().any(|encoder| !matches!(encoder, EventEncoder::Unchanged)) {
            encoded.reserve(bytes.len() / 2);
        }
        let encode = |entry: &Entry| {
            let value = entry.parts.value?;
            let encoder = encoders.get(entry.destination)?;
            Some(encoder.write(value, bytes, &mut encoded))
        };
        let events = entries.iter().map(encode).collect();
        Self { unchanged: bytes.clone(), encoded: encoded.into(), events }
    }

    /// Returns the event of an entry; `None` for a tombstone.
    pub(super) fn event(&self, entry: usize) -> Option<Result<Bytes, &NotEncodable>> {
        Some(match self.events.get(entry)?.as_ref()? {
            Encoded::Unchanged(span) => Ok(span.slice(&self.unchanged)),
            Encoded::WithHeader(span) => Ok(span.slice(&self.encoded)),
            Encoded::Refused(reason) => Err(reason),
        })
    }
}

impl EventEncoder {
    /// Encodes an event.
    fn write(&self, value: Span, bytes: &[u8], out: &mut Vec<u8>) -> Encoded {
        let start = out.len();
        let written = match self {
            Self::Unchanged => return Encoded::Unchanged(value),
            Self::Json(header) => {
                out.extend_from_slice(header);
                out.extend_from_slice(value.of(bytes));
                Ok(())
            }
            Self::Avro(header, avro) => {
                out.extend_from_slice(header);
                avro.write(value.of(bytes), out)
            }
        };
        match written {
            Ok(()) => Encoded::WithHeader(Span::new(start, out.len())),
            Err(reason) => {
                out.truncate(start);
                Encoded::Refused(reason)
            }
        }
    }
}
