//! Plans of live queries: a graph of operators with what its sources must give, or why there is none.

use crate::{SqlError, SqlResult};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use kulya_incremental::{Graph, Problem};
use std::fmt;
use std::sync::Arc;

/// How a query is kept up to date.
#[derive(Debug)]
pub enum LiveQuery {
    /// By operators that take the changes of its tables.
    Incremental(Box<LivePlan>),
    /// By running it again when a table has changed, and comparing.
    Rerun(Rerun),
}

impl LiveQuery {
    /// Returns the nodes of the plan, each before its inputs.
    pub fn nodes(&self) -> &[PlanNode] {
        match self {
            Self::Incremental(plan) => &plan.nodes,
            Self::Rerun(rerun) => &rerun.nodes,
        }
    }

    /// Returns the plan of a query that is not run again; `what` says of what it is.
    ///
    /// # Errors
    /// `NotSupported` with the reason.
    pub(crate) fn incremental(self, what: &str) -> SqlResult<LivePlan> {
        match self {
            Self::Incremental(plan) => Ok(*plan),
            Self::Rerun(Rerun { reason, .. }) => {
                let what = format!("{what} that would have to be run again at each change: {reason}");
                Err(SqlError::not_supported(what))
            }
        }
    }

    /// Returns the columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        match self {
            Self::Incremental(plan) => &plan.schema,
            Self::Rerun(rerun) => &rerun.schema,
        }
    }
}

/// A query as a graph of operators.
#[derive(Debug)]
pub struct LivePlan {
    /// The operators. The graph takes a tick of each of [`Self::sources`], in their order.
    pub graph: Graph,
    /// What the graph reads.
    pub sources: Vec<LiveSource>,
    /// The columns of the result, with their names as in the query.
    pub schema: SchemaRef,
    /// Which changes the result has.
    pub mode: ChangelogMode,
    /// The columns by which a row of the result is unique; none for a result with at most one row.
    pub key: Option<Vec<usize>>,
    /// The nodes of the plan, each before its inputs.
    pub nodes: Vec<PlanNode>,
    /// A hash of the plan, as hexadecimal digits: stored state is only that of a plan with the same.
    pub fingerprint: String,
}

impl LivePlan {
    /// Returns what a user should know before the query runs: nodes whose state grows without end.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().flat_map(|node| &node.warnings).map(String::as_str)
    }
}

/// A query that is run again.
#[derive(Debug)]
pub struct Rerun {
    /// The shape or function that no operator has.
    pub reason: String,
    /// The columns of the result.
    pub schema: SchemaRef,
    /// The nodes of the plan, each before its inputs, up to the one that is at fault.
    pub nodes: Vec<PlanNode>,
}

/// A table that a plan reads.
#[derive(Clone, Debug)]
pub struct LiveSource {
    /// The table's full name, as the query has it.
    pub name: String,
    /// The position in the table of each column that is read, ascending, without computed columns.
    pub columns: Vec<usize>,
    /// What the ticks of this source have.
    pub mode: SourceMode,
    /// The columns of the table's primary key, as positions in the table; empty without one.
    pub key: Vec<usize>,
    /// The table itself.
    pub(crate) table: Arc<dyn TableProvider>,
}

/// What the ticks of a source have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SourceMode {
    /// Rows that are added.
    Append,
    /// Changes of a table: old rows with a negative weight, new ones with a positive one.
    Changes,
    /// The versions of rows by key: new rows with a positive weight, without the old ones of updates, and
    /// deleted ones with a negative weight.
    Versions,
}

/// Which changes a relation has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangelogMode {
    /// Insertions.
    Append,
    /// Insertions, updates and deletions, by a unique key.
    Upsert,
    /// Insertions and deletions of rows.
    Retract,
}

impl ChangelogMode {
    /// Whether rows are only added.
    pub fn is_append(self) -> bool {
        self == Self::Append
    }
}

impl fmt::Display for ChangelogMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append => "append",
            Self::Upsert => "upsert",
            Self::Retract => "retract",
        })
    }
}

/// A node of a plan, for EXPLAIN.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanNode {
    /// How many nodes are above it.
    pub depth: usize,
    /// What it does.
    pub text: String,
    /// What it keeps.
    pub state: NodeState,
    /// Which changes it passes on, unless the query is run again.
    pub mode: Option<ChangelogMode>,
    /// The names of the columns by which its rows are unique.
    pub key: Option<Vec<String>>,
    /// What lets its state grow without end.
    pub warnings: Vec<String>,
}

/// What a node of a plan keeps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NodeState {
    /// Nothing.
    Stateless,
    /// This.
    State(String),
    /// There is no operator for it, for this reason.
    Rerun(String),
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stateless => f.write_str("stateless"),
            Self::State(what) => write!(f, "state: {what}"),
            Self::Rerun(why) => write!(f, "re-run: {why}"),
        }
    }
}

/// The plan as text: a line for each node.
impl fmt::Display for LiveQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incremental(_) => f.write_str("incremental")?,
            Self::Rerun(rerun) => write!(f, "re-run: {}", rerun.reason)?,
        }
        for node in self.nodes() {
            write!(f, "\n{:width$}{} [{}", "", node.text, node.state, width = 2 + 2 * node.depth)?;
            if let Some(mode) = node.mode {
                write!(f, "; {mode}")?;
            }
            match node.key.as_deref() {
                None => {}
                Some([]) => f.write_str("; one row")?,
                Some(key) => write!(f, "; key {}", key.join(", "))?,
            }
            f.write_str("]")?;
        }
        for warning in self.nodes().iter().flat_map(|node| &node.warnings) {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

/// Why a plan has no operators: it is run again, or it is no valid query.
#[derive(Debug)]
pub(crate) enum Stop {
    Rerun(String),
    Error(Box<SqlError>),
}

impl Stop {
    pub(crate) fn rerun(why: impl Into<String>) -> Self {
        Self::Rerun(why.into())
    }
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Self::Error(Box::new(error))
    }
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Self::Error(Box::new(error.into()))
    }
}

impl From<ArrowError> for Stop {
    fn from(error: ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

/// An operator that does not apply is none.
impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Rerun(problem.to_string())
    }
}
