//! A column of a captured table: its representation, and what the rules for columns say of it.

use super::context::TableContext;
use crate::column_rules::{AppliedRule, SourceColumn, TableRules};
use crate::debezium::{Compatibility, json};
use crate::mysql::column::Kind;
use crate::mysql::table_description::source_column;
use crate::mysql::{default_value, schema_history};
use crate::{ColumnDescription, ColumnHistory};

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The name as JSON, with the colon.
    pub(super) member: Box<[u8]>,
    pub(super) kind: Kind,
    /// Whether catalogs do not show the column, so that only the log has it.
    pub(super) is_hidden: bool,
    /// Whether rows have the column; the key may have it nonetheless.
    pub(super) is_in_rows: bool,
    /// The index of the column's field in a snapshot's rows; `None` if it is not selected.
    pub(super) field: Option<usize>,
    /// What is written in place of null, if it is not null.
    pub(super) default: Option<Box<[u8]>>,
    /// What the rules say.
    pub(super) rule: AppliedRule,
    /// The description as keys have it.
    pub(super) described: ColumnDescription,
    source: SourceColumn,
    /// The names of the column's field before it was renamed.
    former_fields: Vec<String>,
}

impl Column {
    pub(super) fn new(
        column: &schema_history::Column,
        context: TableContext<'_>,
        is_made_optional: bool,
    ) -> Self {
        let is_debezium = context.modes.compat == Compatibility::Debezium;
        let kind = Kind::from_column(column, context.modes, context.flavour);
        let default = default_value::default_json(column, &kind, is_debezium);
        let field = context.field_names.field_name(&column.name);
        let mut described = kind.describe(&field, column.nullable || is_made_optional);
        described.default = default.as_deref().and_then(default_value::value);
        let (kind, default) = match default.filter(|_| is_debezium) {
            // Debezium's JSON converter replaces null by the default, also that of a date that no calendar
            // has
            Some(default) => (kind.without_epoch(), Some(default.into())),
            None => (kind, None),
        };
        let mut member = Vec::new();
        json::write(&mut member, &field);
        member.push(b':');
        Self {
            name: column.name.clone(),
            member: member.into(),
            kind,
            is_hidden: column.hidden,
            is_in_rows: !column.hidden,
            field: None,
            default,
            rule: AppliedRule::default(),
            described,
            source: source_column(column, context.modes.compat, context.flavour),
            former_fields: column
                .former_names
                .iter()
                .map(|name| context.field_names.field_name(name))
                .collect(),
        }
    }

    /// Applies the rules for columns.
    pub(super) fn apply(&mut self, rules: &TableRules<'_>) {
        self.is_in_rows = !self.is_hidden && rules.is_in_rows(&self.name);
        if self.is_in_rows {
            self.rule = rules.column(&self.name, &self.source, &self.described);
        }
    }

    /// Whether rows have the column's values as they are.
    pub(super) fn is_unchanged(&self) -> bool {
        self.is_in_rows && self.rule.change.is_none()
    }

    /// Describes the column as rows have it.
    pub(super) fn describe(&self) -> Option<ColumnDescription> {
        let mut description = self.is_in_rows.then(|| self.described.clone())?;
        description.parameters.extend(self.rule.parameters.iter().cloned());
        description.history = ColumnHistory {
            id: None,
            former_names: self.former_fields.clone(),
            initial_value: description.default.clone().filter(|_| self.rule.change.is_none()),
        };
        Some(description)
    }
}
