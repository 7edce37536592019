//! Predicates: which records a transformation applies to.

use super::draft::{Draft, Value};
use super::java_regex::WholePattern;
use super::settings::{Options, PredicateSettings};

const PACKAGE: &str = "org.apache.kafka.connect.transforms.predicates.";

/// A condition of a record.
#[derive(Debug)]
pub(super) enum Predicate {
    /// An expression matches the whole topic.
    TopicNameMatches(WholePattern),
    /// There is no value.
    RecordIsTombstone,
}

impl Predicate {
    /// Creates the predicate of a class; the error is why it cannot be used.
    pub(super) fn new(settings: &PredicateSettings) -> Result<Self, String> {
        let class = settings.class.trim();
        let predicate = match class.strip_prefix(PACKAGE) {
            Some("TopicNameMatches") => {
                let options = Options::new(&settings.options, &["pattern"])?;
                Self::TopicNameMatches(WholePattern::new(options.required("pattern")?)?)
            }
            Some("RecordIsTombstone") => {
                Options::new(&settings.options, &[])?;
                Self::RecordIsTombstone
            }
            _ => {
                return Err(format!(
                    "the predicate {class} is not supported: TopicNameMatches and RecordIsTombstone of {} are",
                    PACKAGE.trim_end_matches('.')
                ));
            }
        };
        Ok(predicate)
    }

    pub(super) fn holds(&self, draft: &Draft<'_>) -> bool {
        match self {
            Self::TopicNameMatches(pattern) => pattern.is_match(&draft.topic),
            Self::RecordIsTombstone => matches!(draft.value, Value::Absent | Value::Null { .. }),
        }
    }
}
