//! The tables and views of a query: looked up by name, views with the tables that they read in turn.

use super::computed::computed_columns;
use super::live_table::live_rows;
use super::system_time::{TableTime, table_time, timed_columns};
use crate::catalog::{CatalogBackend, Found};
use crate::dialect::{CreateView, OptionDef, ParsedQuery, TableReferenceKind, table_reference};
use crate::engine::{Purpose, ResolvedTable, ResolvedTables, ResolvedView, TablePath, TableRowsSource};
use crate::options::Options;
use crate::progress::Progress;
use crate::scan::{
    DeadLetterStream, DecodeErrorPolicy, ReadBounds, ScanContext, SkippedEvents, segment_parts,
};
use crate::session::Session;
use crate::table::{StreamTable, TableDefinition, hinted_options};
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::catalog::TableProvider;
use futures::future::BoxFuture;
use kulya_store::{SegmentInfo, StreamId, StreamStore, Tails};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The largest number of views that read each other.
const MAX_VIEW_DEPTH: usize = 32;
/// How often the tails of streams are looked up again when they were not of one moment.
const TAIL_ATTEMPTS: u32 = 3;

/// A table of a query.
enum Named {
    Table(Box<NamedTable>),
    /// The rows of a materialized view.
    Rows(TablePath, Arc<dyn TableProvider>),
    /// A view by its number; the name is that of the query.
    View(TablePath, usize),
}

impl Named {
    fn path(&self) -> &TablePath {
        match self {
            Self::Table(table) => &table.path,
            Self::Rows(path, _) | Self::View(path, _) => path,
        }
    }
}

/// A table that a query or a view names.
struct NamedTable {
    path: TablePath,
    definition: TableDefinition,
    time: TableTime,
    policy: DecodeErrorPolicy,
    bounds: ReadBounds,
}

/// A view that a query or another view names.
struct NamedView {
    name: String,
    view: CreateView,
    tables: Vec<Named>,
}

