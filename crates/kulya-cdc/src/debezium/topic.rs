//! The names of Debezium's topics: of tables, transaction boundaries, heartbeats, schema changes and logical
//! decoding messages.

/// The longest name of a table's topic; the rest is cut off.
const MAX_LENGTH: usize = 249;

/// The parts that topic names have in common (`topic.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicNames<'a> {
    /// `topic.prefix`.
    pub prefix: &'a str,
    /// `topic.delimiter`.
    pub delimiter: &'a str,
    /// `topic.transaction`.
    pub transaction: &'a str,
    /// `topic.heartbeat.prefix`.
    pub heartbeat_prefix: &'a str,
}

impl<'a> TopicNames<'a> {
    /// The name between the prefix of a topic and what follows, if no other is set.
    pub const DEFAULT_DELIMITER: &'static str = ".";
    /// The last part of the transaction topic, if no other is set.
    pub const DEFAULT_TRANSACTION: &'static str = "transaction";
    /// The first part of the heartbeat topic, if no other is set.
    pub const DEFAULT_HEARTBEAT_PREFIX: &'static str = "__debezium-heartbeat";

    /// Returns the names with a prefix, all else as Debezium has it by default.
    pub fn new(prefix: &'a str) -> Self {
        Self {
            prefix,
            delimiter: Self::DEFAULT_DELIMITER,
            transaction: Self::DEFAULT_TRANSACTION,
            heartbeat_prefix: Self::DEFAULT_HEARTBEAT_PREFIX,
        }
    }

    /// Returns the topic of a table: `prefix.schema.table`, sanitised. With MySQL and MariaDB the schema is
    /// the database.
    pub fn table(&self, schema: &str, table: &str) -> String {
        let parts = [self.prefix, schema, table];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
        sanitize(&parts.join(self.delimiter))
    }

    /// Returns the topic of transaction boundaries: `prefix.transaction`.
    pub fn transaction(&self) -> String {
        [self.prefix, self.transaction].join(self.delimiter)
    }

    /// Returns the topic of heartbeats: `__debezium-heartbeat.prefix`.
    pub fn heartbeat(&self) -> String {
        [self.heartbeat_prefix, self.prefix].join(self.delimiter)
    }

    /// Returns the topic of schema changes: the prefix.
    pub fn schema_change(&self) -> &'a str {
        self.prefix
    }

    /// Returns the topic of PostgreSQL's logical decoding messages: `prefix.message`, whatever the delimiter.
    pub fn message(&self) -> String {
        format!("{}.message", self.prefix)
    }
}

/// Returns the topic of a table with the default parts.
pub fn table_topic(prefix: &str, schema: &str, table: &str) -> String {
    TopicNames::new(prefix).table(schema, table)
}

/// Replaces each character that a topic's name must not contain by `_`, a character outside the Basic
/// Multilingual Plane by two, as a program in Java sees it.
fn sanitize(name: &str) -> String {
    let mut topic = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '.' | '_' | '-' | 'a'..='z' | 'A'..='Z' | '0'..='9' => topic.push(c),
            _ => topic.extend(std::iter::repeat_n('_', c.len_utf16())),
        }
    }
    topic.truncate(MAX_LENGTH);
    match topic.as_str() {
        "." => "_".to_owned(),
        ".." => "__".to_owned(),
        _ => topic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn topics_have_debeziums_names() {
        let names = TopicNames::new("zoo");
        assert_eq!(names.table("zoo", "Mixed Case"), "zoo.zoo.Mixed_Case");
        assert_eq!(names.table("zoo", "übung-😀.x"), "zoo.zoo._bung-__.x");
        assert_eq!(names.table("", "t"), "zoo.t");
        assert_eq!(names.transaction(), "zoo.transaction");
        assert_eq!(names.heartbeat(), "__debezium-heartbeat.zoo");
        assert_eq!(names.schema_change(), "zoo");
        assert_eq!(names.message(), "zoo.message");
        let names = TopicNames { delimiter: "-", transaction: "tx", heartbeat_prefix: "hb", ..names };
        assert_eq!(names.table("a", "b"), "zoo-a-b");
        assert_eq!(
            [names.transaction(), names.heartbeat(), names.message()],
            ["zoo-tx", "hb-zoo", "zoo.message"]
        );
        assert_eq!(TopicNames::new(".").table("", ""), "_");
        assert_eq!(TopicNames::new("..").table("", ""), "__");
    }

    proptest! {
        #[test]
        fn names_of_tables_are_names_of_topics(prefix: String, schema: String, table in ".{0,300}") {
            let topic = table_topic(&prefix, &schema, &table);
            prop_assert!(topic.len() <= MAX_LENGTH);
            prop_assert!(topic.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c)));
        }
    }
}
