//! Tests of durability: restarts, torn writes, damage and full disks, and the comparison with the in-memory
//! store.

mod damage;
mod maintenance;
mod space;
mod staged;

use crate::disk::{Disk, FileSystem, InPlaceFile, LockOutcome, LogFile, ReadFile};
use crate::{EmbeddedStore, Options};
use kulya_store::Durability::{Synced, Written};
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::model::{self, Step};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, StreamConfig, StreamId, StreamStore, TableChange, TableId,
    bounded_read,
};
use proptest::prelude::*;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn open(folder: &Path) -> EmbeddedStore {
    EmbeddedStore::open(folder).unwrap()
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log/0000000000000000.log")
}

fn orders() -> StreamId {
    StreamId::new("shop", "orders").unwrap()
}

fn positions() -> TableId {
    TableId::new("shop", "positions").unwrap()
}

async fn make(store: &dyn StreamStore) {
    store.create_scope(&orders().scope).await.unwrap();
    store.create_stream(&orders(), StreamConfig::with_segments(2)).await.unwrap();
    store.create_table(&positions()).await.unwrap();
}

async fn write(store: &dyn StreamStore, event: &str) -> kulya_store::Result<()> {
    let commit = Commit {
        appends: vec![Append::keyed(&orders(), "k", event.to_owned())],
        changes: vec![TableChange::put(&positions(), "last", Condition::Any, event.to_owned())],
        ..Commit::default()
    };
    store.commit(commit).await.map(drop)
}

/// Each of several commits is an extent, of which a reader of frames gets no part: it would be read again.
#[tokio::test]
async fn extents_a_little_larger_than_a_chunk_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    let event = "x".repeat(92);
    for _ in 0..5 {
        let appends = (0..120).map(|_| Append::keyed(&orders(), "k", event.clone())).collect();
        store.commit(Commit { appends, ..Commit::default() }).await.unwrap();
    }
    let tails = store.segments(&orders()).await.unwrap();
    let segment = tails.into_iter().find(|segment| segment.tail > 0).unwrap();
    let (mut offset, mut counts) = (0, Vec::new());
    while offset < segment.tail {
        let chunk = store.read_framed(&segment.id, offset, 10_000).await.unwrap();
        counts.push(chunk.len());
        offset = chunk.next;
    }
    assert_eq!(counts, [120; 5]);
    let exact = store.read(&segment.id, 0, 10_000).await.unwrap();
    assert_eq!(exact.events.len(), 100, "no more than was asked for");
}

async fn events(store: &dyn StreamStore) -> Vec<String> {
    let read = bounded_read(store, &orders()).await.unwrap();
    read.into_iter().map(|(_, event)| String::from_utf8(event.to_vec()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_suite() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicU64::new(0);
    let report = kulya_store::conformance::run_all(|| {
        let path = folder.path().join(made.fetch_add(1, Ordering::Relaxed).to_string());
        async move { Arc::new(open(&path)) }
    })
    .await;
    assert_eq!(report.skipped, [], "nothing is skipped");
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    write(&store, "one").await.unwrap();
    let mut committed = store.begin().await.unwrap();
    committed.stage(vec![Append::keyed(&orders(), "k", "two")]).await.unwrap();
    let mut open_end = store.begin().await.unwrap();
    open_end.stage(vec![Append::keyed(&orders(), "k", "never")]).await.unwrap();
    committed.commit(vec![]).await.unwrap();
    let before = bounded_read(&store, &orders()).await.unwrap();
    std::mem::forget(open_end); // the process ends without a word
    store.close().await.unwrap();
    drop(store);

    // the leaked transaction holds the lock of the first store: open a copy
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), copy.path());
    let store = open(copy.path());
    assert_eq!(bounded_read(&store, &orders()).await.unwrap(), before);
    assert_eq!(events(&store).await, ["one", "two"]);
    let entry = store.get(&positions(), b"last").await.unwrap().unwrap();
    assert_eq!(entry.value, "one");
    write(&store, "three").await.unwrap();
    let later = store.get(&positions(), b"last").await.unwrap().unwrap();
    assert!(later.version > entry.version, "versions keep increasing");
    assert_eq!(events(&store).await, ["one", "two", "three"]);
}

