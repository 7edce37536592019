//! ALTER TABLE: the definition of a table after a change.

use crate::dialect::{
    AlterTable, AlteredElement, ColumnDef, ColumnKind, ColumnPlace, CreateTable, OptionsChange, Path,
    Position, PrimaryKey, TypeKind,
};
use crate::nearest::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};

/// Options that say how the events that are there were written.
const FIXED: [(&str, &str); 7] = [
    ("connector", "the events of the table are in streams"),
    ("format", "the events that are there have the present format"),
    ("pravega-registry.format", "the events that are there have the present format"),
    ("pravega-registry.namespace", "the events that are there have the schemas of the present group"),
    ("pravega-registry.group-id", "the events that are there have the schemas of the present group"),
    ("scope", "the table's streams are in the present scope"),
    ("segments", "it is for CREATE TABLE, and the stream is there"),
];

/// What events a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Events {
    None,
    /// Their values have the names of columns.
    Named,
    /// Their values are found by the places of columns.
    Positional,
}

/// Returns the definition after a change of columns, key, watermark or options; `at` is the place of the
/// statement.
///
/// # Errors
/// With the place in the script: `UnknownColumn`, `InvalidQuery` for what is there already or still needed.
pub(crate) fn altered(
    before: &CreateTable,
    change: AlterTable,
    events: Events,
    at: Position,
) -> SqlResult<CreateTable> {
    let table = changed(before.clone(), change, events, at)?;
    if events == Events::Positional {
        let is_physical = |column: &&ColumnDef| matches!(column.kind, ColumnKind::Physical { .. });
        let names = |table: &CreateTable| -> Vec<String> {
            table.elements.columns.iter().filter(is_physical).map(|column| column.name.clone()).collect()
        };
        if names(&table).len() < names(before).len() {
            let what = "a column that is dropped: the events that are there have their values by place";
            return Err(SqlError::new(SqlErrorKind::NotSupported, what).at(at));
        }
        let is_moved =
            |(before, after): (&String, &String)| before != after && names(&table).contains(before);
        if names(before).iter().zip(&names(&table)).any(is_moved) {
            let what = "a column before others: the events that are there have their values by place, so new columns are the last";
            return Err(SqlError::new(SqlErrorKind::NotSupported, what).at(at));
        }
    }
    Ok(table)
}

fn changed(
    mut table: CreateTable,
    change: AlterTable,
    events: Events,
    at: Position,
) -> SqlResult<CreateTable> {
    match change {
        AlterTable::Rename(_) => return Err(SqlError::internal()),
        AlterTable::Options(OptionsChange::Set(options)) => {
            for option in options {
                check_option(&option.key, option.position.0)?;
                match table.options.iter_mut().find(|existing| existing.key == option.key) {
                    Some(existing) => *existing = option,
                    None => table.options.push(option),
                }
            }
        }
        AlterTable::Options(OptionsChange::Reset(keys)) => {
            for key in keys {
                check_option(&key, at)?;
                if !table.options.iter().any(|option| option.key == key) {
                    let known = table.options.iter().map(|option| option.key.as_str());
                    let hint = match nearest(&key, known) {
                        Some(nearest) => format!(": did you mean '{nearest}'?"),
                        None => String::new(),
                    };
                    let what = format!("option '{key}' is not set{hint}");
                    return Err(SqlError::new(SqlErrorKind::InvalidOption, what).at(at));
                }
                table.options.retain(|option| option.key != key);
            }
        }
        AlterTable::Options(OptionsChange::Comment(comment)) => table.comment = Some(comment),
        AlterTable::Add(elements) => {
            for element in elements {
                add(&mut table, element, events)?;
            }
        }
        AlterTable::Modify(elements) => {
            for element in elements {
                modify(&mut table, element, events, at)?;
            }
        }
        AlterTable::DropColumns(paths) => {
            let mut dropped: Vec<String> = Vec::new();
            for path in &paths {
                let name = column_name(path)?;
                find(&table, name, path.position.0)?;
                if dropped.iter().any(|other| other == name) {
                    return Err(invalid(format!("column {name} is named twice"), path.position.0));
                }
                dropped.push(name.to_owned());
            }
            drop_columns(&mut table, &dropped, at)?;
        }
        AlterTable::DropPrimaryKey => {
            if table.elements.key.take().is_none() {
                return Err(invalid("the table has no primary key".to_owned(), at));
            }
        }
        AlterTable::DropConstraint(name) => match &table.elements.key {
            Some(PrimaryKey { name: Some(found), .. }) if *found == name => table.elements.key = None,
            Some(PrimaryKey { name: Some(found), .. }) => {
                return Err(invalid(
                    format!("the table has no constraint {name}: its primary key is {found}"),
                    at,
                ));
            }
            Some(_) => {
                let what = format!(
                    "the table has no constraint {name}: its primary key has no name, DROP PRIMARY KEY removes it"
                );
                return Err(invalid(what, at));
            }
            None => return Err(invalid("the table has no primary key".to_owned(), at)),
        },
        AlterTable::DropWatermark => {
            if table.elements.watermark.take().is_none() {
                return Err(invalid("the table has no watermark".to_owned(), at));
            }
        }
        AlterTable::RenameColumn { from, to } => rename_column(&mut table, &from, to, events)?,
    }
    Ok(table)
}

