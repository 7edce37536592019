//! Options that `prost_types` does not decode, in `.proto` syntax: custom options, which are extensions that
//! the set declares, and the features of editions. A library decodes them; where it cannot, because an import
//! is missing, the printed file says so.

use super::names::Names;
use super::options::{quoted, quoted_bytes};
use crate::protobuf::descriptor_kind::DescriptorKind;
use crate::protobuf::undecoded::Undecoded;
use crate::protobuf::{features, raw_field};
use prost::encoding::encode_varint;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, UnknownField, Value,
};
use prost_types::FileDescriptorProto;
use std::collections::HashSet;

/// The decoded options of a descriptor set.
pub(super) struct CustomOptions {
    /// `None` if no option needs it.
    pool: Option<DescriptorPool>,
    /// The reason why options cannot be decoded.
    pub(super) problem: Option<String>,
}

impl CustomOptions {
    pub(super) fn of(bytes: &[u8], files: &[FileDescriptorProto]) -> Self {
        if Undecoded::of(bytes, false).is_empty() {
            return Self { pool: None, problem: None };
        }
        match decode(bytes, files) {
            Ok(pool) => Self { pool: Some(pool), problem: None },
            Err(error) => {
                let error = format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ");
                Self { pool: None, problem: Some(crate::text::truncated(&error).into_owned()) }
            }
        }
    }

    pub(super) fn of_file(&self, names: &Names<'_>, name: &str, package: &str) -> Vec<String> {
        let options = self.pool.as_ref().and_then(|pool| Some(pool.get_file_by_name(name)?.options()));
        format_all(options, DescriptorKind::FileOptions, names, package)
    }

    pub(super) fn of_message(&self, names: &Names<'_>, full: &str) -> Vec<String> {
        let options = self.message(full).map(|message| message.options());
        format_all(options, DescriptorKind::MessageOptions, names, full)
    }

    /// Returns the options of a message's field.
    pub(super) fn of_field(&self, names: &Names<'_>, message: &str, number: i32) -> Vec<String> {
        let field = self.message(message).and_then(|message| message.get_field(u32::try_from(number).ok()?));
        let options = field.map(|field| field.options());
        format_all(options, DescriptorKind::FieldOptions, names, message)
    }

    /// Returns the options of an extension that a package or message declares.
    pub(super) fn of_extension(&self, names: &Names<'_>, scope: &str, name: &str) -> Vec<String> {
        let full = super::names::join(scope, name);
        let extension = self.pool.as_ref().and_then(|pool| pool.get_extension_by_name(&full));
        let options = extension.map(|extension| extension.options());
        format_all(options, DescriptorKind::FieldOptions, names, scope)
    }

    pub(super) fn of_oneof(&self, names: &Names<'_>, message: &str, name: &str) -> Vec<String> {
        let oneof = self.message(message).and_then(|message| message.oneofs().find(|it| it.name() == name));
        let options = oneof.map(|oneof| oneof.options());
        format_all(options, DescriptorKind::OneofOptions, names, message)
    }

    pub(super) fn of_enum(&self, names: &Names<'_>, full: &str) -> Vec<String> {
        let options = self.enumeration(full).map(|it| it.options());
        format_all(options, DescriptorKind::EnumOptions, names, full)
    }

    pub(super) fn of_value(&self, names: &Names<'_>, full: &str, name: &str) -> Vec<String> {
        let value = self.enumeration(full).and_then(|it| it.get_value_by_name(name));
        let options = value.map(|value| value.options());
        format_all(options, DescriptorKind::ValueOptions, names, full)
    }

    pub(super) fn of_service(&self, names: &Names<'_>, full: &str) -> Vec<String> {
        let service = self.pool.as_ref().and_then(|pool| pool.get_service_by_name(full));
        let options = service.map(|service| service.options());
        format_all(options, DescriptorKind::ServiceOptions, names, full)
    }

    pub(super) fn of_method(&self, names: &Names<'_>, service: &str, name: &str) -> Vec<String> {
        let methods = self.pool.as_ref().and_then(|pool| pool.get_service_by_name(service));
        let method: Option<MethodDescriptor> =
            methods.and_then(|service| service.methods().find(|method| method.name() == name));
        let options = method.map(|method| method.options());
        format_all(options, DescriptorKind::MethodOptions, names, service)
    }

    fn message(&self, full: &str) -> Option<MessageDescriptor> {
        self.pool.as_ref()?.get_message_by_name(full)
    }

    fn enumeration(&self, full: &str) -> Option<EnumDescriptor> {
        self.pool.as_ref()?.get_enum_by_name(full)
    }
}

