//! Tables as of a time: up to when their events are read, the versions of their rows with the times from and
//! up to which they were valid, or their changes.

use super::computed::{column_list, quoted};
use crate::catalog::Found;
use crate::dialect::{
    AsOf, AsOfTime, CHANGE_KIND, ChangeCodes, OptionDef, Quoted, RowTime, parse_query, valid_from, valid_to,
};
use crate::engine::{BASE_TABLE, DefaultPath, PlanRequest, Purpose, ResolvedTables};
use crate::session::Session;
use crate::table::{CHANGE_NUMBER, SpecColumnKind, TableDefinition, TableRows, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use datafusion::sql::sqlparser::ast;
use futures::future::BoxFuture;

/// The option with the time before which events are read.
const END_TIME: &str = "scan.end-timestamp";

/// Which rows of a table a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TableTime {
    /// Those of now, or of the table's options.
    Now,
    /// Those of now, for a join that looks for the columns of this number.
    Lookup(usize),
    /// All versions, for such a join.
    Versions(usize),
    Changes,
    /// Those that its rows of now leave, which are changes.
    FromChanges(ChangeCodes),
}

impl TableTime {
    /// Returns for what the table is read as its changes; `None` if it is not.
    pub(super) fn reads_changes(&self) -> Option<&'static str> {
        match self {
            Self::Now | Self::Lookup(_) | Self::FromChanges(_) => None,
            Self::Versions(_) => Some("FOR SYSTEM_TIME AS OF the time of an event,"),
            Self::Changes => Some("TO_CHANGELOG"),
        }
    }
}

/// Returns which rows a query reads of a table, and the option that says so. Views that read each other keep
/// the stack of all of them, so that this has its own place.
///
/// # Errors
/// With its place: a time that is none, and a table without versions.
pub(super) fn table_time<'a>(
    session: &'a Session,
    as_of: &'a AsOf,
    table: (&'a str, &'a TableDefinition),
) -> BoxFuture<'a, SqlResult<(TableTime, Option<OptionDef>)>> {
    Box::pin(time_of(session, as_of, table))
}

async fn time_of(
    session: &Session,
    as_of: &AsOf,
    (name, definition): (&str, &TableDefinition),
) -> SqlResult<(TableTime, Option<OptionDef>)> {
    let position = as_of.position.0;
    let located = |error: SqlError| error.without_position().at(position);
    match &as_of.time {
        AsOfTime::Constant(query) => {
            let millis = constant(session, query).await.map_err(located)?;
            // what was committed in that millisecond is there
            let value = millis.saturating_add(1).max(0).to_string();
            let option = OptionDef { key: END_TIME.to_owned(), value, position: as_of.position };
            Ok((TableTime::Now, Some(option)))
        }
        AsOfTime::Changes => Ok((TableTime::Changes, None)),
        AsOfTime::FromChanges(codes) => Ok((TableTime::FromChanges(codes.clone()), None)),
        AsOfTime::OfRow { number, left } => {
            if is_processing_time(session, left).await {
                return Ok((TableTime::Lookup(*number), None));
            }
            let has_time =
                definition.spec.as_ref().is_some_and(|spec| spec.create.elements.watermark.is_some());
            if definition.key.is_empty() || !has_time {
                let what = format!(
                    "FOR SYSTEM_TIME AS OF the time of an event needs a table with PRIMARY KEY and WATERMARK, \
                     which {name} is not; a column AS PROCTIME() joins with its rows of now"
                );
                return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position));
            }
            Ok((TableTime::Versions(*number), None))
        }
    }
}

/// Returns the value of a time, in milliseconds since 1970.
async fn constant(session: &Session, query: &ast::Query) -> SqlResult<i64> {
    let path = DefaultPath { catalog: String::new(), database: String::new() };
    let statement = ast::Statement::Query(Box::new(query.clone()));
    let engine = session.started_engine()?;
    let pending = engine.plan(PlanRequest { statement, path, target: None, purpose: Purpose::Rows }).await?;
    let mut rows = engine.run(pending, ResolvedTables::default(), Box::new(Vec::new)).await?;
    let batch = rows.next().await?.ok_or_else(SqlError::internal)?;
    let values = batch.column(0);
    let wrong = |what: &str| {
        let what = format!("FOR SYSTEM_TIME AS OF takes a TIMESTAMP or TIMESTAMP_LTZ, and this is {what}");
        SqlError::new(SqlErrorKind::TypeMismatch, what)
    };
    if !matches!(values.data_type(), DataType::Timestamp(..)) {
        return Err(wrong(&crate::data_types::type_name(values.data_type())));
    }
    // values without a time zone are in UTC, as the session's is
    let millis = cast(values, &DataType::Timestamp(TimeUnit::Millisecond, None));
    let millis = millis.map_err(|e| SqlError::internal().because(e))?;
    let millis = millis.as_primitive::<TimestampMillisecondType>();
    if millis.is_empty() || millis.is_null(0) {
        return Err(wrong("null"));
    }
    Ok(millis.value(0))
}

