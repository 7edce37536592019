//! Bounds of what the compiler library does with parsed files. Its work and memory are products of what a
//! source contains, such as fields and reserved ranges; they are estimated before it begins, and sources that
//! exceed a bound by far more than any that people write are refused.

use super::files::{LoadedFile, Origin, compile_error};
use crate::protobuf::MAX_NAME_BYTES;
use crate::{Error, Result};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, UninterpretedOption,
};

/// The maximum length of all full names together, which the library builds several times.
const MAX_NAMES_BYTES: usize = 32 << 20;
/// The maximum length of the names that are tried to find what other names mean: a name is looked for in the
/// scope that it is in, and in each scope around that.
const MAX_LOOKUP_BYTES: usize = 64 << 20;
/// The maximum number of pairs that are compared: of fields and ranges, or of defaults and values of an enum.
const MAX_PAIRS: usize = 20_000_000;
/// The maximum number of pairs of extensions and names of extensions in the values of options, each of which
/// takes much longer.
const MAX_NAMES_AND_EXTENSIONS: usize = 1_500_000;
/// The maximum number of values of an enum: they are sorted by insertion.
const MAX_ENUM_VALUES: usize = 20_000;
/// The maximum number of options of all elements, each of which is a message while it is resolved.
const MAX_OPTIONS: usize = 50_000;

/// Checks that the library compiles these files within bounded time and memory.
///
/// # Errors
/// A bound is exceeded; or reserved ranges of a source overlap, which the library does not check.
pub(super) fn check(files: &[LoadedFile]) -> Result<()> {
    let mut cost = Cost::default();
    for file in files {
        cost.file(&file.descriptor, file.origin == Origin::Source)?;
    }
    cost.check()
}

/// The scope of a name: the length of its full name, and the number of its parts.
#[derive(Clone, Copy, Default)]
struct Scope {
    bytes: usize,
    parts: usize,
}

impl Scope {
    fn within(self, name: &str) -> Self {
        Self { bytes: self.bytes + 1 + name.len(), parts: self.parts + 1 + name.matches('.').count() }
    }
}

#[derive(Default)]
struct Cost {
    name_bytes: usize,
    lookup_bytes: usize,
    pairs: usize,
    options: usize,
    extensions: usize,
    /// The maximum number of ranges of a message that may be extended.
    max_ranges: usize,
    /// Names of extensions in the values of options.
    names_in_options: usize,
    /// Defaults that may name a value of an enum.
    named_defaults: usize,
    max_enum_values: usize,
}

impl Cost {
    fn check(&self) -> Result<()> {
        let pairs = [
            self.pairs,
            self.extensions.saturating_mul(self.max_ranges),
            self.named_defaults.saturating_mul(self.max_enum_values),
        ];
        let bounds = [
            (self.name_bytes, MAX_NAMES_BYTES, "the full names of its elements are too long together"),
            (self.lookup_bytes, MAX_LOOKUP_BYTES, "it uses too many names in scopes of too many parts"),
            (pairs.into_iter().max().unwrap_or_default(), MAX_PAIRS, "too many numbers meet too many ranges"),
            (
                self.extensions.saturating_mul(self.names_in_options),
                MAX_NAMES_AND_EXTENSIONS,
                "too many extensions are named in the values of options",
            ),
            (self.options, MAX_OPTIONS, "it has too many options"),
            (self.max_enum_values, MAX_ENUM_VALUES, "an enum has too many values"),
        ];
        match bounds.into_iter().find(|(cost, bound, _)| cost > bound) {
            Some((cost, bound, what)) => Err(Error::new(format!(
                "the .proto source takes too much work: {what} ({cost}; the maximum is {bound}): send what protoc \
                 compiles it to"
            ))),
            None => Ok(()),
        }
    }

    fn declare(&mut self, scope: Scope, name: &str) -> Scope {
        let within = scope.within(name);
        self.name_bytes = self.name_bytes.saturating_add(within.bytes);
        within
    }

    fn look_up(&mut self, scope: Scope, name: &str) {
        let bytes = match name.strip_prefix('.') {
            Some(name) => name.len(),
            None => (scope.parts + 1).saturating_mul(scope.bytes / 2 + name.len()),
        };
        self.lookup_bytes = self.lookup_bytes.saturating_add(bytes);
    }

    fn options(&mut self, scope: Scope, options: Option<&[UninterpretedOption]>) {
        for option in options.unwrap_or_default() {
            self.options += 1;
            for part in option.name.iter().filter(|part| part.is_extension) {
                self.look_up(scope, &part.name_part);
            }
            self.names_in_options += option.aggregate_value().matches('[').count();
        }
    }

