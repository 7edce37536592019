//! One reason why a reader's schema does not take what a writer's allows, in one shape for all formats.

use crate::{avro, json_schema, protobuf};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// One reason: the rule, its place in both schemas, what stands there, and what would mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incompatibility {
    /// The rule that is broken: the format's word and the rule's, as `avro/missing-default`. Rules keep their names.
    pub rule: String,
    /// Where in the reader's schema, in the format's own way to say it.
    pub reader_path: String,
    /// Where in the writer's schema.
    pub writer_path: String,
    /// What stands there in the reader's schema, shortened; empty for nothing.
    pub reader: String,
    /// What stands there in the writer's schema, shortened; empty for nothing.
    pub writer: String,
    /// What is wrong there, for a person.
    pub message: String,
    /// What would mend it; empty when nobody can say.
    pub fix: String,
    /// A value that the writer's schema allows and the reader's does not, where the checker found one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Value>,
    /// `false`: the checker could not tell, and this says where and why.
    pub certain: bool,
}

impl Incompatibility {
    /// What cannot be told, of a pair as a whole.
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
    /// About how many bytes it takes to tell.
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
            Some(witness) => write!(f, "; for example {}", json_schema::shortened(witness)),
            None => Ok(()),
        }
    }
}

impl From<avro::Incompatibility> for Incompatibility {
    fn from(why: avro::Incompatibility) -> Self {
        let avro::Incompatibility { rule, reader_path, writer_path, reader, writer, message } = why;
        Self {
            rule: format!("avro/{}", rule.name()),
            reader_path,
            writer_path,
            reader,
            writer,
            message,
            fix: rule.fix().to_owned(),
            witness: None,
            certain: true,
        }
    }
}

impl From<protobuf::Incompatibility> for Incompatibility {
    fn from(why: protobuf::Incompatibility) -> Self {
        let protobuf::Incompatibility { rule, reader_path, writer_path, reader, writer, message, fix } = why;
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
    fn from(why: json_schema::Incompatibility) -> Self {
        let certain = why.witness.is_some();
        Self {
            rule: format!("json-schema/{}", why.rule.name()),
            reader_path: why.reader_path,
            writer_path: why.writer_path,
            reader: why.reader_fragment,
            writer: why.writer_fragment,
            message: why.message,
            fix: why.suggestion.to_owned(),
            witness: why.witness,
            certain,
        }
    }
}
