//! The project's own chores, run as `cargo xtask COMMAND`:
//!
//! - `test`: tidy, then every test of the workspace, with the real servers they need.
//! - `postgres -- CMD…`: starts throw-away PostgreSQL servers, runs CMD with their URLs in the environment, stops them.
//! - `pravega -- CMD…`: the same with Pravega servers, where Java and Maven are.
//! - `registry -- CMD…`: the same with a Java schema registry.
//! - `s3 -- CMD…`: the same with a server that speaks S3, where Python is.
//! - `avro -- CMD…`: the same with Avro Java's schema resolution.
//! - `buf -- CMD…`: CMD with the path of `buf`, which compares Protobuf schemas.
//! - `soak [--shared] [--minutes N]`: the release program under everything at once, watched from outside; 30 minutes by
//!   default. `--shared`: four of them on one store, killed and stopped meanwhile; 10 minutes.
//! - `schemathesis`: the program's REST v2 held against its document, where Python is.
//! - `record-demo`: records the demo's change log anew, from a real PostgreSQL.
//! - `tidy`: the project's rules that a program can check; `tidy circles` lists the circles of modules.

mod avro;
mod buf;
mod jars;
mod postgres;
mod pravega;
mod registry;
mod s3;
mod schemathesis;
mod server;
mod tidy;

use anyhow::{Context, Result, bail, ensure};
use server::Beside;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Something that tests ask for by the environment.
struct Fixture {
    /// The word after `cargo xtask`.
    word: &'static str,
    /// Whose tests ask for it.
    crates: &'static [&'static str],
    /// How the names of these tests begin, and what they are. Without, no test is run where it is missing.
    tests: Option<(&'static str, &'static str)>,
    /// Finds it; the error says what is missing.
    find: fn() -> Result<Start>,
}

/// Starts what was found.
type Start = Box<dyn FnOnce() -> Result<Beside>>;

const FIXTURES: [Fixture; 7] = [
    Fixture {
        word: "pravega",
        // two Pravegas take a minute: who tests another crate alone does without
        crates: &["kulya-store-pravega", "kulya"],
        tests: Some(("real_pravega", "the tests on a real Pravega")),
        find: || pravega::find_or_fetch().map(|it| Box::new(move || pravega::start(&it)) as Start),
    },
    Fixture {
        word: "registry",
        crates: &["kulya-server", "kulya"],
        tests: Some(("java_registry", "the tests beside the Java registry")),
        find: || registry::find_or_fetch().map(|it| Box::new(move || registry::start(&it)) as Start),
    },
    Fixture {
        word: "s3",
        crates: &["kulya-store-object", "kulya"],
        tests: Some(("real_s3", "the tests on a real S3")),
        find: || s3::find_or_fetch().map(|it| Box::new(move || s3::start(&it)) as Start),
    },
    Fixture {
        word: "avro",
        crates: &["kulya-schema"],
        tests: Some(("avro_java", "the tests beside Avro Java")),
        find: || avro::find_or_fetch().map(|it| Box::new(move || avro::start(&it)) as Start),
    },
    Fixture {
        word: "buf",
        crates: &["kulya-schema"],
        tests: Some(("buf_breaking", "the tests beside buf")),
        find: || buf::find_or_build().map(|it| Box::new(move || Ok(buf::start(it))) as Start),
    },
    Fixture {
        word: "schemathesis",
        crates: &["kulya"],
        tests: Some(("schemathesis", "the tests by schemathesis")),
        find: || {
            schemathesis::find_or_fetch().map(|it| Box::new(move || Ok(schemathesis::start(it))) as Start)
        },
    },
    Fixture {
        word: "postgres",
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
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", rest @ ..] => return test(rest),
        ["record-demo"] => return record_demo(),
        ["schemathesis"] => {
            let mut cargo = cargo();
            cargo.args(["test", "-p", "kulya", "--test", "it", "--", "--include-ignored", "schemathesis"]);
            return run_beside(schemathesis::start(schemathesis::find_or_fetch()?), &mut cargo);
        }
        ["tidy", rest @ ..] => return tidy::run(rest),
        ["soak", rest @ ..] => return soak(rest),
        [word, "--", program, rest @ ..] => {
            if let Some(fixture) = FIXTURES.iter().find(|fixture| fixture.word == *word) {
                return run_beside((fixture.find)()?()?, Command::new(program).args(rest));
            }
        }
        _ => {}
    }
    let beside = FIXTURES.map(|fixture| format!("{} -- COMMAND…", fixture.word)).join(" | ");
    bail!(
        "usage: cargo xtask test [cargo test arguments] | {beside} | schemathesis | soak [--shared] [--minutes N] | record-demo | tidy [circles]"
    )
}

