//! The settings of a session, by SET and RESET: Flink's keys.

use crate::SqlResult;
use crate::options::{OptionKind, OptionSpec, Options};
use std::collections::BTreeMap;

/// The key of the largest state of a live query.
pub(crate) const STATE_BYTES: &str = "live.state-bytes";

const TABLE_EXEC: &str = "no effect: it is for Flink's operators";

/// The settings.
pub(crate) static SETTINGS: &[OptionSpec] = &[
    OptionSpec::new(
        "execution.runtime-mode",
        OptionKind::Choice(&["batch", "streaming"]),
        "batch",
        "streaming: a query returns the changes of its rows as they come, and INSERT goes on as a job",
    ),
    OptionSpec::new(
        "sql-client.execution.result-mode",
        OptionKind::Choice(&["table", "changelog", "tableau"]),
        "tableau",
        "no effect: rows are shown as they come",
    ),
    OptionSpec::new(
        "table.exec.sink.not-null-enforcer",
        OptionKind::Choice(&["error", "drop"]),
        "error",
        "what INSERT does with a row that has null in a NOT NULL column",
    ),
    OptionSpec::new(
        "table.exec.sink.type-length-enforcer",
        OptionKind::Choice(&["ignore", "trim_pad", "error"]),
        "ignore",
        "what INSERT does with a value that is longer or shorter than its CHAR, VARCHAR, BINARY or VARBINARY column",
    ),
    OptionSpec::new(
        "table.exec.sink.nested-constraint-enforcer",
        OptionKind::Choice(&["ignore", "rows", "rows_and_collections"]),
        "ignore",
        "in which nested values the other two enforcers look; null in a NOT NULL one is an error anyway",
    ),
    OptionSpec::new(
        "table.exec.sink.require-on-conflict",
        OptionKind::Choice(&["false"]),
        "false",
        "INSERT into a table with a primary key needs no ON CONFLICT",
    ),
    OptionSpec::new(
        "table.local-time-zone",
        OptionKind::Choice(&["UTC"]),
        "UTC",
        "the time zone of TIMESTAMP_LTZ as text",
    ),
    OptionSpec::new(
        "files.sample-bytes",
        OptionKind::Integer(1 << 10, 1 << 30),
        "2097152",
        "how much of the beginning of a CSV or JSON file tells its columns and their types",
    ),
    OptionSpec::new(
        STATE_BYTES,
        OptionKind::Integer(1 << 10, 1 << 40),
        "",
        "the largest state in memory of a materialized view or a job that is created or resumed, in bytes; without it that \
         of the process that runs it (1 GiB)",
    ),
    OptionSpec::new("table.exec.source.cdc-events-duplicate", OptionKind::Boolean, "false", TABLE_EXEC),
    OptionSpec::new("table.exec.mini-batch.enabled", OptionKind::WithoutEffect, "", TABLE_EXEC),
    OptionSpec::new("table.exec.mini-batch.allow-latency", OptionKind::WithoutEffect, "", TABLE_EXEC),
    OptionSpec::new("table.exec.mini-batch.size", OptionKind::WithoutEffect, "", TABLE_EXEC),
    OptionSpec::new("table.exec.state.ttl", OptionKind::WithoutEffect, "", TABLE_EXEC),
    OptionSpec::new("table.exec.resource.default-parallelism", OptionKind::WithoutEffect, "", TABLE_EXEC),
    OptionSpec::new(
        "table.dml-sync",
        OptionKind::WithoutEffect,
        "",
        "no effect: INSERT ends with its commit",
    ),
    OptionSpec::new("parallelism.default", OptionKind::WithoutEffect, "", TABLE_EXEC),
    OptionSpec::new("pipeline.name", OptionKind::WithoutEffect, "", TABLE_EXEC),
    OptionSpec::new("execution.checkpointing.interval", OptionKind::WithoutEffect, "", TABLE_EXEC),
];

/// The settings of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Sets a key.
    ///
    /// # Errors
    /// `InvalidOption` for an unknown key, with the nearest known one, or an invalid value.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> SqlResult<()> {
        let specs: Vec<_> = SETTINGS.iter().collect();
        let given = [(key.to_owned(), value.to_owned())];
        let parsed = Options::parse(&specs, "", &given)?;
        self.0.insert(key.to_owned(), parsed.get(key).unwrap_or(value).to_owned());
        Ok(())
    }

    /// Resets a key, or all.
    ///
    /// # Errors
    /// As [`Self::set`] for an unknown key.
    pub(crate) fn reset(&mut self, key: Option<&str>) -> SqlResult<()> {
        match key {
            None => self.0.clear(),
            Some(key) if self.0.remove(key).is_some() => {}
            Some(key) if SETTINGS.iter().any(|spec| spec.key == key) => {}
            Some(key) => return self.set(key, ""),
        }
        Ok(())
    }

    /// Returns the value of a key, or its default; empty without either.
    pub(crate) fn get(&self, key: &str) -> &str {
        let default = || SETTINGS.iter().find(|spec| spec.key == key).map(|spec| spec.default);
        self.0.get(key).map(String::as_str).or_else(default).unwrap_or_default()
    }

    /// Returns the number of a key.
    pub(crate) fn number(&self, key: &str) -> usize {
        self.get(key).parse().unwrap_or_default()
    }

    /// Iterates over the keys that were set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_reset() {
        let mut settings = Settings::default();
        settings.set("execution.runtime-mode", "BATCH").unwrap();
        assert_eq!(settings.get("execution.runtime-mode"), "batch");
        let error = settings.set("execution.runtime-mod", "batch").unwrap_err().to_string();
        assert!(error.contains("did you mean 'execution.runtime-mode'?"), "{error}");
        settings.set("table.exec.sink.not-null-enforcer", "drop").unwrap();
        assert_eq!(settings.iter().count(), 2);
        settings.reset(Some("table.exec.sink.not-null-enforcer")).unwrap();
        assert_eq!(settings.get("table.exec.sink.not-null-enforcer"), "error");
        assert!(settings.reset(Some("nothing.of.the.kind")).is_err());
        settings.reset(None).unwrap();
        assert_eq!(settings.iter().count(), 0);
    }
}
