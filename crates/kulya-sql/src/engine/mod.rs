//! Query execution by DataFusion: threads, memory pool and spill folder of a session's queries.
//!
//! Planning is recursive, so it has a thread with a large stack, of which only the used part takes memory;
//! [`crate::limits`] bounds the recursion. Execution has its own runtime, so that the caller's runtime stays
//! responsive while a query computes. Dropping a [`RowStream`] cancels its query.

mod environment;
mod plan_limits;
mod projections;
mod row_stream;

pub use environment::QueryLimits;
pub use row_stream::RowStream;

use crate::functions;
use crate::limits;
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::TableReference;
use datafusion::config::{ConfigNonZeroUsize, Dialect};
use datafusion::execution::TaskContext;
use datafusion::execution::context::{SQLOptions, SessionConfig, SessionContext};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use row_stream::Warnings;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

/// The stack of the planning thread, in bytes: twice what statements at the limits need in an unoptimized
/// build.
const PLANNING_STACK_BYTES: usize = 512 << 20;
/// The stack of an execution thread, in bytes.
const EXECUTION_STACK_BYTES: usize = 32 << 20;

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

/// The full path of a table.
#[derive(Debug, Clone)]
pub(crate) struct TablePath {
    pub(crate) catalog: String,
    pub(crate) database: String,
    pub(crate) name: String,
}

/// A table of a query.
pub(crate) type ResolvedTable = (TablePath, Arc<dyn TableProvider>);

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
            .map_err(|e| {
                SqlError::new(SqlErrorKind::Failed, "cannot start the execution threads of queries")
                    .because(e)
            })?;
        let environment = limits.environment()?;
        Ok(Self { runtime: Some(runtime), environment, limits })
    }

    fn handle(&self) -> SqlResult<&Handle> {
        self.runtime.as_ref().map(Runtime::handle).ok_or_else(SqlError::internal)
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
            .map_err(|e| {
                SqlError::new(SqlErrorKind::Failed, "cannot start the planning thread of a query").because(e)
            })?;
        match references.await {
            Ok(references) => Ok(PendingQuery { references, tables, planned }),
            // parsing failed: the error is sent as the plan
            Err(_) => match planned.await {
                Ok(Err(error)) => Err(error),
                _ => Err(SqlError::internal()),
            },
        }
    }

    /// Plans and executes a query over these tables.
    pub(crate) async fn run(
        &self,
        parsed: PendingQuery,
        tables: Vec<ResolvedTable>,
        warnings: Warnings,
    ) -> SqlResult<RowStream> {
        // if the thread has ended, it has sent its error as the plan
        let _ = parsed.tables.send(tables);
        let PhysicalQuery { plan, context } = parsed.planned.await.map_err(|_| SqlError::internal())??;
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
        Ok(RowStream { schema, batches, task: Some(task), collected, warnings })
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
        return Err(SqlError::internal());
    }
    for resolved in tables.blocking_recv().map_err(|_| SqlError::internal())? {
        register_table(context, resolved)?;
    }
    handle.block_on(async {
        let state = context.state();
        let plan = state.statement_to_plan(statement).await?;
        // queries are read-only; EXPLAIN of a statement that writes could execute it
        let read_only =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan)?;
        plan_limits::check_plan(&plan)?;
        let plan = projections::mark_duplicates(plan)?;
        let plan = state.create_physical_plan(&plan).await?;
        Ok(PhysicalQuery { plan, context: context.task_ctx() })
    })
}

/// Registers a table in a query's context.
fn register_table(context: &SessionContext, resolved: ResolvedTable) -> SqlResult<()> {
    let (TablePath { catalog, database, name }, table) = resolved;
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
    schema.register_table(name, table)?;
    Ok(())
}
