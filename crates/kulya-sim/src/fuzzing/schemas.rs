//! Fuzz entry points for schemas: a reader's and a writer's, both ways, in every format with a compatibility
//! checker.

use kulya_schema::avro;
use kulya_schema::json_schema::{self, Verdict};
use kulya_schema::protobuf::{self, Rule, Safety, reuses_reserved};
use kulya_schema::references::{self, ReferencedSchema};
use kulya_schema::{Budget, Format, SchemaInfo, canonicalize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Splits two texts at the first line break; a single text is compared with itself.
fn two_texts(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(text.split_once('\n').unwrap_or((text, text)))
}

/// Compares two Avro schemas. Each can read its own events, and its canonical form is a schema with the same
/// canonical form.
pub fn avro_schema(bytes: &[u8]) {
    let Some((one, other)) = two_texts(bytes) else { return };
    let (one, other) = (avro::parse(one), avro::parse(other));
    for schema in [&one, &other].into_iter().flatten() {
        assert_eq!(avro::can_read(schema, schema), Vec::new());
        let form = schema.canonical_form();
        let again = avro::parse(&form).expect("a canonical form parses");
        assert_eq!(again.canonical_form(), form);
    }
    if let (Ok(one), Ok(other)) = (one, other) {
        for (reader, writer) in [(&one, &other), (&other, &one)] {
            for reason in avro::can_read(reader, writer) {
                assert!(!reason.to_string().is_empty());
            }
        }
    }
}

/// Compares two JSON schemas. Each is compatible with itself.
pub fn json_schema(bytes: &[u8]) {
    let Some((one, other)) = two_texts(bytes) else { return };
    let (one, other) = (json_schema::parse(one), json_schema::parse(other));
    for schema in [&one, &other].into_iter().flatten() {
        assert_eq!(json_schema::can_read(schema, schema), Verdict::Compatible);
    }
    if let (Ok(one), Ok(other)) = (one, other) {
        for (reader, writer) in [(&one, &other), (&other, &one)] {
            match json_schema::can_read(reader, writer) {
                Verdict::Compatible => {}
                Verdict::Incompatible(reasons) => {
                    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.certain));
                    for witness in reasons.iter().filter_map(|reason| reason.witness.as_ref()) {
                        assert_tells_apart(witness, reader, writer);
                    }
                }
                Verdict::Unknown(reasons) => assert!(!reasons.is_empty()),
            }
        }
    }
}

/// Asserts that the schema of one value is contained in the writer's, and not in the reader's.
fn assert_tells_apart(witness: &Value, reader: &json_schema::Schema, writer: &json_schema::Schema) {
    let Ok(only) = json_schema::parse(&json!({"enum": [witness]}).to_string()) else { return };
    assert!(!matches!(json_schema::can_read(writer, &only), Verdict::Incompatible(_)), "{witness}");
    assert_ne!(json_schema::can_read(reader, &only), Verdict::Compatible, "{witness}");
}

/// Compares the texts of two patterns, on one line each, and of both with a length.
pub fn json_pattern(bytes: &[u8]) {
    let Some((one, other)) = two_texts(bytes) else { return };
    let schema = |pattern: &str, max: Option<u64>| {
        let mut schema = json!({"type": "string", "pattern": pattern});
        if let Some(max) = max {
            schema["maxLength"] = json!(max);
        }
        json_schema::parse(&schema.to_string())
    };
    let (Ok(reader), Ok(writer)) = (schema(one, None), schema(other, Some(9))) else { return };
    if let Ok(shorter) = schema(one, Some(9)) {
        assert_eq!(json_schema::can_read(&reader, &shorter), Verdict::Compatible, "{one}");
    }
    if let Verdict::Incompatible(reasons) = json_schema::can_read(&reader, &writer) {
        for witness in reasons.iter().filter_map(|reason| reason.witness.as_ref()) {
            assert_tells_apart(witness, &reader, &writer);
        }
    }
}

/// Compares the first messages of two descriptor sets; the first one has its length in two bytes before it.
pub fn protobuf_schema(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (one, other) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let (one, other) = (protobuf::parse(one, ""), protobuf::parse(other, ""));
    for safety in [Safety::Wire, Safety::Json] {
        for schema in [&one, &other].into_iter().flatten() {
            let reasons = protobuf::can_read(schema, schema, safety);
            // proto2 allows two fields with one JSON name
            assert!(
                reasons.iter().all(|reason| safety == Safety::Json && reason.rule == Rule::JsonNameReused),
                "{reasons:?}"
            );
        }
        if let (Ok(one), Ok(other)) = (&one, &other) {
            for (reader, writer) in [(one, other), (other, one)] {
                let reserved = reuses_reserved(reader, writer, safety);
                for reason in protobuf::can_read(reader, writer, safety).into_iter().chain(reserved) {
                    assert!(!reason.fix.is_empty(), "{reason:?}");
                }
            }
        }
    }
}

/// Compiles the text of `.proto` files. A compiled set is a schema with the same identity, and is printed.
pub fn protobuf_source(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok((set, type_name)) = protobuf::compile_source(text, "") else { return };
    assert!(!protobuf::is_source(&set));
    let schema = canonicalize(SchemaInfo::new(&type_name, Format::Protobuf, set.clone()));
    let schema = schema.expect("a compiled set is a schema");
    assert_eq!(schema.schema.type_name, type_name);
    if let Ok(parsed) = protobuf::parse(&set, &type_name) {
        assert_eq!(parsed.type_name(), type_name);
    }
    let _ = protobuf::source_files(&set);
}

/// Resolves a schema that refers to another: the format in a byte, then three parts with their lengths in two
/// bytes: the reference's name, the other schema, the schema. What is resolved refers to nothing.
pub fn references(bytes: &[u8]) {
    let Some((format, mut rest)) = bytes.split_first() else { return };
    let mut part = || {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let (part, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)).min(behind.len()));
        rest = behind;
        Some(part)
    };
    let (Some(name), Some(other), Some(schema)) = (part(), part(), part()) else { return };
    let format = match format % 3 {
        0 => Format::Avro,
        1 => Format::Json,
        _ => Format::Protobuf,
    };
    let info = |data: &[u8]| SchemaInfo::new("", format.clone(), data);
    let referenced =
        ReferencedSchema { label: "other".to_owned(), schema: info(other), references: Vec::new() };
    let references = [(String::from_utf8_lossy(name).into_owned(), Arc::new(referenced))];
    let Ok(resolved) = references::resolve(info(schema), &references, &Budget::default()) else { return };
    // what a registry keeps is resolved to the same again
    let kept = references::compile(info(schema), &references, &Budget::default()).expect("it was compiled");
    assert_eq!(references::resolve(kept, &references, &Budget::default()).as_ref(), Ok(&resolved));
    let _ = references::names(&resolved, &Budget::default());
    // the schemas may be invalid by themselves
    let _ = canonicalize(resolved.clone());
    let again = references::resolve(resolved.clone(), &references, &Budget::default());
    match format {
        // its types are defined in it now
        Format::Avro => assert!(again.is_err() || again.is_ok_and(|again| again == resolved)),
        Format::Json => {
            let text = std::str::from_utf8(&resolved.data).expect("a JSON schema is text");
            json_schema::parse(text).expect("what is resolved was parsed");
        }
        _ => {
            let again = again.expect("the set has the files of the reference");
            assert_eq!(again.data.len(), resolved.data.len());
        }
    }
}