    fn file(&mut self, file: &FileDescriptorProto, is_source: bool) -> Result<()> {
        let package = file.package();
        if package.len() > MAX_NAME_BYTES {
            return Err(compile_error(&format!(
                "the package {package:.40?} is longer than {MAX_NAME_BYTES} bytes"
            )));
        }
        let parts = if package.is_empty() { 0 } else { 1 + package.matches('.').count() };
        let scope = Scope { bytes: package.len(), parts };
        // each of its parts is a name
        self.name_bytes = self.name_bytes.saturating_add(package.len() * parts);
        self.options(scope, file.options.as_ref().map(|options| &*options.uninterpreted_option));
        for message in &file.message_type {
            self.message(scope, message, is_source)?;
        }
        for declared in &file.enum_type {
            self.enum_type(scope, declared, is_source)?;
        }
        self.extensions(scope, &file.extension);
        for service in &file.service {
            let within = self.declare(scope, service.name());
            self.options(within, service.options.as_ref().map(|options| &*options.uninterpreted_option));
            for method in &service.method {
                let within = self.declare(within, method.name());
                self.look_up(within, method.input_type());
                self.look_up(within, method.output_type());
                self.options(within, method.options.as_ref().map(|options| &*options.uninterpreted_option));
            }
        }
        Ok(())
    }

    /// Adds a message with all in it; it is nested as deeply as brackets are, or as a decoder allows.
    fn message(&mut self, scope: Scope, message: &DescriptorProto, is_source: bool) -> Result<()> {
        let within = self.declare(scope, message.name());
        check_type_name(within, message.name())?;
        self.options(within, message.options.as_ref().map(|options| &*options.uninterpreted_option));
        for oneof in &message.oneof_decl {
            let within = self.declare(within, oneof.name());
            self.options(within, oneof.options.as_ref().map(|options| &*options.uninterpreted_option));
        }
        for field in &message.field {
            self.field(within, field);
        }
        self.extensions(within, &message.extension);
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for range in &message.extension_range {
            self.options(within, range.options.as_ref().map(|options| &*options.uninterpreted_option));
            ranges.push((range.start().into(), range.end().into()));
        }
        ranges.extend(message.reserved_range.iter().map(|range| (range.start().into(), range.end().into())));
        self.max_ranges = self.max_ranges.max(ranges.len());
        self.pairs = self.pairs.saturating_add(message.field.len() * ranges.len());
        if is_source {
            check_ranges(message.name(), ranges)?;
        }
        for nested in &message.nested_type {
            self.message(within, nested, is_source)?;
        }
        for nested in &message.enum_type {
            self.enum_type(within, nested, is_source)?;
        }
        Ok(())
    }

    fn field(&mut self, scope: Scope, field: &FieldDescriptorProto) {
        let within = self.declare(scope, field.name());
        if !field.type_name().is_empty() {
            self.look_up(within, field.type_name());
            self.named_defaults += usize::from(field.default_value.is_some());
        }
        self.options(within, field.options.as_ref().map(|options| &*options.uninterpreted_option));
    }

    fn extensions(&mut self, scope: Scope, extensions: &[FieldDescriptorProto]) {
        self.extensions += extensions.len();
        for extension in extensions {
            self.field(scope, extension);
            self.look_up(scope.within(extension.name()), extension.extendee());
        }
    }

    fn enum_type(&mut self, scope: Scope, declared: &EnumDescriptorProto, is_source: bool) -> Result<()> {
        let within = self.declare(scope, declared.name());
        check_type_name(within, declared.name())?;
        self.options(within, declared.options.as_ref().map(|options| &*options.uninterpreted_option));
        self.max_enum_values = self.max_enum_values.max(declared.value.len());
        self.pairs = self.pairs.saturating_add(declared.value.len() * declared.reserved_range.len());
        for value in &declared.value {
            // a value is named beside its enum
            let within = self.declare(scope, value.name());
            self.options(within, value.options.as_ref().map(|options| &*options.uninterpreted_option));
        }
        if is_source {
            let inclusive = declared.reserved_range.iter();
            let ranges = inclusive.map(|range| (range.start().into(), i64::from(range.end()) + 1)).collect();
            check_ranges(declared.name(), ranges)?;
        }
        Ok(())
    }
}

fn check_type_name(full_name: Scope, name: &str) -> Result<()> {
    if full_name.bytes > MAX_NAME_BYTES + 1 {
        return Err(compile_error(&format!(
            "the full name of {name:.40?} is longer than {MAX_NAME_BYTES} bytes"
        )));
    }
    Ok(())
}

/// Checks that ranges do not overlap; each has its start and the number behind its end.
fn check_ranges(name: &str, mut ranges: Vec<(i64, i64)>) -> Result<()> {
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| matches!(pair, [one, other] if one.1 > other.0)) {
        Some([_, (start, _)]) => Err(compile_error(&format!(
            "{name:.80} has two reserved or extension ranges with the number {start}"
        ))),
        _ => Ok(()),
    }
}