/// Looks up the tables and views of one query.
pub(super) struct Resolver<'a> {
    session: &'a Session,
    views: Vec<NamedView>,
    numbers: BTreeMap<TablePath, usize>,
    /// The views whose tables are being looked up, the outermost first.
    open: Vec<TablePath>,
    purpose: Purpose,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        let (views, numbers, open) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { session, views, numbers, open, purpose: Purpose::Rows }
    }

    /// The same for a plan with another purpose.
    pub(super) fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// The same for the query of a view, which may not read itself.
    pub(super) fn of_view(session: &'a Session, path: &TablePath) -> Self {
        Self { open: vec![path.clone()], ..Self::new(session) }
    }

    /// Looks up the tables of a query by their names in it, and says so if their streams are not read up to
    /// their tails at one moment.
    ///
    /// # Errors
    /// `UnknownTable` and its like, with the place of the name; `InvalidQuery` for views that read each other
    /// in a circle.
    pub(super) async fn resolve(
        mut self,
        names: &[Vec<String>],
        query: &ParsedQuery,
        skipped: &SkippedEvents,
    ) -> SqlResult<(ResolvedTables, Option<String>)> {
        let tables = self.tables(names.to_vec(), query, true).await?;
        self.open_streams(tables, skipped).await
    }

    fn tables<'b>(
        &'b mut self,
        names: Vec<Vec<String>>,
        query: &'b ParsedQuery,
        in_script: bool,
    ) -> BoxFuture<'b, SqlResult<Vec<Named>>> {
        Box::pin(async move {
            let mut found: Vec<Named> = Vec::with_capacity(names.len());
            for parts in names {
                let named = self.table(&parts, query, in_script).await;
                let position = query.tables.iter().find(|table| table.parts == parts).filter(|_| in_script);
                let named = named.map_err(|error| match (error.position(), position) {
                    (None, Some(table)) if is_of_name(&error) => error.at(table.start.0),
                    _ => error,
                })?;
                // a query may name a table with and without its database
                if !found.iter().any(|other| other.path() == named.path()) {
                    found.push(named);
                }
            }
            Ok(found)
        })
    }

    /// Looks up a table that a query names, perhaps with a hint.
    async fn table(&mut self, parts: &[String], query: &ParsedQuery, in_script: bool) -> SqlResult<Named> {
        let Some((hidden, qualifiers)) = parts.split_last() else { return Err(SqlError::internal()) };
        let (name, hint) = match table_reference(hidden) {
            TableReferenceKind::Table(name) => (name, None),
            TableReferenceKind::Hinted(name, hint) => (name, query.hints.get(hint)),
            TableReferenceKind::File(_) => return Err(SqlError::internal()),
        };
        let mut options = hint.map(|hint| hint.options.clone()).unwrap_or_default();
        let as_of = hint.and_then(|hint| hint.as_of.as_ref());
        let shown: Vec<String> = qualifiers.iter().cloned().chain([name.to_owned()]).collect();
        // in boxes: the calls for views that read each other are on one stack
        let (path, found) = match in_script {
            true => Box::pin(self.session.find(&shown)).await?,
            false => Box::pin(self.session.find_full(&shown)).await?,
        };
        let named = TablePath { name: hidden.clone(), ..path.clone() };
        match found {
            Found::Table(definition) => {
                let mut time = TableTime::Now;
                if let Some(as_of) = as_of {
                    let found = Box::pin(table_time(self.session, as_of, (name, &definition))).await?;
                    let (found, option) = found;
                    time = found;
                    options.extend(option);
                }
                let (definition, given) = Box::pin(self.hinted(&path, *definition, &options)).await?;
                let read = read_options(&definition, &given);
                let (policy, bounds) = read.map_err(|error| match options.first() {
                    Some(option) => error.at(option.position.0),
                    None => error,
                })?;
                Ok(Named::Table(Box::new(NamedTable { path: named, definition, time, policy, bounds })))
            }
            Found::View(view) => {
                if let Some(option) = options.first() {
                    let what = format!("option '{}' in a hint of a view", option.key);
                    return Err(SqlError::not_supported(what).at(option.position.0));
                }
                if let Some(as_of) = as_of {
                    let what = format!("{} of the view {name}", as_of.name());
                    return Err(SqlError::not_supported(what).at(as_of.position.0));
                }
                if view.materialized
                    && self.purpose == Purpose::Rows
                    && let Some(rows) = Box::pin(self.session.materialized_rows(&path, &view)).await?
                {
                    return Ok(Named::Rows(named, rows));
                }
                Ok(Named::View(named, self.view(path, *view).await?))
            }
        }
    }

    /// Returns a table with the options of a hint, and those of its connector.
    async fn hinted(
        &self,
        path: &TablePath,
        table: TableDefinition,
        hint: &[OptionDef],
    ) -> SqlResult<(TableDefinition, Options)> {
        let Some(spec) = &table.spec else { return Ok((table, hinted_options(hint)?)) };
        if hint.is_empty() {
            let given = spec.connector.clone();
            return Ok((table, given));
        }
        let spec = Arc::new(spec.hinted(hint)?);
        let backend = self.session.catalogs.backend(&path.catalog).await?;
        let defaults = self.session.table_defaults(&path.catalog).await?;
        let names = (path.database.as_str(), path.name.as_str());
        let hinted = TableDefinition::of_spec(&backend.library(), names, Arc::clone(&spec), &defaults)?;
        Ok((hinted, spec.connector.clone()))
    }

    /// Returns the number of a view, whose tables are looked up if it is new.
    async fn view(&mut self, path: TablePath, view: CreateView) -> SqlResult<usize> {
        if let Some(number) = self.numbers.get(&path) {
            return Ok(*number);
        }
        let name = path.name.clone();
        if self.open.contains(&path) {
            let names: Vec<&str> = self.open.iter().map(|path| path.name.as_str()).collect();
            let what = format!("view {name} reads itself: {} → {name}", names.join(" → "));
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
        }
        if self.open.len() >= MAX_VIEW_DEPTH {
            let what = format!("view {name} is one of more than {MAX_VIEW_DEPTH} views that read each other");
            return Err(SqlError::new(SqlErrorKind::TooComplex, what));
        }
        self.open.push(path.clone());
        let names: BTreeSet<Vec<String>> =
            view.query.tables.iter().map(|table| table.parts.clone()).collect();
        let tables = self.tables(names.into_iter().collect(), &view.query, false).await;
        self.open.pop();
        // the innermost view is the one to look at
        let tables = tables.map_err(|error| match error.kind() {
            SqlErrorKind::UnknownTable | SqlErrorKind::UnknownDatabase | SqlErrorKind::UnknownCatalog
                if !error.to_string().starts_with("view ") =>
            {
                error.with_context(&format!("view {name}"))
            }
            _ => error,
        })?;
        self.views.push(NamedView { name, view, tables });
        self.numbers.insert(path, self.views.len() - 1);
        Ok(self.views.len() - 1)
    }

    /// Opens the streams of all tables up to their tails at one moment.
    async fn open_streams(
        self,
        tables: Vec<Named>,
        skipped: &SkippedEvents,
    ) -> SqlResult<(ResolvedTables, Option<String>)> {
        let catalogs = &self.session.catalogs;
        let all = self.views.iter().flat_map(|view| &view.tables).chain(&tables);
        let mut streams: BTreeMap<String, Vec<StreamId>> = BTreeMap::new();
        for named in all {
            if let Named::Table(table) = named {
                let of_catalog = streams.entry(table.path.catalog.clone()).or_default();
                of_catalog.extend(table.definition.streams.iter().cloned());
            }
        }
        let progress = self.session.progress.clone();
        let (catalogs_read, purpose) = (BTreeMap::new(), self.purpose);
        let mut segments = Segments { catalogs: catalogs_read, skipped: skipped.clone(), progress, purpose };
        let mut inexact = None;
        for (catalog, streams) in streams {
            let backend = catalogs.backend(&catalog).await?;
            let tails = tails(&*backend.store, &streams).await?;
            if !tails.exact {
                inexact = Some(format!(
                    "the streams of catalog {catalog} were written all the time: the rows may have a part of the \
                     last transactions"
                ));
            }
            segments.catalogs.insert(catalog, (backend, tails.streams.into()));
        }
        let mut views = Vec::with_capacity(self.views.len());
        for NamedView { name, view, tables } in self.views {
            let tables = segments.open_all(tables).await?;
            views.push(ResolvedView { name, query: view.query.query.value, columns: view.columns, tables });
        }
        Ok((ResolvedTables { tables: segments.open_all(tables).await?, views }, inexact))
    }
}

