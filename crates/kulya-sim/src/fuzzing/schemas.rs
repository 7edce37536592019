//! Fuzz entry points for schemas: a reader's and a writer's, both ways, in every format with a compatibility
//! checker.

use kulya_schema::avro;
use kulya_schema::json_schema::{self, Verdict};
use kulya_schema::protobuf::{self, Rule, Safety, reuses_reserved};

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
        let form = schema.normal_form();
        let again = avro::parse(&form).expect("a canonical form parses");
        assert_eq!(again.normal_form(), form);
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
                    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.witness.is_some()));
                }
                Verdict::Unknown(reasons) => assert!(!reasons.is_empty()),
            }
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
