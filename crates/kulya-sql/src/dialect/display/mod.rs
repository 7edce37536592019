//! Text of statements in their canonical form: keywords in upper case, names in backticks, texts in single
//! quotes, defaults written out. Parsed again it gives an equal statement.
//!
//! Expressions and queries are printed as typed. `{:#}` prints types as Flink's SHOW CREATE TABLE does.

mod ddl;
mod show;

use super::cursor::Path;
use super::options::OptionDef;
use super::quote::{Quoted, identifier};
use super::statement::{Described, ExplainDetail, Insert, ParsedQuery, Statement, StatementKind};
use std::fmt;

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, &self.parts, ".", |f, part| write!(f, "{}", identifier(part)))
    }
}

impl fmt::Display for OptionDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", Quoted(&self.key), Quoted(&self.value))
    }
}

impl fmt::Display for ParsedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.query.text)
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateCatalog(catalog) => catalog.fmt(f),
            Self::AlterCatalog { name, change } => write!(f, "ALTER CATALOG {name} {change}"),
            Self::DropCatalog { name, if_exists } => {
                write!(f, "DROP CATALOG {}{name}", when(*if_exists, "IF EXISTS "))
            }
            Self::UseCatalog(name) => write!(f, "USE CATALOG {name}"),
            Self::CreateDatabase(database) => database.fmt(f),
            Self::AlterDatabase { path, change } => write!(f, "ALTER DATABASE {path} {change}"),
            Self::DropDatabase { path, if_exists, cascade } => {
                let behaviour = if *cascade { "CASCADE" } else { "RESTRICT" };
                write!(f, "DROP DATABASE {}{path} {behaviour}", when(*if_exists, "IF EXISTS "))
            }
            Self::Use(path) => write!(f, "USE {path}"),
            Self::CreateTable(table) => table.fmt(f),
            Self::AlterTable { path, if_exists, change } => {
                write!(f, "ALTER TABLE {}{path} ", when(*if_exists, "IF EXISTS "))?;
                change.fmt(f)
            }
            Self::DropTable { path, if_exists, temporary } => {
                let temporary = when(*temporary, "TEMPORARY ");
                write!(f, "DROP {temporary}TABLE {}{path}", when(*if_exists, "IF EXISTS "))
            }
            Self::CreateView(view) => view.fmt(f),
            Self::AlterView { path, change } => write!(f, "ALTER VIEW {path} {change}"),
            Self::DropView { path, if_exists, temporary } => {
                let temporary = when(*temporary, "TEMPORARY ");
                write!(f, "DROP {temporary}VIEW {}{path}", when(*if_exists, "IF EXISTS "))
            }
            Self::DropMaterializedView { path, if_exists } => {
                write!(f, "DROP MATERIALIZED VIEW {}{path}", when(*if_exists, "IF EXISTS "))
            }
            Self::AlterMaterializedView { path, is_paused } => {
                write!(f, "ALTER MATERIALIZED VIEW {path} {}", paused(*is_paused))
            }
            Self::AlterJob { name, is_paused } => {
                write!(f, "ALTER JOB {} {}", Quoted(name), paused(*is_paused))
            }
            Self::StopJob(name) => write!(f, "STOP JOB {}", Quoted(name)),
            Self::Subscribe(query) => write!(f, "SUBSCRIBE {query}"),
            Self::Show(show) => show.fmt(f),
            Self::Describe { what: Described::File, path, .. } => {
                write!(f, "DESCRIBE {}", Quoted(&path.to_name()))
            }
            Self::Describe { what, path, extended } => {
                write!(f, "DESCRIBE {what}{}{path}", when(*extended, "EXTENDED "))
            }
            Self::Explain(explain) => {
                f.write_str("EXPLAIN ")?;
                write_details(f, &explain.details)?;
                match explain.statement.as_ref() {
                    Self::StatementSet(inserts) => {
                        f.write_str("STATEMENT SET BEGIN\n")?;
                        write_inserts(f, inserts)
                    }
                    statement => statement.fmt(f),
                }
            }
            Self::Set(None) => f.write_str("SET"),
            Self::Set(Some((key, value))) => write!(f, "SET {} = {}", Quoted(key), Quoted(value)),
            Self::Reset(None) => f.write_str("RESET"),
            Self::Reset(Some(key)) => write!(f, "RESET {}", Quoted(key)),
            Self::Insert(insert) => insert.fmt(f),
            Self::StatementSet(inserts) => {
                f.write_str("EXECUTE STATEMENT SET BEGIN\n")?;
                write_inserts(f, inserts)
            }
            Self::Query(query) => query.fmt(f),
        }
    }
}

fn write_inserts(f: &mut fmt::Formatter<'_>, inserts: &[Insert]) -> fmt::Result {
    for insert in inserts {
        writeln!(f, "{insert};")?;
    }
    f.write_str("END")
}

fn write_details(f: &mut fmt::Formatter<'_>, details: &[ExplainDetail]) -> fmt::Result {
    separated(f, details, ", ", |f, detail| {
        f.write_str(match detail {
            ExplainDetail::EstimatedCost => "ESTIMATED_COST",
            ExplainDetail::ChangelogMode => "CHANGELOG_MODE",
            ExplainDetail::JsonExecutionPlan => "JSON_EXECUTION_PLAN",
            ExplainDetail::PlanAdvice => "PLAN_ADVICE",
            ExplainDetail::Analyze => "ANALYZE",
            ExplainDetail::Verbose => "VERBOSE",
        })
    })?;
    f.write_str(if details.is_empty() { "" } else { " " })
}

impl fmt::Display for Insert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INSERT {} {}", if self.overwrite { "OVERWRITE" } else { "INTO" }, self.path)?;
        if !self.options.is_empty() {
            f.write_str(" /*+ OPTIONS(")?;
            separated(f, &self.options, ", ", |f, option| option.fmt(f))?;
            f.write_str(") */")?;
        }
        if !self.partition.is_empty() {
            f.write_str(" PARTITION (")?;
            separated(f, &self.partition, ", ", |f, (name, value)| {
                write!(f, "{} = {}", identifier(name), value.text)
            })?;
            f.write_str(")")?;
        }
        if !self.columns.is_empty() {
            f.write_str(" (")?;
            separated(f, &self.columns, ", ", |f, column| column.fmt(f))?;
            f.write_str(")")?;
        }
        write!(f, " {}", self.query)?;
        match &self.on_conflict {
            Some(conflict) => write!(f, " ON CONFLICT DO {}", conflict.action.name()),
            None => Ok(()),
        }
    }
}

/// Returns a text, or nothing.
fn paused(is_paused: bool) -> &'static str {
    if is_paused { "PAUSE" } else { "RESUME" }
}

fn when(condition: bool, text: &str) -> &str {
    if condition { text } else { "" }
}

/// Writes items with a separator between them.
fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    separator: &str,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { separator })?;
        write(f, item)?;
    }
    Ok(())
}

/// Writes `(name, …)`.
fn write_names(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    f.write_str("(")?;
    separated(f, names, ", ", |f, name| write!(f, "{}", identifier(name)))?;
    f.write_str(")")
}
