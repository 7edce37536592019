//! Debezium's engine, as the reference for `kulya_cdc`: its events of the zoos in the tests' data, and its
//! speed. Needs a JDK 17 and Maven.

mod bench;
mod comparison;
mod database;
mod engine;
mod event;
mod json;
mod modes;
mod recording;
mod schemas;
mod zoo;

use anyhow::{Context, Result, bail};
use engine::Kind;

const USAGE: &str = "usage: cargo xtask debezium zoo [postgres|mariadb|mysql8]… [--zoo NAME]… [--output FOLDER [--mode MODE]…]
       cargo xtask debezium bench position|drain|snapshot postgres|mariadb|mysql8 --state FOLDER [--events N] [--heap 1g] [--set NAME=VALUE]…
       cargo xtask debezium compare postgres|mariadb|mysql8 --kulya PROGRAM [--runs 3] [--rows 2000000] [--transactions 50000]";

/// Runs the command.
///
/// # Errors
/// Arguments that are not understood, missing programs, and everything that fails on the way.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["zoo", rest @ ..] => zoo::run(&selection(rest)?),
        ["bench", task, kind, rest @ ..] => bench::run(task, Kind::parse(kind)?, rest),
        ["compare", kind, rest @ ..] => comparison::run(Kind::parse(kind)?, rest),
        _ => bail!(USAGE),
    }
}

fn selection(arguments: &[&str]) -> Result<zoo::Selection> {
    let mut selection = zoo::Selection::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
        match *argument {
            "--zoo" => selection.zoos.push((*value()?).to_owned()),
            "--mode" => selection.modes.push((*value()?).to_owned()),
            "--output" => selection.output = Some((*value()?).into()),
            kind => selection.kinds.push(Kind::parse(kind).context(USAGE)?),
        }
    }
    Ok(selection)
}
