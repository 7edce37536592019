//! The canonical form of a schema (contract §2.1): the type's full name, the canonical bytes and their
//! fingerprint, by which two schemas are the same.

use crate::protobuf::{CompiledSource, Undecoded};
use crate::{
    Budget, Error, Format, Result, SchemaInfo, avro, bounded_json, json_schema, protobuf, validation,
};
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The maximum nesting depth of a JSON schema document.
const MAX_JSON_DEPTH: usize = 100;

/// A schema as the registry stores it: the sender's bytes under the type's full name, and its fingerprints.
#[derive(Debug, Clone)]
pub struct CanonicalSchema {
    /// The schema with the type's full name and the bytes as they were sent.
    pub schema: SchemaInfo,
    /// SHA-256 of the canonical form.
    pub fingerprint: [u8; 32],
    /// The fingerprint that earlier versions gave the same schema, if it is another: a store may have it
    /// under that one. They gave it to other schemas too, so what is found under it must be compared by
    /// [`Self::is_same_content`].
    pub former_fingerprint: Option<[u8; 32]>,
    /// Whether earlier versions may have given this fingerprint to other schemas: what is found under it
    /// must then be compared, too.
    pub is_shared_fingerprint: bool,
    /// The fingerprint of the parts that matter to compatibility.
    pub compatibility_fingerprint: CompatibilityFingerprint,
    /// What compatibility checks parse, if it is not what was sent.
    form: Option<Vec<u8>>,
}

/// A fingerprint of the parts of a schema that matter to compatibility: schemas of one format and one
/// compatibility fingerprint get the same verdicts under all rules. It is text, because it is stored: a later
/// algorithm uses another prefix, so its fingerprints equal none of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompatibilityFingerprint(String);

/// The prefix of fingerprints computed by the current algorithm.
const CURRENT_PREFIX: &str = "2-";

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
        let data = self.form.as_ref().unwrap_or(&self.schema.data).clone();
        SchemaInfo { type_name, format, data, properties }
    }

    /// Returns whether a registered schema, which was found by [`Self::former_fingerprint`], is this one.
    pub fn is_same_content(&self, registered: &SchemaInfo) -> bool {
        canonicalize(registered.clone()).is_ok_and(|registered| {
            registered.fingerprint == self.fingerprint
                && registered.schema.type_name == self.schema.type_name
                && registered.schema.format.same_kind(&self.schema.format)
        })
    }
}

/// The parts of a canonical schema that depend on its format.
struct Canonical {
    type_name: String,
    form: Option<Vec<u8>>,
    fingerprint: [u8; 32],
    former_fingerprint: Option<[u8; 32]>,
    is_shared_fingerprint: bool,
    compatibility_fingerprint: CompatibilityFingerprint,
}

