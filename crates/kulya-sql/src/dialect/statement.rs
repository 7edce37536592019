//! The statements of the dialect, as parsed. Equality ignores positions.

use super::cursor::{Path, WithText};
use super::error::{NodePosition, Position};
use super::flink_type::FlinkType;
use super::options::{OptionDef, TableHint};
use datafusion::sql::sqlparser::ast;

/// A parsed statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub(crate) kind: StatementKind,
    pub(crate) position: NodePosition,
}

impl Statement {
    /// Returns where the statement begins in the script.
    pub fn position(&self) -> Position {
        self.position.0
    }

    /// Returns whether the statement returns rows of a query.
    pub fn is_query(&self) -> bool {
        matches!(self.kind, StatementKind::Query(_) | StatementKind::Explain(_) | StatementKind::Subscribe(_))
    }
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StatementKind {
    CreateCatalog(CreateCatalog),
    AlterCatalog {
        name: Path,
        change: OptionsChange,
    },
    DropCatalog {
        name: Path,
        if_exists: bool,
    },
    UseCatalog(Path),
    CreateDatabase(CreateDatabase),
    AlterDatabase {
        path: Path,
        change: OptionsChange,
    },
    DropDatabase {
        path: Path,
        if_exists: bool,
        cascade: bool,
    },
    Use(Path),
    CreateTable(Box<CreateTable>),
    AlterTable {
        path: Path,
        if_exists: bool,
        change: AlterTable,
    },
    DropTable {
        path: Path,
        if_exists: bool,
        temporary: bool,
    },
    CreateView(Box<CreateView>),
    AlterView {
        path: Path,
        change: AlterView,
    },
    DropView {
        path: Path,
        if_exists: bool,
        temporary: bool,
    },
    DropMaterializedView {
        path: Path,
        if_exists: bool,
    },
    /// PAUSE and RESUME.
    AlterMaterializedView {
        path: Path,
        is_paused: bool,
    },
    /// PAUSE and RESUME.
    AlterJob {
        name: String,
        is_paused: bool,
    },
    /// `STOP JOB 'name'`.
    StopJob(String),
    /// A query whose changes are returned as they come.
    Subscribe(ParsedQuery),
    Show(Show),
    Describe {
        what: Described,
        path: Path,
        extended: bool,
    },
    Explain(Explain),
    /// `SET 'key' = 'value'`; without a setting, SET lists all.
    Set(Option<(String, String)>),
    /// `RESET 'key'`; without a key, RESET resets all.
    Reset(Option<String>),
    Insert(Box<Insert>),
    StatementSet(Vec<Insert>),
    Query(ParsedQuery),
}

impl StatementKind {
    /// Returns the words that begin the statement, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CreateCatalog(_) => "CREATE CATALOG",
            Self::AlterCatalog { .. } => "ALTER CATALOG",
            Self::DropCatalog { .. } => "DROP CATALOG",
            Self::UseCatalog(_) => "USE CATALOG",
            Self::CreateDatabase(_) => "CREATE DATABASE",
            Self::AlterDatabase { .. } => "ALTER DATABASE",
            Self::DropDatabase { .. } => "DROP DATABASE",
            Self::Use(_) => "USE",
            Self::CreateTable(_) => "CREATE TABLE",
            Self::AlterTable { .. } => "ALTER TABLE",
            Self::DropTable { .. } => "DROP TABLE",
            Self::CreateView(view) if view.materialized => "CREATE MATERIALIZED VIEW",
            Self::CreateView(_) => "CREATE VIEW",
            Self::AlterView { .. } => "ALTER VIEW",
            Self::DropView { .. } => "DROP VIEW",
            Self::DropMaterializedView { .. } => "DROP MATERIALIZED VIEW",
            Self::AlterMaterializedView { .. } => "ALTER MATERIALIZED VIEW",
            Self::AlterJob { .. } => "ALTER JOB",
            Self::StopJob(_) => "STOP JOB",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Show(show) => show.name(),
            Self::Describe { what: Described::Catalog, .. } => "DESCRIBE CATALOG",
            Self::Describe { what: Described::Database, .. } => "DESCRIBE DATABASE",
            Self::Describe { what: Described::Table | Described::File, .. } => "DESCRIBE",
            Self::Explain(_) => "EXPLAIN",
            Self::Set(_) => "SET",
            Self::Reset(_) => "RESET",
            Self::Insert(_) => "INSERT",
            Self::StatementSet(_) => "a statement set",
            Self::Query(_) => "SELECT",
        }
    }
}

