//! Flink's own test programs, which `cargo xtask flink-programs` reads from Flink's test jars; the format of
//! the file is described in `xtask/flink/programs/Programs.java`.

mod changes;
mod columns;
mod events;
mod live;
mod reasons;
mod run;
mod table;

use changes::{final_rows, texts};
use serde_json::Value;

/// Reads all programs.
pub(crate) fn programs() -> Vec<Value> {
    let file = std::env::var("KULYA_TEST_FLINK_PROGRAMS");
    let file = file.expect("cargo xtask flink-programs sets KULYA_TEST_FLINK_PROGRAMS");
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the steps of one kind, of `setup` or `run`.
pub(crate) fn steps<'a>(program: &'a Value, part: &str, kind: &str) -> Vec<&'a Value> {
    program[part].as_array().into_iter().flatten().filter(|step| step["kind"] == kind).collect()
}

#[test]
#[ignore = "needs Flink's test programs: cargo xtask flink-programs"]
fn flink_programs_have_statements_and_rows() {
    let programs = programs();
    let (mut with_sql, mut with_rows) = (0, 0);
    for program in &programs {
        let statements = [steps(program, "run", "sql"), steps(program, "run", "statement_set")];
        with_sql += usize::from(!statements.concat().is_empty());
        let sinks = steps(program, "setup", "sink");
        let changes = |sink: &&Value| texts(&sink["rows"]).chain(texts(&sink["rowsAfterRestore"])).count();
        with_rows += usize::from(sinks.iter().map(changes).sum::<usize>() > 0);
        for sink in sinks {
            if let Err(error) = final_rows(sink) {
                println!("{} {}: {error}", program["class"], program["id"]);
            }
        }
    }
    assert_eq!((programs.len(), with_sql, with_rows), (437, 391, 415));
}

/// The number of programs that give equal rows, at least.
const MIN_EQUAL: usize = 120;

#[tokio::test]
#[ignore = "needs Flink's test programs: cargo xtask flink-programs"]
async fn flink_programs_give_equal_rows_but_for_those_with_a_reason() {
    let mut results = table::Results::new();
    let name = |program: &Value, part: &str| program[part].as_str().unwrap().to_owned();
    for program in programs() {
        let kinds = ["sql", "statement_set", "failing_sql"];
        if !kinds.iter().any(|kind| !steps(&program, "run", kind).is_empty()) {
            continue;
        }
        let key = (name(&program, "class"), name(&program, "id"));
        // a panic is a result too
        let result = tokio::spawn(async move { run::run(&program).await }).await;
        results.insert(key, result.unwrap_or_else(|panic| Err(panic.to_string())));
    }
    for ((class, id), error) in results.iter().filter_map(|(key, result)| Some((key, result.as_ref().err()?)))
    {
        println!("{class}\t{id}\t{error}");
    }
    let equal = table::check(&results);
    assert!(equal >= MIN_EQUAL, "{equal} of {} programs give equal rows", results.len());
}

/// The numbers of live programs that give equal rows, and of those among them with a restart, at least.
const MIN_LIVE: (usize, usize) = (225, 150);

#[tokio::test]
#[ignore = "needs Flink's test programs: cargo xtask flink-programs"]
async fn flink_programs_give_equal_rows_live() {
    let only = std::env::var("KULYA_PROGRAM").ok();
    let mut results = table::LiveResults::new();
    let name = |program: &Value, part: &str| program[part].as_str().unwrap().to_owned();
    for program in programs() {
        if ["sql", "statement_set"].iter().all(|kind| steps(&program, "run", kind).is_empty()) {
            continue;
        }
        let key = (name(&program, "class"), name(&program, "id"));
        if only.as_ref().is_some_and(|only| !key.1.contains(only.as_str())) {
            continue;
        }
        // a panic is a result too
        let result = tokio::spawn(async move { live::run(&program).await }).await;
        let result = result.unwrap_or_else(|panic| Err(panic.to_string()));
        println!("{}\t{}\t{result:?}", key.0, key.1);
        results.insert(key, result);
    }
    if only.is_none() {
        let (equal, restarted) = table::check_live(&results);
        assert!(equal >= MIN_LIVE.0 && restarted >= MIN_LIVE.1, "{equal} equal, {restarted} with a restart");
    }
}
