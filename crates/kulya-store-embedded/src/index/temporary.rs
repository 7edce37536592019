//! A temporary index for reading a log without changing the store's folder: in memory while it is small,
//! and otherwise in a folder below the system's temporary folder, which is removed on drop.

use super::{Index, IndexChange, IndexEntry, LsmIndex};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// The maximum size in memory, in bytes.
const MEMORY_BYTES: usize = 64 << 20;

/// An index in memory or in a temporary folder.
pub(crate) struct TemporaryIndex {
    storage: RwLock<Storage>,
    memory_bytes: usize,
}

enum Storage {
    Memory { entries: BTreeMap<Vec<u8>, Bytes>, bytes: usize },
    Folder(TemporaryFolder),
}

struct TemporaryFolder {
    index: Option<LsmIndex>,
    path: PathBuf,
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        drop(self.index.take());
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!("cannot remove the temporary folder {}: {error}", self.path.display());
        }
    }
}

impl TemporaryFolder {
    fn create() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kulya-index-{}-{number}", std::process::id()));
        Self { index: Some(LsmIndex::at(&path)), path }
    }

    fn index(&self) -> io::Result<&LsmIndex> {
        self.index.as_ref().ok_or_else(|| io::Error::other("the temporary index is closed"))
    }
}

impl Default for TemporaryIndex {
    fn default() -> Self {
        Self::with_memory_limit(MEMORY_BYTES)
    }
}

impl TemporaryIndex {
    fn with_memory_limit(memory_bytes: usize) -> Self {
        Self { storage: RwLock::new(Storage::Memory { entries: BTreeMap::new(), bytes: 0 }), memory_bytes }
    }

    fn read(&self) -> RwLockReadGuard<'_, Storage> {
        self.storage.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first entry from a bound on.
    fn next(&self, from: Bound<&[u8]>, to: &[u8]) -> io::Result<Option<IndexEntry>> {
        match &*self.read() {
            Storage::Memory { entries, .. } => {
                let found = entries.range::<[u8], _>((from, Bound::Unbounded)).next();
                Ok(found
                    .filter(|(key, _)| key.as_slice() < to)
                    .map(|(key, value)| (key.clone().into(), value.clone())))
            }
            Storage::Folder(folder) => {
                let from = match from {
                    Bound::Included(from) => from.to_vec(),
                    Bound::Excluded(from) => [from, &[0]].concat(),
                    Bound::Unbounded => Vec::new(),
                };
                folder.index()?.range(&from, to).next().transpose()
            }
        }
    }
}

impl Index for TemporaryIndex {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        match &*self.read() {
            Storage::Memory { entries, .. } => Ok(entries.get(key).cloned()),
            Storage::Folder(folder) => folder.index()?.get(key),
        }
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a> {
        let (mut last, to) = (None::<Vec<u8>>, to.to_vec());
        let from = from.to_vec();
        Box::new(std::iter::from_fn(move || {
            let bound = match &last {
                Some(last) => Bound::Excluded(last.as_slice()),
                None => Bound::Included(from.as_slice()),
            };
            let found = self.next(bound, &to).transpose()?;
            if let Ok((key, _)) = &found {
                last = Some(key.to_vec());
            }
            Some(found)
        }))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>> {
        match &*self.read() {
            Storage::Memory { entries, .. } if from <= to => {
                let found =
                    entries.range::<[u8], _>((Bound::Included(from), Bound::Included(to))).next_back();
                Ok(found.map(|(key, value)| (key.clone().into(), value.clone())))
            }
            Storage::Memory { .. } => Ok(None),
            Storage::Folder(folder) => folder.index()?.last(from, to),
        }
    }

    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        let mut storage = self.storage.write().unwrap_or_else(PoisonError::into_inner);
        let (entries, bytes) = match &mut *storage {
            Storage::Memory { entries, bytes } => (entries, bytes),
            Storage::Folder(folder) => return folder.index()?.write(changes),
        };
        for (key, value) in changes {
            *bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            match value {
                Some(value) => drop(entries.insert(key, value.into())),
                None => drop(entries.remove(&key)),
            }
        }
        if *bytes <= self.memory_bytes {
            return Ok(());
        }
        let folder = TemporaryFolder::create();
        let all = std::mem::take(entries).into_iter().map(|(key, value)| (key, Some(value.to_vec())));
        folder.index()?.write(all.collect())?;
        *storage = Storage::Folder(folder);
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        *self.storage.write().unwrap_or_else(PoisonError::into_inner) =
            Storage::Memory { entries: BTreeMap::new(), bytes: 0 };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_is_the_same_in_memory_and_in_a_folder() {
        let (small, large) = (TemporaryIndex::with_memory_limit(100), TemporaryIndex::default());
        for index in [&small, &large] {
            for round in 0..10u8 {
                let changes =
                    (0..20u8).map(|key| (vec![key], (key % 3 != round % 3).then(|| vec![round, key])));
                index.write(changes.collect()).unwrap();
            }
        }
        let path = match &*small.read() {
            Storage::Folder(folder) => folder.path.clone(),
            Storage::Memory { .. } => panic!("it exceeds the memory limit"),
        };
        let all =
            |index: &TemporaryIndex| index.range(&[0], &[255]).map(io::Result::unwrap).collect::<Vec<_>>();
        assert_eq!(all(&small), all(&large));
        assert_eq!(small.get(&[1]).unwrap(), large.get(&[1]).unwrap());
        assert_eq!(small.last(&[0], &[18]).unwrap(), large.last(&[0], &[18]).unwrap());
        assert!(path.exists());
        drop(small);
        assert!(!path.exists(), "the folder is removed");
    }
}
