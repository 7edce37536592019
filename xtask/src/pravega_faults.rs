//! The tests of captures with faults, with a real Pravega as their store.

use crate::server::TestServers;
use crate::{mysql, postgres, pravega, test_run};
use anyhow::Result;
use std::process::Command;

/// The names of the tests whose captures write to a store.
const TESTS: [&str; 8] = [
    "captures_survive_faults",
    "postgres_failover::",
    "postgres_faults::",
    "purged_logs_are_named",
    "replicas_",
    "restarts_and_terminated_connections_are_survived",
    "second_captures_and_writers_are_fenced",
    "stalled_connections_end",
];

/// The version of PostgreSQL: the first that runs all of them, as slots are synchronised from it on.
const POSTGRES: &str = "17";

/// Builds the tests of capture and runs those with faults on Pravega. Arguments go to the test harness, and
/// replace the names of the tests.
///
/// # Errors
/// A failed test, and a server that cannot be started.
pub(crate) fn run(cargo: &mut Command, harness: &[&str]) -> Result<()> {
    let built = test_run::build(cargo, &["-p", "kulya-cdc", "--all-features", "--test", "it"])?;
    let mut servers: TestServers = postgres::start(&postgres::find_or_fetch(POSTGRES)?)?;
    servers.extend(mysql::start_mariadb(&mysql::find_or_fetch_mariadb()?)?);
    servers.extend(mysql::start_mysql(&mysql::find_or_fetch_mysql()?)?);
    servers.extend(pravega::start(&pravega::find_or_fetch()?)?);
    servers.variables.push(("KULYA_TEST_STORE", "pravega".into()));
    let tests = if harness.is_empty() { &TESTS[..] } else { harness };
    let harness: Vec<String> =
        tests.iter().copied().chain(["--include-ignored"]).map(str::to_owned).collect();
    test_run::run_again(&built, "kulya-cdc it", "Pravega", &harness, &servers.variables)
}
