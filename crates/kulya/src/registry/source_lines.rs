//! The line of a schema's text that a path in the schema leads to, for annotations: exactly for the JSON
//! pointers of JSON Schema, by the names in the path for Avro and Protobuf.

use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// Returns the line, from 1; the first if the path does not lead further.
pub(super) fn line_of(text: &str, path: &str) -> usize {
    let offset = match path.strip_prefix('#') {
        Some(pointer) => offset_of_pointer(text, pointer),
        None => offset_of_names(text, path),
    };
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Returns where the value of a JSON pointer starts, or the value that contains it.
fn offset_of_pointer(text: &str, pointer: &str) -> usize {
    let Ok(mut value) = serde_json::from_str::<&RawValue>(text) else { return 0 };
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let inner = match serde_json::from_str::<HashMap<Cow<'_, str>, &RawValue>>(value.get()) {
            Ok(members) => members.get(token.as_str()).copied(),
            Err(_) => serde_json::from_str::<Vec<&RawValue>>(value.get())
                .ok()
                .zip(token.parse::<usize>().ok())
                .and_then(|(items, index)| items.get(index).copied()),
        };
        match inner {
            Some(inner) => value = inner,
            None => break,
        }
    }
    // both are parts of one text
    (value.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Returns where the last of the names in a path is found, each after the one before.
fn offset_of_names(text: &str, path: &str) -> usize {
    let mut offset = 0;
    for name in path.split('.') {
        let name = name.split(['[', '{']).next().unwrap_or_default();
        let found = match name {
            "" => None,
            // a name in a text of JSON or of Protobuf, or the end of a full name
            name => find_word(text.get(offset..).unwrap_or_default(), name),
        };
        if let Some(found) = found {
            offset += found;
        }
    }
    offset
}

/// Finds a name that is not a part of a longer one.
fn find_word(text: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).map(|(index, _)| index).find(|index| {
        let before = text.get(..*index).and_then(|before| before.chars().next_back());
        let after = text.get(index + name.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_paths_are_found() {
        let json = "{\n \"type\": \"object\",\n \"properties\": {\n  \"a/b\": {},\n  \"c\": {\"anyOf\": [\n   {},\n   {\"type\": \"null\"}]}}}";
        for (path, line) in [
            ("#", 1),
            ("#/type", 2),
            ("#/properties/a~1b", 4),
            ("#/properties/c/anyOf/1/type", 7),
            ("#/properties/missing/type", 3),
            ("#/x", 1),
        ] {
            assert_eq!(line_of(json, path), line, "{path}");
        }
        let avro = "{\"type\":\"record\",\n\"name\":\"Order\",\"fields\":[\n{\"name\":\"subtotal\",\"type\":\"int\"},\n{\"name\":\"total\",\"type\":\"int\"}]}";
        assert_eq!(line_of(avro, "Order.total"), 4);
        assert_eq!(line_of(avro, "shop.Order.total[]"), 4);
        assert_eq!(line_of(avro, ""), 1);
        let proto = "syntax = \"proto3\";\nmessage Order {\n  int32 id = 1;\n}";
        assert_eq!(line_of(proto, "shop.Order.id"), 3);
        assert_eq!(line_of("not json", "#/a"), 1);
        assert_eq!(line_of("", "a.b"), 1);
    }
}
