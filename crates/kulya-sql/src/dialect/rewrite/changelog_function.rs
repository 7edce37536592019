//! The table functions `TO_CHANGELOG(input => TABLE t)`: the changes of a table as rows, with a column that
//! says of which kind each is, and `FROM_CHANGELOG(input => TABLE t)`: the rows that such rows leave.

use super::calls::{argument_list, position_of};
use super::template;
use super::window_function::{Arguments, input};
use crate::dialect::error::{DialectError, DialectResult, Position};
use crate::dialect::quote::{Quoted, identifier};
use crate::dialect::system_time::{CHANGE_KIND, ChangeCodes};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, TableFactor, Value, ValueWithSpan,
};

/// The functions' names.
pub(super) const TO_CHANGELOG: &str = "TO_CHANGELOG";
pub(super) const FROM_CHANGELOG: &str = "FROM_CHANGELOG";

/// The kinds of changes.
const KINDS: [&str; 4] = ["INSERT", "UPDATE_BEFORE", "UPDATE_AFTER", "DELETE"];

/// The arguments of a call.
struct Call {
    /// The table.
    data: TableFactor,
    op: String,
    mapping: Option<Vec<[String; 2]>>,
}

impl Call {
    fn new(args: Vec<FunctionArg>, name: &Ident) -> DialectResult<Self> {
        let at = position_of(name);
        let mut given = Arguments::new(&["INPUT", "OP", "OP_MAPPING"], args, name)?;
        let (data, partition_by) = input(given.required("INPUT")?, name)?;
        if !matches!(data, TableFactor::Table { args: None, .. }) {
            return Err(DialectError::not_supported(format!("a query as the input of {name}"), at));
        }
        if !partition_by.is_empty() {
            return Err(DialectError::not_supported(format!("PARTITION BY in the input of {name}"), at));
        }
        let op = match given.take("OP") {
            Some(descriptor) => op_column(&descriptor, name)?,
            None => "op".to_owned(),
        };
        let mapping = match given.take("OP_MAPPING") {
            None => None,
            Some(mapping) => {
                let text = format!("the argument OP_MAPPING of {name} must be MAP['…', '…', …]");
                Some(map_texts(&mapping).ok_or_else(|| DialectError::syntax(text, at))?)
            }
        };
        Ok(Self { data, op, mapping })
    }
}

/// Returns the table of a call of FROM_CHANGELOG, and how its rows say what they change.
pub(super) fn from_changes(
    args: Vec<FunctionArg>,
    name: &Ident,
) -> DialectResult<(TableFactor, ChangeCodes)> {
    let at = position_of(name);
    let Call { data, op, mapping } = Call::new(args, name)?;
    let own = || KINDS.map(|kind| [kind.to_owned(), kind.to_owned()]).to_vec();
    let mut codes = ChangeCodes { column: op, added: Vec::new(), removed: Vec::new() };
    for [given, kind] in mapping.unwrap_or_else(own) {
        let kind = find_kind(kind.trim(), at)?;
        let of_kind = match kind {
            "INSERT" | "UPDATE_AFTER" => &mut codes.added,
            _ => &mut codes.removed,
        };
        of_kind.extend(given.split(',').map(|code| code.trim().to_owned()));
    }
    Ok((data, codes))
}

/// Returns the query for a call of TO_CHANGELOG; its table is read as its changes.
pub(super) fn to_changes(args: Vec<FunctionArg>, name: &Ident) -> DialectResult<(Query, ObjectName)> {
    let at = position_of(name);
    let Call { data, op, mapping } = Call::new(args, name)?;
    let TableFactor::Table { name: table, .. } = &data else {
        return Err(DialectError::not_supported(format!("a query as the input of {name}"), at));
    };
    let table = table.clone();
    let codes = match mapping {
        Some(mapping) => codes(mapping, at)?,
        None => KINDS.map(|kind| (kind, kind.to_owned())).to_vec(),
    };
    let kind = identifier(CHANGE_KIND).to_string();
    let cases: Vec<String> =
        codes.iter().map(|(kind, code)| format!("WHEN '{kind}' THEN {}", Quoted(code))).collect();
    let kinds: Vec<String> = codes.iter().map(|(kind, _)| format!("'{kind}'")).collect();
    let text = format!(
        "SELECT CASE {kind} {} END AS {}, * EXCLUDE ({kind}) FROM `$input` WHERE {kind} IN ({})",
        cases.join(" "),
        identifier(&op),
        kinds.join(", ")
    );
    Ok((template::query(&text, &[], data, at)?, table))
}

/// Returns the column of `DESCRIPTOR(column)`.
fn op_column(descriptor: &Expr, name: &Ident) -> DialectResult<String> {
    if let Expr::Function(function) = descriptor
        && function.name.to_string().eq_ignore_ascii_case("DESCRIPTOR")
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column)))] =
            argument_list(&function.args).as_slice()
    {
        return Ok(column.value.clone());
    }
    let text = format!("the argument OP of {name} must be DESCRIPTOR(column)");
    Err(DialectError::syntax(text, position_of(name)))
}

/// Returns the codes of the kinds in `MAP['INSERT, UPDATE_AFTER', 'code', …]`.
fn codes(mapping: Vec<[String; 2]>, at: Position) -> DialectResult<Vec<(&'static str, String)>> {
    let mut codes: Vec<(&'static str, String)> = Vec::new();
    for [kinds, code] in mapping {
        for given in kinds.split(',') {
            let kind = find_kind(given.trim(), at)?;
            if codes.iter().any(|(known, _)| *known == kind) {
                return Err(DialectError::syntax(format!("the kind of change {kind} is mapped twice"), at));
            }
            codes.push((kind, code.clone()));
        }
    }
    Ok(codes)
}

fn find_kind(given: &str, at: Position) -> DialectResult<&'static str> {
    KINDS.into_iter().find(|kind| *kind == given).ok_or_else(|| {
        let text = format!("unknown kind of change '{given:.60}': kinds are {}", KINDS.join(", "));
        DialectError::syntax(text, at)
    })
}

/// Returns the keys and values of a map of literals.
fn map_texts(map: &Expr) -> Option<Vec<[String; 2]>> {
    let Expr::Map(map) = map else { return None };
    let text = |expr: &Expr| match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text.clone()),
        _ => None,
    };
    map.entries.iter().map(|entry| Some([text(&entry.key)?, text(&entry.value)?])).collect()
}
