//! What can go wrong in an operator.

use arrow_schema::{ArrowError, DataType};

/// The error of an expression that the caller supplies.
pub type ExpressionError = Box<dyn std::error::Error + Send + Sync>;

/// A problem, and the name of the operator that has it.
#[derive(Debug, thiserror::Error)]
#[error("operator {operator}: {problem}")]
pub struct Error {
    /// The operator's name, as given to [`Node::new`](crate::Node::new).
    pub operator: String,
    /// What went wrong.
    #[source]
    pub problem: Problem,
}

/// A problem, by what the caller does next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A row was retracted more often than it was inserted, at the end of a tick: the input is no consistent
    /// change log. The operator's state is lost: build the view again from its inputs.
    #[error("a row was retracted that had not been inserted; build the view again from its inputs")]
    NegativeWeight,
    /// A retraction came to an operator that was made for insertions only: plan it without that assumption.
    #[error("a row was retracted from an input that was declared to have insertions only")]
    RetractionOfInsertOnly,
    /// The input does not have the promised columns, keys or times: the plan or the source is at fault.
    #[error("{0}")]
    Input(String),
    /// The plan asks for what this crate does not do: run the query in another way.
    #[error("{0} is not supported yet")]
    Unsupported(String),
    /// A result is out of the range of its type: the query needs a wider one.
    #[error("{what} is out of the range of {data_type}; cast to a wider type")]
    Overflow {
        /// The function, such as `sum`.
        what: &'static str,
        /// The type of the result.
        data_type: DataType,
    },
    /// Stored state cannot be read: it is damaged, or of another version or plan. Build the view again.
    #[error("stored state cannot be read: {0}; build the view again from its inputs")]
    State(String),
    /// The operator failed before, so that its state may be half of a tick: restore it.
    #[error("the operator failed in an earlier tick; restore it from its stored state")]
    Failed,
    /// An expression failed.
    #[error("an expression failed")]
    Expression(#[source] ExpressionError),
    /// A kernel of Arrow failed.
    #[error("Arrow failed")]
    Arrow(#[from] ArrowError),
}

impl Problem {
    pub(crate) fn input(reason: impl Into<String>) -> Self {
        Self::Input(reason.into())
    }

    pub(crate) fn state(reason: impl Into<String>) -> Self {
        Self::State(reason.into())
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }
}

/// The result of an operator's internals, without its name.
pub(crate) type Result<T, E = Problem> = std::result::Result<T, E>;
