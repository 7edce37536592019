//! The changes of a sink's rows, as Flink prints them, and the rows that they leave.

use super::columns::Columns;
use serde_json::Value;
use std::collections::BTreeMap;

/// Returns the rows that a sink has in the end, sorted, each as the texts of its values: what its changes
/// before and after the restart leave. A sink with a primary key has one row for each key. Where the program
/// says which rows are left, these are returned.
///
/// # Errors
/// A change that takes back a row that is not there.
pub(super) fn final_rows(sink: &Value) -> Result<Vec<Vec<String>>, String> {
    let Columns { physical, key } = Columns::of(sink);
    let key: Vec<usize> =
        key.iter().filter_map(|name| physical.iter().position(|other| other == name)).collect();
    if sink["materialized"].is_array() {
        let mut rows: Vec<_> = texts(&sink["materialized"]).map(|row| parse_change(row).1).collect();
        rows.sort_unstable();
        return Ok(rows);
    }
    let mut keyed: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for change in texts(&sink["rows"]).chain(texts(&sink["rowsAfterRestore"])) {
        let (kind, row) = parse_change(change);
        if key.is_empty() {
            if kind.starts_with('+') {
                rows.push(row);
                continue;
            }
            let position = rows.iter().position(|other| *other == row);
            rows.swap_remove(position.ok_or_else(|| format!("{change} takes back no row"))?);
            continue;
        }
        let of_key: Vec<String> = key.iter().map(|position| row[*position].clone()).collect();
        if kind.starts_with('+') {
            keyed.insert(of_key, row);
        } else if kind == "-D" || keyed.get(&of_key) == Some(&row) {
            keyed.remove(&of_key);
        }
    }
    rows.extend(keyed.into_values());
    rows.sort_unstable();
    Ok(rows)
}

pub(super) fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Parses a change as Flink prints it, such as `+I[1, [a, b], {k=v}]`: its kind and the texts of its values.
fn parse_change(text: &str) -> (&str, Vec<String>) {
    let (kind, values) = text.split_at(2);
    let values = values.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(values);
    let (mut row, mut value, mut depth) = (Vec::new(), String::new(), 0);
    let mut rest = values.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' if depth == 0 && rest.next_if_eq(&' ').is_some() => {
                row.push(std::mem::take(&mut value));
                continue;
            }
            _ => {}
        }
        value.push(character);
    }
    row.push(value);
    (kind, row)
}

#[test]
fn changes_are_folded_by_key_or_by_row() {
    let sink = |columns: &[&str], rows: &[&str]| serde_json::json!({ "columns": columns, "rows": rows });
    let plain = sink(&["a INT", "b STRING"], &["+I[1, x]", "+I[1, x]", "-U[1, x]", "+U[1, [y, z]]"]);
    assert_eq!(final_rows(&plain).unwrap(), [["1", "[y, z]"], ["1", "x"]]);
    let unknown = sink(&["a INT"], &["-D[1]"]);
    assert_eq!(final_rows(&unknown).unwrap_err(), "-D[1] takes back no row");
    let rows = ["+I[1, x]", "+I[2, x]", "+U[1, y]", "-D[2, null]", "-U[1, y]", "+U[3, y]"];
    for columns in [
        &["a INT", "b STRING", "PRIMARY KEY (`a`) NOT ENFORCED"][..],
        &["`a` INT PRIMARY KEY NOT ENFORCED", "b STRING"],
    ] {
        assert_eq!(final_rows(&sink(columns, &rows)).unwrap(), [["3", "y"]], "{columns:?}");
    }
}
