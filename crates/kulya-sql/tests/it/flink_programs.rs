//! Flink's own test programs, which `cargo xtask flink-programs` reads from Flink's test jars; the format of
//! the file is described in `xtask/flink/programs/Programs.java`.

use serde_json::Value;
use std::collections::BTreeMap;

/// Reads all programs.
pub(crate) fn programs() -> Vec<Value> {
    let file = std::env::var("KULYA_TEST_FLINK_PROGRAMS");
    let file = file.expect("cargo xtask flink-programs sets KULYA_TEST_FLINK_PROGRAMS");
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the steps of one kind, of `setup` or `run`.
pub(crate) fn steps<'a>(program: &'a Value, part: &str, kind: &str) -> Vec<&'a Value> {
    program[part].as_array().into_iter().flatten().filter(|step| step["kind"] == kind).collect()
}

/// Returns the rows that a sink has in the end, sorted, each as the texts of its values: what its changes
/// before and after the restart leave. A sink with a primary key has one row for each key.
///
/// # Errors
/// A change that takes back a row that is not there.
pub(crate) fn final_rows(sink: &Value) -> Result<Vec<Vec<String>>, String> {
    let key = key_positions(sink);
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

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Returns the positions of the primary key among the columns.
fn key_positions(sink: &Value) -> Vec<usize> {
    let unquoted = |name: &str| name.trim().trim_matches('`').to_owned();
    let (mut names, mut key) = (Vec::new(), Vec::new());
    for column in texts(&sink["columns"]) {
        let upper = column.to_uppercase();
        let name = unquoted(column.split_whitespace().next().unwrap_or_default());
        match upper.find("PRIMARY KEY") {
            Some(at) if upper.trim_start().starts_with("PRIMARY") || upper.starts_with("CONSTRAINT") => {
                let list = column[at..].split_once('(').and_then(|(_, rest)| rest.split_once(')'));
                key.extend(list.unwrap_or_default().0.split(',').map(unquoted));
                continue;
            }
            Some(_) => key.push(name.clone()),
            None => {}
        }
        names.push(name);
    }
    key.iter().filter_map(|name| names.iter().position(|other| other == name)).collect()
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

#[test]
#[ignore = "needs Flink's test programs: cargo xtask flink-programs"]
fn flink_programs_have_statements_and_rows() {
    let programs = programs();
    let (mut with_sql, mut with_rows) = (0, 0);
    for program in &programs {
        let statements = [steps(program, "run", "sql"), steps(program, "run", "statement_set")];
        with_sql += usize::from(!statements.concat().is_empty());
        let sinks = steps(program, "setup", "sink");
        let changes = |sink: &&Value| texts(&sink["rows"]).chain(texts(&sink["rowsAfterRestore"])).count();
        with_rows += usize::from(sinks.iter().map(changes).sum::<usize>() > 0);
        for sink in sinks {
            if let Err(error) = final_rows(sink) {
                println!("{} {}: {error}", program["class"], program["id"]);
            }
        }
    }
    assert_eq!((programs.len(), with_sql, with_rows), (437, 391, 415));
}
