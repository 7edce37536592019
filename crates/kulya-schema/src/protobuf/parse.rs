//! The parser of descriptor sets. It accepts any bytes without panicking, and is bounded.
//!
//! Only the types that the requested type refers to are parsed: sets of Java's clients hold one file without
//! its imports (contract §5.2), which matters only when a field needs them; the well-known types are built
//! in. The type is looked up as Java does it (§2.1).

use super::extensions::{Extension, Extensions, is_message_set};
use super::features::{self, Features, FileFeatures, MessageFeatures, Presence};
use super::schema::{Enum, Field, Kind, Label, Message, Reserved, Scalar, Schema};
use super::{size_limits, type_lookup, well_known};
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
/// The name is a message's full name, with or without a leading dot; a short name is in the first file's
/// package; an empty one is the first file's first message. Extensions that the set declares are fields of
/// the messages that they extend.
///
/// # Errors
/// The bytes are not such a set, are over a limit, do not contain the type or one that it refers to (the text
/// names the type and the missing import), or use an unknown edition.
pub fn parse(bytes: &[u8], type_name: &str) -> Result<Schema> {
    parse_with_budget(bytes, type_name, &Budget::default())
}

/// Parses a schema like [`parse`], within a shared budget.
///
/// # Errors
/// As [`parse`], and when the budget is exhausted.
pub fn parse_with_budget(bytes: &[u8], type_name: &str, budget: &Budget) -> Result<Schema> {
    let set = size_limits::decode(bytes)?;
    let declared_features = features::decode(bytes, &set.file)?;
    let well_known = well_known::file();
    let mut index = Index::of(&set.file, &declared_features)?;
    index.add_missing(&well_known)?;
    index.resolve_extensions(budget);
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
    if let Some(file) = found {
        return Ok(join(file.package(), name));
    }
    let nested = [requested.to_owned(), join(first.package(), requested)];
    nested.into_iter().find(|name| type_lookup::declares_message(files, name)).ok_or_else(|| {
        Error::new(format!(
            "the descriptor set has no message {requested:.80?}: give the full name of one that it has"
        ))
    })
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
    extensions: Extensions<'a>,
    files: &'a [FileDescriptorProto],
}

#[derive(Clone, Copy)]
struct DeclaredType<'a> {
    file: &'a FileDescriptorProto,
    descriptor: TypeDescriptor<'a>,
    features: Features,
}

impl DeclaredType<'_> {
    fn is_equal(&self, other: &Self) -> bool {
        self.file.syntax() == other.file.syntax()
            && self.descriptor == other.descriptor
            && self.features == other.features
    }
}

#[derive(Clone, Copy, PartialEq)]
enum TypeDescriptor<'a> {
    /// With the features that its declarations set, in a file with an edition.
    Message(&'a DescriptorProto, Option<&'a MessageFeatures>),
    Enum(&'a EnumDescriptorProto),
}

impl<'a> Index<'a> {
    fn of(files: &'a [FileDescriptorProto], declared_features: &'a [FileFeatures]) -> Result<Self> {
        let mut index = Self { types: HashMap::new(), extensions: Extensions::default(), files };
        for (number, file) in files.iter().enumerate() {
            let declared = declared_features.get(number).filter(|_| file.syntax() == "editions");
            let features = Features::of_file(file, declared)?;
            let package = file.package();
            if package.len() > MAX_NAME_BYTES {
                return Err(Error::new(format!(
                    "the package {package:.40?} is longer than {MAX_NAME_BYTES} bytes"
                )));
            }
            let of_extensions = declared.map_or(&[][..], |declared| &declared.extension);
            index.extensions.declare(package, file, &file.extension, features, of_extensions);
            let (of_messages, of_enums) =
                declared.map_or((&[][..], &[][..]), |declared| (&declared.message_type, &declared.enum_type));
            let scope = Scope { name: package.to_owned(), depth: 0, features, of_messages, of_enums };
            let mut pending = vec![(scope, &file.message_type, &file.enum_type)];
            while let Some((scope, messages, enums)) = pending.pop() {
                if scope.depth > MAX_DEPTH {
                    return Err(Error::new(format!(
                        "{:.80} is nested deeper than {MAX_DEPTH} messages",
                        scope.name
                    )));
                }
                for (number, it) in enums.iter().enumerate() {
                    let name = qualified_name("the enum", &scope.name, it.name())?;
                    let declared = scope.of_enums.get(number);
                    let features = scope.features.with(declared.and_then(|declared| declared.features()));
                    let descriptor = TypeDescriptor::Enum(it);
                    index.declare(name, DeclaredType { file, descriptor, features })?;
                }
                for (number, it) in messages.iter().enumerate() {
                    let name = qualified_name("the message", &scope.name, it.name())?;
                    let declared = scope.of_messages.get(number);
                    let features = scope.features.with(declared.and_then(MessageFeatures::features));
                    let descriptor = TypeDescriptor::Message(it, declared);
                    index.declare(name.clone(), DeclaredType { file, descriptor, features })?;
                    let of_extensions = declared.map_or(&[][..], |declared| &declared.extension);
                    index.extensions.declare(&name, file, &it.extension, features, of_extensions);
                    let (of_messages, of_enums) = declared.map_or((&[][..], &[][..]), |declared| {
                        (&declared.nested_type[..], &declared.enum_type[..])
                    });
                    let scope = Scope { name, depth: scope.depth + 1, features, of_messages, of_enums };
                    pending.push((scope, &it.nested_type, &it.enum_type));
                }
            }
        }
        Ok(index)
    }

