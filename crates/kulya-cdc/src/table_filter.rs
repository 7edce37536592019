//! Which tables are captured, by regular expressions: Debezium's `schema.include.list`,
//! `database.include.list`, `table.include.list`, and the lists of what is excluded.

use crate::name_patterns::{NamePattern, NamePatterns};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A filter of tables. In a settings file all members are optional. With MySQL the schema is the database.
/// As in Debezium, a list of what is excluded has no effect where the one of what is included is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TableFilter {
    /// The schemas whose tables are captured; empty for all.
    #[serde(skip_serializing_if = "NamePatterns::is_empty")]
    pub schemas: NamePatterns,
    /// The schemas whose tables are not captured.
    #[serde(skip_serializing_if = "NamePatterns::is_empty")]
    pub exclude_schemas: NamePatterns,
    /// The captured tables, as `schema.table`; empty for all.
    #[serde(skip_serializing_if = "NamePatterns::is_empty")]
    pub tables: NamePatterns,
    /// The tables that are not captured.
    #[serde(skip_serializing_if = "NamePatterns::is_empty")]
    pub exclude_tables: NamePatterns,
}

impl TableFilter {
    /// Returns whether the filter accepts all tables.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a table is captured.
    pub fn accepts(&self, schema: &str, table: &str) -> bool {
        let accepts = |include: &NamePatterns, exclude: &NamePatterns, name: &str| match include.is_empty() {
            true => !exclude.is_match(name),
            false => include.is_match(name),
        };
        accepts(&self.schemas, &self.exclude_schemas, schema)
            && accepts(&self.tables, &self.exclude_tables, &format!("{schema}.{table}"))
    }
}

/// Writes the lists that are not empty.
impl fmt::Display for TableFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("schemas", &self.schemas),
            ("exclude-schemas", &self.exclude_schemas),
            ("tables", &self.tables),
            ("exclude-tables", &self.exclude_tables),
        ];
        let set = lists.into_iter().filter(|(_, list)| !list.is_empty());
        for (number, (name, list)) in set.enumerate() {
            let patterns: Vec<&str> = list.iter().map(NamePattern::as_str).collect();
            write!(f, "{}{name} = {}", if number > 0 { ", " } else { "" }, patterns.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_must_accept_a_table() {
        let patterns = |list: &str| NamePatterns::parse(list).unwrap();
        let filter = |[schemas, exclude_schemas, tables, exclude_tables]: [&str; 4]| TableFilter {
            schemas: patterns(schemas),
            exclude_schemas: patterns(exclude_schemas),
            tables: patterns(tables),
            exclude_tables: patterns(exclude_tables),
        };
        for (lists, accepted) in [
            (["", "", "", ""], "public.Orders public.audit sales.orders"),
            (["public", "", "", ""], "public.Orders public.audit"),
            (["", "PUBLIC", "", ""], "sales.orders"),
            (["", "", ".*orders", ""], "public.Orders sales.orders"),
            (["", "", "", r"public\.a.*"], "public.Orders sales.orders"),
            (["public", "", ".*orders", ""], "public.Orders"),
            (["sales", "sales", "", ".*audit"], "sales.orders"),
            (["public", "", "", ".*audit"], "public.Orders"),
            (["", "", "orders", ""], ""),
            (["", "", "sales", ""], ""),
        ] {
            let names = ["public.Orders", "public.audit", "sales.orders"];
            let is_accepted = |name: &&str| {
                let (schema, table) = name.split_once('.').unwrap();
                filter(lists).accepts(schema, table)
            };
            let found: Vec<_> = names.into_iter().filter(is_accepted).collect();
            assert_eq!(found.join(" "), accepted, "{lists:?}");
        }
        assert!(TableFilter::default().is_empty() && !filter(["", "", "", "x"]).is_empty());
        let text = r#"{"exclude-tables":["a.b"]}"#;
        let filter: TableFilter = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&filter).unwrap(), text);
    }
}