impl Canonical {
    fn of(type_name: String, form: Vec<u8>, compatibility_fingerprint: CompatibilityFingerprint) -> Self {
        let fingerprint = Sha256::digest(&form).into();
        Self {
            type_name,
            form: Some(form),
            fingerprint,
            former_fingerprint: None,
            is_shared_fingerprint: false,
            compatibility_fingerprint,
        }
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
pub fn canonicalize_with_budget(mut schema: SchemaInfo, budget: &Budget) -> Result<CanonicalSchema> {
    validation::check_schema(&schema)?;
    if schema.format == Format::Protobuf {
        let compiled = protobuf::compile_schema_data(&schema.data, &schema.type_name, budget);
        if let Some(CompiledSource { set, type_name }) =
            compiled.map_err(|e| invalid_schema(&schema.format, e))?
        {
            (schema.data, schema.type_name) = (set, type_name);
            validation::check_schema(&schema)?;
        }
    }
    let format_name = schema.format.full_name().as_bytes();
    let canonical = match schema.format {
        Format::Avro => canonicalize_avro(&schema, budget)?,
        Format::Json => {
            let json = canonical_json(&schema.data, budget)?;
            let form = json.form.into_bytes();
            let compatibility_fingerprint = CompatibilityFingerprint::of(&[format_name, &form]);
            Canonical {
                former_fingerprint: json.rounded_form.map(|form| Sha256::digest(form).into()),
                is_shared_fingerprint: json.has_doubles,
                ..Canonical::of(schema.type_name.clone(), form, compatibility_fingerprint)
            }
        }
        Format::Protobuf => canonicalize_protobuf(&schema)?,
        Format::Custom(_) | Format::Any => {
            let mut parts = vec![format_name, &schema.data];
            // a custom checker may look at the properties
            parts
                .extend(schema.properties.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]));
            let compatibility_fingerprint = CompatibilityFingerprint::of(&parts);
            Canonical::of(schema.type_name.clone(), schema.data.clone(), compatibility_fingerprint)
        }
    };
    Ok(CanonicalSchema {
        schema: SchemaInfo { type_name: canonical.type_name, ..schema },
        fingerprint: canonical.fingerprint,
        former_fingerprint: canonical.former_fingerprint,
        is_shared_fingerprint: canonical.is_shared_fingerprint,
        compatibility_fingerprint: canonical.compatibility_fingerprint,
        form: canonical.form,
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

fn canonicalize_avro(schema: &SchemaInfo, budget: &Budget) -> Result<Canonical> {
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
    Ok(Canonical::of(full_name, chosen.canonical_form().into_bytes(), compatibility_fingerprint))
}

/// A JSON schema in canonical form.
struct CanonicalJson {
    form: String,
    /// The form of earlier versions, which rounded numbers to doubles, if it is another.
    rounded_form: Option<String>,
    /// Whether there are numbers that earlier versions may have rounded others to.
    has_doubles: bool,
}

fn canonical_json(data: &[u8], budget: &Budget) -> Result<CanonicalJson> {
    let text = std::str::from_utf8(data).map_err(|e| invalid_schema(&Format::Json, e))?;
    if text.starts_with('\u{feff}') {
        let reason = "the document starts with a byte order mark (BOM): save it as UTF-8 without one";
        return Err(invalid_schema(&Format::Json, reason));
    }
    // numbers that are no 64-bit integers or doubles keep their digits
    let exact = json_schema::mark_exact_numbers(text).map_err(|e| invalid_schema(&Format::Json, e))?;
    let mut value = bounded_json::parse(&exact).map_err(|e| invalid_schema(&Format::Json, e))?;
    if !value.is_object() {
        return Err(invalid_schema(&Format::Json, "the document must be an object"));
    }
    check_type_keywords(&value, 0, budget)?;
    // sorted at every level
    value.sort_all_objects();
    let has_doubles = has_doubles(&value);
    let form = match exact {
        Cow::Borrowed(_) => {
            return Ok(CanonicalJson { form: value.to_string(), rounded_form: None, has_doubles });
        }
        Cow::Owned(_) => json_schema::unmark_numbers(&value.to_string()),
    };
    // a number that is no double at all was refused by earlier versions
    let rounded_form = bounded_json::parse(text).ok().map(|mut rounded| {
        rounded.sort_all_objects();
        rounded.to_string()
    });
    Ok(CanonicalJson { form, rounded_form, has_doubles })
}

/// Returns whether a number of the document is a double, and no 64-bit integer.
fn has_doubles(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_doubles),
        Value::Object(members) => members.values().any(has_doubles),
        _ => false,
    }
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

/// Canonicalizes a descriptor set. What the decoder drops (custom options, editions and features) is part of
/// the fingerprint, as in Java's registry, which keeps it. Earlier versions did not look at it.
fn canonicalize_protobuf(schema: &SchemaInfo) -> Result<Canonical> {
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
    let full_name = if set.file.iter().any(declares) {
        if qualifier.is_empty() { name } else { format!("{qualifier}.{name}") }
    } else {
        let requested = &schema.type_name;
        let candidates = [requested.clone(), format!("{}.{requested}", first.package())];
        let nested = candidates.into_iter().find(|name| protobuf::declares_message(&set.file, name));
        nested.ok_or_else(|| {
            Error::new(format!(
                "Type mismatch. Type should match one of the protobuf messages in the descriptor set, and {requested:?} \
                 does not"
            ))
        })?
    };
    let known: [u8; 32] = Sha256::digest(set.encode_to_vec()).into();
    let undecoded = Undecoded::of(&schema.data, true);
    let fingerprint = if undecoded.is_empty() {
        known
    } else {
        Sha256::new_with_prefix(known).chain_update(undecoded.digest()).finalize().into()
    };
    // drop comments and source locations
    set.file.iter_mut().for_each(|file| file.source_code_info = None);
    let compatibility_fingerprint = CompatibilityFingerprint::of(&[
        b"Protobuf",
        full_name.as_bytes(),
        &set.encode_to_vec(),
        &Undecoded::of(&schema.data, false).digest(),
    ]);
    Ok(Canonical {
        type_name: full_name,
        form: None,
        fingerprint,
        former_fingerprint: (fingerprint != known).then_some(known),
        is_shared_fingerprint: false,
        compatibility_fingerprint,
    })
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