/// Returns whether the time of a row is the time of the query.
async fn is_processing_time(session: &Session, time: &RowTime) -> bool {
    let (table, column) = match time {
        RowTime::Processing => return true,
        RowTime::Event => return false,
        RowTime::Column { table, column } => (table, column),
    };
    // what is not found is reported as a table of the query
    let Ok((_, Found::Table(definition))) = session.find(table).await else { return false };
    let Some(spec) = &definition.spec else { return false };
    spec.columns.iter().any(|of_table| {
        of_table.name == *column
            && matches!(&of_table.kind, SpecColumnKind::Computed(text) if is_call_of_proctime(text))
    })
}

fn is_call_of_proctime(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.eq_ignore_ascii_case("PROCTIME()")
}

/// Returns the query of a table's columns with those of validity.
///
/// # Errors
/// `InvalidQuery` for columns that cannot be planned.
pub(super) fn timed_columns(
    definition: &TableDefinition,
    time: &TableTime,
) -> SqlResult<Option<Box<ast::Query>>> {
    let Some(text) = timed_text(definition, time)? else { return Ok(None) };
    let query = parse_query(&text).map_err(|e| {
        SqlError::new(SqlErrorKind::InvalidQuery, format!("the versions of the table cannot be planned: {e}"))
    })?;
    Ok(Some(query.query.value))
}

/// Returns the text of that query.
///
/// # Errors
/// As [`timed_columns`].
pub(super) fn timed_text(definition: &TableDefinition, time: &TableTime) -> SqlResult<Option<String>> {
    let base = quoted(BASE_TABLE);
    let from = format!("{base}.{base}.{base}");
    let all = |spec: Option<&TableSpec>| match spec {
        Some(spec) => column_list(spec),
        None => definition.schema.fields().iter().map(|field| quoted(field.name())).collect(),
    };
    let spec = definition.spec.as_deref();
    let text = match (time, spec) {
        (TableTime::Now, _) => return Ok(None),
        (TableTime::Lookup(number), _) => format!(
            "SELECT {}, CAST(TIMESTAMP '1970-01-01 00:00:00' AS TIMESTAMP_LTZ(3)) AS {}, CAST(NULL AS TIMESTAMP_LTZ(3)) AS {} FROM {from}",
            all(spec).join(", "),
            quoted(&valid_from(*number)),
            quoted(&valid_to(*number)),
        ),
        (TableTime::Versions(number), Some(spec)) => {
            let watermark = spec.create.elements.watermark.as_ref().ok_or_else(SqlError::internal)?;
            let path: Vec<String> = watermark.column.parts.iter().map(|part| quoted(part)).collect();
            let time = path.join(".");
            let key: Vec<String> = spec.key.iter().map(|name| quoted(name)).collect();
            let names: Vec<String> = spec.columns.iter().map(|column| quoted(&column.name)).collect();
            let (kind, order) = (quoted(CHANGE_KIND), quoted(CHANGE_NUMBER));
            let (begin, end) = (quoted(&valid_from(*number)), quoted(&valid_to(*number)));
            let rows = format!(
                "SELECT {}, {kind}, {order} FROM {from} WHERE {kind} <> 'UPDATE_BEFORE'",
                column_list(spec).join(", ")
            );
            let next =
                format!("LEAD({time}) OVER (PARTITION BY {} ORDER BY {time}, {order})", key.join(", "));
            let versions = format!(
                "SELECT *, {time} AS {begin}, {next} AS {end} FROM ({rows}) AS v WHERE {time} IS NOT NULL"
            );
            format!(
                "SELECT {}, {begin}, {end} FROM ({versions}) AS v WHERE {kind} <> 'DELETE'",
                names.join(", ")
            )
        }
        (TableTime::FromChanges(codes), spec) => rows_left(codes, &all(spec), definition, &from)?,
        (TableTime::Changes, spec) => changes(&all(spec), definition, &from),
        (TableTime::Versions(_), None) => return Err(SqlError::internal()),
    };
    Ok(Some(text))
}

