//! Conversions of commits and their results. A message contains each stream, table and segment once and
//! refers to it by index, because a commit may hold a million small events.

use crate::field::required;
use crate::identifier::{id_bytes, id_from_bytes};
use crate::v1;
use kulya_store::{
    Append, Commit, CommitReceipt, Condition, Durability, Error, Pointers, Result, SegmentId, StreamId,
    TableChange, TableId, Version, WriterId, WriterMark, framing,
};
use std::collections::HashMap;
use std::hash::Hash;

/// The maximum size of one commit, or one stage of a transaction, over the network, in bytes: events with
/// their frames and routing keys, table keys and values.
pub const MAX_COMMIT_BYTES: usize = 64 << 20;

/// The maximum size of a message that client and server accept, in bytes: [`MAX_COMMIT_BYTES`] of events, and
/// 16 MiB for names and keys.
pub const MAX_MESSAGE_BYTES: usize = MAX_COMMIT_BYTES + (16 << 20);

/// The size of a table change beside its key and value, in bytes.
const CHANGE_BYTES: usize = 32;

/// Checks that a commit is not larger than [`MAX_COMMIT_BYTES`].
///
/// # Errors
/// `InvalidInput` when it is.
pub fn check_commit_size(appends: &[Append], changes: &[TableChange]) -> Result<()> {
    let append = |append: &Append| {
        let key = append.routing_key.as_ref().map_or(0, String::len);
        framing::framed_len(append.event.len()) as usize + key
    };
    let change = |change: &TableChange| {
        CHANGE_BYTES + change.key.len() + change.value.as_ref().map_or(0, |value| value.len())
    };
    let total = appends.iter().map(append).sum::<usize>() + changes.iter().map(change).sum::<usize>();
    if total <= MAX_COMMIT_BYTES {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a commit of {total} bytes exceeds the limit of {MAX_COMMIT_BYTES}: use a transaction, and stage less at a time"
    )))
}

/// Checks that an encoded message, including its names and keys, is not larger than [`MAX_MESSAGE_BYTES`].
///
/// # Errors
/// `InvalidInput` when it is.
pub fn check_message_size(message: &impl prost::Message) -> Result<()> {
    let total = message.encoded_len();
    if total <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a message of {total} bytes exceeds the limit of {MAX_MESSAGE_BYTES}: write to fewer streams at a time"
    )))
}

/// Assigns an index to each distinct value, and collects the values' messages.
struct Interner<K, M> {
    indexes: HashMap<K, u32>,
    messages: Vec<M>,
}

impl<'a, K: Eq + Hash, M: From<&'a K>> Interner<&'a K, M> {
    fn new() -> Self {
        Self { indexes: HashMap::new(), messages: Vec::new() }
    }

    fn intern(&mut self, value: &'a K) -> u32 {
        let next = self.messages.len() as u32;
        *self.indexes.entry(value).or_insert_with(|| {
            self.messages.push(M::from(value));
            next
        })
    }
}

fn lookup<'a, T>(values: &'a [T], index: u32, what: &str) -> Result<&'a T> {
    let missing = || Error::invalid(format!("the message has no {what} of index {index}"));
    values.get(index as usize).ok_or_else(missing)
}

impl From<&[Append]> for v1::Events {
    fn from(appends: &[Append]) -> Self {
        let mut streams: Interner<&StreamId, v1::Stream> = Interner::new();
        let append = |append: &'_ Append, stream| v1::Append {
            stream,
            routing_key: append.routing_key.clone(),
            event: append.event.clone(),
        };
        let appends = appends.iter().map(|each| append(each, streams.intern(&each.stream))).collect();
        Self { streams: streams.messages, appends }
    }
}

/// Converts the events of a message; an absent message has none.
///
/// # Errors
/// `InvalidInput` for a malformed stream name, or an index of no stream.
pub fn events_from_message(message: Option<v1::Events>) -> Result<Vec<Append>> {
    let v1::Events { streams, appends } = message.unwrap_or_default();
    let streams = streams.into_iter().map(StreamId::try_from).collect::<Result<Vec<_>>>()?;
    let append = |message: v1::Append| {
        let stream = lookup(&streams, message.stream, "stream")?.clone();
        Ok(Append { stream, routing_key: message.routing_key, event: message.event })
    };
    appends.into_iter().map(append).collect()
}

