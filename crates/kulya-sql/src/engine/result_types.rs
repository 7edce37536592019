//! Types of the results of aggregates and window functions as in Flink: SUM of INT is INT and wraps around,
//! AVG of integers is an integer, ranks are BIGINT.
//!
//! DataFusion computes them in a wider type; a projection above converts the results.

use crate::functions;
use arrow::datatypes::DataType;
use datafusion::common::{Column, Result};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Window,
    WindowFunctionDefinition, cast,
};
use std::sync::Arc;

/// What a result is computed from.
enum Computed {
    /// The function as it is, converted to a type.
    Converted(DataType),
    /// A sum, converted to a wider type and divided by a count.
    Average { wider: DataType, result: DataType },
}

/// Returns how a function over a type is computed; `None` as DataFusion does.
fn computed(name: &str, argument: &DataType) -> Option<Computed> {
    let decimal = |scale: i8| DataType::Decimal128(38, scale);
    let is_small = matches!(argument, DataType::Int8 | DataType::Int16 | DataType::Int32);
    let is_integer = is_small || *argument == DataType::Int64;
    Some(match (name, argument) {
        ("row_number" | "rank" | "dense_rank" | "ntile" | "approx_distinct" | "grouping", _) => {
            Computed::Converted(DataType::Int64)
        }
        ("sum", DataType::Decimal128(_, scale)) => Computed::Converted(decimal(*scale)),
        ("sum", _) if is_small || *argument == DataType::Float32 => Computed::Converted(argument.clone()),
        ("avg", DataType::Decimal128(_, scale)) => {
            Computed::Average { wider: decimal(*scale), result: decimal((*scale).max(6)) }
        }
        ("avg", _) if is_integer => Computed::Average { wider: DataType::Int64, result: argument.clone() },
        ("avg", DataType::Float32) => Computed::Converted(DataType::Float32),
        ("stddev" | "stddev_pop" | "var" | "var_pop", DataType::Decimal128(_, scale)) => {
            Computed::Converted(decimal((*scale).max(6)))
        }
        ("stddev" | "stddev_pop" | "var" | "var_pop", _) if is_integer || *argument == DataType::Float32 => {
            Computed::Converted(argument.clone())
        }
        _ => return None,
    })
}

/// The functions that a plan computes, and the expressions of the results.
#[derive(Default)]
struct Results {
    functions: Vec<Expr>,
    results: Vec<Expr>,
    is_changed: bool,
}

impl Results {
    /// Adds a function once, and returns its column.
    fn column(&mut self, function: Expr) -> Expr {
        let name = function.schema_name().to_string();
        if !self.functions.iter().any(|known| known.schema_name().to_string() == name) {
            self.functions.push(function);
        }
        Expr::Column(Column::from_name(name))
    }

    /// Adds a function whose result has the name of `expr`.
    fn add(&mut self, expr: Expr, computed: Option<Computed>, replace: impl Fn(Arc<AggregateUDF>) -> Expr) {
        let name = expr.schema_name().to_string();
        let result = match computed {
            None => {
                let column = self.column(expr);
                self.results.push(column);
                return;
            }
            Some(Computed::Converted(result)) => functions::wrapping_cast(self.column(expr), &result),
            Some(Computed::Average { wider, result }) => {
                let sum = cast(self.column(replace(sum_udaf())), wider.clone());
                let count = self.column(replace(count_udaf()));
                let types = (&wider, &DataType::Int64);
                match functions::arithmetic(Operator::Divide, &sum, &count, types) {
                    Some(quotient) => cast(quotient, result),
                    None => functions::wrapping_cast(functions::truncated_quotient(sum, count), &result),
                }
            }
        };
        self.is_changed = true;
        self.results.push(result.alias(name));
    }
}

/// A function that is called, of an aggregation or over a window.
struct Called {
    name: String,
    argument: Option<Expr>,
    /// The same call of another aggregate function.
    of: Box<dyn Fn(Arc<AggregateUDF>) -> Expr>,
}

impl Called {
    fn find(expr: &Expr) -> Option<Self> {
        match expr.clone() {
            Expr::AggregateFunction(AggregateFunction { func, params }) => Some(Self {
                name: func.name().to_owned(),
                argument: params.args.first().cloned(),
                of: Box::new(move |func| {
                    Expr::AggregateFunction(AggregateFunction { func, params: params.clone() })
                }),
            }),
            Expr::WindowFunction(function) => Some(Self {
                name: function.fun.name().to_owned(),
                argument: function.params.args.first().cloned(),
                of: Box::new(move |func| {
                    let fun = WindowFunctionDefinition::AggregateUDF(func);
                    let params = function.params.clone();
                    Expr::WindowFunction(Box::new(WindowFunction { fun, params }))
                }),
            }),
            _ => None,
        }
    }
}

/// Returns the functions that are computed over the rows of `input` for expressions, and their results.
fn results(exprs: &[Expr], input: &LogicalPlan) -> Result<Results> {
    let mut results = Results::default();
    for expr in exprs {
        let bare = expr.clone().unalias();
        let Some(called) = Called::find(&bare) else {
            results.add(expr.clone(), None, |_| expr.clone());
            continue;
        };
        let argument = argument_type(called.argument.as_ref(), input)?;
        let computed = computed(&called.name, &argument);
        if computed.is_none() {
            results.add(expr.clone(), None, called.of);
            continue;
        }
        results.add(bare, computed, called.of);
        // a name that was kept for the plan above is an alias
        let name = expr.schema_name().to_string();
        if let Some(result) = results.results.last_mut() {
            *result = std::mem::take(result).unalias().alias(name);
        }
    }
    Ok(results)
}

/// Gives the results of an aggregation Flink's types.
pub(super) fn aggregate(aggregate: Aggregate) -> Result<LogicalPlan> {
    let results = results(&aggregate.aggr_expr, &aggregate.input)?;
    if !results.is_changed {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let columns = aggregate.schema.iter().take(groups).map(Column::from);
    // the column of grouping sets is not seen above
    let columns = columns.filter(|column| column.name != Aggregate::INTERNAL_GROUPING_ID).map(Expr::Column);
    let projected: Vec<Expr> = columns.chain(results.results).collect();
    let aggregate = Aggregate::try_new(aggregate.input, aggregate.group_expr, results.functions)?;
    LogicalPlanBuilder::from(LogicalPlan::Aggregate(aggregate)).project(projected)?.build()
}

/// Gives the results of window functions Flink's types.
pub(super) fn window(window: Window) -> Result<LogicalPlan> {
    let results = results(&window.window_expr, &window.input)?;
    if !results.is_changed {
        return Ok(LogicalPlan::Window(window));
    }
    let columns = window.input.schema().iter().map(|field| Expr::Column(Column::from(field)));
    let projected: Vec<Expr> = columns.chain(results.results).collect();
    let window = Window::try_new(results.functions, window.input)?;
    LogicalPlanBuilder::from(LogicalPlan::Window(window)).project(projected)?.build()
}

fn argument_type(argument: Option<&Expr>, input: &LogicalPlan) -> Result<DataType> {
    argument.map_or(Ok(DataType::Null), |argument| argument.get_type(input.schema()))
}
