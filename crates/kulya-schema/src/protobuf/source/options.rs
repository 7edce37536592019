//! Options in `.proto` syntax.

use prost_types::field_descriptor_proto::Type;
use prost_types::field_options::{CType, JsType};
use prost_types::file_options::OptimizeMode;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MethodDescriptorProto,
};

/// Quotes and escapes a text.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // three digits, so that a following digit is not part of the escape
            character if character.is_ascii_control() => {
                quoted.push_str(&format!("\\{:03o}", u32::from(character)))
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Quotes and escapes bytes.
pub(super) fn quoted_bytes(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(*byte));
            }
            b' '..=b'~' => quoted.push(char::from(*byte)),
            byte => quoted.push_str(&format!("\\{byte:03o}")),
        }
    }
    quoted.push('"');
    quoted
}

fn flag(options: &mut Vec<String>, name: &str, value: Option<bool>) {
    options.extend(value.map(|value| format!("{name} = {value}")));
}

pub(super) fn of_file(file: &FileDescriptorProto) -> Vec<String> {
    let Some(declared) = &file.options else { return Vec::new() };
    let mut options = Vec::new();
    for (name, value) in [
        ("java_package", &declared.java_package),
        ("java_outer_classname", &declared.java_outer_classname),
        ("go_package", &declared.go_package),
        ("objc_class_prefix", &declared.objc_class_prefix),
        ("csharp_namespace", &declared.csharp_namespace),
        ("swift_prefix", &declared.swift_prefix),
        ("php_class_prefix", &declared.php_class_prefix),
        ("php_namespace", &declared.php_namespace),
        ("php_metadata_namespace", &declared.php_metadata_namespace),
        ("ruby_package", &declared.ruby_package),
    ] {
        options.extend(value.as_ref().map(|value| format!("{name} = {}", quoted(value))));
    }
    flag(&mut options, "java_multiple_files", declared.java_multiple_files);
    flag(&mut options, "cc_generic_services", declared.cc_generic_services);
    flag(&mut options, "java_generic_services", declared.java_generic_services);
    flag(&mut options, "py_generic_services", declared.py_generic_services);
    flag(&mut options, "cc_enable_arenas", declared.cc_enable_arenas);
    flag(&mut options, "deprecated", declared.deprecated);
    if let Some(Ok(mode)) = declared.optimize_for.map(OptimizeMode::try_from) {
        options.push(format!("optimize_for = {}", mode.as_str_name()));
    }
    options
}

pub(super) fn of_message(it: &DescriptorProto) -> Vec<String> {
    let Some(declared) = &it.options else { return Vec::new() };
    let mut options = Vec::new();
    flag(&mut options, "message_set_wire_format", declared.message_set_wire_format);
    flag(&mut options, "no_standard_descriptor_accessor", declared.no_standard_descriptor_accessor);
    flag(&mut options, "deprecated", declared.deprecated);
    options
}

pub(super) fn of_enum(it: &EnumDescriptorProto) -> Vec<String> {
    let Some(declared) = &it.options else { return Vec::new() };
    let mut options = Vec::new();
    flag(&mut options, "allow_alias", declared.allow_alias);
    flag(&mut options, "deprecated", declared.deprecated);
    options
}

pub(super) fn of_value(it: &EnumValueDescriptorProto) -> Vec<String> {
    let Some(declared) = &it.options else { return Vec::new() };
    let mut options = Vec::new();
    flag(&mut options, "deprecated", declared.deprecated);
    options
}

pub(super) fn of_method(it: &MethodDescriptorProto) -> Vec<String> {
    let Some(declared) = &it.options else { return Vec::new() };
    let mut options = Vec::new();
    flag(&mut options, "deprecated", declared.deprecated);
    if let Some(Ok(level)) = declared.idempotency_level.map(IdempotencyLevel::try_from) {
        options.push(format!("idempotency_level = {}", level.as_str_name()));
    }
    options
}

/// Formats the bracketed options of a field, including its default and its JSON name.
pub(super) fn of_field(field: &FieldDescriptorProto) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(default) = &field.default_value {
        let formatted = match field.r#type() {
            Type::String => quoted(default),
            // a bytes default is already escaped in the descriptor
            Type::Bytes => format!("\"{default}\""),
            _ => default.clone(),
        };
        options.push(format!("default = {formatted}"));
    }
    let json_name = field.json_name.as_ref().filter(|name| **name != json_name(field.name()));
    // a source cannot give an extension a JSON name
    let json_name = json_name.filter(|_| field.extendee.is_none());
    options.extend(json_name.map(|name| format!("json_name = {}", quoted(name))));
    let Some(declared) = &field.options else { return options };
    flag(&mut options, "packed", declared.packed);
    flag(&mut options, "deprecated", declared.deprecated);
    flag(&mut options, "lazy", declared.lazy);
    flag(&mut options, "weak", declared.weak);
    if let Some(Ok(kind)) = declared.jstype.map(JsType::try_from) {
        options.push(format!("jstype = {}", kind.as_str_name()));
    }
    if let Some(Ok(kind)) = declared.ctype.map(CType::try_from) {
        options.push(format!("ctype = {}", kind.as_str_name()));
    }
    options
}

/// Returns the JSON name that a compiler derives: without underscores, and with a capital after each.
fn json_name(name: &str) -> String {
    let (mut json, mut capital) = (String::with_capacity(name.len()), false);
    for character in name.chars() {
        match character {
            '_' => capital = true,
            character if capital => {
                json.push(character.to_ascii_uppercase());
                capital = false;
            }
            character => json.push(character),
        }
    }
    json
}
