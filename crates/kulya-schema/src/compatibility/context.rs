//! The context of a compatibility check.

use crate::{Checkers, Compatibility, GroupProperties, Incompatibility, Result, Rules, UnknownPolicy};

/// The context of a compatibility check: the group's policy, rules and custom checkers.
#[derive(Debug, Clone)]
pub struct CompatibilityContext {
    /// The compatibility policy.
    pub compatibility: Compatibility,
    /// The rules of the comparison.
    pub rules: Rules,
    /// Whether the group has several types, so that each is checked against versions of its own type only.
    pub allow_multiple_types: bool,
    /// The compatibility checkers of custom formats.
    pub checkers: Checkers,
}

impl CompatibilityContext {
    /// Returns the context for a group.
    ///
    /// # Errors
    /// The group's labels name unknown rules.
    pub fn for_group(group: &GroupProperties, checkers: &Checkers) -> Result<Self> {
        Ok(Self {
            compatibility: group.compatibility.clone(),
            rules: Rules::from_labels(&group.properties)?,
            allow_multiple_types: group.allow_multiple_types,
            checkers: checkers.clone(),
        })
    }

    /// Filters the reasons that count: undecided ones do not, if the group allows unknown verdicts.
    pub(super) fn decisive(&self, reasons: Vec<Incompatibility>) -> impl Iterator<Item = Incompatibility> {
        let allows_unknown =
            matches!(self.rules, Rules::Strict(strict) if strict.unknown == UnknownPolicy::Allow);
        reasons.into_iter().filter(move |reason| reason.certain || !allows_unknown)
    }
}
