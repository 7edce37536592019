//! Whether a schema may follow those that a group has (contract §3.1-3.3). In steps, so that whoever keeps the schemas
//! loads and parses only those that matter: [`consulted`] names them, [`alike`] puts those of one shape together, and
//! [`may_add`] and [`may_read`] judge against one of each. [`check`] does all of it with schemas at hand.

mod refusal;

pub use refusal::{Reason, Refusal};

use crate::{
    Checkers, Compatibility, Error, Format, GroupProperties, Incompatibility, Judged, Normal, Result, Rules,
    SchemaInfo, SchemaWithVersion, Shape, Side, Unknown, VersionInfo, normalize,
};
use std::collections::HashMap;
use std::sync::Arc;

/// By what is judged: a policy, whose rules, and who judges custom formats.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The policy.
    pub compatibility: Compatibility,
    /// Whose rules.
    pub rules: Rules,
    /// Whether types live side by side, so that each is judged among its own.
    pub allow_multiple_types: bool,
    /// Who judges custom formats.
    pub checkers: Checkers,
}

impl Judge {
    /// The judge that a group asks for.
    ///
    /// # Errors
    /// The group's labels name rules that there are not.
    pub fn of(group: &GroupProperties, checkers: &Checkers) -> Result<Self> {
        Ok(Self {
            compatibility: group.compatibility.clone(),
            rules: Rules::of(&group.properties)?,
            allow_multiple_types: group.allow_multiple_types,
            checkers: checkers.clone(),
        })
    }
}

/// Registered versions of one shape, which get one verdict.
#[derive(Debug, Clone)]
pub struct Alike {
    /// In id order; never empty.
    pub versions: Vec<VersionInfo>,
    /// The schema of one of them.
    pub schema: Arc<Judged>,
}

struct Sides<'a> {
    backward: Option<&'a Side>,
    forward: Option<&'a Side>,
}

const LATEST: Side = Side::Latest;
const TRANSITIVE: Side = Side::Transitive;

/// The two questions a policy asks; `None` for AllowAny and DenyAll.
fn sides(policy: &Compatibility) -> Option<Sides<'_>> {
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
    Some(Sides { backward, forward })
}

/// The latest version of every (format, type), in id order, of versions in id order.
pub fn latest_of_each<'a>(live: impl Iterator<Item = &'a VersionInfo>) -> Vec<VersionInfo> {
    let latest: HashMap<_, _> =
        live.map(|version| ((&version.format, &version.type_name), version)).collect();
    let mut latest: Vec<VersionInfo> = latest.into_values().cloned().collect();
    latest.sort_by_key(|version| version.id);
    latest
}

/// Which of a group's live versions (in id order) a schema of this type is judged against, in id order.
pub fn consulted<'a>(
    judge: &Judge,
    type_name: &str,
    live: impl DoubleEndedIterator<Item = &'a VersionInfo>,
) -> Vec<VersionInfo> {
    let Some(sides) = sides(&judge.compatibility) else { return latest_of_each(live) };
    let mut of_type = live.filter(|version| !judge.allow_multiple_types || version.type_name == type_name);
    let both = [sides.backward, sides.forward];
    let till = both
        .iter()
        .flatten()
        .filter_map(|side| if let Side::Till(v) = side { Some(v.id) } else { None })
        .min();
    if both.contains(&Some(&TRANSITIVE)) {
        of_type.cloned().collect()
    } else if let Some(till) = till {
        let (latest, is_strict) = (both.contains(&Some(&LATEST)), matches!(judge.rules, Rules::Strict(_)));
        let all: Vec<&VersionInfo> = of_type.collect();
        // strictly the latest is the latest, also when it lies before the limit of the other side
        let last = all.last().map(|version| version.id).filter(|_| latest && is_strict);
        let within = |version: &&VersionInfo| version.id >= till || Some(version.id) == last;
        all.into_iter().filter(within).cloned().collect()
    } else {
        of_type.next_back().cloned().into_iter().collect()
    }
}

/// Puts versions of one shape together, in the order of the first of each. A version without a shape stands alone: one
/// whose shape is not known, and all of them when the schema in question does not [go by shape](Judged::goes_by_shape).
pub fn alike(versions: Vec<(VersionInfo, Option<Shape>)>) -> Vec<Vec<VersionInfo>> {
    let mut places: HashMap<Shape, usize> = HashMap::new();
    let mut alike: Vec<Vec<VersionInfo>> = Vec::new();
    for (version, shape) in versions {
        let next = alike.len();
        let place = shape.map_or(next, |shape| *places.entry(shape).or_insert(next));
        match alike.get_mut(place) {
            Some(versions) => versions.push(version),
            None => alike.push(vec![version]),
        }
    }
    alike
}

