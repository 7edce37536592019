//! What the store promises beyond the contract: it survives its end, refuses damage, and says so when the disk
//! is full.

mod damage;
mod maintenance;
mod space;

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

async fn events(store: &dyn StreamStore) -> Vec<String> {
    let read = bounded_read(store, &orders()).await.unwrap();
    read.into_iter().map(|(_, event)| String::from_utf8(event.to_vec()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicU64::new(0);
    let report = kulya_store::conformance::run_all(|| {
        let path = folder.path().join(made.fetch_add(1, Ordering::Relaxed).to_string());
        async move { Arc::new(open(&path)) }
    })
    .await;
    assert_eq!(report.skipped, [], "nothing is left out");
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
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

    // the forgotten transaction keeps the first store's lock alive in this process: look at a copy
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), copy.path());
    let store = open(copy.path());
    assert_eq!(bounded_read(&store, &orders()).await.unwrap(), before);
    assert_eq!(events(&store).await, ["one", "two"]);
    let entry = store.get(&positions(), b"last").await.unwrap().unwrap();
    assert_eq!(entry.value, "one");
    write(&store, "three").await.unwrap();
    let later = store.get(&positions(), b"last").await.unwrap().unwrap();
    assert!(later.version > entry.version, "versions go on growing");
    assert_eq!(events(&store).await, ["one", "two", "three"]);
}

/// What a power cut leaves: the file SYNCED is not there.
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
async fn a_second_owner_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let refused = EmbeddedStore::open(folder.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    let text = refused.to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains("stop it first"), "{text}");
    drop(store);
    open(folder.path());
}

#[test]
fn foreign_and_newer_folders_are_refused() {
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("letters.txt"), "dear").unwrap();
    let refused = EmbeddedStore::open(foreign.path()).unwrap_err();
    assert!(refused.to_string().contains("choose a new or empty folder"), "{refused}");
    assert!(!foreign.path().join("log").exists(), "nothing was made there");

    let newer = tempfile::tempdir().unwrap();
    drop(open(newer.path()));
    std::fs::write(newer.path().join("FORMAT"), "kulya-store 99\n").unwrap();
    assert!(EmbeddedStore::open(newer.path()).unwrap_err().to_string().contains("use a newer kulya"));

    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(EmbeddedStore::open(file.path()).unwrap_err().to_string().contains("not a folder"));
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_a_hole_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    let mut lengths = Vec::new();
    for n in 0..5 {
        write(&store, &format!("event {n}")).await.unwrap();
        lengths.push(std::fs::metadata(log(folder.path())).unwrap().len());
    }
    let whole = std::fs::read(log(folder.path())).unwrap();

    // every way of tearing the last frame
    for cut in lengths[3]..lengths[4] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        std::fs::write(log(copy.path()), &whole[..cut as usize]).unwrap();
        let store = open(copy.path());
        assert_eq!(events(&store).await.len(), 4, "cut at {cut}");
        write(&store, "again").await.unwrap();
        drop(store);
        assert_eq!(events(&open(copy.path())).await.len(), 5, "goes on behind the cut at {cut}");
    }
    // garbage and zeros behind the last frame
    for tail in [vec![0u8; 5000], vec![0xa5; 5000]] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        std::fs::write(log(copy.path()), [whole.as_slice(), &tail].concat()).unwrap();
        assert_eq!(events(&open(copy.path())).await.len(), 5);
    }
    // a flipped bit anywhere before the last frame
    for at in (0..lengths[3] as usize).step_by(7) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(log(copy.path()), &damaged).unwrap();
        let refused = EmbeddedStore::open(copy.path()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "byte {at}");
        assert!(refused.to_string().contains("damaged at byte"), "{refused}");
        assert_eq!(std::fs::read(log(copy.path())).unwrap(), damaged, "nothing was changed");
    }
}

/// A disk with room for so many bytes, or one whose sync fails.
#[derive(Clone, Default)]
struct SmallDisk {
    room: Arc<AtomicU64>,
    sync_fails: Arc<AtomicU64>,
}

struct SmallFile(Box<dyn LogFile>, SmallDisk);

