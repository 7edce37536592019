//! A batch of records in the order of the log: one buffer with their bytes, and where each of them is.
//! Sources write values straight into the buffer, and sinks take slices of it.

use crate::RowSchema;
use crate::debezium::connect_schema::ConnectSchema;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The destination of records: a topic, which is a table's or one of the capture itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Debezium's topic name: `prefix.schema.table`, invalid characters replaced by `_`.
    pub topic: String,
    /// The table in its current version; `None` for transaction boundaries, messages and heartbeats.
    pub table: Option<Arc<RowSchema>>,
    /// The schema of the table's events, where their encoding needs one.
    pub envelope: Option<Arc<ConnectSchema>>,
    /// What transformations have made of it; `None` for what the source has given.
    pub transformed: Option<TransformedDestination>,
}

/// What transformations have made of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TransformedDestination {
    /// Whether the topic is another one than that of the source. Several tables can have it.
    pub is_routed: bool,
    /// Whether values are rows, not envelopes of changes.
    pub has_rows: bool,
}

impl Destination {
    /// Returns the destination of a table's records.
    pub fn of_table(schema: Arc<RowSchema>) -> Self {
        Self { topic: schema.topic(), table: Some(schema), envelope: None, transformed: None }
    }

    /// Returns whether transformations gave it another topic than the source did.
    pub fn is_routed(&self) -> bool {
        self.transformed.is_some_and(|transformed| transformed.is_routed)
    }

    /// Returns the destination of a topic that is no table's.
    pub fn of_topic(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), table: None, envelope: None, transformed: None }
    }
}

/// A record as a batch has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// The topic and the table.
    pub destination: &'a Arc<Destination>,
    /// The primary key as JSON; `None` for tables without one.
    pub key: Option<&'a [u8]>,
    /// The key's values without names, by which events of one row keep their order when the table changes;
    /// `None` without a key.
    pub routing_key: Option<&'a [u8]>,
    /// The envelope; `None` for a tombstone, which follows a delete.
    pub value: Option<&'a [u8]>,
    /// Debezium's headers as members of a JSON object, without its braces; empty without headers.
    pub headers: &'a [u8],
    /// The places of default values that stand for null, for transformations.
    pub(crate) defaults: DefaultPlaces<'a>,
}

/// The places in an event at which a column's default value stands for null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DefaultPlaces<'a> {
    /// Offsets of four bytes each.
    offsets: &'a [u8],
}

impl DefaultPlaces<'_> {
    /// Writes the places, which are in the same buffer as the event that starts at `start`.
    pub(crate) fn write(places: &[usize], start: usize, out: &mut Vec<u8>) -> Span {
        let begin = out.len();
        let offsets = places.iter().filter_map(|place| u32::try_from(place.checked_sub(start)?).ok());
        offsets.for_each(|offset| out.extend_from_slice(&offset.to_le_bytes()));
        Span::new(begin, out.len())
    }

    /// Whether a value, a part of the event's bytes, stands for null.
    pub(crate) fn have(self, event: &[u8], value: &str) -> bool {
        let offset = value.as_ptr().addr().checked_sub(event.as_ptr().addr());
        offset.is_some_and(|offset| {
            let mut places = self.offsets.as_chunks::<4>().0.iter();
            places.any(|place| u32::from_le_bytes(*place) as usize == offset)
        })
    }
}

/// A part of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Returns the part from the start of this one to the end of a later one.
    pub(crate) fn to_end_of(self, later: Self) -> Self {
        Self { start: self.start, end: later.end }
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn slice(self, bytes: &Bytes) -> Bytes {
        if self.end <= bytes.len() { bytes.slice(self.start..self.end) } else { Bytes::new() }
    }

    pub(crate) fn length(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// Where a record's parts are in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) key: Option<Span>,
    pub(crate) routing_key: Option<Span>,
    pub(crate) value: Option<Span>,
    pub(crate) headers: Option<Span>,
    /// [`DefaultPlaces`]; `None` if there are none.
    pub(crate) defaults: Option<Span>,
}

impl Parts {
    /// The parts of a record in which no default value stands for null, or which is not transformed.
    pub(crate) fn new(key: Option<Span>, value: Option<Span>, headers: Option<Span>) -> Self {
        Self { key, routing_key: key, value, headers, defaults: None }
    }
}

/// The size in bytes above which a row is large: a batch's buffer gets room for it at once, and a snapshot
/// has one of them in memory at a time.
pub(crate) const LARGE_ROW_BYTES: usize = 512 << 10;

/// A record of a batch that was taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The index of the destination.
    pub(crate) destination: usize,
    pub(crate) parts: Parts,
}

/// An event that is larger than a stream takes. Its value is not in the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OmittedEvent<'a> {
    /// The topic and the table.
    pub destination: &'a Arc<Destination>,
    /// The primary key as JSON; `None` for tables without one, and if it is not known.
    pub key: Option<&'a [u8]>,
    /// The event's size, or that of its row in the log, in bytes.
    pub bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Omitted {
    destination: usize,
    key: Option<Span>,
    bytes: usize,
}

/// The content of a batch at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    bytes: usize,
    entries: usize,
    omitted: usize,
    events: u64,
}

/// Records in the order of the log.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    destinations: Vec<Arc<Destination>>,
    omitted: Vec<Omitted>,
    /// The number of records with a value.
    events: u64,
}

