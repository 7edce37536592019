//! The rules as they apply to the columns of one table.

use super::settings::ColumnRules;
use super::value_change::{HashedText, ValueChange};
use crate::ColumnDescription;
use crate::column_rules::hash::TextHash;
use crate::debezium::Compatibility;
use crate::name_patterns::NamePatterns;
use std::borrow::Cow;

/// A column as the database describes it, in the terms of JDBC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SourceColumn {
    /// The type's name.
    pub(crate) type_name: String,
    /// The number of characters or digits; negative if it is not known.
    pub(crate) length: Option<i32>,
    /// The number of digits after the point.
    pub(crate) scale: Option<i32>,
    /// Whether the type is one of texts: only such columns are masked or hashed.
    pub(crate) is_text: bool,
    /// The comment, if schemas have comments.
    pub(crate) comment: Option<String>,
}

/// What the rules say of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AppliedRule {
    /// The change of values.
    pub(crate) change: Option<ValueChange>,
    /// What the column's schema has behind its other parameters. Keys do not have it.
    pub(crate) parameters: Vec<(Cow<'static, str>, String)>,
}

/// The rules for a table.
#[derive(Debug)]
pub(crate) struct TableRules<'a> {
    rules: &'a ColumnRules,
    /// `schema.table`.
    table: String,
    compat: Compatibility,
}

impl ColumnRules {
    /// Returns the rules for a table.
    pub(crate) fn of_table(&self, schema: &str, table: &str, compat: Compatibility) -> TableRules<'_> {
        TableRules::new(self, format!("{schema}.{table}"), compat)
    }
}

impl<'a> TableRules<'a> {
    pub(super) fn new(rules: &'a ColumnRules, table: String, compat: Compatibility) -> Self {
        Self { rules, table, compat }
    }

    fn matches(&self, patterns: &NamePatterns, column: &str) -> bool {
        !patterns.is_empty() && patterns.is_match(&format!("{}.{column}", self.table))
    }

    /// Returns whether rows have a column.
    pub(crate) fn is_in_rows(&self, column: &str) -> bool {
        let ColumnRules { include, exclude, .. } = self.rules;
        match include.is_empty() {
            true => !self.matches(exclude, column),
            false => self.matches(include, column),
        }
    }

    /// Returns whether rows or the key have a column.
    pub(crate) fn is_needed(&self, column: &str, primary_key: &[String]) -> bool {
        self.is_in_rows(column)
            || primary_key.iter().any(|name| name == column)
            || self.matches(&self.rules.key, column)
    }

    /// Returns the key's columns by their indexes, in key order: those that the rules name, else the primary
    /// key's.
    pub(crate) fn key<'c, I>(&self, columns: I, primary_key: &[String]) -> Vec<usize>
    where
        I: Iterator<Item = &'c str> + Clone,
    {
        let mut key = Vec::new();
        for pattern in self.rules.key.iter() {
            for (index, column) in columns.clone().enumerate() {
                if pattern.is_match(&format!("{}.{column}", self.table)) && !key.contains(&index) {
                    key.push(index);
                }
            }
        }
        if key.is_empty() {
            let index = |name: &String| columns.clone().position(|column| column == name);
            key.extend(primary_key.iter().filter_map(index));
        }
        key
    }

    /// Returns what the rules say of a column that rows have, whose description without rules is given.
    pub(crate) fn column(
        &self,
        name: &str,
        source: &SourceColumn,
        description: &ColumnDescription,
    ) -> AppliedRule {
        match self.compat {
            Compatibility::Debezium => self.first(name, source, description),
            Compatibility::Corrected => self.all(name, source, description),
        }
    }

    /// Returns what the first rule says, in Debezium's order of rules: the others have no effect.
    fn first(&self, name: &str, source: &SourceColumn, description: &ColumnDescription) -> AppliedRule {
        self.truncate(name, source, description)
            .or_else(|| self.mask(name, source))
            .or_else(|| self.propagate(name, source).map(|p| AppliedRule { change: None, parameters: p }))
            .or_else(|| self.hash(name, source))
            .unwrap_or_default()
    }

