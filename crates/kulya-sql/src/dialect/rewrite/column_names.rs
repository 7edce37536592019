//! Names of a SELECT's columns: DataFusion refuses two of the same name, which Flink gives other names. The
//! second column `a` is `a0`, and an expression without a name is `EXPR$` and its number. An expression that
//! is the only one of its name keeps DataFusion's.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, visit_expressions_mut,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Gives names to the columns that would have one of another column.
pub(super) fn rewrite(select: &mut Select) {
    let names = select.projection.iter().filter_map(written_name).map(str::to_owned).collect();
    let mut columns = Columns { names, ..Columns::default() };
    for (index, item) in select.projection.iter_mut().enumerate() {
        columns.add(index, item);
    }
}

/// The columns before an item.
#[derive(Default)]
struct Columns {
    /// Names that are written, of columns before and after the item.
    names: HashSet<String>,
    /// Columns by their parts.
    paths: Vec<Vec<String>>,
    /// Texts of other expressions, without casts.
    expressions: HashSet<String>,
    /// Aliases.
    aliases: HashSet<String>,
    /// The tables of `t.*`; `None` for `*`.
    wildcards: Vec<Option<String>>,
}

impl Columns {
    fn add(&mut self, index: usize, item: &mut SelectItem) {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let Some(name) = self.other_name(index, expr) else { return };
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('`', name) };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let is_column = self.paths.iter().any(|path| path.last() == Some(&alias.value));
                if is_column || !self.aliases.insert(alias.value.clone()) {
                    alias.value = self.numbered(&alias.value);
                    alias.quote_style = Some('`');
                }
            }
            SelectItem::Wildcard(_) => self.wildcards.push(None),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                self.wildcards.push(Some(name.to_string()));
            }
            _ => {}
        }
    }

    /// Returns the name of an expression that would have one of another column.
    fn other_name(&mut self, index: usize, expr: &Expr) -> Option<String> {
        let stripped = without_casts(expr);
        let Some(path) = path(&stripped) else {
            let text = match stripped {
                Expr::Subquery(_) => "(subquery)".to_owned(),
                other => other.to_string().to_lowercase(),
            };
            return (!self.expressions.insert(text)).then(|| format!("EXPR${index}"));
        };
        let is_taken = self.paths.iter().any(|other| may_be_equal(other, &path))
            || path.last().is_some_and(|name| self.aliases.contains(name))
            || self.wildcards.iter().any(|table| has_column(table.as_deref(), &path));
        let name = path.last().cloned().unwrap_or_default();
        self.paths.push(path);
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        is_taken.then(|| if is_column { self.numbered(&name) } else { format!("EXPR${index}") })
    }

    /// Returns a name with the first number that makes it another one.
    fn numbered(&mut self, name: &str) -> String {
        let mut number = 0;
        loop {
            let numbered = format!("{name}{number}");
            if self.names.insert(numbered.clone()) {
                return numbered;
            }
            number += 1;
        }
    }
}

fn written_name(item: &SelectItem) -> Option<&str> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) | SelectItem::ExprWithAlias { alias: name, .. } => {
            Some(&name.value)
        }
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|part| part.value.as_str())
        }
        _ => None,
    }
}

/// Returns an expression without its casts and brackets, which are not in the name that it has.
fn without_casts(expr: &Expr) -> Expr {
    let mut stripped = expr.clone();
    let strip = |expr: &mut Expr| {
        while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
            let inner = std::mem::replace(inner.as_mut(), Expr::Tuple(Vec::new()));
            *expr = inner;
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_expressions_mut(&mut stripped, strip);
    stripped
}

fn path(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Identifier(name) => Some(vec![name.value.clone()]),
        Expr::CompoundIdentifier(parts) => Some(parts.iter().map(|part| part.value.clone()).collect()),
        _ => None,
    }
}

/// Whether two columns may be the same: one is written with more of its table's name than the other.
fn may_be_equal(one: &[String], other: &[String]) -> bool {
    one.ends_with(other) || other.ends_with(one)
}

/// Whether all columns of a table may have this one.
fn has_column(table: Option<&str>, column: &[String]) -> bool {
    match (table, column) {
        (None, _) | (_, [_]) => true,
        (Some(table), [.., qualifier, _]) => table.trim_matches('`') == qualifier,
        (Some(_), []) => false,
    }
}
