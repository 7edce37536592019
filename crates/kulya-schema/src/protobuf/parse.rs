//! A descriptor set's bytes as messages that know each other. Total on any bytes, and bounded.
//!
//! Only what the type refers to is looked at: sets of Java's clients hold one file without what it imports (contract
//! §5.2), which harms nobody until a field needs it, and the well-known types are known without. The type is found as
//! Java finds it (§2.1).

use super::{Enum, Field, Kind, Label, Message, Reserved, Scalar, Schema, weight, well_known};
use crate::{Budget, Error, Result};
use prost_types::field_descriptor_proto::{Label as RawLabel, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The most messages and enums of a set, nested ones and those of maps included.
pub const MAX_MESSAGES: usize = 10_000;
/// The most fields, enum values and reservations of what a type refers to.
pub const MAX_FIELDS: usize = 100_000;
/// How deep messages may be declared in messages.
pub const MAX_DEPTH: usize = 32;
/// The longest name: a message's or enum's with its package, a field's, a value's.
pub const MAX_NAME_BYTES: usize = 512;
/// The largest number of a field (2^29 - 1).
const MAX_NUMBER: i32 = 536_870_911;

/// Reads a `google.protobuf.FileDescriptorSet` (at most [`MAX_SCHEMA_BYTES`](crate::limits::MAX_SCHEMA_BYTES) and
/// [`MAX_MEMORY_BYTES`](super::MAX_MEMORY_BYTES)), and the type of this name in it.
///
/// The name is a top-level message's full name, with or without a leading dot; a short name is one of the first file's
/// package; an empty one is the first file's first message.
///
/// # Errors
/// For bytes that are no such set, are over a limit, lack the type or one that it refers to (the text names the type, and
/// the import that is missing), or use what is not supported yet: editions.
pub fn parse(bytes: &[u8], type_name: &str) -> Result<Schema> {
    parse_within(bytes, type_name, &Budget::default())
}

/// As [`parse`], within a budget that other work shares.
///
/// # Errors
/// As [`parse`], and when the budget ends.
pub fn parse_within(bytes: &[u8], type_name: &str, budget: &Budget) -> Result<Schema> {
    let set = weight::decode(bytes)?;
    let well_known = well_known::file();
    let mut index = Index::of(&set.file)?;
    index.complete(&well_known);
    let root = root(&set.file, type_name)?;
    let mut builder = Builder::of(&index, budget);
    builder.message(&root)?;
    builder.finish()
}

/// The full name of the type that is asked for.
fn root(files: &[FileDescriptorProto], type_name: &str) -> Result<String> {
    let first = files.first().ok_or_else(|| Error::new("the descriptor set holds no file"))?;
    let asked = type_name.strip_prefix('.').unwrap_or(type_name);
    let (package, name) = asked.rsplit_once('.').unwrap_or((first.package(), asked));
    let name = match name {
        "" => first.message_type.first().map(DescriptorProto::name).unwrap_or_default(),
        name => name,
    };
    let found = files.iter().find(|file| {
        (package.is_empty() || file.package() == package)
            && file.message_type.iter().any(|m| m.name() == name)
    });
    match found {
        Some(file) => Ok(join(file.package(), name)),
        None => Err(Error::new(format!(
            "the descriptor set has no message {asked:.80?} at the top of a file: give the full name of one that it has"
        ))),
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn named(what: &str, scope: &str, name: &str) -> Result<String> {
    let full = join(scope, name);
    if name.is_empty() || full.len() > MAX_NAME_BYTES {
        return Err(Error::new(format!(
            "{what} {name:.40?} of {scope:.80?} must have a full name of 1 to {MAX_NAME_BYTES} bytes"
        )));
    }
    Ok(full)
}

/// Where every type of the set is, by its full name.
struct Index<'a> {
    types: HashMap<String, Declared<'a>>,
    files: &'a [FileDescriptorProto],
}

#[derive(Clone, Copy)]
struct Declared<'a> {
    file: &'a FileDescriptorProto,
    what: What<'a>,
}

impl Declared<'_> {
    fn is_like(&self, other: &Self) -> bool {
        self.file.syntax() == other.file.syntax() && self.what == other.what
    }
}

