//! Tests of damage: what a repair drops and retains, events that look like frames, and the cost of a
//! search.

use super::{open, orders};
use crate::disk::{Disk, FileSystem, InPlaceFile, LockOutcome, LogFile, ReadFile};
use crate::fuzzing::{encode_legacy_frame, encode_log_file};
use crate::{EmbeddedStore, Options};
use kulya_store::{Append, Commit, ErrorKind, StreamConfig, StreamId, StreamStore, bounded_read};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn secret() -> StreamId {
    StreamId::new("shop", "secret").unwrap()
}

async fn make(store: &EmbeddedStore) {
    store.create_scope(&orders().scope).await.unwrap();
    store.create_stream(&secret(), StreamConfig::with_segments(1)).await.unwrap();
    store.create_stream(&orders(), StreamConfig::with_segments(1)).await.unwrap();
    append(store, &secret(), b"the secret").await;
}

async fn append(store: &EmbeddedStore, stream: &StreamId, event: &[u8]) {
    store.commit(Commit::events(vec![Append::keyed(stream, "k", event.to_vec())])).await.unwrap();
}

async fn events(store: &EmbeddedStore, stream: &StreamId) -> Vec<Vec<u8>> {
    let events = bounded_read(store, stream).await.unwrap();
    events.into_iter().map(|(_, event)| event.to_vec()).collect()
}

