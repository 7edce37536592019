//! The verdict on a schema in a file, by the policy and rules of a command's arguments.

use crate::args::registry::CheckArgs;
use anyhow::{Context, Result, bail};
use kulya_registry_api::administration::Verdict;
use kulya_schema::compatibility::{self, CompatibilityContext};
use kulya_schema::{
    CanonicalSchema, Checkers, Compatibility, GroupProperties, Rules, SchemaWithVersion, VersionInfo,
    validation,
};
use std::collections::HashMap;

/// Judges a schema by the policy and rules of the arguments, against earlier ones in order.
///
/// # Errors
/// No policy, or one that no group may have, and what the comparison reports.
pub(super) fn judge(
    new: &CanonicalSchema,
    earlier: &[CanonicalSchema],
    args: &CheckArgs,
) -> Result<(Verdict, CompatibilityContext)> {
    let mut counts: HashMap<(&str, &str), u32> = HashMap::new();
    let mut existing = Vec::new();
    for (id, parsed) in (0..).zip(earlier) {
        let (type_name, format) = (parsed.schema.type_name.as_str(), parsed.schema.format.full_name());
        let count = counts.entry((format, type_name)).or_default();
        let version = version_of(type_name, format, *count, id);
        *count += 1;
        existing.push(SchemaWithVersion { schema: parsed.schema.clone(), version });
    }
    let version = |id: u32| existing.get(id as usize).map(|existing| existing.version.clone());
    let compatibility = args.policy.compatibility(version)?.context(NO_POLICY)?;
    let context = compatibility_context(new, compatibility, args.rules.rules()?.unwrap_or_default())?;
    let is_same = |old: &CanonicalSchema| {
        old.fingerprint == new.fingerprint
            && old.schema.type_name == new.schema.type_name
            && old.schema.format.same_kind(&new.schema.format)
    };
    let registered = earlier.iter().position(is_same).and_then(|index| existing.get(index));
    let registered = registered.map(|existing| existing.version.clone());
    let (result, warnings) = compatibility::check_with_warnings(&context, new, &existing)?;
    let refusal = result.err();
    let compatible = registered.is_some() || refusal.is_none();
    let verdict = Verdict { compatible, registered, refusal, warnings };
    Ok((verdict, context))
}

/// Checks that there is a policy, before files are read.
pub(super) fn require_policy(args: &CheckArgs) -> Result<()> {
    // the only earlier version has the id 0
    let version = |id| (id == 0).then(|| version_of("", "", 0, id));
    args.policy.compatibility(version)?.context(NO_POLICY).map(drop)
}

const NO_POLICY: &str = "no compatibility policy: give --policy, such as BackwardTransitive";

fn version_of(type_name: &str, format: &str, version: u32, id: u32) -> VersionInfo {
    VersionInfo { type_name: type_name.to_owned(), format: format.to_owned(), version, id }
}

/// Builds the context of a compatibility check, as of a group with these properties.
///
/// # Errors
/// A combination of policy, format and rules that no group may have.
fn compatibility_context(
    new: &CanonicalSchema,
    compatibility: Compatibility,
    rules: Rules,
) -> Result<CompatibilityContext> {
    let checkers = Checkers::default();
    let mut group = GroupProperties::new(new.schema.format.clone(), compatibility, false);
    group.properties = rules.to_labels();
    if validation::check_properties(&group, &checkers).is_err() {
        let (policy, format) = (group.compatibility.policy(), &group.format);
        bail!(
            "policy {policy} has no effect on {format} schemas with {} rules: give --rules strict",
            rules.name()
        );
    }
    Ok(CompatibilityContext::for_group(&group, &checkers)?)
}
