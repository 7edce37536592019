//! A schema pretty-printed for people. (A group's history has another text of it, in Java's layout:
//! [`HistoryRecord::schema_string`](crate::HistoryRecord::schema_string).)

use crate::{Format, Result, SchemaInfo, protobuf};

/// Deeper levels are not indented further, so that a text is not mostly spaces.
const MAX_INDENT_DEPTH: usize = 32;

/// Returns the schema as text: Avro and JSON with one member a line and otherwise unchanged; Protobuf as its
/// `.proto` sources, one file after another; a custom format as it is. Returns `None` for a custom schema
/// that is not UTF-8 text.
///
/// # Errors
/// The schema cannot be printed: see [`protobuf::source_files`].
pub fn pretty_print(schema: &SchemaInfo) -> Result<Option<String>> {
    let text = std::str::from_utf8(&schema.data).ok();
    Ok(match schema.format {
        Format::Avro | Format::Json => text.map(indent_json),
        Format::Custom(_) | Format::Any => text.map(str::to_owned),
        Format::Protobuf => {
            let files = protobuf::source_files(&schema.data)?;
            let files = files
                .into_iter()
                .map(|file| format!("// {}\n{}", without_control_characters(&file.name), file.text));
            Some(files.collect::<Vec<_>>().join("\n"))
        }
    })
}

fn without_control_characters(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).collect()
}

/// Prints JSON with a line for each member and element. Characters are only moved apart, never changed:
/// numbers stay as they were written.
fn indent_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut characters =
        json.chars().filter(|character| !character.is_control() || *character == ' ').peekable();
    let new_line = |text: &mut String, depth: usize| {
        text.push('\n');
        (0..depth.min(MAX_INDENT_DEPTH)).for_each(|_| text.push_str("  "));
    };
    while let Some(character) = characters.next() {
        if in_string {
            text.push(character);
            in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        match character {
            ' ' => {}
            '"' => {
                in_string = true;
                text.push(character);
            }
            '{' | '[' => {
                text.push(character);
                while characters.next_if_eq(&' ').is_some() {}
                // an empty object or array stays on one line
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(character);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            character => text.push(character),
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_otherwise_unchanged() {
        let compact = r#"{"a":[1,{"b":"x, {\"y\"} \\"},[],{ }],"c":12345678901234567890123,"d":-1.50e+400}"#;
        let expected = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, {\\\"y\\\"} \\\\\"\n    },\n    [],\n    {}\n  ],\n  \"c\": 12345678901234567890123,\n  \"d\": -1.50e+400\n}\n";
        let schema = SchemaInfo::new("", Format::Json, compact);
        let text = pretty_print(&schema).unwrap().unwrap();
        assert_eq!(text, expected);
        assert_eq!(indent_json(&text), text);
        assert_eq!(indent_json("\"string\""), "\"string\"\n");
    }

    #[test]
    fn a_custom_format_is_printed_when_it_is_text() {
        let schema = |data: &[u8]| SchemaInfo::new("T", Format::Custom("thrift".into()), data);
        assert_eq!(pretty_print(&schema(b"struct T {}")).unwrap().as_deref(), Some("struct T {}"));
        assert_eq!(pretty_print(&schema(&[0xff])).unwrap(), None);
    }

    #[test]
    fn protobuf_is_printed_as_source() {
        let set = b"\x0a\x0e\x0a\x07m.proto\x22\x03\x0a\x01M";
        let text = pretty_print(&SchemaInfo::new("M", Format::Protobuf, set)).unwrap().unwrap();
        assert_eq!(text, "// m.proto\nsyntax = \"proto2\";\n\nmessage M {\n}\n");
        pretty_print(&SchemaInfo::new("M", Format::Protobuf, [0xff])).unwrap_err();
    }
}
