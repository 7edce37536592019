//! Rows by their number in an order: ROW_NUMBER, RANK and DENSE_RANK with a limit, ORDER BY with LIMIT.

use super::aggregate;
use super::builder::{Lowering, Relation};
use super::expression::{expression, moved};
use super::over::{expressions, orderings, window_function};
use super::properties::{ColumnTraits, Properties};
use super::rows::column_position;
use crate::live::plan::Stop;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    self as logical, Between, BinaryExpr, Expr, FetchType, LogicalPlan, Operator, SkipType,
};
use kulya_incremental::{Order, Project, Ranking, TopN, TopNOptions, column};
use std::ops::Range;
use std::sync::Arc;

impl Lowering {
    /// Rows whose number is limited by a condition; `None` for other functions and conditions.
    pub(super) fn lower_ranking(
        &mut self,
        window: &logical::Window,
        condition: &Expr,
    ) -> Result<Option<Relation>, Stop> {
        let [call] = window.window_expr.as_slice() else { return Ok(None) };
        let function = window_function(call)?;
        let ranking = match function.fun.name() {
            "row_number" => Ranking::RowNumber,
            "rank" => Ranking::Rank,
            "dense_rank" => Ranking::DenseRank,
            _ => return Ok(None),
        };
        let width = window.input.schema().fields().len();
        let (limits, others): (Vec<_>, Vec<_>) = split_conjunction(condition)
            .into_iter()
            .partition(|conjunct| limit(conjunct, &window.schema, width).is_some());
        let ranges = limits.iter().filter_map(|conjunct| limit(conjunct, &window.schema, width));
        let range = ranges.fold(1..i64::MAX, |one, other| one.start.max(other.start)..one.end.min(other.end));
        if range.end == i64::MAX {
            return Ok(None);
        }
        let input = self.lower(&window.input)?;
        let schema = window.input.schema();
        let (partition_by, order_by) = (&function.params.partition_by, &function.params.order_by);
        for part in partition_by {
            self.check(part, schema, &input.properties)?;
        }
        let partition: Vec<&Expr> = partition_by.iter().collect();
        let window_end = match aggregate::window(&partition, schema, &input.properties) {
            None => None,
            Some((end, bound)) => Some(moved(expression(end, schema)?, bound.behind_ms.saturating_add(1))),
        };
        let (order, by_arrival) = self.order(order_by, schema, &input.properties)?;
        if by_arrival.is_some() && ranking != Ranking::RowNumber {
            return Err(Stop::rerun("RANK in the order of PROCTIME"));
        }
        let is_window = window_end.is_some();
        let options = TopNOptions {
            ranking,
            range: range.start..range.end.max(range.start),
            number: Some("number".to_owned()),
            insert_only: input.properties.insert_only,
            window_end,
            keep_late: false,
        };
        let partition = expressions(partition_by, schema)?;
        let operator = TopN::new(Arc::clone(&input.schema), partition, order, options)?;
        let output = self.add("top-n", operator, &[input.output])?;
        if input.properties.grows && !input.properties.insert_only && !is_window {
            self.warn("keeps all rows of its input, to which rows are added without end");
        }
        // the number has the type of the function
        let number_type = window.schema.field(width).data_type();
        let number = Expr::Column(datafusion::common::Column::new_unqualified("number"));
        let number = datafusion::logical_expr::cast(number, number_type.clone());
        let own = self.schema(output)?;
        let number = expression(&number, &DFSchema::try_from(own.as_ref().clone())?)?;
        let names = window.schema.fields().iter().map(|field| field.name().clone());
        let columns = (0..width).map(column).chain([number]);
        let operator = Project::new(own, names.zip(columns).collect::<Vec<_>>())?;
        let output = self.add("columns", operator, &[output])?;
        // the number is unique in a partition, unless rows are equal in the order
        let of_partition = || partition_by.iter().map(|part| column_position(part, schema));
        let key = match ranking {
            Ranking::RowNumber => of_partition().chain([Some(width)]).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let is_first = ranking == Ranking::RowNumber && range == (1..2);
        let key = if is_first { of_partition().collect::<Option<Vec<_>>>() } else { key };
        let is_kept = is_window || (is_first && by_arrival == Some(false) && input.properties.insert_only);
        let mut columns = input.properties.columns.clone();
        if !is_window {
            columns.iter_mut().for_each(|column| column.time = None);
        }
        columns.push(ColumnTraits::default());
        let properties = Properties {
            insert_only: is_kept,
            key: key.or_else(|| input.properties.key.clone()),
            columns,
            facts: Vec::new(),
            has_watermark: input.properties.has_watermark,
            grows: input.properties.grows,
        };
        let relation = Relation { schema: self.schema(output)?, output, properties };
        match conjunction(others.into_iter().cloned()) {
            Some(condition) => self.filtered(relation, &window.schema, &condition).map(Some),
            None => Ok(Some(relation)),
        }
    }

    pub(super) fn lower_limit(&mut self, limit: &logical::Limit) -> Result<Relation, Stop> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(Stop::rerun("LIMIT with a value that is not a number"));
        };
        match &*limit.input {
            LogicalPlan::Sort(sort) => {
                let fetch =
                    [fetch, sort.fetch.map(|all| all.saturating_sub(skip))].into_iter().flatten().min();
                let input = self.lower(&sort.input)?;
                self.limited(input, (&sort.expr, sort.input.schema()), skip, fetch)
            }
            other => {
                let input = self.lower(other)?;
                self.limited(input, (&[], other.schema()), skip, fetch)
            }
        }
    }

    /// An order without a limit changes no rows: whoever reads the result orders it.
    pub(super) fn lower_sort(&mut self, sort: &logical::Sort) -> Result<Relation, Stop> {
        let input = self.lower(&sort.input)?;
        match sort.fetch {
            Some(_) => self.limited(input, (&sort.expr, sort.input.schema()), 0, sort.fetch),
            None => Ok(input),
        }
    }

    fn limited(
        &mut self,
        input: Relation,
        (order, schema): (&[Sort], &DFSchema),
        skip: usize,
        fetch: Option<usize>,
    ) -> Result<Relation, Stop> {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let start = number(skip).saturating_add(1);
        let end = fetch.map_or(i64::MAX, |fetch| start.saturating_add(number(fetch)));
        let is_first = order.is_empty() && skip == 0;
        let (order, by_arrival) = match order {
            [] => (Order::Arrival { latest_first: false }, Some(false)),
            order => self.order(order, schema, &input.properties)?,
        };
        let is_append = input.properties.insert_only;
        let options = TopNOptions { range: start..end, insert_only: is_append, ..TopNOptions::first(0) };
        let operator = TopN::new(Arc::clone(&input.schema), Vec::new(), order, options)?;
        let output = self.add("top-n", operator, &[input.output])?;
        let mut properties = input.properties;
        properties.insert_only = is_append && is_first && by_arrival == Some(false);
        if fetch == Some(1) {
            properties.key = Some(Vec::new());
        }
        properties.columns.iter_mut().for_each(|column| column.time = None);
        properties.facts = Vec::new();
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    /// The order of rows; with PROCTIME that of arrival, and whether the last row is first.
    fn order(
        &self,
        order: &[Sort],
        schema: &DFSchema,
        rows: &Properties,
    ) -> Result<(Order, Option<bool>), Stop> {
        if let Some(first) = order.first()
            && let Some(position) = column_position(&first.expr, schema)
            && rows.columns.get(position).is_some_and(|column| column.is_arrival)
        {
            let latest_first = !first.asc;
            return Ok((Order::Arrival { latest_first }, Some(latest_first)));
        }
        for sort in order {
            self.check(&sort.expr, schema, rows)?;
        }
        Ok((Order::By(orderings(order, schema)?), None))
    }
}

