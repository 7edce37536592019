//! The names that a first program uses.

pub use crate::{
    Aggregate, AggregateCall, AggregateFunction, AggregateOptions, Batch, Changelog, Expression,
    ExpressionRef, Filter, Graph, GraphBuilder, Join, JoinKind, JoinOptions, Node, Operator, Order, Ordering,
    Project, RowKind, Tick, TopN, TopNOptions, Union, Upsert, column,
};
