//! The parser of descriptor sets. It accepts any bytes without panicking, and is bounded.
//!
//! Only the types that the requested type refers to are parsed: sets of Java's clients hold one file without
//! its imports (contract §5.2), which matters only when a field needs them; the well-known types are built
//! in. The type is looked up as Java does it (§2.1).

use super::schema::{Enum, Field, Kind, Label, Message, Reserved, Scalar, Schema};
use super::{size_limits, well_known};
use crate::{Budget, Error, Result};
use prost_types::field_descriptor_proto::{Label as RawLabel, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The maximum number of messages and enums of a set, including nested messages and map entries.
pub const MAX_MESSAGES: usize = 10_000;
/// The maximum number of fields, enum values and reservations of the types that a type refers to.
pub const MAX_FIELDS: usize = 100_000;
/// The maximum nesting depth of message declarations.
pub const MAX_DEPTH: usize = 32;
/// The maximum length of a name in bytes: of a message or enum with its package, a field, or a value.
pub const MAX_NAME_BYTES: usize = 512;
/// The largest field number (2^29 - 1).
const MAX_NUMBER: i32 = 536_870_911;

/// Parses a `google.protobuf.FileDescriptorSet` (at most
/// [`MAX_SCHEMA_BYTES`](crate::limits::MAX_SCHEMA_BYTES) and [`MAX_MEMORY_BYTES`](super::MAX_MEMORY_BYTES)),
/// and the type of this name in it.
///
/// The name is a top-level message's full name, with or without a leading dot; a short name is in the first
/// file's package; an empty one is the first file's first message.
///
/// # Errors
/// The bytes are not such a set, are over a limit, do not contain the type or one that it refers to (the text
/// names the type and the missing import), or use editions, which are not supported yet.
pub fn parse(bytes: &[u8], type_name: &str) -> Result<Schema> {
    parse_with_budget(bytes, type_name, &Budget::default())
}

/// Parses a schema like [`parse`], within a shared budget.
///
/// # Errors
/// As [`parse`], and when the budget is exhausted.
pub fn parse_with_budget(bytes: &[u8], type_name: &str, budget: &Budget) -> Result<Schema> {
    let set = size_limits::decode(bytes)?;
    let well_known = well_known::file();
    let mut index = Index::of(&set.file)?;
    index.add_missing(&well_known);
    let root = resolve_root(&set.file, type_name)?;
    let mut builder = Builder::of(&index, budget);
    builder.message(&root)?;
    builder.finish()
}

/// Resolves the full name of the requested type.
fn resolve_root(files: &[FileDescriptorProto], type_name: &str) -> Result<String> {
    let first = files.first().ok_or_else(|| Error::new("the descriptor set has no file"))?;
    let requested = type_name.strip_prefix('.').unwrap_or(type_name);
    let (package, name) = requested.rsplit_once('.').unwrap_or((first.package(), requested));
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
            "the descriptor set has no top-level message {requested:.80?}: give the full name of one that it has"
        ))),
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn qualified_name(kind: &str, scope: &str, name: &str) -> Result<String> {
    let full = join(scope, name);
    if name.is_empty() || full.len() > MAX_NAME_BYTES {
        return Err(Error::new(format!(
            "{kind} {name:.40?} of {scope:.80?} must have a full name of 1 to {MAX_NAME_BYTES} bytes"
        )));
    }
    Ok(full)
}

/// The declared types of the set by full name.
struct Index<'a> {
    types: HashMap<String, DeclaredType<'a>>,
    files: &'a [FileDescriptorProto],
}

#[derive(Clone, Copy)]
struct DeclaredType<'a> {
    file: &'a FileDescriptorProto,
    descriptor: TypeDescriptor<'a>,
}

impl DeclaredType<'_> {
    fn is_equal(&self, other: &Self) -> bool {
        self.file.syntax() == other.file.syntax() && self.descriptor == other.descriptor
    }
}

