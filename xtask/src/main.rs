//! The project's own chores, run as `cargo xtask COMMAND`:
//!
//! - `test`: tidy, then every test of the workspace, with the real servers they need.
//! - `postgres -- CMD…`: starts throw-away PostgreSQL servers, runs CMD with their URLs in the environment, stops them.
//! - `pravega -- CMD…`: the same with Pravega servers, where Java and Maven are.
//! - `registry -- CMD…`: the same with a Java schema registry.
//! - `s3 -- CMD…`: the same with a server that speaks S3, where Python is.
//! - `avro -- CMD…`: the same with Avro Java's schema resolution.
//! - `buf -- CMD…`: CMD with the path of `buf`, which compares Protobuf schemas.
//! - `record-demo`: records the demo's change log anew, from a real PostgreSQL.
//! - `tidy`: the rules of the house that a program can check.

mod avro;
mod buf;
mod jars;
mod postgres;
mod pravega;
mod registry;
mod s3;
mod tidy;

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::{Command, ExitCode};

/// Where a test finds `buf`.
const BUF: &str = "KULYA_TEST_BUF";

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
        ["test", rest @ ..] => test(rest),
        ["postgres", "--", program, rest @ ..] => with_postgres(Command::new(program).args(rest)),
        ["pravega", "--", program, rest @ ..] => {
            with_pravega(Command::new(program).args(rest), &pravega::find_or_fetch()?, run_to_end)
        }
        ["registry", "--", program, rest @ ..] => {
            with_registry(Command::new(program).args(rest), &registry::find_or_fetch()?, run_to_end)
        }
        ["s3", "--", program, rest @ ..] => {
            with_s3(Command::new(program).args(rest), &s3::find_or_fetch()?, run_to_end)
        }
        ["avro", "--", program, rest @ ..] => {
            with_avro(Command::new(program).args(rest), &avro::find_or_fetch()?, run_to_end)
        }
        ["buf", "--", program, rest @ ..] => {
            run_to_end(Command::new(program).args(rest).env(BUF, buf::find_or_build()?))
        }
        ["record-demo"] => record_demo(),
        ["tidy"] => tidy::run(),
        _ => bail!(
            "usage: cargo xtask test [cargo test arguments] | postgres -- COMMAND… | pravega -- COMMAND… | registry -- COMMAND… | s3 -- COMMAND… | avro -- COMMAND… | buf -- COMMAND… | record-demo | tidy"
        ),
    }
}

