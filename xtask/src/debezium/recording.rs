//! The events of one run as lines, and the lines of another run that differ.

use super::event::Event;
use super::json::Json;
use super::schemas::Tables;
use anyhow::{Context, Result, bail, ensure};

/// Headers that every change event of a connector has, with the same values.
const CONTEXT: &str = "__debezium.context.";

/// Members of an event's line.
type Line = Vec<(String, Json)>;

#[derive(Default)]
pub(super) struct Recording {
    lines: Vec<Line>,
}

impl Recording {
    /// Adds an event; its schemas, its source and its descriptions of tables are replaced by their lines.
    pub(super) fn add(&mut self, mut event: Event, tables: &mut Tables) -> Result<()> {
        if let Some(source) = event.value.get_mut("source") {
            *source = Json::number(tables.sources.add(source.to_string()));
        }
        if let Some(Json::Array(changes)) = event.value.get_mut("tableChanges") {
            for change in changes {
                *change = Json::number(tables.changes.add(change.to_string()));
            }
        }
        let mut line: Line = vec![
            ("topic".into(), Json::plain_text(&event.topic.replace('\\', "\\\\").replace('"', "\\\""))),
            ("key".into(), event.key),
            ("value".into(), event.value),
        ];
        for (name, schema) in [("key_schema", event.key_schema), ("value_schema", event.value_schema)] {
            if let Some(schema) = schema {
                line.push((name.into(), Json::number(tables.add_schema(schema)?)));
            }
        }
        let is_null = line.iter().any(|(name, value)| name == "value" && value.is_null());
        if is_null && !event.is_tombstone {
            line.push(("tombstone".into(), Json::Scalar("false".into())));
        }
        let Json::Object(headers) = event.headers else { bail!("headers are no object") };
        let (context, mut headers): (Vec<_>, Vec<_>) =
            headers.into_iter().partition(|(name, _)| name.starts_with(CONTEXT));
        let count = context.len();
        ensure!(count == 0 || count == 4, "{count} headers of the context");
        if count == 0 {
            line.push(("context".into(), Json::Scalar("false".into())));
        }
        for (_, header) in &mut headers {
            if let Some(schema) = header.take("schema") {
                let data = header.take("payload").context("a header without data")?;
                let schema = Json::number(tables.add_schema(schema)?);
                *header = Json::Object(vec![("schema".into(), schema), ("payload".into(), data)]);
            }
        }
        if !headers.is_empty() {
            line.push(("headers".into(), Json::Object(headers)));
        }
        self.lines.push(line);
        Ok(())
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", Json::Object(line.clone()))).collect()
    }
}

/// Returns a line for each event of `default` that `other` lacks or has with other members, with its index.
///
/// # Errors
/// An event that is only in `other`.
pub(super) fn differences(default: &Recording, other: &Recording) -> Result<String> {
    let mut text = String::new();
    let mut others = other.lines.iter().peekable();
    for (index, expected) in default.lines.iter().enumerate() {
        let mut line: Line = vec![("index".into(), Json::number(index))];
        match others.next_if(|other| is_same_event(expected, other)) {
            Some(found) => line.extend(found.iter().filter(|member| !expected.contains(member)).cloned()),
            None => line.push(("absent".into(), Json::Scalar("true".into()))),
        }
        if line.len() > 1 {
            text += &format!("{}\n", Json::Object(line));
        }
    }
    ensure!(others.next().is_none(), "an event is not one of the default mode's");
    Ok(text)
}

/// Returns whether two lines are of the same event: of one topic, and tombstones both or neither.
fn is_same_event(left: &Line, right: &Line) -> bool {
    let topic = |line: &Line| line.first().cloned();
    let is_tombstone = |line: &Line| line.iter().any(|(name, value)| name == "value" && value.is_null());
    topic(left) == topic(right) && is_tombstone(left) == is_tombstone(right)
}

#[cfg(test)]
mod tests {
    use super::{Recording, differences};
    use crate::debezium::event::Event;
    use crate::debezium::schemas::Tables;

    fn record(events: &[&str], tables: &mut Tables) -> Recording {
        let mut recording = Recording::default();
        for event in events {
            let event = format!(r#"{{"topic":"t",{event},"tombstone":true,"headers":{{}}}}"#);
            recording.add(Event::parse(&event, true).unwrap(), tables).unwrap();
        }
        recording
    }

    fn with_schema(name: &str, value: &str) -> String {
        format!(
            r#""key":null,"value":{{"schema":{{"type":"struct","fields":[{{"type":"struct","fields":[],"name":"{name}","field":"after"}}]}},"payload":{value}}}"#
        )
    }

    #[test]
    fn structs_and_sources_are_lines_of_their_own() {
        let mut tables = Tables::default();
        let events = [with_schema("A", r#"{"source":{"a":1}}"#), with_schema("A", r#"{"source":{"a":1}}"#)];
        let text = record(&[&events[0], &events[1]], &mut tables).text();
        let line = r#"{"topic":"t","key":null,"value":{"source":0},"value_schema":1,"context":false}"#;
        assert_eq!(text, format!("{line}\n{line}\n"));
        assert_eq!(
            tables.schemas.text(),
            "{\"type\":\"struct\",\"fields\":[],\"name\":\"A\"}\n{\"type\":\"struct\",\"fields\":[{\"ref\":0,\"field\":\"after\"}]}\n"
        );
        assert_eq!(tables.sources.text(), "{\"a\":1}\n");
    }

    #[test]
    fn differences_are_by_index_and_member() {
        let mut tables = Tables::default();
        let (same, changed, other) = (with_schema("A", "1"), with_schema("A", "2"), with_schema("B", "3"));
        let tombstone = r#""key":null,"value":null"#;
        let default = record(&[&same, &changed, tombstone, &same], &mut tables);
        let mode = record(&[&same, &other, &same], &mut tables);
        assert_eq!(
            differences(&default, &mode).unwrap(),
            "{\"index\":1,\"value\":3,\"value_schema\":3}\n{\"index\":2,\"absent\":true}\n"
        );
        assert!(differences(&mode, &default).is_err());
    }
}