/// Every test, those that need a server included. With arguments, they go to `cargo test` instead of `--workspace`.
fn test(args: &[&str]) -> Result<()> {
    tidy::run(&[])?;
    let mut cargo = cargo();
    // one run names everything that fails
    cargo.args(["test", "--no-fail-fast"]);
    if args.is_empty() {
        cargo.arg("--workspace");
    }
    cargo.args(args);
    if !args.contains(&"--") {
        cargo.arg("--");
    }
    cargo.arg("--include-ignored");
    let is_asked = |fixture: &&Fixture| {
        let everything = args.is_empty() || args.contains(&"--workspace");
        everything || fixture.crates.iter().any(|krate| args.contains(krate))
    };
    let mut beside = Beside::default();
    let mut missing = Vec::new();
    for fixture in FIXTURES.iter().filter(is_asked) {
        match ((fixture.find)(), fixture.tests) {
            (Ok(start), _) => beside.join(start()?),
            (Err(why), Some((name, tests))) => {
                // left out by name, so that none of them is counted as passed
                cargo.args(["--skip", name]);
                missing.push(format!("{tests}, because {why:#}"));
            }
            (Err(why), None) => return Err(why),
        }
    }
    let done = run_beside(beside, &mut cargo);
    for missing in missing {
        eprintln!("NOT RUN: {missing}");
    }
    done
}

/// The tests' soak, of the program as it ships, for longer; its report goes to standard output. `--shared` is the one of four
/// servers on one store.
fn soak(words: &[&str]) -> Result<()> {
    let (test, words, minutes) = match words {
        ["--shared", rest @ ..] => ("four_servers_on_one_store_lose_nothing", rest, 10),
        rest => ("everything_at_once_stays_flat", rest, 30),
    };
    let minutes: u64 = match words {
        [] => minutes,
        ["--minutes", minutes] => {
            minutes.parse().with_context(|| format!("{minutes:?} is no number of minutes"))?
        }
        _ => bail!("usage: cargo xtask soak [--shared] [--minutes N]"),
    };
    let mut cargo = cargo();
    cargo.args(["test", "--release", "-p", "kulya", "--test", "soak", "--", test, "--nocapture"]);
    run_to_end(cargo.env("KULYA_SOAK_SECONDS", (minutes * 60).to_string()))
}

/// A command, while something stands beside it.
fn run_beside(beside: Beside, command: &mut Command) -> Result<()> {
    let done = run_to_end(command.envs(beside.told));
    drop(beside.servers);
    done
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn run_to_end(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    // what cargo says to us about this package: a build script that asks for it would run again, and all behind it be built
    // again, each time somebody goes from cargo to cargo xtask
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    Ok(())
}

/// Two runs of `kulya cdc --record`: the customers as they are, then what happens to them.
fn record_demo() -> Result<()> {
    let programs = postgres::find_or_install()?;
    let server = postgres::launch(&programs, "logical")?;
    let folder = Path::new("crates/kulya/demo");
    // the program holds the old one while it records the new one
    let (log, new) = (folder.join("customers.jsonl"), folder.join("customers.jsonl.new"));
    let _ = std::fs::remove_file(&new);
    run_to_end(programs.psql(&postgres::url(&server)).args(["-c", "CREATE DATABASE shop"]))?;
    let url = postgres::url(&server).replace("/postgres", "/shop").replace("shop://", "postgres://");
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
