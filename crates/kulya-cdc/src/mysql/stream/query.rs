//! Statements of the log that mark transactions, and the text around them.

/// What a statement means for its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Begin,
    Commit,
    Rollback,
    /// ROLLBACK TO SAVEPOINT: a part of the transaction is undone.
    RollbackTo,
    /// SAVEPOINT and RELEASE SAVEPOINT.
    Savepoint,
    /// XA START: the transaction begins, with an XA PREPARE to come.
    XaStart,
    /// XA END.
    XaEnd,
    /// XA COMMIT and XA ROLLBACK of what was prepared before.
    XaCompletion,
}

impl Control {
    /// Tells the meaning; `None` for other statements.
    pub(super) fn of(sql: &[u8]) -> Option<Self> {
        let sql = sql.trim_ascii();
        let is = |text: &str| sql.eq_ignore_ascii_case(text.as_bytes());
        let starts = |text: &str| {
            sql.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
        };
        Some(match sql.first()?.to_ascii_uppercase() {
            b'B' if is("BEGIN") => Self::Begin,
            b'C' if is("COMMIT") => Self::Commit,
            b'R' if is("ROLLBACK") => Self::Rollback,
            b'R' if starts("ROLLBACK TO ") => Self::RollbackTo,
            b'R' if starts("RELEASE SAVEPOINT ") => Self::Savepoint,
            b'S' if starts("SAVEPOINT ") => Self::Savepoint,
            b'X' if starts("XA START ") => Self::XaStart,
            b'X' if starts("XA END ") => Self::XaEnd,
            b'X' if starts("XA COMMIT ") || starts("XA ROLLBACK ") => Self::XaCompletion,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_transactions_are_told() {
        for (sql, expected) in [
            ("BEGIN", Some(Control::Begin)),
            (" commit ", Some(Control::Commit)),
            ("ROLLBACK", Some(Control::Rollback)),
            ("ROLLBACK TO `a`", Some(Control::RollbackTo)),
            ("SAVEPOINT `a`", Some(Control::Savepoint)),
            ("RELEASE SAVEPOINT `a`", Some(Control::Savepoint)),
            ("XA START X'31',X'',1", Some(Control::XaStart)),
            ("XA END X'31',X'',1", Some(Control::XaEnd)),
            ("XA ROLLBACK X'31',X'',1", Some(Control::XaCompletion)),
            ("BEGIN WORK", None),
            ("CREATE TABLE BEGIN (a INT)", None),
            ("", None),
        ] {
            assert_eq!(Control::of(sql.as_bytes()), expected, "{sql}");
        }
    }
}