#[derive(Clone, Copy, PartialEq)]
enum TypeDescriptor<'a> {
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
            let mut pending = vec![(package.to_owned(), &file.message_type, &file.enum_type, 0)];
            while let Some((scope, messages, enums, depth)) = pending.pop() {
                if depth > MAX_DEPTH {
                    return Err(Error::new(format!(
                        "{scope:.80} is nested deeper than {MAX_DEPTH} messages"
                    )));
                }
                for it in enums {
                    let name = qualified_name("the enum", &scope, it.name())?;
                    index.declare(name, DeclaredType { file, descriptor: TypeDescriptor::Enum(it) })?;
                }
                for it in messages {
                    let name = qualified_name("the message", &scope, it.name())?;
                    index.declare(
                        name.clone(),
                        DeclaredType { file, descriptor: TypeDescriptor::Message(it) },
                    )?;
                    pending.push((name, &it.nested_type, &it.enum_type, depth + 1));
                }
            }
        }
        Ok(index)
    }

    /// Adds the types of this file that the set does not declare.
    fn add_missing(&mut self, file: &'a FileDescriptorProto) {
        let package = file.package();
        for it in &file.enum_type {
            let declared = DeclaredType { file, descriptor: TypeDescriptor::Enum(it) };
            self.types.entry(join(package, it.name())).or_insert(declared);
        }
        for it in &file.message_type {
            let name = join(package, it.name());
            for inner in &it.nested_type {
                let declared = DeclaredType { file, descriptor: TypeDescriptor::Message(inner) };
                self.types.entry(join(&name, inner.name())).or_insert(declared);
            }
            self.types.entry(name).or_insert(DeclaredType { file, descriptor: TypeDescriptor::Message(it) });
        }
    }

    fn declare(&mut self, name: String, declared: DeclaredType<'a>) -> Result<()> {
        if self.types.len() >= MAX_MESSAGES {
            return Err(Error::new(format!(
                "more than {MAX_MESSAGES} messages and enums: divide the schema"
            )));
        }
        match self.types.entry(name) {
            // the same file twice is not a conflict
            Entry::Occupied(old) if !old.get().is_equal(&declared) => {
                Err(Error::new(format!("{:.80} is declared twice, and differently", old.key())))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(slot) => {
                slot.insert(declared);
                Ok(())
            }
        }
    }

    /// Resolves a type reference: absolute with a leading dot, else from the innermost scope outwards as C++
    /// does.
    fn resolve(&self, reference: &str, scope: &str, budget: &Budget) -> Option<(String, DeclaredType<'a>)> {
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

    /// Explains an unresolved reference of this file: names the imports that the set does not contain, if
    /// any.
    fn missing(&self, file: &FileDescriptorProto) -> String {
        let names: HashSet<_> = self.files.iter().map(FileDescriptorProto::name).collect();
        let has = |import: &&String| names.contains(import.as_str());
        let missing: Vec<_> =
            file.dependency.iter().filter(|it| !has(it)).take(8).map(|it| format!("{it:.80}")).collect();
        if missing.is_empty() {
            return format!("no file that {:.80} imports declares it", file.name());
        }
        format!("the import {} is missing: create the set with its imports", missing.join(", "))
    }
}

/// Builds the types in the order in which they are first referred to.
struct Builder<'a> {
    index: &'a Index<'a>,
    message_indexes: HashMap<String, usize>,
    enum_indexes: HashMap<String, usize>,
    /// Messages with an index, in order; those after the parsed ones are still to be parsed.
    pending: Vec<(String, &'a FileDescriptorProto, &'a DescriptorProto)>,
    enums: Vec<Enum>,
    fields: usize,
    budget: &'a Budget,
}

impl<'a> Builder<'a> {
    fn of(index: &'a Index<'a>, budget: &'a Budget) -> Self {
        Self {
            index,
            message_indexes: HashMap::new(),
            enum_indexes: HashMap::new(),
            pending: Vec::new(),
            enums: Vec::new(),
            fields: 0,
            budget,
        }
    }

