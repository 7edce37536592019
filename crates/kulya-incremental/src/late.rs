//! Rows that came too late for their window: counted, and kept if the caller wants them.

use crate::error::Result;
use crate::tick::Batch;

#[derive(Debug, Default)]
pub(crate) struct LateRows {
    count: u64,
    is_kept: bool,
    noted: Vec<u32>,
    batches: Vec<Batch>,
}

impl LateRows {
    pub(crate) fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    /// Notes a row of a batch as late.
    pub(crate) fn note(&mut self, row: usize) {
        self.count += 1;
        if self.is_kept {
            self.noted.push(row as u32);
        }
    }

    /// Takes the noted rows from their batch.
    pub(crate) fn take_from(&mut self, batch: &Batch) -> Result<()> {
        if !self.noted.is_empty() {
            let rows = std::mem::take(&mut self.noted);
            let weights = rows.iter().map(|row| batch.weights()[*row as usize]).collect();
            self.batches.push(batch.take(rows, weights)?);
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn take(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.batches)
    }
}
