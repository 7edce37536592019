//! What becomes of the changes of a live query's result: rows with their kinds for a client, or events of a
//! table's stream.

use super::plan::{ChangelogMode, LivePlan};
use crate::sink::{Constraints, TargetStream};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use kulya_incremental::{Batch, Changelog, RowKind, Tick};
use kulya_store::{Append, StreamId};
use std::sync::Arc;

/// The column with the kind of a change.
const OP: &str = "op";

/// Changes of a result as rows with their kinds, as a client sees them.
pub(crate) struct ChangeOutput {
    changelog: Changelog,
    schema: SchemaRef,
}

impl ChangeOutput {
    /// Creates the output of a plan.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn new(plan: &LivePlan) -> SqlResult<Self> {
        let changelog = changelog(plan, plan.key.clone())?;
        let op = Arc::new(Field::new(OP, DataType::Utf8, false));
        let columns = plan.schema.fields().iter().map(|field| {
            // a removed row may have only its key
            Arc::new(field.as_ref().clone().with_nullable(true))
        });
        let schema = Arc::new(Schema::new(std::iter::once(op).chain(columns).collect::<Vec<_>>()));
        Ok(Self { changelog, schema })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the rows of a tick, the kind before the columns.
    ///
    /// # Errors
    /// `Failed` if two rows have the same unique key.
    pub(crate) fn rows(&self, changes: Vec<Batch>) -> SqlResult<RecordBatch> {
        let (rows, kinds) = fold(&self.changelog, changes)?;
        let ops: ArrayRef = Arc::new(StringArray::from_iter_values(kinds.iter().map(|kind| kind.as_str())));
        let columns = std::iter::once(ops).chain(rows.columns().iter().cloned()).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| SqlError::internal().because(e))
    }
}

/// A table that an INSERT writes to while it goes on.
pub(crate) struct JobSink {
    target: TargetStream,
    constraints: Constraints,
    changelog: Changelog,
    schema: SchemaRef,
    /// Whether the table has a primary key, so that an update is one event.
    is_keyed: bool,
}

impl JobSink {
    /// Creates the sink of a plan whose rows are those of the table.
    ///
    /// # Errors
    /// `InvalidQuery` if the table's format cannot have the changes of the query.
    pub(crate) fn new(
        plan: &LivePlan,
        name: &str,
        target: TargetStream,
        constraints: Constraints,
        (schema, is_change_log, key): (SchemaRef, bool, Vec<usize>),
    ) -> SqlResult<Self> {
        let is_append = plan.mode == ChangelogMode::Append;
        if !is_append && !is_change_log {
            let what = format!(
                "the query has updates or deletions, but the format of table {name} only adds rows: a table with \
                 'format' = 'debezium-json' takes them"
            );
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
        }
        let is_keyed = is_change_log && !key.is_empty();
        let is_unique =
            || plan.key.as_ref().is_some_and(|of_query| of_query.iter().all(|it| key.contains(it)));
        if is_keyed && !is_append && !is_unique() {
            let what = format!(
                "rows of the query are not known to be unique by the primary key of table {name}: group by its \
                 columns, or use a table without a primary key"
            );
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
        }
        let changelog = changelog(plan, (is_keyed && !is_append).then_some(key))?;
        Ok(Self { target, constraints, changelog, schema, is_keyed })
    }

    pub(crate) fn stream(&self) -> &StreamId {
        &self.target.stream
    }

    /// Returns the events of a tick.
    ///
    /// # Errors
    /// `NullValue` and others for a row that the table cannot have, `InvalidValue` for one that the format
    /// cannot write.
    pub(crate) fn events(&mut self, changes: Vec<Batch>) -> SqlResult<Vec<Append>> {
        let (rows, mut kinds) = fold(&self.changelog, changes)?;
        let mut columns = rows.columns().to_vec();
        if self.is_keyed {
            let kept = kinds.iter().map(|kind| Some(*kind != RowKind::UpdateBefore)).collect();
            let filter = |column: &ArrayRef| arrow::compute::filter(column, &kept);
            columns = columns
                .iter()
                .map(filter)
                .collect::<Result<_, _>>()
                .map_err(|e| SqlError::internal().because(e))?;
            kinds.retain(|kind| *kind != RowKind::UpdateBefore);
        }
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        let rows = RecordBatch::try_new(nullable(&self.schema), columns);
        let rows = self.constraints.apply(&rows.map_err(|e| SqlError::internal().because(e))?)?;
        if rows.num_rows() != kinds.len() {
            return Err(SqlError::internal());
        }
        let kinds: Vec<_> = kinds.into_iter().map(codec_kind).collect();
        self.target.events(&rows, Some(&kinds))
    }
}

fn codec_kind(kind: RowKind) -> kulya_codec::arrow::RowKind {
    match kind {
        RowKind::Insert => kulya_codec::arrow::RowKind::Insert,
        RowKind::UpdateBefore => kulya_codec::arrow::RowKind::UpdateBefore,
        RowKind::UpdateAfter => kulya_codec::arrow::RowKind::UpdateAfter,
        RowKind::Delete => kulya_codec::arrow::RowKind::Delete,
    }
}

fn changelog(plan: &LivePlan, key: Option<Vec<usize>>) -> SqlResult<Changelog> {
    let changelog = Changelog::new(plan.graph.schema().clone(), key);
    changelog.map_err(|problem| SqlError::not_supported(format!("the changes of the query: {problem}")))
}

fn fold(changelog: &Changelog, changes: Vec<Batch>) -> SqlResult<(RecordBatch, Vec<RowKind>)> {
    changelog.fold(&Tick::of(changes)).map_err(|problem| {
        SqlError::new(SqlErrorKind::Failed, format!("the changes of the query: {problem}")).because(problem)
    })
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}
