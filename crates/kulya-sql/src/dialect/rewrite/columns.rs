//! Names of columns without a name: `EXPR$0`, `EXPR$1` … by their position, as in Flink.

use crate::dialect::expressions::call;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Values,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// The name of the relation that VALUES becomes.
const VALUES: &str = "EXPR$";

/// Names the columns of a query; those of queries in it are named by themselves.
pub(super) fn name_columns(query: &mut Query) {
    name(&mut query.body);
    order_by_names(query);
}

/// ORDER BY of SELECT DISTINCT names the columns that it repeats, since DataFusion looks for no
/// expressions there.
fn order_by_names(query: &mut Query) {
    let (Some(OrderBy { kind: OrderByKind::Expressions(order), .. }), SetExpr::Select(select)) =
        (&mut query.order_by, query.body.as_ref())
    else {
        return;
    };
    if select.distinct.is_none() {
        return;
    }
    for OrderByExpr { expr, .. } in order {
        let shown = expr.to_string();
        let alias = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if expr.to_string() == shown => Some(alias),
            _ => None,
        });
        if let Some(alias) = alias {
            *expr = Expr::Identifier(alias.clone());
        }
    }
}

fn name(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            let relations = relations(&select.from);
            name_items(&mut select.projection, &relations);
        }
        // the mark says that it is in such a relation already
        SetExpr::Values(values) if !values.explicit_row => {
            let values = Values { explicit_row: true, ..values.clone() };
            if let Some(named) = named_values(values) {
                *body = named;
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            name(left);
            name(right);
        }
        _ => {}
    }
}

fn name_items(items: &mut [SelectItem], relations: &[String]) {
    for (number, item) in items.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let alias = match last_name(expr, relations) {
            Some(LastName::Own) => continue,
            Some(LastName::Field(name)) => name,
            None => quoted(&format!("EXPR${number}")),
        };
        let expr = match std::mem::replace(expr, Expr::Tuple(Vec::new())) {
            Expr::Tuple(values) => call("ROW", values),
            other => other,
        };
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// The name that an expression has.
enum LastName {
    /// That of a column, which DataFusion gives it too.
    Own,
    /// That of a field of a row.
    Field(Ident),
}

fn last_name(expr: &Expr, relations: &[String]) -> Option<LastName> {
    match expr {
        Expr::Identifier(_) => Some(LastName::Own),
        // a column of a relation, or a field of a row
        Expr::CompoundIdentifier(path) => match path.as_slice() {
            [.., relation, _] if relations.contains(&relation.value) => Some(LastName::Own),
            path => path.last().cloned().map(LastName::Field),
        },
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(name))) => Some(LastName::Field(name.clone())),
            _ => None,
        },
        Expr::Nested(inner) => last_name(inner, relations),
        _ => None,
    }
}

/// Returns the names of the relations that a query reads itself, in all parts of UNION and its like.
pub(super) fn relations_of(query: &Query) -> Vec<String> {
    fn of_body(body: &SetExpr, names: &mut Vec<String>) {
        match body {
            SetExpr::Select(select) => names.extend(relations(&select.from)),
            SetExpr::SetOperation { left, right, .. } => {
                of_body(left, names);
                of_body(right, names);
            }
            _ => {}
        }
    }
    let mut names = Vec::new();
    of_body(&query.body, &mut names);
    names
}

/// Returns the names of the relations of FROM.
fn relations(from: &[TableWithJoins]) -> Vec<String> {
    let mut names = Vec::new();
    for table in from {
        relation(&table.relation, &mut names);
        table.joins.iter().for_each(|join| relation(&join.relation, &mut names));
    }
    names
}

fn relation(factor: &TableFactor, names: &mut Vec<String>) {
    let (alias, own) = match factor {
        TableFactor::Table { name, alias, .. } => (alias, name.0.last().and_then(ObjectNamePart::as_ident)),
        TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. } => (alias, None),
        TableFactor::NestedJoin { table_with_joins, .. } => {
            names.extend(relations(std::slice::from_ref(table_with_joins)));
            return;
        }
        _ => return,
    };
    names.extend(alias.as_ref().map(|alias| &alias.name).or(own).map(|name| name.value.clone()));
}

/// Returns `SELECT * FROM (VALUES …) AS names`.
fn named_values(values: Values) -> Option<SetExpr> {
    let count = values.rows.first().map_or(0, |row| row.content.len());
    let parse = |text: &str| Parser::new(&GenericDialect {}).try_with_sql(text)?.parse_query();
    let mut query = parse("SELECT * FROM (VALUES (1))").ok()?;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, alias, .. } = &mut select.from.first_mut()?.relation else {
        return None;
    };
    *subquery.body = SetExpr::Values(values);
    let columns = (0..count)
        .map(|number| TableAliasColumnDef { name: quoted(&format!("EXPR${number}")), data_type: None })
        .collect();
    *alias = Some(TableAlias { explicit: true, name: quoted(VALUES), columns, at: None });
    Some(*query.body)
}

pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('`', name)
}
