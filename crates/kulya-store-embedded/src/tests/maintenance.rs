//! Tests of the background threads: that they need no async runtime, and how failures and panics are
//! reported.

use super::orders;
use crate::disk::{Disk, FileSystem, InPlaceFile, LockOutcome, LogFile, ReadFile};
use crate::{EmbeddedStore, Options};
use futures::executor::block_on;
use kulya_store::{
    Append, Commit, ErrorKind, Health, HealthStatus, Retention, StreamConfig, StreamStore, bounded_read,
    head_cut, tail_cut,
};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

const FILE_BYTES: u64 = 4000;

async fn append(store: &EmbeddedStore, events: u32) -> kulya_store::Result<()> {
    for number in 0..events {
        let event = format!("event {number} {}", "x".repeat(90));
        store.commit(Commit::events(vec![Append::keyed(&orders(), "k", event)])).await?;
    }
    Ok(())
}

async fn with_stream(store: &EmbeddedStore, retention: Retention) {
    store.create_scope(&orders().scope).await.unwrap();
    let config = StreamConfig::with_segments(1).retention(retention);
    store.create_stream(&orders(), config).await.unwrap();
}

fn counter(health: &Health, name: &str) -> u64 {
    let component = health.component("store.maintenance").unwrap();
    component.counters.iter().find(|(found, _)| *found == name).map_or(0, |(_, count)| *count)
}

/// As in a program without tokio, and on the maintenance thread.
#[test]
fn store_and_maintenance_need_no_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { log_file_bytes: FILE_BYTES, ..Options::default() };
    let store = EmbeddedStore::open_with(folder.path(), options).unwrap();
    block_on(async {
        with_stream(&store, Retention { bytes: Some(10_000), age: None }).await;
        append(&store, 300).await.unwrap();
        store.maintain().await.unwrap();
        let (_, bytes) = store.disk_usage().unwrap();
        assert!(bytes < 25_000, "{bytes} bytes for a limit of 10000");
        let kept = bounded_read(&store, &orders()).await.unwrap();
        assert!((50..100).contains(&kept.len()), "{} events of about 110 bytes", kept.len());
        store.truncate(&tail_cut(&store, &orders()).await.unwrap()).await.unwrap();
        store.verify().await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        store.backup(copy.path().join("copy")).await.unwrap();
        let health = store.health();
        assert_eq!((health.status(), health.worst()), (HealthStatus::Healthy, None));
        for (name, least) in [("rounds", 1), ("truncations", 1), ("checkpoints", 1), ("compactions", 1)] {
            assert!(counter(&health, name) >= least, "{name}: {health:?}");
        }
        store.close().await.unwrap();
    });
}

/// The injected fault.
const NO_FAULT: u8 = 0;
const RENAME_PANICS: u8 = 1;
const RENAME_FAILS: u8 = 2;
const APPEND_PANICS: u8 = 3;
const APPEND_DISK_FULL: u8 = 4;
const APPEND_FAILS: u8 = 5;
const SYNC_FAILS: u8 = 6;

/// The file system, with fault injection.
#[derive(Clone, Default)]
struct FaultyDisk(Arc<AtomicU8>);

impl FaultyDisk {
    fn is(&self, fault: u8) -> bool {
        self.0.load(Ordering::SeqCst) == fault
    }
}

struct FaultyLog(Box<dyn LogFile>, FaultyDisk);

impl Disk for FaultyDisk {
    fn lock_existing(&self, path: &Path) -> io::Result<Option<LockOutcome>> {
        FileSystem.lock_existing(path)
    }

    fn open_in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        FileSystem.open_in_place(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        FileSystem.create_dir_all(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        FileSystem.list(folder)
    }
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        FileSystem.read_file(path)
    }
    fn write_file(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        FileSystem.write_file(path, content)
    }
    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockOutcome> {
        FileSystem.lock(path, owner)
    }
    fn open_append(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(FaultyLog(FileSystem.open_append(path, length)?, self.clone())))
    }
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        FileSystem.open_read(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // a compacted file; a new log file is renamed, too
        let is_compacted = to.to_string_lossy().contains('-');
        assert!(!(is_compacted && self.is(RENAME_PANICS)), "injected fault");
        if is_compacted && self.is(RENAME_FAILS) {
            return Err(io::Error::other("injected fault"));
        }
        FileSystem.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
}

