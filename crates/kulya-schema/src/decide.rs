//! Whether a schema may follow those that a group has (contract §3.1-3.3). Two steps, so that whoever keeps the
//! schemas loads only those that matter: [`consulted`] names them, [`may_add`] and [`may_read`] judge against them.

use crate::avro::{self, Incompatibility};
use crate::{
    Compatibility, Error, Format, GroupProperties, Result, SchemaInfo, SchemaWithVersion, Side, VersionInfo,
};
use std::collections::HashMap;
use std::fmt;

/// Why a schema may not follow: every reason, against every version it was judged against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The type that was refused.
    pub type_name: String,
    /// The rule of the group.
    pub policy: &'static str,
    /// One line for each reason; never empty.
    pub reasons: Vec<Reason>,
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The group takes one type only, and holds another.
    OtherType(VersionInfo),
    /// The policy refuses every further schema.
    Denied,
    /// The new schema cannot read what a version wrote.
    CannotRead(VersionInfo, Incompatibility),
    /// A version cannot read what the new schema writes.
    CannotBeRead(VersionInfo, Incompatibility),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "schema {} is refused by policy {}:", self.type_name, self.policy)?;
        for reason in &self.reasons {
            write!(f, "\n- {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType(version) => {
                write!(
                    f,
                    "the group takes one type only, and has {} (schema id {})",
                    version.type_name, version.id
                )
            }
            Self::Denied => write!(f, "the group takes no further schema"),
            Self::CannotRead(version, why) => {
                write!(f, "{why} (it cannot read what version {} wrote)", version.version)
            }
            Self::CannotBeRead(version, why) => {
                write!(f, "{why} (version {} cannot read what it writes)", version.version)
            }
        }
    }
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
pub fn consulted(group: &GroupProperties, type_name: &str, live: &[VersionInfo]) -> Vec<VersionInfo> {
    let Some(sides) = sides(&group.compatibility) else {
        return latest_of_each(live.iter());
    };
    let mut of_type =
        live.iter().filter(|version| !group.allow_multiple_types || version.type_name == type_name);
    let both = [sides.backward, sides.forward];
    let till = both
        .iter()
        .flatten()
        .filter_map(|side| if let Side::Till(v) = side { Some(v.id) } else { None })
        .min();
    if both.contains(&Some(&TRANSITIVE)) {
        of_type.cloned().collect()
    } else if let Some(till) = till {
        of_type.filter(|version| version.id >= till).cloned().collect()
    } else {
        of_type.next_back().cloned().into_iter().collect()
    }
}

/// Whether the group takes this format at all; the error names it.
pub fn takes_format(group: &GroupProperties, schema: &SchemaInfo) -> bool {
    group.format == Format::Any || group.format.same_kind(&schema.format)
}

/// Judges a new schema against the consulted ones. `Err(Error)` when they cannot be compared at all.
pub fn may_add(
    group: &GroupProperties,
    schema: &SchemaInfo,
    consulted: &[SchemaWithVersion],
) -> Result<std::result::Result<(), Refusal>> {
    let reasons = reasons(group, schema, consulted)?;
    if reasons.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err(Refusal { type_name: schema.type_name.clone(), policy: group.compatibility.policy(), reasons }))
}

fn reasons(
    group: &GroupProperties,
    schema: &SchemaInfo,
    consulted: &[SchemaWithVersion],
) -> Result<Vec<Reason>> {
    if !group.allow_multiple_types
        && let Some(other) = consulted.iter().find(|old| old.schema.type_name != schema.type_name)
    {
        return Ok(vec![Reason::OtherType(other.version.clone())]);
    }
    let Some(sides) = sides(&group.compatibility) else {
        let denied = group.compatibility == Compatibility::DenyAll && !consulted.is_empty();
        return Ok(if denied { vec![Reason::Denied] } else { Vec::new() });
    };
    let Some(new) = parsed(schema)? else { return Ok(Vec::new()) };
    let mut reasons = Vec::new();
    for old in consulted {
        let Some(parsed) = parsed(&old.schema)? else { return Err(not_avro()) };
        let version = &old.version;
        if within(sides.backward, version) {
            let whys = avro::can_read(&new, &parsed);
            reasons.extend(whys.into_iter().map(|why| Reason::CannotRead(version.clone(), why)));
        }
        if within(sides.forward, version) {
            let whys = avro::can_read(&parsed, &new);
            reasons.extend(whys.into_iter().map(|why| Reason::CannotBeRead(version.clone(), why)));
        }
    }
    Ok(reasons)
}

fn within(side: Option<&Side>, version: &VersionInfo) -> bool {
    match side {
        None => false,
        Some(Side::Till(till)) => version.version >= till.version,
        Some(Side::Latest | Side::Transitive) => true,
    }
}

/// The parsed schema of the one format that has a checker.
fn parsed(schema: &SchemaInfo) -> Result<Option<avro::Schema>> {
    if schema.format != Format::Avro {
        return Ok(None);
    }
    avro::parse(&String::from_utf8_lossy(&schema.data)).map(Some)
}

fn not_avro() -> Error {
    Error::new("All schemas to compare against should be avro.")
}

