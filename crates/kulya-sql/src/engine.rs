//! Query execution by DataFusion: threads, memory pool and spill folder of a session's queries.
//!
//! Planning is recursive, so it has a thread with a large stack, of which only the used part takes memory;
//! [`crate::limits`] bounds the recursion. Execution has its own runtime, so that the caller's runtime stays
//! responsive while a query computes. Dropping a [`RowStream`] cancels its query.

use crate::decode_errors::SkippedEvents;
use crate::functions;
use crate::limits;
use crate::output::batch_bytes;
use crate::projections;
use crate::table::Table;
use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::TableReference;
use datafusion::config::{ConfigNonZeroUsize, Dialect};
use datafusion::execution::TaskContext;
use datafusion::execution::context::{SQLOptions, SessionConfig, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The stack of the planning thread, in bytes: twice what statements at the limits need in an unoptimized
/// build.
const PLANNING_STACK_BYTES: usize = 512 << 20;
/// The stack of an execution thread, in bytes.
const EXECUTION_STACK_BYTES: usize = 32 << 20;

/// The resource limits of a session's queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// The maximum memory of all operators of a query, in bytes. Beyond it sorts, joins and aggregations
    /// spill to disk if they can; other queries fail.
    pub memory_bytes: usize,
    /// The folder for spilled data; `None` for the system's folder for temporary files.
    pub spill_folder: Option<PathBuf>,
    /// The maximum size of spilled data, in bytes.
    pub spill_bytes: u64,
}

/// 1 GiB of memory, and 16 GiB of spilled data.
impl Default for QueryLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, spill_folder: None, spill_bytes: 16 << 30 }
    }
}

impl QueryLimits {
    /// The size of the operators' memory pool; the rest is for batches between operators, which the pool does
    /// not count.
    fn pool_bytes(&self) -> usize {
        self.memory_bytes / 2
    }

    /// The maximum size of a column that a function returns for a batch.
    fn column_bytes(&self) -> usize {
        self.memory_bytes / 8
    }
}

/// Plans and executes queries.
pub(crate) struct QueryEngine {
    runtime: Option<Runtime>,
    environment: Arc<RuntimeEnv>,
    limits: QueryLimits,
}

/// Shuts the threads down in the background.
impl Drop for QueryEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A table of a query, with its full path.
pub(crate) struct ResolvedTable {
    pub(crate) catalog: String,
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) table: Table,
}

/// The catalog and database of unqualified table names.
#[derive(Debug, Clone)]
pub(crate) struct DefaultPath {
    pub(crate) catalog: String,
    pub(crate) database: String,
}

/// A parsed query. Its planning thread waits for the tables that it references.
pub(crate) struct PendingQuery {
    /// The referenced tables.
    pub(crate) references: Vec<TableReference>,
    tables: oneshot::Sender<Vec<ResolvedTable>>,
    planned: oneshot::Receiver<SqlResult<PhysicalQuery>>,
}

struct PhysicalQuery {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
}

impl QueryEngine {
    pub(crate) fn new(limits: QueryLimits) -> SqlResult<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("kulya-query")
            .thread_stack_size(EXECUTION_STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|e| SqlError::new("cannot start the execution threads of queries").because(e))?;
        let mode = match &limits.spill_folder {
            Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let spilled =
            DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(limits.spill_bytes);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.pool_bytes())))
            .with_disk_manager_builder(spilled)
            .build_arc()?;
        Ok(Self { runtime: Some(runtime), environment, limits })
    }

    fn handle(&self) -> SqlResult<&Handle> {
        self.runtime.as_ref().map(Runtime::handle).ok_or_else(internal_error)
    }

    /// Parses a query, on a thread that then waits for the tables and plans it.
    pub(crate) async fn parse(&self, sql: String, path: DefaultPath) -> SqlResult<PendingQuery> {
        let (references_sender, references) = oneshot::channel();
        let (tables, tables_receiver) = oneshot::channel();
        let (planned_sender, planned) = oneshot::channel();
        let context = self.context(path);
        let handle = self.handle()?.clone();
        let plan = move || {
            let _entered = handle.enter();
            let planned = parse_and_plan(&handle, &context, &sql, references_sender, tables_receiver);
            let _ = planned_sender.send(planned);
        };
        std::thread::Builder::new()
            .name("kulya-plan".to_owned())
            .stack_size(PLANNING_STACK_BYTES)
            .spawn(plan)
            .map_err(|e| SqlError::new("cannot start the planning thread of a query").because(e))?;
        match references.await {
            Ok(references) => Ok(PendingQuery { references, tables, planned }),
            // parsing failed: the error is sent as the plan
            Err(_) => match planned.await {
                Ok(Err(error)) => Err(error),
                _ => Err(internal_error()),
            },
        }
    }

    /// Plans and executes a query over these tables.
    pub(crate) async fn run(
        &self,
        parsed: PendingQuery,
        tables: Vec<ResolvedTable>,
        skipped: SkippedEvents,
    ) -> SqlResult<RowStream> {
        // if the thread has ended, it has sent its error as the plan
        let _ = parsed.tables.send(tables);
        let PhysicalQuery { plan, context } = parsed.planned.await.map_err(|_| internal_error())??;
        let schema = plan.schema();
        let (sender, batches) = mpsc::channel(1);
        let task = self.handle()?.spawn(async move {
            let mut stream = execute_stream(plan, context)?;
            while let Some(batch) = stream.next().await {
                if sender.send(batch?).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        let collected = MemoryConsumer::new("result").register(&self.environment.memory_pool);
        Ok(RowStream { schema, batches, task: Some(task), collected, skipped })
    }

    fn context(&self, path: DefaultPath) -> SessionContext {
        let database = if path.database.is_empty() { "none selected" } else { &path.database };
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(&path.catalog, database)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        // names are case-sensitive, as in Flink
        config.options_mut().sql_parser.enable_ident_normalization = false;
        if let Ok(limit) = ConfigNonZeroUsize::try_new(limits::PARSER_RECURSION) {
            config.options_mut().sql_parser.recursion_limit = limit;
        }
        // memory that a spilling sort reserves per partition for merging: the default of 10 MB suits larger
        // pools
        config.options_mut().execution.sort_spill_reservation_bytes =
            (self.limits.pool_bytes() / 64).min(10 << 20);
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.environment));
        functions::register_bounded(&context, self.limits.column_bytes());
        context
    }
}

