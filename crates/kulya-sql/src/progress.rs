//! The progress of the running statement, for a program that shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of the rows of a session's running statement. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    written: AtomicU64,
}

impl Progress {
    /// Returns the number of rows that the statement has read so far: of current rows of a change log, those
    /// that its changes left.
    pub fn rows_read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Returns the number of rows that the statement has written so far; they are visible once it is
    /// completed.
    pub fn rows_written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Begins a statement.
    pub(crate) fn reset(&self) {
        self.0.read.store(0, Ordering::Relaxed);
        self.0.written.store(0, Ordering::Relaxed);
    }

    pub(crate) fn add_read(&self, rows: usize) {
        self.0.read.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_written(&self, rows: usize) {
        self.0.written.fetch_add(rows as u64, Ordering::Relaxed);
    }
}