/// Decodes a set with its options. The library knows no editions: it reads such files as proto2, which
/// matters to none of their options. Well-known files that the set does not have are added.
fn decode(
    bytes: &[u8],
    files: &[FileDescriptorProto],
) -> Result<DescriptorPool, prost_reflect::DescriptorError> {
    let mut pool = DescriptorPool::new();
    let own: HashSet<&str> = files.iter().map(FileDescriptorProto::name).collect();
    let imported: HashSet<&str> =
        files.iter().flat_map(|file| file.dependency.iter().map(String::as_str)).collect();
    let missing = DescriptorPool::global()
        .files()
        .filter(|file| imported.contains(file.name()) && !own.contains(file.name()))
        .map(|file| file.file_descriptor_proto().clone())
        .collect::<Vec<_>>();
    pool.add_file_descriptor_protos(missing)?;
    let mut set = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(field) = raw_field::next(&mut rest) {
        match field.content {
            Some(content) if is_edition(content) => push_without_edition(content, &mut set),
            _ => set.extend_from_slice(field.bytes),
        }
    }
    pool.decode_file_descriptor_set(set.as_slice())?;
    Ok(pool)
}

fn is_edition(mut file: &[u8]) -> bool {
    while let Some(field) = raw_field::next(&mut file) {
        if field.number == 12 {
            return field.content == Some(b"editions");
        }
    }
    false
}

fn push_without_edition(mut file: &[u8], set: &mut Vec<u8>) {
    let mut content = Vec::with_capacity(file.len());
    while let Some(field) = raw_field::next(&mut file) {
        if !matches!(field.number, 12 | 14) {
            content.extend_from_slice(field.bytes);
        }
    }
    encode_varint(1 << 3 | 2, set);
    encode_varint(content.len() as u64, set);
    set.extend_from_slice(&content);
}

/// Formats the options that `prost_types` does not decode.
fn format_all(
    options: Option<DynamicMessage>,
    kind: DescriptorKind,
    names: &Names<'_>,
    scope: &str,
) -> Vec<String> {
    let Some(options) = options else { return Vec::new() };
    let mut formatted = Vec::new();
    for (field, value) in options.fields() {
        if !kind.is_decoded(field.number().into()) {
            push_field(&mut formatted, field.name(), &field, value);
        }
    }
    for unknown in options.unknown_fields() {
        push_features(&mut formatted, kind, unknown);
    }
    for (extension, value) in options.extensions() {
        let name = format!("({})", names.reference(scope, &format!(".{}", extension.full_name())));
        let kind = extension.kind();
        let elements = match value {
            Value::List(elements) => elements.as_slice(),
            value => std::slice::from_ref(value),
        };
        for element in elements {
            formatted.extend(format_value(element, &kind).map(|value| format!("{name} = {value}")));
        }
    }
    formatted
}

/// Formats a field of the options that a later `descriptor.proto` of the set declares: each field of a
/// message on its own, as sources have it.
fn push_field(formatted: &mut Vec<String>, name: &str, field: &FieldDescriptor, value: &Value) {
    match value {
        Value::Message(message) => {
            for (inner, value) in message.fields() {
                if let Some(value) = format_value(value, &inner.kind()) {
                    formatted.push(format!("{name}.{} = {value}", inner.name()));
                }
            }
        }
        Value::List(elements) => {
            let kind = field.kind();
            let values = elements.iter().filter_map(|element| format_value(element, &kind));
            formatted.extend(values.map(|value| format!("{name} = {value}")));
        }
        value => {
            formatted.extend(format_value(value, &field.kind()).map(|value| format!("{name} = {value}")))
        }
    }
}

/// Formats the features of an edition, which the library's own `descriptor.proto` does not declare.
fn push_features(formatted: &mut Vec<String>, kind: DescriptorKind, unknown: &UnknownField) {
    if features::option_number(kind) != Some(unknown.number()) {
        return;
    }
    let mut bytes = Vec::new();
    unknown.encode(&mut bytes);
    let Some(mut content) = raw_field::next(&mut bytes.as_slice()).and_then(|field| field.content) else {
        return;
    };
    while let Some(field) = raw_field::next(&mut content) {
        if let Some((name, value)) = features::name_of(field.number, field.bytes) {
            formatted.push(format!("features.{name} = {value}"));
        }
    }
}

/// Formats a value; `None` for what no source has.
fn format_value(value: &Value, kind: &Kind) -> Option<String> {
    Some(match (value, kind) {
        (Value::Bool(value), _) => value.to_string(),
        (Value::I32(value), _) => value.to_string(),
        (Value::I64(value), _) => value.to_string(),
        (Value::U32(value), _) => value.to_string(),
        (Value::U64(value), _) => value.to_string(),
        (Value::F32(value), _) => number(f64::from(*value), value.to_string()),
        (Value::F64(value), _) => number(*value, value.to_string()),
        (Value::String(text), _) => quoted(text),
        (Value::Bytes(bytes), _) => quoted_bytes(bytes),
        (Value::EnumNumber(number), Kind::Enum(kind)) => match kind.get_value(*number) {
            Some(value) => value.name().to_owned(),
            None => number.to_string(),
        },
        (Value::EnumNumber(number), _) => number.to_string(),
        (Value::Message(message), _) => format!("{{ {} }}", message.to_text_format()),
        (Value::List(_) | Value::Map(_), _) => return None,
    })
}

fn number(value: f64, text: String) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() }
    } else {
        text
    }
}
