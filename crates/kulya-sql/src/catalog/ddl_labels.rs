//! The statement that created a table, in the labels of its registry group: a label has at most 200 UTF-16
//! units, and a group at most 100 labels, so the statement is cut into pieces.
//!
//! | label | value |
//! |---|---|
//! | `sql.ddl` | the number of pieces |
//! | `sql.ddl.00`, `sql.ddl.01`, … | the pieces |
//!
//! A registry does not need to know them: the Java registry keeps labels and returns them.

use std::collections::BTreeMap;

/// The label with the number of pieces.
const COUNT: &str = "sql.ddl";
/// The maximum length of a piece, in UTF-16 units.
const PIECE_UNITS: usize = 200;
/// The maximum number of pieces; the other labels of the group need room too.
const MAX_PIECES: usize = 80;

/// Returns a statement as labels; `None` if it is too long for them.
pub(super) fn to_labels(ddl: &str) -> Option<BTreeMap<String, String>> {
    let pieces = pieces(ddl);
    if pieces.len() > MAX_PIECES {
        return None;
    }
    let count = (COUNT.to_owned(), pieces.len().to_string());
    let numbered = pieces.iter().enumerate();
    Some(numbered.map(|(number, piece)| (key(number), (*piece).to_owned())).chain([count]).collect())
}

/// Returns the statement in a group's labels; `None` if they have none, or not all of its pieces.
pub(super) fn from_labels(labels: &BTreeMap<String, String>) -> Option<String> {
    let count: usize = labels.get(COUNT)?.parse().ok()?;
    (0..count.min(MAX_PIECES + 1)).map(|number| labels.get(&key(number)).map(String::as_str)).collect()
}

fn key(number: usize) -> String {
    format!("{COUNT}.{number:02}")
}

/// Cuts a text into pieces between characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut units = 0;
        let end = rest.char_indices().find(|(_, c)| {
            units += c.len_utf16();
            units > PIECE_UNITS
        });
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_schema::{Compatibility, Format, GroupProperties};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn statements_return_from_their_labels(ddl in "\\PC{0,3000}") {
            let labels = to_labels(&ddl).unwrap();
            prop_assert!(labels.values().all(|value| value.encode_utf16().count() <= PIECE_UNITS));
            prop_assert_eq!(from_labels(&labels), Some(ddl));
            let mut properties = GroupProperties::new(Format::Avro, Compatibility::AllowAny, true);
            properties.properties = labels;
            prop_assert!(properties.rules().is_ok());
        }
    }

    #[test]
    fn what_is_not_whole_is_no_statement() {
        let longest = "x".repeat(PIECE_UNITS * MAX_PIECES);
        let labels = to_labels(&longest).unwrap();
        assert_eq!(from_labels(&labels), Some(longest.clone()));
        assert_eq!(to_labels(&(longest + "x")), None);
        let mut without = labels;
        without.remove("sql.ddl.07");
        assert_eq!(from_labels(&without), None);
        assert_eq!(from_labels(&BTreeMap::from([(COUNT.into(), "many".into())])), None);
        assert_eq!(from_labels(&BTreeMap::from([(COUNT.into(), usize::MAX.to_string())])), None);
        assert_eq!(from_labels(&BTreeMap::new()), None);
    }
}
