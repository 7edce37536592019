//! Options as they are written in a source.

use prost_types::field_descriptor_proto::Type;
use prost_types::field_options::{CType, JsType};
use prost_types::file_options::OptimizeMode;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
};

/// A text in quotation marks.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for sign in text.chars() {
        match sign {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(sign);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // three digits, so that one that follows is none of it
            sign if sign.is_ascii_control() => quoted.push_str(&format!("\\{:03o}", u32::from(sign))),
            sign => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}

fn flag(options: &mut Vec<String>, name: &str, value: Option<bool>) {
    options.extend(value.map(|value| format!("{name} = {value}")));
}

pub(super) fn of_file(file: &FileDescriptorProto) -> Vec<String> {
    let Some(given) = &file.options else { return Vec::new() };
    let mut options = Vec::new();
    for (name, value) in [
        ("java_package", &given.java_package),
        ("java_outer_classname", &given.java_outer_classname),
        ("go_package", &given.go_package),
        ("objc_class_prefix", &given.objc_class_prefix),
        ("csharp_namespace", &given.csharp_namespace),
        ("swift_prefix", &given.swift_prefix),
        ("php_class_prefix", &given.php_class_prefix),
        ("php_namespace", &given.php_namespace),
        ("php_metadata_namespace", &given.php_metadata_namespace),
        ("ruby_package", &given.ruby_package),
    ] {
        options.extend(value.as_ref().map(|value| format!("{name} = {}", quoted(value))));
    }
    flag(&mut options, "java_multiple_files", given.java_multiple_files);
    flag(&mut options, "cc_generic_services", given.cc_generic_services);
    flag(&mut options, "java_generic_services", given.java_generic_services);
    flag(&mut options, "py_generic_services", given.py_generic_services);
    flag(&mut options, "cc_enable_arenas", given.cc_enable_arenas);
    flag(&mut options, "deprecated", given.deprecated);
    if let Some(Ok(mode)) = given.optimize_for.map(OptimizeMode::try_from) {
        options.push(format!("optimize_for = {}", mode.as_str_name()));
    }
    options
}

pub(super) fn of_message(it: &DescriptorProto) -> Vec<String> {
    let Some(given) = &it.options else { return Vec::new() };
    let mut options = Vec::new();
    flag(&mut options, "message_set_wire_format", given.message_set_wire_format);
    flag(&mut options, "no_standard_descriptor_accessor", given.no_standard_descriptor_accessor);
    flag(&mut options, "deprecated", given.deprecated);
    options
}

pub(super) fn of_enum(it: &EnumDescriptorProto) -> Vec<String> {
    let Some(given) = &it.options else { return Vec::new() };
    let mut options = Vec::new();
    flag(&mut options, "allow_alias", given.allow_alias);
    flag(&mut options, "deprecated", given.deprecated);
    options
}

pub(super) fn of_method(it: &MethodDescriptorProto) -> Vec<String> {
    let Some(given) = &it.options else { return Vec::new() };
    let mut options = Vec::new();
    flag(&mut options, "deprecated", given.deprecated);
    if let Some(Ok(level)) = given.idempotency_level.map(IdempotencyLevel::try_from) {
        options.push(format!("idempotency_level = {}", level.as_str_name()));
    }
    options
}

/// Those in brackets behind a field, its default and its name in JSON among them.
pub(super) fn of_field(field: &FieldDescriptorProto) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(default) = &field.default_value {
        let shown = match field.r#type() {
            Type::String => quoted(default),
            // what is in it is escaped already
            Type::Bytes => format!("\"{default}\""),
            _ => default.clone(),
        };
        options.push(format!("default = {shown}"));
    }
    let json_name = field.json_name.as_ref().filter(|name| **name != json_name(field.name()));
    // an extension's is none that one could give
    let json_name = json_name.filter(|_| field.extendee.is_none());
    options.extend(json_name.map(|name| format!("json_name = {}", quoted(name))));
    let Some(given) = &field.options else { return options };
    flag(&mut options, "packed", given.packed);
    flag(&mut options, "deprecated", given.deprecated);
    flag(&mut options, "lazy", given.lazy);
    flag(&mut options, "weak", given.weak);
    if let Some(Ok(kind)) = given.jstype.map(JsType::try_from) {
        options.push(format!("jstype = {}", kind.as_str_name()));
    }
    if let Some(Ok(kind)) = given.ctype.map(CType::try_from) {
        options.push(format!("ctype = {}", kind.as_str_name()));
    }
    options
}

/// The name in JSON that a compiler gives: without underscores, and with a capital behind each.
fn json_name(name: &str) -> String {
    let (mut json, mut capital) = (String::with_capacity(name.len()), false);
    for sign in name.chars() {
        match sign {
            '_' => capital = true,
            sign if capital => {
                json.push(sign.to_ascii_uppercase());
                capital = false;
            }
            sign => json.push(sign),
        }
    }
    json
}
