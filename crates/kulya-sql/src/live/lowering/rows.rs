//! Nodes that look at each row by itself: conditions, expressions, elements of arrays, unions, watermarks.

use super::builder::{Lowering, Relation};
use super::expression::{check_deterministic, expression};
use super::properties::{ColumnTraits, Properties, TimeBound};
use super::table::{ChangesNode, WATERMARK, WatermarkNode};
use super::time_bounds;
use crate::dialect::CHANGE_KIND;
use crate::live::plan::Stop;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, NullHandling, ScalarValue};
use datafusion::logical_expr::{self as logical, Expr, LogicalPlan};
use kulya_incremental::{
    ChangeRows, ExpressionRef, Filter, Project, Union, Unnest, UnnestOptions, Watermark, column,
};
use std::sync::Arc;

/// Functions whose value says when a row arrives, in the order of rows.
const ARRIVAL: &str = "proctime";

impl Lowering {
    pub(super) fn lower_filter(&mut self, filter: &logical::Filter) -> Result<Relation, Stop> {
        if let LogicalPlan::Window(window) = &*filter.input
            && let Some(relation) = self.lower_ranking(window, &filter.predicate)?
        {
            return Ok(relation);
        }
        if !matches!(&*filter.input, LogicalPlan::Window(_))
            && let Some(plan) = over_window(filter.predicate.clone(), &filter.input)?
        {
            return self.lower(&plan);
        }
        let input = self.lower(&filter.input)?;
        self.filtered(input, filter.input.schema(), &filter.predicate)
    }

    /// The rows of a relation that meet a condition.
    pub(super) fn filtered(
        &mut self,
        mut relation: Relation,
        schema: &DFSchema,
        condition: &Expr,
    ) -> Result<Relation, Stop> {
        self.check(condition, schema, &relation.properties)?;
        let operator = Filter::new(Arc::clone(&relation.schema), expression(condition, schema)?)?;
        relation.output = self.add("filter", operator, &[relation.output])?;
        let facts = time_bounds::facts(condition, schema, &relation.properties);
        relation.properties.facts.extend(facts);
        Ok(relation)
    }

