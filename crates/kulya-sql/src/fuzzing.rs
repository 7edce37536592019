//! Entry points for fuzzing: arbitrary texts as statements and as types, and arbitrary bytes as the stored
//! state of live queries. None may panic, and what is accepted of the texts is printed as an equal statement.
//! The fuzz targets call these functions, and the tests call them with the corpora.

use crate::dialect::{DialectErrorKind, parse, parse_type};

/// Parses statements.
///
/// # Panics
/// If the parser panicked, or a printed statement is another one.
pub fn statements(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let statements = match parse(text) {
        Ok(statements) => statements,
        Err(error) => {
            assert_ne!(error.kind, DialectErrorKind::Internal, "{text}");
            return;
        }
    };
    for statement in statements {
        for printed in [format!("{statement}"), format!("{statement:#}")] {
            // the canonical form may be longer than the limit of a text
            let Ok(again) = parse(&printed) else {
                assert!(printed.len() > text.len(), "{text} is printed as {printed}, which is refused");
                continue;
            };
            let kinds: Vec<_> = again.iter().map(|statement| &statement.kind).collect();
            assert_eq!(kinds, [&statement.kind], "{text} is printed as {printed}");
        }
    }
}

/// Parses a type.
///
/// # Panics
/// If the parser panicked, or a printed type is another one.
pub fn types(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(parsed) = parse_type(text) {
        let printed = parsed.to_string();
        assert_eq!(parse_type(&printed).ok(), Some(parsed), "{text} is printed as {printed}");
    }
}

/// Reads frames of the stored state of a live query.
///
/// # Panics
/// If the reader panicked, or passes on more than it was given.
pub fn live_state(bytes: &[u8]) {
    crate::live::read_any(bytes);
}

#[cfg(test)]
mod tests {
    fn run_corpus(target: &str, run: impl Fn(&[u8])) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            run(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 10, "the corpus of {target} is incomplete");
    }

    #[test]
    fn fuzzing_corpora_pass() {
        run_corpus("sql_ddl", super::statements);
        run_corpus("sql_type", super::types);
        run_corpus("live_state", super::live_state);
    }
}
