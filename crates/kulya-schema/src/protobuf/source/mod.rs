//! A descriptor set printed as `.proto` sources, for people.
//!
//! Comments are omitted. Custom options are printed where the set declares them, and names as they are: a set
//! with invalid names gives a text that no compiler accepts.

mod custom_options;
mod names;
mod options;

use super::{features, size_limits};
use crate::{Error, Result};
use custom_options::CustomOptions;
use names::Names;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};
use std::collections::{HashMap, HashSet};
use std::fmt::{Arguments, Write};
use std::ops::Range;

/// The largest number of a field, and of an enum value.
const MAX_FIELD_NUMBER: i32 = 536_870_911;
const MAX_ENUM_NUMBER: i32 = i32::MAX;
/// Deeper levels are not indented further, so that a text is not mostly spaces.
const MAX_INDENT_DEPTH: usize = 16;

/// A file of a descriptor set as `.proto` text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The file's name, by which other files import it.
    pub name: String,
    /// The `.proto` text.
    pub text: String,
}

/// Prints the files of a descriptor set, in its order.
///
/// # Errors
/// The bytes are not a descriptor set or over a limit (as in [`parse`](super::parse)), or a file uses an
/// unknown syntax or edition.
pub fn source_files(bytes: &[u8]) -> Result<Vec<SourceFile>> {
    let set = size_limits::decode(bytes)?;
    let names = Names::of(&set.file)?;
    let declared = features::decode(bytes, &set.file)?;
    let custom = CustomOptions::of(bytes, &set.file);
    let print = |(index, file): (usize, &FileDescriptorProto)| {
        let edition = declared.get(index).and_then(|file| file.edition);
        let syntax = Syntax::of(file, edition)?;
        let mut printer = Printer { names: &names, custom: &custom, syntax, text: String::new(), depth: 0 };
        printer.file(file);
        Ok(SourceFile { name: file.name().to_owned(), text: printer.text })
    };
    set.file.iter().enumerate().map(print).collect()
}

/// The syntax of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Proto2,
    Proto3,
    /// An edition, such as `2023`.
    Edition(&'static str),
}

impl Syntax {
    fn of(file: &FileDescriptorProto, edition: Option<i32>) -> Result<Self> {
        match file.syntax() {
            "proto3" => Ok(Self::Proto3),
            "" | "proto2" => Ok(Self::Proto2),
            "editions" => {
                features::edition_year(edition.unwrap_or_default()).map(Self::Edition).ok_or_else(|| {
                    Error::new(format!("the edition of file {:.80?} is not supported yet", file.name()))
                })
            }
            other => {
                Err(Error::new(format!("{other:.40} of file {:.80?} are not supported yet", file.name())))
            }
        }
    }
}

struct Printer<'a> {
    names: &'a Names<'a>,
    custom: &'a CustomOptions,
    syntax: Syntax,
    text: String,
    depth: usize,
}