/// Whether the policy looks into schemas at all. If not, [`uncompared`] does in the place of [`alike`].
pub fn compares(judge: &Judge) -> bool {
    sides(&judge.compatibility).is_some()
}

/// Consulted versions for a policy that only counts them, and so needs no schemas. Not for [`may_read`].
pub fn uncompared(versions: Vec<VersionInfo>) -> Vec<Alike> {
    if versions.is_empty() {
        return Vec::new();
    }
    vec![Alike { versions, schema: Arc::new(Judged::unseen()) }]
}

/// Whether the group takes this format at all; the error names it.
pub fn takes_format(group: &GroupProperties, schema: &SchemaInfo) -> bool {
    group.format == Format::Any || group.format.same_kind(&schema.format)
}

/// Judges a new schema against the consulted ones.
///
/// # Errors
/// By Java's rules: an Avro schema cannot be compared with one of another format.
pub fn may_add(
    judge: &Judge,
    type_name: &str,
    new: &Judged,
    consulted: &[Alike],
) -> Result<std::result::Result<(), Refusal>> {
    let reasons = reasons(judge, type_name, new, consulted)?;
    if reasons.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err(Refusal {
        type_name: type_name.to_owned(),
        policy: judge.compatibility.policy().to_owned(),
        rules: judge.rules.name().to_owned(),
        reasons,
    }))
}

fn reasons(judge: &Judge, type_name: &str, new: &Judged, consulted: &[Alike]) -> Result<Vec<Reason>> {
    let versions = || consulted.iter().flat_map(|alike| &alike.versions);
    if !judge.allow_multiple_types
        && let Some(other) = versions().find(|version| version.type_name != type_name)
    {
        return Ok(vec![Reason::OtherType { versions: vec![other.clone()] }]);
    }
    let Some(sides) = sides(&judge.compatibility) else {
        let denied = judge.compatibility == Compatibility::DenyAll && !consulted.is_empty();
        let versions = versions().cloned().collect();
        return Ok(if denied { vec![Reason::Denied { versions }] } else { Vec::new() });
    };
    let last = last_id(consulted);
    let mut reasons = Vec::new();
    for Alike { versions, schema: old } in consulted {
        check_comparable(judge, new, old)?;
        if judge.rules == Rules::Java && new.is_opaque() {
            continue;
        }
        let asked = |side| versions.iter().filter(|version| within(judge, side, version, last)).count();
        let told = |side| -> Vec<VersionInfo> {
            versions.iter().filter(|version| within(judge, side, version, last)).cloned().collect()
        };
        let (read, be_read) = (asked(sides.backward), asked(sides.forward));
        if read > 0 {
            let whys = counted(judge, new.why_not(old, &judge.rules));
            reasons.extend(whys.map(|why| Reason::CannotRead { versions: told(sides.backward), why }));
        }
        if be_read > 0 {
            let whys = counted(judge, old.why_not(new, &judge.rules));
            reasons.extend(whys.map(|why| Reason::CannotBeRead { versions: told(sides.forward), why }));
        }
        if read.max(be_read) > 0 {
            let side = if read < be_read { sides.forward } else { sides.backward };
            let whys = counted(judge, new.reuses_reserved(old, &judge.rules));
            reasons.extend(whys.map(|why| Reason::UsesReserved { versions: told(side), why }));
        }
    }
    Ok(reasons)
}

/// The reasons that count: what cannot be told does not, where the group says so.
fn counted(judge: &Judge, whys: Vec<Incompatibility>) -> impl Iterator<Item = Incompatibility> {
    let passes = matches!(judge.rules, Rules::Strict(strict) if strict.unknown == Unknown::Allow);
    whys.into_iter().filter(move |why| why.certain || !passes)
}

fn last_id(consulted: &[Alike]) -> Option<u32> {
    consulted.iter().flat_map(|alike| &alike.versions).map(|version| version.id).max()
}

