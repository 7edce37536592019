//! The functions of queries: Flink's, in Flink's meaning, and limits of DataFusion's.

mod arithmetic;
mod bounded;
mod cast;
mod change_sign;
mod collect;
mod collection;
mod current;
mod encoding;
mod inventory;
mod java_number;
mod java_time;
mod json;
mod numeric;
mod patterns;
mod percentile;
mod printf;
mod regular;
mod rows;
mod text;
mod time;
mod time_forms;
mod time_text;
mod time_unit;
mod values;

pub(crate) use arithmetic::{arithmetic, truncated_quotient};
pub(crate) use cast::wrapping_cast;
pub(crate) use inventory::check_functions;

use datafusion::execution::context::SessionContext;

/// Registers the functions of a session. The result of one for a batch has at most `max_bytes`.
pub(crate) fn register(context: &SessionContext, max_bytes: usize, database: &str) {
    context.register_udf(values::current_database(database));
    bounded::register_bounded(context);
    time::register_time(context);
    let of_rows = [
        text::FUNCTIONS,
        regular::FUNCTIONS,
        encoding::FUNCTIONS,
        json::FUNCTIONS,
        time_text::FUNCTIONS,
        numeric::FUNCTIONS,
        values::FUNCTIONS,
        printf::FUNCTIONS,
        change_sign::FUNCTIONS,
    ];
    of_rows.into_iter().flatten().for_each(|function| context.register_udf(function.udf(max_bytes)));
    numeric::functions().for_each(|function| context.register_udf(function));
    collection::functions().for_each(|function| context.register_udf(function));
    values::functions().for_each(|function| context.register_udf(function));
    current::functions().for_each(|function| context.register_udf(function));
    cast::functions().into_iter().for_each(|function| context.register_udf(function));
    for kind in [json::BuildKind::String, json::BuildKind::Object, json::BuildKind::Array] {
        context.register_udf(json::build_function(kind, max_bytes));
    }
    context.register_udaf(collect::function());
    context.register_udaf(percentile::function());
    json::aggregates().into_iter().for_each(|function| context.register_udaf(function));
}
