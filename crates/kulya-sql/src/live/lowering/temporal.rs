//! FOR SYSTEM_TIME AS OF a time of the other side: the join that it is rewritten to looks for the version of
//! a row by the times from and up to which it was valid. Here it is recognized, and becomes an operator.

use super::builder::{Lowering, Relation};
use super::expression::expression;
use super::properties::{ColumnTraits, Properties};
use crate::dialect::is_validity;
use crate::live::plan::Stop;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchemaRef, JoinType, Result, not_impl_err};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Extension, Filter, Join, LogicalPlan, Operator,
    UserDefinedLogicalNodeCore, build_join_schema, cast, when,
};
use kulya_incremental::{LookupJoin, VersionedJoin};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A join of a stream with a table as of the time of each row.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TemporalJoinNode {
    pub(super) left: LogicalPlan,
    pub(super) right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    /// The times of the rows of both sides; `None` for the table as it is now.
    times: Option<(Expr, Expr)>,
    join_type: JoinType,
    /// A condition that the join does not have.
    has_more: bool,
    schema: DFSchemaRef,
}

impl TemporalJoinNode {
    pub(super) fn reads_versions(&self) -> bool {
        self.times.is_some()
    }
}

/// Replaces the joins of a plan with a table as of a time.
pub(super) fn recognize(plan: LogicalPlan) -> Result<LogicalPlan> {
    let recognized = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(join) = &node else { return Ok(Transformed::no(node)) };
        match temporal(join)? {
            Some(plan) => Ok(Transformed::yes(plan)),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(recognized.data)
}

fn refers_to_validity(expr: &Expr) -> bool {
    expr.column_refs().iter().any(|column| is_validity(&column.name))
}

fn temporal(join: &Join) -> Result<Option<LogicalPlan>> {
    let conditions: Vec<Expr> = join.filter.iter().flat_map(split_conjunction).cloned().collect();
    let (of_time, others): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(refers_to_validity);
    // valid from <= time
    let begun = of_time.iter().find_map(|condition| match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::LtEq, right }) => Some((left, right)),
        _ => None,
    });
    let Some((begin, time)) = begun else { return Ok(None) };
    let (left, right) = (join.left.as_ref().clone(), join.right.as_ref().clone());
    let times = match valid_from(begin, &right)? {
        Some(true) => None,
        _ => Some((time.as_ref().clone(), begin.as_ref().clone())),
    };
    let (mut on, mut left_over) = (join.on.clone(), Vec::new());
    let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
    for condition in others {
        let is_of = |expr: &Expr, plan: &LogicalPlan| {
            expr.column_refs().iter().all(|it| plan.schema().has_column(it))
        };
        match &condition {
            Expr::BinaryExpr(BinaryExpr { left: one, op: Operator::Eq, right: other })
                if is_of(one, &left) && is_of(other, &right) =>
            {
                on.push((one.as_ref().clone(), other.as_ref().clone()));
            }
            Expr::BinaryExpr(BinaryExpr { left: one, op: Operator::Eq, right: other })
                if is_of(other, &left) && is_of(one, &right) =>
            {
                on.push((other.as_ref().clone(), one.as_ref().clone()));
            }
            // the rows of now can be chosen before; of versions, another one would be valid
            condition if times.is_none() && is_of(condition, &right) => of_right.push(condition.clone()),
            condition if is_of(condition, &left) => of_left.push(condition.clone()),
            _ => left_over.push(condition),
        }
    }
    // a left row that does not meet a condition of its own has no key, so that nothing matches
    if let (Some(condition), Some((key, _))) = (conjunction(of_left), on.first_mut()) {
        *key = when(condition, std::mem::take(key)).end()?;
    }
    for (one, other) in &mut on {
        let types = (one.get_type(left.schema())?, other.get_type(right.schema())?);
        if types.0 != types.1
            && let Some(common) = comparison_coercion(&types.0, &types.1)
        {
            *one = cast(std::mem::take(one), common.clone());
            *other = cast(std::mem::take(other), common);
        }
    }
    let right = match conjunction(of_right) {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(right))?),
        None => right,
    };
    let is_inner = join.join_type == JoinType::Inner;
    let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &join.join_type)?);
    let has_more = !is_inner && !left_over.is_empty();
    let join_type = join.join_type;
    let node = Arc::new(TemporalJoinNode { left, right, on, times, join_type, has_more, schema });
    let node = LogicalPlan::Extension(Extension { node });
    Ok(Some(match conjunction(left_over) {
        Some(condition) if is_inner => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(node))?),
        _ => node,
    }))
}

