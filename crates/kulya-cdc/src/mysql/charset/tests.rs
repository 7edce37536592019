//! The character sets as MySQL 8.0.15 and MariaDB 10.11 convert them: `tests/data/mysql/charsets.tsv`.

use super::*;
use proptest::prelude::*;

/// Charset, bytes in hexadecimal, and the text within a JSON string.
fn cases() -> impl Iterator<Item = (&'static str, Vec<u8>, String)> {
    include_str!("../../../tests/data/mysql/charsets.tsv").lines().map(|line| {
        let [name, hex, text] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let bytes = hex.as_bytes().chunks(2).map(|digits| std::str::from_utf8(digits).unwrap());
        let bytes = bytes.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect();
        (name, bytes, serde_json::from_str(&format!("\"{text}\"")).unwrap())
    })
}

#[test]
fn bytes_are_converted_as_the_servers_do() {
    let mut count = 0;
    for (name, bytes, text) in cases() {
        let charset = Charset::from_name(name).unwrap();
        let differing = |found: &str| {
            let pairs = text.chars().zip(found.chars()).enumerate().filter(|(_, (a, b))| a != b);
            pairs.take(10).collect::<Vec<_>>()
        };
        let found = charset.decode(&bytes);
        assert!(found == text, "{name}: {:?}", differing(&found));
        let mut json = Vec::new();
        let is_complete = charset.write_json(&bytes, &mut json);
        let found: String = serde_json::from_slice(&json).unwrap();
        assert!(found == text, "{name}: {:?}", differing(&found));
        assert_eq!(is_complete, !text.contains('?'), "{name}");
        count += 1;
    }
    assert_eq!(count, 39);
    assert_eq!(Charset::from_name("binary"), None);
}

#[test]
fn bytes_that_are_no_characters_are_replaced() {
    for (name, bytes, expected) in [
        ("utf8mb4", &b"a\xffb"[..], "a\u{fffd}b"),
        ("ascii", b"a\xffb", "a?b"),
        ("gbk", b"a\xff\x81", "a??"),
        ("utf16", b"\0a\xd8\0\0b\0", "a?b?"),
        ("utf32", b"\0\0\0a\0\x11\0\0\0", "a??"),
    ] {
        let mut json = Vec::new();
        assert!(!Charset::from_name(name).unwrap().write_json(bytes, &mut json), "{name}");
        assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), expected, "{name}");
    }
}

#[test]
fn signs_of_json_are_escaped() {
    let mut json = Vec::new();
    assert!(
        Charset::from_name("latin1").unwrap().write_json(b"\xff\"\\\n\r\t\x08\x0c\x01\x1f/\x7f", &mut json)
    );
    assert_eq!(String::from_utf8(json).unwrap(), "\"ÿ\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f/\u{7f}\"");
}

proptest! {
    #[test]
    fn any_bytes_give_a_json_string(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for (name, ..) in cases() {
            let mut json = Vec::new();
            let charset = Charset::from_name(name).unwrap();
            let is_complete = charset.write_json(&bytes, &mut json);
            let text: String = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(&text, &charset.decode(&bytes));
            let has_replacements = text.contains(['?', char::REPLACEMENT_CHARACTER]);
            prop_assert!(is_complete || has_replacements);
        }
    }
}
