//! The headers of events: the other key of an event that a change of a primary key gives, and the connector's
//! context. Values are JSON.

use super::connect_schema::SchemaBlock;
use super::connector::Connector;
use super::json::write;
use std::borrow::Cow;

/// The header's name and its value.
pub type Header = (Cow<'static, str>, String);

/// The schema of the context's texts.
const TEXT: &str = r#"{"type":"string","optional":false}"#;

/// Returns the header `__debezium.newkey` of the delete (and its tombstone) that a changed key gives.
/// `schema` is that of the key in headers, `key` the JSON of the key that the row has now.
pub fn new_key(schema: &SchemaBlock, key: &[u8]) -> Header {
    (Cow::Borrowed("__debezium.newkey"), value(schema, key))
}

/// Returns the header `__debezium.oldkey` of the create that a changed key gives. `schema` is that of the key
/// in headers, `key` the JSON of the key that the row had.
pub fn old_key(schema: &SchemaBlock, key: &[u8]) -> Header {
    (Cow::Borrowed("__debezium.oldkey"), value(schema, key))
}

/// The context that the headers of a table's events and of schema changes have, behind the other headers;
/// transaction boundaries, messages and heartbeats have none.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// `topic.prefix`.
    pub prefix: &'a str,
    /// The number of the task; 0 outside Kafka Connect.
    pub task_id: &'a str,
    /// The connector.
    pub connector: Connector,
    /// A UUID that is new at each start of a capture.
    pub run_id: &'a str,
}

impl Context<'_> {
    /// Returns the headers, with their schemas or without.
    pub fn headers(&self, with_schemas: bool) -> [Header; 4] {
        let schema = if with_schemas { SchemaBlock::with_schema(TEXT) } else { SchemaBlock::bare() };
        [
            ("__debezium.context.connectorLogicalName", self.prefix),
            ("__debezium.context.taskId", self.task_id),
            ("__debezium.context.connectorName", self.connector.name()),
            ("__debezium.context.runId", self.run_id),
        ]
        .map(|(name, text)| {
            let mut json = Vec::with_capacity(text.len() + 2);
            write(&mut json, text);
            (Cow::Borrowed(name), value(&schema, &json))
        })
    }
}

fn value(schema: &SchemaBlock, json: &[u8]) -> String {
    let mut out = Vec::new();
    schema.write(&mut out, |out| out.extend_from_slice(json));
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_schemas_or_not() {
        let context =
            Context { prefix: "zoo", task_id: "0", connector: Connector::Postgresql, run_id: "01a2" };
        let [prefix, task, connector, run] = context.headers(true);
        assert_eq!(prefix.0, "__debezium.context.connectorLogicalName");
        assert_eq!(prefix.1, r#"{"schema":{"type":"string","optional":false},"payload":"zoo"}"#);
        assert_eq!(
            [&*task.0, &*connector.0],
            ["__debezium.context.taskId", "__debezium.context.connectorName"]
        );
        assert_eq!(connector.1, r#"{"schema":{"type":"string","optional":false},"payload":"postgresql"}"#);
        assert_eq!(run.0, "__debezium.context.runId");
        assert_eq!(context.headers(false)[3].1, "\"01a2\"");
        let key = new_key(&SchemaBlock::bare(), br#"{"id":1}"#);
        assert_eq!(key, (Cow::Borrowed("__debezium.newkey"), r#"{"id":1}"#.to_owned()));
        let key = old_key(&SchemaBlock::with_schema("{}"), br#"{"id":1}"#);
        assert_eq!(key.1, r#"{"schema":{},"payload":{"id":1}}"#);
    }
}
