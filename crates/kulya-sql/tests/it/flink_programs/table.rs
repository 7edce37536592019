//! The tables of programs in `docs/flink-programs.md` and, for live queries, `docs/flink-programs-live.md`:
//! which run with equal rows, and why others do not.

use super::live::{Equal, Live};
use super::reasons;
use super::run::Outcome;
use std::collections::BTreeMap;
use std::path::PathBuf;

const BEGIN: &str = "<!-- programs -->\n";
const EQUAL: &str = "equal";
const REFUSED: &str = "refused, as by Flink";
/// A reason that is missing.
const UNKNOWN: &str = "?";

/// The results of programs by class and name.
pub(super) type Results = BTreeMap<(String, String), Result<Outcome, String>>;

/// The results of live programs.
pub(super) type LiveResults = BTreeMap<(String, String), Result<Live, String>>;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// Compares the table with the results; `KULYA_REGENERATE=1` writes it. Returns the number of programs with
/// equal rows.
pub(super) fn check(results: &Results) -> usize {
    let reason = |program: &str, result: &Result<Outcome, String>| match result {
        // by chance one run gives the same rows and the next one others
        Ok(Outcome::EqualRows) | Err(_) if reasons::has_ties(program) => Some(reasons::TIES.to_owned()),
        Ok(Outcome::EqualRows) => Some(EQUAL.to_owned()),
        Ok(Outcome::Refused) => Some(REFUSED.to_owned()),
        Err(error) => reasons::find(program, error).map(str::to_owned),
    };
    let counts = write("flink-programs.md", results, reason, |equal, all| {
        format!("{equal} of {all} programs give equal rows.")
    });
    counts.get(EQUAL).copied().unwrap_or_default()
}

/// The same for live programs. Returns the numbers of equal ones and of those among them with a restart.
pub(super) fn check_live(results: &LiveResults) -> (usize, usize) {
    let reason = |program: &str, result: &Result<Live, String>| match result {
        Ok(Live::Equal(Equal { row_for_row, with_restart })) => {
            let row_for_row = if *row_for_row { ", row for row" } else { "" };
            let with_restart = if *with_restart { ", with a restart" } else { "" };
            Some(format!("{EQUAL}{row_for_row}{with_restart}"))
        }
        Ok(Live::Rerun(reason, true)) => Some(format!("{EQUAL}, run again: {reason}")),
        Ok(Live::Rerun(reason, false)) => Some(format!("run again with other rows: {reason}")),
        Err(error) => reasons::find_live(program, error).map(str::to_owned),
    };
    let is_equal = |result: &Result<Live, String>| match result {
        Ok(Live::Equal(equal)) => Some(*equal),
        _ => None,
    };
    let equal: Vec<Equal> = results.values().filter_map(is_equal).collect();
    let restarted = equal.iter().filter(|equal| equal.with_restart).count();
    let rows = equal.iter().filter(|equal| equal.row_for_row).count();
    let again = results.values().filter(|result| matches!(result, Ok(Live::Rerun(_, true)))).count();
    write("flink-programs-live.md", results, reason, |_, all| {
        format!(
            "{} of {all} programs give equal rows by operators, {restarted} of them with a restart, {rows} also row for row; {again} more when they are run again.",
            equal.len()
        )
    });
    (equal.len() + again, restarted)
}

/// Compares a table with what results say, and returns how many have each reason.
fn write<T>(
    name: &str,
    results: &BTreeMap<(String, String), Result<T, String>>,
    reason: impl Fn(&str, &Result<T, String>) -> Option<String>,
    summary: impl Fn(usize, usize) -> String,
) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(file(name)).unwrap();
    let (head, _) = text.split_once(BEGIN).unwrap();
    let (mut rows, mut unknown, mut reasons) = (String::new(), Vec::new(), BTreeMap::<String, usize>::new());
    for ((class, program), result) in results {
        let reason = reason(program, result).unwrap_or_else(|| {
            let error = result.as_ref().err().cloned().unwrap_or_default();
            unknown.push(format!("{class} {program}: {error}"));
            UNKNOWN.to_owned()
        });
        rows += &format!("| {class} | {program} | {reason} |\n");
        *reasons.entry(reason).or_default() += 1;
    }
    let equal = reasons.get(EQUAL).copied().unwrap_or_default();
    let mut counts: Vec<_> = reasons.iter().filter(|(reason, _)| *reason != EQUAL).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let counts: String = counts.iter().map(|(reason, count)| format!("| {reason} | {count} |\n")).collect();
    let summary = summary(equal, results.len());
    let written = format!(
        "{head}{BEGIN}\n{summary}\n\n| reason | programs |\n|---|---|\n{counts}\n| class | program | rows |\n|---|---|---|\n{rows}",
    );
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        std::fs::write(file(name), &written).unwrap();
    }
    assert!(unknown.is_empty(), "{} programs:\n{}", unknown.len(), unknown.join("\n"));
    assert_eq!(text, written, "docs/{name} is not what the programs give: KULYA_REGENERATE=1 writes it");
    reasons
}
