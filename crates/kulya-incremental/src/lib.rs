//! Incremental operators: the result of a query stays up to date while its inputs change.
//!
//! A change of a table is rows with weights: 1 inserts a row, -1 retracts it, and an update is both. An
//! operator takes a [`Tick`] of each input, which is what changed between two consistent cuts, and gives the
//! tick of its output. The sum of an operator's output so far is always what a query over the sum of its
//! inputs would give.
//!
//! ```
//! use arrow_array::{Int64Array, RecordBatch, StringArray};
//! use kulya_incremental::prelude::*;
//! use std::sync::Arc;
//!
//! // SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer
//! let orders = |customers: Vec<&str>, amounts: Vec<i64>| {
//!     let (customers, amounts) = (StringArray::from(customers), Int64Array::from(amounts));
//!     RecordBatch::try_from_iter([
//!         ("customer", Arc::new(customers) as arrow_array::ArrayRef),
//!         ("amount", Arc::new(amounts) as _),
//!     ])
//! };
//! let first = orders(vec!["ann", "bob"], vec![10, 5])?;
//! let aggregate = Aggregate::new(
//!     first.schema(),
//!     [("customer", column(0))],
//!     vec![AggregateCall::new("total", AggregateFunction::Sum, column(1))],
//!     AggregateOptions::default(),
//! )?;
//! let changelog = Changelog::new(aggregate.schema().clone(), Some(vec![0]))?;
//! let mut totals = Node::new("totals", aggregate);
//! totals.step(&[Tick::of([Batch::inserts(first)])])?;
//!
//! // ann's order becomes 12
//! let update = Batch::new(orders(vec!["ann", "ann"], vec![10, 12])?, vec![-1, 1])?;
//! let (rows, kinds) = changelog.fold(&totals.step(&[Tick::of([update])])?)?;
//! assert_eq!(kinds, [RowKind::UpdateBefore, RowKind::UpdateAfter]);
//! assert_eq!(rows.column(1).as_ref(), &Int64Array::from(vec![10, 12]));
//!
//! // the state as a program stores it, and another process that goes on from there
//! let mut entries = Vec::new();
//! totals.snapshot(|key, value| entries.push((key.to_vec(), value.map(<[u8]>::to_vec))));
//! # let again = orders(vec![], vec![])?.schema();
//! # let call = AggregateCall::new("total", AggregateFunction::Sum, column(1));
//! # let again = Aggregate::new(again, [("customer", column(0))], vec![call], AggregateOptions::default())?;
//! let mut restored = Node::new("totals", again);
//! restored.restore(entries)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Operators
//! | SQL | operator | state |
//! |---|---|---|
//! | WHERE, SELECT, UNION ALL, UNNEST | [`Filter`], [`Project`], [`Union`], [`Unnest`] | none |
//! | TO_CHANGELOG | [`ChangeRows`] | none |
//! | VALUES | [`Values`] | whether its rows were passed on |
//! | a keyed change log | [`Upsert`] | the table |
//! | a captured table | [`Replica`] | the table |
//! | GROUP BY, DISTINCT | [`Aggregate`] | a row per group; for MIN, MAX, FIRST, LAST, ARRAY_AGG and DISTINCT its values |
//! | JOIN, IN, EXISTS, NOT EXISTS | [`Join`] | both sides; of IN and EXISTS the right keys |
//! | NOT IN | [`NotIn`] | the left side and the right values |
//! | interval join, join of windows | [`Join`] with [`Expiry`] | the rows whose time is not over |
//! | FOR SYSTEM_TIME AS OF | [`LookupJoin`], [`VersionedJoin`] | the table; the versions and rows before the watermark |
//! | LIMIT, top-N, deduplication | [`TopN`] | the rows; with insertions only those of the range |
//! | OVER | [`Over`] | the rows |
//! | WATERMARK FOR | [`Watermark`] | the watermark |
//! | TUMBLE, HOP, CUMULATE | [`WindowAssign`] | none |
//! | SESSION | [`SessionAssign`] | the rows of open sessions |
//! | GROUP BY of a window | [`WindowAggregate`] | the groups of open windows |
//!
//! A plan of operators is a [`Graph`], which takes a tick of each of its sources.
//!
//! Expressions are the caller's ([`Expression`]); columns by position are here ([`column()`]). [`Changelog`]
//! turns a tick into rows with `+I`, `-U`, `+U` and `-D`.
//!
//! # State
//! Keys are the bytes of rows in Arrow's row format; a hash table maps them to numbers, and what belongs to a
//! key is in flat vectors by number. After each tick [`Node::drain_dirty`] gives the entries that changed,
//! for a log that the caller commits together with its input positions; [`Node::snapshot`] gives all, so that
//! the log can begin again. [`Node::restore`] takes them back. Bytes that are no entries are an error; that
//! they are those that were stored is for the caller's checksums.
//!
//! All state is in memory. [`Node::size_bytes`] is for a bound that the caller sets; writing runs to disk
//! beyond it is not built.
//!
//! # Consistency
//! A row that is retracted more often than it was inserted is an error, at the end of a tick: its input is no
//! consistent change log, and going on would hide that. Sums cannot see it, as they keep no rows. An operator
//! that failed does not go on: make it again from stored state.
//!
//! The crate has no clock, disk, threads or randomness in its results: equal ticks give equal output, row for
//! row, also across a restart. Event time comes as [`Tick::watermark`].

mod aggregate;
mod changelog;
mod consolidate;
mod contents;
mod entry;
mod error;
mod event_time;
mod expression;
mod graph;
mod join;
mod key_table;
mod late;
mod operator;
mod ordered_rows;
mod partition;
pub mod prelude;
mod replica;
mod row_check;
mod row_codec;
mod stateless;
mod temporal;
mod tick;
mod upsert;
mod watermark;
mod window;

pub use aggregate::{Aggregate, AggregateCall, AggregateFunction, AggregateOptions, Ordering, Rounding};
pub use changelog::{Changelog, RowKind};
pub use contents::Contents;
pub use error::{Error, ExpressionError, Problem};
pub use expression::{Column, Expression, ExpressionRef, column};
pub use graph::{Graph, GraphBuilder, Output};
pub use join::{Expiry, Join, JoinKind, JoinOptions, NotIn};
pub use operator::{EntrySink, Node, Operator, State};
pub use partition::{Order, Over, PartitionFunction, Ranking, TopN, TopNOptions};
pub use replica::Replica;
pub use stateless::{ChangeRows, Filter, Project, Union, Unnest, UnnestOptions, Values};
pub use temporal::{LookupJoin, VersionedJoin};
pub use tick::{Batch, Tick};
pub use upsert::Upsert;
pub use watermark::Watermark;
pub use window::{SessionAssign, WindowAggregate, WindowAggregateOptions, WindowAssign, WindowKind};

pub use arrow_array;
pub use arrow_buffer;
pub use arrow_schema;