    /// Finds the messages that the extensions extend.
    fn resolve_extensions(&mut self, budget: &Budget) {
        let mut extensions = std::mem::take(&mut self.extensions);
        extensions.resolve(|extendee, scope| self.resolve(extendee, scope, budget).map(|(name, _)| name));
        self.extensions = extensions;
    }

    /// Adds the types of this file that the set does not declare.
    fn add_missing(&mut self, file: &'a FileDescriptorProto) -> Result<()> {
        let package = file.package();
        let features = Features::of_file(file, None)?;
        let message = |it| DeclaredType { file, descriptor: TypeDescriptor::Message(it, None), features };
        for it in &file.enum_type {
            let declared = DeclaredType { file, descriptor: TypeDescriptor::Enum(it), features };
            self.types.entry(join(package, it.name())).or_insert(declared);
        }
        for it in &file.message_type {
            let name = join(package, it.name());
            for inner in &it.nested_type {
                self.types.entry(join(&name, inner.name())).or_insert(message(inner));
            }
            self.types.entry(name).or_insert(message(it));
        }
        Ok(())
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

/// A package or message whose declarations are indexed.
struct Scope<'a> {
    name: String,
    depth: usize,
    features: Features,
    of_messages: &'a [MessageFeatures],
    of_enums: &'a [features::EnumFeatures],
}

/// Builds the types in the order in which they are first referred to.
struct Builder<'a> {
    index: &'a Index<'a>,
    message_indexes: HashMap<String, usize>,
    enum_indexes: HashMap<String, usize>,
    /// Messages with an index, in order; those after the parsed ones are still to be parsed.
    pending: Vec<(String, DeclaredType<'a>)>,
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
            Some(declared) if matches!(declared.descriptor, TypeDescriptor::Message(..)) => {
                self.message_index(full.to_owned(), *declared);
                Ok(())
            }
            _ => Err(Error::new(format!("{full:.80} is not a message"))),
        }
    }

    fn finish(mut self) -> Result<Schema> {
        let mut messages = Vec::new();
        while let Some((name, declared)) = self.pending.get(messages.len()).cloned() {
            messages.push(self.read_message(name, declared)?);
        }
        let schema = Schema { messages, enums: self.enums };
        check_entries(&schema)?;
        Ok(schema)
    }

    fn message_index(&mut self, full: String, declared: DeclaredType<'a>) -> usize {
        let next = self.pending.len();
        match self.message_indexes.entry(full) {
            Entry::Occupied(index) => *index.get(),
            Entry::Vacant(slot) => {
                self.pending.push((slot.key().clone(), declared));
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

    fn read_message(&mut self, name: String, declared: DeclaredType<'a>) -> Result<Message> {
        let DeclaredType { file, descriptor, features } = declared;
        let TypeDescriptor::Message(it, of_declarations) = descriptor else {
            return Err(Error::new(format!("{name:.80} is not a message")));
        };
        let index = self.index;
        let extensions = index.extensions.of(&name);
        let declarations =
            it.field.len() + extensions.len() + it.reserved_range.len() + it.reserved_name.len();
        self.count(declarations, &name)?;
        let is_map_entry = it.options.as_ref().is_some_and(|options| options.map_entry());
        let mut fields = BTreeMap::new();
        let mut names = HashSet::new();
        for (position, raw) in it.field.iter().enumerate() {
            if !names.insert(raw.name()) {
                return Err(Error::new(format!("two fields of {name:.80} are named {:.80}", raw.name())));
            }
            let of_oneof = raw
                .oneof_index
                .and_then(|oneof| of_declarations?.oneof_decl.get(usize::try_from(oneof).ok()?)?.features());
            let of_field = of_declarations.and_then(|all| all.field.get(position)?.features());
            let mut features = features.with(of_oneof).with(of_field);
            // the compiler's entries are never groups
            features.is_delimited &= !is_map_entry;
            let field = self.read_field(&name, file, it, raw, features)?;
            insert_field(&mut fields, field, &name)?;
        }
        for extension in extensions {
            let field = self.read_extension(it, extension)?;
            match fields.get(&field.number) {
                // the same file twice
                Some(same) if same.name == field.name => {}
                _ => insert_field(&mut fields, field, &name)?,
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
            is_map_entry,
        })
    }

    /// Reads an extension as a field of the extended message. Its name is in brackets, as in JSON.
    fn read_extension(&mut self, extended: &DescriptorProto, extension: &Extension<'a>) -> Result<Field> {
        let Extension { scope, file, field, features } = extension;
        let full = qualified_name("the extension", scope, field.name())?;
        // an extension that is set differs from one that is not
        let features = Features { presence: Presence::Explicit, ..*features };
        let mut read = self.read_field(scope, file, extended, field, features)?;
        read.name = format!("[{full}]");
        read.json_name.clone_from(&read.name);
        Ok(read)
    }

    fn read_field(
        &mut self,
        of: &str,
        file: &'a FileDescriptorProto,
        it: &DescriptorProto,
        raw: &FieldDescriptorProto,
        features: Features,
    ) -> Result<Field> {
        qualified_name("the field", of, raw.name())?;
        let location = || format!("{of:.80}.{:.80}", raw.name());
        let number = raw.number();
        let max = if is_message_set(it) { i32::MAX - 1 } else { MAX_NUMBER };
        if !(1..=max).contains(&number) {
            return Err(Error::new(format!("{} has the number {number}; it must be 1 to {max}", location())));
        }
        let kind = self.read_kind(of, file, raw, features)?;
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
                let declared = raw.options.as_ref().and_then(|options| options.packed);
                let is_packed = declared.unwrap_or(features.is_packed);
                Label::Repeated { is_packed: is_packed && kind.is_packable() }
            }
            Ok(RawLabel::Optional) if features.presence == Presence::Required => Label::Required,
            Ok(RawLabel::Optional) => {
                let has_presence = features.presence == Presence::Explicit
                    || raw.proto3_optional()
                    || oneof.is_some()
                    || kind.message().is_some();
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
        features: Features,
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
            (TypeDescriptor::Message(it, _), None | Some(Type::Message)) => {
                let is_map = it.options.as_ref().is_some_and(|options| options.map_entry());
                let index = self.message_index(full, declared);
                Ok(if features.is_delimited && !is_map { Kind::Group(index) } else { Kind::Message(index) })
            }
            (TypeDescriptor::Message(..), Some(Type::Group)) => {
                Ok(Kind::Group(self.message_index(full, declared)))
            }
            (TypeDescriptor::Enum(it), None | Some(Type::Enum)) => {
                self.enum_index(full, declared.features, it).map(Kind::Enum)
            }
            _ => Err(Error::new(format!("{} refers to {full:.80}, which is of another kind", location()))),
        }
    }

    fn enum_index(&mut self, full: String, features: Features, it: &EnumDescriptorProto) -> Result<usize> {
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
            is_closed: features.has_closed_enums,
            reserved: Reserved::of(ranges, &it.reserved_name),
        });
        Ok(number)
    }
}

/// Adds a field of a message.
fn insert_field(fields: &mut BTreeMap<i32, Field>, field: Field, of: &str) -> Result<()> {
    match fields.insert(field.number, field) {
        Some(duplicate) => {
            let number = duplicate.number;
            Err(Error::new(format!("number {number} of {of:.80} is given to two fields")))
        }
        None => Ok(()),
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
