//! Names and arguments of calls.

use crate::dialect::error::Position;
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident};

/// Returns the arguments of a call.
pub(super) fn argument_list(args: &FunctionArguments) -> Vec<FunctionArg> {
    match args {
        FunctionArguments::List(list) => list.args.clone(),
        FunctionArguments::Subquery(query) => {
            vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(query.clone())))]
        }
        FunctionArguments::None => Vec::new(),
    }
}

/// Returns the position of a name.
pub(super) fn position_of(name: &Ident) -> Position {
    name.span.start.into()
}
