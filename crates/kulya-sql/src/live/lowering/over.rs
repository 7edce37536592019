//! OVER: functions of a row and the other rows of its partition, by DataFusion.

use super::builder::{Lowering, Relation};
use super::expression::{check_deterministic, expression};
use super::properties::{ColumnTraits, Properties};
use crate::live::plan::Stop;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::common::DFSchema;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{self as logical, Expr};
use datafusion::physical_plan::WindowExpr;
use datafusion::physical_planner::create_window_expr;
use kulya_incremental::{ExpressionError, ExpressionRef, Ordering, Over, PartitionFunction, Project, column};
use std::ops::Range;
use std::sync::Arc;

impl Lowering {
    pub(super) fn lower_over(&mut self, window: &logical::Window) -> Result<Relation, Stop> {
        let input = self.lower(&window.input)?;
        let schema = window.input.schema();
        let width = input.schema.fields().len();
        let results = &window.schema.fields()[width..];
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (index, (expr, result)) in window.window_expr.iter().zip(results).enumerate() {
            let function = window_function(expr)?;
            check_deterministic(expr)?;
            for part in function.params.args.iter().chain(&function.params.partition_by) {
                self.check(part, schema, &input.properties)?;
            }
            for sort in &function.params.order_by {
                self.check(&sort.expr, schema, &input.properties)?;
            }
            let evaluated = Arc::new(DataFusionFunction::new(expr, result, schema)?);
            let (partition, order) = (&function.params.partition_by, &function.params.order_by);
            match groups.iter_mut().find(|group| group.partition == partition && group.order == order) {
                Some(group) => group.functions.push((index, evaluated)),
                None => groups.push(Group { partition, order, functions: vec![(index, evaluated)] }),
            }
        }
        let (mut output, mut order) = (input.output, Vec::new());
        for group in groups {
            let fields = self.schema(output)?;
            let partition = expressions(group.partition, schema)?;
            let sorted = orderings(group.order, schema)?;
            let (numbers, functions): (Vec<usize>, Vec<_>) = group
                .functions
                .into_iter()
                .map(|(number, function)| (number, function as Arc<dyn PartitionFunction>))
                .unzip();
            output = self.add("over", Over::new(fields, partition, sorted, functions)?, &[output])?;
            order.extend(numbers);
        }
        if input.properties.grows {
            self.warn("keeps all rows of its input, to which rows are added without end");
        }
        // in the order of the plan
        let place = |number: usize| order.iter().position(|other| *other == number).unwrap_or(number);
        let columns = (0..width).chain((0..results.len()).map(|number| width + place(number)));
        let names = window.schema.fields().iter().map(|field| field.name().clone());
        let operator =
            Project::new(self.schema(output)?, names.zip(columns.map(column)).collect::<Vec<_>>())?;
        let output = self.add("columns", operator, &[output])?;
        // rows are passed on again when others of their partition change
        let mut columns: Vec<ColumnTraits> = vec![ColumnTraits::default(); width + results.len()];
        for (own, column) in columns.iter_mut().zip(&input.properties.columns) {
            own.is_arrival = column.is_arrival;
        }
        let properties = Properties { insert_only: false, columns, facts: Vec::new(), ..input.properties };
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }
}

/// Functions over the same partitions in the same order.
struct Group<'a> {
    partition: &'a [Expr],
    order: &'a [Sort],
    functions: Vec<(usize, Arc<DataFusionFunction>)>,
}

/// Returns the function of an expression of OVER.
pub(super) fn window_function(expr: &Expr) -> Result<&WindowFunction, Stop> {
    match expr {
        Expr::WindowFunction(function) => Ok(function),
        Expr::Alias(alias) => window_function(&alias.expr),
        other => Err(Stop::rerun(format!("{other} has no operator"))),
    }
}

pub(super) fn expressions(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<ExpressionRef>, Stop> {
    exprs.iter().map(|expr| expression(expr, schema)).collect()
}

pub(super) fn orderings(order: &[Sort], schema: &DFSchema) -> Result<Vec<Ordering>, Stop> {
    order
        .iter()
        .map(|sort| {
            let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
            Ok(Ordering { expression: expression(&sort.expr, schema)?, options })
        })
        .collect()
}

/// A function of DataFusion over the rows of a partition.
#[derive(Debug)]
struct DataFusionFunction {
    function: Arc<dyn WindowExpr>,
    field: FieldRef,
}

impl DataFusionFunction {
    fn new(expr: &Expr, result: &FieldRef, schema: &DFSchema) -> Result<Self, Stop> {
        let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let function = create_window_expr(expr, schema, &properties, &context)?;
        Ok(Self { function, field: Arc::clone(result) })
    }
}

impl PartitionFunction for DataFusionFunction {
    fn field(&self, _: &Schema) -> Result<Field, ExpressionError> {
        Ok(self.field.as_ref().clone().with_nullable(true))
    }

    fn evaluate(&self, rows: &RecordBatch, _: &[Range<usize>]) -> Result<ArrayRef, ExpressionError> {
        let values = self.function.evaluate(rows)?;
        Ok(cast(&values, self.field.data_type())?)
    }
}