impl Batch {
    /// Creates a batch with room for the bytes of records.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Returns the records, tombstones included.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(|entry| self.record(entry))
    }

    /// Returns the destinations of the records, and of tables that have been declared without a record. A
    /// table whose schema has changed is a further destination.
    pub fn destinations(&self) -> &[Arc<Destination>] {
        &self.destinations
    }

    /// Returns the number of records with a value.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the events that were left out, because they are larger than a stream takes.
    pub fn omitted(&self) -> impl ExactSizeIterator<Item = OmittedEvent<'_>> {
        self.omitted.iter().map(|omitted| OmittedEvent {
            // an event's destination is one of the list
            destination: &self.destinations[omitted.destination],
            key: omitted.key.map(|key| key.of(&self.bytes)),
            bytes: omitted.bytes,
        })
    }

    /// Returns the memory that the batch takes, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Returns whether the batch has neither records nor declared tables.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.destinations.is_empty()
    }

    fn record<'a>(&'a self, entry: &Entry) -> Record<'a> {
        let part = |span: Option<Span>| span.map(|span| span.of(&self.bytes));
        let Parts { key, routing_key, value, headers, defaults } = entry.parts;
        Record {
            // an entry's destination is one of the list
            destination: &self.destinations[entry.destination],
            key: part(key),
            routing_key: part(routing_key),
            value: part(value),
            headers: part(headers).unwrap_or_default(),
            defaults: DefaultPlaces { offsets: part(defaults).unwrap_or_default() },
        }
    }

    /// Returns the buffer, at whose end a record's parts are written before [`push`](Self::push).
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends a part of a record to the buffer.
    pub(crate) fn copy(&mut self, part: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        Span::new(start, self.bytes.len())
    }

    /// Makes room for a record whose row has this size in the log, in bytes, if it is a large one: a buffer
    /// that grows step by step would take twice its memory.
    pub(crate) fn reserve_for_row(&mut self, bytes: usize) {
        if bytes > LARGE_ROW_BYTES {
            self.bytes.reserve_exact(bytes + bytes / 16);
        }
    }

    /// Adds a record whose parts have been written to the buffer.
    pub(crate) fn push(&mut self, destination: &Arc<Destination>, parts: Parts) {
        let destination = self.declare(destination);
        self.events += u64::from(parts.value.is_some());
        self.entries.push(Entry { destination, parts });
    }

    /// Adds a record by copies of its parts.
    #[cfg(test)]
    pub(crate) fn push_copy(
        &mut self,
        destination: &Arc<Destination>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) {
        let (key, value) = (key.map(|key| self.copy(key)), value.map(|value| self.copy(value)));
        self.push(destination, Parts::new(key, value, None));
    }

    /// Leaves out an event of `bytes` bytes.
    pub(crate) fn omit(&mut self, destination: &Arc<Destination>, key: Option<Span>, bytes: usize) {
        let destination = self.declare(destination);
        self.omitted.push(Omitted { destination, key, bytes });
        // the room for the event would be resident until the batch is stored
        self.bytes.shrink_to(self.bytes.len() + LARGE_ROW_BYTES);
    }

    /// Adds a destination, if the batch does not have it; returns its index.
    pub(crate) fn declare(&mut self, destination: &Arc<Destination>) -> usize {
        // rows of one table mostly follow one another
        if let Some(last) = self.entries.last()
            && self.destinations.get(last.destination).is_some_and(|found| Arc::ptr_eq(found, destination))
        {
            return last.destination;
        }
        let found = self.destinations.iter().position(|found| Arc::ptr_eq(found, destination));
        found.unwrap_or_else(|| {
            self.destinations.push(Arc::clone(destination));
            self.destinations.len() - 1
        })
    }

    /// Returns what the batch has now, to go back to.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            entries: self.entries.len(),
            omitted: self.omitted.len(),
            events: self.events,
        }
    }

    /// Removes what was written since the mark. Declared destinations stay.
    pub(crate) fn go_back_to(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.entries.truncate(mark.entries);
        self.omitted.truncate(mark.omitted);
        self.events = mark.events;
    }

    /// Takes the batch apart.
    pub(crate) fn into_parts(self) -> (Bytes, Vec<Entry>, Vec<Arc<Destination>>) {
        (self.bytes.into(), self.entries, self.destinations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn omitted_events_keep_no_memory() {
        let mut batch = Batch::default();
        batch.reserve_for_row(20 * LARGE_ROW_BYTES);
        batch.omit(&Arc::new(Destination::of_topic("t")), None, 20 * LARGE_ROW_BYTES);
        assert!(batch.buffer().capacity() <= LARGE_ROW_BYTES, "{}", batch.buffer().capacity());
    }

    #[test]
    fn records_are_slices_of_one_buffer() {
        let (a, b) = (Arc::new(Destination::of_topic("a")), Arc::new(Destination::of_topic("b")));
        let mut batch = Batch::default();
        batch.buffer().extend_from_slice(b"{\"id\":1}value");
        let (key, id) = (Span::new(0, 8), Span::new(6, 7));
        let parts = Parts { routing_key: Some(id), ..Parts::new(Some(key), Some(Span::new(8, 13)), None) };
        batch.push(&a, parts);
        batch.push(&a, Parts { value: None, ..parts });
        batch.push_copy(&b, None, Some(b"x"));
        batch.declare(&a);
        batch.omit(&b, Some(id), 9);
        let omitted = OmittedEvent { destination: &b, key: Some(b"1"), bytes: 9 };
        assert_eq!(batch.omitted().collect::<Vec<_>>(), [omitted]);
        let records: Vec<_> = batch.records().collect();
        assert_eq!(records[0].value, Some(&b"value"[..]));
        assert_eq!((records[0].key, records[0].routing_key), (Some(&b"{\"id\":1}"[..]), Some(&b"1"[..])));
        assert_eq!((records[1].value, records[2].value), (None, Some(&b"x"[..])));
        assert_eq!((batch.events(), batch.destinations().len()), (2, 2));
        let (bytes, entries, _) = batch.into_parts();
        assert_eq!(entries[0].parts.value.unwrap().slice(&bytes), &b"value"[..]);
    }
}
