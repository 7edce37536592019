//! Statements of the files as ours: tables with our types, and what Kulya does not have.

/// What becomes of a statement.
#[derive(Debug, PartialEq)]
pub(super) enum Mapped {
    Run(String),
    /// It changes no result.
    WithoutEffect,
    /// The rest of the file depends on it, and is not run.
    NotSupported,
}

/// Maps a statement.
pub(super) fn map(sql: &str) -> Mapped {
    let sql = sql.trim().trim_end_matches(';');
    let words: Vec<String> = sql.split_whitespace().take(3).map(str::to_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["CREATE", "TABLE", ..] => create_table(sql).map_or(Mapped::NotSupported, Mapped::Run),
        ["CREATE" | "DROP", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX"] | ["REINDEX", ..] => {
            Mapped::WithoutEffect
        }
        ["UPDATE" | "DELETE" | "REPLACE", ..] | ["INSERT", "OR", _] | ["CREATE" | "DROP", "TRIGGER", ..] => {
            Mapped::NotSupported
        }
        _ => Mapped::Run(sql.to_owned()),
    }
}

/// Gives the columns our types, and leaves out keys: two events may have the same.
fn create_table(sql: &str) -> Option<String> {
    let (head, rest) = sql.split_once('(')?;
    let (columns, _) = rest.rsplit_once(')')?;
    let mut ours = Vec::new();
    // no type has two numbers
    for column in columns.split(',') {
        let mut words = column.split_whitespace();
        let (name, of_type) = (words.next()?, words.next()?.to_uppercase());
        let of_type = match of_type.split('(').next()? {
            "INTEGER" | "INT" => "BIGINT",
            "FLOAT" | "REAL" | "DOUBLE" => "DOUBLE",
            "TEXT" | "VARCHAR" => "STRING",
            _ => return None,
        };
        ours.push(format!("{name} {of_type}"));
    }
    Some(format!("{head} ({}) WITH ('format' = 'avro')", ours.join(", ")))
}

#[test]
fn tables_have_our_types() {
    let run = |sql: &str| Mapped::Run(sql.to_owned());
    for (sql, expected) in [
        (
            "CREATE TABLE t1(\n  a INTEGER PRIMARY KEY,\n  x VARCHAR(30), y FLOAT\n)",
            run("CREATE TABLE t1 (a BIGINT, x STRING, y DOUBLE) WITH ('format' = 'avro')"),
        ),
        ("CREATE UNIQUE INDEX i ON t1 (a)", Mapped::WithoutEffect),
        ("DELETE FROM t1", Mapped::NotSupported),
        ("DROP TABLE t1;", run("DROP TABLE t1")),
    ] {
        assert_eq!(map(sql), expected, "{sql}");
    }
}
