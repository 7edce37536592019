//! The tests of capture on each version of PostgreSQL.

use crate::postgres::{self, Programs};
use crate::test_run::{self, Built};
use anyhow::{Result, ensure};
use std::process::Command;

/// The executable of the tests of capture, by the names of package and target.
const TESTS: &str = "kulya-cdc it";
/// The tests of `cargo xtask test`: what depends on the version of the server, and takes seconds.
const QUICK: [&str; 10] = [
    "column_rules::",
    "connection_faults::positions",
    "operation::",
    "postgres_failover::",
    "postgres_faults::dropped_slots_are_named",
    "postgres_faults::slots_without_their_log_are_named",
    "snapshots::",
    "table_changes::",
    "table_kinds::",
    "zoo::events_match_debeziums_in_the_default_mode",
];
/// The tests of other databases.
const OTHERS: [&str; 2] = ["real_mariadb", "real_mysql"];

const EMPTY_TRANSACTIONS: &str = "the log has transactions without changes, of which Debezium has records";
/// The tests that need a version, by their names, and what the ones before it lack.
const NEEDS: [(&str, u32, &str); 7] = [
    ("column_rules::", 15, EMPTY_TRANSACTIONS),
    ("zoo::", 15, EMPTY_TRANSACTIONS),
    ("table_changes::extreme_values_stop_nothing", 15, "a scale of numeric cannot be negative"),
    ("table_changes::snapshot_has_what_the_publication_has", 15, "publications have no filters and columns"),
    ("table_changes::generated_columns", 18, "columns are not virtual, and generated ones not published"),
    ("table_kinds::publications_of_schemas", 15, "publications have no schemas"),
    ("postgres_failover::synchronised_slots_survive_a_failover", 17, "slots are not synchronised"),
];

/// Builds the tests of capture and runs those with PostgreSQL on every version, the system's included.
/// Arguments go to the test harness.
///
/// # Errors
/// A failed test, and a server that cannot be started.
pub(crate) fn run(cargo: &mut Command, harness: &[&str]) -> Result<()> {
    let built = test_run::build(cargo, &["-p", "kulya-cdc", "--all-features", "--test", "it"])?;
    let mut failed = Vec::new();
    let mut run = |version: u32, programs: Programs| -> Result<()> {
        let result = run_with(&built, version, &programs, harness);
        failed.extend(result.err().map(|error| format!("{error:#}")));
        Ok(())
    };
    let system = postgres::find_or_install()?;
    run(system.version()?, system)?;
    for (version, _) in postgres::VERSIONS {
        run(version.parse()?, postgres::find_or_fetch(version)?)?;
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// Runs the quick tests on each fetched version; without the executable of the tests there is nothing to do.
/// Returns what could not be run.
///
/// # Errors
/// A failed test.
pub(crate) fn run_quick(built: &Built) -> Result<Vec<String>> {
    let (mut missing, mut failed) = (Vec::new(), Vec::new());
    for (version, _) in postgres::VERSIONS.iter().filter(|_| built.has(TESTS)) {
        match postgres::find_or_fetch(version) {
            Ok(programs) => {
                let result = run_with(built, version.parse()?, &programs, &QUICK);
                failed.extend(result.err().map(|error| format!("{error:#}")));
            }
            Err(error) => missing.push(format!("NOT RUN: the tests on PostgreSQL {version}: {error:#}")),
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(missing)
}

/// Returns the arguments of the test harness that skip what a version does not have, and prints why.
pub(crate) fn skipped(version: u32) -> Vec<String> {
    let mut arguments = Vec::new();
    for (name, needed, why) in NEEDS.iter().filter(|(_, needed, _)| version < *needed) {
        println!("NOT RUN on PostgreSQL {version}: {name} needs {needed}, before which {why}");
        arguments.extend(["--skip".to_owned(), (*name).to_owned()]);
    }
    arguments
}

fn run_with(built: &Built, version: u32, programs: &Programs, harness: &[&str]) -> Result<()> {
    let mut harness: Vec<String> = harness.iter().map(ToString::to_string).collect();
    harness.push("--include-ignored".to_owned());
    harness.extend(OTHERS.iter().flat_map(|name| ["--skip", name]).map(str::to_owned));
    harness.extend(skipped(version));
    let servers = postgres::start(programs)?;
    test_run::run_again(built, TESTS, &format!("PostgreSQL {version}"), &harness, &servers.variables)
}