impl Disk for SmallDisk {
    fn open_append(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(SmallFile(FileSystem.open_append(path, length)?, self.clone())))
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

impl LogFile for SmallFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.1.room.load(Ordering::SeqCst) as usize;
        if bytes.len() > room {
            // as a real disk does: part of it gets there
            self.0.append(&bytes[..room])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.1.room.fetch_sub(bytes.len() as u64, Ordering::SeqCst);
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.1.sync_fails.load(Ordering::SeqCst) > 0 {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

fn on(disk: &SmallDisk) -> Options {
    Options { disk: Arc::new(disk.clone()), ..Options::default() }
}

#[tokio::test]
async fn a_full_disk_refuses_whole_commits_and_recovers_with_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::default();
    disk.room.store(2000, Ordering::SeqCst);
    let store = EmbeddedStore::open_with(folder.path(), on(&disk)).unwrap();
    make(&store).await;
    let mut written = 0;
    let refused = loop {
        match write(&store, &format!("event {written}")).await {
            Ok(()) => written += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::Full);
    assert!(refused.to_string().contains("make room and try again"), "{refused}");
    assert_eq!(events(&store).await.len(), written, "a refused commit left nothing to see");
    disk.room.store(10_000, Ordering::SeqCst);
    write(&store, "with room").await.unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(events(&store).await.len(), written + 1, "and nothing on the disk");
}

#[tokio::test]
async fn a_failed_sync_ends_all_writing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::default();
    disk.room.store(1 << 20, Ordering::SeqCst);
    let store = EmbeddedStore::open_with(folder.path(), on(&disk)).unwrap();
    make(&store).await;
    disk.sync_fails.store(1, Ordering::SeqCst);
    assert_eq!(write(&store, "lost").await.unwrap_err().kind(), ErrorKind::Failed);
    disk.sync_fails.store(0, Ordering::SeqCst);
    assert_eq!(
        write(&store, "refused").await.unwrap_err().kind(),
        ErrorKind::Failed,
        "a sync is never tried again"
    );
    assert!(events(&store).await.is_empty(), "what was not synced is not seen");
}

#[tokio::test]
async fn what_was_never_synced_may_go_and_what_was_may_not() {
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
    // frame n stands from ends[n] to ends[n + 1]; a power cut may drop or tear any sector that was not synced
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
                write(&store, "again").await.unwrap();
                drop(store);
                assert_eq!(events(&open(copy.path())).await.len(), left + 1, "goes on behind frame {torn}");
            }
            None => {
                let refused = EmbeddedStore::open(copy.path()).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Corrupt, "frame {torn} torn");
            }
        }
    }
}

/// What happens to the store.
#[derive(Debug, Clone)]
enum Act {
    Step(Step),
    Maintain,
    Restart { loses_index: bool },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => model::any_step().prop_map(Act::Step),
        2 => Just(Act::Maintain),
        1 => any::<bool>().prop_map(|loses_index| Act::Restart { loses_index }),
    ]
}

/// The same steps on both stores; every answer and, in the end, everything readable must agree.
async fn agree(acts: Vec<(u8, Act)>) {
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
    for (milliseconds, act) in acts {
        clock.advance(Duration::from_millis(milliseconds.into()));
        match &act {
            Act::Step(step) => {
                let (expected, found) = (model::apply(&oracle, step).await, model::apply(&store, step).await);
                assert_eq!(expected.unwrap(), found.unwrap(), "{act:?}");
            }
            Act::Maintain => store.maintain().await.unwrap(),
            Act::Restart { loses_index } => {
                store.close().await.unwrap();
                drop(store);
                if *loses_index {
                    let _ = std::fs::remove_dir_all(folder.path().join("index"));
                }
                store = open(folder.path());
            }
        }
        assert_eq!(model::digest(&oracle).await.unwrap(), model::digest(&store).await.unwrap(), "{act:?}");
    }
    store.verify().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn agrees_with_the_store_in_memory(acts in prop::collection::vec((any::<u8>(), act()), 1..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(agree(acts));
    }
}
