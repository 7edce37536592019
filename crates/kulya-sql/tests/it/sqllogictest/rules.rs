//! Why records of the files fail here: SQLite's SQL is not Flink's. `docs/sqllogictest.md` explains the
//! rules.

/// A record that failed.
pub(super) struct Failure<'a> {
    pub(super) sql: &'a str,
    /// The error, or none if there are other values than the expected ones.
    pub(super) error: Option<&'a str>,
}

/// A named reason.
pub(super) struct Rule {
    name: &'static str,
    applies: fn(&Failure<'_>) -> bool,
}

/// All reasons; the first that applies counts. Each is recognized by its error: other values than SQLite's
/// are never explained by a rule.
const RULES: [Rule; 7] = [
    Rule { name: "division by zero is an error", applies: |it| it.has_error("Divide by zero") },
    Rule { name: "IN of nothing", applies: |it| it.has_error("found )") && it.sql.contains("IN ()") },
    Rule {
        name: "a column that is not in GROUP BY",
        applies: |it| it.has_error("must be in GROUP BY or an aggregate function"),
    },
    // SQLite has texts and numbers in each column, and converts them
    Rule {
        name: "a sign before a text",
        applies: |it| it.has_error("Unary operator '+' only supports numeric"),
    },
    Rule {
        name: "texts compared with numbers",
        applies: |it| it.has_error("Cannot cast string") && it.sql.contains(" IN ("),
    },
    Rule {
        name: "bytes compared with numbers",
        applies: |it| {
            it.has_error("expr type Binary can't cast to Int")
                || it.has_error("comparison operation Int64 = Binary")
        },
    },
    // in brackets the parser tells where another form of the expression ends
    Rule { name: "type REAL", applies: |it| it.error.is_some() && it.sql.contains("AS REAL") },
];

impl Failure<'_> {
    fn has_error(&self, text: &str) -> bool {
        self.error.is_some_and(|error| error.contains(text))
    }
}

/// Returns the reason of a failure.
pub(super) fn find(failure: &Failure<'_>) -> Option<&'static str> {
    RULES.iter().find(|rule| (rule.applies)(failure)).map(|rule| rule.name)
}
