//! Scripts of statements for several programs, with the rows that are expected: sections that begin with
//! `-- NAME`, statements that end with `;` at the end of a line, and `=> row` lines behind a statement. A
//! section `-- append SCOPE/STREAM` has an event in each line instead.

use anyhow::{Result, bail, ensure};

/// What a script asks for, in its order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// One statement of Flink's session.
    Flink(Statement),
    /// One statement of `kulya sql`.
    Kulya(Statement),
    /// One event of a stream.
    Append { stream: String, event: String },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Statement {
    /// Without its semicolon.
    pub(super) text: String,
    /// Sorted; none if any will do.
    pub(super) rows: Option<Vec<String>>,
}

/// Parses a script.
///
/// # Errors
/// What is wrong in which line.
pub(super) fn parse(script: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut section = "";
    let mut text = String::new();
    for (number, line) in script.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if let Some(name) = line.strip_prefix("-- ") {
            ensure!(text.is_empty(), "line {number}: the statement before has no semicolon");
            section = name.trim();
        } else if let Some(row) = line.strip_prefix("=> ") {
            let (Some(Step::Flink(statement) | Step::Kulya(statement)), true) =
                (steps.last_mut(), text.is_empty())
            else {
                bail!("line {number}: a row that no statement gives");
            };
            let rows = statement.rows.get_or_insert_default();
            rows.push(row.to_owned());
            rows.sort_unstable();
        } else if line.trim().is_empty() {
            continue;
        } else if let Some(stream) = section.strip_prefix("append ") {
            steps.push(Step::Append { stream: stream.to_owned(), event: line.to_owned() });
        } else {
            text += line;
            let Some(statement) = text.trim_end().strip_suffix(';') else {
                text += "\n";
                continue;
            };
            let statement = Statement { text: statement.to_owned(), rows: None };
            steps.push(match section {
                "flink" => Step::Flink(statement),
                "kulya" => Step::Kulya(statement),
                _ => {
                    bail!("line {number}: no section -- flink, -- kulya or -- append SCOPE/STREAM before it")
                }
            });
            text.clear();
        }
    }
    ensure!(text.is_empty(), "the last statement has no semicolon");
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::{Statement, Step, parse};

    fn statement(text: &str, rows: Option<&[&str]>) -> Statement {
        let rows = rows.map(|rows| rows.iter().map(ToString::to_string).collect());
        Statement { text: text.to_owned(), rows }
    }

    #[test]
    fn scripts_are_sections_of_statements_with_rows() {
        let script = "-- append a/b\n{\"x\": 1}\n\n-- flink\nSELECT 1,\n  'a;b';\n=> 2\n=> 1\n-- kulya\nSHOW TABLES;\n";
        assert_eq!(
            parse(script).unwrap(),
            [
                Step::Append { stream: "a/b".to_owned(), event: "{\"x\": 1}".to_owned() },
                Step::Flink(statement("SELECT 1,\n  'a;b'", Some(&["1", "2"]))),
                Step::Kulya(statement("SHOW TABLES", None)),
            ]
        );
        for (script, expected) in [
            ("SELECT 1;", "line 1: no section"),
            ("-- flink\nSELECT 1", "the last statement has no semicolon"),
            ("-- flink\nSELECT 1\n-- kulya", "line 3: the statement before"),
            ("-- flink\n=> 1", "line 2: a row that no statement gives"),
        ] {
            let error = parse(script).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
