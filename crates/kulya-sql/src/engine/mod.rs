//! Query execution by DataFusion: threads, memory pool and spill folder of a session's queries.
//!
//! Planning is recursive, so it has a thread with a large stack, of which only the used part takes memory;
//! [`crate::dialect`] bounds the recursion. Execution has its own runtime, so that the caller's runtime stays
//! responsive while a query computes. Dropping a [`RowStream`] cancels its query.

mod cancellation;
mod correlated;
mod environment;
mod lateral_unnest;
mod plan_limits;
mod projections;
mod result_types;
mod row_stream;
mod semantics;
mod subquery_values;
mod target;
mod unnest_relation;

pub use environment::QueryLimits;
pub use row_stream::RowStream;
pub(crate) use target::TargetColumns;

use crate::dialect::{TableReferenceKind, identifier, table_reference};
use crate::functions;
use crate::live::LiveQuery;
use crate::live::lowering::{self, ChangesNode, LiveTable, TableTraits, WatermarkNode};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    TableProvider,
};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::TaskContext;
use datafusion::execution::context::{SQLOptions, SessionConfig, SessionContext};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use row_stream::Warnings;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use unnest_relation::UnnestRelation;

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TablePath {
    pub(crate) catalog: String,
    pub(crate) database: String,
    pub(crate) name: String,
}

/// A table of a query.
pub(crate) struct ResolvedTable {
    /// The path by which the query names it.
    pub(crate) path: TablePath,
    pub(crate) rows: TableRowsSource,
    /// Of a table of a live query, what is known of its changes.
    pub(crate) live: Option<LiveRows>,
}

/// A table of a live query.
pub(crate) struct LiveRows {
    pub(crate) traits: TableTraits,
    /// The name of the column that is the time of rows; the query of the table then has a last column with
    /// the watermark of each.
    pub(crate) time: Option<String>,
    /// The table is read as its changes, of rows with this key.
    pub(crate) changes: Option<Vec<String>>,
}

/// The parts in backticks, with dots between them.
impl fmt::Display for TablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { catalog, database, name } = self;
        write!(f, "{}.{}.{}", identifier(catalog), identifier(database), identifier(name))
    }
}

/// Where the rows of a table come from.
pub(crate) enum TableRowsSource {
    /// The provider; with a query over it, named [`BASE_TABLE`], the rows of the query.
    Stream(Arc<dyn TableProvider>, Option<Box<ast::Query>>),
    /// The view of this number in [`ResolvedTables::views`].
    View(usize),
}

/// A view of a query.
pub(crate) struct ResolvedView {
    /// The view's name, for messages.
    pub(crate) name: String,
    pub(crate) query: Box<ast::Query>,
    /// The names of its columns; empty for those of the query.
    pub(crate) columns: Vec<String>,
    pub(crate) tables: Vec<ResolvedTable>,
}

/// The tables of a query.
#[derive(Default)]
pub(crate) struct ResolvedTables {
    pub(crate) tables: Vec<ResolvedTable>,
    /// Each after those that it reads.
    pub(crate) views: Vec<ResolvedView>,
}

/// The name of a table's own rows in the query of its computed columns.
pub(crate) const BASE_TABLE: &str = "rows of the table";

/// What is to be planned.
pub(crate) struct PlanRequest {
    pub(crate) statement: ast::Statement,
    pub(crate) path: DefaultPath,
    /// The columns that the rows are converted to; `None` for those of the query.
    pub(crate) target: Option<TargetColumns>,
    pub(crate) purpose: Purpose,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The rows of now.
    Rows,
    /// Rows that follow the changes of the tables.
    Changes,
}

/// The catalog and database of unqualified table names.
#[derive(Debug, Clone)]
pub(crate) struct DefaultPath {
    pub(crate) catalog: String,
    pub(crate) database: String,
}

impl DefaultPath {
    /// Returns the database of unqualified names.
    fn database(&self) -> &str {
        if self.database.is_empty() { "none selected" } else { &self.database }
    }

    /// Returns the full path of an unqualified name.
    pub(crate) fn of_table(&self, name: &str) -> TablePath {
        let (catalog, database) = (self.catalog.clone(), self.database().to_owned());
        TablePath { catalog, database, name: name.to_owned() }
    }
}

/// A parsed query. Its planning thread waits for the tables that it references.
pub(crate) struct PendingQuery {
    /// The referenced tables.
    pub(crate) references: Vec<TableReference>,
    tables: oneshot::Sender<ResolvedTables>,
    planned: oneshot::Receiver<SqlResult<Planned>>,
}

enum Planned {
    Rows(PhysicalQuery),
    Changes(Box<LiveQuery>),
}

struct PhysicalQuery {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
}

impl PendingQuery {
    async fn finish(self, tables: ResolvedTables) -> SqlResult<PhysicalQuery> {
        match self.planned(tables).await? {
            Planned::Rows(query) => Ok(query),
            Planned::Changes(_) => Err(SqlError::internal()),
        }
    }