    /// Returns what the strictest rule of values says, and the type in the database if it is asked for.
    fn all(&self, name: &str, source: &SourceColumn, description: &ColumnDescription) -> AppliedRule {
        let rule = self.mask(name, source).filter(|rule| rule.change.is_some());
        let rule = rule.or_else(|| self.hash(name, source).filter(|rule| rule.change.is_some()));
        let mut rule = rule.or_else(|| self.truncate(name, source, description)).unwrap_or_default();
        rule.parameters.extend(self.propagate(name, source).unwrap_or_default());
        let is_asked = |rules: &[&NamePatterns]| rules.iter().any(|columns| self.matches(columns, name));
        let masks: Vec<&NamePatterns> = self.rules.mask.iter().map(|rule| &rule.columns).collect();
        let hashes: Vec<&NamePatterns> = self.rules.hash.iter().map(|rule| &rule.columns).collect();
        if !source.is_text && (is_asked(&masks) || is_asked(&hashes)) {
            let (table, column) = (&self.table, name);
            tracing::warn!(
                table,
                column,
                "only texts are masked or hashed: the column's values are readable"
            );
        }
        rule
    }

    fn truncate(
        &self,
        name: &str,
        source: &SourceColumn,
        description: &ColumnDescription,
    ) -> Option<AppliedRule> {
        let rule = self.rules.truncate.iter().find(|rule| self.matches(&rule.columns, name))?;
        let is_longer = |length: i32| length < 0 || i64::from(length) > i64::from(rule.length);
        if !source.length.is_none_or(is_longer) {
            return Some(AppliedRule::default());
        }
        let parameters = vec![("truncateLength".into(), rule.length.to_string())];
        Some(AppliedRule { change: ValueChange::truncate(rule.length, description), parameters })
    }

    fn mask(&self, name: &str, source: &SourceColumn) -> Option<AppliedRule> {
        let rule = self.rules.mask.iter().find(|rule| self.matches(&rule.columns, name))?;
        let change = source.is_text.then(|| ValueChange::mask(rule.length));
        Some(AppliedRule { change, parameters: masked() })
    }

    fn hash(&self, name: &str, source: &SourceColumn) -> Option<AppliedRule> {
        use super::hash::HashVersion::{V1, V2};
        let of = |version| self.rules.hash.iter().filter(move |rule| rule.version == version);
        let rule = of(V1).chain(of(V2)).find(|rule| self.matches(&rule.columns, name))?;
        let length = source.length.and_then(|length| usize::try_from(length).ok());
        let hash = TextHash {
            algorithm: rule.algorithm,
            version: rule.version,
            salt: rule.salt.clone().into_bytes(),
            max_digits: length.filter(|length| *length > 0).unwrap_or(usize::MAX),
        };
        let change = source.is_text.then_some(ValueChange::Hash(HashedText(hash)));
        Some(AppliedRule { change, parameters: masked() })
    }

    /// Returns the parameters that describe the type in the database, if they are asked for.
    fn propagate(&self, name: &str, source: &SourceColumn) -> Option<Vec<(Cow<'static, str>, String)>> {
        let ColumnRules { source_type, source_datatype, .. } = self.rules;
        if !self.matches(source_type, name) && !self.matches(source_datatype, &source.type_name) {
            return None;
        }
        let number = |number: Option<i32>| number.map(|number| number.to_string());
        let parameters = [
            ("type", Some(source.type_name.to_uppercase())),
            ("length", number(source.length.filter(|length| *length != -1))),
            ("scale", number(source.scale)),
            ("comment", source.comment.clone().filter(|comment| !comment.is_empty())),
            ("name", Some(name.to_owned())),
        ];
        let named = |(member, value): (&str, Option<String>)| {
            Some((format!("__debezium.source.column.{member}").into(), value?))
        };
        Some(parameters.into_iter().filter_map(named).collect())
    }
}

fn masked() -> Vec<(Cow<'static, str>, String)> {
    vec![("masked".into(), "true".to_owned())]
}
