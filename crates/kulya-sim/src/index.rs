//! An index that keeps every write it has acknowledged, until it is told to lose some.

use crate::SimDisk;
use bytes::Bytes;
use kulya_store_embedded::{Index, IndexChange, IndexEntry};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// An index beside a simulated disk, whose power it shares. Clones are the same index.
#[derive(Clone)]
pub struct SimIndex {
    disk: SimDisk,
    /// As it is, and as it was before the last write.
    entries: Arc<Mutex<(Entries, Entries)>>,
    watch: Arc<Mutex<Option<Watch>>>,
}

/// Looks at the store from the midst of a write.
type Watch = Box<dyn FnMut() + Send>;

impl SimIndex {
    /// An empty index.
    pub fn beside(disk: &SimDisk) -> Self {
        Self { disk: disk.clone(), entries: Arc::default(), watch: Arc::default() }
    }

    fn entries(&self) -> MutexGuard<'_, (Entries, Entries)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls this before each write and after it, when the writer does not know yet that it is done: what other threads
    /// may do then, a world can have done at that very moment.
    pub fn watch(&self, watch: Option<Watch>) {
        *self.watched() = watch;
    }

    fn watched(&self) -> MutexGuard<'_, Option<Watch>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        if let Some(watch) = self.watched().as_mut() {
            watch();
        }
    }

    /// The last write is gone, though it was acknowledged.
    pub fn lose_last_write(&self) {
        let mut entries = self.entries();
        entries.0 = entries.1.clone();
    }

    /// Everything is gone.
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
        self.look();
        self.change(changes)?;
        self.look();
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        self.disk.operate().map_err(|(gone, _)| gone)?;
        self.lose_all();
        Ok(())
    }
}

impl SimIndex {
    fn change(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        let power = self.disk.operate();
        let mut entries = self.entries();
        if matches!(power, Err((_, false))) {
            return power.map_err(|(gone, _)| gone);
        }
        entries.1 = entries.0.clone();
        for (key, value) in changes {
            match value {
                Some(value) => entries.0.insert(key, value),
                None => entries.0.remove(&key),
            };
        }
        power.map_err(|(gone, _)| gone)
    }
}