    async fn planned(self, tables: ResolvedTables) -> SqlResult<Planned> {
        // if the thread has ended, it has sent its error as the plan
        let _ = self.tables.send(tables);
        self.planned.await.map_err(|_| SqlError::internal())?
    }

    /// Plans the query over these tables as one that follows their changes. It was requested for that.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn live(self, tables: ResolvedTables) -> SqlResult<LiveQuery> {
        match self.planned(tables).await? {
            Planned::Changes(query) => Ok(*query),
            Planned::Rows(_) => Err(SqlError::internal()),
        }
    }

    /// Plans the query over these tables without executing it, and returns the columns of its rows.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn schema(self, tables: ResolvedTables) -> SqlResult<SchemaRef> {
        Ok(self.finish(tables).await?.plan.schema())
    }
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

    /// Starts tasks on the threads of the engine, within the function.
    pub(crate) fn enter<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.as_ref().map(Runtime::enter);
        start()
    }

    /// Returns rows that a task sends until it ends.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn stream<F: Future<Output = SqlResult<()>> + Send + 'static>(
        &self,
        schema: SchemaRef,
        rows: impl FnOnce(mpsc::Sender<RecordBatch>) -> F,
    ) -> SqlResult<RowStream> {
        let (sender, batches) = mpsc::channel(1);
        let task = self.handle()?.spawn(rows(sender));
        let collected = self.reservation("result");
        Ok(RowStream { schema, batches, task: Some(task), collected, warnings: Box::new(Vec::new) })
    }

    /// Runs what blocks, such as reading a file, on a thread for it.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        block: impl FnOnce() -> SqlResult<T> + Send + 'static,
    ) -> SqlResult<T> {
        self.handle()?.spawn_blocking(block).await.map_err(|_| SqlError::internal())?
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
        tables: ResolvedTables,
        warnings: Warnings,
    ) -> SqlResult<RowStream> {
        let PhysicalQuery { plan, context } = parsed.finish(tables).await?;
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
        let collected = self.reservation("result");
        Ok(RowStream { schema, batches, task: Some(task), collected, warnings })
    }

    /// Returns memory of the queries' pool, of which nothing is taken yet.
    pub(crate) fn reservation(&self, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).register(&self.environment.memory_pool)
    }

    /// Returns the names of all functions, in order.
    pub(crate) fn function_names(&self) -> Vec<String> {
        let path = DefaultPath { catalog: String::new(), database: String::new() };
        let state = self.context(&path).state();
        let scalar = state.scalar_functions().values().map(|function| function.name().to_owned());
        let aggregate = state.aggregate_functions().values().map(|function| function.name().to_owned());
        let window = state.window_functions().values().map(|function| function.name().to_owned());
        let names: BTreeSet<String> = scalar.chain(aggregate).chain(window).collect();
        // others are those that expressions are rewritten to
        names.into_iter().filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic())).collect()
    }

    fn context(&self, path: &DefaultPath) -> SessionContext {
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(&path.catalog, path.database())
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        // names are case-sensitive, as in Flink
        config.options_mut().sql_parser.enable_ident_normalization = false;
        // errors say where a name is
        config.options_mut().sql_parser.collect_spans = true;
        // 1.1 is a DECIMAL, and null the smallest value
        config.options_mut().sql_parser.parse_float_as_decimal = true;
        config.options_mut().sql_parser.default_null_ordering = "nulls_min".to_owned();
        // memory that a spilling sort reserves per partition for merging: the default of 10 MB suits larger
        // pools
        config.options_mut().execution.sort_spill_reservation_bytes =
            (self.limits.pool_bytes() / 64).min(10 << 20);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.environment))
            .with_default_features()
            .with_relation_planners(vec![Arc::new(UnnestRelation)])
            .build();
        let context = SessionContext::new_with_state(state);
        functions::register(&context, self.limits.column_bytes(), &path.database);
        context
    }
}

/// Runs on the planning thread. Statement and plan are dropped there too, because dropping them is recursive.
fn plan_here(
    handle: &Handle,
    context: &SessionContext,
    request: PlanRequest,
    references: oneshot::Sender<Vec<TableReference>>,
    tables: oneshot::Receiver<ResolvedTables>,
) -> SqlResult<Planned> {
    let state = context.state();
    functions::check_functions(&request.statement, &state)?;
    let statement = Statement::Statement(Box::new(request.statement));
    // the caller may have given up
    if references.send(state.resolve_table_references(&statement)?).is_err() {
        return Err(SqlError::internal());
    }
    let tables = tables.blocking_recv().map_err(|_| SqlError::internal())?;
    handle.block_on(async {
        let mut views = Vec::with_capacity(tables.views.len());
        for view in tables.views {
            views.push(view_rows(context, view, &views).await?);
        }
        for resolved in tables.tables {
            register_table(context, resolved, &views).await?;
        }
        let state = context.state();
        let plan = state.statement_to_plan(statement).await?;
        // queries are read-only; EXPLAIN of a statement that writes could execute it
        let read_only =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan)?;
        plan_limits::check_plan(&plan)?;
        let plan = adapted(plan)?;
        let plan = match &request.target {
            Some(target) => target.convert(plan)?,
            None => plan,
        };
        let plan = projections::mark_duplicates(plan)?;
        if request.purpose == Purpose::Changes {
            return lowering::lower(plan, &state).map(Box::new).map(Planned::Changes);
        }
        let plan = cancellation::cancellable(state.create_physical_plan(&plan).await?)?;
        Ok(Planned::Rows(PhysicalQuery { plan, context: context.task_ctx() }))
    })
}