impl LogFile for FaultyLog {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(!self.1.is(APPEND_PANICS), "injected fault");
        match () {
            () if self.1.is(APPEND_DISK_FULL) => Err(io::ErrorKind::StorageFull.into()),
            () if self.1.is(APPEND_FAILS) => Err(io::Error::other("injected fault")),
            () => self.0.append(bytes),
        }
    }
    fn sync(&mut self) -> io::Result<()> {
        if self.1.is(SYNC_FAILS) { Err(io::Error::other("injected fault")) } else { self.0.sync() }
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

fn on(disk: &FaultyDisk, folder: &Path) -> EmbeddedStore {
    let disk = Arc::new(disk.clone());
    let options = Options { disk, log_file_bytes: FILE_BYTES, ..Options::default() };
    EmbeddedStore::open_with(folder, options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_maintenance_is_reported_and_retried() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    let store = on(&disk, folder.path());
    with_stream(&store, Retention { bytes: Some(1000), age: None }).await;
    for (fault, reason) in [(RENAME_PANICS, "panicked: injected fault"), (RENAME_FAILS, "injected")] {
        // before there is anything to compact, which may start at any time
        disk.0.store(fault, Ordering::SeqCst);
        append(&store, 200).await.unwrap();
        let failed = store.maintain().await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Failed);
        let health = store.health();
        let worst = health.worst().unwrap();
        assert_eq!((worst.name.as_str(), worst.status), ("store.maintenance", HealthStatus::Degraded));
        let reported = worst.reason.clone().unwrap();
        assert!(reported.contains(reason), "{reported}");
        append(&store, 1).await.unwrap();
        disk.0.store(NO_FAULT, Ordering::SeqCst);
        store.maintain().await.unwrap();
        assert_eq!(store.health().worst(), None);
        let (_, bytes) = store.disk_usage().unwrap();
        assert!(bytes < 3 * FILE_BYTES, "{bytes} bytes for a limit of 1000");
    }
    assert!(counter(&store.health(), "panics") >= 1 && counter(&store.health(), "failures") >= 2);
    store.verify().await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_log_writes_are_reported() {
    let all = Retention::default();
    for (fault, reason) in [
        (APPEND_PANICS, "panicked: injected fault"),
        (APPEND_FAILS, "cannot write to"),
        (SYNC_FAILS, "cannot sync"),
    ] {
        let (folder, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
        let store = on(&disk, folder.path());
        with_stream(&store, all).await;
        append(&store, 10).await.unwrap();
        assert_eq!(store.health().worst(), None);
        disk.0.store(fault, Ordering::SeqCst);
        append(&store, 1).await.unwrap_err();
        disk.0.store(NO_FAULT, Ordering::SeqCst);
        for _ in 0..2 {
            let error = append(&store, 1).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
            assert!(error.to_string().contains("reopen the store"), "{error}");
        }
        let health = store.health();
        let worst = health.worst().unwrap();
        assert_eq!((worst.name.as_str(), worst.status), ("store.log", HealthStatus::Failed));
        assert!(worst.reason.as_deref().unwrap().contains(reason), "{worst:?}");
        assert_eq!(bounded_read(&store, &orders()).await.unwrap().len(), 10, "the store is still readable");
        store.close().await.unwrap();
        drop(store);
        let store = on(&disk, folder.path());
        append(&store, 1).await.unwrap();
        assert_eq!(store.health().worst(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_is_reported_while_it_is_full() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    let store = on(&disk, folder.path());
    with_stream(&store, Retention::default()).await;
    disk.0.store(APPEND_DISK_FULL, Ordering::SeqCst);
    assert_eq!(append(&store, 1).await.unwrap_err().kind(), ErrorKind::Full);
    let health = store.health();
    assert_eq!(
        (health.worst().unwrap().name.as_str(), health.status()),
        ("store.log", HealthStatus::Degraded)
    );
    disk.0.store(NO_FAULT, Ordering::SeqCst);
    append(&store, 1).await.unwrap();
    assert_eq!(store.health().worst(), None);
    assert_eq!(head_cut(&store, &orders()).await.unwrap().offsets().count(), 1);
}

/// An index that fails on writes.
#[tokio::test(flavor = "multi_thread")]
async fn failed_index_is_reported() {
    struct BrokenIndex(Mutex<bool>);
    impl crate::Index for BrokenIndex {
        fn get(&self, _: &[u8]) -> io::Result<Option<bytes::Bytes>> {
            Ok(None)
        }
        fn range<'a>(
            &'a self,
            _: &[u8],
            _: &[u8],
        ) -> Box<dyn Iterator<Item = io::Result<crate::IndexEntry>> + 'a> {
            Box::new(std::iter::empty())
        }
        fn last(&self, _: &[u8], _: &[u8]) -> io::Result<Option<crate::IndexEntry>> {
            Ok(None)
        }
        fn write(&self, _: Vec<crate::IndexChange>) -> io::Result<()> {
            if *self.0.lock().unwrap() { Err(io::Error::other("injected fault")) } else { Ok(()) }
        }
        fn clear(&self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let index = Arc::new(BrokenIndex(Mutex::new(true)));
    let options = Options { index: Some(index.clone()), ..Options::default() };
    let store = EmbeddedStore::open_with(folder.path(), options).unwrap();
    with_stream(&store, Retention::default()).await;
    store.maintain().await.unwrap_err();
    let component = |name: &str| store.health().component(name).unwrap().clone();
    assert_eq!(component("store.index").status, HealthStatus::Degraded);
    assert_eq!(component("store.maintenance").status, HealthStatus::Degraded);
    assert!(component("store.index").reason.unwrap().contains("injected fault"));
    *index.0.lock().unwrap() = false;
    store.maintain().await.unwrap();
    assert_eq!(store.health().worst(), None);
}
