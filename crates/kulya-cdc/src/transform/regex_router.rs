//! `RegexRouter` of Kafka Connect: topics that an expression matches as a whole get another name.

use super::draft::Draft;
use super::java_regex::Replacement;
use super::settings::Options;
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct RegexRouter {
    topic: Replacement,
}

impl RegexRouter {
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let options = Options::new(options, &["regex", "replacement"])?;
        let replacement = options.exact("replacement").ok_or("the option replacement is not set")?;
        Ok(Self { topic: Replacement::new(options.required("regex")?, replacement)? })
    }

    pub(super) fn apply<'a>(&self, mut draft: Draft<'a>) -> Draft<'a> {
        if let Some(topic) = self.topic.apply(&draft.topic) {
            draft.topic = Cow::Owned(topic);
            draft.is_copy = true;
        }
        draft
    }
}
