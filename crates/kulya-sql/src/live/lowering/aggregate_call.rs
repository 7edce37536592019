//! Calls of aggregate functions: those that operators have, and all others over the list of their values.

use super::expression::expression;
use super::list_aggregate::ListAggregate;
use crate::live::plan::Stop;
use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::{AggregateFunction as Call, AggregateFunctionParams, NullTreatment};
use datafusion::logical_expr::{Expr, expr::Sort};
use kulya_incremental::{
    AggregateCall, AggregateFunction, Expression, ExpressionError, ExpressionRef, Ordering, Rounding,
};
use std::sync::Arc;

/// The calls of an aggregation.
pub(super) struct Calls {
    pub(super) calls: Vec<AggregateCall>,
    /// By call, what is computed of its column.
    pub(super) finished: Vec<Option<Finished>>,
    /// A call keeps the values of each group.
    pub(super) keeps_rows: bool,
}

/// What is computed of the column of a call.
pub(super) struct Finished(ListAggregate);

impl Finished {
    /// The value, from the column at a position.
    pub(super) fn of(self, column: usize) -> ExpressionRef {
        Arc::new(self.0.of(column))
    }
}

impl Calls {
    /// Calls over rows of the schema, with their results.
    pub(super) fn new(exprs: &[Expr], results: &[FieldRef], schema: &DFSchema) -> Result<Self, Stop> {
        let mut own = Self { calls: Vec::new(), finished: Vec::new(), keeps_rows: false };
        // equal expressions are one
        let mut expressions = Expressions { known: Vec::new(), schema };
        for (expr, result) in exprs.iter().zip(results) {
            let Expr::AggregateFunction(call) = unaliased(expr) else {
                return Err(Stop::rerun(format!("{expr} has no operator")));
            };
            let (call, finished) = of_call(call, result, &mut expressions)?;
            own.keeps_rows |= finished.is_some();
            own.calls.push(call);
            own.finished.push(finished);
        }
        Ok(own)
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Expressions over rows of a schema, each once.
struct Expressions<'a> {
    known: Vec<(Expr, ExpressionRef)>,
    schema: &'a DFSchema,
}

impl Expressions<'_> {
    fn get(&mut self, expr: &Expr) -> Result<ExpressionRef, Stop> {
        if let Some((_, known)) = self.known.iter().find(|(known, _)| known == expr) {
            return Ok(Arc::clone(known));
        }
        let new = expression(expr, self.schema)?;
        self.known.push((expr.clone(), Arc::clone(&new)));
        Ok(new)
    }

    fn order(&mut self, order: &[Sort]) -> Result<Vec<Ordering>, Stop> {
        order
            .iter()
            .map(|sort| {
                let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
                Ok(Ordering { expression: self.get(&sort.expr)?, options })
            })
            .collect()
    }
}

fn of_call(
    call: &Call,
    result: &FieldRef,
    expressions: &mut Expressions<'_>,
) -> Result<(AggregateCall, Option<Finished>), Stop> {
    let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = &call.params;
    let name = result.name().clone();
    let data_type = result.data_type();
    let mut finished = None;
    let of = |function, argument| AggregateCall::new(name.clone(), function, argument);
    let mut own = match (call.func.name(), args.as_slice()) {
        ("count", [Expr::Literal(value, _)]) if !value.is_null() && !distinct => {
            AggregateCall::count_rows(name.clone())
        }
        ("count", [argument]) => of(AggregateFunction::Count, expressions.get(argument)?),
        ("sum", [argument]) if is_summed(data_type) => {
            of(AggregateFunction::Sum, expressions.get(argument)?).returning(data_type.clone()).wrapping()
        }
        ("avg", [argument]) if data_type.is_floating() => {
            let average = AggregateFunction::Average(Rounding::HalfUp);
            of(average, expressions.get(argument)?).returning(data_type.clone())
        }
        ("min", [argument]) => of(AggregateFunction::Min, expressions.get(argument)?),
        ("max", [argument]) => of(AggregateFunction::Max, expressions.get(argument)?),
        ("first_value", [argument]) => {
            of(AggregateFunction::First, expressions.get(argument)?).order_by(expressions.order(order_by)?)
        }
        ("last_value", [argument]) => {
            of(AggregateFunction::Last, expressions.get(argument)?).order_by(expressions.order(order_by)?)
        }
        _ => {
            let members = args.iter().map(|argument| expressions.get(argument)).collect::<Result<_, _>>()?;
            let row = Row::new(members, expressions.schema.as_arrow())?;
            let list = ListAggregate::new(call, result, expressions.schema)?;
            finished = Some(Finished(list));
            // one argument is the value itself, so that an order by it is one of values
            let values: ExpressionRef = match (row.members.as_slice(), args.len()) {
                ([member], 1) => Arc::clone(member),
                _ => Arc::new(row),
            };
            of(AggregateFunction::ArrayAgg, values).order_by(expressions.order(order_by)?)
        }
    };
    if let Some(filter) = filter {
        own = own.filter(expressions.get(filter)?);
    }
    if *distinct {
        own = own.distinct();
    }
    if *null_treatment == Some(NullTreatment::IgnoreNulls) && finished.is_none() {
        own = own.ignore_nulls();
    }
    Ok((own, finished))
}

/// Whether a sum of this type is kept as a sum.
fn is_summed(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// The arguments of a call as one value.
#[derive(Debug)]
struct Row {
    members: Vec<ExpressionRef>,
    fields: Fields,
}

impl Row {
    fn new(members: Vec<ExpressionRef>, schema: &Schema) -> Result<Self, Stop> {
        let fields = members.iter().enumerate().map(|(index, member)| {
            let data_type = member.data_type(schema).map_err(|error| Stop::rerun(error.to_string()))?;
            Ok(Field::new(format!("{index}"), data_type, true))
        });
        Ok(Self { fields: fields.collect::<Result<Vec<_>, Stop>>()?.into(), members })
    }
}

impl Expression for Row {
    fn data_type(&self, _: &Schema) -> Result<DataType, ExpressionError> {
        Ok(DataType::Struct(self.fields.clone()))
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let members = self.members.iter().map(|member| member.evaluate(rows));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StructArray::try_new_with_length(self.fields.clone(), members, None, rows.num_rows())?))
    }
}