impl Printer<'_> {
    fn line(&mut self, arguments: Arguments<'_>) {
        for _ in 0..self.depth.min(MAX_INDENT_DEPTH) {
            self.text.push_str("  ");
        }
        // writing to a String does not fail
        let _ = self.text.write_fmt(arguments);
        self.text.push('\n');
    }

    fn open(&mut self, arguments: Arguments<'_>) {
        self.line(format_args!("{arguments} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line(format_args!("}}"));
    }

    fn blank_line(&mut self) {
        self.text.push('\n');
    }

    fn options(&mut self, options: Vec<String>) {
        for option in options {
            self.line(format_args!("option {option};"));
        }
    }

    fn file(&mut self, file: &FileDescriptorProto) {
        match self.syntax {
            Syntax::Proto2 => self.line(format_args!("syntax = \"proto2\";")),
            Syntax::Proto3 => self.line(format_args!("syntax = \"proto3\";")),
            Syntax::Edition(year) => self.line(format_args!("edition = \"{year}\";")),
        }
        if let Some(problem) = &self.custom.problem {
            self.line(format_args!("// custom options are not printed: {problem}"));
        }
        if !file.package().is_empty() {
            self.blank_line();
            self.line(format_args!("package {};", file.package()));
        }
        if !file.dependency.is_empty() {
            self.blank_line();
        }
        let set_of = |numbers: &[i32]| numbers.iter().copied().collect::<HashSet<i32>>();
        let (public, weak) = (set_of(&file.public_dependency), set_of(&file.weak_dependency));
        for (number, import) in (0..).zip(&file.dependency) {
            let modifier = if public.contains(&number) {
                "public "
            } else if weak.contains(&number) {
                "weak "
            } else {
                ""
            };
            self.line(format_args!("import {modifier}{};", options::quoted(import)));
        }
        let mut options = options::of_file(file);
        options.extend(self.custom.of_file(self.names, file.name(), file.package()));
        if !options.is_empty() {
            self.blank_line();
        }
        self.options(options);
        let package = file.package();
        for it in &file.enum_type {
            self.blank_line();
            self.enumeration(it, package);
        }
        let mut inline = InlineMessages::of(package, &file.message_type, file.extension.iter());
        for it in file.message_type.iter().filter(|it| !inline.has(package, it)) {
            self.blank_line();
            self.message(it, &names::join(package, it.name()));
        }
        self.extensions(&file.extension, package, &mut inline);
        for it in &file.service {
            self.blank_line();
            self.service(it, package);
        }
    }

    fn message(&mut self, it: &DescriptorProto, full: &str) {
        self.open(format_args!("message {}", it.name()));
        self.message_body(it, full);
        self.close();
    }

    fn message_body(&mut self, it: &DescriptorProto, full: &str) {
        self.options(options::of_message(it));
        self.options(self.custom.of_message(self.names, full));
        for nested in &it.enum_type {
            self.enumeration(nested, full);
        }
        let mut inline = InlineMessages::of(full, &it.nested_type, it.field.iter().chain(&it.extension));
        for nested in it.nested_type.iter().filter(|nested| !inline.has(full, nested)) {
            self.message(nested, &names::join(full, nested.name()));
        }
        let mut oneofs: HashMap<i32, Vec<&FieldDescriptorProto>> = HashMap::new();
        for field in &it.field {
            if let Some(oneof) = oneof_of(field) {
                oneofs.entry(oneof).or_default().push(field);
            }
        }
        for field in &it.field {
            let Some(oneof) = oneof_of(field) else {
                self.field(field, &mut inline, full, true);
                continue;
            };
            // all fields of a oneof are printed where the first is
            let Some(members) = oneofs.remove(&oneof) else { continue };
            let declared = usize::try_from(oneof).ok().and_then(|index| it.oneof_decl.get(index));
            let name = declared.map(|oneof| oneof.name()).unwrap_or_default();
            self.open(format_args!("oneof {name}"));
            self.options(self.custom.of_oneof(self.names, full, name));
            for member in members {
                self.field(member, &mut inline, full, false);
            }
            self.close();
        }
        self.extensions(&it.extension, full, &mut inline);
        // extension numbers of a message set may be larger than field numbers
        let is_set = it.options.as_ref().is_some_and(|options| options.message_set_wire_format());
        let max = if is_set { MAX_ENUM_NUMBER - 1 } else { MAX_FIELD_NUMBER };
        let extensions = it.extension_range.iter().map(|range| range.start()..range.end());
        self.ranges("extensions", extensions, max);
        let reserved = it.reserved_range.iter().map(|range| range.start()..range.end());
        self.ranges("reserved", reserved, MAX_FIELD_NUMBER);
        self.reserved_names(&it.reserved_name);
    }

    /// Prints half-open ranges.
    fn ranges(&mut self, keyword: &str, ranges: impl Iterator<Item = Range<i32>>, max: i32) {
        let formatted = ranges.map(|Range { start, end }| match end.saturating_sub(1) {
            last if last == start => start.to_string(),
            last if last >= max => format!("{start} to max"),
            last => format!("{start} to {last}"),
        });
        let formatted: Vec<String> = formatted.collect();
        if !formatted.is_empty() {
            self.line(format_args!("{keyword} {};", formatted.join(", ")));
        }
    }

    fn reserved_names(&mut self, names: &[String]) {
        if !names.is_empty() {
            let quoted: Vec<String> = names.iter().map(|name| options::quoted(name)).collect();
            self.line(format_args!("reserved {};", quoted.join(", ")));
        }
    }

    /// Prints extension fields, grouped by the extended message.
    fn extensions(&mut self, fields: &[FieldDescriptorProto], scope: &str, inline: &mut InlineMessages<'_>) {
        for run in fields.chunk_by(|one, other| one.extendee == other.extendee) {
            let Some(first) = run.first() else { continue };
            if self.depth == 0 {
                self.blank_line();
            }
            let extendee = self.names.reference(scope, first.extendee());
            self.open(format_args!("extend {extendee}"));
            for field in run {
                self.field(field, inline, scope, true);
            }
            self.close();
        }
    }

    fn field(
        &mut self,
        field: &FieldDescriptorProto,
        inline: &mut InlineMessages<'_>,
        scope: &str,
        has_label: bool,
    ) {
        let mut options = options::of_field(field);
        options.extend(match field.extendee {
            None => self.custom.of_field(self.names, scope, field.number()),
            Some(_) => self.custom.of_extension(self.names, scope, field.name()),
        });
        let options = if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
        let (name, number) = (field.name(), field.number());
        let label = match field.label() {
            Label::Repeated => "repeated ",
            Label::Required => "required ",
            Label::Optional if !has_label => "",
            Label::Optional if self.syntax != Syntax::Proto2 && !field.proto3_optional() => "",
            Label::Optional => "optional ",
        };
        match inline.take(field) {
            Some(entry) if is_entry(entry) => {
                if let [key, value] = entry.field.as_slice() {
                    let (key, value) = (self.kind(key, scope), self.kind(value, scope));
                    self.line(format_args!("map<{key}, {value}> {name} = {number}{options};"));
                }
            }
            Some(group) => {
                let group_name = group.name();
                self.open(format_args!("{label}group {group_name} = {number}{options}"));
                self.message_body(group, &names::join(scope, group_name));
                self.close();
            }
            None => {
                let kind = self.kind(field, scope);
                self.line(format_args!("{label}{kind} {name} = {number}{options};"));
            }
        }
    }

    fn kind(&self, field: &FieldDescriptorProto, scope: &str) -> String {
        let scalar = match field.r#type.map(Type::try_from) {
            Some(Ok(Type::Double)) => "double",
            Some(Ok(Type::Float)) => "float",
            Some(Ok(Type::Int64)) => "int64",
            Some(Ok(Type::Uint64)) => "uint64",
            Some(Ok(Type::Int32)) => "int32",
            Some(Ok(Type::Fixed64)) => "fixed64",
            Some(Ok(Type::Fixed32)) => "fixed32",
            Some(Ok(Type::Bool)) => "bool",
            Some(Ok(Type::String)) => "string",
            Some(Ok(Type::Bytes)) => "bytes",
            Some(Ok(Type::Uint32)) => "uint32",
            Some(Ok(Type::Sfixed32)) => "sfixed32",
            Some(Ok(Type::Sfixed64)) => "sfixed64",
            Some(Ok(Type::Sint32)) => "sint32",
            Some(Ok(Type::Sint64)) => "sint64",
            Some(Ok(Type::Group | Type::Message | Type::Enum) | Err(_)) | None => {
                return self.names.reference(scope, field.type_name());
            }
        };
        scalar.to_owned()
    }

    fn enumeration(&mut self, it: &EnumDescriptorProto, scope: &str) {
        let full = names::join(scope, it.name());
        self.open(format_args!("enum {}", it.name()));
        self.options(options::of_enum(it));
        self.options(self.custom.of_enum(self.names, &full));
        for value in &it.value {
            let mut options = options::of_value(value);
            options.extend(self.custom.of_value(self.names, &full, value.name()));
            let options =
                if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
            self.line(format_args!("{} = {}{options};", value.name(), value.number()));
        }
        // the reserved ranges of an enum are inclusive, and may end at the largest number
        let formatted = it.reserved_range.iter().map(|range| match (range.start(), range.end()) {
            (start, end) if start == end => start.to_string(),
            (start, MAX_ENUM_NUMBER) => format!("{start} to max"),
            (start, end) => format!("{start} to {end}"),
        });
        let formatted: Vec<String> = formatted.collect();
        if !formatted.is_empty() {
            self.line(format_args!("reserved {};", formatted.join(", ")));
        }
        self.reserved_names(&it.reserved_name);
        self.close();
    }

    fn service(&mut self, it: &ServiceDescriptorProto, package: &str) {
        let scope = names::join(package, it.name());
        self.open(format_args!("service {}", it.name()));
        if it.options.as_ref().is_some_and(|options| options.deprecated()) {
            self.line(format_args!("option deprecated = true;"));
        }
        self.options(self.custom.of_service(self.names, &scope));
        for method in &it.method {
            let format_type = |streams: bool, name: &str| {
                let stream = if streams { "stream " } else { "" };
                format!("{stream}{}", self.names.reference(&scope, name))
            };
            let input = format_type(method.client_streaming(), method.input_type());
            let output = format_type(method.server_streaming(), method.output_type());
            let mut options = options::of_method(method);
            options.extend(self.custom.of_method(self.names, &scope, method.name()));
            let head = format!("rpc {}({input}) returns ({output})", method.name());
            if options.is_empty() {
                self.line(format_args!("{head};"));
            } else {
                self.open(format_args!("{head}"));
                self.options(options);
                self.close();
            }
        }
        self.close();
    }
}

