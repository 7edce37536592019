//! Development tasks, run as `cargo xtask COMMAND`:
//!
//! - `test`: tidy, then every test of the workspace, with the servers they need.
//! - `postgres [--version N] -- CMD…`: runs CMD with temporary PostgreSQL servers, whose URLs are in its
//!   environment; other versions than the system's need Java and Maven.
//! - `postgres-versions [-- ARG…]`: all tests of capture on each version of PostgreSQL; the arguments are
//!   those of the test harness, such as names of tests.
//! - `mariadb -- CMD…`: the same with a MariaDB server; needs Debian's packages and openssl.
//! - `mysql -- CMD…`: the same with a MySQL server; needs Java and Maven.
//! - `pravega -- CMD…`: the same with Pravega servers; needs Java and Maven.
//! - `pravega-faults [-- ARG…]`: the tests of captures with faults, with Pravega as their store.
//! - `registry -- CMD…`: the same with Java schema registries; needs Java and Maven.
//! - `s3 -- CMD…`: the same with an S3 server; needs Python.
//! - `avro -- CMD…`: the same with Avro Java's schema resolution; needs Java and Maven.
//! - `buf -- CMD…`: runs CMD with the path of `buf`, which compares Protobuf schemas; needs Go.
//! - `soak [--shared] [--minutes N]`: the soak test of the release program, 30 minutes by default; with
//!   `--shared` four servers on one store, which are killed and stopped, 10 minutes by default.
//! - `schemathesis`: tests REST v2 against its OpenAPI document; needs Python.
//! - `record-demo`: records the demo's change log from a real PostgreSQL.
//! - `debezium zoo`, `debezium bench`: the events and the speed of Debezium's engine; needs Java and Maven.
//! - `flink-parser -- CMD…`: runs CMD with Flink's SQL parser on a port; needs Java and Maven.
//! - `flink-programs [-- CMD…]`: the file of Flink's own test programs, or runs CMD with its path; needs Java
//!   and Maven.
//! - `flink-sql -- CMD…`: runs CMD with sessions of Flink SQL on a port; needs Java and Maven.
//! - `flink-pravega --kulya PROGRAM [SCRIPT]`: a script of Flink SQL on a real Pravega, with Kulya as the
//!   registry; needs Java, Maven and a clone of the connector's sources.
//! - `sqllogictest [FILE…]`: SQLite's queries and their results, or those of some files and folders; with
//!   `--queries N` so many of each file, with `--sample` those that the tests run; needs Java and Maven.
//! - `tidy`: the project's rules that a program can check; `tidy circles` lists
//!   the circles of modules, explained ones included.
//! - `unused-dependencies`: dependencies that no source file of their crate names.

mod avro;
mod buf;
mod debezium;
mod debian;
mod flink;
mod jars;
mod machete;
mod mysql;
mod postgres;
mod postgres_versions;
mod pravega;
mod pravega_faults;
mod registry;
mod s3;
mod schemathesis;
mod server;
mod sqllogictest;
mod test_run;
mod tidy;

use anyhow::{Context, Result, bail, ensure};
use server::TestServers;
use std::path::Path;
use std::process::{Command, ExitCode};

/// A server or program that tests find by environment variables.
struct Fixture {
    /// The command after `cargo xtask`.
    command: &'static str,
    /// The crates whose tests need it.
    crates: &'static [&'static str],
    /// Prefix and description of the tests that are skipped without it; without a prefix its absence is an
    /// error.
    tests: Option<(&'static str, &'static str)>,
    /// Finds or installs it; the error says what is missing.
    find: fn() -> Result<Start>,
}

/// Starts it.
type Start = Box<dyn FnOnce() -> Result<TestServers>>;

