//! The check of whether a schema may be added to a group.

use super::context::CompatibilityContext;
use super::prepared::{EquivalentVersions, PreparedSchema};
use super::refusal::{Reason, Refusal, Warning};
use super::version_selection::{compares_schemas, direction_scopes, is_covered};
use crate::{Budget, Compatibility, Incompatibility, Result, Rules, VersionInfo, VersionScope};

/// The maximum number of reported reasons and of the versions they name; the check stops after that.
const MAX_REPORTED: usize = 100_000;
/// The maximum size of the reported reasons, in bytes of text.
const MAX_REPORTED_BYTES: usize = 4 << 20;

/// The maximum number of warnings; the rest is omitted.
pub const MAX_WARNINGS: usize = 1_000;

/// An incremental check of whether a schema may be added, one group of equivalent versions at a time: the
/// caller need not hold all prepared schemas in memory.
#[derive(Debug)]
pub struct AddCheck {
    context: CompatibilityContext,
    type_name: String,
    last: Option<u32>,
    reasons: Vec<Reason>,
    reported: usize,
    reported_bytes: usize,
    is_finished: bool,
    /// `None` if they are not asked for.
    warnings: Option<Vec<Warning>>,
}

impl AddCheck {
    /// Starts a check. Some policies are decided by the list of versions alone.
    pub fn new<'v>(
        context: &CompatibilityContext,
        type_name: &str,
        versions: impl Iterator<Item = &'v VersionInfo> + Clone,
    ) -> Self {
        let mut other = versions.clone().filter(|version| version.type_name != type_name);
        let reasons = match (other.next(), &context.compatibility) {
            (Some(other), _) if !context.allow_multiple_types => {
                vec![Reason::OtherType { versions: vec![other.clone()] }]
            }
            (_, Compatibility::DenyAll) if versions.clone().next().is_some() => {
                vec![Reason::Denied { versions: versions.clone().cloned().collect() }]
            }
            _ => Vec::new(),
        };
        let is_finished = !reasons.is_empty() || !compares_schemas(context);
        let last = versions.map(|version| version.id).max();
        let (context, type_name) = (context.clone(), type_name.to_owned());
        Self {
            context,
            type_name,
            last,
            reasons,
            reported: 0,
            reported_bytes: 0,
            is_finished,
            warnings: None,
        }
    }

    /// Makes the check collect warnings, which takes about as long again.
    #[must_use]
    pub fn with_warnings(self) -> Self {
        Self { warnings: Some(Vec::new()), ..self }
    }

    /// Takes the warnings of the comparisons so far, up to [`MAX_WARNINGS`].
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns whether the verdict is final, so that no further comparison matters.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Compares the new schema with a group of equivalent versions.
    ///
    /// # Errors
    /// Under Java's rules: an Avro schema cannot be compared with one of another format.
    pub fn compare(
        &mut self,
        new: &PreparedSchema,
        equivalent: &EquivalentVersions,
        budget: &Budget,
    ) -> Result<()> {
        if self.is_finished {
            return Ok(());
        }
        let Some(scopes) = direction_scopes(&self.context.compatibility) else { return Ok(()) };
        let (backward, forward) = (scopes.backward.cloned(), scopes.forward.cloned());
        let EquivalentVersions { versions, schema: old } = equivalent;
        new.check_comparable(old, &self.context.rules)?;
        if self.context.rules == Rules::Java && new.is_opaque() {
            return Ok(());
        }
        let covered = |scope: &Option<VersionScope>| -> Vec<VersionInfo> {
            let is_selected = |v: &&VersionInfo| is_covered(&self.context, scope.as_ref(), v, self.last);
            versions.iter().filter(is_selected).cloned().collect()
        };
        let (read, read_by) = (covered(&backward), covered(&forward));
        if !read.is_empty() {
            let found = new.incompatibilities(old, &self.context.rules, budget);
            self.report(found, &read, |versions, incompatibility| Reason::CannotRead {
                versions,
                incompatibility,
            });
        }
        if !read_by.is_empty() {
            let found = old.incompatibilities(new, &self.context.rules, budget);
            self.report(found, &read_by, |versions, incompatibility| Reason::CannotBeRead {
                versions,
                incompatibility,
            });
        }
        let longer = if read.len() < read_by.len() { &read_by } else { &read };
        if let Some(warnings) = &mut self.warnings
            && !longer.is_empty()
            && warnings.len() < MAX_WARNINGS
        {
            let warning = |change| Warning { versions: longer.clone(), change };
            warnings.extend(new.warnings(old, budget).into_iter().map(warning));
            warnings.truncate(MAX_WARNINGS);
        }
        if !longer.is_empty() {
            let found = new.reuses_reserved(old, &self.context.rules, budget);
            self.report(found, longer, |versions, incompatibility| Reason::UsesReserved {
                versions,
                incompatibility,
            });
        }
        Ok(())
    }

    /// Adds the reasons that count, up to the maximum.
    fn report(
        &mut self,
        found: Vec<Incompatibility>,
        versions: &[VersionInfo],
        reason: fn(Vec<VersionInfo>, Incompatibility) -> Reason,
    ) {
        for incompatibility in self.context.decisive(found) {
            self.reported += 1 + versions.len();
            self.reported_bytes += incompatibility.text_bytes();
            if !self.reasons.is_empty()
                && (self.reported > MAX_REPORTED || self.reported_bytes > MAX_REPORTED_BYTES)
            {
                self.is_finished = true;
                return;
            }
            self.reasons.push(reason(versions.to_vec(), incompatibility));
        }
    }

    /// Returns the verdict.
    ///
    /// # Errors
    /// The schema is refused, for these reasons.
    pub fn finish(self) -> std::result::Result<(), Refusal> {
        let Self { context, type_name, reasons, .. } = self;
        if reasons.is_empty() {
            return Ok(());
        }
        let (policy, rules) = (context.compatibility.policy().to_owned(), context.rules.name().to_owned());
        Err(Refusal { type_name, policy, rules, reasons })
    }
}

/// Checks a new schema against the selected versions, within the budget of one request.
///
/// # Errors
/// Under Java's rules: an Avro schema cannot be compared with one of another format. Also when the budget is
/// exhausted before a reason to refuse is found.
pub fn check_add(
    context: &CompatibilityContext,
    type_name: &str,
    new: &PreparedSchema,
    equivalents: &[EquivalentVersions],
) -> Result<std::result::Result<(), Refusal>> {
    let budget = Budget::default();
    let mut check =
        AddCheck::new(context, type_name, equivalents.iter().flat_map(|equivalent| &equivalent.versions));
    for equivalent in equivalents {
        check.compare(new, equivalent, &budget)?;
    }
    let verdict = check.finish();
    if verdict.is_ok() {
        budget.try_spend(0, type_name)?;
    }
    Ok(verdict)
}
