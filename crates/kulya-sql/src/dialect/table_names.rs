//! The tables that a query names: where their names stand, and the query's text with other names for them.

use super::error::Position;
use super::quote::identifier;
use super::rewrite::{TableReferenceKind, table_reference};
use super::statement::{ParsedQuery, TableName};
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectNamePart, Query, SelectItem, SetExpr, TableFactor, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Location;
use std::ops::ControlFlow;

impl TableName {
    /// Returns the parts as the script has them.
    pub(crate) fn shown(&self) -> Vec<String> {
        let mut parts = self.parts.clone();
        if let Some(last) = parts.last_mut()
            && let TableReferenceKind::Hinted(name, _) = table_reference(last)
        {
            *last = name.to_owned();
        }
        parts
    }
}

/// Returns the tables of a rewritten query, which stays as it is, without its common table expressions,
/// in the
/// order of the text.
pub(super) fn table_names(query: &mut Query) -> Vec<TableName> {
    let mut finder = Finder::default();
    let _ = query.visit(&mut finder);
    finder.found.sort_by_key(|name| name.start.0);
    finder.found.dedup_by_key(|name| name.start.0);
    finder.found
}

#[derive(Default)]
struct Finder {
    /// The common table expressions of the queries around the current node, the innermost last.
    expressions: Vec<CommonTable>,
    /// For each query around the node, how many of them are those of the queries around it.
    outer: Vec<usize>,
    found: Vec<TableName>,
}

/// A common table expression.
struct CommonTable {
    name: String,
    /// Names before this place are not of the expression: it is not in scope in itself.
    scope: Location,
}

impl VisitorMut for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.outer.push(self.expressions.len());
        if let Some(with) = &query.with {
            self.expressions.extend(with.cte_tables.iter().map(|table| {
                let name = &table.alias.name;
                let scope =
                    if with.recursive { name.span.start } else { table.closing_paren_token.0.span.end };
                CommonTable { name: name.value.clone(), scope }
            }));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.expressions.truncate(self.outer.pop().unwrap_or_default());
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args: None, .. } = factor else { return ControlFlow::Continue(()) };
        let parts: Option<Vec<&Ident>> = name.0.iter().map(ObjectNamePart::as_ident).collect();
        let Some(parts) = parts else { return ControlFlow::Continue(()) };
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return ControlFlow::Continue(());
        };
        let is_common = parts.len() == 1
            && self.expressions.iter().any(|known| {
                known.name == first.value && (known.scope <= first.span.start || first.span.start.line == 0)
            });
        // what a rewritten window adds has no place in the text
        if !is_common
            && first.span.start.line > 0
            && !matches!(table_reference(&last.value), TableReferenceKind::File(_))
        {
            self.found.push(TableName {
                parts: parts.iter().map(|part| part.value.clone()).collect(),
                start: Position::from(first.span.start).into(),
                end: Position::from(last.span.end).into(),
            });
        }
        ControlFlow::Continue(())
    }
}

impl ParsedQuery {
    /// Returns whether the query's columns are those of its tables: whether it has `*` among them.
    pub(crate) fn has_wildcard(&self) -> bool {
        let is_wildcard =
            |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        // the columns are those of the first query of UNION and its like
        let mut body = self.query.value.body.as_ref();
        loop {
            body = match body {
                SetExpr::Select(select) => return select.projection.iter().any(is_wildcard),
                SetExpr::Query(query) => query.body.as_ref(),
                SetExpr::SetOperation { left, .. } => left.as_ref(),
                _ => return false,
            };
        }
    }

    /// Returns the text with other names for its tables: `replaced` has the parts for each of
    /// [`Self::tables`], in order.
    pub(crate) fn with_table_names(&self, replaced: &[Vec<String>]) -> String {
        let mut text = String::new();
        let (mut names, mut at) = (self.tables.iter().zip(replaced).peekable(), self.position.0);
        let mut skipped_to = None;
        for c in self.query.text.chars() {
            if let Some((name, parts)) = names.next_if(|(name, _)| name.start.0 == at) {
                let quoted: Vec<String> = parts.iter().map(|part| identifier(part).to_string()).collect();
                text.push_str(&quoted.join("."));
                skipped_to = Some(name.end.0);
            }
            if skipped_to.is_some_and(|end| at >= end) {
                skipped_to = None;
            }
            if skipped_to.is_none() {
                text.push(c);
            }
            at = match c {
                '\n' => Position { line: at.line + 1, column: 1 },
                _ => Position { column: at.column + 1, ..at },
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use crate::dialect::parse_query;

    #[test]
    fn tables_get_full_names() {
        for (text, expected) in [
            ("SELECT t.a FROM t", "SELECT t.a FROM `c`.`d`.`t`"),
            (
                "SELECT 'é', a\n FROM  d . `t` AS x\n JOIN u",
                "SELECT 'é', a\n FROM  `c`.`d`.`t` AS x\n JOIN `c`.`d`.`u`",
            ),
            (
                "SELECT (SELECT max(a) FROM u) FROM t WHERE EXISTS (SELECT 1 FROM v)",
                "SELECT (SELECT max(a) FROM `c`.`d`.`u`) FROM `c`.`d`.`t` WHERE EXISTS (SELECT 1 FROM `c`.`d`.`v`)",
            ),
            (
                "WITH t AS (SELECT * FROM t), u AS (SELECT * FROM t) SELECT * FROM u, t, v",
                "WITH t AS (SELECT * FROM `c`.`d`.`t`), u AS (SELECT * FROM t) SELECT * FROM u, t, `c`.`d`.`v`",
            ),
            (
                "SELECT * FROM (WITH t AS (SELECT 1 AS a) SELECT * FROM t), t",
                "SELECT * FROM (WITH t AS (SELECT 1 AS a) SELECT * FROM t), `c`.`d`.`t`",
            ),
            (
                "SELECT * FROM t /*+ OPTIONS('a'='b') */, t",
                "SELECT * FROM `c`.`d`.`t` /*+ OPTIONS('a'='b') */, `c`.`d`.`t`",
            ),
            (
                "SELECT window_start FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY))",
                "SELECT window_start FROM TABLE(TUMBLE(TABLE `c`.`d`.`t`, DESCRIPTOR(ts), INTERVAL '1' DAY))",
            ),
            (
                "SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY)",
                "SELECT count(*) FROM `c`.`d`.`t` GROUP BY TUMBLE(ts, INTERVAL '1' DAY)",
            ),
            (
                "SELECT x FROM t CROSS JOIN UNNEST(xs) AS u (x)",
                "SELECT x FROM `c`.`d`.`t` CROSS JOIN UNNEST(xs) AS u (x)",
            ),
            ("VALUES (1)", "VALUES (1)"),
        ] {
            let query = parse_query(text).unwrap();
            let full = |parts: Vec<String>| {
                let name = parts.last().cloned().unwrap_or_default();
                vec!["c".to_owned(), "d".to_owned(), name]
            };
            let full: Vec<_> = query.tables.iter().map(|name| full(name.shown())).collect();
            assert_eq!(query.with_table_names(&full), expected);
        }
        // positions are those of the script
        let statements = crate::dialect::parse("SELECT 1;\n CREATE VIEW v AS SELECT *\nFROM t").unwrap();
        let crate::dialect::StatementKind::CreateView(view) = &statements[1].kind else { panic!() };
        assert_eq!(view.query.with_table_names(&[vec!["x".to_owned()]]), "SELECT *\nFROM `x`");
    }
}