/// Copies what is left after a power failure: the file SYNCED may be lost.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("log")).unwrap();
    for name in ["FORMAT", "MANIFEST"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    for entry in std::fs::read_dir(from.join("log")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join("log").join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn second_owner_is_rejected_with_the_first_ones_process_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = EmbeddedStore::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    let text = error.to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains("stop it first"), "{text}");
    drop(store);
    open(folder.path());
}

#[test]
fn foreign_and_newer_folders_are_rejected() {
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("letters.txt"), "dear").unwrap();
    let error = EmbeddedStore::open(foreign.path()).unwrap_err();
    assert!(error.to_string().contains("choose a new or empty folder"), "{error}");
    assert!(!foreign.path().join("log").exists(), "nothing was created");

    let newer = tempfile::tempdir().unwrap();
    drop(open(newer.path()));
    std::fs::write(newer.path().join("FORMAT"), "kulya-store 99\n").unwrap();
    assert!(EmbeddedStore::open(newer.path()).unwrap_err().to_string().contains("use a newer kulya"));

    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(EmbeddedStore::open(file.path()).unwrap_err().to_string().contains("not a folder"));
}

#[tokio::test]
async fn torn_tail_is_truncated_and_damage_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    let mut lengths = Vec::new();
    for n in 0..5 {
        write(&store, &format!("event {n}")).await.unwrap();
        lengths.push(std::fs::metadata(log(folder.path())).unwrap().len());
    }
    let whole = std::fs::read(log(folder.path())).unwrap();

    // truncate the last frame at every byte
    for cut in lengths[3]..lengths[4] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        std::fs::write(log(copy.path()), &whole[..cut as usize]).unwrap();
        let store = open(copy.path());
        assert_eq!(events(&store).await.len(), 4, "cut at {cut}");
        write(&store, "after").await.unwrap();
        drop(store);
        assert_eq!(events(&open(copy.path())).await.len(), 5, "continues after the cut at {cut}");
    }
    // garbage or zeros after the last frame
    for tail in [vec![0u8; 5000], vec![0xa5; 5000]] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        std::fs::write(log(copy.path()), [whole.as_slice(), &tail].concat()).unwrap();
        assert_eq!(events(&open(copy.path())).await.len(), 5);
    }
    // flip a bit anywhere before the last frame
    for at in (0..lengths[3] as usize).step_by(7) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(log(copy.path()), &damaged).unwrap();
        let error = EmbeddedStore::open(copy.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
        assert!(error.to_string().contains("damaged at byte"), "{error}");
        assert_eq!(std::fs::read(log(copy.path())).unwrap(), damaged, "nothing was changed");
    }
}

/// A disk with a limited number of free bytes, or one whose sync fails.
#[derive(Clone, Default)]
struct LimitedDisk {
    free_bytes: Arc<AtomicU64>,
    sync_fails: Arc<AtomicU64>,
}

struct LimitedFile(Box<dyn LogFile>, LimitedDisk);

impl Disk for LimitedDisk {
    fn open_append(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(LimitedFile(FileSystem.open_append(path, length)?, self.clone())))
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

    fn lock_existing(&self, path: &Path) -> io::Result<Option<LockOutcome>> {
        FileSystem.lock_existing(path)
    }

