//! A simulated index in memory that loses acknowledged writes on demand.

use crate::disk::SimDisk;
use bytes::Bytes;
use kulya_store_embedded::{Index, IndexChange, IndexEntry};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// An index that shares the power of a simulated disk. Clones are the same index.
#[derive(Clone)]
pub struct SimIndex {
    disk: SimDisk,
    /// The current entries, and those before the last write.
    entries: Arc<Mutex<(Entries, Entries)>>,
    observer: Arc<Mutex<Option<Observer>>>,
}

/// Called during a write.
type Observer = Box<dyn FnMut() + Send>;

impl SimIndex {
    /// Creates an empty index.
    pub fn new(disk: &SimDisk) -> Self {
        Self { disk: disk.clone(), entries: Arc::default(), observer: Arc::default() }
    }

    fn entries(&self) -> MutexGuard<'_, (Entries, Entries)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a function that is called before each write and after it, before the writer knows the result: it
    /// can do what another thread might do at that moment.
    pub fn set_observer(&self, observer: Option<Observer>) {
        *self.observer() = observer;
    }

    fn observer(&self) -> MutexGuard<'_, Option<Observer>> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_observer(&self) {
        if let Some(observer) = self.observer().as_mut() {
            observer();
        }
    }

    /// Loses the last write, although it was acknowledged.
    pub fn lose_last_write(&self) {
        let mut entries = self.entries();
        entries.0 = entries.1.clone();
    }

    /// Loses every entry.
    pub fn lose_all(&self) {
        *self.entries() = Default::default();
    }
}

fn entry((key, value): (&Vec<u8>, &Vec<u8>)) -> IndexEntry {
    (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))
}

impl Index for SimIndex {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.entries().0.get(key).map(|value| Bytes::copy_from_slice(value)))
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a> {
        let entries = self.entries();
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let found: Vec<_> =
            if from < to { entries.0.range::<[u8], _>(bounds).map(entry).collect() } else { vec![] };
        Box::new(found.into_iter().map(Ok))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>> {
        let entries = self.entries();
        let bounds = (Bound::Included(from), Bound::Included(to));
        Ok(if from <= to { entries.0.range::<[u8], _>(bounds).next_back().map(entry) } else { None })
    }

    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        self.notify_observer();
        self.apply(changes)?;
        self.notify_observer();
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        self.disk.count_operation().map_err(|(error, _)| error)?;
        self.lose_all();
        Ok(())
    }
}

impl SimIndex {
    fn apply(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        let result = self.disk.count_operation();
        let mut entries = self.entries();
        if matches!(result, Err((_, false))) {
            return result.map_err(|(error, _)| error);
        }
        entries.1 = entries.0.clone();
        for (key, value) in changes {
            match value {
                Some(value) => entries.0.insert(key, value),
                None => entries.0.remove(&key),
            };
        }
        result.map_err(|(error, _)| error)
    }
}
