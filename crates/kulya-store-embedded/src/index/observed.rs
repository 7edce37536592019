//! An index wrapper that reports failures of the index to the store's health.

use super::{Index, IndexChange, IndexEntry};
use bytes::Bytes;
use kulya_store::HealthStatus;
use kulya_store::supervision::Component;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wraps an index.
pub(crate) struct ObservedIndex {
    inner: Arc<dyn Index>,
    component: Component,
    /// Whether the last read failed.
    reads: AtomicBool,
    /// Whether the last write failed.
    writes: AtomicBool,
}

impl ObservedIndex {
    pub(crate) fn new(inner: Arc<dyn Index>, component: Component) -> Self {
        Self { inner, component, reads: AtomicBool::new(false), writes: AtomicBool::new(false) }
    }

    fn report<T>(&self, failed: &AtomicBool, operation: &str, result: io::Result<T>) -> io::Result<T> {
        match &result {
            Ok(_) if !failed.load(Ordering::Relaxed) => {}
            Ok(_) => {
                failed.store(false, Ordering::Relaxed);
                if !self.reads.load(Ordering::Relaxed) && !self.writes.load(Ordering::Relaxed) {
                    self.component.set_healthy();
                }
            }
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                self.component.set(HealthStatus::Degraded, format!("cannot {operation} the index: {error}"));
            }
        }
        result
    }

    fn report_read<T>(&self, result: io::Result<T>) -> io::Result<T> {
        self.report(&self.reads, "read", result)
    }

    fn report_write<T>(&self, result: io::Result<T>) -> io::Result<T> {
        self.report(&self.writes, "write", result)
    }
}

impl Index for ObservedIndex {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.report_read(self.inner.get(key))
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a> {
        Box::new(self.inner.range(from, to).map(|entry| self.report_read(entry)))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>> {
        self.report_read(self.inner.last(from, to))
    }

    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        self.report_write(self.inner.write(changes))
    }

    fn flush(&self) -> io::Result<()> {
        self.inner.flush()
    }

    fn clear(&self) -> io::Result<()> {
        self.report_write(self.inner.clear())
    }
}
