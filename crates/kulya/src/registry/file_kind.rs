//! The kind of a schema in a file, told by the file's content: extensions are shared (`.json` is used for
//! Avro, too, and for much that is no schema) and only decide where the content does not.

use kulya_schema::Format;
use prost::Message;
use prost_types::FileDescriptorSet;
use serde_json::{Map, Value};
use std::path::Path;

/// What a file contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileKind {
    Avro,
    JsonSchema,
    /// A descriptor set as protoc writes it.
    DescriptorSet,
    /// The source of a Protobuf schema.
    ProtoSource,
    /// Something else, for the reason given.
    NoSchema(String),
    /// It may be a schema: its extension decides.
    Unclear,
}

impl FileKind {
    /// Returns the format of the schema.
    pub(super) fn format(&self) -> Option<Format> {
        match self {
            Self::Avro => Some(Format::Avro),
            Self::JsonSchema => Some(Format::Json),
            Self::DescriptorSet | Self::ProtoSource => Some(Format::Protobuf),
            Self::NoSchema(_) | Self::Unclear => None,
        }
    }
}

/// The types of Avro that JSON Schema has not, and the other way.
const AVRO_TYPES: [&str; 5] = ["int", "long", "float", "double", "bytes"];
const AVRO_NAMED: [&str; 4] = ["record", "error", "enum", "fixed"];
const JSON_TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];
/// Keywords of JSON Schema, one of which any schema has.
const KEYWORDS: [&str; 22] = [
    "$ref",
    "$defs",
    "definitions",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "required",
    "items",
    "prefixItems",
    "contains",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "enum",
    "const",
    "$dynamicRef",
    "$recursiveRef",
    "unevaluatedProperties",
    "dependentSchemas",
];
/// First words of a Protobuf source.
const PROTO_WORDS: [&str; 9] =
    ["syntax", "edition", "package", "import", "option", "message", "enum", "service", "extend"];

/// Returns the text of a file without a byte order mark.
///
/// # Errors
/// The text is UTF-16.
pub(super) fn without_byte_order_mark(data: &[u8]) -> Result<&[u8], &'static str> {
    match data {
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(rest),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Err("it is UTF-16 text (it starts with a byte order mark): save it as UTF-8")
        }
        data => Ok(data),
    }
}

/// Returns the kind of a file without a byte order mark.
pub(super) fn detect(data: &[u8]) -> FileKind {
    let Ok(text) = std::str::from_utf8(data) else { return detect_bytes(data) };
    let trimmed = text.trim_start();
    if !trimmed.starts_with(['{', '[', '"']) {
        return if is_proto_source(trimmed) { FileKind::ProtoSource } else { detect_bytes(data) };
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => detect_object(&object),
        // a union, or the name of a type
        Ok(Value::Array(members)) if members.iter().all(|it| it.is_string() || is_avro(it)) => FileKind::Avro,
        Ok(Value::Array(_)) => FileKind::NoSchema("it is a list of values".to_owned()),
        _ => FileKind::Unclear,
    }
}

fn detect_bytes(data: &[u8]) -> FileKind {
    match FileDescriptorSet::decode(data) {
        Ok(set) if !set.file.is_empty() && set.file.iter().all(|file| !file.name().is_empty()) => {
            FileKind::DescriptorSet
        }
        _ => FileKind::Unclear,
    }
}

fn is_avro(value: &Value) -> bool {
    value.as_object().is_some_and(|object| detect_object(object) == FileKind::Avro)
}

fn detect_object(object: &Map<String, Value>) -> FileKind {
    if let Some(uri) = object.get("$schema").and_then(Value::as_str) {
        return match uri.contains("json-schema.org/") {
            true => FileKind::JsonSchema,
            false => FileKind::NoSchema(format!("its $schema {uri:.100?} is not that of JSON Schema")),
        };
    }
    let has = |name: &str| object.contains_key(name);
    match object.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            name if AVRO_NAMED.contains(&name) && has("name") => return FileKind::Avro,
            name if AVRO_TYPES.contains(&name) => return FileKind::Avro,
            "map" if has("values") => return FileKind::Avro,
            "array" if has("items") => return items_kind(object.get("items")),
            name if !JSON_TYPES.contains(&name) => {
                return FileKind::NoSchema(format!("{name:.40?} is no type of a schema"));
            }
            // a primitive type of both
            "string" | "boolean" | "null" if object.len() == 1 => return FileKind::Unclear,
            _ => return FileKind::JsonSchema,
        },
        Some(Value::Array(names)) if names.iter().all(is_json_type) => {
            return FileKind::JsonSchema;
        }
        Some(_) => return FileKind::NoSchema("its type is no type of a schema".to_owned()),
        None => {}
    }
    // an object of packages has "items" or "not" as well as any other name: a keyword has a value of its kind
    let is_keyword = |name: &&str| match (*name, object.get(*name)) {
        (_, None) => false,
        ("$ref" | "$dynamicRef" | "$recursiveRef", Some(value)) => value.is_string(),
        ("required" | "allOf" | "anyOf" | "oneOf" | "enum" | "prefixItems", Some(value)) => value.is_array(),
        ("const", Some(_)) => true,
        ("items", Some(value)) => value.is_object() || value.is_boolean() || value.is_array(),
        (_, Some(value)) => value.is_object() || value.is_boolean(),
    };
    match KEYWORDS.iter().any(is_keyword) {
        true => FileKind::JsonSchema,
        false => FileKind::NoSchema("it has no keyword of a schema".to_owned()),
    }
}

