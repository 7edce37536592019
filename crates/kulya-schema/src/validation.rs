//! Checks of the size and content of a request (contract §1.3).

use crate::limits::MAX_SCHEMA_BYTES;
use crate::{Checkers, CodecType, Error, Format, GroupId, GroupProperties, Result, Rules, SchemaInfo};
use std::collections::BTreeMap;

const MAX_LABELS: usize = 100;
const MAX_LABEL_UNITS: usize = 200;
const MAX_CODEC_UNITS: usize = 921_600;

/// Checks that a group has a name.
///
/// # Errors
/// The name is empty.
pub fn check_group(group: &GroupId) -> Result<()> {
    if group.name.is_empty() {
        return Err(Error::new("the group's name must not be empty"));
    }
    Ok(())
}

/// Checks a new group's labels, rules and policy. Under Java's rules only Avro has a compatibility checker,
/// and a custom format has one only if the user registered it; a format without a checker supports only the
/// policies that need none.
///
/// # Errors
/// A label is over a limit, a `kulya.` label is unknown, or the policy needs a checker that the format does
/// not have.
pub fn check_properties(properties: &GroupProperties, checkers: &Checkers) -> Result<()> {
    use crate::Compatibility::{AllowAny, DenyAll};
    check_labels(&properties.properties)?;
    let rules = Rules::from_labels(&properties.properties)?;
    let has_checker = match &properties.format {
        Format::Avro => true,
        Format::Custom(name) => checkers.get(name).is_some(),
        Format::Json | Format::Protobuf | Format::Any => rules != Rules::Java,
    };
    if has_checker || matches!(properties.compatibility, AllowAny | DenyAll) {
        return Ok(());
    }
    let alternative = match &properties.format {
        Format::Custom(_) => "or give the registry a checker for it",
        _ => "or let the group be checked by its format's own rules (property \"kulya.rules\" = \"strict\")",
    };
    Err(Error::new(format!(
        "policy {} is not supported for format {}: choose AllowAny or DenyAll, {alternative}",
        properties.compatibility.policy(),
        properties.format
    )))
}

/// Checks a schema's format, size and labels.
///
/// # Errors
/// The format is `Any`, the schema is larger than [`MAX_SCHEMA_BYTES`], or a label is over a limit.
pub fn check_schema(schema: &SchemaInfo) -> Result<()> {
    if schema.format == Format::Any {
        return Err(Error::new("Invalid Serialization Format. A schema cannot have the format Any"));
    }
    if schema.data.len() > MAX_SCHEMA_BYTES {
        return Err(Error::new(format!(
            "the schema {:?} has {} bytes; the maximum is {MAX_SCHEMA_BYTES}",
            schema.type_name,
            schema.data.len()
        )));
    }
    check_labels(&schema.properties)
}

/// Checks the size of a codec's properties.
///
/// # Errors
/// The properties together have 921 600 UTF-16 units or more.
pub fn check_codec(codec: &CodecType) -> Result<()> {
    let units: usize = codec.properties.iter().map(|(k, v)| utf16(k) + utf16(v)).sum();
    if units >= MAX_CODEC_UNITS {
        return Err(Error::new(format!("the properties of codec {:?} are too large: {units}", codec.name)));
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<()> {
    if labels.len() > MAX_LABELS {
        return Err(Error::new(format!("{} properties; the maximum is {MAX_LABELS}", labels.len())));
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
