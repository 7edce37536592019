//! The canonical form of a schema (contract §2.1): the type's full name, the canonical bytes and their
//! fingerprint, by which two schemas are the same.

use crate::{Budget, Error, Format, Result, SchemaInfo, avro, bounded_json, protobuf, validation};
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The maximum nesting depth of a JSON schema document.
const MAX_JSON_DEPTH: usize = 100;

/// A schema as the registry stores it: the sender's bytes under the type's full name, and its fingerprints.
#[derive(Debug, Clone)]
pub struct CanonicalSchema {
    /// The schema with the type's full name and the bytes as they were sent.
    pub schema: SchemaInfo,
    /// SHA-256 of the canonical form.
    pub fingerprint: [u8; 32],
    /// The fingerprint of the parts that matter to compatibility.
    pub compatibility_fingerprint: CompatibilityFingerprint,
    form: Vec<u8>,
}

/// A fingerprint of the parts of a schema that matter to compatibility: schemas of one format and one
/// compatibility fingerprint get the same verdicts under all rules. It is text, because it is stored: a later
/// algorithm uses another prefix, so its fingerprints equal none of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompatibilityFingerprint(String);

/// The prefix of fingerprints computed by the current algorithm.
const CURRENT_PREFIX: &str = "1-";

impl CompatibilityFingerprint {
    fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut text = CURRENT_PREFIX.to_owned();
        for byte in digest.finalize().iter().take(16) {
            text += &format!("{byte:02x}");
        }
        Self(text)
    }

    /// Returns whether the fingerprint was computed by the current algorithm. Others must not be compared
    /// with it.
    pub fn is_current(&self) -> bool {
        self.0.starts_with(CURRENT_PREFIX)
    }
}

impl CanonicalSchema {
    /// Returns the schema in its canonical form, which is what compatibility checks parse: of a union, only
    /// the member that the type names. (A registered schema is checked as it was sent, contract §3.4.)
    pub fn canonical_info(&self) -> SchemaInfo {
        let SchemaInfo { type_name, format, properties, .. } = &self.schema;
        let (type_name, format, properties) = (type_name.clone(), format.clone(), properties.clone());
        SchemaInfo { type_name, format, data: self.form.clone(), properties }
    }
}

/// Parses, validates and canonicalizes a schema, within the budget of one request.
///
/// # Errors
/// The schema is over a limit or invalid, or its type name does not match its content.
pub fn canonicalize(schema: SchemaInfo) -> Result<CanonicalSchema> {
    canonicalize_with_budget(schema, &Budget::default())
}

/// Canonicalizes a schema like [`canonicalize`], within a shared budget.
///
/// # Errors
/// As [`canonicalize`], and when the budget is exhausted.
pub fn canonicalize_with_budget(schema: SchemaInfo, budget: &Budget) -> Result<CanonicalSchema> {
    validation::check_schema(&schema)?;
    let format_name = schema.format.full_name().as_bytes();
    let (type_name, form, compatibility_fingerprint) = match schema.format {
        Format::Avro => canonicalize_avro(&schema, budget)?,
        Format::Json => {
            let form = canonical_json(&schema.data, budget)?.into_bytes();
            let compatibility_fingerprint = CompatibilityFingerprint::of(&[format_name, &form]);
            (schema.type_name.clone(), form, compatibility_fingerprint)
        }
        Format::Protobuf => canonicalize_protobuf(&schema)?,
        Format::Custom(_) | Format::Any => {
            let mut parts = vec![format_name, &schema.data];
            // a custom checker may look at the properties
            parts
                .extend(schema.properties.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]));
            (schema.type_name.clone(), schema.data.clone(), CompatibilityFingerprint::of(&parts))
        }
    };
    let fingerprint = Sha256::digest(&form).into();
    Ok(CanonicalSchema {
        schema: SchemaInfo { type_name, ..schema },
        fingerprint,
        compatibility_fingerprint,
        form,
    })
}

fn invalid_schema(format: &Format, reason: impl std::fmt::Display) -> Error {
    Error::new(format!("Unable to parse schema. {format} schema: {reason}"))
}

/// Splits a requested type name at its last dot. A qualifier without a name is rejected.
fn split_type_name(type_name: &str) -> Result<(&str, &str)> {
    let (qualifier, name) = type_name.rsplit_once('.').unwrap_or(("", type_name));
    if name.is_empty() && !qualifier.is_empty() {
        return Err(Error::new(format!("type {type_name:?} ends with a dot: give the full name, or none")));
    }
    Ok((qualifier, name))
}

