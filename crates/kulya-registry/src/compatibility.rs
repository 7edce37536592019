//! Compatibility checks of a schema against the versions of a group: versions are read and parsed in batches,
//! compared on the registry's threads, and cached once parsed.

use crate::cache::PreparedKey;
use crate::error::invalid_input;
use crate::records::SchemaRecord;
use crate::registry::Registry;
use crate::snapshot::GroupSnapshot;
use crate::worker_pool::JobRunner;
use kulya_registry_api::RegistryResult;
use kulya_schema::compatibility::{
    self, AddCheck, CompatibilityContext, EquivalentVersions, ReadCheck, Refusal, Warning,
};
use kulya_schema::{Budget, CanonicalSchema, Compatibility, PreparedSchema, VersionInfo};
use std::sync::Arc;

/// Shapes compared in one job, and about how many bytes of schemas are parsed for it.
const BATCH_SHAPES: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;

/// A check that compares a schema with one group of equivalent versions after another.
trait Check: Send + Sized + 'static {
    /// Returns whether the result is known, so that no more versions need comparing.
    fn is_done(&self) -> bool;
    fn compare(
        &mut self,
        new: &PreparedSchema,
        versions: &EquivalentVersions,
        budget: &Budget,
    ) -> kulya_schema::Result<()>;
}

impl Check for AddCheck {
    fn is_done(&self) -> bool {
        self.is_finished()
    }

    fn compare(
        &mut self,
        new: &PreparedSchema,
        versions: &EquivalentVersions,
        budget: &Budget,
    ) -> kulya_schema::Result<()> {
        self.compare(new, versions, budget)
    }
}

impl Check for ReadCheck {
    fn is_done(&self) -> bool {
        self.is_finished()
    }

    fn compare(
        &mut self,
        new: &PreparedSchema,
        versions: &EquivalentVersions,
        budget: &Budget,
    ) -> kulya_schema::Result<()> {
        self.compare(new, versions, budget)
    }
}

/// How a schema that is not registered is prepared.
type Prepare = fn(&CanonicalSchema, &CompatibilityContext, &Budget) -> kulya_schema::Result<PreparedSchema>;

/// The schema of a group of equivalent versions.
enum Candidate {
    Cached(Arc<PreparedSchema>),
    Unparsed(PreparedKey, Arc<SchemaRecord>),
}

impl Registry {
    /// Checks whether the group's policy accepts a schema as its next version.
    pub(crate) async fn check_addition(
        &self,
        snapshot: &GroupSnapshot<'_>,
        runner: &JobRunner,
        canonical: &Arc<CanonicalSchema>,
        context: &CompatibilityContext,
    ) -> RegistryResult<Result<(), Refusal>> {
        Ok(self.check_versions(snapshot, runner, canonical, context, |check| check).await?.0)
    }

    /// Checks like [`Self::check_addition`], and returns what the policy accepts and may still be a mistake.
    pub(crate) async fn check_with_warnings(
        &self,
        snapshot: &GroupSnapshot<'_>,
        runner: &JobRunner,
        canonical: &Arc<CanonicalSchema>,
        context: &CompatibilityContext,
    ) -> RegistryResult<(Result<(), Refusal>, Vec<Warning>)> {
        self.check_versions(snapshot, runner, canonical, context, AddCheck::with_warnings).await
    }

    async fn check_versions(
        &self,
        snapshot: &GroupSnapshot<'_>,
        runner: &JobRunner,
        canonical: &Arc<CanonicalSchema>,
        context: &CompatibilityContext,
        configure: impl FnOnce(AddCheck) -> AddCheck,
    ) -> RegistryResult<(Result<(), Refusal>, Vec<Warning>)> {
        let new = self.prepare(runner, canonical, context, PreparedSchema::new).await?;
        let type_name = &canonical.schema.type_name;
        let versions = snapshot.versions_to_check(context, type_name).await?;
        let check = configure(AddCheck::new(context, type_name, versions.iter()));
        let mut check = self.compare_versions(snapshot, runner, new, context, versions, check).await?;
        let warnings = check.take_warnings();
        let verdict = check.finish();
        if verdict.is_ok() {
            // some groups accept what could not be decided; no group accepts what was not compared
            runner.budget().try_spend(0, type_name).map_err(invalid_input)?;
        }
        Ok((verdict, warnings))
    }