    fn open_in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        FileSystem.open_in_place(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        FileSystem.open_read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
}

impl LogFile for LimitedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let free_bytes = self.1.free_bytes.load(Ordering::SeqCst) as usize;
        if bytes.len() > free_bytes {
            // like a real disk: a part is written
            self.0.append(&bytes[..free_bytes])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.1.free_bytes.fetch_sub(bytes.len() as u64, Ordering::SeqCst);
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.1.sync_fails.load(Ordering::SeqCst) > 0 {
            return Err(io::Error::other("device not present"));
        }
        self.0.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

fn on(disk: &LimitedDisk) -> Options {
    Options { disk: Arc::new(disk.clone()), ..Options::default() }
}

#[tokio::test]
async fn full_disk_rejects_commits_atomically_until_space_is_freed() {
    let folder = tempfile::tempdir().unwrap();
    let disk = LimitedDisk::default();
    disk.free_bytes.store(2000, Ordering::SeqCst);
    let store = EmbeddedStore::open_with(folder.path(), on(&disk)).unwrap();
    make(&store).await;
    let mut written = 0;
    let error = loop {
        match write(&store, &format!("event {written}")).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains("free disk space and retry"), "{error}");
    assert_eq!(events(&store).await.len(), written, "a rejected commit is invisible");
    disk.free_bytes.store(10_000, Ordering::SeqCst);
    write(&store, "after freeing space").await.unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(events(&store).await.len(), written + 1, "a rejected commit is not on the disk");
}

#[tokio::test]
async fn failed_sync_fails_all_later_writes() {
    let folder = tempfile::tempdir().unwrap();
    let disk = LimitedDisk::default();
    disk.free_bytes.store(1 << 20, Ordering::SeqCst);
    let store = EmbeddedStore::open_with(folder.path(), on(&disk)).unwrap();
    make(&store).await;
    disk.sync_fails.store(1, Ordering::SeqCst);
    assert_eq!(write(&store, "lost").await.unwrap_err().kind(), ErrorKind::Failed);
    disk.sync_fails.store(0, Ordering::SeqCst);
    assert_eq!(
        write(&store, "error").await.unwrap_err().kind(),
        ErrorKind::Failed,
        "a failed sync is not retried"
    );
    assert!(events(&store).await.is_empty(), "unsynced commits are invisible");
}

#[tokio::test]
async fn unsynced_writes_may_be_lost_and_synced_ones_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    let mut ends = vec![std::fs::metadata(log(folder.path())).unwrap().len() as usize];
    for (n, durability) in [(0, Written), (1, Written), (2, Synced), (3, Written), (4, Written), (5, Written)]
    {
        let commit = Commit::events(vec![Append::keyed(&orders(), "k", format!("event {n}"))]);
        store.commit(commit.durability(durability)).await.unwrap();
        ends.push(std::fs::metadata(log(folder.path())).unwrap().len() as usize);
    }
    let whole = std::fs::read(log(folder.path())).unwrap();
    // frame n is from ends[n] to ends[n + 1]; a power failure may lose or tear any unsynced sector
    for (torn, left) in [(0, None), (1, None), (2, None), (3, Some(3)), (4, Some(4)), (5, Some(5))] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        let mut damaged = whole.clone();
        damaged[ends[torn] + 10..ends[torn + 1]].fill(0);
        std::fs::write(log(copy.path()), &damaged).unwrap();
        match left {
            Some(left) => {
                let store = open(copy.path());
                assert_eq!(events(&store).await.len(), left, "frame {torn} torn");
                write(&store, "after").await.unwrap();
                drop(store);
                assert_eq!(events(&open(copy.path())).await.len(), left + 1, "continues after frame {torn}");
            }
            None => {
                let error = EmbeddedStore::open(copy.path()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "frame {torn} torn");
            }
        }
    }
}

/// An action on the store under test.
#[derive(Debug, Clone)]
enum Action {
    Step(Step),
    Maintain,
    Restart { removes_index: bool },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => model::any_step().prop_map(Action::Step),
        2 => Just(Action::Maintain),
        1 => any::<bool>().prop_map(|removes_index| Action::Restart { removes_index }),
    ]
}

/// Applies the same steps to both stores, whose outcomes and readable content must be equal.
async fn agree(actions: Vec<(u8, Action)>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let oracle = MemoryStore::with_clock(clock.clone());
    let open = |path| {
        let options = Options { clock: clock.clone(), log_file_bytes: 500, ..Options::default() };
        EmbeddedStore::open_with(path, options).unwrap()
    };
    let mut store = open(folder.path());
    model::set_up(&oracle).await.unwrap();
    model::set_up(&store).await.unwrap();
    for (milliseconds, action) in actions {
        clock.advance(Duration::from_millis(milliseconds.into()));
        match &action {
            Action::Step(step) => {
                let (expected, found) = (model::apply(&oracle, step).await, model::apply(&store, step).await);
                assert_eq!(expected.unwrap(), found.unwrap(), "{action:?}");
            }
            Action::Maintain => store.maintain().await.unwrap(),
            Action::Restart { removes_index } => {
                store.close().await.unwrap();
                drop(store);
                if *removes_index {
                    let _ = std::fs::remove_dir_all(folder.path().join("index"));
                }
                store = open(folder.path());
            }
        }
        assert_eq!(model::digest(&oracle).await.unwrap(), model::digest(&store).await.unwrap(), "{action:?}");
    }
    store.verify().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn matches_the_in_memory_store(actions in prop::collection::vec((any::<u8>(), action()), 1..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(agree(actions));
    }
}
