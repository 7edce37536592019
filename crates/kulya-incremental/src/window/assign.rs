//! TUMBLE, HOP and CUMULATE: rows with their windows.

use super::{window_columns, with_window_columns};
use crate::error::{Problem, Result};
use crate::event_time::{self, milliseconds};
use crate::expression::{ExpressionRef, data_type, evaluate};
use crate::operator::Operator;
use crate::tick::{Batch, Tick};
use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;
use std::sync::Arc;

/// Windows of a fixed size, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WindowKind {
    /// Windows side by side.
    Tumble {
        /// Their length.
        size: i64,
    },
    /// Windows that begin at every `slide`.
    Hop {
        /// The distance of their beginnings.
        slide: i64,
        /// Their length.
        size: i64,
    },
    /// Windows side by side, and within each one those that begin with it and end at every `step`.
    Cumulate {
        /// The distance of their ends.
        step: i64,
        /// The longest length, a multiple of `step`.
        size: i64,
    },
}

/// A row is in at most this many windows.
const MAX_WINDOWS_OF_A_ROW: i64 = 10_000;

/// Passes each row on once per window that its time is in, with `window_start`, `window_end` and
/// `window_time`.
#[derive(Debug)]
pub struct WindowAssign {
    input: SchemaRef,
    schema: SchemaRef,
    time: ExpressionRef,
    time_type: DataType,
    kind: WindowKind,
    offset: i64,
}

impl WindowAssign {
    /// Windows by the time; `offset_ms` moves their bounds from multiples of the size since 1970.
    ///
    /// # Errors
    /// [`Problem::Input`] if the time is no timestamp or the sizes do not fit together.
    pub fn new(input: SchemaRef, time: ExpressionRef, kind: WindowKind, offset_ms: i64) -> Result<Self> {
        let time_type = data_type(&time, &input)?;
        event_time::check_type(&time_type)?;
        let (step, size) = match kind {
            WindowKind::Tumble { size } => (size, size),
            WindowKind::Hop { slide, size } => (slide, size),
            WindowKind::Cumulate { step, size } => (step, size),
        };
        if step < 1 || size < 1 {
            return Err(Problem::input("the sizes of windows are positive"));
        }
        if matches!(kind, WindowKind::Cumulate { .. }) && size % step != 0 {
            return Err(Problem::input("the longest window of CUMULATE is a multiple of its step"));
        }
        if size / step > MAX_WINDOWS_OF_A_ROW {
            return Err(Problem::input(format!("a row is in more than {MAX_WINDOWS_OF_A_ROW} windows")));
        }
        let schema = with_window_columns(&input, &time_type);
        Ok(Self { input, schema, time, time_type, kind, offset: offset_ms })
    }

    /// Passes on the bounds of the windows of a time.
    fn windows(&self, time: i64, mut add: impl FnMut(i64, i64)) -> Result<()> {
        let start_of = |size: i64| {
            let since_start = (i128::from(time) - i128::from(self.offset)).rem_euclid(i128::from(size));
            i64::try_from(i128::from(time) - since_start).ok()
        };
        let out_of_range = || Problem::input("an event time is out of the range of windows");
        match self.kind {
            WindowKind::Tumble { size } => {
                let start = start_of(size).ok_or_else(out_of_range)?;
                add(start, start.checked_add(size).ok_or_else(out_of_range)?);
            }
            WindowKind::Hop { slide, size } => {
                let mut start = start_of(slide).ok_or_else(out_of_range)?;
                while i128::from(start) > i128::from(time) - i128::from(size) {
                    add(start, start.checked_add(size).ok_or_else(out_of_range)?);
                    start = start.checked_sub(slide).ok_or_else(out_of_range)?;
                }
            }
            WindowKind::Cumulate { step, size } => {
                let start = start_of(size).ok_or_else(out_of_range)?;
                let last = start.checked_add(size).ok_or_else(out_of_range)?;
                let mut end = start + ((time - start) / step + 1) * step;
                while end <= last {
                    add(start, end);
                    end = end.checked_add(step).ok_or_else(out_of_range)?;
                }
            }
        }
        Ok(())
    }

    fn assign(&self, batch: &Batch) -> Result<Batch> {
        let times = milliseconds(&evaluate(&self.time, batch.rows())?)?;
        let (mut rows, mut weights) = (Vec::new(), Vec::new());
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for (row, (time, weight)) in times.into_iter().zip(batch.weights()).enumerate() {
            self.windows(time, |start, end| {
                rows.push(row as u32);
                weights.push(*weight);
                starts.push(start);
                ends.push(end);
            })?;
        }
        let rows = UInt32Array::from(rows);
        let columns = batch.rows().columns().iter().map(|column| take(column, &rows, None));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        columns.extend(window_columns(starts, ends, &self.time_type)?);
        Batch::new(RecordBatch::try_new(Arc::clone(&self.schema), columns)?, weights)
    }
}

impl Operator for WindowAssign {
    fn kind(&self) -> &'static str {
        match self.kind {
            WindowKind::Tumble { .. } => "tumble",
            WindowKind::Hop { .. } => "hop",
            WindowKind::Cumulate { .. } => "cumulate",
        }
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let batches = inputs[0].batches.iter().map(|batch| self.assign(batch)).collect::<Result<Vec<_>>>()?;
        let batches = batches.into_iter().filter(|batch| !batch.weights().is_empty()).collect();
        Ok(Tick { batches, watermark: inputs[0].watermark })
    }
}
