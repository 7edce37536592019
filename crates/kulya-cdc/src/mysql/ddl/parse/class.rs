//! The kind of a statement by its first words. What changes no table, index, database or sequence is
//! harmless, or changes rows.

use super::super::cursor::Cursor;
use super::super::token::TokenKind;

/// The kind of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    CreateTable,
    AlterTable,
    CreateIndex {
        unique: bool,
        or_replace: bool,
    },
    DropIndex,
    RenameTables,
    /// DROP TABLE and DROP SEQUENCE.
    DropTables,
    TruncateTable,
    CreateSequence,
    /// CREATE, ALTER and DROP DATABASE.
    Database,
    /// Words that are not known, followed by TABLE.
    UnknownTableStatement,
    ChangeRows(String),
    Harmless(String),
}

/// What CREATE, ALTER and DROP have behind them without effect on tables and rows.
const HARMLESS_OBJECTS: &[&str] = &[
    "VIEW",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "USER",
    "ROLE",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "RESOURCE",
    "REFERENCE",
    "PACKAGE",
    "LIBRARY",
    "INSTANCE",
    "PREPARE",
];

/// Statements that change rows; the last ones by functions that they call, else they are not in the log.
const ROW_VERBS: &[&str] = &["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "SELECT", "DO", "CALL"];

/// Words between the verb and an object, at most.
const MAX_WORDS_BEFORE_OBJECT: usize = 24;

/// Tells the kind of a statement. The cursor moves behind the words that tell it; for databases, to the verb.
pub(super) fn classify(cursor: &mut Cursor<'_>) -> Class {
    while cursor.is(&["SET", "STATEMENT"]) {
        if !skip_set_statement(cursor) {
            return Class::Harmless("SET STATEMENT".to_owned());
        }
    }
    let verb = ["CREATE", "ALTER", "DROP"].into_iter().find(|verb| cursor.is(&[verb]));
    match verb {
        Some(verb) => definition(cursor, verb),
        None if cursor.eat(&["RENAME", "TABLE"]) || cursor.eat(&["RENAME", "TABLES"]) => Class::RenameTables,
        None if cursor.eat(&["TRUNCATE"]) => {
            cursor.eat(&["TABLE"]);
            Class::TruncateTable
        }
        None => other(cursor),
    }
}

fn definition(cursor: &mut Cursor<'_>, verb: &'static str) -> Class {
    if cursor.is(&[verb, "DATABASE"]) || cursor.is(&[verb, "SCHEMA"]) || is_or_replace_database(cursor) {
        return Class::Database;
    }
    let object = Objects { words: words(cursor) };
    cursor.step();
    let or_replace = cursor.eat(&["OR", "REPLACE"]);
    if cursor.eat(&["TEMPORARY"]) {
        return Class::Harmless(format!("{verb} TEMPORARY TABLE"));
    }
    while verb != "DROP" && cursor.eat_any(&["ONLINE", "OFFLINE"]) {}
    if verb == "ALTER" {
        cursor.eat(&["IGNORE"]);
    }
    if cursor.eat(&["TABLE"]) || (verb == "DROP" && cursor.eat(&["TABLES"])) {
        return match verb {
            "CREATE" => Class::CreateTable,
            "ALTER" => Class::AlterTable,
            _ => Class::DropTables,
        };
    }
    if cursor.eat(&["SEQUENCE"]) {
        return match verb {
            "CREATE" => Class::CreateSequence,
            "ALTER" => Class::Harmless("ALTER SEQUENCE".to_owned()),
            _ => Class::DropTables,
        };
    }
    if verb != "ALTER" {
        let unique = cursor.is(&["UNIQUE", "INDEX"]);
        let kind = ["UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "CLUSTERING"];
        if kind.iter().any(|kind| cursor.is(&[kind, "INDEX"])) {
            cursor.step();
        }
        if cursor.eat(&["INDEX"]) {
            return if verb == "CREATE" {
                Class::CreateIndex { unique, or_replace }
            } else {
                Class::DropIndex
            };
        }
    }
    object.class(verb)
}

fn is_or_replace_database(cursor: &Cursor<'_>) -> bool {
    let prefix = ["CREATE", "OR", "REPLACE"];
    cursor.is(&prefix)
        && ["DATABASE", "SCHEMA"].iter().any(|noun| cursor.peek_at(prefix.len()).is_some_and(|t| t.is(noun)))
}

/// The first words of a definition whose object is none of those that matter.
struct Objects {
    words: Vec<String>,
}

impl Objects {
    fn class(&self, verb: &str) -> Class {
        let object = self.words.iter().find(|word| {
            HARMLESS_OBJECTS.contains(&word.as_str()) || ["TABLE", "TABLES"].contains(&word.as_str())
        });
        match object.map(String::as_str) {
            Some("TABLE" | "TABLES") => Class::UnknownTableStatement,
            Some(object) => Class::Harmless(format!("{verb} {object}")),
            None => Class::Harmless(self.words.iter().take(2).cloned().collect::<Vec<_>>().join(" ")),
        }
    }
}

/// The first words in upper case.
fn words(cursor: &Cursor<'_>) -> Vec<String> {
    let tokens = (0..MAX_WORDS_BEFORE_OBJECT).map_while(|ahead| cursor.peek_at(ahead));
    let words = tokens.filter(|token| token.kind == TokenKind::Word);
    words.map(|token| String::from_utf8_lossy(token.raw).to_uppercase()).collect()
}

fn other(cursor: &Cursor<'_>) -> Class {
    let words = words(cursor);
    let first = words.first().map_or("", String::as_str);
    if ROW_VERBS.contains(&first) {
        return Class::ChangeRows(first.to_owned());
    }
    Class::Harmless(words.iter().take(2).cloned().collect::<Vec<_>>().join(" "))
}

/// Moves behind `SET STATEMENT variable = value, … FOR`, which MariaDB allows before every statement.
fn skip_set_statement(cursor: &mut Cursor<'_>) -> bool {
    while !cursor.is_end() {
        if cursor.eat(&["FOR"]) {
            return true;
        }
        cursor.step();
    }
    false
}

/// Notes the table behind the word TABLE, for the error about the words before it.
pub(super) fn note_table_behind(cursor: &mut Cursor<'_>) {
    while !cursor.is_end() && !cursor.eat_any(&["TABLE", "TABLES"]) {
        cursor.step();
    }
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    cursor.eat(&["IF", "EXISTS"]);
    cursor.note_table();
}
