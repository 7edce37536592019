//! How often a change adds its row: once, or minus once. FROM_CHANGELOG counts with it.

use super::rows::{Out, Parameter, Returns, RowFunction};
use Parameter::Text;

/// `CHANGE_SIGN(code, added, removed)`: the codes that add a row and those that remove one, separated by
/// commas. A code of neither is an error, as in Flink.
pub(super) const FUNCTIONS: &[RowFunction] =
    &[RowFunction::new("CHANGE_SIGN", &[Text, Text, Text], Returns::BigInt, |row, scope| {
        let Some(code) = row.some_text(0) else { return scope.invalid("the kind of a change is null") };
        let has = |codes: usize| row.text(codes).split(',').any(|known| known == code);
        match (has(1), has(2)) {
            (true, _) => Ok(Out::BigInt(1)),
            (_, true) => Ok(Out::BigInt(-1)),
            _ => scope.invalid(format_args!("unknown kind of change {code:.60?}")),
        }
    })
    .passes_nulls()];
