//! The functions of Flink: how each is done here and what differs. One table is the source of the
//! documentation and of the errors about unknown functions.

mod entry;
mod other;
mod scalar;

use crate::dialect::Position;
use crate::nearest::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::execution::context::SessionState;
use datafusion::sql::sqlparser::ast::{Expr, Function, Statement, visit_expressions};
use entry::{Entry, How};
use std::ops::ControlFlow;

fn entries() -> impl Iterator<Item = &'static Entry> {
    scalar::GROUPS.iter().chain(other::GROUPS).flat_map(|group| group.entries)
}

/// Checks that the functions of a statement exist.
///
/// # Errors
/// `NotSupported` or `UnknownFunction`, about the first other one, with its position.
pub(crate) fn check_functions(statement: &Statement, state: &SessionState) -> SqlResult<()> {
    let checked = visit_expressions(statement, |expr| match expr {
        Expr::Function(function) => match check(function, state) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        },
        _ => ControlFlow::Continue(()),
    });
    match checked {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn check(function: &Function, state: &SessionState) -> SqlResult<()> {
    let [part] = function.name.0.as_slice() else { return Ok(()) };
    let Some(name) = part.as_ident() else { return Ok(()) };
    let known = name.value.to_ascii_lowercase();
    let is_known = state.scalar_functions().contains_key(&known)
        || state.aggregate_functions().contains_key(&known)
        || state.window_functions().contains_key(&known)
        || state.higher_order_functions().contains_key(&known)
        // the planner's own
        || matches!(known.as_str(), "unnest" | "map" | "make_map");
    if is_known {
        return Ok(());
    }
    let upper = known.to_ascii_uppercase();
    let at = |error: SqlError| match name.span.start.line {
        0 => error,
        _ => error.at(Position::from(name.span.start)),
    };
    if entries().any(|entry| entry.names().any(|name| name == upper)) {
        return Err(at(SqlError::not_supported(format!("the function {upper}"))));
    }
    let supported = entries().filter(|entry| entry.how != How::NotSupported).flat_map(Entry::names);
    let what = match nearest(&upper, supported) {
        Some(nearest) => format!("no function {:.60}: did you mean {nearest}?", name.value),
        None => format!("no function {:.60}", name.value),
    };
    Err(at(SqlError::new(SqlErrorKind::UnknownFunction, what)))
}

#[cfg(test)]
mod tests {
    use super::entry::Group;
    use super::*;
    use std::fmt::Write as _;
    use std::path::Path;

    /// `KULYA_REGENERATE=1` writes the tables.
    #[test]
    fn functions_are_documented() {
        let mut text = String::new();
        for Group { title, entries } in scalar::GROUPS.iter().chain(other::GROUPS) {
            let _ = writeln!(text, "### {title}\n\n| functions | | difference from Flink |\n|---|---|---|");
            for Entry { shown, how, note, .. } in *entries {
                let how = match how {
                    How::DataFusion => "DataFusion's",
                    How::Own => "own",
                    How::Rewritten => "rewritten",
                    How::NotSupported => "not supported yet",
                };
                let _ = writeln!(text, "| {shown} | {how} | {note} |");
            }
            text.push('\n');
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (start, rest) = page.split_once("<!-- functions -->\n").unwrap();
        let (found, end) = rest.split_once("<!-- end of functions -->").unwrap();
        if std::env::var_os("KULYA_REGENERATE").is_some() {
            let page = format!("{start}<!-- functions -->\n{text}<!-- end of functions -->{end}");
            std::fs::write(&path, page).unwrap();
        } else {
            assert_eq!(found, text);
        }
    }

    #[test]
    fn a_name_is_in_one_entry() {
        let mut names: Vec<&str> = entries().flat_map(Entry::names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
