//! ALTER TABLE: a changed table from the present one.
//!
//! The servers do not apply the changes one after the other. They first drop, change and rename the present
//! columns, then place moved and new ones in the order written, where AFTER names columns of the changed
//! table; keys come last.

use super::charset::Collated;
use super::create::{MAX_COLUMNS, Resolver, convert_charset, table_charset};
use super::error::HistoryError;
use super::key;
use super::table::{Column, Table, same_name};
use super::versioning;
use crate::mysql::ddl::{AlterAction, ColumnPosition, KeyPart, TableOptions};

/// Most changes of one statement: each column can be dropped and another one added.
const MAX_ACTIONS: usize = 2 * MAX_COLUMNS;

/// What the changes need besides the table.
pub(super) struct Defaults<'a> {
    /// The default character set of the table's database.
    pub(super) database_charset: &'a Collated,
    /// `explicit_defaults_for_timestamp`.
    pub(super) explicit_timestamps: bool,
}

/// Applies the changes, except those of names.
pub(super) fn alter(
    old: &Table,
    actions: &[AlterAction],
    defaults: &Defaults<'_>,
) -> Result<Table, HistoryError> {
    if actions.len() > MAX_ACTIONS {
        return Err(HistoryError::TooMany { table: old.name.clone(), what: "changes", limit: MAX_ACTIONS });
    }
    let mut table = old.clone();
    for action in actions {
        if let AlterAction::Options(options) = action {
            apply_options(&mut table, options, defaults.database_charset);
        }
    }
    let mut resolver = Resolver::new(&table.charset, defaults.explicit_timestamps);
    let change = ColumnChanges::new(old, actions, &mut resolver);
    change.check()?;
    table.columns = change.columns()?;
    if table.columns.len() > MAX_COLUMNS {
        return Err(HistoryError::TooMany { table: old.name.clone(), what: "columns", limit: MAX_COLUMNS });
    }
    change.follow_in_keys(&mut table);
    drop_keys(&mut table, actions);
    change_periods(&mut table, actions)?;
    for action in actions {
        if let AlterAction::AddKey { key, if_not_exists } = action {
            key::add(&mut table, key, *if_not_exists)?;
        }
    }
    convert(&mut table, &change, defaults.database_charset);
    key::finish(&mut table);
    Ok(table)
}

fn apply_options(table: &mut Table, options: &TableOptions, database_charset: &Collated) {
    table.charset = table_charset(options, &table.charset, database_charset);
    if options.comment.is_some() {
        table.comment.clone_from(&options.comment);
    }
}

/// The maximum number of former names of a column that are kept: the last ones.
const MAX_FORMER_NAMES: usize = 16;

/// The changes of columns of one statement.
struct ColumnChanges<'a> {
    old: &'a Table,
    actions: &'a [AlterAction],
    /// For each action the column that it defines.
    defined: Vec<Option<Column>>,
}

impl<'a> ColumnChanges<'a> {
    fn new(old: &'a Table, actions: &'a [AlterAction], resolver: &mut Resolver<'_>) -> Self {
        let mut define = |action: &AlterAction| match action {
            AlterAction::AddColumn { column, .. } | AlterAction::ChangeColumn { column, .. } => {
                Some(resolver.resolve(column))
            }
            _ => None,
        };
        Self { old, actions, defined: actions.iter().map(&mut define).collect() }
    }

    /// Refuses changes of columns that the table does not have.
    fn check(&self) -> Result<(), HistoryError> {
        for name in self.actions.iter().filter_map(required_column) {
            if self.old.position(name).is_none() {
                return Err(self.unknown(name));
            }
        }
        Ok(())
    }