fn is_json_type(name: &Value) -> bool {
    name.as_str().is_some_and(|name| JSON_TYPES.contains(&name))
}

/// Tells an array of Avro from one of JSON Schema by its items.
fn items_kind(items: Option<&Value>) -> FileKind {
    match items {
        Some(Value::String(_)) => FileKind::Avro,
        Some(Value::Array(members)) if members.iter().any(Value::is_string) => FileKind::Avro,
        Some(Value::Object(object)) => detect_object(object),
        _ => FileKind::JsonSchema,
    }
}

/// Returns whether a text without leading spaces begins as the source of a Protobuf schema does.
fn is_proto_source(mut text: &str) -> bool {
    loop {
        text = text.trim_start();
        if let Some(comment) = text.strip_prefix("//") {
            text = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = text.strip_prefix("/*") {
            text = comment.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            break;
        }
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let next = rest.trim_start().chars().next();
    let follows = match word {
        "syntax" | "edition" => next == Some('='),
        "import" => next.is_some_and(|c| c == '"' || c == '\'' || c.is_ascii_alphabetic()),
        "option" => next.is_some_and(|c| c == '(' || c.is_ascii_alphabetic()),
        _ => next.is_some_and(|c| c == '.' || c == '_' || c.is_ascii_alphabetic()),
    };
    PROTO_WORDS.contains(&word) && follows && text.contains([';', '{'])
}

/// Returns the kind that a file's extension stands for.
pub(super) fn of_extension(path: &Path) -> Option<FileKind> {
    Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "avsc" => FileKind::Avro,
        "json" | "jsonschema" => FileKind::JsonSchema,
        "proto" => FileKind::ProtoSource,
        "desc" | "pb" | "binpb" => FileKind::DescriptorSet,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_the_content() {
        use FileKind::{Avro, DescriptorSet, JsonSchema, ProtoSource, Unclear};
        for (text, kind) in [
            (r#"{"type":"record","name":"R","fields":[]}"#, Avro),
            (r#"["null","string",{"type":"enum","name":"E","symbols":[]}]"#, Avro),
            (r#"{"type":"long","logicalType":"timestamp-millis"}"#, Avro),
            (r#"{"type":"array","items":"string"}"#, Avro),
            (r#"{"type":"array","items":["null","long"]}"#, Avro),
            (r#"{"type":"map","values":"string"}"#, Avro),
            (r#"{"type":"array","items":{"type":"string","maxLength":3}}"#, JsonSchema),
            (r#"{"type":"object"}"#, JsonSchema),
            (r#"{"type":["string","null"]}"#, JsonSchema),
            (r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"x"}"#, JsonSchema),
            (r##"{"$ref":"#/definitions/a","definitions":{"a":{}}}"##, JsonSchema),
            (r#"{"properties":{"name":{}}}"#, JsonSchema),
            ("// Copyright\n/* and\nmore */\nsyntax = \"proto3\";", ProtoSource),
            ("message M { }", ProtoSource),
            ("import public \"a.proto\";", ProtoSource),
            ("\x0a\x0e\x0a\x07m.proto\x22\x03\x0a\x01M", DescriptorSet),
            (r#"{"type":"string"}"#, Unclear),
            ("{", Unclear),
            ("", Unclear),
            ("message to you, friend", Unclear),
            ("CREATE TABLE t (a int);", Unclear),
        ] {
            assert_eq!(detect(text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn documents_of_other_programs_are_no_schemas() {
        for text in [
            r#"{"name":"shop","version":"1.0.0","type":"module","dependencies":{"a":"1"}}"#,
            r#"{"name":"shop","version":"1.0.0","files":["dist"],"scripts":{"test":"x"}}"#,
            r#"{"name":"a/b","type":"library","require":{"php":">=8"},"autoload":{}}"#,
            r#"{"compilerOptions":{"strict":true},"include":["src"]}"#,
            r#"{"$schema":"https://json.schemastore.org/tsconfig","compilerOptions":{}}"#,
            r#"{"lockfileVersion":3,"packages":{}}"#,
            r#"[{"id":1},{"id":2}]"#,
            r#"{"id":1,"required":true}"#,
            "{}",
        ] {
            assert!(matches!(detect(text.as_bytes()), FileKind::NoSchema(_)), "{text}");
        }
    }

    #[test]
    fn byte_order_marks_are_removed_or_named() {
        assert_eq!(without_byte_order_mark(b"\xef\xbb\xbf{}"), Ok(&b"{}"[..]));
        assert_eq!(without_byte_order_mark(b"{}"), Ok(&b"{}"[..]));
        assert!(without_byte_order_mark(b"\xff\xfe{\0").unwrap_err().contains("UTF-16"));
    }
}