/// Returns the tails of streams, of one moment if they do not move all the time.
async fn tails(store: &dyn StreamStore, streams: &[StreamId]) -> SqlResult<Tails> {
    let mut tails = store.tails(streams).await?;
    for _ in 1..TAIL_ATTEMPTS {
        if tails.exact {
            break;
        }
        tails = store.tails(streams).await?;
    }
    Ok(tails)
}

/// The segments of streams that are not used yet, in the order of the tables.
struct Segments {
    catalogs: BTreeMap<String, (CatalogBackend, VecDeque<Vec<SegmentInfo>>)>,
    skipped: SkippedEvents,
    progress: Progress,
    purpose: Purpose,
}

impl Segments {
    async fn open_all(&mut self, tables: Vec<Named>) -> SqlResult<Vec<ResolvedTable>> {
        let mut opened = Vec::with_capacity(tables.len());
        for named in tables {
            opened.push(match named {
                Named::Table(table) => self.open(*table).await?,
                Named::Rows(path, rows) => {
                    ResolvedTable { path, rows: TableRowsSource::Stream(rows, None), live: None }
                }
                Named::View(path, number) => {
                    ResolvedTable { path, rows: TableRowsSource::View(number), live: None }
                }
            });
        }
        Ok(opened)
    }

    async fn open(&mut self, table: NamedTable) -> SqlResult<ResolvedTable> {
        let NamedTable { path, definition, time, policy, bounds } = table;
        let (backend, segments) = self.catalogs.get_mut(&path.catalog).ok_or_else(SqlError::internal)?;
        let is_bounded = !bounds.is_open();
        let mut readers = Vec::new();
        for (number, stream) in definition.streams.iter().enumerate() {
            let own = segments.pop_front().unwrap_or_default();
            readers.extend(bounds.readers(&*backend.store, (number, stream), own).await?);
        }
        let parts = segment_parts(&backend.store, readers);
        let dead_letters = match &policy {
            DecodeErrorPolicy::DeadLetter(stream) => {
                Some(DeadLetterStream::open(&backend.store, stream).await?)
            }
            _ => None,
        };
        let mut context = scan_context(backend, &definition);
        context.policy = policy;
        context.dead_letters = dead_letters;
        context.skipped = self.skipped.clone();
        let live = match self.purpose {
            Purpose::Changes => Some(live_rows(&definition, &time)?),
            Purpose::Rows => None,
        };
        let (query, live) = match live {
            Some((query, live)) => (query, Some(live)),
            None => match timed_columns(&definition, &time)? {
                Some(query) => (Some(query), None),
                None => (definition.spec.as_deref().map(computed_columns).transpose()?.flatten(), None),
            },
        };
        let provider = StreamTable::new(definition, parts, context, self.progress.clone());
        let provider = provider.bounded(is_bounded);
        let provider = match time.reads_changes() {
            Some(what) if live.is_none() => provider.with_kinds(what)?,
            _ => provider,
        };
        Ok(ResolvedTable { path, rows: TableRowsSource::Stream(Arc::new(provider), query), live })
    }
}