/// Runs on the planning thread. Statement and plan are dropped there too, because dropping them is recursive.
fn parse_and_plan(
    handle: &Handle,
    context: &SessionContext,
    sql: &str,
    references: oneshot::Sender<Vec<TableReference>>,
    tables: oneshot::Receiver<Vec<ResolvedTable>>,
) -> SqlResult<PhysicalQuery> {
    let state = context.state();
    let statement = state.sql_to_statement(sql, &Dialect::Generic)?;
    // the caller may have given up
    if references.send(state.resolve_table_references(&statement)?).is_err() {
        return Err(internal_error());
    }
    for resolved in tables.blocking_recv().map_err(|_| internal_error())? {
        register_table(context, resolved)?;
    }
    handle.block_on(async {
        let state = context.state();
        let plan = state.statement_to_plan(statement).await?;
        // queries are read-only; EXPLAIN of a statement that writes could execute it
        let read_only =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan)?;
        limits::check_plan(&plan)?;
        let plan = projections::mark_duplicates(plan)?;
        let plan = state.create_physical_plan(&plan).await?;
        Ok(PhysicalQuery { plan, context: context.task_ctx() })
    })
}

/// Registers a table in a query's context.
fn register_table(context: &SessionContext, resolved: ResolvedTable) -> SqlResult<()> {
    let ResolvedTable { catalog, database, name, table } = resolved;
    let catalog_provider = context.catalog(&catalog).unwrap_or_else(|| {
        let created: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
        context.register_catalog(&catalog, Arc::clone(&created));
        created
    });
    let schema = match catalog_provider.schema(&database) {
        Some(schema) => schema,
        None => {
            let created: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            catalog_provider.register_schema(&database, Arc::clone(&created))?;
            created
        }
    };
    schema.register_table(name, Arc::new(table))?;
    Ok(())
}

/// Returns the error of a thread that panicked; standard error has the panic's message.
fn internal_error() -> SqlError {
    SqlError::new("the query failed by an internal error of Kulya: please report the statement")
}

/// The rows of a running query, batch by batch. Dropping it cancels the query.
pub struct RowStream {
    schema: SchemaRef,
    batches: mpsc::Receiver<RecordBatch>,
    /// `None` after the end of the query.
    task: Option<JoinHandle<SqlResult<()>>>,
    /// The memory of the rows that [`RowStream::collect`] has collected.
    collected: MemoryReservation,
    skipped: SkippedEvents,
}

impl RowStream {
    /// Returns the schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns warnings about the query, such as skipped events; complete after the last batch.
    pub fn warnings(&self) -> Vec<String> {
        self.skipped.warning().into_iter().collect()
    }

    /// Returns the next batch; `None` after the last one and after an error.
    ///
    /// # Errors
    /// The query's error, such as an event that cannot be decoded or exceeded memory.
    pub async fn next(&mut self) -> SqlResult<Option<RecordBatch>> {
        if let Some(batch) = self.batches.recv().await {
            return Ok(Some(batch));
        }
        match self.task.take() {
            Some(task) => task.await.map_err(|_| internal_error())?.map(|()| None),
            None => Ok(None),
        }
    }

    /// Collects all rows, within the query's memory limit.
    pub(crate) async fn collect(mut self) -> SqlResult<(SchemaRef, Vec<RecordBatch>, Vec<String>)> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            self.collected.try_grow(batch_bytes(&batch))?;
            batches.push(batch);
        }
        Ok((Arc::clone(&self.schema), batches, self.warnings()))
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
