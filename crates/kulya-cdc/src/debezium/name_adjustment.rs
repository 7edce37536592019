//! The replacement of characters that names in Avro cannot have (`schema.name.adjustment.mode`,
//! `field.name.adjustment.mode`). Java's characters are replaced, of which a character outside the Basic
//! Multilingual Plane has two.

use serde::{Deserialize, Serialize};

/// How names are changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameAdjustment {
    /// Not at all.
    #[default]
    None,
    /// Each invalid character becomes `_`.
    Avro,
    /// Each invalid character, `_` included, becomes `_u` and its number.
    AvroUnicode,
}

impl NameAdjustment {
    /// Returns the adjusted name of a schema, which may have dots.
    pub(crate) fn schema_name(self, name: &str) -> String {
        self.adjust(name, Some('.'), self == Self::Avro)
    }

    /// Returns the adjusted name of a field.
    pub(crate) fn field_name(self, name: &str) -> String {
        self.adjust(name, None, self == Self::Avro)
    }

    fn adjust(self, name: &str, separator: Option<char>, keeps_first_digit: bool) -> String {
        let mut adjusted = String::with_capacity(name.len());
        let mut units = [0; 2];
        for (index, c) in name.chars().enumerate() {
            let is_valid = match c {
                _ if self == Self::None => true,
                'a'..='z' | 'A'..='Z' => true,
                '_' => self == Self::Avro,
                '0'..='9' => index > 0,
                _ => index > 0 && Some(c) == separator,
            };
            if is_valid {
                adjusted.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut units) {
                adjusted.push('_');
                if self == Self::AvroUnicode {
                    let digits = if *unit < 0x100 { format!("00{unit:x}") } else { format!("{unit:x}") };
                    adjusted.push('u');
                    adjusted.push_str(&digits);
                }
            }
            if keeps_first_digit && index == 0 && c.is_ascii_digit() {
                adjusted.push(c);
            }
        }
        adjusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invalid_characters_are_replaced() {
        for (name, avro, unicode) in [
            ("order_id", "order_id", "order_u005fid"),
            ("Name2", "Name2", "Name2"),
            ("2x", "_2x", "_u0032x"),
            ("1st-col", "_1st_col", "_u0031st_u002dcol"),
            ("ünï.x", "_n__x", "_u00fcn_u00ef_u002ex"),
            ("a b", "a_b", "a_u0020b"),
            ("x\u{3b1}", "x_", "x_u3b1"),
            ("x\t", "x_", "x_u009"),
            ("😀", "__", "_ud83d_ude00"),
            ("", "", ""),
        ] {
            assert_eq!(NameAdjustment::None.field_name(name), name);
            assert_eq!(NameAdjustment::Avro.field_name(name), avro, "{name}");
            assert_eq!(NameAdjustment::AvroUnicode.field_name(name), unicode, "{name}");
        }
        assert_eq!(NameAdjustment::Avro.schema_name("my-db.s.t.Value"), "my_db.s.t.Value");
        assert_eq!(NameAdjustment::AvroUnicode.schema_name(".1-db"), "_u002e1_u002ddb");
        let read = |text| serde_json::from_str::<NameAdjustment>(text).unwrap();
        assert_eq!(read("\"avro_unicode\""), NameAdjustment::AvroUnicode);
    }

    proptest! {
        #[test]
        fn adjusted_names_are_valid(name: String) {
            for mode in [NameAdjustment::Avro, NameAdjustment::AvroUnicode] {
                let field = mode.field_name(&name);
                prop_assert!(field.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_'), "{field}");
                prop_assert!(!field.starts_with(|c: char| c.is_ascii_digit()));
            }
        }
    }
}