    fn message(&mut self, full: &str) -> Result<()> {
        match self.index.types.get(full) {
            Some(DeclaredType { file, descriptor: TypeDescriptor::Message(it) }) => {
                self.message_index(full.to_owned(), file, it);
                Ok(())
            }
            _ => Err(Error::new(format!("{full:.80} is not a message"))),
        }
    }

    fn finish(mut self) -> Result<Schema> {
        let mut messages = Vec::new();
        while let Some((name, file, it)) = self.pending.get(messages.len()).cloned() {
            messages.push(self.read_message(name, file, it)?);
        }
        let schema = Schema { messages, enums: self.enums };
        check_entries(&schema)?;
        Ok(schema)
    }

    fn message_index(
        &mut self,
        full: String,
        file: &'a FileDescriptorProto,
        it: &'a DescriptorProto,
    ) -> usize {
        let next = self.pending.len();
        match self.message_indexes.entry(full) {
            Entry::Occupied(index) => *index.get(),
            Entry::Vacant(slot) => {
                self.pending.push((slot.key().clone(), file, it));
                *slot.insert(next)
            }
        }
    }

    fn count(&mut self, more: usize, of: &str) -> Result<()> {
        self.budget.try_spend(1 + more, of)?;
        self.fields = self.fields.saturating_add(more);
        if self.fields > MAX_FIELDS {
            return Err(Error::new(format!(
                "more than {MAX_FIELDS} fields, values and reservations, reached at {of:.80}: divide the schema"
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
        let is_proto3 = is_proto3(file)?;
        self.count(it.field.len() + it.reserved_range.len() + it.reserved_name.len(), &name)?;
        let mut fields = BTreeMap::new();
        let mut names = HashSet::new();
        for raw in &it.field {
            if !names.insert(raw.name()) {
                return Err(Error::new(format!("two fields of {name:.80} are named {:.80}", raw.name())));
            }
            let field = self.read_field(&name, file, it, raw, is_proto3)?;
            if let Some(duplicate) = fields.insert(field.number, field) {
                let number = duplicate.number;
                return Err(Error::new(format!("number {number} of {name:.80} is given to two fields")));
            }
        }
        let ranges = it.reserved_range.iter().map(|range| range.start()..=range.end().saturating_sub(1));
        let fields: Vec<Field> = fields.into_values().collect();
        let defaults = fields.iter().filter_map(|field| field.default.as_ref());
        Ok(Message {
            name,
            comparison_steps: fields.len() + defaults.map(|default| default.len() / 64).sum::<usize>(),
            fields,
            reserved: Reserved::of(ranges, &it.reserved_name),
            is_map_entry: it.options.as_ref().is_some_and(|options| options.map_entry()),
        })
    }

    fn read_field(
        &mut self,
        of: &str,
        file: &'a FileDescriptorProto,
        it: &DescriptorProto,
        raw: &FieldDescriptorProto,
        is_proto3: bool,
    ) -> Result<Field> {
        qualified_name("the field", of, raw.name())?;
        let location = || format!("{of:.80}.{:.80}", raw.name());
        let number = raw.number();
        if !(1..=MAX_NUMBER).contains(&number) {
            return Err(Error::new(format!(
                "{} has the number {number}; it must be 1 to {MAX_NUMBER}",
                location()
            )));
        }
        let kind = self.read_kind(of, file, raw)?;
        let oneof = match raw.oneof_index {
            None => None,
            Some(_) if raw.proto3_optional() => None,
            Some(index) => {
                let oneof = usize::try_from(index).ok().and_then(|index| it.oneof_decl.get(index));
                let oneof = oneof.ok_or_else(|| {
                    Error::new(format!("{} is in a oneof that is not declared", location()))
                })?;
                qualified_name("the oneof", of, oneof.name())?;
                Some(oneof.name().to_owned())
            }
        };
        let label = match RawLabel::try_from(raw.label.unwrap_or(RawLabel::Optional as i32)) {
            Ok(RawLabel::Required) => Label::Required,
            Ok(RawLabel::Repeated) => {
                let is_packed = raw.options.as_ref().and_then(|options| options.packed).unwrap_or(is_proto3);
                Label::Repeated { is_packed: is_packed && kind.is_packable() }
            }
            Ok(RawLabel::Optional) => {
                let has_presence =
                    !is_proto3 || raw.proto3_optional() || oneof.is_some() || kind.message().is_some();
                if has_presence { Label::Optional } else { Label::Implicit }
            }
            Err(_) => return Err(Error::new(format!("{} has an unknown label", location()))),
        };
        let json_name = raw.json_name.clone().unwrap_or_else(|| lower_camel(raw.name()));
        if json_name.len() > MAX_NAME_BYTES {
            return Err(Error::new(format!(
                "the json_name of {} is longer than {MAX_NAME_BYTES} bytes",
                location()
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
        let location = || format!("{of:.80}.{:.80}", raw.name());
        let kind = match raw.r#type {
            // omitted by compilers that do not resolve types; the reference determines the kind
            None => None,
            Some(number) => {
                let kind = Type::try_from(number)
                    .map_err(|_| Error::new(format!("{} has the unknown type {number}", location())))?;
                if let Some(scalar) = scalar(kind) {
                    return Ok(Kind::Scalar(scalar));
                }
                Some(kind)
            }
        };
        let reference = raw.type_name();
        let Some((full, declared)) = self.index.resolve(reference, of, self.budget) else {
            return Err(Error::new(format!(
                "{} has the type {reference:.80?}, which the descriptor set does not contain: {}",
                location(),
                self.index.missing(file)
            )));
        };
        match (declared.descriptor, kind) {
            (TypeDescriptor::Message(it), None | Some(Type::Message)) => {
                Ok(Kind::Message(self.message_index(full, declared.file, it)))
            }
            (TypeDescriptor::Message(it), Some(Type::Group)) => {
                Ok(Kind::Group(self.message_index(full, declared.file, it)))
            }
            (TypeDescriptor::Enum(it), None | Some(Type::Enum)) => {
                self.enum_index(full, declared.file, it).map(Kind::Enum)
            }
            _ => Err(Error::new(format!("{} refers to {full:.80}, which is of another kind", location()))),
        }
    }

    fn enum_index(
        &mut self,
        full: String,
        file: &FileDescriptorProto,
        it: &EnumDescriptorProto,
    ) -> Result<usize> {
        if let Some(index) = self.enum_indexes.get(&full) {
            return Ok(*index);
        }
        self.count(it.value.len() + it.reserved_range.len() + it.reserved_name.len(), &full)?;
        if it.value.is_empty() {
            return Err(Error::new(format!("the enum {full:.80} has no value")));
        }
        let mut names = HashSet::new();
        for value in &it.value {
            qualified_name("the value", &full, value.name())?;
            if !names.insert(value.name()) {
                return Err(Error::new(format!("two values of {full:.80} are named {:.80}", value.name())));
            }
        }
        let ranges = it.reserved_range.iter().map(|range| range.start()..=range.end());
        let values = || it.value.iter().map(|value| (value.name().to_owned(), value.number()));
        let number = self.enums.len();
        self.enum_indexes.insert(full.clone(), number);
        self.enums.push(Enum {
            name: full,
            values: values().collect(),
            numbers: values().collect(),
            is_closed: !is_proto3(file)?,
            reserved: Reserved::of(ranges, &it.reserved_name),
        });
        Ok(number)
    }
}

/// Returns whether the syntax is proto3; without a syntax it is proto2. `prost_types` has no features of
/// editions.
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

/// Checks that each map entry has a key of number 1 and a value of number 2.
fn check_entries(schema: &Schema) -> Result<()> {
    let entries = schema.messages.iter().filter(|message| message.is_map_entry);
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

/// Returns the ProtoJSON name of a field without a `json_name`.
fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_capital = false;
    for letter in name.chars() {
        if letter == '_' {
            is_capital = true;
            continue;
        }
        camel.push(if is_capital { letter.to_ascii_uppercase() } else { letter });
        is_capital = false;
    }
    camel
}