    fn columns(&self) -> Result<Vec<Column>, HistoryError> {
        let mut columns: Vec<Column> =
            self.old.columns.iter().filter_map(|column| self.kept(column)).collect();
        for (action, defined) in self.actions.iter().zip(&self.defined) {
            let Some(column) = defined else { continue };
            match action {
                AlterAction::AddColumn { position, if_not_exists, .. }
                    if !(*if_not_exists && self.old.position(&column.name).is_some()) =>
                {
                    self.place(&mut columns, column.clone(), position)?;
                }
                // it has its new name already, and moves from its old place
                AlterAction::ChangeColumn { position, .. } if *position != ColumnPosition::Default => {
                    if let Some(place) = columns.iter().position(|found| same_name(&found.name, &column.name))
                    {
                        let column = columns.remove(place);
                        self.place(&mut columns, column, position)?;
                    }
                }
                _ => {}
            }
        }
        Ok(columns)
    }

    /// A present column after the changes, at its old place; `None` if it is dropped.
    fn kept(&self, column: &Column) -> Option<Column> {
        let mut kept = column.clone();
        for (action, defined) in self.actions.iter().zip(&self.defined) {
            match action {
                AlterAction::DropColumn { column: name, .. } if same_name(name, &column.name) => return None,
                AlterAction::ChangeColumn { from, .. } if same_name(from, &column.name) => {
                    let defined = defined.clone()?;
                    kept = renamed(kept, defined.name.clone());
                    kept = Column { former_names: kept.former_names, ..defined };
                }
                AlterAction::RenameColumn { from, to, .. } if same_name(from, &column.name) => {
                    kept = renamed(kept, to.clone());
                }
                AlterAction::SetDefault { column: name, default, .. } if same_name(name, &column.name) => {
                    kept.default.clone_from(default);
                }
                AlterAction::SetInvisible { column: name, invisible } if same_name(name, &column.name) => {
                    kept.invisible = *invisible;
                }
                _ => {}
            }
        }
        Some(kept)
    }

    /// Whether the statement defines a column of this name.
    fn defines(&self, name: &str) -> bool {
        self.defined.iter().flatten().any(|column| same_name(&column.name, name))
    }

    fn place(
        &self,
        columns: &mut Vec<Column>,
        column: Column,
        position: &ColumnPosition,
    ) -> Result<(), HistoryError> {
        let place = match position {
            ColumnPosition::Default => versioning::end_of_columns(columns),
            ColumnPosition::First => 0,
            ColumnPosition::After(name) => {
                let found = columns.iter().position(|column| same_name(&column.name, name));
                found.ok_or_else(|| self.unknown(name))? + 1
            }
        };
        columns.insert(place, column);
        Ok(())
    }

    /// Follows changed columns in keys and periods, and takes dropped ones out of keys.
    fn follow_in_keys(&self, table: &mut Table) {
        versioning::remove_from_keys(&self.old.columns, &mut table.keys);
        let origins: Vec<Origin> = table.columns.iter().map(|column| self.origin(&column.name)).collect();
        for key in &mut table.keys {
            let parts = std::mem::take(&mut key.parts);
            let changed = |part| self.changed_part(&table.columns, &origins, part);
            key.parts = parts.into_iter().filter_map(changed).collect();
        }
        table.keys.retain(|key| !key.parts.is_empty());
        for name in table.periods.iter_mut().flat_map(|period| [&mut period.start, &mut period.end]) {
            if let Some((column, _)) = successor(&table.columns, &origins, name) {
                name.clone_from(&column.name);
            }
        }
    }

    /// A part of a key after the changes; `None` if its column is gone.
    fn changed_part(&self, columns: &[Column], origins: &[Origin], part: KeyPart) -> Option<KeyPart> {
        let Some(name) = part.column.as_deref() else { return Some(part) };
        let (column, origin) = successor(columns, origins, name)?;
        let old = self.old.position(name).and_then(|place| self.old.columns.get(place));
        let prefix = match old.filter(|_| origin.is_added) {
            Some(old) => key::prefix_in_other_column(part.prefix, &old.column_type, &column.column_type),
            None => part.prefix,
        };
        Some(KeyPart { column: Some(column.name.clone()), prefix })
    }

