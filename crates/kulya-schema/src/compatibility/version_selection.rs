//! The selection of versions: which of a group's versions a policy compares with, in which direction, and
//! which of them are equivalent.

use super::context::CompatibilityContext;
use crate::{
    Compatibility, CompatibilityFingerprint, Format, GroupProperties, Rules, SchemaInfo, VersionInfo,
    VersionScope,
};
use std::collections::HashMap;

/// The version scopes of a policy's two directions; `None` for a direction that is not checked.
pub(super) struct DirectionScopes<'a> {
    pub(super) backward: Option<&'a VersionScope>,
    pub(super) forward: Option<&'a VersionScope>,
}

const LATEST: VersionScope = VersionScope::Latest;
const TRANSITIVE: VersionScope = VersionScope::Transitive;

/// Returns the version scope of each direction of a policy; `None` for AllowAny and DenyAll.
pub(super) fn direction_scopes(policy: &Compatibility) -> Option<DirectionScopes<'_>> {
    let (backward, forward) = match policy {
        Compatibility::AllowAny | Compatibility::DenyAll => return None,
        Compatibility::Backward => (Some(&LATEST), None),
        Compatibility::BackwardTransitive => (Some(&TRANSITIVE), None),
        Compatibility::Forward => (None, Some(&LATEST)),
        Compatibility::ForwardTransitive => (None, Some(&TRANSITIVE)),
        Compatibility::Full => (Some(&LATEST), Some(&LATEST)),
        Compatibility::FullTransitive => (Some(&TRANSITIVE), Some(&TRANSITIVE)),
        Compatibility::Advanced { backward, forward } => (backward.as_ref(), forward.as_ref()),
    };
    Some(DirectionScopes { backward, forward })
}

/// Returns the latest version of every (format, type), in id order, of versions given in id order.
pub fn latest_of_each_type<'a>(live: impl Iterator<Item = &'a VersionInfo>) -> Vec<VersionInfo> {
    let latest: HashMap<_, _> =
        live.map(|version| ((&version.format, &version.type_name), version)).collect();
    let mut latest: Vec<VersionInfo> = latest.into_values().cloned().collect();
    latest.sort_by_key(|version| version.id);
    latest
}

/// Selects the live versions (given in id order) against which a schema of this type is checked, in id order.
pub fn versions_to_check<'a>(
    context: &CompatibilityContext,
    type_name: &str,
    live: impl DoubleEndedIterator<Item = &'a VersionInfo>,
) -> Vec<VersionInfo> {
    let Some(directions) = direction_scopes(&context.compatibility) else { return latest_of_each_type(live) };
    let mut of_type = live.filter(|version| !context.allow_multiple_types || version.type_name == type_name);
    let scopes = [directions.backward, directions.forward];
    let till = scopes
        .iter()
        .flatten()
        .filter_map(|scope| if let VersionScope::Till(v) = scope { Some(v.id) } else { None })
        .min();
    if scopes.contains(&Some(&TRANSITIVE)) {
        of_type.cloned().collect()
    } else if let Some(till) = till {
        let (latest, is_strict) =
            (scopes.contains(&Some(&LATEST)), matches!(context.rules, Rules::Strict(_)));
        let all: Vec<&VersionInfo> = of_type.collect();
        // under strict rules `Latest` means the latest version, even if it lies before the limit of the other
        // direction
        let last = all.last().map(|version| version.id).filter(|_| latest && is_strict);
        let is_selected = |version: &&VersionInfo| version.id >= till || Some(version.id) == last;
        all.into_iter().filter(is_selected).cloned().collect()
    } else {
        of_type.next_back().cloned().into_iter().collect()
    }
}

/// Groups versions of equal compatibility fingerprint, in the order of the first of each group. A version
/// without a fingerprint forms a group of its own: one whose fingerprint is unknown, and every version if the
/// schema in question [cannot be grouped](super::PreparedSchema::can_group_by_fingerprint).
pub fn group_equivalent(
    versions: Vec<(VersionInfo, Option<CompatibilityFingerprint>)>,
) -> Vec<Vec<VersionInfo>> {
    let mut indexes: HashMap<CompatibilityFingerprint, usize> = HashMap::new();
    let mut groups: Vec<Vec<VersionInfo>> = Vec::new();
    for (version, fingerprint) in versions {
        let next = groups.len();
        let index = fingerprint.map_or(next, |fingerprint| *indexes.entry(fingerprint).or_insert(next));
        match groups.get_mut(index) {
            Some(versions) => versions.push(version),
            None => groups.push(vec![version]),
        }
    }
    groups
}

/// Returns whether the policy compares schemas at all.
pub fn compares_schemas(context: &CompatibilityContext) -> bool {
    direction_scopes(&context.compatibility).is_some()
}

/// Returns whether the group accepts schemas of this format.
pub fn accepts_format(group: &GroupProperties, schema: &SchemaInfo) -> bool {
    group.format == Format::Any || group.format.same_kind(&schema.format)
}

/// Returns whether one direction of the policy covers this version. Under Java's rules the scope `Latest`
/// covers all versions that the other direction selected.
pub(super) fn is_covered(
    context: &CompatibilityContext,
    scope: Option<&VersionScope>,
    version: &VersionInfo,
    last: Option<u32>,
) -> bool {
    let is_strict = matches!(context.rules, Rules::Strict(_));
    match scope {
        None => false,
        Some(VersionScope::Till(till)) if is_strict => version.id >= till.id,
        Some(VersionScope::Till(till)) => version.version >= till.version,
        Some(VersionScope::Latest) => !is_strict || Some(version.id) == last,
        Some(VersionScope::Transitive) => true,
    }
}