/// Returns the rows of a table with computed columns.
async fn with_computed_columns(
    context: &SessionContext,
    base: Arc<dyn TableProvider>,
    query: Box<ast::Query>,
    (time, changes): (Option<String>, Option<Vec<String>>),
) -> SqlResult<Arc<dyn TableProvider>> {
    let own = SessionContext::new_with_state(SessionStateBuilder::new_from_existing(context.state()).build());
    let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
    schema.register_table(BASE_TABLE.to_owned(), base)?;
    let catalog: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
    catalog.register_schema(BASE_TABLE, schema)?;
    own.register_catalog(BASE_TABLE, catalog);
    let statement = Statement::Statement(Box::new(ast::Statement::Query(query)));
    let planned = own.state().statement_to_plan(statement).await;
    // the places are those of a text that the user has not typed
    let plan = adapted(planned.map_err(|e| SqlError::from(e).without_position())?)?;
    let plan = match time {
        Some(time) => WatermarkNode::plan(plan, &time)?,
        None => plan,
    };
    let plan = match changes {
        Some(key) => ChangesNode::plan(plan, key)?,
        None => plan,
    };
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Returns a plan as Flink understands the query, in a form that DataFusion executes.
fn adapted(plan: LogicalPlan) -> SqlResult<LogicalPlan> {
    let plan = subquery_values::rewrite(lateral_unnest::rewrite(plan)?)?;
    Ok(semantics::apply(correlated::unnest(plan)?)?)
}

/// Returns the rows of a view; `views` are those before it.
async fn view_rows(
    context: &SessionContext,
    view: ResolvedView,
    views: &[Arc<dyn TableProvider>],
) -> SqlResult<Arc<dyn TableProvider>> {
    // names of tables with hints are those of this query alone
    let state = SessionStateBuilder::new_from_existing(context.state());
    let state = state.with_catalog_list(Arc::new(MemoryCatalogProviderList::new())).build();
    let own = SessionContext::new_with_state(state);
    for table in view.tables {
        register_table(&own, table, views).await?;
    }
    let statement = Statement::Statement(Box::new(ast::Statement::Query(view.query)));
    let planned = own.state().statement_to_plan(statement).await;
    let plan = planned.map_err(|e| {
        // the places are those of the stored statement
        SqlError::from(e).without_position().with_context(&format!("view {}", view.name))
    })?;
    plan_limits::check_plan(&plan)?;
    let plan = adapted(plan)?;
    let plan = match view.columns.as_slice() {
        [] => plan,
        names => renamed(plan, names, &view.name)?,
    };
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Returns a plan with other names of its columns.
fn renamed(plan: LogicalPlan, names: &[String], view: &str) -> SqlResult<LogicalPlan> {
    let found = plan.schema().fields().len();
    if found != names.len() {
        let what = format!("view {view} names {} columns, but its query has {found}", names.len());
        return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
    }
    let columns = plan.schema().iter().zip(names);
    let columns: Vec<Expr> =
        columns.map(|(column, name)| Expr::Column(Column::from(column)).alias(name)).collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

/// Returns the name of a table without what tells it from the same one with a hint.
fn shown(path: &TablePath) -> String {
    let name = match table_reference(&path.name) {
        TableReferenceKind::Table(name) | TableReferenceKind::Hinted(name, _) => name.to_owned(),
        TableReferenceKind::File(_) => path.name.clone(),
    };
    TablePath { name, ..path.clone() }.to_string()
}

/// Registers a table in a query's context.
async fn register_table(
    context: &SessionContext,
    resolved: ResolvedTable,
    views: &[Arc<dyn TableProvider>],
) -> SqlResult<()> {
    let ResolvedTable { path, rows, live } = resolved;
    let shown = shown(&path);
    let TablePath { catalog, database, name } = path;
    let table = match rows {
        TableRowsSource::Stream(provider, query) => {
            let (provider, of_rows) = match live {
                Some(LiveRows { traits, time, changes }) => {
                    let table = LiveTable { name: shown, provider, traits };
                    (Arc::new(table) as Arc<dyn TableProvider>, (time, changes))
                }
                None => (provider, (None, None)),
            };
            match query {
                Some(query) => with_computed_columns(context, provider, query, of_rows).await?,
                None => provider,
            }
        }
        TableRowsSource::View(number) => views.get(number).cloned().ok_or_else(SqlError::internal)?,
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
