//! By whose rules a group's schemas are judged. A group says so by its labels, so that a client that knows nothing of
//! these rules can choose them too:
//!
//! | label | values | meaning |
//! |---|---|---|
//! | `kulya.rules` | `java` (taken when it is left out) | the Java registry's verdicts: Avro Java's for Avro; a policy other than AllowAny and DenyAll lets every other format pass |
//! | | `strict` | each format by its own specification |
//! | `kulya.protobuf` | `wire` (taken when it is left out), `json` | how a strict group's Protobuf events are written: in the wire format alone, or as JSON too |
//! | `kulya.unknown` | `refuse` (taken when it is left out), `allow` | what a strict group does when nobody can tell whether two schemas are compatible |

use crate::protobuf::Safety;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Labels that begin with this are ours.
const OURS: &str = "kulya.";
const RULES: &str = "kulya.rules";
const PROTOBUF: &str = "kulya.protobuf";
const UNKNOWN: &str = "kulya.unknown";

/// By whose rules schemas are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rules {
    /// As the Java registry (contract §3).
    #[default]
    Java,
    /// As each format's specification, with what the contract calls defects mended: symbols and names of Avro's are
    /// compared, a member of a union is judged as itself on both sides, each side of a policy looks only as far back as
    /// it says, and an empty group can be read.
    Strict(Strict),
}

/// What a strict group chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Strict {
    /// How Protobuf events may be written.
    pub protobuf: Safety,
    /// Whether a schema passes when it cannot be told that it is compatible.
    pub unknown: Unknown,
}

/// What is done when nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Unknown {
    /// The schema is refused, with what could not be told as its reason.
    #[default]
    Refuse,
    /// The schema passes.
    Allow,
}

impl Default for Strict {
    fn default() -> Self {
        Self { protobuf: Safety::Wire, unknown: Unknown::Refuse }
    }
}

impl Rules {
    /// The strict rules, with what is taken when nothing is said.
    pub fn strict() -> Self {
        Self::Strict(Strict::default())
    }

    /// What a group's labels say. A label that begins with `kulya.` and is none of ours, or has none of its values, is an
    /// error: a misspelt one would quietly judge by other rules.
    pub fn of(labels: &BTreeMap<String, String>) -> Result<Self> {
        for key in labels.keys().filter(|key| key.starts_with(OURS)) {
            if ![RULES, PROTOBUF, UNKNOWN].contains(&key.as_str()) {
                let known = format!("{RULES}, {PROTOBUF} and {UNKNOWN}");
                return Err(Error::new(format!(
                    "property {key:.80?} is unknown: those that begin with \"{OURS}\" are {known}"
                )));
            }
        }
        let text = |key: &str| labels.get(key).map(String::as_str);
        let wrong = |key: &str, known: &str| {
            let value = text(key).unwrap_or_default();
            Err(Error::new(format!("property {key:?} has the value {value:.80?}: choose {known}")))
        };
        let protobuf = match text(PROTOBUF) {
            None | Some("wire") => Safety::Wire,
            Some("json") => Safety::Json,
            Some(_) => return wrong(PROTOBUF, "wire or json"),
        };
        let unknown = match text(UNKNOWN) {
            None | Some("refuse") => Unknown::Refuse,
            Some("allow") => Unknown::Allow,
            Some(_) => return wrong(UNKNOWN, "refuse or allow"),
        };
        match text(RULES) {
            Some("strict") => Ok(Self::Strict(Strict { protobuf, unknown })),
            None | Some("java") => match [PROTOBUF, UNKNOWN].into_iter().find(|key| text(key).is_some()) {
                Some(key) => Err(Error::new(format!(
                    "property {key:?} means nothing without \"{RULES}\" = \"strict\": add it, or leave this one out"
                ))),
                None => Ok(Self::Java),
            },
            Some(_) => wrong(RULES, "java or strict"),
        }
    }

    /// The labels that say so; none for Java's.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let Self::Strict(strict) = self else { return BTreeMap::new() };
        let mut labels = BTreeMap::from([(RULES.to_owned(), "strict".to_owned())]);
        if strict.protobuf == Safety::Json {
            labels.insert(PROTOBUF.to_owned(), "json".to_owned());
        }
        if strict.unknown == Unknown::Allow {
            labels.insert(UNKNOWN.to_owned(), "allow".to_owned());
        }
        labels
    }

    /// `java` or `strict`.
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

    fn of(labels: &[(&str, &str)]) -> Result<Rules> {
        Rules::of(&labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_groups_labels_choose_its_rules() {
        assert_eq!(of(&[("team", "shop")]), Ok(Rules::Java));
        assert_eq!(of(&[(RULES, "java")]), Ok(Rules::Java));
        assert_eq!(of(&[(RULES, "strict")]), Ok(Rules::strict()));
        let all = Rules::Strict(Strict { protobuf: Safety::Json, unknown: Unknown::Allow });
        assert_eq!(of(&[(RULES, "strict"), (PROTOBUF, "json"), (UNKNOWN, "allow")]), Ok(all));
        for rules in [Rules::Java, Rules::strict(), all] {
            assert_eq!(Rules::of(&rules.labels()), Ok(rules));
        }
    }

    #[test]
    fn what_is_misspelt_is_named() {
        for (labels, word) in [
            (&[("kulya.rule", "strict")][..], "kulya.rule"),
            (&[(RULES, "Strict")], "choose java or strict"),
            (&[(RULES, "strict"), (PROTOBUF, "binary")], "wire or json"),
            (&[(RULES, "strict"), (UNKNOWN, "")], "refuse or allow"),
            (&[(PROTOBUF, "json")], "means nothing without"),
        ] {
            let refused = of(labels).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }
}
