//! Text of SHOW and DESCRIBE.

use super::when;
use crate::dialect::cursor::Path;
use crate::dialect::quote::Quoted;
use crate::dialect::statement::{Described, LikePattern, Show};
use std::fmt;

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogs { like } => write_list(f, "CATALOGS", None, like),
            Self::CurrentCatalog => f.write_str("SHOW CURRENT CATALOG"),
            Self::CurrentDatabase => f.write_str("SHOW CURRENT DATABASE"),
            Self::Databases { from, like } => write_list(f, "DATABASES", from.as_ref(), like),
            Self::Tables { from, like } => write_list(f, "TABLES", from.as_ref(), like),
            Self::Views { from, like } => write_list(f, "VIEWS", from.as_ref(), like),
            Self::MaterializedViews { from, like } => {
                write_list(f, "MATERIALIZED VIEWS", from.as_ref(), like)
            }
            Self::Jobs => f.write_str("SHOW JOBS"),
            Self::Columns { from, like } => write_list(f, "COLUMNS", Some(from), like),
            Self::Functions { user_only: false, from, like } => {
                write_list(f, "FUNCTIONS", from.as_ref(), like)
            }
            Self::Functions { user_only: true, from, like } => {
                write_list(f, "USER FUNCTIONS", from.as_ref(), like)
            }
            Self::CreateCatalog(name) => write!(f, "SHOW CREATE CATALOG {name}"),
            Self::CreateTable(path) => write!(f, "SHOW CREATE TABLE {path}"),
            Self::CreateView(path) => write!(f, "SHOW CREATE VIEW {path}"),
        }
    }
}

fn write_list(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    from: Option<&Path>,
    like: &Option<LikePattern>,
) -> fmt::Result {
    write!(f, "SHOW {what}")?;
    if let Some(from) = from {
        write!(f, " FROM {from}")?;
    }
    let Some(LikePattern { negated, ignores_case, pattern }) = like else { return Ok(()) };
    let operator = if *ignores_case { "ILIKE" } else { "LIKE" };
    write!(f, "{} {operator} {}", when(*negated, " NOT"), Quoted(pattern))
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Catalog => "CATALOG ",
            Self::Database => "DATABASE ",
            Self::Table | Self::File => "",
        })
    }
}
