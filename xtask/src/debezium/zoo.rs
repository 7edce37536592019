//! Runs a zoo, the scripts `schema.sql` and `changes.sql` of a folder, in each mode of a database's
//! connector, and writes the events. `crates/kulya-cdc/tests/data/zoo/README.md` describes the files.

use super::database::Database;
use super::engine::{Engine, Kind, Settings};
use super::event::{Event, Transactions};
use super::json::Json;
use super::modes::{Mode, modes};
use super::recording::{Recording, differences};
use super::schemas::Tables;
use crate::server;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Where the folders of the zoos are.
const DATA: &str = "crates/kulya-cdc/tests/data";
/// The zoos' folders; each has a folder for each database that it is for.
const ZOOS: [&str; 4] = ["zoo", "zoo-extended", "zoo-columns", "zoo-transforms"];
/// A table whose rows part the changes: after one, the script goes on when its event has come.
const MARKER: &str = "marker";

/// What to run, and where to write it instead of the folder of the zoo.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) kinds: Vec<Kind>,
    pub(super) zoos: Vec<String>,
    pub(super) modes: Vec<String>,
    pub(super) output: Option<PathBuf>,
}

impl Selection {
    /// Returns whether a list has a name, or nothing, which stands for everything.
    fn has(list: &[String], name: &str) -> bool {
        list.is_empty() || list.iter().any(|selected| selected == name)
    }
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
    for name in ZOOS.into_iter().filter(|name| Selection::has(&selection.zoos, name)) {
        let folder_of_zoo = Path::new(DATA).join(name);
        let input = folder_of_zoo.join(kind.name());
        if !input.exists() {
            continue;
        }
        let output = selection.output.as_ref().map(|output| output.join(name).join(kind.name()));
        let read = |name: &str| {
            let path = input.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let (schema, changes) = (read("schema.sql")?, read("changes.sql")?);
        let zoo = Zoo { kind, folder, engine: &engine, database: &database, schema, changes };
        let mut modes = modes(&folder_of_zoo, kind)?;
        modes.retain(|mode| mode.name == "default" || Selection::has(&selection.modes, &mode.name));
        zoo.write(&modes, output.as_ref().unwrap_or(&input))
            .with_context(|| format!("in {}", input.display()))?;
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
    /// Runs the scripts in modes and writes the files. The first mode is the default one where others are
    /// compared with it.
    fn write(&self, modes: &[Mode], output: &Path) -> Result<()> {
        std::fs::create_dir_all(output)?;
        let write = |name: &str, text: &str| std::fs::write(output.join(format!("{name}.jsonl")), text);
        let mut tables = Tables::default();
        let mut default = None;
        for Mode { name, settings, has_all_events } in modes {
            eprintln!("{} {name}", output.display());
            let recording = self.record(settings, &mut tables).with_context(|| format!("mode {name}"))?;
            match &default {
                Some(default) if !has_all_events => write(name, &differences(default, &recording)?)?,
                _ => write(name, &recording.text())?,
            }
            default = default.or(Some(recording));
        }
        for (name, lines) in
            [("schemas", &tables.schemas), ("sources", &tables.sources), ("table-changes", &tables.changes)]
        {
            if !lines.text().is_empty() {
                write(name, lines.text())?;
            }
        }
        Ok(())
    }

    /// Runs the scripts and returns the events.
    fn record(&self, mode: &[(String, String)], tables: &mut Tables) -> Result<Recording> {
        let is_without =
            |(name, value): &(String, String)| name == "value.converter.schemas.enable" && value == "false";
        let has_schemas = !mode.iter().any(is_without);
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
        // transformations can take the source away; a row of the snapshot shows too that it does not see
        // what is committed from now on
        wait(&|event| match event.value.get("source") {
            Some(source) => source.get("snapshot").and_then(Json::text) == Some("last"),
            None => event.topic.ends_with(MARKER),
        })?;
        for (part, marker) in parts(&self.changes)? {
            self.database.run(part)?;
            wait(&|event| event.topic.ends_with(MARKER) && event.id().is_some_and(|id| id == marker))
                .with_context(|| format!("before marker {marker}"))?;
            wait(&|event| {
                event.topic.ends_with(".transaction")
                    && event.value.get("event_count").is_some_and(|n| !n.is_null())
            })?;
        }
        running.stop()?;
        Ok(recording)
    }

    fn settings(&self, mode: &[(String, String)]) -> Result<Settings> {
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

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_part_ends_with_a_row_of_the_marker() {
        let script = "A;\nINSERT INTO zoo.marker VALUES (1);\nB;\nINSERT INTO marker VALUES (20);\n";
        let expected = [
            ("A;\nINSERT INTO zoo.marker VALUES (1);", "1"),
            ("\nB;\nINSERT INTO marker VALUES (20);", "20"),
        ];
        assert_eq!(parts(script).unwrap(), expected);
        for script in ["A;", "INSERT INTO marker VALUES (1", "INSERT INTO marker VALUES (1);\nB;"] {
            assert!(parts(script).is_err(), "{script}");
        }
    }
}