impl From<&[TableChange]> for v1::Changes {
    fn from(changes: &[TableChange]) -> Self {
        let mut tables: Interner<&TableId, v1::Table> = Interner::new();
        let change = |change: &'_ TableChange, table| v1::TableChange {
            table,
            key: change.key.clone(),
            condition: match change.condition {
                Condition::Any => None,
                Condition::Absent => Some(v1::table_change::Condition::Absent(v1::Absent {})),
                Condition::At(version) => Some(v1::table_change::Condition::AtVersion(version.0)),
            },
            value: change.value.clone(),
        };
        let changes = changes.iter().map(|each| change(each, tables.intern(&each.table))).collect();
        Self { tables: tables.messages, changes }
    }
}

/// Converts the table changes of a message; an absent message has none.
///
/// # Errors
/// `InvalidInput` for a malformed table name, or an index of no table.
pub fn changes_from_message(message: Option<v1::Changes>) -> Result<Vec<TableChange>> {
    let v1::Changes { tables, changes } = message.unwrap_or_default();
    let tables = tables.into_iter().map(TableId::try_from).collect::<Result<Vec<_>>>()?;
    let change = |message: v1::TableChange| {
        let table = lookup(&tables, message.table, "table")?.clone();
        let condition = match message.condition {
            None => Condition::Any,
            Some(v1::table_change::Condition::Absent(_)) => Condition::Absent,
            Some(v1::table_change::Condition::AtVersion(version)) => Condition::At(Version(version)),
        };
        Ok(TableChange { table, key: message.key, condition, value: message.value })
    };
    changes.into_iter().map(change).collect()
}

impl From<&Commit> for v1::CommitRequest {
    fn from(commit: &Commit) -> Self {
        let durability = match commit.durability {
            Durability::Synced => v1::Durability::Synced,
            Durability::Written => v1::Durability::Written,
        };
        let mark = |mark: WriterMark| v1::WriterMark {
            writer: id_bytes(mark.writer.0),
            event_number: mark.event_number,
        };
        Self {
            events: Some(commit.appends.as_slice().into()),
            changes: Some(commit.changes.as_slice().into()),
            writer: commit.writer.map(mark),
            durability: durability.into(),
            call: None,
        }
    }
}

impl TryFrom<v1::CommitRequest> for Commit {
    type Error = Error;

    fn try_from(message: v1::CommitRequest) -> Result<Self> {
        let durability = match v1::Durability::try_from(message.durability) {
            Ok(v1::Durability::Synced) => Durability::Synced,
            Ok(v1::Durability::Written) => Durability::Written,
            Err(_) => {
                return Err(Error::invalid(format!("durability {} is unknown", message.durability)));
            }
        };
        let mark = |mark: v1::WriterMark| {
            let writer = WriterId(id_from_bytes("writer", &mark.writer)?);
            Ok(WriterMark { writer, event_number: mark.event_number })
        };
        Ok(Self {
            appends: events_from_message(message.events)?,
            changes: changes_from_message(message.changes)?,
            writer: message.writer.map(mark).transpose()?,
            durability,
        })
    }
}

impl From<&CommitReceipt> for v1::Committed {
    fn from(done: &CommitReceipt) -> Self {
        let locations = done.pointers.locations();
        let pointers = v1::Pointers {
            segments: done.pointers.segments().iter().map(Into::into).collect(),
            segment: locations.iter().map(|(segment, ..)| *segment).collect(),
            offset: locations.iter().map(|(_, offset, _)| *offset).collect(),
            length: locations.iter().map(|(.., length)| *length).collect(),
        };
        Self {
            pointers: Some(pointers),
            versions: done.versions.iter().map(|version| version.0).collect(),
            duplicate: done.duplicate,
        }
    }
}

impl TryFrom<v1::Committed> for CommitReceipt {
    type Error = Error;

    fn try_from(message: v1::Committed) -> Result<Self> {
        let v1::Pointers { segments, segment, offset, length } = required(message.pointers, "pointers")?;
        if segment.len() != offset.len() || segment.len() != length.len() {
            return Err(Error::invalid("the pointer columns of the message have different lengths"));
        }
        let segments = segments.into_iter().map(SegmentId::try_from).collect::<Result<Vec<_>>>()?;
        for index in &segment {
            lookup(&segments, *index, "segment")?;
        }
        let mut pointers = Pointers::with_capacity(segments, segment.len());
        for ((segment, offset), length) in segment.into_iter().zip(offset).zip(length) {
            pointers.push(segment, offset, length);
        }
        Ok(Self {
            pointers,
            versions: message.versions.into_iter().map(Version).collect(),
            duplicate: message.duplicate,
        })
    }
}
