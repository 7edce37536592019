//! Queries: their tables with hints, and their plans.

use crate::catalog::CatalogBackend;
use crate::dialect::{
    Explain, ExplainDetail, OptionDef, ParsedQuery, Position, StatementKind, TableReferenceKind, parse_query,
    table_reference,
};
use crate::engine::{
    BASE_TABLE, DefaultPath, PlanRequest, ResolvedTable, RowStream, TablePath, TargetColumns,
};
use crate::scan::{DecodeErrorPolicy, OPTION, SkippedEvents, segment_parts};
use crate::session::Session;
use crate::table::{SpecColumnKind, StreamTable, TableDefinition, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast;
use kulya_store::{SegmentInfo, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

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
            (ExplainDetail::ChangelogMode, "CHANGELOG_MODE"),
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
        if let Some(file) = query.files.first() {
            let what = format!("a query of the file {}", file.path);
            return Err(SqlError::not_supported(what).at(file.position.0));
        }
        if let Some(position) = query.system_time {
            return Err(SqlError::not_supported("FOR SYSTEM_TIME AS OF").at(position.0));
        }
        let (catalog, database) = (self.catalogs.current.clone(), self.catalogs.database.clone());
        let path = DefaultPath { catalog, database: database.unwrap_or_default() };
        let pending = self.engine()?.plan(PlanRequest { statement, path, target }).await?;
        let skipped = SkippedEvents::default();
        let mut named = Vec::new();
        for reference in &pending.references {
            named.push(self.named_table(&parts(reference), query).await?);
        }
        let tables = self.resolve(named, &skipped).await?;
        let ignored = query.ignored_hints.clone();
        let warnings = move || {
            let ignored = ignored.iter().map(|hint| format!("the hint {hint} has no effect"));
            ignored.chain(skipped.warning()).collect()
        };
        self.engine()?.run(pending, tables, Box::new(warnings)).await
    }

    /// Looks up a table that a query names, perhaps with a hint.
    async fn named_table(&self, parts: &[String], query: &ParsedQuery) -> SqlResult<NamedTable> {
        let Some((hidden, qualifiers)) = parts.split_last() else { return Err(SqlError::internal()) };
        let (name, options) = match table_reference(hidden) {
            TableReferenceKind::Table(name) => (name, &[][..]),
            TableReferenceKind::Hinted(name, hint) => {
                (name, query.hints.get(hint).map_or(&[][..], |hint| hint.options.as_slice()))
            }
            TableReferenceKind::File(_) => return Err(SqlError::internal()),
        };
        let shown: Vec<String> = qualifiers.iter().cloned().chain([name.to_owned()]).collect();
        let (path, definition) = self.find_table(&shown).await?;
        let policy = decode_error_policy(&definition, options)?;
        Ok(NamedTable { path: TablePath { name: hidden.clone(), ..path }, definition, policy })
    }

    /// Returns the tables of a query, whose streams are read up to their tails at one moment.
    async fn resolve(
        &self,
        named: Vec<NamedTable>,
        skipped: &SkippedEvents,
    ) -> SqlResult<Vec<ResolvedTable>> {
        let mut streams: BTreeMap<String, Vec<StreamId>> = BTreeMap::new();
        for table in &named {
            let of_catalog = streams.entry(table.path.catalog.clone()).or_default();
            of_catalog.extend(table.definition.streams.iter().cloned());
        }
        let mut segments: BTreeMap<String, VecDeque<Vec<SegmentInfo>>> = BTreeMap::new();
        for (catalog, streams) in streams {
            let tails = self.catalogs.backend(&catalog)?.store.tails(&streams).await?;
            segments.insert(catalog, tails.streams.into());
        }
        let mut tables = Vec::with_capacity(named.len());
        for NamedTable { path, definition, policy } in named {
            let CatalogBackend { store, registry } = self.catalogs.backend(&path.catalog)?.clone();
            let of_catalog = segments.entry(path.catalog.clone()).or_default();
            let own = definition.streams.iter().filter_map(|_| of_catalog.pop_front()).flatten().collect();
            let parts = segment_parts(&store, own);
            let query = definition.spec.as_deref().map(computed_columns).transpose()?.flatten();
            let provider = StreamTable::new(definition, parts, registry, policy, skipped);
            tables.push(ResolvedTable { path, provider: Arc::new(provider), query });
        }
        Ok(tables)
    }
}

/// A table that a query names.
struct NamedTable {
    path: TablePath,
    definition: TableDefinition,
    policy: DecodeErrorPolicy,
}

/// Returns the policy for events that cannot be decoded, by the options of a hint and of the table.
fn decode_error_policy(definition: &TableDefinition, hint: &[OptionDef]) -> SqlResult<DecodeErrorPolicy> {
    let of_table = definition.spec.as_ref().and_then(|spec| spec.connector.get(OPTION));
    let mut policy = of_table.map(DecodeErrorPolicy::parse).transpose()?.unwrap_or_default();
    for option in hint {
        if option.key != OPTION {
            let what = format!("option '{}' in a hint", option.key);
            return Err(SqlError::not_supported(what).at(option.position.0));
        }
        policy = DecodeErrorPolicy::parse(&option.value)?;
    }
    Ok(policy)
}

/// Returns the query that adds a table's computed columns to its rows; `None` without any.
fn computed_columns(spec: &TableSpec) -> SqlResult<Option<Box<ast::Query>>> {
    let is_computed = |kind: &SpecColumnKind| matches!(kind, SpecColumnKind::Computed(_));
    if !spec.columns.iter().any(|column| is_computed(&column.kind)) {
        return Ok(None);
    }
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let columns: Vec<String> = spec
        .columns
        .iter()
        .map(|column| match &column.kind {
            SpecColumnKind::Computed(text) => format!("{text} AS {}", quoted(&column.name)),
            _ => quoted(&column.name),
        })
        .collect();
    let base = quoted(BASE_TABLE);
    let text = format!("SELECT {} FROM {base}.{base}.{base}", columns.join(", "));
    let query = parse_query(&text).map_err(|e| {
        SqlError::new(SqlErrorKind::InvalidQuery, format!("the computed columns cannot be planned: {e}"))
    })?;
    Ok(Some(query.query.value))
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