/// Returns the text of the query of a table's changes. Those of a table with a primary key follow from its
/// versions, whatever its events say of the rows before.
fn changes(columns: &[String], definition: &TableDefinition, from: &str) -> String {
    let (kind, order) = (quoted(CHANGE_KIND), quoted(CHANGE_NUMBER));
    let is_change_log = match &definition.rows {
        TableRows::Events { format, .. } => format.is_change_log(),
        TableRows::Changelog { .. } => true,
    };
    if definition.key.is_empty() || !is_change_log {
        return format!("SELECT {}, {kind} FROM {from}", columns.join(", "));
    }
    let names = names(definition);
    let key: Vec<String> = definition.key.iter().map(|name| quoted(name)).collect();
    let window = format!("OVER (PARTITION BY {} ORDER BY {order})", key.join(", "));
    let before = |index: usize| quoted(&format!("{index} before"));
    let lags: Vec<String> =
        (0..).zip(&names).map(|(index, name)| format!("LAG({name}) {window} AS {}", before(index))).collect();
    let rows = format!(
        "SELECT {}, {kind} <> 'DELETE' AS `is there`, {order} FROM {from} WHERE {kind} <> 'UPDATE_BEFORE'",
        columns.join(", ")
    );
    let pairs = format!(
        "SELECT *, COALESCE(LAG(`is there`) {window}, FALSE) AS `was there`, {} FROM ({rows}) AS v",
        lags.join(", ")
    );
    let values: Vec<String> = (0..)
        .zip(&names)
        .map(|(index, name)| {
            format!("CASE WHEN `of before` THEN {} ELSE {name} END AS {name}", before(index))
        })
        .collect();
    format!(
        "SELECT {}, CASE WHEN `of before` AND `is there` THEN 'UPDATE_BEFORE' WHEN `of before` THEN 'DELETE' \
         WHEN `was there` THEN 'UPDATE_AFTER' ELSE 'INSERT' END AS {kind} \
         FROM ({pairs}) AS v CROSS JOIN (VALUES (TRUE), (FALSE)) AS s (`of before`) \
         WHERE (`of before` AND `was there`) OR (NOT `of before` AND `is there`)",
        values.join(", ")
    )
}

/// Returns the names of a table's columns, in backticks.
fn names(definition: &TableDefinition) -> Vec<String> {
    match definition.spec.as_deref() {
        Some(spec) => spec.columns.iter().map(|column| quoted(&column.name)).collect(),
        None => definition.schema.fields().iter().map(|field| quoted(field.name())).collect(),
    }
}

/// Returns the text of the query of the rows that rows leave which are changes: each as often as it was added
/// and not removed.
///
/// # Errors
/// `UnknownColumn` for a table without the column of the kinds.
fn rows_left(
    codes: &ChangeCodes,
    columns: &[String],
    definition: &TableDefinition,
    from: &str,
) -> SqlResult<String> {
    let (all, op) = (names(definition), quoted(&codes.column));
    if !all.contains(&op) {
        let what = format!(
            "FROM_CHANGELOG reads the kinds of changes from column {op}, which the table does not have: op => DESCRIPTOR(column) names another"
        );
        return Err(SqlError::new(SqlErrorKind::UnknownColumn, what));
    }
    let left: Vec<&str> = all.iter().filter(|name| **name != op).map(String::as_str).collect();
    let left = left.join(", ");
    let list = |codes: &[String]| Quoted(&codes.join(",")).to_string();
    let (added, removed) = (list(&codes.added), list(&codes.removed));
    Ok(format!(
        "SELECT {left} FROM (SELECT {left}, SUM(CHANGE_SIGN({op}, {added}, {removed})) AS `times left` \
         FROM (SELECT {} FROM {from}) AS v GROUP BY {left}) AS v \
         CROSS JOIN UNNEST(ARRAY_REPEAT(1, `times left`)) AS u (`one`) WHERE `times left` > 0",
        columns.join(", ")
    ))
}
