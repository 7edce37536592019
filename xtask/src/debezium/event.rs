//! One event of the engine, split into data and schemas, without what differs from run to run.
//!
//! Masked are times of processing and of commits, log positions, the server's id and thread, Debezium's
//! version and its run's id: a number becomes 0, a string `"*"`, null stays. The ids in blocks and events of
//! transactions become numbers in the order in which they appear.

use super::json::Json;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;

/// Times, which exist in three units, in an event and in its source.
const TIMES: [&str; 3] = ["ts_ms", "ts_us", "ts_ns"];
/// Members of a source that differ from run to run.
const SOURCE: [&str; 9] =
    ["version", "sequence", "txId", "lsn", "gtid", "file", "pos", "server_id", "thread"];
/// A column that the database's clock fills, as the end of a topic and the column's name.
const CLOCK_COLUMN: (&str, &str) = (".gen", "ts");
/// The beginnings of the names of fields and headers that a transformation adds.
const ADDED: [&str; 4] = ["__source_", "__", "h_source_", "h_"];
const RUN_ID: &str = "__debezium.context.runId";

/// An event: data and schemas of its key and value.
pub(super) struct Event {
    pub(super) topic: String,
    pub(super) key: Json,
    pub(super) value: Json,
    pub(super) headers: Json,
    pub(super) key_schema: Option<Json>,
    pub(super) value_schema: Option<Json>,
    /// Whether there is no value at all, which `null` as a value of a schema is not.
    pub(super) is_tombstone: bool,
}

impl Event {
    /// Parses a line of the engine's output.
    pub(super) fn parse(line: &str, has_schemas: bool) -> Result<Self> {
        let mut event = Json::parse(line).with_context(|| format!("the engine wrote {line:?}"))?;
        let mut take = |name: &str| event.take(name).with_context(|| format!("an event has no {name}"));
        let topic = take("topic")?.text().context("a topic is no string")?.to_owned();
        let (key, value, headers) = (take("key")?, take("value")?, take("headers")?);
        let is_tombstone = take("tombstone")?.to_string() == "true";
        let split = |document: Json| if has_schemas { split(document) } else { Ok((None, document)) };
        let ((key_schema, key), (value_schema, value)) = (split(key)?, split(value)?);
        Ok(Self { topic, key, value, headers, key_schema, value_schema, is_tombstone })
    }

    /// Returns the column `id` of the key, as text.
    pub(super) fn id(&self) -> Option<String> {
        self.key.get("id").map(Json::to_string)
    }

    /// Masks what differs from run to run.
    pub(super) fn mask(&mut self, transactions: &mut Transactions) -> Result<()> {
        mask_members(&mut self.value, &TIMES);
        mask_added(&mut self.value);
        mask_added(&mut self.headers);
        transactions.replace(self.value.get_mut("__transaction_id"));
        if let Some(source) = self.value.get_mut("source") {
            mask_members(source, &TIMES);
            mask_members(source, &SOURCE);
        }
        transactions.replace(self.value.get_mut("transaction").and_then(|block| block.get_mut("id")));
        if self.topic.ends_with(".transaction") {
            transactions.replace(self.key.get_mut("id"));
            transactions.replace(self.value.get_mut("id"));
            sort_messages(self.value.get_mut("data_collections"));
        }
        mask_addresses(&mut self.value);
        if let Some(run) = self.headers.get_mut(RUN_ID) {
            mask_members(run, &["payload"]);
        }
        if self.topic.ends_with(CLOCK_COLUMN.0) {
            for row in ["before", "after"] {
                self.value.get_mut(row).into_iter().for_each(|row| mask_members(row, &[CLOCK_COLUMN.1]));
            }
        }
        Ok(())
    }
}

/// Splits a document into schema and data; a document of null has neither.
fn split(mut document: Json) -> Result<(Option<Json>, Json)> {
    if document.is_null() {
        return Ok((None, document));
    }
    match (document.take("schema"), document.take("payload")) {
        (Some(schema), Some(data)) => Ok((Some(schema), data)),
        _ => bail!("an event has no schema"),
    }
}

fn mask_members(object: &mut Json, names: &[&str]) {
    for name in names {
        let Some(member) = object.get_mut(name) else { continue };
        if !member.is_null() {
            *member = if member.text().is_some() { Json::plain_text("*") } else { Json::number(0) };
        }
    }
}

/// Masks fields and headers that a transformation has added.
fn mask_added(object: &mut Json) {
    let Json::Object(members) = object else { return };
    for (name, value) in members {
        let original = ADDED.iter().find_map(|prefix| name.strip_prefix(prefix));
        if original.is_some_and(|name| TIMES.contains(&name) || SOURCE.contains(&name)) {
            if value.get("payload").is_some() {
                mask_members(value, &["payload"]);
            } else if !value.is_null() {
                *value = Json::number(0);
            }
        }
    }
}