fn check_option(key: &str, at: Position) -> SqlResult<()> {
    let Some((_, reason)) = FIXED.iter().find(|(fixed, _)| *fixed == key) else { return Ok(()) };
    let what = format!("option '{key}' cannot be changed: {reason}");
    Err(SqlError::new(SqlErrorKind::InvalidOption, what).at(at))
}

fn add(table: &mut CreateTable, element: AlteredElement, events: Events) -> SqlResult<()> {
    match element {
        AlteredElement::Column { column, place } => {
            let position = column.position.0;
            if table.elements.columns.iter().any(|existing| existing.name == column.name) {
                let what = format!("the table has column {} already: MODIFY changes it", column.name);
                return Err(invalid(what, position));
            }
            if let ColumnKind::Physical { column_type } = &column.kind
                && !column_type.nullable
                && events != Events::None
            {
                let what = format!(
                    "column {} is NOT NULL, but the events that are there do not have it: add it as nullable",
                    column.name
                );
                return Err(invalid(what, position));
            }
            insert(table, *column, place)
        }
        AlteredElement::Watermark(watermark) => {
            let position = watermark.column.position.0;
            if table.elements.watermark.replace(watermark).is_some() {
                return Err(invalid(
                    "the table has a watermark already: MODIFY changes it".to_owned(),
                    position,
                ));
            }
            Ok(())
        }
        AlteredElement::Key(key) => {
            let position = key.position.0;
            if table.elements.key.replace(key).is_some() {
                let what = "the table has a primary key already: MODIFY changes it";
                return Err(invalid(what.to_owned(), position));
            }
            Ok(())
        }
    }
}

fn modify(table: &mut CreateTable, element: AlteredElement, events: Events, at: Position) -> SqlResult<()> {
    match element {
        AlteredElement::Column { column, place } => {
            let index = find(table, &column.name, column.position.0)?;
            let existing = table.elements.columns.get_mut(index).ok_or_else(SqlError::internal)?;
            if events != Events::None {
                check_type(existing, &column)?;
            }
            let mut column = *column;
            column.comment = column.comment.or_else(|| existing.comment.take());
            match place {
                None => *existing = column,
                Some(place) => {
                    table.elements.columns.remove(index);
                    insert(table, column, Some(place))?;
                }
            }
            Ok(())
        }
        AlteredElement::Watermark(watermark) => {
            let position = watermark.column.position.0;
            match table.elements.watermark.replace(watermark) {
                Some(_) => Ok(()),
                None => Err(invalid("the table has no watermark: ADD adds one".to_owned(), position)),
            }
        }
        AlteredElement::Key(key) => match table.elements.key.replace(key) {
            Some(_) => Ok(()),
            None => Err(invalid("the table has no primary key: ADD adds one".to_owned(), at)),
        },
    }
}

/// Checks that the events that are there can be read with a column's new type.
fn check_type(existing: &ColumnDef, column: &ColumnDef) -> SqlResult<()> {
    let (ColumnKind::Physical { column_type: from }, ColumnKind::Physical { column_type: to }) =
        (&existing.kind, &column.kind)
    else {
        return Ok(());
    };
    if from.nullable && !to.nullable {
        let what =
            format!("column {} may be null in the events that are there: it cannot be NOT NULL", column.name);
        return Err(SqlError::new(SqlErrorKind::TypeMismatch, what).at(column.position.0));
    }
    if is_widened(&from.kind, &to.kind) {
        return Ok(());
    }
    let what = format!(
        "column {} has type {}: the events that are there cannot be read as {}; a type can become a wider one",
        column.name, from.kind, to.kind
    );
    Err(SqlError::new(SqlErrorKind::TypeMismatch, what).at(column.position.0))
}

/// Returns whether all values of a type are values of another one, in every format.
fn is_widened(from: &TypeKind, to: &TypeKind) -> bool {
    use TypeKind::{
        BigInt, Binary, Char, Decimal, Double, Float, Int, SmallInt, Time, Timestamp, TimestampLtz, TinyInt,
        Varbinary, Varchar,
    };
    match (from, to) {
        _ if from == to => true,
        (TinyInt, SmallInt | Int | BigInt | Float | Double) => true,
        (SmallInt, Int | BigInt | Float | Double) => true,
        (Int, BigInt | Float | Double) | (BigInt, Float | Double) | (Float, Double) => true,
        (Char(_) | Varchar(_), Char(_) | Varchar(_)) => true,
        (Binary(_) | Varbinary(_), Binary(_) | Varbinary(_)) => true,
        (Decimal(precision, scale), Decimal(wider, same)) => wider >= precision && scale == same,
        (Timestamp(from), Timestamp(to))
        | (TimestampLtz(from), TimestampLtz(to))
        | (Time(from), Time(to)) => {
            // the next unit of 3, 6 and 9 digits is another one in the events
            from.div_ceil(3).max(1) == to.div_ceil(3).max(1)
        }
        (TypeKind::Array(from), TypeKind::Array(to)) => is_widened(&from.kind, &to.kind),
        (TypeKind::Map(key, value), TypeKind::Map(wide_key, wide_value)) => {
            key.kind == wide_key.kind && is_widened(&value.kind, &wide_value.kind)
        }
        (TypeKind::Row(from), TypeKind::Row(to)) => {
            let same = from.iter().zip(to).all(|(from, to)| {
                from.name == to.name && is_widened(&from.field_type.kind, &to.field_type.kind)
            });
            // fields may be added at the end
            same && to.len() >= from.len()
                && to.iter().skip(from.len()).all(|field| field.field_type.nullable)
        }
        _ => false,
    }
}