#[derive(Clone, Copy, PartialEq)]
enum What<'a> {
    Message(&'a DescriptorProto),
    Enum(&'a EnumDescriptorProto),
}

impl<'a> Index<'a> {
    fn of(files: &'a [FileDescriptorProto]) -> Result<Self> {
        let mut index = Self { types: HashMap::new(), files };
        for file in files {
            let package = file.package();
            if package.len() > MAX_NAME_BYTES {
                return Err(Error::new(format!(
                    "the package {package:.40?} is longer than {MAX_NAME_BYTES} bytes"
                )));
            }
            let mut open = vec![(package.to_owned(), &file.message_type, &file.enum_type, 0)];
            while let Some((scope, messages, enums, depth)) = open.pop() {
                if depth > MAX_DEPTH {
                    return Err(Error::new(format!(
                        "{scope:.80} is nested deeper than {MAX_DEPTH} messages"
                    )));
                }
                for it in enums {
                    let name = named("the enum", &scope, it.name())?;
                    index.declare(name, Declared { file, what: What::Enum(it) })?;
                }
                for it in messages {
                    let name = named("the message", &scope, it.name())?;
                    index.declare(name.clone(), Declared { file, what: What::Message(it) })?;
                    open.push((name, &it.nested_type, &it.enum_type, depth + 1));
                }
            }
        }
        Ok(index)
    }

    /// The types of this file that the set has not.
    fn complete(&mut self, file: &'a FileDescriptorProto) {
        let package = file.package();
        for it in &file.enum_type {
            let declared = Declared { file, what: What::Enum(it) };
            self.types.entry(join(package, it.name())).or_insert(declared);
        }
        for it in &file.message_type {
            let name = join(package, it.name());
            for inner in &it.nested_type {
                let declared = Declared { file, what: What::Message(inner) };
                self.types.entry(join(&name, inner.name())).or_insert(declared);
            }
            self.types.entry(name).or_insert(Declared { file, what: What::Message(it) });
        }
    }

    fn declare(&mut self, name: String, declared: Declared<'a>) -> Result<()> {
        if self.types.len() >= MAX_MESSAGES {
            return Err(Error::new(format!(
                "more than {MAX_MESSAGES} messages and enums: divide the schema"
            )));
        }
        match self.types.entry(name) {
            // one file given twice is no contradiction
            Entry::Occupied(old) if !old.get().is_like(&declared) => {
                Err(Error::new(format!("{:.80} is declared twice, and not alike", old.key())))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(place) => {
                place.insert(declared);
                Ok(())
            }
        }
    }

    /// A reference, absolute with a leading dot, else from the innermost scope outwards as C++ does.
    fn resolve(&self, reference: &str, scope: &str, budget: &Budget) -> Option<(String, Declared<'a>)> {
        if let Some(full) = reference.strip_prefix('.') {
            return self.types.get(full).map(|found| (full.to_owned(), *found));
        }
        if reference.len() > MAX_NAME_BYTES {
            return None;
        }
        let mut scope = scope;
        loop {
            let full = join(scope, reference);
            if let Some(found) = self.types.get(&full) {
                return Some((full, *found));
            }
            if scope.is_empty() || !budget.spend(1) {
                return None;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    /// What is missing for a reference of this file: the imports that the set has not, if any.
    fn missing(&self, file: &FileDescriptorProto) -> String {
        let names: HashSet<_> = self.files.iter().map(FileDescriptorProto::name).collect();
        let has = |import: &&String| names.contains(import.as_str());
        let missing: Vec<_> =
            file.dependency.iter().filter(|it| !has(it)).take(8).map(|it| format!("{it:.80}")).collect();
        if missing.is_empty() {
            return format!("no file that {:.80} imports has it", file.name());
        }
        format!("the set lacks the import {}: make it with the imports included", missing.join(", "))
    }
}

/// Types in the order in which they are first referred to.
struct Builder<'a> {
    index: &'a Index<'a>,
    message_numbers: HashMap<String, usize>,
    enum_numbers: HashMap<String, usize>,
    /// Those that have a number, and are not read yet, after those that are.
    open: Vec<(String, &'a FileDescriptorProto, &'a DescriptorProto)>,
    enums: Vec<Enum>,
    fields: usize,
    budget: &'a Budget,
}

impl<'a> Builder<'a> {
    fn of(index: &'a Index<'a>, budget: &'a Budget) -> Self {
        Self {
            index,
            message_numbers: HashMap::new(),
            enum_numbers: HashMap::new(),
            open: Vec::new(),
            enums: Vec::new(),
            fields: 0,
            budget,
        }
    }

    fn message(&mut self, full: &str) -> Result<()> {
        match self.index.types.get(full) {
            Some(Declared { file, what: What::Message(it) }) => {
                self.message_number(full.to_owned(), file, it);
                Ok(())
            }
            _ => Err(Error::new(format!("{full:.80} is no message"))),
        }
    }

    fn finish(mut self) -> Result<Schema> {
        let mut messages = Vec::new();
        while let Some((name, file, it)) = self.open.get(messages.len()).cloned() {
            messages.push(self.read_message(name, file, it)?);
        }
        let schema = Schema { messages, enums: self.enums };
        check_entries(&schema)?;
        Ok(schema)
    }

    fn message_number(
        &mut self,
        full: String,
        file: &'a FileDescriptorProto,
        it: &'a DescriptorProto,
    ) -> usize {
        let next = self.open.len();
        match self.message_numbers.entry(full) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                self.open.push((place.key().clone(), file, it));
                *place.insert(next)
            }
        }
    }

    fn count(&mut self, more: usize, of: &str) -> Result<()> {
        self.budget.take(1 + more, of)?;
        self.fields = self.fields.saturating_add(more);
        if self.fields > MAX_FIELDS {
            return Err(Error::new(format!(
                "more than {MAX_FIELDS} fields, values and reservations, met at {of:.80}: divide the schema"
            )));
        }
        Ok(())
    }

    fn read_message(
        &mut self,
        name: String,
        file: &'a FileDescriptorProto,
        it: &'a DescriptorProto,
    ) -> Result<Message> {
        let proto3 = is_proto3(file)?;
        self.count(it.field.len() + it.reserved_range.len() + it.reserved_name.len(), &name)?;
        let mut fields = BTreeMap::new();
        let mut names = HashSet::new();
        for raw in &it.field {
            if !names.insert(raw.name()) {
                return Err(Error::new(format!("two fields of {name:.80} are called {:.80}", raw.name())));
            }
            let field = self.read_field(&name, file, it, raw, proto3)?;
            if let Some(twice) = fields.insert(field.number, field) {
                let number = twice.number;
                return Err(Error::new(format!("number {number} of {name:.80} is given to two fields")));
            }
        }
        let ranges = it.reserved_range.iter().map(|range| range.start()..=range.end().saturating_sub(1));
        let fields: Vec<Field> = fields.into_values().collect();
        let defaults = fields.iter().filter_map(|field| field.default.as_ref());
        Ok(Message {
            name,
            weight: fields.len() + defaults.map(|default| default.len() / 64).sum::<usize>(),
            fields,
            reserved: Reserved::of(ranges, &it.reserved_name),
            map_entry: it.options.as_ref().is_some_and(|options| options.map_entry()),
        })
    }

    fn read_field(
        &mut self,
        of: &str,
        file: &'a FileDescriptorProto,
        it: &DescriptorProto,
        raw: &FieldDescriptorProto,
        proto3: bool,
    ) -> Result<Field> {
        named("the field", of, raw.name())?;
        let at = || format!("{of:.80}.{:.80}", raw.name());
        let number = raw.number();
        if !(1..=MAX_NUMBER).contains(&number) {
            return Err(Error::new(format!(
                "{} has the number {number}; it must be 1 to {MAX_NUMBER}",
                at()
            )));
        }
        let kind = self.read_kind(of, file, raw)?;
        let oneof = match raw.oneof_index {
            None => None,
            Some(_) if raw.proto3_optional() => None,
            Some(index) => {
                let oneof = usize::try_from(index).ok().and_then(|index| it.oneof_decl.get(index));
                let oneof = oneof
                    .ok_or_else(|| Error::new(format!("{} is in a oneof that is not declared", at())))?;
                named("the oneof", of, oneof.name())?;
                Some(oneof.name().to_owned())
            }
        };
        let label = match RawLabel::try_from(raw.label.unwrap_or(RawLabel::Optional as i32)) {
            Ok(RawLabel::Required) => Label::Required,
            Ok(RawLabel::Repeated) => {
                let packed = raw.options.as_ref().and_then(|options| options.packed).unwrap_or(proto3);
                Label::Repeated { packed: packed && kind.is_packable() }
            }
            Ok(RawLabel::Optional) => {
                let present = !proto3 || raw.proto3_optional() || oneof.is_some() || kind.message().is_some();
                if present { Label::Optional } else { Label::Implicit }
            }
            Err(_) => return Err(Error::new(format!("{} has an unknown label", at()))),
        };
        let json_name = raw.json_name.clone().unwrap_or_else(|| lower_camel(raw.name()));
        if json_name.len() > MAX_NAME_BYTES {
            return Err(Error::new(format!(
                "the json_name of {} is longer than {MAX_NAME_BYTES} bytes",
                at()
            )));
        }
        let default = raw.default_value.clone();
        Ok(Field { name: raw.name().to_owned(), json_name, number, label, kind, oneof, default })
    }

    fn read_kind(
        &mut self,
        of: &str,
        file: &'a FileDescriptorProto,
        raw: &FieldDescriptorProto,
    ) -> Result<Kind> {
        let at = || format!("{of:.80}.{:.80}", raw.name());
        let kind = match raw.r#type {
            // left out by compilers that do not resolve; the reference says what it is
            None => None,
            Some(number) => {
                let kind = Type::try_from(number)
                    .map_err(|_| Error::new(format!("{} has the unknown type {number}", at())))?;
                if let Some(scalar) = scalar(kind) {
                    return Ok(Kind::Scalar(scalar));
                }
                Some(kind)
            }
        };
        let reference = raw.type_name();
        let Some((full, declared)) = self.index.resolve(reference, of, self.budget) else {
            return Err(Error::new(format!(
                "{} has the type {reference:.80?}, which the descriptor set has not: {}",
                at(),
                self.index.missing(file)
            )));
        };
        match (declared.what, kind) {
            (What::Message(it), None | Some(Type::Message)) => {
                Ok(Kind::Message(self.message_number(full, declared.file, it)))
            }
            (What::Message(it), Some(Type::Group)) => {
                Ok(Kind::Group(self.message_number(full, declared.file, it)))
            }
            (What::Enum(it), None | Some(Type::Enum)) => {
                self.enum_number(full, declared.file, it).map(Kind::Enum)
            }
            _ => Err(Error::new(format!("{} refers to {full:.80}, which is of another kind", at()))),
        }
    }

    fn enum_number(
        &mut self,
        full: String,
        file: &FileDescriptorProto,
        it: &EnumDescriptorProto,
    ) -> Result<usize> {
        if let Some(known) = self.enum_numbers.get(&full) {
            return Ok(*known);
        }
        self.count(it.value.len() + it.reserved_range.len() + it.reserved_name.len(), &full)?;
        if it.value.is_empty() {
            return Err(Error::new(format!("the enum {full:.80} has no value")));
        }
        let mut names = HashSet::new();
        for value in &it.value {
            named("the value", &full, value.name())?;
            if !names.insert(value.name()) {
                return Err(Error::new(format!("two values of {full:.80} are called {:.80}", value.name())));
            }
        }
        let ranges = it.reserved_range.iter().map(|range| range.start()..=range.end());
        let values = || it.value.iter().map(|value| (value.name().to_owned(), value.number()));
        let number = self.enums.len();
        self.enum_numbers.insert(full.clone(), number);
        self.enums.push(Enum {
            name: full,
            values: values().collect(),
            numbers: values().collect(),
            closed: !is_proto3(file)?,
            reserved: Reserved::of(ranges, &it.reserved_name),
        });
        Ok(number)
    }
}

/// What is left out is proto2. An edition's features are not in the descriptors that we know.
fn is_proto3(file: &FileDescriptorProto) -> Result<bool> {
    match file.syntax() {
        "" | "proto2" => Ok(false),
        "proto3" => Ok(true),
        "editions" => Err(Error::new(format!(
            "{:.80} uses an edition: editions are not supported yet, use proto2 or proto3",
            file.name()
        ))),
        other => Err(Error::new(format!("{:.80} has the unknown syntax {other:.40?}", file.name()))),
    }
}

/// A map's entry has a key of number 1 and a value of number 2.
fn check_entries(schema: &Schema) -> Result<()> {
    let entries = schema.messages.iter().filter(|message| message.map_entry);
    for entry in entries {
        let numbers: Vec<_> = entry.fields.iter().map(|field| field.number).collect();
        if numbers != [1, 2] || entry.fields.iter().any(|field| field.label.is_repeated()) {
            return Err(Error::new(format!("the map entry {:.80} must have a key and a value", entry.name)));
        }
    }
    Ok(())
}

fn scalar(kind: Type) -> Option<Scalar> {
    Some(match kind {
        Type::Double => Scalar::Double,
        Type::Float => Scalar::Float,
        Type::Int32 => Scalar::Int32,
        Type::Int64 => Scalar::Int64,
        Type::Uint32 => Scalar::Uint32,
        Type::Uint64 => Scalar::Uint64,
        Type::Sint32 => Scalar::Sint32,
        Type::Sint64 => Scalar::Sint64,
        Type::Fixed32 => Scalar::Fixed32,
        Type::Fixed64 => Scalar::Fixed64,
        Type::Sfixed32 => Scalar::Sfixed32,
        Type::Sfixed64 => Scalar::Sfixed64,
        Type::Bool => Scalar::Bool,
        Type::String => Scalar::String,
        Type::Bytes => Scalar::Bytes,
        Type::Group | Type::Message | Type::Enum => return None,
    })
}

/// The name that ProtoJSON gives a field without a `json_name`.
fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        if letter == '_' {
            raise = true;
            continue;
        }
        camel.push(if raise { letter.to_ascii_uppercase() } else { letter });
        raise = false;
    }
    camel
}
