//! The columns of a program's table, from the parts of its CREATE TABLE.

use serde_json::Value;

/// The columns of a table.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Columns {
    /// The names of those that are in the rows, in order.
    pub(super) physical: Vec<String>,
    /// The names of those in the primary key.
    pub(super) key: Vec<String>,
}

impl Columns {
    /// Reads the columns of a source or sink.
    pub(super) fn of(table: &Value) -> Self {
        let mut columns = Self::default();
        for part in table["columns"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            for element in split(part) {
                columns.read(&element);
            }
        }
        columns
    }

    fn read(&mut self, element: &str) {
        let upper = element.to_uppercase();
        let is_word = |word: &str| upper.split_whitespace().any(|it| it == word);
        if let Some((_, list)) =
            upper.split_once("PRIMARY KEY").filter(|(_, rest)| rest.trim_start().starts_with('('))
        {
            let list = &element[element.len() - list.len()..];
            let list = list.split_once('(').and_then(|(_, rest)| rest.split_once(')')).unwrap_or_default().0;
            self.key.extend(list.split(',').map(unquoted));
            return;
        }
        if upper.starts_with("WATERMARK") {
            return;
        }
        let name = unquoted(element.split_whitespace().next().unwrap_or_default());
        if upper.contains("PRIMARY KEY") {
            self.key.push(name.clone());
        }
        let is_computed = upper.split_whitespace().nth(1) == Some("AS");
        if !(is_computed || is_word("METADATA") && is_word("VIRTUAL")) {
            self.physical.push(name);
        }
    }
}

/// Returns a name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn unquoted(name: &str) -> String {
    name.trim().trim_matches('`').to_owned()
}

/// Splits at the commas that are in no brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for character in text.chars() {
        match character {
            '(' | '<' => depth += 1,
            ')' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(character);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[test]
fn columns_are_those_of_create_table() {
    let columns = |parts: &[&str]| Columns::of(&serde_json::json!({ "columns": parts }));
    let of = |physical: &[&str], key: &[&str]| Columns {
        physical: physical.iter().map(ToString::to_string).collect(),
        key: key.iter().map(ToString::to_string).collect(),
    };
    for (parts, expected) in [
        (&["a INT", "`b` AS PROCTIME()", "WATERMARK FOR b AS b"][..], of(&["a"], &[])),
        (&["a STRING PRIMARY KEY NOT ENFORCED, b MAP<INT, INT>"], of(&["a", "b"], &["a"])),
        (
            &["a INT", "B INT", "CONSTRAINT `x` PRIMARY KEY (`a`, B) NOT ENFORCED"],
            of(&["a", "B"], &["a", "B"]),
        ),
        (&["a INT METADATA VIRTUAL", "b INT METADATA", "primary key(b) not enforced"], of(&["b"], &["b"])),
    ] {
        assert_eq!(columns(parts), expected, "{parts:?}");
    }
}
