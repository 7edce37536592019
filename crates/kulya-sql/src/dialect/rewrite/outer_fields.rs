//! Fields of rows of the queries around a subquery: `outer_table.row.field` becomes a call, because
//! DataFusion takes only names of columns from there.

use crate::dialect::expressions::{call, text};
use datafusion::sql::sqlparser::ast::Expr;

/// The relations of the queries around the current expression, the innermost last.
#[derive(Default)]
pub(super) struct Scopes(Vec<Vec<String>>);

impl Scopes {
    pub(super) fn enter(&mut self, relations: Vec<String>) {
        self.0.push(relations);
    }

    pub(super) fn leave(&mut self) {
        self.0.pop();
    }

    /// Rewrites a path that begins with a relation of a query around its own.
    pub(super) fn rewrite(&self, expr: &mut Expr) {
        let Expr::CompoundIdentifier(path) = expr else { return };
        let [relation, column, fields @ ..] = path.as_slice() else { return };
        let Some((own, outer)) = self.0.split_last() else { return };
        let is_outer =
            !own.contains(&relation.value) && outer.iter().flatten().any(|it| *it == relation.value);
        if fields.is_empty() || !is_outer {
            return;
        }
        let mut found = Expr::CompoundIdentifier(vec![relation.clone(), column.clone()]);
        for field in fields {
            found = call("get_field", vec![found, text(&field.value)]);
        }
        *expr = found;
    }
}
