//! The registry's state: the table, the caches, the threads, and on whose behalf requests are made. The
//! operations are in the modules above: `schemas`, `administration`, `listing`, `lifecycle`.

use crate::authorizer::Authorizer;
use crate::cache::RegistryCache;
use crate::changelog;
use crate::error::invalid_input;
use crate::page_token::PageTokenCiphers;
use crate::snapshot::GroupSnapshot;
use crate::table::Table;
use crate::worker_pool::{JobRunner, WorkerPool, WorkerPoolLimits};
use kulya_registry_api::administration::RegistryAdministration;
use kulya_registry_api::{RegistryResult, SchemaRegistry};
use kulya_schema::compatibility::CompatibilityContext;
use kulya_schema::{CanonicalSchema, Checkers, GroupId, SchemaInfo, canonicalize_with_budget};
use kulya_store::StreamStore;
use kulya_store::clock::Clock;
use std::sync::Arc;

/// The schema registry on a stream store. Clones share the store, the caches and the threads.
#[derive(Clone)]
pub struct Registry {
    pub(crate) table: Arc<Table>,
    pub(crate) cache: Arc<RegistryCache>,
    /// Restricts what requests return; `None` for a program in the same process, which has all rights.
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
    pub(crate) token_ciphers: Arc<PageTokenCiphers>,
    pub(crate) workers: WorkerPool,
    clock: Arc<dyn Clock>,
    checkers: Checkers,
}

impl Registry {
    /// Opens the registry in a store, for a server. Creates the system scope `_schemaregistry`, its table and
    /// its changelog where they do not exist.
    ///
    /// # Errors
    /// `Unavailable` or `Failed` when the store fails.
    pub async fn open(
        store: impl Into<Arc<dyn StreamStore>>,
        clock: impl Into<Arc<dyn Clock>>,
    ) -> RegistryResult<Self> {
        let this = Self::new(store, clock)?;
        this.table.create().await?;
        Ok(this)
    }

    /// Creates a handle of the registry in a store, for a reader. Does no I/O: a store without a registry
    /// reads as one without groups, and the first change creates the registry.
    ///
    /// # Errors
    /// None in practice: the names of the system scope are valid.
    pub fn new(
        store: impl Into<Arc<dyn StreamStore>>,
        clock: impl Into<Arc<dyn Clock>>,
    ) -> RegistryResult<Self> {
        Ok(Self {
            table: Arc::new(Table::new(store.into())?),
            cache: Arc::new(RegistryCache::new()),
            authorizer: None,
            token_ciphers: Arc::default(),
            workers: WorkerPool::new(WorkerPoolLimits::default()),
            clock: clock.into(),
            checkers: Checkers::default(),
        })
    }

    /// Sets the limits of the threads that parse and compare schemas.
    #[must_use]
    pub fn with_worker_limits(mut self, limits: WorkerPoolLimits) -> Self {
        self.workers = WorkerPool::new(limits);
        self
    }

    /// Sets the compatibility checkers of custom formats. All registries on a store should have the same.
    #[must_use]
    pub fn with_checkers(mut self, checkers: Checkers) -> Self {
        self.checkers = checkers;
        self
    }

    /// Runs a job whose time is linear in the `bytes` of its input: small ones inline, others on the
    /// registry's threads.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full or the job does not finish in time, `Failed` when it panics.
    pub async fn run_linear<T: Send + 'static>(
        &self,
        bytes: usize,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> RegistryResult<T> {
        self.workers.runner().run_linear(bytes, move |_| job()).await
    }

    /// Parses a schema and brings it into canonical form.
    pub(crate) async fn canonicalize(
        &self,
        runner: &JobRunner,
        schema: SchemaInfo,
    ) -> RegistryResult<Arc<CanonicalSchema>> {
        let bytes = schema.data.len();
        let canonical =
            runner.run_linear(bytes, move |budget| canonicalize_with_budget(schema, budget)).await?;
        canonical.map(Arc::new).map_err(invalid_input)
    }

    /// Returns the position after the last change. [`changes`] from there returns every later change, which a
    /// caller needs who must not miss one between two calls.
    ///
    /// # Errors
    /// `Unavailable` or `Failed` when the store fails.
    ///
    /// [`changes`]: kulya_registry_api::administration::RegistryAdministration::changes
    pub async fn changelog_tail(&self) -> RegistryResult<String> {
        self.seal_position(changelog::tail(&self.table).await?).await
    }

    /// Returns the time in milliseconds since 1970 UTC.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.since_epoch().as_millis() as u64
    }

    /// Reads a group's record.
    pub(crate) async fn snapshot<'a>(&'a self, group: &'a GroupId) -> RegistryResult<GroupSnapshot<'a>> {
        GroupSnapshot::read(&self.table, &self.cache, group).await
    }

    /// Returns by which policy and rules a group checks schemas.
    pub(crate) fn compatibility_context(
        &self,
        snapshot: &GroupSnapshot<'_>,
    ) -> RegistryResult<CompatibilityContext> {
        CompatibilityContext::for_group(&snapshot.record.properties, &self.checkers).map_err(invalid_input)
    }

    pub(crate) fn checkers(&self) -> &Checkers {
        &self.checkers
    }
}

impl From<Registry> for Arc<dyn SchemaRegistry> {
    fn from(registry: Registry) -> Self {
        Arc::new(registry)
    }
}

impl From<Registry> for Arc<dyn RegistryAdministration> {
    fn from(registry: Registry) -> Self {
        Arc::new(registry)
    }
}