impl Show {
    fn name(&self) -> &'static str {
        match self {
            Self::Catalogs { .. } => "SHOW CATALOGS",
            Self::CurrentCatalog => "SHOW CURRENT CATALOG",
            Self::CurrentDatabase => "SHOW CURRENT DATABASE",
            Self::Databases { .. } => "SHOW DATABASES",
            Self::Tables { .. } => "SHOW TABLES",
            Self::Views { .. } => "SHOW VIEWS",
            Self::MaterializedViews { .. } => "SHOW MATERIALIZED VIEWS",
            Self::Jobs => "SHOW JOBS",
            Self::Columns { .. } => "SHOW COLUMNS",
            Self::Functions { .. } => "SHOW FUNCTIONS",
            Self::CreateCatalog(_) => "SHOW CREATE CATALOG",
            Self::CreateTable(_) => "SHOW CREATE TABLE",
            Self::CreateView(_) => "SHOW CREATE VIEW",
        }
    }
}

/// CREATE CATALOG.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateCatalog {
    pub(crate) name: Path,
    pub(crate) if_not_exists: bool,
    pub(crate) comment: Option<String>,
    pub(crate) options: Vec<OptionDef>,
}

/// CREATE DATABASE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateDatabase {
    pub(crate) path: Path,
    pub(crate) if_not_exists: bool,
    pub(crate) comment: Option<String>,
    pub(crate) options: Vec<OptionDef>,
}

/// A change of options and comments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OptionsChange {
    Set(Vec<OptionDef>),
    Reset(Vec<String>),
    Comment(String),
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateTable {
    pub(crate) path: Path,
    pub(crate) temporary: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) or_replace: bool,
    pub(crate) elements: TableElements,
    pub(crate) comment: Option<String>,
    /// The columns of PARTITIONED BY.
    pub(crate) partitioned: Vec<String>,
    pub(crate) distribution: Option<Distribution>,
    pub(crate) options: Vec<OptionDef>,
    pub(crate) like: Option<Like>,
    /// The query of AS.
    pub(crate) query: Option<ParsedQuery>,
}

impl CreateTable {
    /// Removes the places of its parts: the text is not the user's.
    pub(crate) fn without_positions(mut self) -> Self {
        let none = NodePosition::default();
        self.path.position = none;
        self.elements.columns.iter_mut().for_each(|column| column.position = none);
        self.options.iter_mut().for_each(|option| option.position = none);
        if let Some(watermark) = &mut self.elements.watermark {
            watermark.column.position = none;
        }
        if let Some(key) = &mut self.elements.key {
            key.position = none;
        }
        self
    }
}

/// What stands in the brackets of a table: columns, watermark and key.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TableElements {
    pub(crate) columns: Vec<ColumnDef>,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) key: Option<PrimaryKey>,
    /// Names without types, of CREATE TABLE … AS.
    pub(crate) names: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnDef {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
    pub(crate) comment: Option<String>,
    pub(crate) position: NodePosition,
}

/// The kinds of columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnKind {
    Physical {
        column_type: FlinkType,
    },
    Metadata {
        column_type: FlinkType,
        /// The metadata key, if it is not the column's name.
        from: Option<String>,
        is_virtual: bool,
    },
    Computed(WithText<Box<ast::Expr>>),
}

/// `WATERMARK FOR column AS expression`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watermark {
    /// The path of the column; more than one part for a field of ROW.
    pub(crate) column: Path,
    pub(crate) expression: WithText<Box<ast::Expr>>,
}

/// PRIMARY KEY NOT ENFORCED.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PrimaryKey {
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) position: NodePosition,
}

/// DISTRIBUTED BY or INTO.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distribution {
    /// HASH or RANGE.
    pub(crate) kind: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) buckets: Option<u32>,
    pub(crate) position: NodePosition,
}

/// LIKE another table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Like {
    pub(crate) path: Path,
    pub(crate) features: Vec<LikeFeature>,
}

/// `INCLUDING OPTIONS` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LikeFeature {
    pub(crate) merging: Merging,
    pub(crate) part: LikePart,
}

/// How a part of the other table is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merging {
    Including,
    Excluding,
    Overwriting,
}

/// A part of a table that LIKE merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LikePart {
    All,
    Constraints,
    Distribution,
    Generated,
    Metadata,
    Options,
    Partitions,
    Watermarks,
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AlterTable {
    Rename(Path),
    Options(OptionsChange),
    Add(Vec<AlteredElement>),
    Modify(Vec<AlteredElement>),
    DropColumns(Vec<Path>),
    DropPrimaryKey,
    DropConstraint(String),
    DropWatermark,
    RenameColumn { from: Path, to: String },
}

