//! A schema against those that a group has: loaded and parsed some at a time, compared where such work runs, and
//! remembered.

use crate::compute::Work;
use crate::group::Group;
use crate::memory::JudgedKey;
use crate::records::SchemaRecord;
use crate::registry::{Registry, refused};
use kulya_registry_api::RegistryResult;
use kulya_schema::decide::{self, Alike, Judge, MayAdd, MayRead, Refusal};
use kulya_schema::{Budget, Compatibility, Judged, Normal, VersionInfo};
use std::sync::Arc;

/// Shapes that are compared in one go, and about how many bytes of schemas are parsed for it.
const SHAPES_AT_A_TIME: usize = 1_000;
const BYTES_AT_A_TIME: usize = 4 << 20;

/// A check that takes one shape after another.
trait Check: Send + Sized + 'static {
    fn is_over(&self) -> bool;
    fn compare(&mut self, new: &Judged, alike: &Alike, budget: &Budget) -> kulya_schema::Result<()>;
}

impl Check for MayAdd {
    fn is_over(&self) -> bool {
        self.is_over()
    }

    fn compare(&mut self, new: &Judged, alike: &Alike, budget: &Budget) -> kulya_schema::Result<()> {
        self.compare(new, alike, budget)
    }
}

impl Check for MayRead {
    fn is_over(&self) -> bool {
        self.is_over()
    }

    fn compare(&mut self, new: &Judged, alike: &Alike, budget: &Budget) -> kulya_schema::Result<()> {
        self.compare(new, alike, budget)
    }
}

/// One schema of a shape, parsed before or not.
enum Prepared {
    Known(Arc<Judged>),
    Unread(JudgedKey, Arc<SchemaRecord>),
}

impl Registry {
    /// Whether the group lets this schema follow.
    pub(crate) async fn judge(
        &self,
        state: &Group<'_>,
        work: &Work,
        normal: &Arc<Normal>,
        judge: &Judge,
    ) -> RegistryResult<Result<(), Refusal>> {
        let new = self.made_ready(work, normal, judge).await?;
        let type_name = &normal.schema.type_name;
        let versions = state.consulted(judge, type_name).await?;
        let check = MayAdd::begin(judge, type_name, versions.iter());
        let verdict = self.compared(state, work, new, judge, versions, check).await?.end();
        if verdict.is_ok() {
            // what could not be told passes in some groups; what was not looked at passes in none
            work.budget().take(0, type_name).map_err(refused)?;
        }
        Ok(verdict)
    }

    /// Whether a reader with this schema may read the group.
    pub(crate) async fn judge_reader(
        &self,
        state: &Group<'_>,
        work: &Work,
        normal: &Arc<Normal>,
        judge: &Judge,
    ) -> RegistryResult<bool> {
        let reader = self.made_ready(work, normal, judge).await?;
        if judge.compatibility == Compatibility::AllowAny {
            return Ok(true);
        }
        let versions = state.consulted(judge, &normal.schema.type_name).await?;
        let check = MayRead::begin(judge, versions.iter());
        Ok(self.compared(state, work, reader, judge, versions, check).await?.end())
    }

    async fn made_ready(
        &self,
        work: &Work,
        normal: &Arc<Normal>,
        judge: &Judge,
    ) -> RegistryResult<Arc<Judged>> {
        let (normal, judge) = (Arc::clone(normal), judge.clone());
        let bytes = normal.schema.data.len();
        let judged = work.linear(bytes, move |budget| Judged::new(&normal, &judge, budget)).await?;
        judged.map(Arc::new).map_err(refused)
    }

    async fn compared<C: Check>(
        &self,
        state: &Group<'_>,
        work: &Work,
        new: Arc<Judged>,
        judge: &Judge,
        versions: Vec<VersionInfo>,
        mut check: C,
    ) -> RegistryResult<C> {
        if check.is_over() {
            return Ok(check);
        }
        let shaped = state.shaped(versions, &new).await?;
        let mut groups = decide::alike(shaped).into_iter();
        while !check.is_over() {
            let (mut some, mut bytes, mut known_bytes) = (Vec::new(), 0, 0);
            while some.len() < SHAPES_AT_A_TIME && bytes < BYTES_AT_A_TIME {
                let Some(versions) = groups.next() else { break };
                let Some(first) = versions.first() else { continue };
                let key = state.judged_key(first.id, judge);
                let prepared = match self.memory.judged.get(&key) {
                    Some((known, weight)) => {
                        known_bytes += weight as usize;
                        Prepared::Known(known)
                    }
                    None => {
                        let record = state.schema(first.id).await?;
                        bytes += record.schema.data.len();
                        Prepared::Unread(key, record)
                    }
                };
                some.push((versions, prepared));
            }
            if some.is_empty() {
                break;
            }
            let (new, judge, memory) = (Arc::clone(&new), judge.clone(), Arc::clone(&self.memory));
            // what is not compared in time by its size is never small
            let is_flat = new.is_flat();
            let job = move |budget: &Budget| {
                for (versions, prepared) in some {
                    let schema = match prepared {
                        Prepared::Known(schema) => schema,
                        Prepared::Unread(key, record) => {
                            let bytes = record.schema.data.len();
                            let schema = Arc::new(Judged::registered(&record.schema, &judge, budget));
                            if !budget.is_spent() {
                                memory.keep_judged(key, Arc::clone(&schema), bytes);
                            }
                            schema
                        }
                    };
                    check.compare(&new, &Alike { versions, schema }, budget)?;
                    if check.is_over() {
                        break;
                    }
                }
                Ok(check)
            };
            let done =
                if is_flat { work.linear(bytes + known_bytes / 4, job).await } else { work.run(job).await };
            check = done?.map_err(refused)?;
        }
        Ok(check)
    }
}
