//! Whether a schema may follow those that a group has (contract §3.1-3.3). In steps, so that whoever keeps the schemas
//! loads and parses only those that matter: [`consulted`] names them, [`alike`] puts those of one shape together, and
//! [`may_add`] and [`may_read`] judge against one of each. [`check`] does all of it with schemas at hand.

mod refusal;

pub use refusal::{Reason, Refusal};

use crate::{
    Budget, Checkers, Compatibility, Error, Format, GroupProperties, Incompatibility, Judged, Normal, Result,
    Rules, SchemaInfo, SchemaWithVersion, Shape, Side, Unknown, VersionInfo, normalize_within,
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

/// Whether the policy looks into schemas at all.
pub fn compares(judge: &Judge) -> bool {
    sides(&judge.compatibility).is_some()
}

/// Whether the group takes this format at all; the error names it.
pub fn takes_format(group: &GroupProperties, schema: &SchemaInfo) -> bool {
    group.format == Format::Any || group.format.same_kind(&schema.format)
}

/// Reasons and the versions that they name are told up to so many; what follows is not looked for.
const MAX_TOLD: usize = 100_000;
/// And up to so many bytes of text.
const MAX_TOLD_BYTES: usize = 4 << 20;

/// Whether a schema may be added, found out one shape after another: whoever keeps the schemas need not have all of them
/// ready at a time.
#[derive(Debug)]
pub struct MayAdd {
    judge: Judge,
    type_name: String,
    last: Option<u32>,
    reasons: Vec<Reason>,
    told: usize,
    told_bytes: usize,
    is_over: bool,
}

impl MayAdd {
    /// Begins with the versions alone, by shape.
    pub fn begin<'v>(
        judge: &Judge,
        type_name: &str,
        versions: impl Iterator<Item = &'v VersionInfo> + Clone,
    ) -> Self {
        let mut other = versions.clone().filter(|version| version.type_name != type_name);
        let reasons = match (other.next(), &judge.compatibility) {
            (Some(other), _) if !judge.allow_multiple_types => {
                vec![Reason::OtherType { versions: vec![other.clone()] }]
            }
            (_, Compatibility::DenyAll) if versions.clone().next().is_some() => {
                vec![Reason::Denied { versions: versions.clone().cloned().collect() }]
            }
            _ => Vec::new(),
        };
        let is_over = !reasons.is_empty() || !compares(judge);
        let last = versions.map(|version| version.id).max();
        let (judge, type_name) = (judge.clone(), type_name.to_owned());
        Self { judge, type_name, last, reasons, told: 0, told_bytes: 0, is_over }
    }

    /// Whether no further schema is of interest.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Compares with the versions of one shape.
    ///
    /// # Errors
    /// By Java's rules: an Avro schema cannot be compared with one of another format.
    pub fn compare(&mut self, new: &Judged, alike: &Alike, budget: &Budget) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        let Some(sides) = sides(&self.judge.compatibility) else { return Ok(()) };
        let (backward, forward) = (sides.backward.cloned(), sides.forward.cloned());
        let Alike { versions, schema: old } = alike;
        check_comparable(&self.judge, new, old)?;
        if self.judge.rules == Rules::Java && new.is_opaque() {
            return Ok(());
        }
        let asked = |side: &Option<Side>| -> Vec<VersionInfo> {
            let within = |v: &&VersionInfo| within(&self.judge, side.as_ref(), v, self.last);
            versions.iter().filter(within).cloned().collect()
        };
        let (read, be_read) = (asked(&backward), asked(&forward));
        if !read.is_empty() {
            let whys = new.why_not(old, &self.judge.rules, budget);
            self.tell(whys, &read, |versions, why| Reason::CannotRead { versions, why });
        }
        if !be_read.is_empty() {
            let whys = old.why_not(new, &self.judge.rules, budget);
            self.tell(whys, &be_read, |versions, why| Reason::CannotBeRead { versions, why });
        }
        let more = if read.len() < be_read.len() { &be_read } else { &read };
        if !more.is_empty() {
            let whys = new.reuses_reserved(old, &self.judge.rules, budget);
            self.tell(whys, more, |versions, why| Reason::UsesReserved { versions, why });
        }
        Ok(())
    }

    fn tell(
        &mut self,
        whys: Vec<Incompatibility>,
        versions: &[VersionInfo],
        reason: fn(Vec<VersionInfo>, Incompatibility) -> Reason,
    ) {
        for why in counted(&self.judge, whys) {
            self.told += 1 + versions.len();
            self.told_bytes += why.text_bytes();
            if !self.reasons.is_empty() && (self.told > MAX_TOLD || self.told_bytes > MAX_TOLD_BYTES) {
                self.is_over = true;
                return;
            }
            self.reasons.push(reason(versions.to_vec(), why));
        }
    }

    /// The verdict.
    pub fn end(self) -> std::result::Result<(), Refusal> {
        let Self { judge, type_name, reasons, .. } = self;
        if reasons.is_empty() {
            return Ok(());
        }
        let (policy, rules) = (judge.compatibility.policy().to_owned(), judge.rules.name().to_owned());
        Err(Refusal { type_name, policy, rules, reasons })
    }
}

/// Judges a new schema against the consulted ones, within the budget of a request.
///
/// # Errors
/// By Java's rules: an Avro schema cannot be compared with one of another format. And when the budget ends before a reason
/// to refuse is found.
pub fn may_add(
    judge: &Judge,
    type_name: &str,
    new: &Judged,
    consulted: &[Alike],
) -> Result<std::result::Result<(), Refusal>> {
    let budget = Budget::default();
    let mut check = MayAdd::begin(judge, type_name, consulted.iter().flat_map(|alike| &alike.versions));
    for alike in consulted {
        check.compare(new, alike, &budget)?;
    }
    let verdict = check.end();
    if verdict.is_ok() {
        budget.take(0, type_name)?;
    }
    Ok(verdict)
}

