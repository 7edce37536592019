//! Runs a zoo, the scripts `schema.sql` and `changes.sql` of a folder, in each mode of a database's connector,
//! and writes the events. `crates/kulya-cdc/tests/data/zoo/README.md` describes the files.

use super::database::Database;
use super::engine::{Engine, Kind, Settings};
use super::event::{Event, Transactions};
use super::json::Json;
use super::recording::{Recording, differences};
use super::schemas::Tables;
use crate::server;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Where the folders of the zoos are.
const DATA: &str = "crates/kulya-cdc/tests/data";
/// The zoos' folders; each has a folder for each database.
const ZOOS: [&str; 2] = ["zoo", "zoo-extended"];
/// A table whose rows part the changes: after one, the script goes on when its event has come.
const MARKER: &str = "marker";

/// A mode's name and settings.
type Mode = (&'static str, &'static [(&'static str, &'static str)]);

/// Modes of all databases. The first one is compared with the others.
const MODES: &[Mode] = &[
    ("default", &[]),
    ("noschema", &[("key.converter.schemas.enable", "false"), ("value.converter.schemas.enable", "false")]),
    ("decimal-string", &[("decimal.handling.mode", "string")]),
    ("decimal-double", &[("decimal.handling.mode", "double")]),
    ("time-connect", &[("time.precision.mode", "connect")]),
    ("time-isostring", &[("time.precision.mode", "isostring")]),
    ("time-microseconds", &[("time.precision.mode", "microseconds")]),
    ("time-nanoseconds", &[("time.precision.mode", "nanoseconds")]),
    ("binary-base64", &[("binary.handling.mode", "base64")]),
    ("binary-base64-url-safe", &[("binary.handling.mode", "base64-url-safe")]),
    ("binary-hex", &[("binary.handling.mode", "hex")]),
    ("tombstones-off", &[("tombstones.on.delete", "false")]),
];
const POSTGRES_MODES: &[Mode] = &[
    ("time-adaptive-time-microseconds", &[("time.precision.mode", "adaptive_time_microseconds")]),
    ("interval-string", &[("interval.handling.mode", "string")]),
    ("hstore-map", &[("hstore.handling.mode", "map")]),
    ("unknown-types", &[("include.unknown.datatypes", "true")]),
    ("unavailable-placeholder", &[("unavailable.value.placeholder", "not sent: \"täst\"")]),
];
const BINLOG_MODES: &[Mode] = &[("bigint-precise", &[("bigint.unsigned.handling.mode", "precise")])];

fn modes(kind: Kind) -> impl Iterator<Item = &'static Mode> {
    MODES.iter().chain(if kind == Kind::Postgres { POSTGRES_MODES } else { BINLOG_MODES })
}

/// What to run, and where to write it instead of the folder of the zoo.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) kinds: Vec<Kind>,
    pub(super) zoos: Vec<String>,
    pub(super) modes: Vec<String>,
    pub(super) output: Option<PathBuf>,
}

/// Runs the selected zoos and writes their files.
///
/// # Errors
/// A program that is missing, a statement or an engine that failed.
pub(super) fn run(selection: &Selection) -> Result<()> {
    // some modes' schemas would be missing
    ensure!(
        selection.modes.is_empty() || selection.output.is_some(),
        "--mode needs --output: the data of a zoo is of all modes"
    );
    for kind in
        Kind::ALL.into_iter().filter(|kind| selection.kinds.is_empty() || selection.kinds.contains(kind))
    {
        let folder = server::folder(&format!("debezium-{}", kind.name()))?;
        let result = run_database(kind, &folder, selection);
        let _ = std::fs::remove_dir_all(&folder);
        result.with_context(|| format!("the zoo of {} failed", kind.name()))?;
    }
    Ok(())
}

