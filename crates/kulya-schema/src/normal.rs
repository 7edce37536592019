//! When two schemas are the same (contract §2.1): the type's full name, the normal form, and its fingerprint.

use crate::{Budget, Error, Format, Result, SchemaInfo, avro, document, limits, protobuf};
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How deep a JSON schema document may nest.
const MAX_JSON_DEPTH: usize = 100;

/// A schema as the registry keeps it: the sender's bytes, under its full type name, and what identifies it.
#[derive(Debug, Clone)]
pub struct Normal {
    /// The schema with its type's full name and the bytes as they were sent.
    pub schema: SchemaInfo,
    /// SHA-256 of the normal form.
    pub fingerprint: [u8; 32],
    /// What of it matters to compatibility.
    pub shape: Shape,
    form: Vec<u8>,
}

/// What of a schema matters to compatibility, digested: schemas of one format and one shape get the same verdicts, whatever
/// the rules. A text, because it is kept: another way to take shapes begins with another number, and so equals none of
/// these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(String);

/// With which shapes are taken now.
const SHAPES: &str = "1-";

impl Shape {
    fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut text = SHAPES.to_owned();
        for byte in digest.finalize().iter().take(16) {
            text += &format!("{byte:02x}");
        }
        Self(text)
    }

    /// Whether it was taken as shapes are taken now. Others must not be compared with.
    pub fn is_current(&self) -> bool {
        self.0.starts_with(SHAPES)
    }
}

impl Normal {
    /// The schema as a new one is judged, in its normal form: of a union, the member alone that the type names. (What is
    /// registered already is judged as it was sent, contract §3.4.)
    pub fn judged(&self) -> SchemaInfo {
        let SchemaInfo { type_name, format, properties, .. } = &self.schema;
        let (type_name, format, properties) = (type_name.clone(), format.clone(), properties.clone());
        SchemaInfo { type_name, format, data: self.form.clone(), properties }
    }
}

/// Parses, checks and normalises a schema, within the budget of a request. The error is the sender's to mend.
pub fn normalize(schema: SchemaInfo) -> Result<Normal> {
    normalize_within(schema, &Budget::default())
}

/// As [`normalize`], within a budget that other work shares.
///
/// # Errors
/// As [`normalize`], and when the budget ends.
pub fn normalize_within(schema: SchemaInfo, budget: &Budget) -> Result<Normal> {
    limits::check_schema(&schema)?;
    let kind = schema.format.full_name().as_bytes();
    let (type_name, form, shape) = match schema.format {
        Format::Avro => avro_form(&schema, budget)?,
        Format::Json => {
            let form = json_form(&schema.data, budget)?.into_bytes();
            let shape = Shape::of(&[kind, &form]);
            (schema.type_name.clone(), form, shape)
        }
        Format::Protobuf => protobuf_form(&schema)?,
        Format::Custom(_) | Format::Any => {
            let mut parts = vec![kind, &schema.data];
            // a checker may look at them
            parts
                .extend(schema.properties.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]));
            (schema.type_name.clone(), schema.data.clone(), Shape::of(&parts))
        }
    };
    let fingerprint = Sha256::digest(&form).into();
    Ok(Normal { schema: SchemaInfo { type_name, ..schema }, fingerprint, shape, form })
}

fn unparsable(format: &Format, why: impl std::fmt::Display) -> Error {
    Error::new(format!("Unable to parse schema. {format} schema: {why}"))
}

/// A requested type name, split at its last dot. A qualifier without a name is refused.
fn split(type_name: &str) -> Result<(&str, &str)> {
    let (qualifier, name) = type_name.rsplit_once('.').unwrap_or(("", type_name));
    if name.is_empty() && !qualifier.is_empty() {
        return Err(Error::new(format!("type {type_name:?} ends with a dot: give the full name, or none")));
    }
    Ok((qualifier, name))
}

fn avro_form(schema: &SchemaInfo, budget: &Budget) -> Result<(String, Vec<u8>, Shape)> {
    let text = std::str::from_utf8(&schema.data).map_err(|e| unparsable(&schema.format, e))?;
    let parsed = avro::parse_within(text, budget).map_err(|e| unparsable(&schema.format, e))?;
    let (qualifier, name) = split(&schema.type_name)?;
    let (own_qualifier, own_name) = parsed.root_name();
    let (qualifier, name) = match (qualifier, name) {
        ("", "") => (own_qualifier, own_name),
        ("", name) => (own_qualifier, name.to_owned()),
        (qualifier, name) => (qualifier.to_owned(), name.to_owned()),
    };
    // Java's rules judge the whole of a registered union, strict ones the member
    let whole = parsed.shape();
    let chosen = parsed.into_member(&name);
    let (chosen_qualifier, chosen_name) = chosen.root_name();
    if chosen_name != name || !(qualifier.is_empty() || qualifier == chosen_qualifier) {
        return Err(Error::new(format!(
            "Type mismatch. Type should be full name for avro message. Hint: namespace.recordname. The schema is {}, \
             not {:?}",
            chosen.type_name(),
            schema.type_name
        )));
    }
    let full = if qualifier.is_empty() { name } else { format!("{qualifier}.{name}") };
    let shape = Shape::of(&[b"Avro", whole.as_bytes(), chosen.shape().as_bytes()]);
    Ok((full, chosen.normal_form().into_bytes(), shape))
}

