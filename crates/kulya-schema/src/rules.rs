//! The compatibility rules of a group. A group chooses them by its labels, so that a client that does not
//! know these rules can choose them too:
//!
//! - `kulya.rules`: `java` (the default) for the Java registry's verdicts, which are Avro Java's for Avro,
//!   and accept all schemas of other formats under every policy but DenyAll; `strict` for each format's own
//!   specification.
//! - `kulya.protobuf`, with `strict`: the encodings of Protobuf events, `wire` (the default) for only the
//!   wire format, `json` for JSON too.
//! - `kulya.unknown`, with `strict`: the action when the compatibility of two schemas is unknown, `refuse`
//!   (the default) or `allow`.

use crate::protobuf::Safety;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// The prefix of labels that choose rules.
const PREFIX: &str = "kulya.";
const RULES: &str = "kulya.rules";
const PROTOBUF: &str = "kulya.protobuf";
const UNKNOWN: &str = "kulya.unknown";

/// The compatibility rules of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rules {
    /// The Java registry's rules (contract §3).
    #[default]
    Java,
    /// Each format's specification, without the defects that the contract lists: Avro's symbols and names are
    /// compared, a member of a union is compared on its own on both sides, each direction of a policy covers
    /// only its own scope, and an empty group can be read.
    Strict(StrictRules),
}

/// The options of strict rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StrictRules {
    /// The encodings of Protobuf events.
    pub protobuf: Safety,
    /// The action when compatibility is unknown.
    pub unknown: UnknownPolicy,
}

/// The action when compatibility is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UnknownPolicy {
    /// The schema is refused, with the undecided comparison as the reason.
    #[default]
    Refuse,
    /// The schema is accepted.
    Allow,
}

impl Default for StrictRules {
    fn default() -> Self {
        Self { protobuf: Safety::Wire, unknown: UnknownPolicy::Refuse }
    }
}

impl Rules {
    /// Returns the strict rules with default options.
    pub fn strict() -> Self {
        Self::Strict(StrictRules::default())
    }

    /// Parses a group's labels. Unknown labels that start with `kulya.` are errors, because a misspelt one
    /// would silently choose other rules.
    ///
    /// # Errors
    /// A label that starts with `kulya.` is unknown or has an unknown value, or is given without
    /// `kulya.rules` = `strict`.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Result<Self> {
        for key in labels.keys().filter(|key| Self::is_rule_label(key)) {
            if ![RULES, PROTOBUF, UNKNOWN].contains(&key.as_str()) {
                let known = format!("{RULES}, {PROTOBUF} and {UNKNOWN}");
                return Err(Error::new(format!(
                    "property {key:.80?} is unknown: those that start with \"{PREFIX}\" are {known}"
                )));
            }
        }
        let text = |key: &str| labels.get(key).map(String::as_str);
        let invalid = |key: &str, known: &str| {
            let value = text(key).unwrap_or_default();
            Err(Error::new(format!("property {key:?} has the value {value:.80?}: choose {known}")))
        };
        let protobuf = match text(PROTOBUF) {
            None | Some("wire") => Safety::Wire,
            Some("json") => Safety::Json,
            Some(_) => return invalid(PROTOBUF, "wire or json"),
        };
        let unknown = match text(UNKNOWN) {
            None | Some("refuse") => UnknownPolicy::Refuse,
            Some("allow") => UnknownPolicy::Allow,
            Some(_) => return invalid(UNKNOWN, "refuse or allow"),
        };
        match text(RULES) {
            Some("strict") => Ok(Self::Strict(StrictRules { protobuf, unknown })),
            None | Some("java") => match [PROTOBUF, UNKNOWN].into_iter().find(|key| text(key).is_some()) {
                Some(key) => Err(Error::new(format!(
                    "property {key:?} has no effect without \"{RULES}\" = \"strict\": add it, or remove this one"
                ))),
                None => Ok(Self::Java),
            },
            Some(_) => invalid(RULES, "java or strict"),
        }
    }

    /// Returns the labels of these rules; none for Java's.
    pub fn to_labels(&self) -> BTreeMap<String, String> {
        let Self::Strict(strict) = self else { return BTreeMap::new() };
        let mut labels = BTreeMap::from([(RULES.to_owned(), "strict".to_owned())]);
        if strict.protobuf == Safety::Json {
            labels.insert(PROTOBUF.to_owned(), "json".to_owned());
        }
        if strict.unknown == UnknownPolicy::Allow {
            labels.insert(UNKNOWN.to_owned(), "allow".to_owned());
        }
        labels
    }

    /// Returns whether a label chooses rules.
    pub(crate) fn is_rule_label(key: &str) -> bool {
        key.starts_with(PREFIX)
    }

    /// Returns `java` or `strict`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Strict(_) => "strict",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(labels: &[(&str, &str)]) -> Result<Rules> {
        Rules::from_labels(
            &labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn labels_of_a_group_choose_its_rules() {
        assert_eq!(parse(&[("team", "shop")]), Ok(Rules::Java));
        assert_eq!(parse(&[(RULES, "java")]), Ok(Rules::Java));
        assert_eq!(parse(&[(RULES, "strict")]), Ok(Rules::strict()));
        let all = Rules::Strict(StrictRules { protobuf: Safety::Json, unknown: UnknownPolicy::Allow });
        assert_eq!(parse(&[(RULES, "strict"), (PROTOBUF, "json"), (UNKNOWN, "allow")]), Ok(all));
        for rules in [Rules::Java, Rules::strict(), all] {
            assert_eq!(Rules::from_labels(&rules.to_labels()), Ok(rules));
        }
    }

    #[test]
    fn misspelt_labels_are_named() {
        for (labels, word) in [
            (&[("kulya.rule", "strict")][..], "kulya.rule"),
            (&[(RULES, "Strict")], "choose java or strict"),
            (&[(RULES, "strict"), (PROTOBUF, "binary")], "wire or json"),
            (&[(RULES, "strict"), (UNKNOWN, "")], "refuse or allow"),
            (&[(PROTOBUF, "json")], "has no effect without"),
        ] {
            let message = parse(labels).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
