//! The index on disk: an LSM tree (fjall), created on the first write. A store that is small enough to be
//! read from its log has none.

use super::{Index, IndexChange, IndexEntry};
use crate::disk::FOLDER_MODE;
use bytes::Bytes;
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The size of fjall's block cache, in bytes; hot blocks are cached unpacked elsewhere.
const CACHE_BYTES: u64 = 2 << 20;
/// The size of fjall's memtable, in bytes.
const MEMTABLE_BYTES: u64 = 4 << 20;

/// The maximum time that a flush on close takes.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of checks whether the flush is done.
const FLUSH_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// An LSM tree in a folder.
pub(crate) struct LsmIndex {
    path: PathBuf,
    open: Mutex<Option<Tree>>,
}

#[derive(Clone)]
struct Tree {
    database: Database,
    entries: Keyspace,
}

impl LsmIndex {
    /// Creates an index for a folder, which is opened on demand.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Tree>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the tree if it exists.
    fn existing(&self) -> io::Result<Option<Tree>> {
        let mut open = self.lock();
        if open.is_none() && self.path.exists() {
            *open = Some(Tree::open(&self.path)?);
        }
        Ok(open.clone())
    }

    fn open_or_create(&self) -> io::Result<Tree> {
        let mut open = self.lock();
        match &*open {
            Some(tree) => Ok(tree.clone()),
            None => Ok(open.insert(Tree::open(&self.path)?).clone()),
        }
    }
}

impl Tree {
    fn open(path: &Path) -> io::Result<Self> {
        // fjall would create it with the umask
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        let database = Database::builder(path).cache_size(CACHE_BYTES).worker_threads(1).open();
        let database = database.map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let entries = database.keyspace("entries", options).map_err(failed)?;
        Ok(Self { database, entries })
    }

    /// Returns a snapshot. Without one, a reader sees a batch in part while it is applied.
    fn snapshot(&self) -> impl Readable {
        self.database.snapshot()
    }
}

fn failed(error: fjall::Error) -> io::Error {
    io::Error::other(error)
}

fn entry(guard: Guard) -> io::Result<IndexEntry> {
    let (key, value) = guard.into_inner().map_err(failed)?;
    Ok((key.into(), value.into()))
}

impl Index for LsmIndex {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        let Some(tree) = self.existing()? else { return Ok(None) };
        Ok(tree.snapshot().get(&tree.entries, key).map_err(failed)?.map(Bytes::from))
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a> {
        match self.existing() {
            Ok(Some(tree)) if from < to => {
                Box::new(tree.snapshot().range(&tree.entries, from..to).map(entry))
            }
            Ok(_) => Box::new(std::iter::empty()),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>> {
        let Some(tree) = self.existing()?.filter(|_| from <= to) else { return Ok(None) };
        tree.snapshot().range(&tree.entries, from..=to).next_back().map(entry).transpose()
    }

    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()> {
        let tree = self.open_or_create()?;
        let mut batch = tree.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&tree.entries, key, value),
                None => batch.remove(&tree.entries, key),
            }
        }
        batch.commit().map_err(failed)
    }

    /// Flushes the memtable into a table file. Closing fjall does not do that, and then the next opening
    /// replays its journal: a third of a second for 30 MB.
    fn flush(&self) -> io::Result<()> {
        let Some(tree) = self.lock().clone() else { return Ok(()) };
        tree.entries.rotate_memtable().map_err(failed)?;
        // fjall's worker does not report failures
        for _ in 0..FLUSH_TIMEOUT.as_millis() / FLUSH_POLL_INTERVAL.as_millis() {
            if tree.entries.sealed_memtable_count() == 0 {
                return Ok(());
            }
            std::thread::park_timeout(FLUSH_POLL_INTERVAL);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the flush of the index timed out"))
    }

    fn clear(&self) -> io::Result<()> {
        let mut open = self.lock();
        drop(open.take());
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_sees_writes_atomically() {
        let folder = tempfile::tempdir().unwrap();
        let index = LsmIndex::at(&folder.path().join("index"));
        let batch =
            |value: u8| -> Vec<IndexChange> { (0..100).map(|key| (vec![key], Some(vec![value]))).collect() };
        index.write(batch(0)).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (1..100).for_each(|value| index.write(batch(value)).unwrap()));
            while !writer.is_finished() {
                let seen: Vec<Bytes> =
                    index.range(&[0], &[100]).map(|entry| entry.map(|(_, value)| value).unwrap()).collect();
                assert_eq!(seen.len(), 100);
                assert!(seen.windows(2).all(|pair| pair.first() == pair.last()), "partial write: {seen:?}");
            }
        });
    }

    #[test]
    fn flush_writes_table_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = LsmIndex::at(&path);
        index.flush().unwrap();
        assert!(!path.exists(), "an unused index is not created");
        let key = |n: u32| n.to_be_bytes().to_vec();
        index.write((0..1000).map(|n| (key(n), Some(vec![7; 100]))).collect()).unwrap();
        let tables = |index: &LsmIndex| index.existing().unwrap().unwrap().entries.table_count();
        assert_eq!(tables(&index), 0);
        index.flush().unwrap();
        assert_eq!(tables(&index), 1);
        // nothing was written since
        index.flush().unwrap();
        assert_eq!(tables(&index), 1);
        drop(index);
        let index = LsmIndex::at(&path);
        assert_eq!(index.get(&key(999)).unwrap().as_deref(), Some(&[7; 100][..]));
        assert_eq!(index.range(&key(0), &key(1000)).count(), 1000);
    }
}