/// The reasons that count: what cannot be told does not, where the group says so.
fn counted(judge: &Judge, whys: Vec<Incompatibility>) -> impl Iterator<Item = Incompatibility> {
    let passes = matches!(judge.rules, Rules::Strict(strict) if strict.unknown == Unknown::Allow);
    whys.into_iter().filter(move |why| why.certain || !passes)
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

/// Whether a reader with a schema may read a group, found out one shape after another: asked by typed readers when they
/// start. Names of Avro's records are not compared, whatever the rules: Flink's readers name them all
/// `org.apache.flink.avro.generated.record…`. The rest of the rules holds.
#[derive(Debug)]
pub struct MayRead {
    judge: Judge,
    last: Option<u32>,
    /// What the policy's backward side asks is so.
    reads_all: bool,
    /// Whether the latest version is read; nothing when it was not looked at.
    reads_latest: Option<bool>,
}

impl MayRead {
    /// Begins with the versions alone.
    pub fn begin<'v>(judge: &Judge, versions: impl Iterator<Item = &'v VersionInfo>) -> Self {
        let last = versions.map(|version| version.id).max();
        Self { judge: judge.clone(), last, reads_all: true, reads_latest: None }
    }

    /// Whether no further schema is of interest.
    pub fn is_over(&self) -> bool {
        !self.reads_all || self.judge.compatibility == Compatibility::AllowAny
    }

    /// Compares with the versions of one shape.
    ///
    /// # Errors
    /// By Java's rules: an Avro schema cannot be compared with one of another format. And when the budget ends: then it is not
    /// said that the reader may not read.
    pub fn compare(&mut self, reader: &Judged, alike: &Alike, budget: &Budget) -> Result<()> {
        if self.is_over() {
            return Ok(());
        }
        let Alike { versions, schema: old } = alike;
        let sides = sides(&self.judge.compatibility);
        let backward = sides.as_ref().and_then(|sides| sides.backward);
        let is_asked = versions.iter().any(|version| within(&self.judge, backward, version, self.last));
        let asks_latest = sides.as_ref().is_none_or(|sides| sides.forward.is_some());
        let is_latest = asks_latest && versions.iter().any(|version| Some(version.id) == self.last);
        if !is_asked && !is_latest {
            return Ok(());
        }
        check_comparable(&self.judge, reader, old)?;
        let reads = (self.judge.rules == Rules::Java && reader.is_opaque()) || {
            let whys = reader.why_no_reader(old, &self.judge.rules, budget);
            let reads = counted(&self.judge, whys).next().is_none();
            budget.take(0, "")?;
            reads
        };
        self.reads_all &= reads || !is_asked;
        if is_latest {
            self.reads_latest = Some(reads);
        }
        Ok(())
    }

    /// The verdict.
    pub fn end(self) -> bool {
        // nothing was written yet: the Java registry says no, which stops a reader that starts before its writer
        let latest = self.reads_latest.unwrap_or(matches!(self.judge.rules, Rules::Strict(_)));
        match sides(&self.judge.compatibility) {
            None => self.judge.compatibility == Compatibility::AllowAny || latest,
            Some(sides) => self.reads_all && (sides.forward.is_none() || latest),
        }
    }
}

/// Whether a reader with this schema may read the group, within the budget of a request.
///
/// # Errors
/// As [`MayRead::compare`].
pub fn may_read(judge: &Judge, reader: &Judged, consulted: &[Alike]) -> Result<bool> {
    let budget = Budget::default();
    let mut check = MayRead::begin(judge, consulted.iter().flat_map(|alike| &alike.versions));
    for alike in consulted {
        check.compare(reader, alike, &budget)?;
    }
    Ok(check.end())
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
    let budget = Budget::default();
    let judged = Judged::new(new, judge, &budget)?;
    let chosen = consulted(judge, type_name, live.iter().map(|old| &old.version));
    let known: HashMap<u32, &SchemaInfo> = live.iter().map(|old| (old.version.id, &old.schema)).collect();
    let schema = |version: &VersionInfo| known.get(&version.id).copied();
    let shape = |version: &VersionInfo| {
        if !judged.goes_by_shape() {
            return None;
        }
        Some(normalize_within(schema(version)?.clone(), &budget).ok()?.shape)
    };
    let shaped = chosen.into_iter().map(|version| (version.clone(), shape(&version))).collect();
    let groups = alike(shaped);
    let mut check = MayAdd::begin(judge, type_name, groups.iter().flatten());
    for versions in groups {
        let Some(one) = versions.first().and_then(schema) else { continue };
        let schema = Arc::new(Judged::registered(one, judge, &budget));
        check.compare(&judged, &Alike { schema, versions }, &budget)?;
    }
    let verdict = check.end();
    if verdict.is_ok() {
        budget.take(0, type_name)?;
    }
    Ok(verdict)
}

/// What keeps `new` from reading what `old` wrote, and what keeps `old` from reading what `new` writes. A schema that
/// cannot be read is told as a reason.
pub fn both_ways(
    new: &SchemaInfo,
    old: &SchemaInfo,
    rules: Rules,
    checkers: &Checkers,
    budget: &Budget,
) -> (Vec<Incompatibility>, Vec<Incompatibility>) {
    let (compatibility, checkers) = (Compatibility::Full, checkers.clone());
    let judge = Judge { compatibility, rules, allow_multiple_types: true, checkers };
    let (new, old) = (Judged::registered(new, &judge, budget), Judged::registered(old, &judge, budget));
    (new.why_not(&old, &rules, budget), old.why_not(&new, &rules, budget))
}

#[cfg(test)]
mod tests;