    /// Where a column of the changed table comes from.
    fn origin(&self, name: &str) -> Origin {
        let origin = self.actions.iter().find_map(|action| match action {
            AlterAction::ChangeColumn { from, column, .. } if same_name(&column.name, name) => {
                Some(Origin { name: from.clone(), is_added: false })
            }
            AlterAction::RenameColumn { from, to, .. } if same_name(to, name) => {
                Some(Origin { name: from.clone(), is_added: false })
            }
            AlterAction::AddColumn { column, .. } if same_name(&column.name, name) => {
                Some(Origin { name: name.to_owned(), is_added: true })
            }
            _ => None,
        });
        origin.unwrap_or_else(|| Origin { name: name.to_owned(), is_added: false })
    }

    fn unknown(&self, column: &str) -> HistoryError {
        HistoryError::UnknownColumn { table: self.old.name.clone(), column: column.to_owned() }
    }
}

/// A column with another name. A name that differs in case only is another one in events.
fn renamed(mut column: Column, name: String) -> Column {
    let former = std::mem::replace(&mut column.name, name);
    column.former_names.retain(|known| *known != former && *known != column.name);
    if former != column.name {
        column.former_names.push(former);
    }
    let surplus = column.former_names.len().saturating_sub(MAX_FORMER_NAMES);
    column.former_names.drain(..surplus);
    column
}

/// A column's former name, and whether the statement adds the column.
struct Origin {
    name: String,
    is_added: bool,
}

/// The column that takes the place of a former one in keys: the first one that was changed or renamed from
/// it, or has its name otherwise. So a key stays with a column that is dropped and added in one statement.
fn successor<'c>(
    columns: &'c [Column],
    origins: &'c [Origin],
    name: &str,
) -> Option<(&'c Column, &'c Origin)> {
    columns.iter().zip(origins).find(|(_, origin)| same_name(&origin.name, name))
}

/// The column that a change needs.
fn required_column(action: &AlterAction) -> Option<&str> {
    match action {
        AlterAction::DropColumn { column, if_exists: false }
        | AlterAction::ChangeColumn { from: column, if_exists: false, .. }
        | AlterAction::RenameColumn { from: column, if_exists: false, .. }
        | AlterAction::SetDefault { column, if_exists: false, .. }
        | AlterAction::SetInvisible { column, .. } => Some(column),
        _ => None,
    }
}

fn drop_keys(table: &mut Table, actions: &[AlterAction]) {
    for action in actions {
        match action {
            AlterAction::DropPrimaryKey => table.keys.retain(|key| key.name != "PRIMARY"),
            AlterAction::DropKey { name } => table.keys.retain(|key| !same_name(&key.name, name)),
            AlterAction::RenameKey { from, to } => {
                if let Some(key) = table.keys.iter_mut().find(|key| same_name(&key.name, from)) {
                    key.name.clone_from(to);
                }
            }
            _ => {}
        }
    }
}

fn change_periods(table: &mut Table, actions: &[AlterAction]) -> Result<(), HistoryError> {
    for action in actions {
        match action {
            AlterAction::AddPeriod(period) => table.periods.push(period.clone()),
            AlterAction::DropPeriod(name) => table.periods.retain(|period| period.name != *name),
            AlterAction::AddSystemVersioning => versioning::add(table),
            AlterAction::DropSystemVersioning => versioning::remove(table),
            _ => {}
        }
    }
    key::check_periods(table)
}

fn convert(table: &mut Table, change: &ColumnChanges<'_>, database_charset: &Collated) {
    let conversion = change.actions.iter().rev().find_map(|action| match action {
        AlterAction::ConvertCharset { charset, collation } => Some((charset.clone(), collation.clone())),
        _ => None,
    });
    let Some((charset, collation)) = conversion else { return };
    let options = TableOptions { charset, collation, ..TableOptions::default() };
    table.charset = table_charset(&options, &table.charset, database_charset);
    for column in &mut table.columns {
        let grows = !change.defines(&column.name);
        convert_charset(&mut column.column_type, &table.charset, grows);
    }
}
