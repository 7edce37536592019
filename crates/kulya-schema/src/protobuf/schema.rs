//! A parsed Protobuf schema as messages and enums, which refer to each other by index.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

/// The encodings in which events may be written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Safety {
    /// Only the binary wire format: field numbers count, names do not.
    Wire,
    /// The wire format and ProtoJSON: names count as well.
    Json,
}

/// A parsed schema: one message, and the messages and enums that it refers to.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The first is the schema's own message; they refer to each other by index.
    pub(super) messages: Vec<Message>,
    pub(super) enums: Vec<Enum>,
}

impl Schema {
    /// Returns the full name of the schema's message, without a leading dot.
    pub fn type_name(&self) -> &str {
        self.messages.first().map_or("", |message| &message.name)
    }

    pub(super) fn message(&self, number: usize) -> Option<&Message> {
        self.messages.get(number)
    }

    pub(super) fn enumeration(&self, number: usize) -> Option<&Enum> {
        self.enums.get(number)
    }

    /// Returns the entry message of a map field.
    pub(super) fn entry(&self, field: &Field) -> Option<&Message> {
        let Kind::Message(number) = field.kind else { return None };
        self.message(number).filter(|message| message.is_map_entry && field.label.is_repeated())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The full name, without a leading dot.
    pub(super) name: String,
    /// Sorted by number.
    pub(super) fields: Vec<Field>,
    pub(super) reserved: Reserved,
    pub(super) is_map_entry: bool,
    /// The number of steps to compare it: its fields, and the text of their defaults.
    pub(super) comparison_steps: usize,
}

impl Message {
    pub(super) fn field(&self, number: i32) -> Option<&Field> {
        let at = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        self.fields.get(at)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) json_name: String,
    pub(super) number: i32,
    pub(super) label: Label,
    pub(super) kind: Kind,
    /// The oneof's name; not a synthetic oneof, which the compiler adds for `optional` in proto3.
    pub(super) oneof: Option<String>,
    /// The default as the descriptor has it: proto2's `[default = …]`.
    pub(super) default: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// Without presence: a zero is not written (proto3).
    Implicit,
    /// With presence.
    Optional,
    /// Required (proto2).
    Required,
    Repeated {
        is_packed: bool,
    },
}

impl Label {
    pub(super) fn is_repeated(self) -> bool {
        matches!(self, Self::Repeated { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Enum(usize),
    Message(usize),
    /// A message between a start and an end tag (proto2).
    Group(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
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
pub(super) struct Enum {
    pub(super) name: String,
    /// In source order; the first is the default.
    pub(super) values: Vec<(String, i32)>,
    /// The numbers by name.
    pub(super) numbers: HashMap<String, i32>,
    /// Whether unknown values are dropped from the field (proto2).
    pub(super) is_closed: bool,
    pub(super) reserved: Reserved,
}

/// Reserved numbers and names.
#[derive(Debug, Clone)]
pub(super) struct Reserved {
    /// Sorted and disjoint.
    pub(super) ranges: Vec<RangeInclusive<i32>>,
    pub(super) names: HashSet<String>,
}

impl Reserved {
    pub(super) fn of(ranges: impl Iterator<Item = RangeInclusive<i32>>, names: &[String]) -> Self {
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

    /// Returns the reserved range that contains the number.
    pub(super) fn range(&self, number: i32) -> Option<&RangeInclusive<i32>> {
        let after = self.ranges.partition_point(|range| *range.start() <= number);
        self.ranges.get(after.checked_sub(1)?).filter(|range| range.contains(&number))
    }
}