/// Whether a reader with this schema may read the group: asked by typed readers when they start.
pub fn may_read(
    group: &GroupProperties,
    schema: &SchemaInfo,
    consulted: &[SchemaWithVersion],
) -> Result<bool> {
    let Some(new) = parsed(schema)? else {
        return Ok(match group.compatibility {
            Compatibility::AllowAny => true,
            Compatibility::DenyAll => !consulted.is_empty(),
            _ => sides(&group.compatibility).is_none_or(|s| s.forward.is_none()) || !consulted.is_empty(),
        });
    };
    let reads = |old: &SchemaWithVersion| -> Result<bool> {
        let writer = parsed(&old.schema)?.ok_or_else(not_avro)?;
        Ok(avro::can_read(&new, &writer).is_empty())
    };
    let latest = || consulted.last().map_or(Ok(false), reads);
    let Some(sides) = sides(&group.compatibility) else {
        return if group.compatibility == Compatibility::AllowAny { Ok(true) } else { latest() };
    };
    for old in consulted.iter().filter(|old| within(sides.backward, &old.version)) {
        if !reads(old)? {
            return Ok(false);
        }
    }
    if sides.forward.is_some() { latest() } else { Ok(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &str) -> SchemaInfo {
        SchemaInfo::new("R", Format::Avro, format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#))
    }

    fn versions(schemas: &[SchemaInfo]) -> Vec<SchemaWithVersion> {
        let version = |id| VersionInfo { type_name: "R".into(), format: "Avro".into(), version: id, id };
        (0..)
            .zip(schemas)
            .map(|(id, s)| SchemaWithVersion { schema: s.clone(), version: version(id) })
            .collect()
    }

    fn verdict(policy: Compatibility, live: &[SchemaInfo], new: &SchemaInfo) -> bool {
        let group = GroupProperties::new(Format::Avro, policy, true);
        let live = versions(live);
        let chosen = consulted(&group, "R", &live.iter().map(|s| s.version.clone()).collect::<Vec<_>>());
        let chosen: Vec<_> = live.into_iter().filter(|s| chosen.contains(&s.version)).collect();
        may_add(&group, new, &chosen).unwrap().is_ok()
    }

    #[test]
    fn policies_ask_their_questions() {
        use Compatibility::*;
        let empty = schema("");
        let a = schema(r#"{"name":"a","type":"int"}"#);
        let a_default = schema(r#"{"name":"a","type":"int","default":0}"#);
        let a_text = schema(r#"{"name":"a","type":"string"}"#);
        for (policy, live, new, expected) in [
            (AllowAny, vec![a.clone()], &a_text, true),
            (DenyAll, vec![], &a, true),
            (DenyAll, vec![a.clone()], &empty, false),
            (Backward, vec![], &a, true),
            (Backward, vec![empty.clone()], &a, false),
            (Backward, vec![empty.clone()], &a_default, true),
            (Backward, vec![a.clone()], &empty, true),
            (Forward, vec![a.clone()], &empty, false),
            (Forward, vec![empty.clone()], &a, true),
            (Full, vec![empty.clone()], &a, false),
            (Full, vec![empty.clone()], &a_default, true),
            (Backward, vec![a_text.clone(), empty.clone()], &a_default, true),
            (BackwardTransitive, vec![a_text.clone(), empty.clone()], &a_default, false),
            (ForwardTransitive, vec![a_text.clone(), empty.clone()], &a, false),
            (FullTransitive, vec![a_default.clone(), empty.clone()], &a_default, true),
        ] {
            assert_eq!(verdict(policy.clone(), &live, new), expected, "{policy:?} {live:?} {new:?}");
        }
        let version = |id| VersionInfo { type_name: "R".into(), format: "Avro".into(), version: id, id };
        let till = Advanced { backward: Some(Side::Till(version(1))), forward: None };
        assert!(verdict(till, &[a_text.clone(), empty.clone()], &a_default), "version 0 is before the limit");
        let till = Advanced { backward: Some(Side::Till(version(0))), forward: None };
        assert!(!verdict(till, &[a_text, empty], &a_default));
    }

    #[test]
    fn a_refusal_gives_every_reason() {
        let group = GroupProperties::new(Format::Avro, Compatibility::BackwardTransitive, true);
        let live = versions(&[schema(""), schema(r#"{"name":"a","type":"string"}"#)]);
        let refusal = may_add(&group, &schema(r#"{"name":"a","type":"int"}"#), &live).unwrap().unwrap_err();
        assert_eq!(refusal.reasons.len(), 2);
        let text = refusal.to_string();
        assert!(text.contains("R.a") && text.contains("version 0") && text.contains("version 1"), "{text}");
    }

    #[test]
    fn one_type_groups_take_one_type() {
        let group = GroupProperties::new(Format::Avro, Compatibility::AllowAny, false);
        let mut other = schema("");
        other.type_name = "Other".into();
        let refusal = may_add(&group, &other, &versions(&[schema("")])).unwrap().unwrap_err();
        assert!(matches!(refusal.reasons.as_slice(), [Reason::OtherType(_)]));
    }

    #[test]
    fn readers_are_judged_as_the_java_server_does() {
        let group = |policy| GroupProperties::new(Format::Avro, policy, true);
        let a = schema(r#"{"name":"a","type":"int"}"#);
        assert!(may_read(&group(Compatibility::AllowAny), &a, &[]).unwrap());
        assert!(may_read(&group(Compatibility::Backward), &a, &[]).unwrap());
        assert!(!may_read(&group(Compatibility::Full), &a, &[]).unwrap(), "an empty group answers false");
        assert!(!may_read(&group(Compatibility::Backward), &a, &versions(&[schema("")])).unwrap());
        assert!(may_read(&group(Compatibility::Full), &schema(""), &versions(&[a])).unwrap());
    }
}
