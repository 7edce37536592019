//! Where queries run, and within which bounds: threads of their own, a memory pool, and a folder for what does not fit in it.
//!
//! Planning walks expressions recursively, so it has a thread with a large stack, of which only what is used takes memory;
//! [`crate::limits`] bounds what is walked. Execution has a runtime apart from its caller's, so that signals and sockets are
//! served while a query computes. A dropped [`RowStream`] ends its query.

use crate::functions;
use crate::limits;
use crate::output::batch_bytes;
use crate::projections;
use crate::table::Table;
use crate::unreadable::Skipped;
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

/// The stack of the thread that plans: what statements at the limits take in a build without optimisation, doubled.
const PLANNING_STACK_BYTES: usize = 512 << 20;
/// The stack of a thread that executes.
const EXECUTION_STACK_BYTES: usize = 32 << 20;

/// What a session's queries may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// Bytes of memory, over all operators of a running query. Sorts, joins and groups go to disk beyond it where they can;
    /// other queries are refused.
    pub memory_bytes: usize,
    /// The folder for what goes to disk; `None` for the system's folder for temporary files.
    pub spill_folder: Option<PathBuf>,
    /// Bytes on disk.
    pub spill_bytes: u64,
}

/// 1 GiB of memory, and 16 GiB on disk.
impl Default for QueryLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, spill_folder: None, spill_bytes: 16 << 30 }
    }
}

impl QueryLimits {
    /// What the operators' pool gives out: the rest is for batches on their way between operators, which no pool counts.
    fn pool_bytes(&self) -> usize {
        self.memory_bytes / 2
    }

    /// The largest column of a batch that a function may make.
    fn column_bytes(&self) -> usize {
        self.memory_bytes / 8
    }
}

/// Runs queries.
pub(crate) struct QueryEngine {
    runtime: Option<Runtime>,
    environment: Arc<RuntimeEnv>,
    limits: QueryLimits,
}

/// Ends the threads without waiting for them.
impl Drop for QueryEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A table of a query, and its place.
pub(crate) struct FoundTable {
    pub(crate) catalog: String,
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) table: Table,
}

/// Where names without a catalog or a database are looked up.
#[derive(Debug, Clone)]
pub(crate) struct DefaultPath {
    pub(crate) catalog: String,
    pub(crate) database: String,
}

/// A query that was parsed, waits for the tables it names, and is planned then.
pub(crate) struct Parsed {
    /// The tables it names.
    pub(crate) references: Vec<TableReference>,
    tables: oneshot::Sender<Vec<FoundTable>>,
    planned: oneshot::Receiver<SqlResult<Planned>>,
}

struct Planned {
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
            .map_err(|e| SqlError::new("cannot start the threads of a query").because(e))?;
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
        self.runtime.as_ref().map(Runtime::handle).ok_or_else(ended)
    }

    /// Parses a query on a thread that plans it when its tables are known.
    pub(crate) async fn parse(&self, sql: String, path: DefaultPath) -> SqlResult<Parsed> {
        let (references_in, references) = oneshot::channel();
        let (tables, tables_out) = oneshot::channel();
        let (planned_in, planned) = oneshot::channel();
        let context = self.context(path);
        let handle = self.handle()?.clone();
        let plans = move || {
            let _entered = handle.enter();
            let planned = parse_and_plan(&handle, &context, &sql, references_in, tables_out);
            let _ = planned_in.send(planned);
        };
        std::thread::Builder::new()
            .name("kulya-plan".to_owned())
            .stack_size(PLANNING_STACK_BYTES)
            .spawn(plans)
            .map_err(|e| SqlError::new("cannot start the thread that plans a query").because(e))?;
        match references.await {
            Ok(references) => Ok(Parsed { references, tables, planned }),
            // it ended before it knew them: the reason is the other answer
            Err(_) => match planned.await {
                Ok(Err(error)) => Err(error),
                _ => Err(ended()),
            },
        }
    }

    /// Plans and runs a query over these tables.
    pub(crate) async fn run(
        &self,
        parsed: Parsed,
        tables: Vec<FoundTable>,
        skipped: Skipped,
    ) -> SqlResult<RowStream> {
        // when it is not taken the thread has ended, and says why by the other channel
        let _ = parsed.tables.send(tables);
        let Planned { plan, context } = parsed.planned.await.map_err(|_| ended())??;
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
        let kept = MemoryConsumer::new("result").register(&self.environment.memory_pool);
        Ok(RowStream { schema, batches, task: Some(task), kept, skipped })
    }

    fn context(&self, path: DefaultPath) -> SessionContext {
        let database = if path.database.is_empty() { "none chosen" } else { &path.database };
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(&path.catalog, database)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        // names keep their case, as in Flink
        config.options_mut().sql_parser.enable_ident_normalization = false;
        if let Ok(limit) = ConfigNonZeroUsize::try_new(limits::PARSER_RECURSION) {
            config.options_mut().sql_parser.recursion_limit = limit;
        }
        // what a sort that spills keeps for merging, of each partition: the usual 10 MB suits pools of gigabytes
        config.options_mut().execution.sort_spill_reservation_bytes =
            (self.limits.pool_bytes() / 64).min(10 << 20);
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.environment));
        functions::bound(&context, self.limits.column_bytes());
        context
    }
}