/// Returns the numbers that a condition allows of the column at a position.
fn limit(condition: &Expr, schema: &DFSchema, position: usize) -> Option<Range<i64>> {
    let is_number = |expr: &Expr| {
        let expr = match expr {
            Expr::Cast(cast) => &cast.expr,
            // the cast of Flink
            Expr::ScalarFunction(call) if call.name().ends_with("cast") => call.args.first()?,
            other => other,
        };
        (column_position(expr, schema) == Some(position)).then_some(())
    };
    let range = |op: Operator, value: i64| {
        Some(match op {
            Operator::Eq => value..value.saturating_add(1),
            Operator::Lt => 1..value,
            Operator::LtEq => 1..value.saturating_add(1),
            Operator::Gt => value.saturating_add(1)..i64::MAX,
            Operator::GtEq => value..i64::MAX,
            _ => return None,
        })
    };
    let limits = match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (is_number(left), is_number(right)) {
            (Some(()), None) => range(*op, whole(right)?)?,
            (None, Some(())) => range(op.swap()?, whole(left)?)?,
            _ => return None,
        },
        Expr::Between(Between { expr, negated: false, low, high }) => {
            is_number(expr)?;
            whole(low)?..whole(high)?.saturating_add(1)
        }
        _ => return None,
    };
    Some(limits.start.max(1)..limits.end.max(1))
}

fn whole(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) => match value.cast_to(&arrow::datatypes::DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => None,
        },
        Expr::Cast(cast) => whole(&cast.expr),
        _ => None,
    }
}
