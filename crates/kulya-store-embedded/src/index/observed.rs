//! An index of which the store's health knows whether it works: any other, watched.

use super::{Index, IndexChange, IndexEntry};
use bytes::Bytes;
use kulya_store::HealthStatus;
use kulya_store::supervision::Component;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct ObservedIndex {
    inner: Arc<dyn Index>,
    component: Component,
    /// What failed the last time: reads, writes.
    reads: AtomicBool,
    writes: AtomicBool,
}

impl ObservedIndex {
    pub(crate) fn new(inner: Arc<dyn Index>, component: Component) -> Self {
        Self { inner, component, reads: AtomicBool::new(false), writes: AtomicBool::new(false) }
    }

    fn seen<T>(&self, failed: &AtomicBool, what: &str, done: io::Result<T>) -> io::Result<T> {
        match &done {
            Ok(_) if !failed.load(Ordering::Relaxed) => {}
            Ok(_) => {
                failed.store(false, Ordering::Relaxed);
                if !self.reads.load(Ordering::Relaxed) && !self.writes.load(Ordering::Relaxed) {
                    self.component.set_healthy();
                }
            }
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                self.component.set(HealthStatus::Degraded, format!("cannot {what} the index: {error}"));
            }
        }
        done
    }

    fn read<T>(&self, done: io::Result<T>) -> io::Result<T> {
        self.seen(&self.reads, "read", done)
    }

    fn written<T>(&self, done: io::Result<T>) -> io::Result<T> {
        self.seen(&self.writes, "write", done)
    }
}

impl Index for ObservedIndex {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.read(self.inner.get(key))
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a> {
        Box::new(self.inner.range(from, to).map(|entry| self.read(entry)))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>> {
        self.read(self.inner.last(from, to))
    }

    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        self.written(self.inner.write(changes))
    }

    fn flush(&self) -> io::Result<()> {
        self.inner.flush()
    }

    fn clear(&self) -> io::Result<()> {
        self.written(self.inner.clear())
    }
}