/// What the planning thread does; whatever it builds is dropped there, because dropping is recursive, too.
fn parse_and_plan(
    handle: &Handle,
    context: &SessionContext,
    sql: &str,
    references: oneshot::Sender<Vec<TableReference>>,
    tables: oneshot::Receiver<Vec<FoundTable>>,
) -> SqlResult<Planned> {
    let state = context.state();
    let statement = state.sql_to_statement(sql, &Dialect::Generic)?;
    // nobody waits for the answer of a statement that was given up
    if references.send(state.resolve_table_references(&statement)?).is_err() {
        return Err(ended());
    }
    for found in tables.blocking_recv().map_err(|_| ended())? {
        provide(context, found)?;
    }
    handle.block_on(async {
        let state = context.state();
        let plan = state.statement_to_plan(statement).await?;
        // a query reads: EXPLAIN of a statement that writes would run it, or say that it can be run
        let reads =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reads.verify_plan(&plan)?;
        limits::check_plan(&plan)?;
        let plan = projections::keep_apart(plan)?;
        let plan = state.create_physical_plan(&plan).await?;
        Ok(Planned { plan, context: context.task_ctx() })
    })
}

/// Makes a table known to a query.
fn provide(context: &SessionContext, found: FoundTable) -> SqlResult<()> {
    let FoundTable { catalog, database, name, table } = found;
    let known = context.catalog(&catalog).unwrap_or_else(|| {
        let made: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
        context.register_catalog(&catalog, Arc::clone(&made));
        made
    });
    let schema = match known.schema(&database) {
        Some(schema) => schema,
        None => {
            let made: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            known.register_schema(&database, Arc::clone(&made))?;
            made
        }
    };
    schema.register_table(name, Arc::new(table))?;
    Ok(())
}

/// A fault of ours: a thread of the query panicked, and standard error has its words.
fn ended() -> SqlError {
    SqlError::new("the query ended without an answer, by a fault of Kulya's: please report the statement")
}

/// The rows of a running query, batch by batch. Dropping it ends the query.
pub struct RowStream {
    schema: SchemaRef,
    batches: mpsc::Receiver<RecordBatch>,
    /// Until its end was seen.
    task: Option<JoinHandle<SqlResult<()>>>,
    /// Memory of the rows that [`RowStream::collect`] keeps.
    kept: MemoryReservation,
    /// Events that were left out.
    skipped: Skipped,
}

impl RowStream {
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What else is to be told of the rows, behind the last: events that were skipped.
    pub fn notes(&self) -> Vec<String> {
        self.skipped.note().into_iter().collect()
    }

    /// The next rows; `None` behind the last. After an error there is nothing more.
    pub async fn next(&mut self) -> SqlResult<Option<RecordBatch>> {
        if let Some(batch) = self.batches.recv().await {
            return Ok(Some(batch));
        }
        match self.task.take() {
            Some(task) => task.await.map_err(|_| ended())?.map(|()| None),
            None => Ok(None),
        }
    }

    /// All rows at once, as far as the query's memory allows.
    pub(crate) async fn collect(mut self) -> SqlResult<(SchemaRef, Vec<RecordBatch>, Vec<String>)> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            self.kept.try_grow(batch_bytes(&batch))?;
            batches.push(batch);
        }
        Ok((Arc::clone(&self.schema), batches, self.notes()))
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
