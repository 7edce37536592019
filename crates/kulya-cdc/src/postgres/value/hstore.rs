//! Writing of hstore, as a map or as a text with a JSON object.

use super::super::literal::{self, Pair};
use super::text::write_str;
use crate::debezium::Written;
use crate::debezium::json::write_null;
use crate::debezium::{Compatibility, HstoreMode};

/// Writes an hstore value.
pub(super) fn write_hstore(
    text: &[u8],
    mode: HstoreMode,
    compat: Compatibility,
    out: &mut Vec<u8>,
) -> Written {
    let text = String::from_utf8_lossy(text);
    let Some(mut pairs) = literal::hstore(&text) else { return Written::NotAValue };
    if compat == Compatibility::Debezium {
        sort_as_java(&mut pairs);
    }
    match mode {
        HstoreMode::Map => write_object(&pairs, out),
        HstoreMode::Json => {
            let mut object = Vec::with_capacity(text.len());
            write_object(&pairs, &mut object);
            // the object is written as UTF-8
            write_str(&String::from_utf8_lossy(&object), out);
        }
    }
    match text {
        std::borrow::Cow::Borrowed(_) => Written::Value,
        std::borrow::Cow::Owned(_) => Written::Lossy,
    }
}

fn write_object(pairs: &[Pair<'_>], out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_str(key, out);
        out.push(b':');
        match value {
            Some(value) => write_str(value, out),
            None => write_null(out),
        }
    }
    out.push(b'}');
}

/// Sorts the pairs as a Java hash map iterates over them: by bucket, then as they were added.
fn sort_as_java(pairs: &mut [Pair<'_>]) {
    let mut buckets: usize = 16;
    // a map grows when it is filled to three quarters
    while pairs.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    pairs.sort_by_key(|(key, _)| {
        let hash =
            key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ hash >> 16) as usize % buckets
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_in_the_databases_order_or_javas() {
        let text = r#""a"=>"1", "c"=>NULL, "aa"=>"\\", "ä"=>"x", "key"=>"", "zebra"=>"y""#;
        for (compat, expected) in [
            (Compatibility::Corrected, r#"{"a":"1","c":null,"aa":"\\","ä":"x","key":"","zebra":"y"}"#),
            (Compatibility::Debezium, r#"{"aa":"\\","zebra":"y","a":"1","c":null,"ä":"x","key":""}"#),
        ] {
            let mut out = Vec::new();
            write_hstore(text.as_bytes(), HstoreMode::Map, compat, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