fn json_form(data: &[u8], budget: &Budget) -> Result<String> {
    let text = std::str::from_utf8(data).map_err(|e| unparsable(&Format::Json, e))?;
    let mut value = document::read(text).map_err(|e| unparsable(&Format::Json, e))?;
    if !value.is_object() {
        return Err(unparsable(&Format::Json, "the document must be an object"));
    }
    check_type_words(&value, 0, budget)?;
    // in order, all the way down
    value.sort_all_objects();
    Ok(value.to_string())
}

/// The `type` words of a JSON schema, at the root and below `properties` and `items`.
fn check_type_words(schema: &Value, depth: usize, budget: &Budget) -> Result<()> {
    budget.take(1, "")?;
    const WORDS: [&str; 8] = ["string", "number", "integer", "boolean", "object", "array", "null", "any"];
    if depth > MAX_JSON_DEPTH {
        return Err(unparsable(&Format::Json, "it nests too deeply"));
    }
    let Value::Object(object) = schema else { return Ok(()) };
    let words: Vec<&Value> = match object.get("type") {
        Some(Value::Array(words)) => words.iter().collect(),
        Some(word) => vec![word],
        None => Vec::new(),
    };
    for word in words {
        match word {
            Value::String(word) if !WORDS.contains(&word.as_str()) => {
                return Err(unparsable(&Format::Json, format!("unknown type {word:.100?}")));
            }
            Value::String(_) | Value::Object(_) => {}
            other => {
                return Err(unparsable(
                    &Format::Json,
                    format!("a type is a text, not {}", crate::json_schema::shortened(other)),
                ));
            }
        }
    }
    let properties = object.get("properties").and_then(Value::as_object).into_iter().flat_map(|o| o.values());
    for inner in properties.chain(object.get("items")) {
        check_type_words(inner, depth + 1, budget)?;
    }
    Ok(())
}

fn protobuf_form(schema: &SchemaInfo) -> Result<(String, Vec<u8>, Shape)> {
    let mut set = protobuf::decode(&schema.data).map_err(|e| unparsable(&schema.format, e))?;
    let first =
        set.file.first().ok_or_else(|| unparsable(&schema.format, "the descriptor set holds no file"))?;
    let (qualifier, name) = split(&schema.type_name)?;
    let name = match name {
        "" => first.message_type.first().map(|message| message.name().to_owned()).unwrap_or_default(),
        name => name.to_owned(),
    };
    let qualifier = if qualifier.is_empty() { first.package().to_owned() } else { qualifier.to_owned() };
    let holds = |file: &prost_types::FileDescriptorProto| {
        (qualifier.is_empty() || file.package() == qualifier)
            && file.message_type.iter().any(|m| m.name() == name)
    };
    if !set.file.iter().any(holds) {
        return Err(Error::new(format!(
            "Type mismatch. Type should match one of the protobuf messages in the descriptor set, and {:?} does not",
            schema.type_name
        )));
    }
    let full = if qualifier.is_empty() { name } else { format!("{qualifier}.{name}") };
    let form = set.encode_to_vec();
    // comments, and where in the source things stood
    set.file.iter_mut().for_each(|file| file.source_code_info = None);
    let shape = Shape::of(&[b"Protobuf", full.as_bytes(), &set.encode_to_vec()]);
    Ok((full, form, shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::FileDescriptorSet;

    fn avro(type_name: &str, data: &str) -> Result<String> {
        normalize(SchemaInfo::new(type_name, Format::Avro, data)).map(|normal| normal.schema.type_name)
    }

    const MINE: &str = r#"{"type":"record","name":"MyRec","namespace":"a.b.c","fields":[]}"#;
    const UNION: &str = r#"["null",{"type":"record","name":"A","namespace":"x","fields":[]},{"type":"record","name":"B","fields":[]}]"#;

    #[test]
    fn avro_types_get_their_full_name() {
        for (asked, schema, full) in [
            ("", MINE, "a.b.c.MyRec"),
            ("MyRec", MINE, "a.b.c.MyRec"),
            ("a.b.c.MyRec", MINE, "a.b.c.MyRec"),
            ("", "\"string\"", "string"),
            ("", r#"{"type":"array","items":"int"}"#, "array"),
            ("", UNION, "union"),
            ("union", UNION, "union"),
            ("A", UNION, "A"),
            ("x.A", UNION, "x.A"),
            ("B", UNION, "B"),
        ] {
            assert_eq!(avro(asked, schema).as_deref(), Ok(full), "{asked} of {schema}");
        }
        for (asked, schema) in
            [("Other", MINE), ("a.MyRec", MINE), ("a.b.", MINE), ("C", UNION), ("y.A", UNION)]
        {
            avro(asked, schema).unwrap_err();
        }
    }

    fn json(data: &str) -> Result<[u8; 32]> {
        normalize(SchemaInfo::new("", Format::Json, data)).map(|normal| normal.fingerprint)
    }

    #[test]
    fn json_documents_are_the_same_whatever_their_order() {
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
    fn protobuf_types_are_messages_of_the_set() {
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
        let full = |asked: &str| {
            normalize(SchemaInfo::new(asked, Format::Protobuf, data.clone()))
                .map(|normal| normal.schema.type_name)
        };
        assert_eq!(full("").as_deref(), Ok("p.User"));
        assert_eq!(full("User").as_deref(), Ok("p.User"));
        assert_eq!(full("p.User").as_deref(), Ok("p.User"));
        full("q.User").unwrap_err();
        full("p.Nobody").unwrap_err();
        normalize(SchemaInfo::new("", Format::Protobuf, Vec::new())).unwrap_err();
        normalize(SchemaInfo::new("", Format::Protobuf, vec![0xff; 20])).unwrap_err();
    }
}