fn run_database(kind: Kind, folder: &Path, selection: &Selection) -> Result<()> {
    let engine = Engine::prepare(kind, folder)?;
    let database = Database::start(kind)?;
    for zoo in
        ZOOS.into_iter().filter(|zoo| selection.zoos.is_empty() || selection.zoos.iter().any(|z| z == zoo))
    {
        let input = Path::new(DATA).join(zoo).join(kind.name());
        let output = selection.output.as_ref().map(|output| output.join(zoo).join(kind.name()));
        let output = output.unwrap_or_else(|| input.clone());
        std::fs::create_dir_all(&output)?;
        let read = |name: &str| {
            let path = input.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let zoo = Zoo {
            kind,
            folder,
            engine: &engine,
            database: &database,
            schema: read("schema.sql")?,
            changes: read("changes.sql")?,
        };
        let mut tables = Tables::default();
        let mut default = None;
        for (mode, settings) in modes(kind) {
            if !(selection.modes.is_empty()
                || *mode == "default"
                || selection.modes.iter().any(|m| m == mode))
            {
                continue;
            }
            eprintln!("{} {mode}", input.display());
            let recording = zoo.record(settings, *mode != "noschema", &mut tables)?;
            let text = match &default {
                None => recording.text(),
                Some(default) => differences(default, &recording).with_context(|| format!("mode {mode}"))?,
            };
            std::fs::write(output.join(format!("{mode}.jsonl")), text)?;
            default = default.or(Some(recording));
        }
        for (name, lines) in
            [("schemas", &tables.schemas), ("sources", &tables.sources), ("table-changes", &tables.changes)]
        {
            if !lines.text().is_empty() {
                std::fs::write(output.join(format!("{name}.jsonl")), lines.text())?;
            }
        }
    }
    Ok(())
}

/// The scripts of one database, and what runs them.
struct Zoo<'a> {
    kind: Kind,
    folder: &'a Path,
    engine: &'a Engine,
    database: &'a Database,
    schema: String,
    changes: String,
}

impl Zoo<'_> {
    /// Runs the scripts and returns the events.
    fn record(&self, mode: &[(&str, &str)], has_schemas: bool, tables: &mut Tables) -> Result<Recording> {
        self.database.recreate()?;
        self.database.run(&self.schema)?;
        let running = self.engine.start(&self.settings(mode)?)?;
        let mut recording = Recording::default();
        let mut transactions = Transactions::default();
        let mut wait = |is_last: &dyn Fn(&Event) -> bool| -> Result<()> {
            loop {
                let mut event = Event::parse(&running.next()?, has_schemas)?;
                event.mask(&mut transactions)?;
                let is_last = is_last(&event);
                recording.add(event, tables)?;
                if is_last {
                    return Ok(());
                }
            }
        };
        wait(&|event| {
            let snapshot = event.value.get("source").and_then(|source| source.get("snapshot"));
            snapshot.and_then(Json::text) == Some("last")
        })?;
        let topic = format!("zoo.zoo.{MARKER}");
        for (part, marker) in parts(&self.changes)? {
            self.database.run(part)?;
            wait(&|event| event.topic == topic && event.id().is_some_and(|id| id == marker))
                .with_context(|| format!("before marker {marker}"))?;
            wait(&|event| {
                event.topic == "zoo.transaction"
                    && event.value.get("event_count").is_some_and(|n| !n.is_null())
            })?;
        }
        running.stop()?;
        Ok(recording)
    }

    fn settings(&self, mode: &[(&str, &str)]) -> Result<Settings> {
        let state = self.folder.join("state");
        let _ = std::fs::remove_dir_all(&state);
        std::fs::create_dir(&state)?;
        let mut settings = Settings::new(self.kind, &state);
        self.database.configure(&mut settings);
        for (name, value) in [
            ("topic.prefix", "zoo"),
            ("snapshot.mode", "initial"),
            ("skipped.operations", "none"),
            ("provide.transaction.metadata", "true"),
            ("poll.interval.ms", "50"),
        ] {
            settings.set(name, value);
        }
        for (name, value) in mode {
            settings.set(name, value);
        }
        Ok(settings)
    }
}

/// Splits a script behind each row of the marker table; returns the parts with the row's id.
fn parts(script: &str) -> Result<Vec<(&str, &str)>> {
    let mut parts = Vec::new();
    let mut rest = script;
    while !rest.trim().is_empty() {
        let start = [format!("INSERT INTO zoo.{MARKER} VALUES ("), format!("INSERT INTO {MARKER} VALUES (")]
            .into_iter()
            .filter_map(|insert| Some(rest.find(&insert)? + insert.len()))
            .min()
            .context("the changes do not end with a row of the table marker")?;
        let end = start + rest[start..].find(");").context("a row of the table marker does not end")?;
        let (part, after) = rest.split_at(end + 2);
        parts.push((part, &rest[start..end]));
        rest = after;
    }
    Ok(parts)
}
