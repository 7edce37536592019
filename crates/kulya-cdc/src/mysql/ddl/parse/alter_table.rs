//! ALTER TABLE: a list of changes. Changes of partitions, storage and locks are stepped over.

use super::super::cursor::Cursor;
use super::super::error::Parsed;
use super::super::statement::{AlterAction, ColumnPosition, Statement, TableOptions};
use super::attribute::column;
use super::default_value::default_value;
use super::index::drop_key;
use super::key::{Element, element, period_name};
use super::option::{charset, collation, eat_charset, option_value, skip_partitions, table_options};
use super::table_list::wait_option;

/// What may stand before PARTITION in a change of partitions.
const PARTITION_VERBS: &[&str] = &[
    "ADD",
    "ANALYZE",
    "CHECK",
    "COALESCE",
    "DISCARD",
    "DROP",
    "EXCHANGE",
    "IMPORT",
    "OPTIMIZE",
    "REBUILD",
    "REORGANIZE",
    "REPAIR",
    "TRUNCATE",
];

/// Changes of two words without effect on the schema.
const HARMLESS_PAIRS: &[[&str; 2]] = &[
    ["DISABLE", "KEYS"],
    ["ENABLE", "KEYS"],
    ["DISCARD", "TABLESPACE"],
    ["IMPORT", "TABLESPACE"],
    ["REMOVE", "PARTITIONING"],
    ["UPGRADE", "PARTITIONING"],
    ["WITH", "VALIDATION"],
    ["WITHOUT", "VALIDATION"],
];

/// Reads what follows ALTER TABLE.
pub(super) fn alter_table(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    cursor.eat(&["IF", "EXISTS"]);
    let table = cursor.table()?;
    wait_option(cursor)?;
    let mut actions = Vec::new();
    while !cursor.is_end() && !cursor.is_sign(b';') {
        action(cursor, &mut actions)?;
        // partitioning follows without a comma
        let goes_on = cursor.eat_sign(b',') || cursor.is(&["PARTITION", "BY"]) || cursor.is(&["REMOVE"]);
        if !goes_on {
            break;
        }
    }
    Ok(Statement::AlterTable { table, actions })
}

