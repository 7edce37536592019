//! Protobuf schemas: a descriptor set's bytes as messages that know each other ([`parse`]), whether one schema reads
//! what another wrote ([`can_read`]), and whether a later schema uses what an earlier one reserved
//! ([`reuses_reserved`]).
//!
//! It is no compiler and no codec: it takes what a compiler made, and never looks at an event. Names of messages are not
//! compared (they are not on the wire), nor are services, options and extensions; an extension field counts as unknown.
//!
//! Sources: the official guides "Updating A Message Type" (proto2, proto3) and "ProtoJSON Wire Safety", and
//! `descriptor.proto`. Java's registry has no such rules (contract §3.5), only the look-up of the type (§2.1).
//!
//! # What is accepted
//! A reader reads a writer when every message of the writer decodes, and each field that both know keeps its value, but
//! for what the guides allow:
//! - Within {int32, uint32, int64, uint64, bool}, within {sint32, sint64}, {fixed32, sfixed32} and {fixed64, sfixed64}
//!   a number that does not fit is cut as parsers in C++ cut it. An enum is read as one of the four integers, and an open
//!   enum (proto3) reads them; a closed one (proto2) would drop what it does not know, and is refused.
//! - `bytes` reads `string` and messages, not the other way: not all bytes are text, or a message.
//! - A repeated field reads a singular one. A singular field reads the last of a repeated one, and the elements of a
//!   message merged, but not numbers that are packed.
//! - A map and a repeated message of its entries read each other; of equal keys the last stays.
//! - A field that the reader has not is passed over; one that the writer has not is absent.
//!
//! # What is refused though it decodes
//! - A field's or an enum value's name that moves to another number: the value that was written is passed over, or two
//!   that changed places are read as each other.
//! - A default that changes, which the guides allow: what is absent in an event would come to mean something else.
//! - A message in a field that has another name than the writer's and no number of it: it would be empty.
//! - An enum as `bool`, which the guides do not name.
//!
//! # In JSON
//! In JSON ([`Safety::Json`]) names count instead of numbers, a number out of range is an error, and there is no list of
//! one without brackets. Readers of JSON are taken to pass over unknown fields, which parsers offer as an option: else no
//! writer could ever add one.

mod json;
mod kinds;
mod list;
mod parse;
mod read;
mod reason;
mod reserved;
mod source;
mod text;
mod values;
mod walk;
mod weight;
mod well_known;

pub(crate) use json::json_text;
pub use parse::{MAX_DEPTH, MAX_FIELDS, MAX_MESSAGES, MAX_NAME_BYTES, parse, parse_within};
pub use read::{can_read, can_read_within};
pub use reason::{Incompatibility, MAX_REASONS, Rule};
pub use reserved::{reuses_reserved, reuses_reserved_within};
pub use source::{Source, source};
pub use walk::MAX_COMPARISONS;
pub use weight::MAX_MEMORY_BYTES;
pub(crate) use weight::decode;

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

/// How the events may be written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Safety {
    /// Only in the binary wire format: numbers count, names do not.
    Wire,
    /// In the wire format, and as ProtoJSON too: names count as well.
    Json,
}

/// A parsed schema: one message, and whatever it refers to.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The first is the schema's own; they refer to each other by number.
    messages: Vec<Message>,
    enums: Vec<Enum>,
}

impl Schema {
    /// The full name of the schema's message, without a leading dot.
    pub fn type_name(&self) -> &str {
        self.messages.first().map_or("", |message| &message.name)
    }

    fn message(&self, number: usize) -> Option<&Message> {
        self.messages.get(number)
    }

    fn enumeration(&self, number: usize) -> Option<&Enum> {
        self.enums.get(number)
    }

    /// The entry of a field that is a map.
    fn entry(&self, field: &Field) -> Option<&Message> {
        let Kind::Message(number) = field.kind else { return None };
        self.message(number).filter(|message| message.map_entry && field.label.is_repeated())
    }
}

#[derive(Debug, Clone)]
struct Message {
    /// Full, without a leading dot.
    name: String,
    /// By number.
    fields: Vec<Field>,
    reserved: Reserved,
    map_entry: bool,
    /// How many steps it takes to look at it: its fields, and the texts of their defaults.
    weight: usize,
}

impl Message {
    fn field(&self, number: i32) -> Option<&Field> {
        let at = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        self.fields.get(at)
    }
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    json_name: String,
    number: i32,
    label: Label,
    kind: Kind,
    /// The oneof's name. Not one of those that the compiler makes for `optional` in proto3.
    oneof: Option<String>,
    /// As the descriptor has it: proto2's `[default = …]`.
    default: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    /// Without presence: a zero is not written (proto3).
    Implicit,
    /// With presence.
    Optional,
    /// proto2.
    Required,
    Repeated {
        packed: bool,
    },
}

impl Label {
    fn is_repeated(self) -> bool {
        matches!(self, Self::Repeated { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar(Scalar),
    Enum(usize),
    Message(usize),
    /// A message between a start and an end tag (proto2).
    Group(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
}

#[derive(Debug, Clone)]
struct Enum {
    name: String,
    /// In the order of the source; the first is the default.
    values: Vec<(String, i32)>,
    /// The same by name.
    numbers: HashMap<String, i32>,
    /// Values it does not know are no values of the field (proto2).
    closed: bool,
    reserved: Reserved,
}

/// Numbers and names that are not to be used again.
#[derive(Debug, Clone)]
struct Reserved {
    /// In order, and apart from each other.
    ranges: Vec<RangeInclusive<i32>>,
    names: HashSet<String>,
}

impl Reserved {
    fn of(ranges: impl Iterator<Item = RangeInclusive<i32>>, names: &[String]) -> Self {
        let mut given: Vec<_> = ranges.filter(|range| !range.is_empty()).collect();
        given.sort_by_key(|range| *range.start());
        let mut ranges: Vec<RangeInclusive<i32>> = Vec::new();
        for range in given {
            match ranges.last_mut() {
                Some(last) if range.start() <= last.end() => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => ranges.push(range),
            }
        }
        Self { ranges, names: names.iter().cloned().collect() }
    }

    /// The range that has the number.
    fn range(&self, number: i32) -> Option<&RangeInclusive<i32>> {
        let after = self.ranges.partition_point(|range| *range.start() <= number);
        self.ranges.get(after.checked_sub(1)?).filter(|range| range.contains(&number))
    }
}
