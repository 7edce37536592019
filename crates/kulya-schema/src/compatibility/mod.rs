//! Compatibility checks: whether a schema may be added to a group, and whether a reader may read it (contract
//! §3.1-3.3). In steps, so that a registry loads and parses only the schemas that matter:
//! [`versions_to_check`] selects the versions, [`group_equivalent`] groups those of equal compatibility
//! fingerprint, and [`check_add`] and [`check_read`] compare with one schema of each group. [`check`] does
//! all of it for schemas in memory.

mod add_check;
mod context;
mod prepared;
mod read_check;
mod refusal;
mod version_selection;

pub use add_check::{AddCheck, MAX_WARNINGS, check_add};
pub use context::CompatibilityContext;
pub use prepared::{EquivalentVersions, PreparedSchema};
pub use read_check::{ReadCheck, check_read};
pub use refusal::{Reason, Refusal, Warning};
pub use version_selection::{
    accepts_format, compares_schemas, group_equivalent, latest_of_each_type, versions_to_check,
};

use crate::{
    Budget, CanonicalSchema, Checkers, Compatibility, Incompatibility, Result, Rules, SchemaInfo,
    SchemaWithVersion, VersionInfo, canonicalize_with_budget,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Checks a new schema against all of a group's live versions, given in id order.
///
/// # Errors
/// The new schema cannot be parsed, or cannot be compared at all.
pub fn check(
    context: &CompatibilityContext,
    new: &CanonicalSchema,
    live: &[SchemaWithVersion],
) -> Result<std::result::Result<(), Refusal>> {
    check_versions(context, new, live, |check| check).map(|(verdict, _)| verdict)
}

/// Checks like [`check`], and returns what is accepted and may still be a mistake.
///
/// # Errors
/// As [`check`].
pub fn check_with_warnings(
    context: &CompatibilityContext,
    new: &CanonicalSchema,
    live: &[SchemaWithVersion],
) -> Result<(std::result::Result<(), Refusal>, Vec<Warning>)> {
    check_versions(context, new, live, AddCheck::with_warnings)
}

fn check_versions(
    context: &CompatibilityContext,
    new: &CanonicalSchema,
    live: &[SchemaWithVersion],
    configure: impl FnOnce(AddCheck) -> AddCheck,
) -> Result<(std::result::Result<(), Refusal>, Vec<Warning>)> {
    let type_name = &new.schema.type_name;
    let budget = Budget::default();
    let prepared = PreparedSchema::new(new, context, &budget)?;
    let selected = versions_to_check(context, type_name, live.iter().map(|old| &old.version));
    let by_id: HashMap<u32, &SchemaInfo> = live.iter().map(|old| (old.version.id, &old.schema)).collect();
    let schema = |version: &VersionInfo| by_id.get(&version.id).copied();
    let fingerprint = |version: &VersionInfo| {
        if !prepared.can_group_by_fingerprint() {
            return None;
        }
        Some(canonicalize_with_budget(schema(version)?.clone(), &budget).ok()?.compatibility_fingerprint)
    };
    let fingerprinted =
        selected.into_iter().map(|version| (version.clone(), fingerprint(&version))).collect();
    let groups = group_equivalent(fingerprinted);
    let mut check = configure(AddCheck::new(context, type_name, groups.iter().flatten()));
    for versions in groups {
        let Some(representative) = versions.first().and_then(schema) else { continue };
        let schema = Arc::new(PreparedSchema::from_registered(representative, context, &budget));
        check.compare(&prepared, &EquivalentVersions { schema, versions }, &budget)?;
    }
    let warnings = check.take_warnings();
    let verdict = check.finish();
    if verdict.is_ok() {
        budget.try_spend(0, type_name)?;
    }
    Ok((verdict, warnings))
}

/// Returns what keeps `new` from reading data of `old`, and what keeps `old` from reading data of `new`. A
/// schema that cannot be parsed is reported as a reason.
pub fn compare_both_directions(
    new: &SchemaInfo,
    old: &SchemaInfo,
    rules: Rules,
    checkers: &Checkers,
    budget: &Budget,
) -> (Vec<Incompatibility>, Vec<Incompatibility>) {
    let (compatibility, checkers) = (Compatibility::Full, checkers.clone());
    let context = CompatibilityContext { compatibility, rules, allow_multiple_types: true, checkers };
    let (new, old) = (
        PreparedSchema::from_registered(new, &context, budget),
        PreparedSchema::from_registered(old, &context, budget),
    );
    (new.incompatibilities(&old, &rules, budget), old.incompatibilities(&new, &rules, budget))
}

#[cfg(test)]
mod tests;