    /// Checks whether a reader with this schema can read the group, by the group's policy.
    pub(crate) async fn check_reader(
        &self,
        snapshot: &GroupSnapshot<'_>,
        runner: &JobRunner,
        canonical: &Arc<CanonicalSchema>,
        context: &CompatibilityContext,
    ) -> RegistryResult<bool> {
        let reader = self.prepare(runner, canonical, context, PreparedSchema::new_reader).await?;
        if context.compatibility == Compatibility::AllowAny {
            return Ok(true);
        }
        let versions = snapshot.versions_to_check(context, &canonical.schema.type_name).await?;
        let check = ReadCheck::new(context, versions.iter());
        Ok(self.compare_versions(snapshot, runner, reader, context, versions, check).await?.finish())
    }

    async fn prepare(
        &self,
        runner: &JobRunner,
        canonical: &Arc<CanonicalSchema>,
        context: &CompatibilityContext,
        prepare: Prepare,
    ) -> RegistryResult<Arc<PreparedSchema>> {
        let (canonical, context) = (Arc::clone(canonical), context.clone());
        let bytes = canonical.schema.data.len();
        let prepared = runner.run_linear(bytes, move |budget| prepare(&canonical, &context, budget)).await?;
        prepared.map(Arc::new).map_err(invalid_input)
    }

    async fn compare_versions<C: Check>(
        &self,
        snapshot: &GroupSnapshot<'_>,
        runner: &JobRunner,
        new: Arc<PreparedSchema>,
        context: &CompatibilityContext,
        versions: Vec<VersionInfo>,
        mut check: C,
    ) -> RegistryResult<C> {
        if check.is_done() {
            return Ok(check);
        }
        let with_shapes = snapshot.with_shapes(versions, &new).await?;
        let mut equivalents = compatibility::group_equivalent(with_shapes).into_iter();
        while !check.is_done() {
            let (mut batch, mut bytes, mut cached_bytes) = (Vec::new(), 0, 0);
            while batch.len() < BATCH_SHAPES && bytes < BATCH_BYTES {
                let Some(versions) = equivalents.next() else { break };
                let Some(first) = versions.first() else { continue };
                let key = snapshot.prepared_key(first.id, context);
                let candidate = match self.cache.prepared.get(&key) {
                    Some((prepared, weight)) => {
                        cached_bytes += weight as usize;
                        Candidate::Cached(prepared)
                    }
                    None => {
                        let record = snapshot.schema(first.id).await?;
                        bytes += record.schema.data.len();
                        Candidate::Unparsed(key, record)
                    }
                };
                batch.push((versions, candidate));
            }
            if batch.is_empty() {
                break;
            }
            let (new, context, cache) = (Arc::clone(&new), context.clone(), Arc::clone(&self.cache));
            // comparisons that are not linear in the size of the schemas always run on a thread
            let is_flat = new.is_flat();
            let job = move |budget: &Budget| {
                for (versions, candidate) in batch {
                    let schema = match candidate {
                        Candidate::Cached(schema) => schema,
                        Candidate::Unparsed(key, record) => {
                            let bytes = record.schema.data.len();
                            let schema =
                                Arc::new(PreparedSchema::from_registered(&record.schema, &context, budget));
                            if !budget.is_exhausted() {
                                cache.insert_prepared(key, Arc::clone(&schema), bytes);
                            }
                            schema
                        }
                    };
                    check.compare(&new, &EquivalentVersions { versions, schema }, budget)?;
                    if check.is_done() {
                        break;
                    }
                }
                Ok(check)
            };
            let result = if is_flat {
                runner.run_linear(bytes + cached_bytes / 4, job).await
            } else {
                runner.run(job).await
            };
            check = result?.map_err(invalid_input)?;
        }
        Ok(check)
    }
}