fn canonicalize_avro(
    schema: &SchemaInfo,
    budget: &Budget,
) -> Result<(String, Vec<u8>, CompatibilityFingerprint)> {
    let text = std::str::from_utf8(&schema.data).map_err(|e| invalid_schema(&schema.format, e))?;
    let parsed = avro::parse_with_budget(text, budget).map_err(|e| invalid_schema(&schema.format, e))?;
    let (qualifier, name) = split_type_name(&schema.type_name)?;
    let (root_qualifier, root_simple_name) = parsed.root_name();
    let (qualifier, name) = match (qualifier, name) {
        ("", "") => (root_qualifier, root_simple_name),
        ("", name) => (root_qualifier, name.to_owned()),
        (qualifier, name) => (qualifier.to_owned(), name.to_owned()),
    };
    // Java's rules check the whole of a registered union, strict rules the member
    let whole = parsed.compatibility_form();
    let chosen = parsed.into_union_member(&name);
    let (chosen_qualifier, chosen_name) = chosen.root_name();
    if chosen_name != name || !(qualifier.is_empty() || qualifier == chosen_qualifier) {
        return Err(Error::new(format!(
            "Type mismatch. Type should be full name for avro message. Hint: namespace.recordname. The schema is {}, \
             not {:?}",
            chosen.type_name(),
            schema.type_name
        )));
    }
    let full_name = if qualifier.is_empty() { name } else { format!("{qualifier}.{name}") };
    let compatibility_fingerprint =
        CompatibilityFingerprint::of(&[b"Avro", whole.as_bytes(), chosen.compatibility_form().as_bytes()]);
    Ok((full_name, chosen.canonical_form().into_bytes(), compatibility_fingerprint))
}

fn canonical_json(data: &[u8], budget: &Budget) -> Result<String> {
    let text = std::str::from_utf8(data).map_err(|e| invalid_schema(&Format::Json, e))?;
    let mut value = bounded_json::parse(text).map_err(|e| invalid_schema(&Format::Json, e))?;
    if !value.is_object() {
        return Err(invalid_schema(&Format::Json, "the document must be an object"));
    }
    check_type_keywords(&value, 0, budget)?;
    // sorted at every level
    value.sort_all_objects();
    Ok(value.to_string())
}

/// Checks the `type` keywords of a JSON schema, at the root and below `properties` and `items`.
fn check_type_keywords(schema: &Value, depth: usize, budget: &Budget) -> Result<()> {
    budget.try_spend(1, "")?;
    const TYPE_NAMES: [&str; 8] =
        ["string", "number", "integer", "boolean", "object", "array", "null", "any"];
    if depth > MAX_JSON_DEPTH {
        return Err(invalid_schema(&Format::Json, "it nests too deeply"));
    }
    let Value::Object(object) = schema else { return Ok(()) };
    let types: Vec<&Value> = match object.get("type") {
        Some(Value::Array(types)) => types.iter().collect(),
        Some(name) => vec![name],
        None => Vec::new(),
    };
    for name in types {
        match name {
            Value::String(name) if !TYPE_NAMES.contains(&name.as_str()) => {
                return Err(invalid_schema(&Format::Json, format!("unknown type {name:.100?}")));
            }
            Value::String(_) | Value::Object(_) => {}
            other => {
                return Err(invalid_schema(
                    &Format::Json,
                    format!("a type is a string, not {}", crate::text::truncated_json(other)),
                ));
            }
        }
    }
    let properties = object.get("properties").and_then(Value::as_object).into_iter().flat_map(|o| o.values());
    for inner in properties.chain(object.get("items")) {
        check_type_keywords(inner, depth + 1, budget)?;
    }
    Ok(())
}

