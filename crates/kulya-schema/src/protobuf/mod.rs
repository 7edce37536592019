//! Protobuf schemas: parsing a descriptor set into messages ([`parse`]), whether one schema reads data of
//! another ([`can_read`]), and whether a later schema uses names or numbers that an earlier one reserved
//! ([`reuses_reserved`]).
//!
//! This is no codec: it reads the output of a compiler, or sources that a library compiles
//! ([`compile_source`]), and never an event. Names of messages are not compared (they are not on the wire),
//! nor are services and options. An extension that the set declares is a field of the message that it
//! extends. Of the features of editions, presence, closed enums, packed numbers and delimited messages are
//! compared.
//!
//! Sources: the official guides "Updating A Message Type" (proto2, proto3) and "ProtoJSON Wire Safety", and
//! `descriptor.proto`. Java's registry has no such rules (contract §3.5), only the lookup of the type (§2.1).
//!
//! # Compatible changes
//! A reader reads a writer if every message of the writer decodes, and each common field keeps its value,
//! with the exceptions that the guides allow:
//! - Within {int32, uint32, int64, uint64, bool}, within {sint32, sint64}, {fixed32, sfixed32} and {fixed64,
//!   sfixed64} a number that does not fit is truncated as parsers in C++ truncate it. An enum is read as one
//!   of the four integers, and an open enum (proto3) reads them; a closed one (proto2) would drop unknown
//!   values, and is incompatible.
//! - `bytes` reads `string` and messages, not the other way: not all bytes are text, or a message.
//! - A repeated field reads a singular one. A singular field reads the last element of a repeated one, and
//!   the elements of a message merged, but not packed numbers.
//! - A map and a repeated message of its entries read each other; of equal keys the last wins.
//! - A field that the reader does not have is skipped; one that the writer does not have is absent.
//!
//! # Incompatible though it decodes
//! - A field's or an enum value's name that moves to another number: the written value is skipped, or two
//!   swapped fields are read as each other.
//! - A default that changes, which the guides allow: an absent field in an event would change its meaning.
//! - A message field whose message has another name than the writer's and no common field number: it would be
//!   empty. A message without fields has none to misread, and is excepted.
//! - An enum as `bool`, which the guides do not name.
//!
//! # JSON
//! In JSON ([`Safety::Json`]) names count instead of numbers, a number out of range is an error, and a list
//! of one element has brackets. Readers of JSON are assumed to ignore unknown fields, which parsers offer as
//! an option: otherwise no writer could ever add one.

mod compatibility;
mod compile;
mod describe;
mod descriptor_kind;
mod extensions;
mod features;
mod fields;
mod json;
mod kinds;
mod parse;
mod raw_field;
mod reason;
mod reserved;
mod schema;
mod size_limits;
mod source;
mod traversal;
mod type_lookup;
mod undecoded;
mod values;
mod well_known;

pub use compatibility::{can_read, can_read_with_budget};
pub(crate) use compile::{CompiledSource, compile_schema_data, compile_schema_data_with};
pub use compile::{ImportedFile, Imports, MAX_SOURCE_BYTES, compile_file, compile_source, is_source};
pub(crate) use json::json_text;
pub use parse::{MAX_DEPTH, MAX_FIELDS, MAX_MESSAGES, MAX_NAME_BYTES, parse, parse_with_budget};
pub use reason::{Incompatibility, MAX_REASONS, Rule};
pub use reserved::{reuses_reserved, reuses_reserved_with_budget};
pub use schema::{Safety, Schema};
pub use size_limits::MAX_MEMORY_BYTES;
pub(crate) use size_limits::decode;
pub use source::{SourceFile, source_files};
pub use traversal::MAX_COMPARISONS;
pub(crate) use type_lookup::declares_message;
pub(crate) use undecoded::Undecoded;
