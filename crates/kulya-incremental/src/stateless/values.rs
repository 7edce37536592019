//! Rows that are always there.

use crate::error::{Problem, Result};
use crate::operator::{EntrySink, Operator, State};
use crate::tick::{Batch, Tick};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

/// Inserts its rows in the first tick (VALUES). Its watermark is at the end of time, as no row follows.
pub struct Values {
    schema: SchemaRef,
    rows: RecordBatch,
    is_done: bool,
    is_dirty: bool,
}

impl Values {
    /// The rows.
    pub fn new(rows: RecordBatch) -> Self {
        Self { schema: rows.schema(), rows, is_done: false, is_dirty: false }
    }
}

impl Operator for Values {
    fn kind(&self) -> &'static str {
        "values"
    }

    fn inputs(&self) -> &[SchemaRef] {
        &[]
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, _inputs: &[Tick]) -> Result<Tick> {
        let is_first = !std::mem::replace(&mut self.is_done, true);
        self.is_dirty |= is_first;
        Ok(Tick::of_rows(is_first.then(|| Batch::inserts(self.rows.clone())), Some(i64::MAX)))
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

/// The only entry: the rows were passed on.
const DONE: &[u8] = &[1];

impl State for Values {
    fn size_bytes(&self) -> usize {
        0
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        if std::mem::take(&mut self.is_dirty) {
            sink(DONE, Some(&[]));
        }
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        if self.is_done {
            sink(DONE, Some(&[]));
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        match (key, value) {
            (DONE, Some([])) => {
                self.is_done = true;
                Ok(())
            }
            _ => Err(Problem::state("there is no such entry")),
        }
    }
}