/// Copies what is left after a power failure: the file SYNCED may be lost.
fn copy(from: &Path, to: &Path) {
    for name in ["FORMAT", "MANIFEST", "log"] {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(from).unwrap().flatten() {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<_> =
        std::fs::read_dir(folder.join("log")).unwrap().map(|e| e.unwrap().path()).collect();
    logs.sort();
    logs
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    how(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Damage longer than the search window loses only the frames that it hits.
#[tokio::test]
async fn long_damage_loses_only_the_frames_that_it_hits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    let event = |number: u8| vec![b'a' + number; 900_000];
    for number in 0..10 {
        append(&store, &orders(), &event(number)).await;
    }
    store.close().await.unwrap();
    drop(store);
    change(&logs(folder.path())[0], |bytes| {
        let at = bytes.windows(9).position(|found| found == b"ddddddddd").unwrap();
        bytes[at..at + 1_200_000].fill(0);
    });
    let found = EmbeddedStore::repair(folder.path()).unwrap();
    assert_eq!((found.frames_lost, found.events_lost), (2, Some(2)));
    let [lost] = found.lost.as_slice() else { panic!("{found:?}") };
    let framed = 900_008;
    assert_eq!((&lost.stream, lost.segment, lost.events), (&orders(), 0, Some(2)));
    assert_eq!((lost.from, lost.to), (3 * framed, 5 * framed));
    let left = [0, 1, 2, 5, 6, 7, 8, 9].map(event);
    assert!(events(&open(folder.path()), &orders()).await == left);
}

/// A missing log file in the middle loses only its own events.
#[tokio::test]
async fn missing_file_loses_only_its_own_events() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { log_file_bytes: 3000, ..Options::default() };
    let store = EmbeddedStore::open_with(folder.path(), options()).unwrap();
    make(&store).await;
    let event = |number: u8| vec![b'a' + number; 500];
    for number in 0..20 {
        append(&store, &orders(), &event(number)).await;
    }
    store.close().await.unwrap();
    drop(store);
    let logs = logs(folder.path());
    assert!(logs.len() > 3, "{logs:?}");
    let bytes = std::fs::read(&logs[1]).unwrap();
    let is_there = |number: &u8| bytes.windows(500).any(|found| found == event(*number));
    let (gone, left): (Vec<u8>, Vec<u8>) = (0..20).partition(is_there);
    std::fs::remove_file(&logs[1]).unwrap();
    let error = EmbeddedStore::open_with(folder.path(), options()).unwrap_err();
    assert!(error.to_string().contains("0000000000000001.log is missing"), "{error}");
    let found = EmbeddedStore::repair(folder.path()).unwrap();
    assert_eq!(found.events_lost, Some(gone.len() as u64));
    assert!(matches!(found.lost.as_slice(), [lost] if lost.events == Some(gone.len() as u64)), "{found:?}");
    let store = EmbeddedStore::open_with(folder.path(), options()).unwrap();
    assert!(events(&store, &orders()).await == left.into_iter().map(event).collect::<Vec<_>>());
}

/// Frames that a writer of events can forge or copy: ops that delete a stream, with plausible sequences.
fn forged(folder: &Path) -> Vec<Vec<u8>> {
    let delete = [12u8, 0, 0, 0, 0];
    let mut forged: Vec<Vec<u8>> =
        (1..12).map(|sequence| encode_legacy_frame(sequence, sequence - 1, &delete)).collect();
    forged.push(encode_legacy_frame(1 << 40, (1 << 40) - 1, &delete));
    forged.push(encode_log_file([delete.as_slice(), &delete, &delete]));
    forged.push(encode_log_file([delete.as_slice()])[64..].to_vec());
    // the original frames of this store, from its log
    forged.push(std::fs::read(&logs(folder)[0]).unwrap());
    forged
}

#[tokio::test]
async fn frame_bytes_in_an_event_are_not_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    append(&store, &orders(), b"before").await;
    let before = std::fs::read(&logs(folder.path())[0]).unwrap().len();
    let event = forged(folder.path()).concat();
    append(&store, &orders(), &event).await;
    let whole = std::fs::read(&logs(folder.path())[0]).unwrap();
    let after = |bytes: &[u8]| {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        std::fs::write(&logs(copied.path())[0], bytes).unwrap();
        copied
    };
    // a torn tail is truncated, wherever it is torn
    for cut in (before..whole.len()).step_by(97).chain([whole.len() - 1]) {
        let torn = after(&whole[..cut]);
        let store = open(torn.path());
        assert_eq!(events(&store, &orders()).await, [b"before"], "cut at {cut}");
        assert_eq!(events(&store, &secret()).await, [b"the secret"], "cut at {cut}");
    }
    // a flipped bit or a lost header, followed by another frame: only the damaged frame is dropped
    append(&store, &orders(), b"behind").await;
    let longer = std::fs::read(&logs(folder.path())[0]).unwrap();
    for (from, to) in [
        (before, before + 48),
        (before, before + 1),
        (before + 200, before + 201),
        (before + 30, before + 300),
    ] {
        let mut bytes = longer.clone();
        bytes[from..to].iter_mut().for_each(|byte| *byte ^= 0x55);
        let damaged = after(&bytes);
        assert_eq!(EmbeddedStore::open(damaged.path()).unwrap_err().kind(), ErrorKind::Corrupt);
        let found = EmbeddedStore::repair(damaged.path()).unwrap();
        assert_eq!(
            (found.frames_lost, found.events_lost, found.dropped_changes),
            (1, Some(1), 0),
            "{found:?}"
        );
        let store = open(damaged.path());
        assert_eq!(events(&store, &orders()).await, [b"before", b"behind"]);
        assert_eq!(events(&store, &secret()).await, [b"the secret"]);
    }
}

/// The same in a log of format 2, whose frames are not authenticated: bytes within an event are not taken
/// for a frame where the surrounding frames tell the positions.
#[tokio::test]
async fn frame_bytes_in_an_event_of_format_2_are_not_a_frame() {
    let delete = [12u8, 0, 0, 0, 0];
    let name = |name: &str| [&(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat();
    let stream = |id: u8, named: &str| {
        [&[2, 0, 0, 0, id, 0, 0, 0, 1, 0, 0, 0, 0][..], &[0xff; 16], &name("shop"), &name(named)].concat()
    };
    let appended = |id: u8, start: u64, event: &[u8]| {
        let framed = [&[0; 4][..], &(event.len() as u32).to_be_bytes(), event].concat();
        let (checksum, length) = (crc32c::crc32c(&framed).to_be_bytes(), (framed.len() as u32).to_be_bytes());
        let segment = [4, 0, 0, 0, id, 0, 0, 0, 0];
        [&segment[..], &start.to_be_bytes(), &[0; 8], &checksum, &length, &framed].concat()
    };
    let inner: Vec<u8> =
        (1..9).flat_map(|sequence| encode_legacy_frame(sequence, sequence - 1, &delete)).collect();
    let bodies = [
        [vec![1], name("shop"), stream(0, "secret"), stream(1, "orders")].concat(),
        appended(0, 0, b"the secret"),
        appended(1, 0, b"before"),
        appended(1, 14, &inner),
        appended(1, 22 + inner.len() as u64, b"behind"),
    ];
    let frames: Vec<Vec<u8>> = (1..)
        .zip(&bodies)
        .map(|(sequence, body)| encode_legacy_frame(sequence, sequence - 1, body))
        .collect();
    let whole = frames.concat();
    let at = frames[..3].concat().len();
    let folder = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        std::fs::write(folder.path().join("FORMAT"), "kulya-store 2\n").unwrap();
        std::fs::write(super::log(folder.path()), bytes).unwrap();
        folder
    };
    let upgraded = folder(&whole);
    assert_eq!(events(&open(upgraded.path()), &orders()).await.len(), 3);
    let format = std::fs::read_to_string(upgraded.path().join("FORMAT")).unwrap();
    assert_eq!(format, "kulya-store 3\n");
    let mut bytes = whole.clone();
    bytes[at + 300] ^= 1;
    for damaged in [folder(&bytes), upgraded] {
        std::fs::write(super::log(damaged.path()), &bytes).unwrap();
        let found = EmbeddedStore::repair(damaged.path()).unwrap();
        assert_eq!(found.frames_lost, 1, "{found:?}");
        let store = open(damaged.path());
        assert_eq!(events(&store, &orders()).await, [b"before", b"behind"]);
        assert_eq!(events(&store, &secret()).await, [b"the secret"]);
    }
}

/// The file system, counting the bytes that are read.
#[derive(Clone, Default)]
struct CountingDisk(Arc<AtomicU64>);

struct CountingFile(Arc<dyn ReadFile>, Arc<AtomicU64>);

impl ReadFile for CountingFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.0.read_at(buffer, offset)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Disk for CountingDisk {
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
    fn open_append(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        FileSystem.open_append(path, length)
    }
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(CountingFile(FileSystem.open_read(path)?, Arc::clone(&self.0))))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
}

/// An event that consists of starts of long frames costs recovery and repair time linear in its length.
#[tokio::test]
async fn event_full_of_frame_starts_is_read_a_bounded_number_of_times() {
    const EVENT_BYTES: usize = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    make(&store).await;
    let beginnings = |magic: &[u8; 4], header: usize| {
        let length = EVENT_BYTES as u32 / 2;
        let numbers = [&5u64.to_be_bytes()[..], &4u64.to_be_bytes()].concat();
        let one = match header {
            28 => [&magic[..], &length.to_be_bytes(), &[0; 4], &numbers].concat(),
            _ => [&magic[..], &length.to_be_bytes()].concat(),
        };
        one.repeat(EVENT_BYTES / one.len())
    };
    append(&store, &orders(), &beginnings(b"KLG3", 8)).await;
    let whole = std::fs::read(&logs(folder.path())[0]).unwrap();
    let legacy = encode_legacy_frame(1, 0, &[1, 0, 1, b's']);
    let behind = [&legacy[..], b"KLG1", &beginnings(b"KLG1", 28)].concat();
    let dense = [&legacy[..], b"KLG1", &beginnings(b"KLG1", 8)].concat();
    for (format, bytes, times) in
        [(3, &whole[..whole.len() - 1], 8), (2, behind.as_slice(), 80), (2, dense.as_slice(), 8)]
    {
        let torn = tempfile::tempdir().unwrap();
        copy(folder.path(), torn.path());
        std::fs::write(torn.path().join("FORMAT"), format!("kulya-store {format}\n")).unwrap();
        std::fs::write(super::log(torn.path()), bytes).unwrap();
        let disk = CountingDisk::default();
        let options = Options { disk: Arc::new(disk.clone()), ..Options::default() };
        drop(EmbeddedStore::open_with(torn.path(), options).unwrap());
        let read = disk.0.load(Ordering::Relaxed);
        assert!(read < times * bytes.len() as u64, "{read} bytes of {} in format {format}", bytes.len());
    }
}
