//! The engine's speed with a database of the caller's: a backlog drained from a slot or a binary log, or a
//! snapshot. One line of JSON goes to standard output, with the time, the CPU time and the peak memory of the
//! Java process.
//!
//! - `position` stores where streaming begins, before the backlog is made; PostgreSQL's slot can be created
//!   by SQL instead.
//! - `drain` streams from there until N events have come.
//! - `snapshot` reads tables until N events have come.
//!
//! `--set` has the connection and what is captured, in Debezium's settings:
//!
//! ```text
//! cargo xtask debezium bench drain postgres --state /tmp/debezium --events 500000 \
//!     --set database.hostname=127.0.0.1 --set database.port=5432 --set database.user=u \
//!     --set database.password=p --set database.dbname=shop --set table.include.list=public.orders \
//!     --set slot.name=s --set publication.name=p
//! ```

use super::engine::{Engine, Kind, Settings};
use crate::server;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;

/// Runs one of the tasks.
///
/// # Errors
/// Arguments that are not understood, missing programs, and an engine that failed.
pub(super) fn run(task: &str, kind: Kind, arguments: &[&str]) -> Result<()> {
    let arguments = Arguments::parse(arguments)?;
    let state = arguments.state.context("bench needs --state FOLDER, where the position is stored")?;
    std::fs::create_dir_all(&state)?;
    let mut settings = Settings::new(kind, &state);
    settings.set("topic.prefix", "bench");
    settings.set("offset.flush.interval.ms", "10000");
    let events = arguments.events.to_string();
    let task = match task {
        "position" => {
            settings.set("snapshot.mode", "no_data");
            settings.set("heartbeat.interval.ms", "100");
            settings.set("offset.flush.interval.ms", "0");
            vec!["position"]
        }
        "drain" => {
            settings.set("snapshot.mode", "no_data");
            vec!["measure", &events]
        }
        "snapshot" => {
            let is_empty = std::fs::read_dir(&state)?.next().is_none();
            ensure!(is_empty, "{} is not empty: a snapshot would not be taken again", state.display());
            settings.set("snapshot.mode", "initial");
            vec!["measure", &events]
        }
        _ => bail!("{task:?} is not a task: position, drain or snapshot"),
    };
    ensure!(arguments.events > 0 || task == ["position"], "--events is the number of events to wait for");
    for (name, value) in &arguments.settings {
        settings.set(name, value);
    }
    let folder = server::folder("debezium-bench")?;
    let printed = Engine::prepare(kind, &folder).and_then(|it| it.run(&settings, &arguments.heap, &task));
    let _ = std::fs::remove_dir_all(&folder);
    let printed = printed?;
    if !printed.is_empty() {
        println!("{printed}");
    }
    Ok(())
}

struct Arguments {
    state: Option<PathBuf>,
    events: u64,
    heap: String,
    settings: Vec<(String, String)>,
}

impl Arguments {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut parsed = Self { state: None, events: 0, heap: "1g".to_owned(), settings: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let value = *arguments.next().with_context(|| format!("{argument} needs a value"))?;
            match *argument {
                "--state" => parsed.state = Some(std::path::absolute(value)?),
                "--heap" => value.clone_into(&mut parsed.heap),
                "--events" => {
                    parsed.events =
                        value.parse().with_context(|| format!("{value:?} is not a number of events"))?;
                }
                "--set" => {
                    let (name, value) = value.split_once('=').context("--set needs NAME=VALUE")?;
                    parsed.settings.push((name.to_owned(), value.to_owned()));
                }
                _ => bail!("{argument:?} is not an argument of bench"),
            }
        }
        Ok(parsed)
    }
}