const FIXTURES: [Fixture; 13] = [
    Fixture {
        command: "pravega",
        // starting it takes a minute, which tests of other crates do not need
        crates: &["kulya-store-pravega", "kulya"],
        tests: Some(("real_pravega", "the tests on a real Pravega")),
        find: || pravega::find_or_fetch().map(|it| Box::new(move || pravega::start(&it)) as Start),
    },
    Fixture {
        command: "registry",
        crates: &["kulya-server", "kulya"],
        tests: Some(("java_registry", "the tests against the Java registry")),
        find: || registry::find_or_fetch().map(|it| Box::new(move || registry::start(&it)) as Start),
    },
    Fixture {
        command: "s3",
        crates: &["kulya-store-object", "kulya"],
        tests: Some(("real_s3", "the tests on a real S3")),
        find: || s3::find_or_fetch().map(|it| Box::new(move || s3::start(&it)) as Start),
    },
    Fixture {
        command: "avro",
        crates: &["kulya-schema"],
        tests: Some(("avro_java", "the tests against Avro Java")),
        find: || avro::find_or_fetch().map(|it| Box::new(move || avro::start(&it)) as Start),
    },
    Fixture {
        command: "flink-parser",
        crates: &["kulya-sql"],
        tests: Some(("flink_parser", "the tests against Flink's parser")),
        find: || {
            flink::parser::find_or_fetch().map(|it| Box::new(move || flink::parser::start(&it)) as Start)
        },
    },
    Fixture {
        command: "flink-programs",
        crates: &["kulya-sql"],
        tests: Some(("flink_programs", "Flink's own test programs")),
        find: || {
            flink::programs::find_or_write()
                .map(|it| Box::new(move || Ok(flink::programs::start(it))) as Start)
        },
    },
    Fixture {
        command: "flink-sql",
        crates: &["kulya-sql"],
        tests: Some(("flink_sql", "the tests against Flink SQL")),
        find: || {
            flink::session::find_or_fetch().map(|it| Box::new(move || flink::session::start(&it)) as Start)
        },
    },
    Fixture {
        command: "sqllogictest",
        crates: &["kulya-sql"],
        tests: Some(("sqllogictest_", "SQLite's sqllogictest")),
        find: || sqllogictest::find_or_fetch().map(|it| Box::new(move || sqllogictest::start(&it)) as Start),
    },
    Fixture {
        command: "buf",
        crates: &["kulya-schema"],
        tests: Some(("buf_breaking", "the tests against buf")),
        find: || buf::find_or_build().map(|it| Box::new(move || Ok(buf::start(it))) as Start),
    },
    Fixture {
        command: "schemathesis",
        crates: &["kulya"],
        tests: Some(("schemathesis", "the tests with schemathesis")),
        find: || {
            schemathesis::find_or_fetch().map(|it| Box::new(move || Ok(schemathesis::start(it))) as Start)
        },
    },
    Fixture {
        command: "mariadb",
        crates: &["kulya-cdc", "kulya"],
        tests: Some(("real_mariadb", "the tests on a real MariaDB")),
        find: || {
            mysql::find_or_fetch_mariadb().map(|it| Box::new(move || mysql::start_mariadb(&it)) as Start)
        },
    },
    Fixture {
        command: "mysql",
        crates: &["kulya-cdc"],
        tests: Some(("real_mysql", "the tests on a real MySQL")),
        find: || mysql::find_or_fetch_mysql().map(|it| Box::new(move || mysql::start_mysql(&it)) as Start),
    },
    Fixture {
        command: "postgres",
        crates: &["kulya-cdc", "kulya"],
        tests: None,
        find: || postgres::find_or_install().map(|it| Box::new(move || postgres::start(&it)) as Start),
    },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["test", rest @ ..] => return test(rest),
        ["record-demo"] => return record_demo(),
        ["schemathesis"] => {
            let mut cargo = cargo();
            cargo.args(["test", "-p", "kulya", "--test", "it", "--", "--include-ignored", "schemathesis"]);
            return run_with(schemathesis::start(schemathesis::find_or_fetch()?), &mut cargo);
        }
        ["tidy", rest @ ..] => return tidy::run(rest),
        ["debezium", rest @ ..] => return debezium::run(rest),
        ["flink-programs"] => return flink::programs::print_counts(),
        ["flink-pravega", rest @ ..] => return flink::pravega::run(rest),
        ["sqllogictest", rest @ ..] if rest.first() != Some(&"--") => {
            return sqllogictest::run(&mut cargo(), rest);
        }
        ["unused-dependencies"] => return machete::check(&mut cargo()),
        ["soak", rest @ ..] => return soak(rest),
        ["postgres-versions", "--", rest @ ..] => return postgres_versions::run(&mut cargo(), rest),
        ["postgres-versions"] => return postgres_versions::run(&mut cargo(), &[]),
        ["pravega-faults", "--", rest @ ..] => return pravega_faults::run(&mut cargo(), rest),
        ["pravega-faults"] => return pravega_faults::run(&mut cargo(), &[]),
        ["postgres", "--version", version, "--", program, rest @ ..] => {
            let programs = postgres::find_or_fetch(version)?;
            return run_with(postgres::start(&programs)?, Command::new(program).args(rest));
        }
        [command, "--", program, rest @ ..] => {
            if let Some(fixture) = FIXTURES.iter().find(|fixture| fixture.command == *command) {
                return run_with((fixture.find)()?()?, Command::new(program).args(rest));
            }
        }
        _ => {}
    }
    let fixtures = FIXTURES.map(|fixture| format!("{} -- COMMAND…", fixture.command)).join(" | ");
    bail!(
        "usage: cargo xtask test [cargo test arguments] | {fixtures} | postgres --version N -- COMMAND… | postgres-versions [-- ARG…] | pravega-faults [-- ARG…] | schemathesis | soak [--shared] [--minutes N] | record-demo | debezium zoo|bench … | flink-pravega … | sqllogictest [--sample|--queries N] [FILE…] | tidy [circles] | unused-dependencies"
    )
}

