//! One reason why a reader's schema cannot read what a writer's schema allows, in one structure for all
//! formats.

use crate::{avro, json_schema, protobuf};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// One incompatibility: the broken rule, its location in both schemas, the fragments there, and a suggested
/// fix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incompatibility {
    /// The broken rule: the format's name and the rule's, such as `avro/missing-default`. Rule names are
    /// stable.
    pub rule: String,
    /// The location in the reader's schema, in the format's own notation.
    pub reader_path: String,
    /// The location in the writer's schema, in the format's own notation.
    pub writer_path: String,
    /// The fragment of the reader's schema at that location, truncated; empty if there is none.
    pub reader: String,
    /// The fragment of the writer's schema at that location, truncated; empty if there is none.
    pub writer: String,
    /// A description of the problem for people.
    pub message: String,
    /// A suggested fix; empty if there is none.
    pub fix: String,
    /// A value that the writer's schema allows and the reader's rejects, where the checker found one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Value>,
    /// Whether the incompatibility is proven; `false` if the checker could not decide, and `message` says
    /// why.
    pub certain: bool,
}

impl Incompatibility {
    /// Creates an undecided incompatibility of a pair of schemas as a whole.
    pub fn unknown(rule: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            reader_path: String::new(),
            writer_path: String::new(),
            reader: String::new(),
            writer: String::new(),
            message: message.into(),
            fix: fix.into(),
            witness: None,
            certain: false,
        }
    }
}

impl Incompatibility {
    /// Returns the approximate size of its text in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        let texts =
            [&self.reader_path, &self.writer_path, &self.reader, &self.writer, &self.message, &self.fix];
        let witness = self.witness.as_ref().map_or(0, |witness| witness.to_string().len());
        texts.iter().map(|text| text.len()).sum::<usize>() + witness
    }
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.reader_path.is_empty() {
            write!(f, "{}: ", self.reader_path)?;
        }
        f.write_str(&self.message)?;
        match &self.witness {
            Some(witness) => write!(f, "; for example {}", crate::text::truncated_json(witness)),
            None => Ok(()),
        }
    }
}

impl From<avro::Incompatibility> for Incompatibility {
    fn from(reason: avro::Incompatibility) -> Self {
        let avro::Incompatibility { rule, reader_path, writer_path, reader, writer, message } = reason;
        Self {
            rule: format!("avro/{}", rule.name()),
            reader_path,
            writer_path,
            reader,
            writer,
            message,
            fix: rule.fix().to_owned(),
            witness: None,
            certain: rule != avro::Rule::OverBudget,
        }
    }
}

impl From<protobuf::Incompatibility> for Incompatibility {
    fn from(reason: protobuf::Incompatibility) -> Self {
        let protobuf::Incompatibility { rule, reader_path, writer_path, reader, writer, message, fix } =
            reason;
        Self {
            rule: format!("protobuf/{}", rule.name()),
            reader_path,
            writer_path,
            reader,
            writer,
            message,
            fix,
            witness: None,
            certain: rule != protobuf::Rule::TooManyComparisons,
        }
    }
}

impl From<json_schema::Incompatibility> for Incompatibility {
    fn from(reason: json_schema::Incompatibility) -> Self {
        Self {
            rule: format!("json-schema/{}", reason.rule.name()),
            reader_path: reason.reader_path,
            writer_path: reason.writer_path,
            reader: reason.reader_fragment,
            writer: reason.writer_fragment,
            message: reason.message,
            fix: reason.suggestion.to_owned(),
            witness: reason.witness,
            certain: reason.certain,
        }
    }
}
