//! A schema as a person reads it. (A group's history has another text of it, which is Java's:
//! [`HistoryRecord::schema_string`](crate::HistoryRecord::schema_string).)

use crate::{Format, Result, SchemaInfo, protobuf};

/// Deeper ones stand below these, so that a text is not mostly spaces.
const MOST_INDENTED: usize = 32;

/// The schema as a text: Avro and JSON laid out in lines, nothing else changed; Protobuf as its `.proto` sources, one file
/// behind another; a custom format as it is. `None` for a custom one that is no UTF-8 text.
///
/// # Errors
/// The schema cannot be shown: see [`protobuf::source`].
pub fn readable(schema: &SchemaInfo) -> Result<Option<String>> {
    let text = std::str::from_utf8(&schema.data).ok();
    Ok(match schema.format {
        Format::Avro | Format::Json => text.map(laid_out),
        Format::Custom(_) | Format::Any => text.map(str::to_owned),
        Format::Protobuf => {
            let files = protobuf::source(&schema.data)?;
            let files = files.into_iter().map(|file| format!("// {}\n{}", one_line(&file.name), file.text));
            Some(files.collect::<Vec<_>>().join("\n"))
        }
    })
}

fn one_line(name: &str) -> String {
    name.chars().filter(|sign| !sign.is_control()).collect()
}

/// JSON with a line for each member and element. Signs are moved apart and never changed: numbers stay as they were
/// written.
fn laid_out(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut signs = json.chars().filter(|sign| !sign.is_control() || *sign == ' ').peekable();
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        (0..depth.min(MOST_INDENTED)).for_each(|_| text.push_str("  "));
    };
    while let Some(sign) = signs.next() {
        if in_string {
            text.push(sign);
            in_string = is_escaped || sign != '"';
            is_escaped = !is_escaped && sign == '\\';
            continue;
        }
        match sign {
            ' ' => {}
            '"' => {
                in_string = true;
                text.push(sign);
            }
            '{' | '[' => {
                text.push(sign);
                while signs.next_if_eq(&' ').is_some() {}
                // what is empty stays in one line
                if let Some(end) = signs.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut text, depth);
                text.push(sign);
            }
            ',' => {
                text.push(sign);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            sign => text.push(sign),
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_stays_what_it_was() {
        let compact = r#"{"a":[1,{"b":"x, {\"y\"} \\"},[],{ }],"c":12345678901234567890123,"d":-1.50e+400}"#;
        let expected = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, {\\\"y\\\"} \\\\\"\n    },\n    [],\n    {}\n  ],\n  \"c\": 12345678901234567890123,\n  \"d\": -1.50e+400\n}\n";
        let schema = SchemaInfo::new("", Format::Json, compact);
        let text = readable(&schema).unwrap().unwrap();
        assert_eq!(text, expected);
        assert_eq!(laid_out(&text), text);
        assert_eq!(laid_out("\"string\""), "\"string\"\n");
    }

    #[test]
    fn a_custom_format_is_shown_when_it_is_text() {
        let schema = |data: &[u8]| SchemaInfo::new("T", Format::Custom("thrift".into()), data);
        assert_eq!(readable(&schema(b"struct T {}")).unwrap().as_deref(), Some("struct T {}"));
        assert_eq!(readable(&schema(&[0xff])).unwrap(), None);
    }

    #[test]
    fn protobuf_is_shown_as_source() {
        let set = b"\x0a\x0e\x0a\x07m.proto\x22\x03\x0a\x01M";
        let text = readable(&SchemaInfo::new("M", Format::Protobuf, set)).unwrap().unwrap();
        assert_eq!(text, "// m.proto\nsyntax = \"proto2\";\n\nmessage M {\n}\n");
        readable(&SchemaInfo::new("M", Format::Protobuf, [0xff])).unwrap_err();
    }
}
