//! The kinds of errors, with their SQLSTATE.

/// What an error is about, so that a program can decide what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqlErrorKind {
    /// The text is not a statement.
    Syntax,
    /// The statement is not supported yet, or not here.
    NotSupported,
    /// A catalog does not exist, or none is selected.
    UnknownCatalog,
    /// A database does not exist, or none is selected.
    UnknownDatabase,
    /// A table or view does not exist, or its stream has no schema.
    UnknownTable,
    /// A column does not exist, or its name is ambiguous.
    UnknownColumn,
    /// A function does not exist, or has other arguments.
    UnknownFunction,
    /// A catalog exists already.
    CatalogExists,
    /// A database exists already.
    DatabaseExists,
    /// A table or view exists already.
    TableExists,
    /// A database has tables, or the object is in use.
    InUse,
    /// An option is unknown, or its value is invalid.
    InvalidOption,
    /// Types do not fit.
    TypeMismatch,
    /// The statement has a meaning that cannot be: other than the cases above.
    InvalidQuery,
    /// A value cannot be converted.
    InvalidValue,
    /// A null in a column that must not be null.
    NullValue,
    /// Division by zero.
    DivisionByZero,
    /// A number beyond the range of its type.
    OutOfRange,
    /// An event cannot be decoded.
    UndecodableEvent,
    /// The registry refuses a schema: the text has the reasons.
    Incompatible,
    /// The memory limit of the session is exceeded.
    OutOfMemory,
    /// The limit of spilled data is exceeded, or the disk is full.
    DiskFull,
    /// The statement is too long, too deep, or too large once planned.
    TooComplex,
    /// The statement was cancelled.
    Cancelled,
    /// The permission is missing.
    Unauthorized,
    /// A store or registry is unavailable: try again.
    Unavailable,
    /// Another session changed the same thing at the same time: try again.
    Conflict,
    /// An error of the store, the registry, or the machine.
    Failed,
    /// An error of Kulya.
    Internal,
}

impl SqlErrorKind {
    /// Returns the SQLSTATE: five characters as in the SQL standard, and where that has none as in
    /// PostgreSQL.
    pub fn sqlstate(self) -> &'static str {
        match self {
            Self::Syntax => "42601",
            Self::NotSupported => "0A000",
            Self::UnknownCatalog => "3D000",
            Self::UnknownDatabase => "3F000",
            Self::UnknownTable => "42P01",
            Self::UnknownColumn => "42703",
            Self::UnknownFunction => "42883",
            Self::CatalogExists => "42710",
            Self::DatabaseExists => "42P06",
            Self::TableExists => "42P07",
            Self::InUse => "2BP01",
            Self::InvalidOption => "22023",
            Self::TypeMismatch => "42804",
            Self::InvalidQuery => "42000",
            Self::InvalidValue => "22P02",
            Self::NullValue => "23502",
            Self::DivisionByZero => "22012",
            Self::OutOfRange => "22003",
            Self::UndecodableEvent => "22000",
            Self::Incompatible => "42P16",
            Self::OutOfMemory => "53200",
            Self::DiskFull => "53100",
            Self::TooComplex => "54001",
            Self::Cancelled => "57014",
            Self::Unauthorized => "42501",
            Self::Unavailable => "08006",
            Self::Conflict => "40001",
            Self::Failed => "58000",
            Self::Internal => "XX000",
        }
    }
}