    pub(super) fn lower_projection(&mut self, projection: &logical::Projection) -> Result<Relation, Stop> {
        let input = self.lower(&projection.input)?;
        let schema = projection.input.schema();
        let (mut columns, mut traits, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
            let position = column_position(expr, schema);
            let mut own = ColumnTraits::default();
            let value: ExpressionRef = match position {
                Some(position) => {
                    own = input.properties.columns.get(position).cloned().unwrap_or_default();
                    column(position)
                }
                None if is_arrival(expr) => {
                    own.is_arrival = true;
                    expression(&Expr::Literal(ScalarValue::try_from(field.data_type())?, None), schema)?
                }
                None => {
                    self.check(expr, schema, &input.properties)?;
                    expression(expr, schema)?
                }
            };
            own.time = time_bounds::bound(unaliased(expr), schema, &input.properties).or(own.time);
            columns.push((field.name().clone(), value));
            traits.push(own);
            positions.push(position);
        }
        let mut properties = input.properties.project(&positions);
        properties.columns = traits;
        let is_identity = positions.iter().copied().eq((0..input.schema.fields().len()).map(Some));
        if is_identity {
            return Ok(Relation { properties, ..input });
        }
        let output =
            self.add("project", Project::new(Arc::clone(&input.schema), columns)?, &[input.output])?;
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    pub(super) fn lower_union(&mut self, union: &logical::Union) -> Result<Relation, Stop> {
        let inputs = union.inputs.iter().map(|input| self.lower(input)).collect::<Result<Vec<_>, _>>()?;
        let is_all = |is: fn(&Properties) -> bool| inputs.iter().all(|input| is(&input.properties));
        let columns = (0..union.schema.fields().len()).map(|index| {
            let bounds = || inputs.iter().map(|input| input.properties.time(index));
            // the weakest holds for all
            let time = bounds().collect::<Option<Vec<_>>>().and_then(|bounds| {
                let weakest = bounds.iter().copied().max_by_key(|bound| bound.behind_ms);
                weakest.filter(|_| bounds.iter().all(|it| it.is_window == bounds[0].is_window))
            });
            let is_arrival = inputs
                .iter()
                .any(|input| input.properties.columns.get(index).is_some_and(|column| column.is_arrival));
            ColumnTraits { time, lengths: None, is_arrival }
        });
        let properties = Properties {
            insert_only: is_all(|input| input.insert_only),
            columns: columns.collect(),
            has_watermark: is_all(|input| input.has_watermark),
            grows: inputs.iter().any(|input| input.properties.grows),
            ..Properties::default()
        };
        let outputs: Vec<_> = inputs.iter().map(|input| input.output).collect();
        let operator = Union::new(inputs.into_iter().map(|input| input.schema).collect())?;
        let output = self.add("union", operator, &outputs)?;
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    pub(super) fn lower_unnest(&mut self, unnest: &logical::Unnest) -> Result<Relation, Stop> {
        let input = self.lower(&unnest.input)?;
        let schema = unnest.input.schema();
        let width = input.schema.fields().len();
        let mut relation = input;
        let list = match unnest.list_type_columns.as_slice() {
            [] => None,
            [(position, list)] if list.depth == 1 => {
                let options = UnnestOptions {
                    keep_empty: unnest.options.null_handling == NullHandling::PreserveAndExpandEmpty,
                    keep_null: unnest.options.null_handling == NullHandling::Preserve,
                    with_ordinality: false,
                };
                let list = column(*position);
                let operator = Unnest::new(Arc::clone(&relation.schema), list, "element", options)?;
                relation.output = self.add("unnest", operator, &[relation.output])?;
                Some(*position)
            }
            _ => return Err(Stop::rerun("UNNEST of several arrays at once")),
        };
        let own = self.schema(relation.output)?;
        let fields = schema.fields();
        // each column, the element in place of its list, the fields in place of their row
        let (mut columns, mut positions) = (Vec::new(), Vec::new());
        for (index, field) in fields.iter().enumerate() {
            if unnest.struct_type_columns.contains(&index) {
                let DataType::Struct(members) = field.data_type() else {
                    return Err(Stop::rerun("UNNEST of a value that is no row"));
                };
                let row = Expr::Column(schema.columns().swap_remove(index));
                for member in members {
                    let member = datafusion::functions::core::expr_fn::get_field(row.clone(), member.name());
                    columns.push(expression(&member, schema)?);
                    positions.push(None);
                }
                continue;
            }
            let is_list = list == Some(index);
            columns.push(column(if is_list { width } else { index }));
            positions.push((!is_list).then_some(index));
        }
        let names = unnest.schema.fields().iter().map(|field| field.name().clone());
        if names.len() != columns.len() {
            return Err(Stop::rerun("UNNEST with other columns"));
        }
        let operator = Project::new(own, names.zip(columns).collect::<Vec<_>>())?;
        let output = self.add("columns", operator, &[relation.output])?;
        let mut properties = relation.properties.project(&positions);
        if list.is_some() {
            properties.key = None;
        }
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    pub(super) fn lower_watermark(&mut self, node: &WatermarkNode) -> Result<Relation, Stop> {
        let mut relation = self.lower(&node.input)?;
        let schema = node.input.schema();
        let position = schema.fields().iter().position(|field| field.name() == WATERMARK);
        let Some(position) = position else { return Err(Stop::rerun("a table without its watermark")) };
        let operator = Watermark::new(Arc::clone(&relation.schema), column(position))?;
        relation.output = self.add("watermark", operator, &[relation.output])?;
        relation.properties.has_watermark = true;
        let time = schema.fields().iter().position(|field| *field.name() == node.time);
        if let Some(time) = time.and_then(|time| relation.properties.columns.get_mut(time)) {
            time.time = Some(TimeBound { behind_ms: 0, is_window: false });
        }
        Ok(relation)
    }

    pub(super) fn lower_changes(&mut self, node: &ChangesNode) -> Result<Relation, Stop> {
        let input = self.lower(&node.input)?;
        let fields = node.input.schema().fields();
        let place = |name: &String| fields.iter().position(|field| field.name() == name);
        let key = node.key.iter().map(place).collect::<Option<Vec<usize>>>();
        let operator =
            ChangeRows::new(Arc::clone(&input.schema), key.filter(|key| !key.is_empty()), CHANGE_KIND)?;
        let output = self.add("changes", operator, &[input.output])?;
        let properties = Properties {
            insert_only: true,
            columns: vec![ColumnTraits::default(); fields.len() + 1],
            has_watermark: input.properties.has_watermark,
            grows: true,
            ..Properties::default()
        };
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    /// Refuses expressions that see what stands for the order of arrival.
    pub(super) fn check(&self, expr: &Expr, schema: &DFSchema, rows: &Properties) -> Result<(), Stop> {
        check_deterministic(expr)?;
        let mut sees_arrival = false;
        expr.apply(|expr| {
            if let Expr::Column(name) = expr
                && let Ok(index) = schema.index_of_column(name)
            {
                sees_arrival |= rows.columns.get(index).is_some_and(|column| column.is_arrival);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        match sees_arrival {
            true => Err(Stop::rerun("PROCTIME has another value each time")),
            false => Ok(()),
        }
    }
}

/// Returns the plan with a condition directly over OVER, if only columns are computed in between.
fn over_window(predicate: Expr, input: &LogicalPlan) -> Result<Option<LogicalPlan>, Stop> {
    let with = |predicate: Expr, input: &Arc<LogicalPlan>| match over_window(predicate, input) {
        Ok(Some(plan)) => Ok(Some(Arc::new(plan))),
        Ok(None) => Ok(None),
        Err(stop) => Err(stop),
    };
    Ok(match input {
        LogicalPlan::Window(_) => {
            Some(LogicalPlan::Filter(logical::Filter::try_new(predicate, Arc::new(input.clone()))?))
        }
        LogicalPlan::Projection(projection) => {
            let below = |index: usize| projection.expr.get(index).map(|expr| unaliased(expr).clone());
            let predicate = replaced(predicate, &projection.schema, below)?;
            match with(predicate, &projection.input)? {
                Some(input) => Some(LogicalPlan::Projection(logical::Projection::try_new(
                    projection.expr.clone(),
                    input,
                )?)),
                None => None,
            }
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let columns = alias.input.schema().columns();
            let below = |index: usize| columns.get(index).cloned().map(Expr::Column);
            let predicate = replaced(predicate, &alias.schema, below)?;
            match with(predicate, &alias.input)? {
                Some(input) => Some(LogicalPlan::SubqueryAlias(logical::SubqueryAlias::try_new(
                    input,
                    alias.alias.clone(),
                )?)),
                None => None,
            }
        }
        _ => None,
    })
}

/// Replaces the columns of an expression.
fn replaced(expr: Expr, schema: &DFSchema, by: impl Fn(usize) -> Option<Expr>) -> Result<Expr, Stop> {
    let replaced = expr.transform_up(|expr| match &expr {
        Expr::Column(column) => match by(schema.index_of_column(column)?) {
            Some(below) => Ok(Transformed::yes(below)),
            None => Ok(Transformed::no(expr)),
        },
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(replaced.data)
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Returns the position of a column that is passed on as it is.
pub(super) fn column_position(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match unaliased(expr) {
        Expr::Column(column) => schema.index_of_column(column).ok(),
        _ => None,
    }
}

fn is_arrival(expr: &Expr) -> bool {
    matches!(unaliased(expr), Expr::ScalarFunction(call) if call.name() == ARRIVAL)
}