/// Returns whether the time from which rows are valid is a constant: then the table is that of now.
fn valid_from(begin: &Expr, plan: &LogicalPlan) -> Result<Option<bool>> {
    let names: Vec<String> = begin.column_refs().iter().map(|column| column.name.clone()).collect();
    let mut is_constant = None;
    plan.apply(|node| {
        if let LogicalPlan::Projection(projection) = node {
            for expr in &projection.expr {
                if let Expr::Alias(alias) = expr
                    && names.contains(&alias.name)
                    && !matches!(&*alias.expr, Expr::Column(column) if is_validity(&column.name))
                {
                    is_constant = Some(alias.expr.column_refs().is_empty());
                }
            }
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    Ok(is_constant)
}

impl PartialOrd for TemporalJoinNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let order = (&self.left, &self.right).partial_cmp(&(&other.left, &other.right));
        order.filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for TemporalJoinNode {
    fn name(&self) -> &str {
        "TemporalJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let pairs = self.on.iter().chain(&self.times);
        pairs.flat_map(|(left, right)| [left.clone(), right.clone()]).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on: Vec<String> = self.on.iter().map(|(left, right)| format!("{left} = {right}")).collect();
        write!(f, "TemporalJoin: {} on [{}]", self.join_type, on.join(", "))?;
        match &self.times {
            Some((time, _)) => write!(f, ", as of {time}"),
            None => write!(f, ", as of now"),
        }
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let mut on = Vec::new();
        while let (Some(left), Some(right)) = (exprs.next(), exprs.next()) {
            on.push((left, right));
        }
        let times = if self.times.is_some() { on.pop() } else { None };
        match <[LogicalPlan; 2]>::try_from(inputs) {
            Ok([left, right]) => {
                let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &self.join_type)?);
                let (join_type, has_more) = (self.join_type, self.has_more);
                Ok(Self { left, right, on, times, join_type, has_more, schema })
            }
            Err(_) => not_impl_err!("a join of other than two inputs"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.left.schema().fields().len();
        let (left, right): (Vec<usize>, Vec<usize>) =
            output_columns.iter().partition(|index| **index < width);
        Some(vec![left, right.into_iter().map(|index| index - width).collect()])
    }
}

impl Lowering {
    pub(super) fn lower_temporal_join(&mut self, node: &TemporalJoinNode) -> Result<Relation, Stop> {
        let keeps_unmatched = match node.join_type {
            JoinType::Inner => false,
            JoinType::Left => true,
            other => return Err(Stop::rerun(format!("FOR SYSTEM_TIME AS OF in a {other} JOIN"))),
        };
        if node.has_more {
            return Err(Stop::rerun("FOR SYSTEM_TIME AS OF in a LEFT JOIN with further conditions"));
        }
        let left = self.lower(&node.left)?;
        let outside = std::mem::replace(&mut self.reads_versions, node.reads_versions());
        let right = self.lower(&node.right);
        self.reads_versions = outside;
        let right = right?;
        let (left_schema, right_schema) = (node.left.schema(), node.right.schema());
        let mut on = Vec::new();
        for (own, other) in &node.on {
            self.check(own, left_schema, &left.properties)?;
            self.check(other, right_schema, &right.properties)?;
            on.push((expression(own, left_schema)?, expression(other, right_schema)?));
        }
        if on.is_empty() {
            return Err(Stop::rerun("FOR SYSTEM_TIME AS OF without an equality"));
        }
        let fields = (Arc::clone(&left.schema), Arc::clone(&right.schema));
        let output = match &node.times {
            None if !left.properties.insert_only => {
                return Err(Stop::rerun("rows that change, joined with a table as it is now"));
            }
            None => {
                let operator = LookupJoin::new(fields.0, fields.1, on, keeps_unmatched)?;
                self.add("lookup join", operator, &[left.output, right.output])?
            }
            Some((time, version)) => {
                if !(left.properties.has_watermark && right.properties.has_watermark) {
                    return Err(Stop::rerun("FOR SYSTEM_TIME AS OF a time without a watermark"));
                }
                self.check(time, left_schema, &left.properties)?;
                let times = [expression(time, left_schema)?, expression(version, right_schema)?];
                let operator = VersionedJoin::new(fields.0, fields.1, on, times, keeps_unmatched)?;
                self.add("versioned join", operator, &[left.output, right.output])?
            }
        };
        let mut columns = left.properties.columns.clone();
        columns.resize(columns.len() + right.properties.columns.len(), ColumnTraits::default());
        let properties = Properties {
            insert_only: true,
            key: left.properties.key.filter(|_| left.properties.insert_only),
            columns,
            facts: Vec::new(),
            has_watermark: left.properties.has_watermark,
            grows: left.properties.grows,
        };
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }
}
