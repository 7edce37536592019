//! The project's own chores, run as `cargo xtask COMMAND`:
//!
//! - `test`: tidy, then every test of the workspace, with the real servers they need.
//! - `postgres -- CMD…`: starts throw-away PostgreSQL servers, runs CMD with their URLs in the environment, stops them.
//! - `tidy`: the rules of the house that a program can check.

mod postgres;
mod tidy;

use anyhow::{Context, Result, bail, ensure};
use std::process::{Command, ExitCode};

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
        ["tidy"] => tidy::run(),
        _ => bail!("usage: cargo xtask test [cargo test arguments] | postgres -- COMMAND… | tidy"),
    }
}

/// Every test, those that need a server included. With arguments, they go to `cargo test` instead of `--workspace`.
fn test(args: &[&str]) -> Result<()> {
    tidy::run()?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("test");
    if args.is_empty() {
        cargo.arg("--workspace");
    }
    cargo.args(args);
    if !args.contains(&"--") {
        cargo.arg("--");
    }
    with_postgres(cargo.arg("--include-ignored"))
}

fn with_postgres(command: &mut Command) -> Result<()> {
    let programs = postgres::find_or_install()?;
    let logical = postgres::Server::start(&programs, "logical")?;
    let replica = postgres::Server::start(&programs, "replica")?;
    command.env("KULYA_TEST_POSTGRES", logical.url());
    command.env("KULYA_TEST_POSTGRES_NOT_LOGICAL", replica.url());
    let status =
        command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    drop((logical, replica));
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}
