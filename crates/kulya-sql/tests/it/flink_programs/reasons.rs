//! Why programs do not give equal rows: by the error, or by the program where the rows are others.

/// Parts of errors, and what they say.
const BY_ERROR: &[(&str, &str)] = &[
    ("a function in Java", "functions in Java"),
    ("a temporal function in Java", "functions in Java"),
    ("a model in Java", "models"),
    ("no function inlineFunction", "functions in Java"),
    ("a table as an argument of other functions", "tables as arguments of functions"),
    ("expected ), found PARTITION", "tables as arguments of functions"),
    ("MATCH_RECOGNIZE is not supported", "MATCH_RECOGNIZE"),
    ("INSERT OVERWRITE is not supported", "partitions and INSERT OVERWRITE"),
    ("PARTITION is not supported", "partitions and INSERT OVERWRITE"),
    ("ON CONFLICT clause is only allowed for upsert sinks", "sinks of changes with the rows before"),
    ("'table.local-time-zone'", "setting table.local-time-zone"),
    ("unknown metadata key", "metadata columns of the test's connector"),
    ("The query has an upsert key that differs", "keys of sinks are not compared with those of the query"),
    ("events in JSON have no values of type", "maps in JSON with keys that are no texts"),
    ("The subquery should only return one column", "UNNEST of rows as several columns"),
    ("for type interval", "intervals with an expression of several fields"),
    ("Unsupported Interval Expression", "intervals with an expression of several fields"),
    ("null_aware anti join", "NOT IN of a subquery that refers to the outer row"),
    ("must not be null", "sources with null in NOT NULL"),
    ("FROM_CHANGELOG of the view", "changes of a view"),
    ("__datafusion_extracted", "a join on CASE over fields of rows"),
];

/// Beginnings of the names of programs with other rows, and why.
const BY_PROGRAM: &[(&str, &str)] = &[
    ("agg-with-state-ttl-hint", STATE),
    ("calc-current-watermark", WATERMARK),
    ("watermark-assigner-", WATERMARK),
    ("group-window-aggregate-hop-event-time", LATE),
    ("group-window-aggregate-hop-proc-time", PROCESSING),
    ("group-window-aggregate-session-event-time", LATE),
    ("group-window-aggregate-session-proc-time", PROCESSING),
    ("group-window-aggregate-tumble-event-time", LATE),
    ("group-window-aggregate-tumble-proc-time", PROCESSING),
    ("interval-join-proc-time", PROCESSING),
    ("four-way-mixed-join-multi-key-types-shuffled", KEY),
    ("over-aggregate-non-time-range-unbounded-sum-retract-mode-source", KEY),
    ("over-aggregate-non-time-rows-unbounded-sum-retract-mode-source", KEY),
    ("rank-test-retract-strategy", KEY),
    ("rank-test-update-fast-strategy", KEY),
    ("temporal-sort-rowtime", LATE),
    ("lookup-join-", "tables of lookups that the restart replaces"),
    ("sink-on-conflict-do-", "ON CONFLICT needs no watermarks"),
    ("window-aggregate-", LATE),
    ("window-join-", LATE),
    ("window-table-function-cumulate-tvf-agg-proc-time", PROCESSING),
    ("window-table-function-hop-tvf-agg-proc-time", PROCESSING),
    ("window-table-function-tumble-tvf-agg-proc-time", PROCESSING),
];

const LATE: &str = "rows behind the watermark are read too";
const PROCESSING: &str = "windows of processing time";
const KEY: &str = "rows of the source break its primary key";
const WATERMARK: &str = "CURRENT_WATERMARK is null in a bounded query";
const STATE: &str = "state that expires";

/// The reason of programs whose rows depend on the order of equal ones.
pub(super) const TIES: &str = "rows of the same rank in any order";

/// Whether a program numbers rows that its ORDER BY does not tell apart.
pub(super) fn has_ties(program: &str) -> bool {
    program == "window-rank-hop-tvf-min-top-n"
}

/// Returns the reason of a program's error.
pub(super) fn find(program: &str, error: &str) -> Option<&'static str> {
    let of_error = BY_ERROR.iter().find(|(part, _)| error.contains(part));
    let of_rows = || {
        let has_other_rows = error.starts_with("other rows") || error.starts_with("Flink refuses it");
        BY_PROGRAM.iter().find(|(start, _)| has_other_rows && program.starts_with(start))
    };
    of_error.or_else(of_rows).map(|(_, reason)| *reason)
}

/// The same of a live program.
pub(super) fn find_live(program: &str, error: &str) -> Option<&'static str> {
    let of_error = LIVE_BY_ERROR.iter().find(|(part, _)| error.contains(part));
    let of_program = LIVE_BY_PROGRAM.iter().find(|(start, _)| program.starts_with(start));
    of_error.or(of_program).map(|(_, reason)| *reason).or_else(|| find(program, error))
}

/// Parts of errors of live programs, and what they say.
const LIVE_BY_ERROR: &[(&str, &str)] = &[
    ("a statement that Flink refuses", "refused, as by Flink"),
    ("no sink of INSERT OVERWRITE", "partitions and INSERT OVERWRITE"),
];

/// Beginnings of the names of live programs with other rows, and why.
const LIVE_BY_PROGRAM: &[(&str, &str)] = &[
    ("constraint-enforcer-char-length-", SINK),
    ("constraint-enforcer-binary-length-", SINK),
    ("constraint-enforcer-trim-pad-length-", SINK),
    ("window-rank-tumble-tvf-min-top-n", TIES),
    ("window-rank-hop-tvf-min-top-n", TIES),
    ("window-rank-cumulate-tvf-min-top-n", TIES),
    ("over-aggregate-non-time-range-unbounded-sum-retract-mode-", KEY),
    ("over-aggregate-non-time-rows-unbounded-sum-retract-mode-", KEY),
    ("temporal-sort-rowtime", "ORDER BY of a time drops no late rows"),
    ("lookup-join-", "tables of lookups that the restart replaces"),
    ("delta-join-with-join-key-", "the order of rows that one change is joined with"),
];

const SINK: &str = "lengths of sinks, which what writes them checks";
