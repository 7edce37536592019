//! The messages of Canal and Maxwell: rows after a change, and of an update the columns that it has
//! changed, as they were before.

use super::metadata::Places;
use super::{ChangeLogRows, EventContext, Failure, Mark, RowKind, Scanner, Token};
use std::borrow::Cow;

impl ChangeLogRows {
    /// Appends the rows of a message of Canal; it can be of several rows.
    pub(super) fn append_canal(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let root = self.message(scanner)?;
        let Some(root) = root else { return Ok(()) };
        let [data, old, kind, database, table, sql_type, key, ts, es] = scanner
            .members(&["data", "old", "type", "database", "table", "sqlType", "pkNames", "ts", "es"])?;
        scanner.end()?;
        if !self.is_wanted(name(database, scanner)?.as_deref(), name(table, scanner)?.as_deref()) {
            return Ok(());
        }
        let first = self.kinds.len();
        let mut cx = EventContext::new(self.options);
        let kind = name(kind, scanner)?;
        match kind.as_deref() {
            Some("INSERT") => {
                for row in items("data", data, scanner)? {
                    self.append_row(RowKind::Insert, row, scanner, &mut cx)?;
                }
            }
            Some("UPDATE") => {
                let (rows, changed) = (items("data", data, scanner)?, items("old", old, scanner)?);
                if rows.len() != changed.len() {
                    let (rows, changed) = (rows.len(), changed.len());
                    let reason = format!("an UPDATE has {rows} rows in data, but {changed} in old");
                    return Err(Failure::Event(reason));
                }
                for (row, changed) in rows.into_iter().zip(changed) {
                    self.append_row_before([changed, row], scanner, &mut cx)?;
                    self.append_row(RowKind::UpdateAfter, row, scanner, &mut cx)?;
                }
            }
            Some("DELETE") => {
                for row in items("data", data, scanner)? {
                    self.append_row(RowKind::Delete, row, scanner, &mut cx)?;
                }
            }
            // a new table has no rows
            Some("CREATE") => {}
            other => return Err(unknown_type(other)),
        }
        // database and table are members of the message
        let places = Places { root: [sql_type, key, ts, es], source: Some(root) };
        self.append_metadata(first, places, scanner, &mut cx)
    }

    /// Appends the rows of a message of Maxwell, which is of one row.
    pub(super) fn append_maxwell(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let root = self.message(scanner)?;
        let Some(root) = root else { return Ok(()) };
        let [data, old, kind, database, table, key, ts] =
            scanner.members(&["data", "old", "type", "database", "table", "primary_key_columns", "ts"])?;
        scanner.end()?;
        if !self.is_wanted(name(database, scanner)?.as_deref(), name(table, scanner)?.as_deref()) {
            return Ok(());
        }
        let first = self.kinds.len();
        let mut cx = EventContext::new(self.options);
        let kind = name(kind, scanner)?;
        let member = |name: &str, mark: Option<Mark>| {
            mark.ok_or_else(|| Failure::Event(format!("it has no {name}, which is the row")))
        };
        match kind.as_deref() {
            Some("insert") => {
                self.append_row(RowKind::Insert, member("data", data)?, scanner, &mut cx)?;
            }
            Some("update") => {
                let (row, changed) = (member("data", data)?, member("old", old)?);
                self.append_row_before([changed, row], scanner, &mut cx)?;
                self.append_row(RowKind::UpdateAfter, row, scanner, &mut cx)?;
            }
            Some("delete") => {
                self.append_row(RowKind::Delete, member("data", data)?, scanner, &mut cx)?;
            }
            other => return Err(unknown_type(other)),
        }
        let places = Places { root: [None, key, ts, None], source: Some(root) };
        self.append_metadata(first, places, scanner, &mut cx)
    }

    /// Reads the first token of a message; `None` for one that is null.
    fn message(&self, scanner: &mut Scanner<'_>) -> Result<Option<Mark>, Failure> {
        let root = scanner.mark();
        match scanner.value()? {
            Token::Object => Ok(Some(root)),
            Token::Null => {
                scanner.end()?;
                Ok(None)
            }
            _ => Err(Failure::Event("it is not an object with a type".into())),
        }
    }
}

/// Reads a text member.
fn name<'a>(mark: Option<Mark>, scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, Failure> {
    Ok(match scanner.value_at(mark)? {
        Token::Text(text) => Some(text.decode()),
        _ => None,
    })
}

/// Returns where the items of an array are.
fn items(name: &str, mark: Option<Mark>, scanner: &mut Scanner<'_>) -> Result<Vec<Mark>, Failure> {
    let Token::Array = scanner.value_at(mark)? else {
        return Err(Failure::Event(format!("{name} is not an array of rows")));
    };
    let mut marks = Vec::new();
    while scanner.item(marks.is_empty())? {
        marks.push(scanner.mark());
        scanner.skip()?;
    }
    Ok(marks)
}

fn unknown_type(found: Option<&str>) -> Failure {
    Failure::Event(match found {
        Some(other) => format!("unknown type {other:?}"),
        None => "it has no type".into(),
    })
}