/// Every test, those that need a server included. With arguments, they go to `cargo test` instead of `--workspace`.
fn test(args: &[&str]) -> Result<()> {
    tidy::run()?;
    let mut cargo = cargo();
    cargo.arg("test");
    if args.is_empty() {
        cargo.arg("--workspace");
    }
    cargo.args(args);
    if !args.contains(&"--") {
        cargo.arg("--");
    }
    cargo.arg("--include-ignored");
    // two Pravegas take a minute: who tests another crate alone does without
    let is_asked = |krate: &str| args.is_empty() || args.contains(&"--workspace") || args.contains(&krate);
    let pravega = is_asked("kulya-store-pravega").then(pravega::find_or_fetch).transpose();
    let registry = (is_asked("kulya-server") || is_asked("kulya")).then(registry::find_or_fetch).transpose();
    let s3 = (is_asked("kulya-store-object") || is_asked("kulya")).then(s3::find_or_fetch).transpose();
    let avro = is_asked("kulya-schema").then(avro::find_or_fetch).transpose();
    // left out by name, so that none of them is counted as passed
    let mut missing = Vec::new();
    if let Err(why) = &pravega {
        cargo.args(["--skip", "real_pravega"]);
        missing.push(format!("the tests on a real Pravega, because {why:#}"));
    }
    if let Err(why) = &registry {
        cargo.args(["--skip", "java_registry"]);
        missing.push(format!("the tests beside the Java registry, because {why:#}"));
    }
    if let Err(why) = &s3 {
        cargo.args(["--skip", "real_s3"]);
        missing.push(format!("the tests on a real S3, because {why:#}"));
    }
    if let Err(why) = &avro {
        cargo.args(["--skip", "avro_java"]);
        missing.push(format!("the tests beside Avro Java, because {why:#}"));
    }
    match is_asked("kulya-schema").then(buf::find_or_build).transpose() {
        Ok(program) => _ = program.map(|program| cargo.env(BUF, program)),
        Err(why) => {
            cargo.args(["--skip", "buf_breaking"]);
            missing.push(format!("the tests beside buf, because {why:#}"));
        }
    }
    let judged = |cargo: &mut Command| match avro.as_ref().ok().and_then(Option::as_ref) {
        Some(classpath) => with_avro(cargo, classpath, with_postgres),
        None => with_postgres(cargo),
    };
    let run = |cargo: &mut Command| match registry.as_ref().ok().and_then(Option::as_ref) {
        Some(classpath) => with_registry(cargo, classpath, judged),
        None => judged(cargo),
    };
    let run = |cargo: &mut Command| match s3.as_ref().ok().and_then(Option::as_ref) {
        Some(python) => with_s3(cargo, python, run),
        None => run(cargo),
    };
    let done = match pravega.as_ref().ok().and_then(Option::as_ref) {
        Some(programs) => with_pravega(&mut cargo, programs, run),
        None => run(&mut cargo),
    };
    for missing in missing {
        eprintln!("NOT RUN: {missing}");
    }
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
    let server = postgres::Server::start(&programs, "logical")?;
    let folder = Path::new("crates/kulya/demo");
    // the program holds the old one while it records the new one
    let (log, new) = (folder.join("customers.jsonl"), folder.join("customers.jsonl.new"));
    let _ = std::fs::remove_file(&new);
    run_to_end(programs.psql(&server.url()).args(["-c", "CREATE DATABASE shop"]))?;
    let url = server.url().replace("/postgres", "/shop").replace("shop://", "postgres://");
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

fn with_pravega(
    command: &mut Command,
    programs: &pravega::Programs,
    run: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<()> {
    let (open, guarded) = std::thread::scope(|scope| {
        let open = scope.spawn(|| pravega::Server::start(programs, false));
        let guarded = pravega::Server::start(programs, true);
        (open.join().expect("starting a server does not panic"), guarded)
    });
    let (open, guarded) = (open?, guarded?);
    command.env("KULYA_TEST_PRAVEGA", open.uri());
    command.env("KULYA_TEST_PRAVEGA_GUARDED", guarded.uri());
    command.env("KULYA_TEST_PRAVEGA_GUARDED_AUTHORITY", guarded.authority());
    command.env("KULYA_TEST_PRAVEGA_GUARDED_PROCESS", guarded.process().to_string());
    let done = run(command);
    drop((open, guarded));
    done
}

fn with_registry(
    command: &mut Command,
    classpath: &str,
    run: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<()> {
    let server = registry::Server::start(classpath)?;
    command.env("KULYA_TEST_JAVA_REGISTRY", server.url());
    command.env("KULYA_TEST_JAVA_REGISTRY_PROCESS", server.process().to_string());
    let done = run(command);
    drop(server);
    done
}

fn with_s3(
    command: &mut Command,
    python: &s3::Python,
    run: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<()> {
    let server = s3::Server::start(python)?;
    command.env("KULYA_TEST_S3", server.url());
    let done = run(command);
    drop(server);
    done
}

fn with_avro(
    command: &mut Command,
    classpath: &str,
    run: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<()> {
    let server = avro::Server::start(classpath)?;
    command.env("KULYA_TEST_AVRO", server.address());
    let done = run(command);
    drop(server);
    done
}

fn with_postgres(command: &mut Command) -> Result<()> {
    let programs = postgres::find_or_install()?;
    let logical = postgres::Server::start(&programs, "logical")?;
    let replica = postgres::Server::start(&programs, "replica")?;
    command.env("KULYA_TEST_POSTGRES", logical.url());
    command.env("KULYA_TEST_POSTGRES_NOT_LOGICAL", replica.url());
    let done = run_to_end(command);
    drop((logical, replica));
    done
}
