//! Which events are written and what surrounds their rows: schemas, headers, tombstones, transaction
//! metadata, and the parts of topic names.

use super::encoding::Encoding;
use super::envelope::Operation;
use super::name_adjustment::NameAdjustment;
use super::topic::TopicNames;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The format of a capture's events. In a settings file all members are optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EventFormat {
    /// The first part of topic names, and `source.name` (`topic.prefix`).
    pub topic_prefix: String,
    /// The text between the parts of topic names (`topic.delimiter`).
    pub topic_delimiter: String,
    /// The last part of the transaction topic (`topic.transaction`).
    pub topic_transaction: String,
    /// The first part of the heartbeat topic (`topic.heartbeat.prefix`).
    pub topic_heartbeat_prefix: String,
    /// Whether keys contain their schema (`key.converter.schemas.enable`).
    pub schemas_in_keys: bool,
    /// Whether values contain their schema (`value.converter.schemas.enable`).
    pub schemas_in_values: bool,
    /// Whether headers contain their schema (`header.converter.schemas.enable`).
    pub schemas_in_headers: bool,
    /// Whether a tombstone follows each delete (`tombstones.on.delete`).
    pub tombstones_on_delete: bool,
    /// Whether events have a transaction block, and transactions records of their begin and end
    /// (`provide.transaction.metadata`).
    pub provide_transaction_metadata: bool,
    /// Operations that give no events (`skipped.operations`).
    pub skipped_operations: OperationSet,
    /// Whether events have the headers `__debezium.context.*`.
    pub context_headers: bool,
    /// How the values of tables' events are encoded in a store.
    pub encoding: Encoding,
    /// How the names of tables' schemas are changed (`schema.name.adjustment.mode`).
    pub schema_names: NameAdjustment,
    /// How the names of columns are changed to those of fields (`field.name.adjustment.mode`).
    pub field_names: NameAdjustment,
}

impl Default for EventFormat {
    fn default() -> Self {
        Self {
            topic_prefix: String::new(),
            topic_delimiter: TopicNames::DEFAULT_DELIMITER.to_owned(),
            topic_transaction: TopicNames::DEFAULT_TRANSACTION.to_owned(),
            topic_heartbeat_prefix: TopicNames::DEFAULT_HEARTBEAT_PREFIX.to_owned(),
            schemas_in_keys: false,
            schemas_in_values: false,
            schemas_in_headers: false,
            tombstones_on_delete: true,
            provide_transaction_metadata: false,
            skipped_operations: OperationSet::default(),
            context_headers: false,
            encoding: Encoding::default(),
            schema_names: NameAdjustment::None,
            field_names: NameAdjustment::None,
        }
    }
}

impl EventFormat {
    /// Returns the topics' names.
    pub fn topics(&self) -> TopicNames<'_> {
        TopicNames {
            prefix: &self.topic_prefix,
            delimiter: &self.topic_delimiter,
            transaction: &self.topic_transaction,
            heartbeat_prefix: &self.topic_heartbeat_prefix,
        }
    }
}

/// A set of operations. In a settings file a list of letters, in Debezium's properties a text like `c,t`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Operation>", into = "Vec<Operation>")]
pub struct OperationSet(u8);

impl OperationSet {
    /// Whether the set contains an operation.
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    fn bit(operation: Operation) -> u8 {
        1 << operation as u8
    }
}

impl FromIterator<Operation> for OperationSet {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self(operations.into_iter().fold(0, |set, operation| set | Self::bit(operation)))
    }
}

impl From<Vec<Operation>> for OperationSet {
    fn from(operations: Vec<Operation>) -> Self {
        operations.into_iter().collect()
    }
}

impl From<OperationSet> for Vec<Operation> {
    fn from(set: OperationSet) -> Self {
        Operation::ALL.into_iter().filter(|operation| set.contains(*operation)).collect()
    }
}

/// A text that names no operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOperation(String);

impl fmt::Display for UnknownOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown operation {:?}: give `none`, or letters of c, u, d, r, t, m with commas between",
            self.0
        )
    }
}

impl std::error::Error for UnknownOperation {}

impl FromStr for OperationSet {
    type Err = UnknownOperation;

    /// Reads the value of `skipped.operations`.
    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        if text.trim() == "none" {
            return Ok(Self::default());
        }
        let mut set = 0;
        for word in text.split(',').map(str::trim) {
            let mut letters = word.chars();
            let operation = match (letters.next(), letters.next()) {
                (Some(letter), None) => Operation::ALL.into_iter().find(|found| found.code() == letter),
                _ => None,
            };
            set |= Self::bit(operation.ok_or_else(|| UnknownOperation(word.to_owned()))?);
        }
        Ok(Self(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn settings_have_kebab_case() {
        let text = r#"{"topic-prefix":"shop","schemas-in-values":true,"tombstones-on-delete":false,
            "skipped-operations":["t","c"],"context-headers":true}"#;
        let format: EventFormat = serde_json::from_str(text).unwrap();
        assert!(format.schemas_in_values && !format.tombstones_on_delete && format.context_headers);
        let skipped = Operation::ALL.map(|operation| format.skipped_operations.contains(operation));
        assert_eq!(skipped, [true, false, false, false, true, false]);
        assert_eq!(format.topics(), TopicNames::new("shop"));
        let written = serde_json::to_string(&format).unwrap();
        assert!(written.contains(r#""skipped-operations":["c","t"]"#), "{written}");
        assert_eq!(serde_json::from_str::<EventFormat>(&written).unwrap(), format);
        assert!(serde_json::from_str::<EventFormat>(r#"{"tombstones":true}"#).is_err());
    }

    #[test]
    fn operations_are_read_from_properties() {
        for (text, expected) in [("none", ""), ("t", "t"), ("c, u,d", "cud"), ("t,t", "t")] {
            let operations: Vec<Operation> = text.parse::<OperationSet>().unwrap().into();
            assert_eq!(operations.into_iter().map(Operation::code).collect::<String>(), expected, "{text}");
        }
        for text in ["", "x", "cu", "c,,d", "C"] {
            assert!(text.parse::<OperationSet>().is_err(), "{text}");
        }
        let error = "c,x".parse::<OperationSet>().unwrap_err();
        assert!(error.to_string().starts_with("unknown operation \"x\": give"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<OperationSet>();
        }
    }
}