/// Whether one side of the policy asks about this version. By Java's rules a side that looks at the latest only looks at
/// all that the other side asked for.
fn within(judge: &Judge, side: Option<&Side>, version: &VersionInfo, last: Option<u32>) -> bool {
    let is_strict = matches!(judge.rules, Rules::Strict(_));
    match side {
        None => false,
        Some(Side::Till(till)) if is_strict => version.id >= till.id,
        Some(Side::Till(till)) => version.version >= till.version,
        Some(Side::Latest) => !is_strict || Some(version.id) == last,
        Some(Side::Transitive) => true,
    }
}

/// The Java registry refuses to compare Avro with anything else (contract §3.4).
fn check_comparable(judge: &Judge, new: &Judged, old: &Judged) -> Result<()> {
    if judge.rules == Rules::Java && new.is_avro() && !old.is_avro() {
        return Err(Error::new("All schemas to compare against should be avro."));
    }
    Ok(())
}

/// Whether a reader with this schema may read the group: asked by typed readers when they start. Names of Avro's records are
/// not compared, whatever the rules: Flink's readers name them all `org.apache.flink.avro.generated.record…`. The rest of the
/// rules holds.
///
/// # Errors
/// As [`may_add`].
pub fn may_read(judge: &Judge, reader: &Judged, consulted: &[Alike]) -> Result<bool> {
    let last = last_id(consulted);
    let reads = |old: &Judged| -> Result<bool> {
        check_comparable(judge, reader, old)?;
        if judge.rules == Rules::Java && reader.is_opaque() {
            return Ok(true);
        }
        Ok(counted(judge, reader.why_no_reader(old, &judge.rules)).next().is_none())
    };
    let latest = || {
        let is_last = |alike: &&Alike| alike.versions.iter().any(|version| Some(version.id) == last);
        match consulted.iter().find(is_last) {
            Some(alike) => reads(&alike.schema),
            // nothing was written yet: the Java registry says no, which stops a reader that starts before its writer
            None => Ok(matches!(judge.rules, Rules::Strict(_))),
        }
    };
    let Some(sides) = sides(&judge.compatibility) else {
        return if judge.compatibility == Compatibility::AllowAny { Ok(true) } else { latest() };
    };
    for Alike { versions, schema } in consulted {
        let asked = versions.iter().any(|version| within(judge, sides.backward, version, last));
        if asked && !reads(schema)? {
            return Ok(false);
        }
    }
    if sides.forward.is_some() { latest() } else { Ok(true) }
}

/// Judges a new schema against all of a group's live versions, in id order.
///
/// # Errors
/// The new schema cannot be read, or compared at all.
pub fn check(
    judge: &Judge,
    new: &Normal,
    live: &[SchemaWithVersion],
) -> Result<std::result::Result<(), Refusal>> {
    let type_name = &new.schema.type_name;
    let judged = Judged::new(new, judge)?;
    let chosen = consulted(judge, type_name, live.iter().map(|old| &old.version));
    let known: HashMap<u32, &SchemaInfo> = live.iter().map(|old| (old.version.id, &old.schema)).collect();
    let schema = |version: &VersionInfo| known.get(&version.id).copied();
    let shape = |version: &VersionInfo| {
        if !judged.goes_by_shape() {
            return None;
        }
        Some(normalize(schema(version)?.clone()).ok()?.shape)
    };
    let shaped = chosen.into_iter().map(|version| (version.clone(), shape(&version))).collect();
    let mut consulted = Vec::new();
    for versions in alike(shaped) {
        let Some(one) = versions.first().and_then(schema) else { continue };
        consulted.push(Alike { schema: Arc::new(Judged::registered(one, judge)), versions });
    }
    may_add(judge, type_name, &judged, &consulted)
}

/// What keeps `new` from reading what `old` wrote, and what keeps `old` from reading what `new` writes. A schema that
/// cannot be read is told as a reason.
pub fn both_ways(
    new: &SchemaInfo,
    old: &SchemaInfo,
    rules: Rules,
    checkers: &Checkers,
) -> (Vec<Incompatibility>, Vec<Incompatibility>) {
    let (compatibility, checkers) = (Compatibility::Full, checkers.clone());
    let judge = Judge { compatibility, rules, allow_multiple_types: true, checkers };
    let (new, old) = (Judged::registered(new, &judge), Judged::registered(old, &judge));
    (new.why_not(&old, &rules), old.why_not(&new, &rules))
}

#[cfg(test)]
mod tests;
