//! SESSION: the query that it is rewritten to numbers the rows that open a session. Here it is recognized,
//! and becomes an operator that passes on the rows of a session when the watermark closes it.

use super::builder::{Lowering, Relation};
use super::expression::expression;
use super::over::expressions;
use super::properties::{ColumnTraits, Properties, TimeBound};
use super::table::WatermarkNode;
use super::time_bounds::{bound, length_ms};
use crate::live::plan::Stop;
use arrow::datatypes::Field;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, not_impl_err};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Extension, LogicalPlan, Operator, Projection, UserDefinedLogicalNodeCore,
};
use kulya_incremental::SessionAssign;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The column that numbers sessions in the rewritten query.
const SESSION: &str = "$session";
/// The columns of windows.
const WINDOW: [&str; 3] = ["window_start", "window_end", "window_time"];

/// Rows with the session that they are in.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionNode {
    pub(super) input: LogicalPlan,
    partition: Vec<Expr>,
    time: Expr,
    gap_ms: i64,
    schema: DFSchemaRef,
}

impl SessionNode {
    fn new(input: LogicalPlan, partition: Vec<Expr>, time: Expr, gap_ms: i64) -> Result<Self> {
        let time_type = time.get_type(input.schema())?;
        let own = WINDOW.map(|name| (None, Arc::new(Field::new(name, time_type.clone(), true))));
        let fields = input.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field)));
        let fields = fields.chain(own).collect();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { input, partition, time, gap_ms, schema })
    }
}

/// Replaces the queries of sessions over rows with a watermark.
pub(super) fn recognize(plan: LogicalPlan) -> Result<LogicalPlan> {
    let recognized = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Projection(projection) = &node else { return Ok(Transformed::no(node)) };
        match sessions(projection)? {
            Some(plan) => Ok(Transformed::yes(plan)),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(recognized.data)
}

fn sessions(projection: &Projection) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Window(window) = &*projection.input else { return Ok(None) };
    let Some(Expr::WindowFunction(first)) = window.window_expr.first().map(unaliased) else {
        return Ok(None);
    };
    let is_session = |expr: &&Expr| matches!(expr, Expr::Column(column) if column.name == SESSION);
    let partition_by = &first.params.partition_by;
    if !partition_by.iter().any(|expr| is_session(&expr)) {
        return Ok(None);
    }
    let named = |name: &str| {
        let is_named = |expr: &&Expr| matches!(expr, Expr::Alias(alias) if alias.name == name);
        projection.expr.iter().find(is_named).map(unaliased)
    };
    let (Some(Expr::BinaryExpr(BinaryExpr { op: Operator::Plus, right: gap, .. })), Some(time)) =
        (named(WINDOW[1]), first.params.args.first())
    else {
        return Ok(None);
    };
    let gap = match gap.as_ref() {
        Expr::Literal(value, _) => length_ms(value),
        _ => None,
    };
    let mut input = &*window.input;
    while let LogicalPlan::Projection(_) | LogicalPlan::Window(_) | LogicalPlan::SubqueryAlias(_) = input {
        let [below] = input.inputs()[..] else { return Ok(None) };
        input = below;
    }
    let (Some(gap_ms), LogicalPlan::Filter(_), true) = (gap, input, has_watermark(input)?) else {
        return Ok(None);
    };
    let partition: Vec<Expr> = partition_by.iter().filter(|expr| !is_session(expr)).cloned().collect();
    let is_known = |expr: &Expr| expr.column_refs().iter().all(|column| input.schema().has_column(column));
    if !partition.iter().chain([time]).all(is_known) {
        return Ok(None);
    }
    let node = Arc::new(SessionNode::new(input.clone(), partition, time.clone(), gap_ms)?);
    let node = LogicalPlan::Extension(Extension { node });
    let columns = projection.expr.iter().map(|expr| match expr {
        Expr::Alias(alias) if WINDOW.contains(&alias.name.as_str()) => {
            Expr::Column(Column::new_unqualified(&alias.name))
        }
        other => other.clone(),
    });
    Ok(Some(LogicalPlan::Projection(Projection::try_new(columns.collect(), Arc::new(node))?)))
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

fn has_watermark(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        Ok(matches!(node, LogicalPlan::Extension(it) if it.node.as_any().is::<WatermarkNode>()))
    })
}

impl PartialOrd for SessionNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for SessionNode {
    fn name(&self) -> &str {
        "Session"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.partition.iter().chain([&self.time]).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partition: Vec<String> = self.partition.iter().map(ToString::to_string).collect();
        write!(f, "Session: {}, gap {} ms, by [{}]", self.time, self.gap_ms, partition.join(", "))
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (<[LogicalPlan; 1]>::try_from(inputs), exprs.pop()) {
            (Ok([input]), Some(time)) => Self::new(input, exprs, time, self.gap_ms),
            _ => not_impl_err!("sessions over several inputs"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let count = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|index| *index < count).collect()])
    }
}

impl Lowering {
    pub(super) fn lower_session(&mut self, node: &SessionNode) -> Result<Relation, Stop> {
        let input = self.lower(&node.input)?;
        let schema = node.input.schema();
        let time = bound(&node.time, schema, &input.properties);
        if !input.properties.has_watermark || time.is_none() {
            return Err(Stop::rerun("SESSION by a column that is not the time of its table"));
        }
        for part in &node.partition {
            self.check(part, schema, &input.properties)?;
        }
        let partition = expressions(&node.partition, schema)?;
        let time = expression(&node.time, schema)?;
        let operator = SessionAssign::new(Arc::clone(&input.schema), partition, time, node.gap_ms, false)?;
        let output = self.add("session", operator, &[input.output])?;
        // rows are held until their session is closed
        let held = |column: &ColumnTraits| ColumnTraits { time: None, ..column.clone() };
        let mut columns: Vec<ColumnTraits> = input.properties.columns.iter().map(held).collect();
        columns.extend([i64::MAX / 4, -1, 0].map(|behind_ms| ColumnTraits {
            time: Some(TimeBound { behind_ms, is_window: true }),
            ..ColumnTraits::default()
        }));
        let properties =
            Properties { insert_only: true, key: None, columns, facts: Vec::new(), ..input.properties };
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }
}
