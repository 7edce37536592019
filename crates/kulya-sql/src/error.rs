//! Errors of SQL statements, as one line for the user.

use datafusion::error::DataFusionError;

/// The result of a statement.
pub type SqlResult<T> = Result<T, SqlError>;

/// An error of a statement: a message of one line that names the object and, if possible, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct SqlError {
    what: String,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SqlError {
    /// Creates an error. The message is lowercase and has no full stop.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Appends a hint to the message.
    #[must_use]
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.what = format!("{}; {hint}", self.what);
        self
    }

    /// Creates the error of a thread that panicked; standard error has the panic's message.
    pub(crate) fn internal() -> Self {
        Self::new("the query failed by an internal error of Kulya: please report the statement")
    }

    pub(crate) fn not_supported(what: impl std::fmt::Display) -> Self {
        Self::new(format!("{what} is not supported yet"))
    }
}

impl From<kulya_store::Error> for SqlError {
    fn from(error: kulya_store::Error) -> Self {
        Self::new(error.to_string()).because(error)
    }
}

impl From<kulya_registry_api::RegistryError> for SqlError {
    fn from(error: kulya_registry_api::RegistryError) -> Self {
        Self::new(error.to_string()).because(error)
    }
}

impl From<kulya_codec::CodecError> for SqlError {
    fn from(error: kulya_codec::CodecError) -> Self {
        Self::new(error.to_string()).because(error)
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        let error = match innermost(error) {
            DataFusionError::External(own) => match own.downcast::<Self>() {
                Ok(own) => return *own,
                Err(other) => DataFusionError::External(other),
            },
            error => error,
        };
        let text = match error.find_root() {
            DataFusionError::External(own) => return Self::new(own.to_string()),
            DataFusionError::ResourcesExhausted(what) => {
                return Self::new(format!(
                    "the query exceeds its memory or spill limit: raise --memory or --spill, or query fewer rows ({})",
                    what.lines().next().unwrap_or_default()
                ));
            }
            root @ (DataFusionError::Execution(_) | DataFusionError::Plan(_)) => root.message().into_owned(),
            root => root.strip_backtrace(),
        };
        let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        if line.contains("compound identifier") || line.contains("nsupported object name") {
            return Self::new(line).hint("quote a name with dots in backticks");
        }
        Self::new(line)
    }
}

/// Returns the innermost error; DataFusion wraps an error once per layer.
fn innermost(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => innermost(*inner),
        other => other,
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}
