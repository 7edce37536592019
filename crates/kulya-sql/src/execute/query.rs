//! Queries and EXPLAIN.

use super::resolve::Resolver;
use crate::dialect::{
    Explain, ExplainDetail, ParsedQuery, Position, StatementKind, TableReferenceKind, table_reference,
};
use crate::engine::{
    DefaultPath, PendingQuery, PlanRequest, Purpose, ResolvedTable, ResolvedTables, RowStream, TablePath,
    TableRowsSource, TargetColumns,
};
use crate::live::LiveQuery;
use crate::scan::SkippedEvents;
use crate::session::Session;
use crate::{SqlError, SqlResult};
use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast;

impl Session {
    /// Starts a query.
    pub(super) async fn query(&mut self, query: ParsedQuery) -> SqlResult<RowStream> {
        let statement = ast::Statement::Query(query.query.value.clone());
        self.start_query(statement, &query, None).await
    }

    /// Starts EXPLAIN of a query.
    pub(super) async fn explain(&mut self, explain: Explain, at: Position) -> SqlResult<RowStream> {
        let query = match *explain.statement {
            StatementKind::Query(query) => query,
            other => return Err(SqlError::not_supported(format!("EXPLAIN of {}", other.name())).at(at)),
        };
        let has = |detail| explain.details.contains(&detail);
        for (detail, name) in [
            (ExplainDetail::EstimatedCost, "ESTIMATED_COST"),
            (ExplainDetail::JsonExecutionPlan, "JSON_EXECUTION_PLAN"),
            (ExplainDetail::PlanAdvice, "PLAN_ADVICE"),
        ] {
            if has(detail) {
                return Err(SqlError::not_supported(format!("EXPLAIN {name}")).at(at));
            }
        }
        let statement = ast::Statement::Explain {
            describe_alias: ast::DescribeAlias::Explain,
            analyze: has(ExplainDetail::Analyze),
            verbose: has(ExplainDetail::Verbose),
            query_plan: false,
            estimate: false,
            statement: Box::new(ast::Statement::Query(query.query.value.clone())),
            format: None,
            options: None,
        };
        self.start_query(statement, &query, None).await
    }

    /// Starts a statement over the tables of a query; with `target`, its rows are converted to those columns.
    pub(super) async fn start_query(
        &mut self,
        statement: ast::Statement,
        query: &ParsedQuery,
        target: Option<TargetColumns>,
    ) -> SqlResult<RowStream> {
        let pending = self.plan(statement, target).await?;
        let skipped = SkippedEvents::default();
        let (tables, inexact) =
            Box::pin(self.resolve(&pending.references, query, &skipped, None, Purpose::Rows)).await?;
        let ignored = query.ignored_hints.clone();
        let warnings = move || {
            let ignored = ignored.iter().map(|hint| format!("the hint {hint} has no effect"));
            ignored.chain(inexact.clone()).chain(skipped.warning()).collect()
        };
        self.engine()?.run(pending, tables, Box::new(warnings)).await
    }

    /// Returns the columns of a query's rows, which is planned and not executed. With `view` it is that of a
    /// view, which may not read itself.
    pub(super) async fn query_schema(
        &mut self,
        query: &ParsedQuery,
        view: Option<&TablePath>,
    ) -> SqlResult<SchemaRef> {
        let statement = ast::Statement::Query(query.query.value.clone());
        let pending = self.plan(statement, None).await?;
        let skipped = SkippedEvents::default();
        let (tables, _) =
            Box::pin(self.resolve(&pending.references, query, &skipped, view, Purpose::Rows)).await?;
        pending.schema(tables).await
    }

    /// Plans a query as one that follows the changes of its tables; with `target`, its rows are converted to
    /// those columns, and with `view` it is that of a view.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn live_query(
        &mut self,
        query: &ParsedQuery,
        target: Option<TargetColumns>,
        view: Option<&TablePath>,
    ) -> SqlResult<LiveQuery> {
        let statement = ast::Statement::Query(query.query.value.clone());
        let pending = self.plan_for(statement, target, Purpose::Changes).await?;
        let skipped = SkippedEvents::default();
        let (tables, _) =
            Box::pin(self.resolve(&pending.references, query, &skipped, view, Purpose::Changes)).await?;
        pending.live(tables).await
    }

    /// Returns the tables, views and files of a query; with `view` it is that of a view.
    async fn resolve(
        &mut self,
        references: &[TableReference],
        query: &ParsedQuery,
        skipped: &SkippedEvents,
        view: Option<&TablePath>,
        purpose: Purpose,
    ) -> SqlResult<(ResolvedTables, Option<String>)> {
        let (mut names, mut files) = (Vec::new(), Vec::new());
        for reference in references {
            let parts = parts(reference);
            match parts.last().map(|name| table_reference(name)) {
                Some(TableReferenceKind::File(number)) => {
                    let file = query.files.get(number).ok_or_else(SqlError::internal)?;
                    if view.is_some() {
                        let what = format!("a view of the file {}", file.path);
                        return Err(SqlError::not_supported(what).at(file.position.0));
                    }
                    let provider = self.file_table(&file.path, file.position.0).await?;
                    let path = self.default_path().of_table(reference.table());
                    let rows = TableRowsSource::Stream(provider, None);
                    files.push(ResolvedTable { path, rows, live: None });
                }
                _ => names.push(parts),
            }
        }
        let resolver = match view {
            Some(path) => Resolver::of_view(self, path),
            None => Resolver::new(self),
        };
        let (mut tables, inexact) = resolver.purpose(purpose).resolve(&names, query, skipped).await?;
        tables.tables.append(&mut files);
        Ok((tables, inexact))
    }

    /// Parses a statement for planning.
    pub(super) async fn plan(
        &mut self,
        statement: ast::Statement,
        target: Option<TargetColumns>,
    ) -> SqlResult<PendingQuery> {
        self.plan_for(statement, target, Purpose::Rows).await
    }

    async fn plan_for(
        &mut self,
        statement: ast::Statement,
        target: Option<TargetColumns>,
        purpose: Purpose,
    ) -> SqlResult<PendingQuery> {
        let path = self.default_path();
        self.engine()?.plan(PlanRequest { statement, path, target, purpose }).await
    }

    fn default_path(&self) -> DefaultPath {
        let (catalog, database) = (self.catalogs.current.clone(), self.catalogs.database.clone());
        DefaultPath { catalog, database: database.unwrap_or_default() }
    }
}

/// Returns the parts of a table reference.
fn parts(reference: &TableReference) -> Vec<String> {
    match reference {
        TableReference::Bare { table } => vec![table.to_string()],
        TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
        TableReference::Full { catalog, schema, table } => {
            vec![catalog.to_string(), schema.to_string(), table.to_string()]
        }
    }
}