/// Moves the messages of a transaction behind its tables: their place in a Java map depends on an address.
fn sort_messages(tables: Option<&mut Json>) {
    if let Some(Json::Array(tables)) = tables {
        tables.sort_by_key(|table| address(table.get("data_collection").unwrap_or(table)).is_some());
    }
}

/// Masks the addresses of Java objects, which are in the place of some values.
fn mask_addresses(value: &mut Json) {
    if let Some(before) = address(value) {
        *value = Json::plain_text(&format!("{before}@*"));
    }
    match value {
        Json::Scalar(_) => {}
        Json::Array(items) => items.iter_mut().for_each(mask_addresses),
        Json::Object(members) => members.iter_mut().for_each(|(_, member)| mask_addresses(member)),
    }
}

/// Returns what is before the address of a Java object, if a value is its text.
fn address(value: &Json) -> Option<&str> {
    let (class, address) = value.text()?.rsplit_once('@')?;
    let is_object = class.starts_with("[Ljava.") || class.starts_with("io.debezium.");
    (is_object && !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then_some(class)
}

/// The transaction ids of a run, numbered from 1.
#[derive(Default)]
pub(super) struct Transactions(HashMap<String, usize>);

impl Transactions {
    fn replace(&mut self, id: Option<&mut Json>) {
        let Some(id) = id.filter(|id| !id.is_null()) else { return };
        let text = id.to_string();
        // PostgreSQL's are followed by a log position
        let is_text = text.starts_with('"');
        let transaction = text.trim_matches('"');
        let transaction = match transaction.split_once(':') {
            Some((before, _)) if before.bytes().all(|byte| byte.is_ascii_digit()) => before,
            _ => transaction,
        };
        let next = self.0.len() + 1;
        let number = *self.0.entry(transaction.to_owned()).or_insert(next);
        *id = if is_text { Json::plain_text(&number.to_string()) } else { Json::number(number) };
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Transactions};

    #[test]
    fn what_differs_from_run_to_run_is_masked() {
        let line = r#"{"topic":"zoo.zoo.gen","tombstone":false,"key":{"schema":{"type":"K"},"payload":{"id":1}},"value":{"schema":{"type":"V"},"payload":{"before":null,"after":{"ts_ms":5,"ts":"now","t":["[Ljava.lang.String;@1f"]},"source":{"version":"3","ts_ms":1,"sequence":null,"lsn":7,"file":"binlog.1","table":"gen"},"transaction":{"id":"41:99","total_order":1},"ts_ms":2}},"headers":{"__debezium.context.runId":{"payload":"x"}}}"#;
        let mut event = Event::parse(line, true).unwrap();
        event.mask(&mut Transactions::default()).unwrap();
        assert_eq!(event.key.to_string(), r#"{"id":1}"#);
        assert_eq!(event.value_schema.unwrap().to_string(), r#"{"type":"V"}"#);
        assert_eq!(
            event.value.to_string(),
            r#"{"before":null,"after":{"ts_ms":5,"ts":"*","t":["[Ljava.lang.String;@*"]},"source":{"version":"*","ts_ms":0,"sequence":null,"lsn":0,"file":"*","table":"gen"},"transaction":{"id":"1","total_order":1},"ts_ms":0}"#
        );
        assert_eq!(event.headers.to_string(), r#"{"__debezium.context.runId":{"payload":"*"}}"#);
    }

    #[test]
    fn transactions_are_numbered_and_messages_come_last() {
        let mut transactions = Transactions::default();
        let mut masked = |id: &str| {
            let line = format!(
                r#"{{"topic":"zoo.transaction","tombstone":false,"key":{{"id":"{id}"}},"value":{{"id":"{id}","data_collections":[{{"data_collection":"io.debezium.LogicalDecodingMessage$Id@ab12"}},{{"data_collection":"a@b"}}]}},"headers":{{}}}}"#
            );
            let mut event = Event::parse(&line, false).unwrap();
            event.mask(&mut transactions).unwrap();
            event.value.to_string()
        };
        let with = |id: &str| {
            format!(
                r#"{{"id":"{id}","data_collections":[{{"data_collection":"a@b"}},{{"data_collection":"io.debezium.LogicalDecodingMessage$Id@*"}}]}}"#
            )
        };
        // PostgreSQL's ids are followed by a position, the others are GTIDs
        for (id, number) in [
            ("41:100", "1"),
            ("41:200", "1"),
            ("43:100", "2"),
            ("0-1-41", "3"),
            ("u-u:7", "4"),
            ("u-u:8", "5"),
        ] {
            assert_eq!(masked(id), with(number), "{id}");
        }
    }
}