fn action(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Parsed<()> {
    if is_partition_change(cursor) {
        cursor.skip_rest();
        return Ok(());
    }
    if cursor.eat(&["ADD"]) {
        return add(cursor, actions);
    }
    if cursor.eat(&["MODIFY"]) {
        cursor.eat(&["COLUMN"]);
        let if_exists = cursor.eat(&["IF", "EXISTS"]);
        return change_column(cursor, None, if_exists, actions);
    }
    if cursor.eat(&["CHANGE"]) {
        cursor.eat(&["COLUMN"]);
        let if_exists = cursor.eat(&["IF", "EXISTS"]);
        let from = cursor.name()?;
        return change_column(cursor, Some(from), if_exists, actions);
    }
    if cursor.eat(&["CONVERT"]) {
        actions.push(convert(cursor)?);
        return Ok(());
    }
    let action = if cursor.eat(&["DROP"]) {
        drop(cursor)?
    } else if cursor.eat(&["ALTER"]) {
        alter(cursor)?
    } else if cursor.eat(&["RENAME"]) {
        Some(rename(cursor)?)
    } else {
        return option(cursor, actions);
    };
    actions.extend(action);
    Ok(())
}

fn is_partition_change(cursor: &Cursor<'_>) -> bool {
    PARTITION_VERBS.iter().any(|verb| cursor.is(&[verb, "PARTITION"]))
}

fn add(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Parsed<()> {
    if cursor.eat(&["SYSTEM", "VERSIONING"]) {
        actions.push(AlterAction::AddSystemVersioning);
        return Ok(());
    }
    let is_column = cursor.eat(&["COLUMN"]);
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    if cursor.eat_sign(b'(') {
        loop {
            add_element(cursor, if_not_exists, false, actions)?;
            if cursor.eat_sign(b')') {
                return Ok(());
            }
            cursor.expect_sign(b',', "column attribute")?;
        }
    }
    add_element(cursor, if_not_exists, is_column, actions)
}

fn add_element(
    cursor: &mut Cursor<'_>,
    if_not_exists: bool,
    is_column: bool,
    actions: &mut Vec<AlterAction>,
) -> Parsed<()> {
    match if is_column { None } else { element(cursor)? } {
        Some(Element::Key { key, if_not_exists }) => actions.push(AlterAction::AddKey { key, if_not_exists }),
        Some(Element::Period(period)) => actions.push(AlterAction::AddPeriod(period)),
        Some(Element::Check) => {}
        None => {
            let (column, keys) = column(cursor)?;
            let position = position(cursor)?;
            actions.push(AlterAction::AddColumn { column, position, if_not_exists });
            actions.extend(keys.into_iter().map(|key| AlterAction::AddKey { key, if_not_exists }));
        }
    }
    Ok(())
}

fn change_column(
    cursor: &mut Cursor<'_>,
    from: Option<String>,
    if_exists: bool,
    actions: &mut Vec<AlterAction>,
) -> Parsed<()> {
    let (column, keys) = column(cursor)?;
    let from = from.unwrap_or_else(|| column.name.clone());
    let position = position(cursor)?;
    actions.push(AlterAction::ChangeColumn { from, column, position, if_exists });
    actions.extend(keys.into_iter().map(|key| AlterAction::AddKey { key, if_not_exists: if_exists }));
    Ok(())
}

fn position(cursor: &mut Cursor<'_>) -> Parsed<ColumnPosition> {
    if cursor.eat(&["FIRST"]) {
        return Ok(ColumnPosition::First);
    }
    if cursor.eat(&["AFTER"]) {
        return cursor.name().map(ColumnPosition::After);
    }
    Ok(ColumnPosition::Default)
}

fn drop(cursor: &mut Cursor<'_>) -> Parsed<Option<AlterAction>> {
    if cursor.eat(&["PRIMARY", "KEY"]) {
        return Ok(Some(AlterAction::DropPrimaryKey));
    }
    if cursor.eat(&["SYSTEM", "VERSIONING"]) {
        return Ok(Some(AlterAction::DropSystemVersioning));
    }
    if cursor.eat(&["PERIOD"]) {
        cursor.eat(&["IF", "EXISTS"]);
        cursor.expect("FOR")?;
        return Ok(Some(AlterAction::DropPeriod(period_name(cursor)?)));
    }
    if cursor.eat(&["FOREIGN", "KEY"]) || cursor.eat(&["CHECK"]) {
        cursor.eat(&["IF", "EXISTS"]);
        cursor.other_table()?;
        return Ok(None);
    }
    let is_key = cursor.eat_any(&["INDEX", "KEY", "CONSTRAINT"]);
    if !is_key {
        cursor.eat(&["COLUMN"]);
    }
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let name = cursor.qualified_name()?;
    if is_key {
        return Ok(Some(drop_key(name)));
    }
    cursor.eat_any(&["RESTRICT", "CASCADE"]);
    Ok(Some(AlterAction::DropColumn { column: name, if_exists }))
}

fn alter(cursor: &mut Cursor<'_>) -> Parsed<Option<AlterAction>> {
    if cursor.eat_any(&["INDEX", "KEY", "CHECK", "CONSTRAINT"]) {
        cursor.eat(&["IF", "EXISTS"]);
        cursor.name()?;
        cursor.eat(&["NOT"]);
        let known = cursor.eat_any(&["VISIBLE", "INVISIBLE", "IGNORED", "ENFORCED"]);
        return if known { Ok(None) } else { Err(cursor.unknown("change of an index")) };
    }
    cursor.eat(&["COLUMN"]);
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let column = cursor.qualified_name()?;
    if cursor.eat(&["SET", "DEFAULT"]) {
        let default = Some(default_value(cursor)?);
        return Ok(Some(AlterAction::SetDefault { column, default, if_exists }));
    }
    if cursor.eat(&["DROP", "DEFAULT"]) {
        return Ok(Some(AlterAction::SetDefault { column, default: None, if_exists }));
    }
    if cursor.eat(&["SET", "INVISIBLE"]) {
        return Ok(Some(AlterAction::SetInvisible { column, invisible: true }));
    }
    if cursor.eat(&["SET", "VISIBLE"]) {
        return Ok(Some(AlterAction::SetInvisible { column, invisible: false }));
    }
    Err(cursor.unknown("change of a column"))
}

fn rename(cursor: &mut Cursor<'_>) -> Parsed<AlterAction> {
    // a table may have one of these names, but not with another name behind it
    let is_table = cursor.is_any(&["TO", "AS"]) || cursor.is_sign(b'=');
    if !is_table && cursor.eat(&["COLUMN"]) {
        let if_exists = cursor.eat(&["IF", "EXISTS"]);
        let from = cursor.name()?;
        cursor.expect("TO")?;
        return Ok(AlterAction::RenameColumn { from, to: cursor.name()?, if_exists });
    }
    if !is_table && cursor.eat_any(&["INDEX", "KEY"]) {
        cursor.eat(&["IF", "EXISTS"]);
        let from = cursor.name()?;
        cursor.expect("TO")?;
        return Ok(AlterAction::RenameKey { from, to: cursor.name()? });
    }
    let _ = cursor.eat_any(&["TO", "AS"]) || cursor.eat_sign(b'=');
    cursor.table().map(AlterAction::Rename)
}

fn convert(cursor: &mut Cursor<'_>) -> Parsed<AlterAction> {
    if cursor.eat(&["PARTITION"]) {
        cursor.name()?;
        cursor.expect("TO")?;
        cursor.expect("TABLE")?;
        let table = cursor.table()?;
        cursor.eat_any(&["WITH", "WITHOUT"]);
        cursor.eat(&["VALIDATION"]);
        return Ok(AlterAction::PartitionToTable(table));
    }
    if cursor.eat(&["TABLE"]) {
        let table = cursor.table()?;
        cursor.skip_rest();
        return Ok(AlterAction::TableToPartition(table));
    }
    cursor.expect("TO")?;
    if !eat_charset(cursor) {
        return Err(cursor.unknown("CHARACTER SET"));
    }
    let charset = Some(charset(cursor)?);
    let mut convert_collation = None;
    if cursor.eat(&["COLLATE"]) {
        cursor.eat_sign(b'=');
        convert_collation = Some(collation(cursor)?);
    }
    Ok(AlterAction::ConvertCharset { charset, collation: convert_collation })
}

/// Table options, and changes without effect on the schema.
fn option(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Parsed<()> {
    if HARMLESS_PAIRS.iter().any(|pair| cursor.eat(pair)) {
        return Ok(());
    }
    if cursor.eat_any(&["FORCE", "SECONDARY_LOAD", "SECONDARY_UNLOAD"]) {
        return Ok(());
    }
    if cursor.eat_any(&["ALGORITHM", "LOCK"]) {
        option_value(cursor)?;
        return Ok(());
    }
    if cursor.eat(&["ORDER", "BY"]) {
        return order(cursor);
    }
    if cursor.is(&["PARTITION", "BY"]) {
        return skip_partitions(cursor);
    }
    let start = cursor.offset();
    let mut options = TableOptions::default();
    table_options(cursor, &mut options)?;
    if cursor.offset() == start {
        return Err(cursor.unknown("change of a table"));
    }
    actions.push(AlterAction::Options(options));
    Ok(())
}

/// Steps over the columns of ORDER BY, which is the last change.
fn order(cursor: &mut Cursor<'_>) -> Parsed<()> {
    loop {
        cursor.other_table()?;
        if cursor.eat_sign(b'.') {
            cursor.name()?;
        }
        cursor.eat_any(&["ASC", "DESC"]);
        if !cursor.eat_sign(b',') {
            return Ok(());
        }
    }
}

/// Notes new names of the table behind the place of an error.
pub(super) fn note_rest(cursor: &mut Cursor<'_>) {
    while !cursor.is_end() {
        let is_other = ["COLUMN", "INDEX", "KEY"].iter().any(|word| cursor.is(&["RENAME", word]));
        if !is_other && cursor.eat(&["RENAME"]) {
            let _ = cursor.eat_any(&["TO", "AS"]) || cursor.eat_sign(b'=');
            cursor.note_table();
        } else {
            cursor.step();
        }
    }
}
