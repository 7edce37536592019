//! Comparison of values: the values of two enums, and the defaults of absent fields.

use super::describe;
use super::reason::{Incompatibility, MAX_REASONS, Rule};
use super::schema::{Enum, Field, Kind, Label, Safety, Scalar, Schema};
use std::collections::{HashMap, HashSet};

/// Returns what keeps one enum from reading another, each with the value's name for the path.
pub(super) fn enum_reasons<'a>(
    reader: &Enum,
    writer: &'a Enum,
    safety: Safety,
) -> Vec<(&'a str, Incompatibility)> {
    let by_number: HashMap<_, _> = reader.values.iter().map(|value| (value.1, value)).collect();
    let mut reasons = Vec::new();
    let mut named = HashSet::new();
    for value in &writer.values {
        if reasons.len() >= MAX_REASONS {
            break;
        }
        let (name, number) = (value.0.as_str(), value.1);
        // of several names of one number the first is written
        let is_first = named.insert(number);
        let written = describe::enum_value(value);
        match reader.numbers.get(name) {
            Some(other) if *other != number => {
                let incompatibility = Incompatibility {
                    reader: describe::enum_value(&(name.to_owned(), *other)),
                    writer: written,
                    message: format!(
                        "{} gives {name} the number {other}, and the writer {number}",
                        describe::enumeration(reader)
                    ),
                    fix: format!("keep {name} = {number}, and add a value of another name"),
                    ..Incompatibility::new(Rule::EnumValueRenumbered)
                };
                reasons.push((name, incompatibility));
            }
            None if reader.is_closed && is_first && !by_number.contains_key(&number) => {
                let incompatibility = Incompatibility {
                    writer: written,
                    message: format!(
                        "{} is closed and does not have {number}: the field would be absent where the writer wrote {name}",
                        describe::enumeration(reader)
                    ),
                    fix: format!("keep {name} = {number} in {}", describe::enumeration(reader)),
                    ..Incompatibility::new(Rule::EnumValueRemoved)
                };
                reasons.push((name, incompatibility));
            }
            None if safety == Safety::Json && is_first => {
                let same = by_number.get(&number).copied();
                let incompatibility = Incompatibility {
                    reader: same.map(describe::enum_value).unwrap_or_default(),
                    writer: written,
                    message: format!(
                        "JSON has the name {name}, which {} does not have",
                        describe::enumeration(reader)
                    ),
                    fix: format!("keep {name} = {number}; allow_alias permits another name beside it"),
                    ..Incompatibility::new(Rule::EnumNameMissing)
                };
                reasons.push((name, incompatibility));
            }
            _ => {}
        }
    }
    reasons
}

/// The value of an absent field.
#[derive(Debug, Clone, PartialEq)]
enum DefaultValue {
    Number(i128),
    /// The bits, so that NaN equals itself.
    Real(u64),
    Text(String),
}

/// Returns whether a field that the writer left out has the same value for the reader. Both are singular.
pub(super) fn is_same_default(reader: (&Schema, &Field), writer: (&Schema, &Field)) -> bool {
    // a required field is never absent
    if writer.1.label == Label::Required {
        return true;
    }
    match (default_value(reader.0, reader.1), default_value(writer.0, writer.1)) {
        // defaults of bytes have escapes, those of strings have none
        (Some(DefaultValue::Text(to)), Some(DefaultValue::Text(from))) if reader.1.kind != writer.1.kind => {
            to == from && !to.contains('\\')
        }
        (Some(to), Some(from)) => to == from,
        // bytes that read a message
        (Some(to), None) => to == DefaultValue::Text(String::new()),
        (None, _) => true,
    }
}

fn default_value(schema: &Schema, field: &Field) -> Option<DefaultValue> {
    let declared = field.default.as_deref();
    match field.kind {
        Kind::Message(_) | Kind::Group(_) => None,
        Kind::Enum(number) => {
            let it = schema.enumeration(number)?;
            let chosen = declared.and_then(|name| it.numbers.get(name).copied());
            chosen
                .or_else(|| it.values.first().map(|value| value.1))
                .map(|number| DefaultValue::Number(number.into()))
        }
        Kind::Scalar(Scalar::String | Scalar::Bytes) => {
            Some(DefaultValue::Text(declared.unwrap_or_default().to_owned()))
        }
        Kind::Scalar(Scalar::Bool) => Some(DefaultValue::Number(i128::from(declared == Some("true")))),
        Kind::Scalar(Scalar::Double | Scalar::Float) => {
            let real = declared.map_or(Ok(0.0), str::parse::<f64>);
            Some(real.map_or_else(|_| invalid_default(declared), |real| DefaultValue::Real(real.to_bits())))
        }
        Kind::Scalar(_) => {
            let number = declared.map_or(Ok(0), str::parse::<i128>);
            Some(number.map_or_else(|_| invalid_default(declared), DefaultValue::Number))
        }
    }
}

/// Returns an invalid default, which no compiler emits: it equals only the same text.
fn invalid_default(declared: Option<&str>) -> DefaultValue {
    DefaultValue::Text(declared.unwrap_or_default().to_owned())
}