/// Runs tidy and every test, including those that need a server. Arguments replace `--workspace` of `cargo
/// test`; those after `--` go to the test harness.
///
/// # Errors
/// A finding of tidy, a failed test, and in CI a test that was not run because its server cannot be started.
fn test(args: &[&str]) -> Result<()> {
    tidy::run(&[])?;
    let (selection, harness) = match args.iter().position(|arg| *arg == "--") {
        Some(separator) => (&args[..separator], &args[separator + 1..]),
        None => (args, &[][..]),
    };
    let selection = if selection.is_empty() { &["--workspace"] } else { selection };
    // names of tests select those of the system's PostgreSQL
    let has_no_names = harness.is_empty();
    let mut harness: Vec<String> = harness.iter().map(ToString::to_string).collect();
    harness.push("--include-ignored".to_owned());
    let is_needed = |fixture: &&Fixture| {
        selection.contains(&"--workspace") || fixture.crates.iter().any(|krate| selection.contains(krate))
    };
    if selection.contains(&"--workspace") || selection.contains(&"kulya-cdc") {
        harness.extend(postgres_versions::skipped(postgres::find_or_install()?.version()?));
    }
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for fixture in FIXTURES.iter().filter(is_needed) {
        match ((fixture.find)(), fixture.tests) {
            (Ok(start), _) => found.push(start),
            (Err(error), Some((name, tests))) => {
                // skipped by name, so that none of them counts as passed
                harness.extend(["--skip".to_owned(), name.to_owned()]);
                missing.push(format!("NOT RUN: {tests}: {error:#}"));
            }
            (Err(error), None) => return Err(error),
        }
    }
    let built = test_run::build(&mut cargo(), selection)?;
    // only now: the compiler needs the memory
    let mut servers = TestServers::default();
    for start in found {
        servers.extend(start()?);
    }
    let mut result = test_run::run(&built, cargo(), selection, &harness, &servers.variables);
    drop(servers);
    if has_no_names {
        match postgres_versions::run_quick(&built) {
            Ok(others) => missing.extend(others),
            Err(error) => result = result.and(Err(error)),
        }
    }
    for missing in &missing {
        eprintln!("{missing}");
    }
    result?;
    let is_ci = std::env::var_os("CI").is_some();
    ensure!(!is_ci || missing.is_empty(), "CI runs every test:\n{}", missing.join("\n"));
    Ok(())
}

/// Runs a soak test with the release program; its report goes to standard output. `--shared` has four servers
/// on one store.
fn soak(args: &[&str]) -> Result<()> {
    let (test, args, minutes) = match args {
        ["--shared", rest @ ..] => ("four_servers_on_one_store_lose_nothing", rest, 10),
        rest => ("everything_at_once_stays_flat", rest, 30),
    };
    let minutes: u64 = match args {
        [] => minutes,
        ["--minutes", minutes] => {
            minutes.parse().with_context(|| format!("{minutes:?} is not a number of minutes"))?
        }
        _ => bail!("usage: cargo xtask soak [--shared] [--minutes N]"),
    };
    let mut cargo = cargo();
    cargo.args(["test", "--release", "-p", "kulya", "--test", "soak", "--", test, "--nocapture"]);
    run_to_end(cargo.env("KULYA_SOAK_SECONDS", (minutes * 60).to_string()))
}

/// Runs a command with test servers, and stops them.
#[expect(clippy::needless_pass_by_value, reason = "the servers are stopped")]
fn run_with(servers: TestServers, command: &mut Command) -> Result<()> {
    run_to_end(command.envs(servers.variables.iter().cloned()))
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    remove_package_variables(&mut cargo);
    cargo
}

/// Removes cargo's variables of this package: they would make build scripts run again, and everything that
/// depends on them be rebuilt, at each switch between cargo and cargo xtask.
fn remove_package_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

fn run_to_end(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    remove_package_variables(command);
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(status.success(), "{} exited with {status}", program.display());
    Ok(())
}

/// Records two runs of `kulya cdc --record`: the initial customers, then their changes.
fn record_demo() -> Result<()> {
    let programs = postgres::find_or_install()?;
    let server = postgres::launch(&programs, "logical")?;
    let folder = Path::new("crates/kulya/demo");
    // the program contains the old log while it records the new one
    let (log, new) = (folder.join("customers.jsonl"), folder.join("customers.jsonl.new"));
    let _ = std::fs::remove_file(&new);
    run_to_end(programs.psql(&postgres::url(&server, "postgres")).args(["-c", "CREATE DATABASE shop"]))?;
    let url = postgres::url(&server, "shop");
    for script in ["customers.sql", "changes.sql"] {
        run_to_end(programs.psql(&url).arg("-f").arg(folder.join(script)))?;
        let mut kulya = cargo();
        kulya.args([
            "run",
            "--quiet",
            "--bin",
            "kulya",
            "--",
            "cdc",
            "--until-caught-up",
            "--postgres",
            &url,
        ]);
        kulya.args(["--name", "shop", "--table", "public.customers", "--record"]).arg(&new);
        run_to_end(&mut kulya)?;
    }
    std::fs::rename(new, log)?;
    Ok(())
}
