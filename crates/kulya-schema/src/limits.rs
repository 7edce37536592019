//! How much a request may hold (contract §1.3).

use crate::{Checkers, CodecType, Error, Format, GroupId, GroupProperties, Result, Rules, SchemaInfo};
use std::collections::BTreeMap;

/// The largest schema, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 8 * 1024 * 1024;
const MAX_LABELS: usize = 100;
const MAX_LABEL_UNITS: usize = 200;
const MAX_CODEC_UNITS: usize = 921_600;

/// A group's name must not be empty.
pub fn check_group(group: &GroupId) -> Result<()> {
    if group.name.is_empty() {
        return Err(Error::new("the group's name must not be empty"));
    }
    Ok(())
}

/// What a group may be made with. By Java's rules only Avro has a checker, and a custom format has none but a user's own:
/// without one a group takes only the policies that need none.
pub fn check_properties(properties: &GroupProperties, checkers: &Checkers) -> Result<()> {
    use crate::Compatibility::{AllowAny, DenyAll};
    check_labels(&properties.properties)?;
    let rules = Rules::of(&properties.properties)?;
    let is_judged = match &properties.format {
        Format::Avro => true,
        Format::Custom(name) => checkers.get(name).is_some(),
        Format::Json | Format::Protobuf | Format::Any => rules != Rules::Java,
    };
    if is_judged || matches!(properties.compatibility, AllowAny | DenyAll) {
        return Ok(());
    }
    let instead = match &properties.format {
        Format::Custom(_) => "or give the registry a checker for it",
        _ => "or let the group be judged by its format's own rules (property \"kulya.rules\" = \"strict\")",
    };
    Err(Error::new(format!(
        "policy {} is not supported for format {}: choose AllowAny or DenyAll, {instead}",
        properties.compatibility.policy(),
        properties.format
    )))
}

/// A schema's size, format and labels.
pub fn check_schema(schema: &SchemaInfo) -> Result<()> {
    if schema.format == Format::Any {
        return Err(Error::new("Invalid Serialization Format. A schema cannot have the format Any"));
    }
    if schema.data.len() > MAX_SCHEMA_BYTES {
        return Err(Error::new(format!(
            "the schema {:?} has {} bytes; the most is {MAX_SCHEMA_BYTES}",
            schema.type_name,
            schema.data.len()
        )));
    }
    check_labels(&schema.properties)
}

/// A codec has a name of its own, and bounded properties.
pub fn check_codec(codec: &CodecType) -> Result<()> {
    let units: usize = codec.properties.iter().map(|(k, v)| utf16(k) + utf16(v)).sum();
    if units >= MAX_CODEC_UNITS {
        return Err(Error::new(format!("the properties of codec {:?} are too large: {units}", codec.name)));
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<()> {
    if labels.len() > MAX_LABELS {
        return Err(Error::new(format!("{} properties; the most is {MAX_LABELS}", labels.len())));
    }
    match labels.iter().find(|(key, value)| utf16(key) > MAX_LABEL_UNITS || utf16(value) > MAX_LABEL_UNITS) {
        Some((key, _)) => Err(Error::new(format!(
            "property {:.40?} is too long: key and value may have {MAX_LABEL_UNITS} UTF-16 units each",
            key
        ))),
        None => Ok(()),
    }
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}
