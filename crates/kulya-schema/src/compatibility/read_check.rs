//! The check of whether a reader may read a group.

use super::context::CompatibilityContext;
use super::prepared::{EquivalentVersions, PreparedSchema};
use super::version_selection::{direction_scopes, is_covered};
use crate::{Budget, Compatibility, Result, Rules, VersionInfo};

/// An incremental check of whether a reader with a schema may read a group, one group of equivalent versions
/// at a time. Typed readers run it when they start. Names of Avro records are not compared under any rules,
/// because Flink's readers name them all `org.apache.flink.avro.generated.record…`. All other rules apply.
#[derive(Debug)]
pub struct ReadCheck {
    context: CompatibilityContext,
    last: Option<u32>,
    /// Whether every version compared so far that the backward direction covers can be read.
    reads_all: bool,
    /// Whether the latest version can be read; `None` if it was not compared.
    reads_latest: Option<bool>,
}

impl ReadCheck {
    /// Starts a check with the list of versions.
    pub fn new<'v>(context: &CompatibilityContext, versions: impl Iterator<Item = &'v VersionInfo>) -> Self {
        let last = versions.map(|version| version.id).max();
        Self { context: context.clone(), last, reads_all: true, reads_latest: None }
    }

    /// Returns whether the verdict is final, so that no further comparison matters.
    pub fn is_finished(&self) -> bool {
        !self.reads_all || self.context.compatibility == Compatibility::AllowAny
    }

    /// Compares the reader's schema with a group of equivalent versions.
    ///
    /// # Errors
    /// Under Java's rules: an Avro schema cannot be compared with one of another format. Also when the budget
    /// is exhausted: that is not a negative verdict.
    pub fn compare(
        &mut self,
        reader: &PreparedSchema,
        equivalent: &EquivalentVersions,
        budget: &Budget,
    ) -> Result<()> {
        if self.is_finished() {
            return Ok(());
        }
        let EquivalentVersions { versions, schema: old } = equivalent;
        let scopes = direction_scopes(&self.context.compatibility);
        let backward = scopes.as_ref().and_then(|scopes| scopes.backward);
        let is_in_scope =
            versions.iter().any(|version| is_covered(&self.context, backward, version, self.last));
        let needs_latest = scopes.as_ref().is_none_or(|scopes| scopes.forward.is_some());
        let is_latest = needs_latest && versions.iter().any(|version| Some(version.id) == self.last);
        if !is_in_scope && !is_latest {
            return Ok(());
        }
        reader.check_comparable(old, &self.context.rules)?;
        let reads = (self.context.rules == Rules::Java && reader.is_opaque()) || {
            let found = reader.reader_incompatibilities(old, &self.context.rules, budget);
            let reads = self.context.decisive(found).next().is_none();
            budget.try_spend(0, "")?;
            reads
        };
        self.reads_all &= reads || !is_in_scope;
        if is_latest {
            self.reads_latest = Some(reads);
        }
        Ok(())
    }

    /// Returns the verdict.
    pub fn finish(self) -> bool {
        // an empty group: the Java registry refuses, which stops a reader that starts before its writer
        let latest = self.reads_latest.unwrap_or(matches!(self.context.rules, Rules::Strict(_)));
        match direction_scopes(&self.context.compatibility) {
            None => self.context.compatibility == Compatibility::AllowAny || latest,
            Some(scopes) => self.reads_all && (scopes.forward.is_none() || latest),
        }
    }
}

/// Checks whether a reader with this schema may read the group, within the budget of one request.
///
/// # Errors
/// As [`ReadCheck::compare`].
pub fn check_read(
    context: &CompatibilityContext,
    reader: &PreparedSchema,
    equivalents: &[EquivalentVersions],
) -> Result<bool> {
    let budget = Budget::default();
    let mut check = ReadCheck::new(context, equivalents.iter().flat_map(|equivalent| &equivalent.versions));
    for equivalent in equivalents {
        check.compare(reader, equivalent, &budget)?;
    }
    Ok(check.finish())
}