fn scan_context(backend: &CatalogBackend, definition: &TableDefinition) -> ScanContext {
    let library = backend.library();
    ScanContext {
        registry: library.registry,
        codecs: library.codecs,
        group: definition.group.clone(),
        policy: DecodeErrorPolicy::default(),
        dead_letters: None,
        skipped: SkippedEvents::default(),
    }
}

/// Returns the table of a definition without its events, to plan expressions over its columns.
pub(super) fn without_events(
    path: TablePath,
    definition: &TableDefinition,
    backend: &CatalogBackend,
) -> SqlResult<ResolvedTables> {
    let query = definition.spec.as_deref().map(computed_columns).transpose()?.flatten();
    let context = scan_context(backend, definition);
    let provider = StreamTable::new(definition.clone(), Vec::new(), context, Progress::default());
    let rows = TableRowsSource::Stream(Arc::new(provider), query);
    let table = ResolvedTable { path, rows, live: None };
    Ok(ResolvedTables { tables: vec![table], views: Vec::new() })
}

/// Returns whether an error is about the table that a query names.
fn is_of_name(error: &SqlError) -> bool {
    matches!(
        error.kind(),
        SqlErrorKind::UnknownTable
            | SqlErrorKind::UnknownDatabase
            | SqlErrorKind::UnknownCatalog
            | SqlErrorKind::InvalidQuery
            | SqlErrorKind::TooComplex
    )
}

/// Returns what the options of a table say about reading.
fn read_options(
    definition: &TableDefinition,
    options: &Options,
) -> SqlResult<(DecodeErrorPolicy, ReadBounds)> {
    let scope = definition.sink.scope.as_str();
    let policy = DecodeErrorPolicy::of_options(options, scope)?;
    let is_bounded = ["scan.start-streamcuts", "scan.start-timestamp"];
    if definition.is_changelog()
        && let Some(key) = is_bounded.iter().find(|key| options.is_given(key))
    {
        let what = format!(
            "option '{key}' of a captured table, whose current rows are those of all of its events: \
             CREATE TABLE with 'format' = 'debezium-json' reads changes"
        );
        return Err(SqlError::new(SqlErrorKind::NotSupported, what));
    }
    Ok((policy, ReadBounds::of_options(options, &definition.streams)?))
}