fn is_entry(it: &DescriptorProto) -> bool {
    it.options.as_ref().is_some_and(|options| options.map_entry())
}

/// Returns the oneof of a field; not the synthetic one of proto3's `optional`.
fn oneof_of(field: &FieldDescriptorProto) -> Option<i32> {
    field.oneof_index.filter(|_| !field.proto3_optional())
}

fn type_name(field: &FieldDescriptorProto) -> &str {
    let name = field.type_name();
    name.strip_prefix('.').unwrap_or(name)
}

/// The messages that are printed in place of their field's type: map entries and groups.
struct InlineMessages<'a> {
    by_name: HashMap<String, Option<&'a DescriptorProto>>,
}

impl<'a> InlineMessages<'a> {
    fn of<'f>(
        scope: &str,
        nested: &'a [DescriptorProto],
        fields: impl Iterator<Item = &'f FieldDescriptorProto>,
    ) -> Self {
        let groups: HashSet<&str> =
            fields.filter(|field| field.r#type() == Type::Group).map(type_name).collect();
        let named = nested.iter().map(|it| (names::join(scope, it.name()), it));
        let inline = named.filter(|(name, it)| is_entry(it) || groups.contains(name.as_str()));
        Self { by_name: inline.map(|(name, it)| (name, Some(it))).collect() }
    }

    fn has(&self, scope: &str, nested: &DescriptorProto) -> bool {
        self.by_name.contains_key(&names::join(scope, nested.name()))
    }

    /// Takes the message of a field's type. A second field of the same type gets none, as no source has one.
    fn take(&mut self, field: &FieldDescriptorProto) -> Option<&'a DescriptorProto> {
        self.by_name.get_mut(type_name(field)).and_then(Option::take)
    }
}
