//! Query execution by DataFusion: threads, memory pool and spill folder of a session's queries.
//!
//! Planning is recursive, so it has a thread with a large stack, of which only the used part takes memory;
//! [`crate::dialect`] bounds the recursion. Execution has its own runtime, so that the caller's runtime stays
//! responsive while a query computes. Dropping a [`RowStream`] cancels its query.

mod environment;
mod plan_limits;
mod projections;
mod row_stream;
mod target;

pub use environment::QueryLimits;
pub use row_stream::RowStream;
pub(crate) use target::TargetColumns;

use crate::data_types::FlinkTypePlanner;
use crate::functions;
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::TaskContext;
use datafusion::execution::context::{SQLOptions, SessionConfig, SessionContext};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
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
pub(crate) struct ResolvedTable {
    /// The path by which the query names it.
    pub(crate) path: TablePath,
    pub(crate) provider: Arc<dyn TableProvider>,
    /// A query over the provider, named [`BASE_TABLE`], whose rows are the table's; `None` for those of the
    /// provider.
    pub(crate) query: Option<Box<ast::Query>>,
}

/// The name of a table's own rows in the query of its computed columns.
pub(crate) const BASE_TABLE: &str = "rows of the table";

/// What is to be planned.
pub(crate) struct PlanRequest {
    pub(crate) statement: ast::Statement,
    pub(crate) path: DefaultPath,
    /// The columns that the rows are converted to; `None` for those of the query.
    pub(crate) target: Option<TargetColumns>,
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

    /// Finds the tables of a query, on a thread that then waits for them and plans it.
    pub(crate) async fn plan(&self, request: PlanRequest) -> SqlResult<PendingQuery> {
        let (references_sender, references) = oneshot::channel();
        let (tables, tables_receiver) = oneshot::channel();
        let (planned_sender, planned) = oneshot::channel();
        let context = self.context(&request.path);
        let handle = self.handle()?.clone();
        let plan = move || {
            let _entered = handle.enter();
            let planned = plan_here(&handle, &context, request, references_sender, tables_receiver);
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
            // that failed: the error is sent as the plan
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

    fn context(&self, path: &DefaultPath) -> SessionContext {
        let database = if path.database.is_empty() { "none selected" } else { &path.database };
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(&path.catalog, database)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        // names are case-sensitive, as in Flink
        config.options_mut().sql_parser.enable_ident_normalization = false;
        // memory that a spilling sort reserves per partition for merging: the default of 10 MB suits larger
        // pools
        config.options_mut().execution.sort_spill_reservation_bytes =
            (self.limits.pool_bytes() / 64).min(10 << 20);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.environment))
            .with_default_features()
            .with_type_planner(Arc::new(FlinkTypePlanner))
            .build();
        let context = SessionContext::new_with_state(state);
        functions::register_bounded(&context, self.limits.column_bytes());
        functions::register_time(&context);
        context
    }
}

/// Runs on the planning thread. Statement and plan are dropped there too, because dropping them is recursive.
fn plan_here(
    handle: &Handle,
    context: &SessionContext,
    request: PlanRequest,
    references: oneshot::Sender<Vec<TableReference>>,
    tables: oneshot::Receiver<Vec<ResolvedTable>>,
) -> SqlResult<PhysicalQuery> {
    let state = context.state();
    let statement = Statement::Statement(Box::new(request.statement));
    // the caller may have given up
    if references.send(state.resolve_table_references(&statement)?).is_err() {
        return Err(SqlError::internal());
    }
    let tables = tables.blocking_recv().map_err(|_| SqlError::internal())?;
    handle.block_on(async {
        for resolved in tables {
            register_table(context, resolved).await?;
        }
        let state = context.state();
        let plan = state.statement_to_plan(statement).await?;
        // queries are read-only; EXPLAIN of a statement that writes could execute it
        let read_only =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan)?;
        plan_limits::check_plan(&plan)?;
        let plan = match &request.target {
            Some(target) => target.convert(plan)?,
            None => plan,
        };
        let plan = projections::mark_duplicates(plan)?;
        let plan = state.create_physical_plan(&plan).await?;
        Ok(PhysicalQuery { plan, context: context.task_ctx() })
    })
}

/// Returns the rows of a table with computed columns.
async fn with_computed_columns(
    context: &SessionContext,
    base: Arc<dyn TableProvider>,
    query: Box<ast::Query>,
) -> SqlResult<Arc<dyn TableProvider>> {
    let own = SessionContext::new_with_state(SessionStateBuilder::new_from_existing(context.state()).build());
    let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
    schema.register_table(BASE_TABLE.to_owned(), base)?;
    let catalog: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
    catalog.register_schema(BASE_TABLE, schema)?;
    own.register_catalog(BASE_TABLE, catalog);
    let statement = Statement::Statement(Box::new(ast::Statement::Query(query)));
    let plan = own.state().statement_to_plan(statement).await?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Registers a table in a query's context.
async fn register_table(context: &SessionContext, resolved: ResolvedTable) -> SqlResult<()> {
    let ResolvedTable { path: TablePath { catalog, database, name }, provider, query } = resolved;
    let table = match query {
        Some(query) => with_computed_columns(context, provider, query).await?,
        None => provider,
    };
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
