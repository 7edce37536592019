//! Windows of event time.
//!
//! [`WindowAssign`] gives each row its windows (TUMBLE, HOP, CUMULATE); [`SessionAssign`] does so when a
//! session is over, as rows before may extend it. [`WindowAggregate`] groups rows by window and passes a
//! group on once the watermark is at the window's end, and forgets it. Top-N and deduplication of windows are
//! a [`TopN`](crate::TopN), joins of windows a [`Join`](crate::Join) that forgets.
//!
//! A window with the end `e` is closed at a watermark of `e - 1` ms, as in Flink.

mod aggregate;
mod assign;
mod session;

pub use aggregate::{WindowAggregate, WindowAggregateOptions};
pub use assign::{WindowAssign, WindowKind};
pub use session::SessionAssign;

use crate::error::Result;
use crate::event_time::timestamps;
use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use std::sync::Arc;

/// The columns `window_start`, `window_end` and `window_time` behind those of the row.
fn with_window_columns(input: &SchemaRef, time: &DataType) -> SchemaRef {
    let window = ["window_start", "window_end", "window_time"];
    let window = window.map(|name| Arc::new(Field::new(name, time.clone(), false)));
    let fields: Vec<FieldRef> = input.fields().iter().map(Arc::clone).chain(window).collect();
    Arc::new(Schema::new(fields))
}

/// The columns of windows with the starts and ends.
fn window_columns(starts: Vec<i64>, ends: Vec<i64>, time: &DataType) -> Result<[ArrayRef; 3]> {
    let times = ends.iter().map(|end| end - 1).collect();
    Ok([timestamps(starts, time)?, timestamps(ends, time)?, timestamps(times, time)?])
}
