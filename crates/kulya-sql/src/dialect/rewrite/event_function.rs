//! The table function `EVENT(TABLE t, pointer)`: the rows of one event of a table. It is the table with an
//! option.

use super::calls::position_of;
use super::window_function::input;
use crate::dialect::error::{DialectError, DialectResult};
use crate::dialect::options::OptionDef;
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Ident, TableFactor, Value};

/// The function's name.
pub(super) const NAME: &str = "EVENT";
/// The option of the table.
const OPTION: &str = "scan.event-pointer";

/// Returns the table of a call, and its option with the pointer.
pub(super) fn parts(args: Vec<FunctionArg>, name: &Ident) -> DialectResult<(TableFactor, OptionDef)> {
    let position = position_of(name);
    let takes =
        || DialectError::syntax(format!("{name} takes TABLE name and the pointer of an event"), position);
    let mut values = args.into_iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Ok(value),
        _ => Err(takes()),
    });
    let (data, pointer) = match (values.next(), values.next(), values.next()) {
        (Some(data), Some(pointer), None) => (data?, pointer?),
        _ => return Err(takes()),
    };
    let (table, partition_by) = input(data, name)?;
    if !partition_by.is_empty() || !matches!(table, TableFactor::Table { .. }) {
        return Err(takes());
    }
    let Expr::Value(pointer) = pointer else {
        let text = format!("the pointer of {name} must be a literal, X'…' or '…'");
        return Err(DialectError::syntax(text, position));
    };
    let value = match pointer.value {
        Value::HexStringLiteral(digits) => digits,
        Value::SingleQuotedString(text) => text,
        _ => {
            return Err(DialectError::syntax(format!("the pointer of {name} must be X'…' or '…'"), position));
        }
    };
    Ok((table, OptionDef { key: OPTION.to_owned(), value, position: position.into() }))
}