fn insert(table: &mut CreateTable, column: ColumnDef, place: Option<ColumnPlace>) -> SqlResult<()> {
    let index = match place {
        None => table.elements.columns.len(),
        Some(ColumnPlace::First) => 0,
        Some(ColumnPlace::After(name)) => find(table, &name, column.position.0)? + 1,
    };
    table.elements.columns.insert(index, column);
    Ok(())
}

/// Returns the index of a column.
fn find(table: &CreateTable, name: &str, at: Position) -> SqlResult<usize> {
    let mut names = table.elements.columns.iter().map(|column| column.name.as_str());
    if let Some(index) = names.clone().position(|column| column == name) {
        return Ok(index);
    }
    let what = match nearest(name, names.clone()) {
        Some(nearest) => format!("the table has no column {name}: did you mean {nearest}?"),
        None => format!(
            "the table has no column {name}: it has {}",
            names.by_ref().collect::<Vec<_>>().join(", ")
        ),
    };
    Err(SqlError::new(SqlErrorKind::UnknownColumn, what).at(at))
}

/// Returns the name of a column of one part.
fn column_name(path: &Path) -> SqlResult<&str> {
    match path.parts.as_slice() {
        [name] => Ok(name),
        _ => {
            let what = format!("{}: a change of a field of a ROW", path.to_name());
            Err(SqlError::not_supported(what).at(path.position.0))
        }
    }
}

fn drop_columns(table: &mut CreateTable, dropped: &[String], at: Position) -> SqlResult<()> {
    let is_dropped = |name: &str| dropped.iter().any(|other| other == name);
    check_uses(table, is_dropped, at)?;
    table.elements.columns.retain(|column| !is_dropped(&column.name));
    if !table.elements.columns.iter().any(|column| matches!(column.kind, ColumnKind::Physical { .. })) {
        return Err(invalid("a table needs a column of its events".to_owned(), at));
    }
    Ok(())
}

/// Checks that neither key, watermark nor the other computed columns use these columns.
fn check_uses(table: &CreateTable, is_changed: impl Fn(&str) -> bool, at: Position) -> SqlResult<()> {
    let in_use = |name: &str, by: &str| {
        let what = format!("column {name} is used by {by}: change that first");
        Err(SqlError::new(SqlErrorKind::InUse, what).at(at))
    };
    if let Some(name) = table.elements.key.iter().flat_map(|key| &key.columns).find(|name| is_changed(name)) {
        return in_use(name, "the primary key");
    }
    if let Some(watermark) = &table.elements.watermark {
        let of_expression = watermark.expression.names();
        let column = watermark.column.parts.first().cloned();
        if let Some(name) = column.into_iter().chain(of_expression).find(|name| is_changed(name)) {
            return in_use(&name, "the watermark");
        }
    }
    for column in &table.elements.columns {
        if let ColumnKind::Computed(expression) = &column.kind
            && !is_changed(&column.name)
            && let Some(name) = expression.names().into_iter().find(|name| is_changed(name))
        {
            return in_use(&name, &format!("the computed column {}", column.name));
        }
    }
    Ok(())
}

fn rename_column(table: &mut CreateTable, from: &Path, to: String, events: Events) -> SqlResult<()> {
    let (name, at) = (column_name(from)?, from.position.0);
    let index = find(table, name, at)?;
    if table.elements.columns.iter().any(|column| column.name == to) {
        return Err(invalid(format!("the table has column {to} already"), at));
    }
    let column = table.elements.columns.get(index).ok_or_else(SqlError::internal)?;
    if matches!(column.kind, ColumnKind::Physical { .. }) && events == Events::Named {
        let what = format!(
            "a new name of column {name}: the events that are there have it under this one; ADD `{to}` AS `{name}` gives it another"
        );
        return Err(SqlError::new(SqlErrorKind::NotSupported, what).at(at));
    }
    check_uses(table, |other| other == name, at)?;
    if let Some(column) = table.elements.columns.get_mut(index) {
        if let ColumnKind::Metadata { from, .. } = &mut column.kind {
            // its key stays
            from.get_or_insert_with(|| column.name.clone());
        }
        column.name = to;
    }
    Ok(())
}

fn invalid(what: String, position: Position) -> SqlError {
    SqlError::new(SqlErrorKind::InvalidQuery, what).at(position)
}
