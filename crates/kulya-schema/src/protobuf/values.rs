//! What stands behind a number: the values of two enums, and what a field means that is absent.

use super::{Enum, Field, Incompatibility, Kind, Label, MAX_REASONS, Rule, Safety, Scalar, Schema, text};
use std::collections::{HashMap, HashSet};

/// What keeps one enum from reading another, each with the value's name for the path.
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
        // of several names for one number the first is written
        let is_first = named.insert(number);
        let written = text::of_value(value);
        match reader.numbers.get(name) {
            Some(other) if *other != number => {
                let why = Incompatibility {
                    reader: text::of_value(&(name.to_owned(), *other)),
                    writer: written,
                    message: format!(
                        "{} gives {name} the number {other}, and the writer {number}",
                        text::of_enum(reader)
                    ),
                    fix: format!("keep {name} = {number}, and add a value of another name"),
                    ..Incompatibility::new(Rule::EnumValueRenumbered)
                };
                reasons.push((name, why));
            }
            None if reader.closed && is_first && !by_number.contains_key(&number) => {
                let why = Incompatibility {
                    writer: written,
                    message: format!(
                        "{} is closed and lacks {number}: the field would be absent where the writer wrote {name}",
                        text::of_enum(reader)
                    ),
                    fix: format!("keep {name} = {number} in {}", text::of_enum(reader)),
                    ..Incompatibility::new(Rule::EnumValueRemoved)
                };
                reasons.push((name, why));
            }
            None if safety == Safety::Json && is_first => {
                let same = by_number.get(&number).copied();
                let why = Incompatibility {
                    reader: same.map(text::of_value).unwrap_or_default(),
                    writer: written,
                    message: format!("JSON holds the name {name}, which {} has not", text::of_enum(reader)),
                    fix: format!("keep {name} = {number}; with allow_alias another name can stand beside it"),
                    ..Incompatibility::new(Rule::EnumNameMissing)
                };
                reasons.push((name, why));
            }
            _ => {}
        }
    }
    reasons
}

/// What an absent field means.
#[derive(Debug, Clone, PartialEq)]
enum Absent {
    Number(i128),
    /// Bits, so that it is equal to itself.
    Real(u64),
    Text(String),
}

/// Whether a field that the writer left out means the same to the reader. Both are singular.
pub(super) fn same_default(reader: (&Schema, &Field), writer: (&Schema, &Field)) -> bool {
    // what is always written is never absent
    if writer.1.label == Label::Required {
        return true;
    }
    match (absent(reader.0, reader.1), absent(writer.0, writer.1)) {
        // the text of bytes has escapes, that of a string has none
        (Some(Absent::Text(to)), Some(Absent::Text(from))) if reader.1.kind != writer.1.kind => {
            to == from && !to.contains('\\')
        }
        (Some(to), Some(from)) => to == from,
        // bytes that read a message
        (Some(to), None) => to == Absent::Text(String::new()),
        (None, _) => true,
    }
}

fn absent(schema: &Schema, field: &Field) -> Option<Absent> {
    let given = field.default.as_deref();
    match field.kind {
        Kind::Message(_) | Kind::Group(_) => None,
        Kind::Enum(number) => {
            let it = schema.enumeration(number)?;
            let chosen = given.and_then(|name| it.numbers.get(name).copied());
            chosen
                .or_else(|| it.values.first().map(|value| value.1))
                .map(|number| Absent::Number(number.into()))
        }
        Kind::Scalar(Scalar::String | Scalar::Bytes) => {
            Some(Absent::Text(given.unwrap_or_default().to_owned()))
        }
        Kind::Scalar(Scalar::Bool) => Some(Absent::Number(i128::from(given == Some("true")))),
        Kind::Scalar(Scalar::Double | Scalar::Float) => {
            let real = given.map_or(Ok(0.0), str::parse::<f64>);
            Some(real.map_or_else(|_| unreadable(given), |real| Absent::Real(real.to_bits())))
        }
        Kind::Scalar(_) => {
            let number = given.map_or(Ok(0), str::parse::<i128>);
            Some(number.map_or_else(|_| unreadable(given), Absent::Number))
        }
    }
}

/// A default that no compiler makes: equal to the same text alone.
fn unreadable(given: Option<&str>) -> Absent {
    Absent::Text(given.unwrap_or_default().to_owned())
}
