//! The encodings of the values of a table's events.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The encoding of the values of a table's events in a store. Other events, and those of a recording, are
/// JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// JSON, with its schema or without. The table's group has the schema of the rows.
    #[default]
    Json,
    /// JSON behind a header with the encoding id, by which the table's group has the JSON schema of the
    /// event.
    JsonSchema,
    /// Avro's binary encoding behind such a header; the group has the Avro schema of the event.
    Avro,
}

impl Encoding {
    /// The names, as a settings file has them.
    pub const NAMES: [&'static str; 3] = ["json", "json-schema", "avro"];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonSchema => "json-schema",
            Self::Avro => "avro",
        }
    }

    /// Returns whether events are written behind a header, with an id of the schema of the whole event.
    pub fn has_header(self) -> bool {
        self != Self::Json
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Json, Self::JsonSchema, Self::Avro].into_iter().find(|known| known.name() == text);
        found.ok_or_else(|| format!("write {}", Self::NAMES.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_have_the_same_name_everywhere() {
        for name in Encoding::NAMES {
            let encoding: Encoding = name.parse().unwrap();
            assert_eq!(encoding.to_string(), name);
            assert_eq!(serde_json::from_str::<Encoding>(&format!("\"{name}\"")).unwrap(), encoding);
            assert_eq!(encoding.has_header(), name != "json");
        }
        assert!("protobuf".parse::<Encoding>().unwrap_err().contains("json-schema, avro"));
    }
}
