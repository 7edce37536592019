//! Placeholders for values that the log does not contain: unchanged values that PostgreSQL stores apart from
//! the row (TOAST). Most are the text `unavailable.value.placeholder`, in the form that the column's schema
//! asks for; where there is none, the placeholder is null.

use super::{ArrayKind, ClockForm, DateForm, IntervalForm, Kind};
use crate::debezium::json::{write, write_base64, write_null};
use crate::debezium::{BinaryMode, Compatibility, HstoreMode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use md5::{Digest, Md5};
use serde_json::json;

/// Debezium's default placeholder.
pub(super) const DEFAULT: &str = "__debezium_unavailable_value";

/// Writes the placeholder of an unchanged value; `false` if it is null.
pub(crate) fn write_unavailable(kind: &Kind, out: &mut Vec<u8>) -> bool {
    match kind {
        Kind::WithPlaceholder(with) => {
            out.extend_from_slice(&with.json);
            with.json != b"null"
        }
        _ => write_placeholder(kind, DEFAULT, Compatibility::Corrected, out),
    }
}

/// Writes the placeholder; `false` if it is null. Debezium has null where the converter of the type rejects
/// the text; otherwise decimals and bits are the text's bytes.
pub(super) fn write_placeholder(
    kind: &Kind,
    placeholder: &str,
    compat: Compatibility,
    out: &mut Vec<u8>,
) -> bool {
    let is_debezium = compat == Compatibility::Debezium;
    match kind {
        Kind::Text
        | Kind::Printed
        | Kind::Json
        | Kind::Enum(_)
        | Kind::Uuid
        | Kind::Xml
        | Kind::Ltree
        | Kind::TsVector
        | Kind::DecimalText { .. } => write(out, placeholder),
        Kind::Hstore { mode: HstoreMode::Json, .. } => {
            write(out, &json!({ placeholder: placeholder }).to_string())
        }
        Kind::Hstore { mode: HstoreMode::Map, .. } => write(out, &json!({ placeholder: placeholder })),
        Kind::Bytes(mode) | Kind::Opaque { mode, .. } => match mode {
            BinaryMode::Bytes => write_base64(out, placeholder.as_bytes()),
            BinaryMode::Hex => write(out, placeholder),
            BinaryMode::Base64 | BinaryMode::Base64UrlSafe if is_debezium => none(out),
            BinaryMode::Base64 => write_base64(out, placeholder.as_bytes()),
            BinaryMode::Base64UrlSafe => write(out, &URL_SAFE.encode(placeholder)),
        },
        Kind::Decimal { .. } | Kind::Bits(_) if !is_debezium => write_base64(out, placeholder.as_bytes()),
        Kind::VariableDecimal if !is_debezium => {
            out.extend_from_slice(b"{\"scale\":0,\"value\":");
            write_base64(out, placeholder.as_bytes());
            out.push(b'}');
            true
        }
        Kind::Array(array) => write_array(array, placeholder, compat, out),
        Kind::WithPlaceholder(with) => write_placeholder(&with.kind, placeholder, compat, out),
        _ => none(out),
    }
}

fn write_array(array: &ArrayKind, placeholder: &str, compat: Compatibility, out: &mut Vec<u8>) -> bool {
    let is_debezium = compat == Compatibility::Debezium;
    match &array.items {
        Kind::Integer(32 | 64) | Kind::Date(DateForm::Days) => write_numbers(placeholder, out),
        Kind::Uuid => write(out, &[uuid(placeholder)]),
        Kind::Text | Kind::Json | Kind::Bytes(BinaryMode::Bytes) => {
            write_single(&array.items, placeholder, compat, out)
        }
        _ if is_debezium => none(out),
        Kind::Integer(_) | Kind::Oid | Kind::Float32(_) | Kind::Float64 | Kind::DecimalFloat => {
            write_numbers(placeholder, out)
        }
        Kind::Date(DateForm::ConnectDays)
        | Kind::Interval(IntervalForm::Micros | IntervalForm::FloatingMicros) => {
            write_numbers(placeholder, out)
        }
        Kind::Time(form) | Kind::ArrayTime(form) | Kind::Timestamp { form, .. }
            if *form != ClockForm::Iso =>
        {
            write_numbers(placeholder, out)
        }
        Kind::Date(_) | Kind::Time(_) | Kind::ArrayTime(_) | Kind::Timestamp { .. } => {
            write(out, &[placeholder])
        }
        Kind::TimeTz | Kind::ArrayTimeTz | Kind::TimestampTz { .. } | Kind::Interval(_) => {
            write(out, &[placeholder])
        }
        Kind::Boolean | Kind::Bit | Kind::Point | Kind::Money { .. } => none(out),
        Kind::AlwaysNull | Kind::AlwaysNullAs(_) => none(out),
        items => write_single(items, placeholder, compat, out),
    }
}

/// Writes an array of the placeholder of its items.
fn write_single(items: &Kind, placeholder: &str, compat: Compatibility, out: &mut Vec<u8>) -> bool {
    out.push(b'[');
    write_placeholder(items, placeholder, compat, out);
    out.push(b']');
    true
}

/// Writes the placeholder's bytes as numbers, which are signed as Java's.
fn write_numbers(placeholder: &str, out: &mut Vec<u8>) -> bool {
    let numbers: Vec<i8> = placeholder.bytes().map(|byte| byte as i8).collect();
    write(out, &numbers)
}

/// Returns the UUID of a text: version 3 without a name space, as Java's `nameUUIDFromBytes`.
fn uuid(text: &str) -> String {
    let mut bytes: [u8; 16] = Md5::digest(text).into();
    bytes[6] = bytes[6] & 0x0f | 0x30;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = format!("{:032x}", u128::from_be_bytes(bytes));
    let mut uuid = number;
    for place in [8, 13, 18, 23] {
        uuid.insert(place, '-');
    }
    uuid
}

fn none(out: &mut Vec<u8>) -> bool {
    write_null(out);
    false
}

#[cfg(test)]
mod tests {
    use super::super::OpaqueNumbers;
    use super::*;
    use crate::debezium::Compatibility::{Corrected, Debezium};

    fn array(items: Kind) -> Kind {
        Kind::Array(Box::new(ArrayKind { items, delimiter: b',', compat: Corrected }))
    }

    #[test]
    fn placeholders_have_the_form_of_their_type() {
        let bytes = |mode| Kind::Bytes(mode);
        let hstore = |mode| Kind::Hstore { mode, compat: Corrected };
        let decimal = Kind::Decimal { precision: 5, scale: 2 };
        let opaque = |mode| Kind::Opaque { mode, numbers: OpaqueNumbers::Printed };
        for (kind, corrected, debezium) in [
            (Kind::Text, r#""ä\"~""#, r#""ä\"~""#),
            (Kind::Json, r#""ä\"~""#, r#""ä\"~""#),
            (Kind::DecimalText { scale: 2, compat: Debezium }, r#""ä\"~""#, r#""ä\"~""#),
            (hstore(HstoreMode::Json), r#""{\"ä\\\"~\":\"ä\\\"~\"}""#, r#""{\"ä\\\"~\":\"ä\\\"~\"}""#),
            (hstore(HstoreMode::Map), r#"{"ä\"~":"ä\"~"}"#, r#"{"ä\"~":"ä\"~"}"#),
            (bytes(BinaryMode::Bytes), r#""w6Qifg==""#, r#""w6Qifg==""#),
            (bytes(BinaryMode::Base64), r#""w6Qifg==""#, "null"),
            (bytes(BinaryMode::Base64UrlSafe), r#""w6Qifg==""#, "null"),
            (bytes(BinaryMode::Hex), r#""ä\"~""#, r#""ä\"~""#),
            (opaque(BinaryMode::Bytes), r#""w6Qifg==""#, r#""w6Qifg==""#),
            (decimal.clone(), r#""w6Qifg==""#, "null"),
            (Kind::VariableDecimal, r#"{"scale":0,"value":"w6Qifg=="}"#, "null"),
            (Kind::DecimalFloat, "null", "null"),
            (Kind::Bits(40), r#""w6Qifg==""#, "null"),
            (array(Kind::Text), r#"["ä\"~"]"#, r#"["ä\"~"]"#),
            (array(Kind::Printed), r#"["ä\"~"]"#, "null"),
            (array(bytes(BinaryMode::Bytes)), r#"["w6Qifg=="]"#, r#"["w6Qifg=="]"#),
            (array(bytes(BinaryMode::Base64)), r#"["w6Qifg=="]"#, "null"),
            (array(Kind::Integer(32)), "[-61,-92,34,126]", "[-61,-92,34,126]"),
            (array(Kind::Integer(16)), "[-61,-92,34,126]", "null"),
            (array(Kind::Date(DateForm::Days)), "[-61,-92,34,126]", "[-61,-92,34,126]"),
            (array(Kind::Date(DateForm::Iso)), r#"["ä\"~"]"#, "null"),
            (
                array(Kind::Timestamp { form: ClockForm::Micros, compat: Corrected }),
                "[-61,-92,34,126]",
                "null",
            ),
            (array(Kind::TimestampTz { digits: 6 }), r#"["ä\"~"]"#, "null"),
            (array(decimal), r#"["w6Qifg=="]"#, "null"),
            (array(Kind::Boolean), "null", "null"),
        ] {
            for (compat, expected) in [(Corrected, corrected), (Debezium, debezium)] {
                let mut out = Vec::new();
                let is_value = write_placeholder(&kind, "ä\"~", compat, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{kind:?} {compat:?}");
                assert_eq!(is_value, expected != "null", "{kind:?} {compat:?}");
            }
        }
        let mut out = Vec::new();
        write_unavailable(&array(Kind::Uuid), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#);
    }
}