/// An element that ALTER TABLE adds or modifies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AlteredElement {
    Column { column: Box<ColumnDef>, place: Option<ColumnPlace> },
    Watermark(Watermark),
    Key(PrimaryKey),
}

/// Where ALTER TABLE puts a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnPlace {
    First,
    After(String),
}

/// CREATE VIEW.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateView {
    pub(crate) path: Path,
    pub(crate) temporary: bool,
    /// Whether its rows are kept and follow its tables.
    pub(crate) materialized: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) comment: Option<String>,
    pub(crate) query: ParsedQuery,
}

/// A change of a view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AlterView {
    Rename(Path),
    Query(Box<ParsedQuery>),
}

/// SHOW.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Show {
    Catalogs { like: Option<LikePattern> },
    CurrentCatalog,
    CurrentDatabase,
    Databases { from: Option<Path>, like: Option<LikePattern> },
    Tables { from: Option<Path>, like: Option<LikePattern> },
    Views { from: Option<Path>, like: Option<LikePattern> },
    MaterializedViews { from: Option<Path>, like: Option<LikePattern> },
    Jobs,
    Columns { from: Path, like: Option<LikePattern> },
    Functions { user_only: bool, from: Option<Path>, like: Option<LikePattern> },
    CreateCatalog(Path),
    CreateTable(Path),
    CreateView(Path),
}

/// `[NOT] LIKE 'pattern'`, or ILIKE, of SHOW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LikePattern {
    pub(crate) negated: bool,
    pub(crate) ignores_case: bool,
    pub(crate) pattern: String,
}

/// What DESCRIBE describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Described {
    Catalog,
    Database,
    Table,
    /// A file, whose name is the only part of the path.
    File,
}

/// EXPLAIN.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Explain {
    pub(crate) details: Vec<ExplainDetail>,
    pub(crate) statement: Box<StatementKind>,
}

impl Explain {
    /// Whether the plan is wanted that follows the changes of its tables.
    pub(crate) fn is_live(&self) -> bool {
        self.details.contains(&ExplainDetail::ChangelogMode)
    }
}

/// A detail of EXPLAIN. ANALYZE and VERBOSE are Kulya's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExplainDetail {
    EstimatedCost,
    ChangelogMode,
    JsonExecutionPlan,
    PlanAdvice,
    Analyze,
    Verbose,
}

/// INSERT.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub(crate) path: Path,
    pub(crate) overwrite: bool,
    /// The columns and values of PARTITION.
    pub(crate) partition: Vec<(String, WithText<Box<ast::Expr>>)>,
    pub(crate) columns: Vec<Path>,
    /// The options of the hint after the table.
    pub(crate) options: Vec<OptionDef>,
    pub(crate) query: ParsedQuery,
    pub(crate) on_conflict: Option<OnConflict>,
    pub(crate) position: NodePosition,
}

/// ON CONFLICT of an INSERT.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OnConflict {
    pub(crate) action: ConflictAction,
    pub(crate) position: NodePosition,
}

/// What becomes of several rows of a statement with one primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConflictAction {
    /// The last one is the row.
    Deduplicate,
    /// The first one is the row.
    Nothing,
    Error,
}

impl ConflictAction {
    /// Returns the word after DO.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deduplicate => "DEDUPLICATE",
            Self::Nothing => "NOTHING",
            Self::Error => "ERROR",
        }
    }
}

/// A query, rewritten for DataFusion.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ParsedQuery {
    /// The query, with its text as typed.
    pub(crate) query: WithText<Box<ast::Query>>,
    /// The tables, in the order of the text; a common table expression is none.
    pub(crate) tables: Vec<TableName>,
    /// The hints; a table with a hint has its number, see [`super::rewrite::table_reference`].
    pub(crate) hints: Vec<TableHint>,
    /// The files, which are named by string literals; see [`super::rewrite::table_reference`].
    pub(crate) files: Vec<FileReference>,
    /// Hints that have no effect, as text for a note.
    pub(crate) ignored_hints: Vec<String>,
    /// Where the query begins in the script.
    pub(crate) position: NodePosition,
}

/// A table that a query names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName {
    /// The parts as typed; the last may be that of a table with a hint, see
    /// [`table_reference`](super::rewrite::table_reference).
    pub(crate) parts: Vec<String>,
    pub(crate) start: NodePosition,
    pub(crate) end: NodePosition,
}

/// A file as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileReference {
    pub(crate) path: String,
    pub(crate) position: NodePosition,
}