fn canonicalize_protobuf(schema: &SchemaInfo) -> Result<(String, Vec<u8>, CompatibilityFingerprint)> {
    let mut set = protobuf::decode(&schema.data).map_err(|e| invalid_schema(&schema.format, e))?;
    let first =
        set.file.first().ok_or_else(|| invalid_schema(&schema.format, "the descriptor set has no file"))?;
    let (qualifier, name) = split_type_name(&schema.type_name)?;
    let name = match name {
        "" => first.message_type.first().map(|message| message.name().to_owned()).unwrap_or_default(),
        name => name.to_owned(),
    };
    let qualifier = if qualifier.is_empty() { first.package().to_owned() } else { qualifier.to_owned() };
    let declares = |file: &prost_types::FileDescriptorProto| {
        (qualifier.is_empty() || file.package() == qualifier)
            && file.message_type.iter().any(|m| m.name() == name)
    };
    if !set.file.iter().any(declares) {
        return Err(Error::new(format!(
            "Type mismatch. Type should match one of the protobuf messages in the descriptor set, and {:?} does not",
            schema.type_name
        )));
    }
    let full_name = if qualifier.is_empty() { name } else { format!("{qualifier}.{name}") };
    let form = set.encode_to_vec();
    // drop comments and source locations
    set.file.iter_mut().for_each(|file| file.source_code_info = None);
    let compatibility_fingerprint =
        CompatibilityFingerprint::of(&[b"Protobuf", full_name.as_bytes(), &set.encode_to_vec()]);
    Ok((full_name, form, compatibility_fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::FileDescriptorSet;

    fn avro(type_name: &str, data: &str) -> Result<String> {
        canonicalize(SchemaInfo::new(type_name, Format::Avro, data))
            .map(|canonical| canonical.schema.type_name)
    }

    const RECORD: &str = r#"{"type":"record","name":"MyRec","namespace":"a.b.c","fields":[]}"#;
    const UNION: &str = r#"["null",{"type":"record","name":"A","namespace":"x","fields":[]},{"type":"record","name":"B","fields":[]}]"#;

    #[test]
    fn avro_types_get_their_full_name() {
        for (requested, schema, full_name) in [
            ("", RECORD, "a.b.c.MyRec"),
            ("MyRec", RECORD, "a.b.c.MyRec"),
            ("a.b.c.MyRec", RECORD, "a.b.c.MyRec"),
            ("", "\"string\"", "string"),
            ("", r#"{"type":"array","items":"int"}"#, "array"),
            ("", UNION, "union"),
            ("union", UNION, "union"),
            ("A", UNION, "A"),
            ("x.A", UNION, "x.A"),
            ("B", UNION, "B"),
        ] {
            assert_eq!(avro(requested, schema).as_deref(), Ok(full_name), "{requested} of {schema}");
        }
        for (requested, schema) in
            [("Other", RECORD), ("a.MyRec", RECORD), ("a.b.", RECORD), ("C", UNION), ("y.A", UNION)]
        {
            avro(requested, schema).unwrap_err();
        }
    }

    fn json(data: &str) -> Result<[u8; 32]> {
        canonicalize(SchemaInfo::new("", Format::Json, data)).map(|canonical| canonical.fingerprint)
    }

    #[test]
    fn json_documents_are_equal_whatever_their_member_order() {
        assert_eq!(json(r#"{"type":"object","title":"a"}"#), json(r#"{ "title":"a", "type":"object" }"#));
        assert_ne!(json(r#"{"type":"object","title":"a"}"#), json(r#"{"type":"object","title":"b"}"#));
        json("{}").unwrap();
        for bad in
            ["true", "\"object\"", "[]", "{", r#"{"type":"thing"}"#, r#"{"properties":{"a":{"type":7}}}"#]
        {
            json(bad).unwrap_err();
        }
    }

    #[test]
    fn protobuf_types_are_messages_of_the_descriptor_set() {
        let file = prost_types::FileDescriptorProto {
            name: Some("user.proto".into()),
            package: Some("p".into()),
            message_type: vec![prost_types::DescriptorProto {
                name: Some("User".into()),
                ..Default::default()
            }],
            ..Default::default()
        };
        let data = FileDescriptorSet { file: vec![file] }.encode_to_vec();
        let full_name = |requested: &str| {
            canonicalize(SchemaInfo::new(requested, Format::Protobuf, data.clone()))
                .map(|canonical| canonical.schema.type_name)
        };
        assert_eq!(full_name("").as_deref(), Ok("p.User"));
        assert_eq!(full_name("User").as_deref(), Ok("p.User"));
        assert_eq!(full_name("p.User").as_deref(), Ok("p.User"));
        full_name("q.User").unwrap_err();
        full_name("p.Nobody").unwrap_err();
        canonicalize(SchemaInfo::new("", Format::Protobuf, Vec::new())).unwrap_err();
        canonicalize(SchemaInfo::new("", Format::Protobuf, vec![0xff; 20])).unwrap_err();
    }
}
