//! The settings of transformations: a Java class, by which Debezium knows it, and its options.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A transformation. In a settings file its options are members beside `type`, with Debezium's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TransformSettings {
    /// The Java class, such as `io.debezium.transforms.ExtractNewRecordState`.
    #[serde(rename = "type")]
    pub class: String,
    /// Which records are transformed. Default: all.
    #[serde(default)]
    pub predicate: Option<PredicateSettings>,
    /// Whether those records are transformed for which the predicate does not hold.
    #[serde(default)]
    pub negate: bool,
    /// The options of the class.
    #[serde(flatten, deserialize_with = "options")]
    pub options: BTreeMap<String, String>,
}

/// A condition of records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PredicateSettings {
    /// The Java class, such as `org.apache.kafka.connect.transforms.predicates.TopicNameMatches`.
    #[serde(rename = "type")]
    pub class: String,
    /// The options of the class.
    #[serde(flatten, deserialize_with = "options")]
    pub options: BTreeMap<String, String>,
}

/// The value of an option, or options whose names begin alike: TOML reads `add.fields` as a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum OptionValue {
    Text(String),
    Boolean(bool),
    Number(i64),
    List(Vec<String>),
    Options(BTreeMap<String, OptionValue>),
}

fn options<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut options = BTreeMap::new();
    for (name, value) in BTreeMap::<String, OptionValue>::deserialize(deserializer)? {
        add(name, value, &mut options);
    }
    Ok(options)
}

fn add(name: String, value: OptionValue, options: &mut BTreeMap<String, String>) {
    let text = match value {
        OptionValue::Text(text) => text,
        OptionValue::Boolean(value) => value.to_string(),
        OptionValue::Number(value) => value.to_string(),
        OptionValue::List(values) => values.join(","),
        OptionValue::Options(inner) => {
            for (rest, value) in inner {
                add(format!("{name}.{rest}"), value, options);
            }
            return;
        }
    };
    options.insert(name, text);
}

/// The options of a class while they are read.
pub(super) struct Options<'a>(&'a BTreeMap<String, String>);

impl<'a> Options<'a> {
    /// Takes options that are known; one that is not known can change the events.
    pub(super) fn new(options: &'a BTreeMap<String, String>, known: &[&str]) -> Result<Self, String> {
        match options.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("the option {name} is not supported: remove it, or correct its name")),
            None => Ok(Self(options)),
        }
    }

    /// Returns an option that is set and not blank, without blanks around it.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.exact(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Returns an option that is set, as it is.
    pub(super) fn exact(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns an option that must be set, as it is.
    pub(super) fn required(&self, name: &str) -> Result<&'a str, String> {
        let text = self.exact(name).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| format!("the option {name} is not set"))
    }

    pub(super) fn boolean(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.text(name) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(format!("{name} is {text:?}: write true or false")),
        }
    }
}
