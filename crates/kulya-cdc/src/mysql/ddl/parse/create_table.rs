//! CREATE TABLE: columns, keys, periods and options, or LIKE another table.

use super::super::cursor::Cursor;
use super::super::error::{DdlProblem, Parsed, SyntaxError};
use super::super::statement::{CreateTable, Statement, TableBody, TableDefinition};
use super::attribute::column;
use super::key::{Element, element};
use super::option::{skip_partitions, table_options};

/// Reads what follows CREATE TABLE.
pub(super) fn create_table(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let table = cursor.table()?;
    let body = match like(cursor)? {
        Some(body) => body,
        None => TableBody::Definition(definition(cursor)?),
    };
    Ok(Statement::CreateTable(CreateTable { table, if_not_exists, body }))
}

fn like(cursor: &mut Cursor<'_>) -> Parsed<Option<TableBody>> {
    let in_parentheses = cursor.is_sign(b'(') && cursor.peek_at(1).is_some_and(|token| token.is("LIKE"));
    if in_parentheses {
        cursor.step();
    }
    if !cursor.eat(&["LIKE"]) {
        return Ok(None);
    }
    let source = cursor.other_table()?;
    if in_parentheses {
        cursor.expect_sign(b')', ")")?;
    }
    Ok(Some(TableBody::Like(source)))
}

fn definition(cursor: &mut Cursor<'_>) -> Parsed<TableDefinition> {
    let mut definition = TableDefinition::default();
    let start = cursor.offset();
    if cursor.is_sign(b'(') && !starts_query(cursor) {
        elements(cursor, &mut definition)?;
    }
    loop {
        table_options(cursor, &mut definition.options)?;
        if !cursor.eat_sign(b',') {
            break;
        }
    }
    if cursor.is(&["PARTITION", "BY"]) {
        skip_partitions(cursor)?;
    }
    // with row-based logging a server writes the columns instead of the query
    if starts_query(cursor) {
        return Err(SyntaxError::new(DdlProblem::ColumnsFromQuery, cursor.offset()));
    }
    if !cursor.is_end() && !cursor.is_sign(b';') {
        return Err(cursor.unknown("table option"));
    }
    if definition.columns.is_empty() && !definition.options.is_sequence {
        let problem = DdlProblem::Incomplete { expected: "the table's columns" };
        return Err(SyntaxError::new(problem, start));
    }
    Ok(definition)
}

fn elements(cursor: &mut Cursor<'_>, definition: &mut TableDefinition) -> Parsed<()> {
    cursor.step();
    loop {
        match element(cursor)? {
            Some(Element::Key { key, .. }) => definition.keys.push(key),
            Some(Element::Period(period)) => definition.periods.push(period),
            Some(Element::Check) => {}
            None => {
                let (column, keys) = column(cursor)?;
                definition.columns.push(column);
                definition.keys.extend(keys);
            }
        }
        if cursor.eat_sign(b')') {
            return Ok(());
        }
        cursor.expect_sign(b',', "column attribute")?;
    }
}

/// Whether the query of CREATE TABLE … SELECT comes next.
fn starts_query(cursor: &Cursor<'_>) -> bool {
    let mut ahead = 0;
    let is =
        |ahead, words: &[&str]| cursor.peek_at(ahead).is_some_and(|t| words.iter().any(|word| t.is(word)));
    if is(ahead, &["IGNORE", "REPLACE"]) {
        ahead += 1;
    }
    if is(ahead, &["AS"]) {
        return true;
    }
    while cursor.sign_at(ahead, b'(') {
        ahead += 1;
    }
    is(ahead, &["SELECT", "WITH", "VALUES"]) || (ahead == 0 && is(ahead, &["TABLE"]))
}
