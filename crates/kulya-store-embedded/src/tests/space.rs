//! Tests of compaction, of a lost or damaged index, and of repair.

use super::orders;
use crate::{EmbeddedStore, Options};
use kulya_store::clock::ManualClock;
use kulya_store::{
    Append, Commit, Condition, ErrorKind, EventPointer, Retention, StreamConfig, StreamId, StreamStore,
    TableChange, TableId, bounded_read, head_cut, tail_cut,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const FILE_BYTES: u64 = 4000;

fn open(path: &Path) -> kulya_store::Result<EmbeddedStore> {
    EmbeddedStore::open_with(path, Options { log_file_bytes: FILE_BYTES, ..Options::default() })
}

fn other() -> StreamId {
    StreamId::new("shop", "slow").unwrap()
}

fn table() -> TableId {
    TableId::new("shop", "positions").unwrap()
}

/// Creates two streams and a table, and commits one round per number: an event of the first stream, a
/// change of one of four entries, and every tenth round an event of the second stream.
async fn fill(store: &EmbeddedStore, events: std::ops::Range<u32>) {
    store.create_scope(&orders().scope).await.unwrap();
    store.create_stream(&orders(), StreamConfig::with_segments(2)).await.unwrap();
    store.create_stream(&other(), StreamConfig::with_segments(1)).await.unwrap();
    store.create_table(&table()).await.unwrap();
    for number in events {
        let text = format!("event {number} {}", "x".repeat(60));
        let mut commit = Commit::events(vec![Append::keyed(&orders(), number.to_string(), text)]);
        if number % 10 == 0 {
            commit.appends.push(Append::keyed(&other(), "k", format!("slow {number}")));
        }
        let key = vec![b'a' + (number % 4) as u8];
        commit.changes = vec![TableChange::put(&table(), key, Condition::Any, number.to_string())];
        store.commit(commit).await.unwrap();
    }
}

async fn entries(store: &EmbeddedStore) -> Vec<(u8, String)> {
    let entries = store.scan(&table(), b"", None, 100).await.unwrap();
    entries.iter().map(|e| (e.key[0], String::from_utf8_lossy(&e.value).into_owned())).collect()
}

async fn everything(store: &EmbeddedStore) -> BTreeMap<EventPointer, bytes::Bytes> {
    let mut all: BTreeMap<_, _> = bounded_read(store, &orders()).await.unwrap().into_iter().collect();
    all.extend(bounded_read(store, &other()).await.unwrap());
    all
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<_> =
        std::fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    logs
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_stream_does_not_pin_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    fill(&store, 0..1000).await;
    let slow: Vec<_> = bounded_read(&store, &other()).await.unwrap();
    let (_, before) = store.disk_usage().unwrap();
    let mut cut = tail_cut(&store, &orders()).await.unwrap();
    store.truncate(&cut).await.unwrap();
    store.maintain().await.unwrap();
    let (files, after) = store.disk_usage().unwrap();
    assert!(after * 5 < before, "{before} bytes became {after} in {files} files");
    assert_eq!(bounded_read(&store, &other()).await.unwrap(), slow, "the slow stream is unchanged");
    assert_eq!(entries(&store).await[3], (b'd', "999".to_owned()));
    assert_eq!(head_cut(&store, &orders()).await.unwrap(), cut);
    // the same after another round, a restart, and a rebuilt index
    fill(&store, 1000..2000).await;
    cut = tail_cut(&store, &orders()).await.unwrap();
    store.truncate(&cut).await.unwrap();
    store.maintain().await.unwrap();
    store.verify().await.unwrap();
    let slow: Vec<_> = bounded_read(&store, &other()).await.unwrap();
    assert_eq!(slow.len(), 200);
    for removes_index in [false, true] {
        let copy = tempfile::tempdir().unwrap();
        store.backup(copy.path().join("copy")).await.unwrap();
        let copy = copy.path().join("copy");
        if !removes_index {
            copy_all(&folder.path().join("index"), &copy.join("index"));
        }
        let store = open(&copy).unwrap();
        assert_eq!(bounded_read(&store, &other()).await.unwrap(), slow);
        assert_eq!(
            tail_cut(&store, &orders()).await.unwrap(),
            cut,
            "a fully truncated stream retention its tail"
        );
        assert_eq!(entries(&store).await[3], (b'd', "1999".to_owned()));
        fill(&store, 2000..2001).await;
        assert_eq!(bounded_read(&store, &orders()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn maintenance_applies_retention() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let options = Options { clock: clock.clone(), inline: true, ..Options::default() };
    let store = EmbeddedStore::open_with(folder.path(), options).unwrap();
    fill(&store, 0..10).await;
    let retention = Retention { age: Some(Duration::from_secs(60)), bytes: None };
    store.update_stream(&orders(), StreamConfig::with_segments(2).retention(retention)).await.unwrap();
    clock.advance(Duration::from_secs(50));
    fill(&store, 10..15).await;
    store.maintain().await.unwrap();
    assert_eq!(bounded_read(&store, &orders()).await.unwrap().len(), 15);
    clock.advance(Duration::from_secs(20));
    store.maintain().await.unwrap();
    assert_eq!(bounded_read(&store, &orders()).await.unwrap().len(), 5, "ten events are older than a minute");
    assert_eq!(bounded_read(&store, &other()).await.unwrap().len(), 2, "the other stream has no retention");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_index_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    fill(&store, 0..300).await;
    store.maintain().await.unwrap();
    let (events, entered) = (everything(&store).await, entries(&store).await);
    store.close().await.unwrap();
    drop(store);
    for damage in ["garbage", "cut", "foreign"] {
        let copy = tempfile::tempdir().unwrap();
        copy_all(folder.path(), copy.path());
        let mut hit = 0;
        let mut folders = vec![copy.path().join("index")];
        while let Some(inside) = folders.pop() {
            for entry in std::fs::read_dir(inside).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let mut bytes = std::fs::read(entry.path()).unwrap();
                match damage {
                    "garbage" => bytes.iter_mut().for_each(|byte| *byte ^= 0x5a),
                    "cut" => bytes.truncate(bytes.len() / 2),
                    _ => bytes = b"garbage file".to_vec(),
                }
                std::fs::write(entry.path(), bytes).unwrap();
                hit += 1;
            }
        }
        assert!(hit > 0, "the index has files");
        let store = open(copy.path()).unwrap();
        assert!(everything(&store).await == events && entries(&store).await == entered, "{damage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_drops_only_what_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    fill(&store, 0..300).await;
    let events = everything(&store).await;
    store.close().await.unwrap();
    drop(store);
    let report = EmbeddedStore::repair(folder.path()).unwrap();
    assert!(!report.is_damaged() && report.torn_tail.is_none(), "not damaged: {report:?}");

    let damaged = &logs(folder.path())[3];
    let mut bytes = std::fs::read(damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(damaged, bytes).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("kulya store repair"), "{error}");
    let repaired = EmbeddedStore::repair(folder.path()).unwrap();
    let files: Vec<_> = repaired.damage.iter().map(|damage| damage.file.as_str()).collect();
    assert_eq!(files, [damaged.file_name().unwrap().to_string_lossy()]);
    assert!(folder.path().join("damaged").join(files[0]).exists());
    assert_eq!(repaired.frames_lost, 1);

    let store = open(folder.path()).unwrap();
    store.verify().await.unwrap();
    let left = everything(&store).await;
    let lost: Vec<_> = events.keys().filter(|pointer| !left.contains_key(*pointer)).collect();
    assert!((1..=2).contains(&lost.len()), "a frame has one or two events: {lost:?}");
    assert!(left.iter().all(|(pointer, event)| events.get(pointer) == Some(event)));
    for pointer in &lost {
        let gone = store.event(pointer).await.unwrap_err();
        assert!(
            gone.kind() == ErrorKind::Corrupt && gone.to_string().contains("dropped by a repair"),
            "{gone}"
        );
    }
    assert_eq!(repaired.events_lost, Some(lost.len() as u64));
    let gaps: u64 = repaired.lost.iter().map(|lost| lost.to - lost.from).sum();
    assert_eq!(
        gaps,
        lost.iter().map(|pointer| u64::from(pointer.length)).sum::<u64>(),
        "the gap is the size of the lost events"
    );
    // the store works normally after the repair
    fill(&store, 300..400).await;
    store.truncate(&head_cut(&store, &orders()).await.unwrap()).await.unwrap();
    store.maintain().await.unwrap();
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(everything(&store).await.len(), left.len() + 110);
    assert_eq!(entries(&store).await[3].1, "399");
}

async fn damaged_anywhere(hits: Vec<(u8, u16, u8)>, removed: Option<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    fill(&store, 0..120).await;
    let cut = tail_cut(&store, &orders()).await.unwrap();
    store.truncate(&cut).await.unwrap();
    store.maintain().await.unwrap();
    fill(&store, 120..200).await;
    let events = everything(&store).await;
    store.close().await.unwrap();
    drop(store);
    let logs = logs(folder.path());
    let mut intact: BTreeMap<_, _> =
        logs.iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    for (file, at, bit) in hits {
        let path = &logs[usize::from(file) % logs.len()];
        intact.remove(path);
        let mut bytes = std::fs::read(path).unwrap();
        let at = usize::from(at) % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
        std::fs::write(path, bytes).unwrap();
    }
    if let Some(removed) = removed {
        let path = &logs[usize::from(removed) % logs.len()];
        std::fs::remove_file(path).unwrap();
        intact.remove(path);
    }
    EmbeddedStore::repair(folder.path()).unwrap();
    let store = open(folder.path()).unwrap();
    store.verify().await.unwrap();
    for stream in [orders(), other()] {
        // the creation of the stream may be what was lost
        match bounded_read(&store, &stream).await {
            Ok(left) => {
                let is_true = |(pointer, event): &(EventPointer, _)| events.get(pointer) == Some(event);
                assert!(left.iter().all(is_true), "readable events are as written");
                for (pointer, event) in events.iter().filter(|(pointer, _)| pointer.segment.stream == stream)
                {
                    let framed = kulya_store::framing::frame(event);
                    let is_intact =
                        intact.values().any(|file| file.windows(framed.len()).any(|at| at == framed));
                    let is_left = left.iter().any(|(found, _)| found == pointer);
                    assert!(is_left || !is_intact, "{pointer} was in a file that was not damaged");
                }
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
    }
    fill(&store, 200..210).await;
    store.maintain().await.unwrap();
    drop(store);
    open(folder.path()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_damage_is_repaired(
        hits in prop::collection::vec(any::<(u8, u16, u8)>(), 1..4),
        removed in prop::option::weighted(0.3, any::<u8>()),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(damaged_anywhere(hits, removed));
    }
}

/// Folders of the first release of each format, which every later version must be able to read. The content
/// of new folders must be the same; KULYA_REGENERATE=1 stores a new one.
#[tokio::test(flavor = "multi_thread")]
async fn folders_of_first_releases_are_readable() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let today = tempfile::tempdir().unwrap();
    create_dir_all(today.path()).await;
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        let to = kept.join("format-3");
        copy_all(today.path(), &to);
        std::fs::remove_dir_all(to.join("index")).unwrap();
    }
    let mut folders = vec![(3, today)];
    for format in [2, 3] {
        let copy = tempfile::tempdir().unwrap();
        copy_all(&kept.join(format!("format-{format}")), copy.path());
        folders.push((format, copy));
    }
    for (format, folder) in folders {
        let before = std::fs::read_to_string(folder.path().join("FORMAT")).unwrap();
        assert_eq!(before, format!("kulya-store {format}\n"));
        let (salvaged, read_only) = EmbeddedStore::check(folder.path()).unwrap();
        assert!(!salvaged.is_damaged() && salvaged.torn_tail.is_none(), "{salvaged:?}");
        check_content(&read_only).await;
        drop(read_only);
        let store = open(folder.path()).unwrap();
        store.verify().await.unwrap();
        check_content(&store).await;
        fill(&store, 100..101).await;
        // old and new files are compacted together
        store.truncate(&tail_cut(&store, &orders()).await.unwrap()).await.unwrap();
        store.maintain().await.unwrap();
        store.close().await.unwrap();
        drop(store);
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        let store = open(folder.path()).unwrap();
        store.verify().await.unwrap();
        assert_eq!(bounded_read(&store, &other()).await.unwrap().len(), 11);
        let format = std::fs::read_to_string(folder.path().join("FORMAT")).unwrap();
        assert_eq!(format, "kulya-store 3\n");
    }
}

async fn check_content(store: &EmbeddedStore) {
    let texts = |events: Vec<(EventPointer, bytes::Bytes)>| {
        let text = |(_, event): (_, bytes::Bytes)| String::from_utf8_lossy(&event).into_owned();
        events.into_iter().map(text).collect::<Vec<_>>()
    };
    let slow = texts(bounded_read(store, &other()).await.unwrap());
    assert_eq!(slow, (0..10).map(|number| format!("slow {}", number * 10)).collect::<Vec<_>>());
    let kept = texts(bounded_read(store, &orders()).await.unwrap());
    assert_eq!(kept.iter().filter(|event| event.starts_with("event ")).count(), 40);
    assert_eq!(kept.iter().filter(|event| event.starts_with("staged ")).count(), 5);
    let last = [(b'a', "96"), (b'b', "97"), (b'c', "98"), (b'd', "99")];
    assert_eq!(entries(store).await, last.map(|(key, value)| (key, value.to_owned())));
    let sealed = StreamId::new("shop", "sealed").unwrap();
    assert!(store.stream(&sealed).await.unwrap().sealed);
    assert_eq!(store.last_event_number(kulya_store::WriterId(7)).await.unwrap(), Some(9));
}

/// Creates the content of the folders.
async fn create_dir_all(path: &Path) {
    let store = open(path).unwrap();
    fill(&store, 0..60).await;
    let sealed = StreamId::new("shop", "sealed").unwrap();
    let retention = Retention { age: Some(Duration::from_secs(86_400)), bytes: Some(1 << 30) };
    store.create_stream(&sealed, StreamConfig::with_segments(1).retention(retention)).await.unwrap();
    store.seal_stream(&sealed).await.unwrap();
    store.truncate(&tail_cut(&store, &orders()).await.unwrap()).await.unwrap();
    store.maintain().await.unwrap();
    fill(&store, 60..100).await;
    let mut transaction = store.begin().await.unwrap();
    for number in 0..5 {
        let append = Append::keyed(&orders(), "t", format!("staged {number}"));
        transaction.stage(vec![append]).await.unwrap();
    }
    transaction.commit(vec![]).await.unwrap();
    store.commit(Commit::default().with_writer(kulya_store::WriterId(7), 9)).await.unwrap();
    store.close().await.unwrap();
}

/// Readers do not notice that log files are compacted.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn maintenance_is_invisible_to_readers() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    fill(&store, 0..200).await;
    let slow: Vec<_> = bounded_read(&store, &other()).await.unwrap();
    let (ends, ended) = tokio::sync::watch::channel(false);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, slow, ended) = (store.clone(), slow.clone(), ended.clone());
            tokio::spawn(async move {
                let mut reads = 0;
                while !*ended.borrow() {
                    for (pointer, event) in &slow {
                        assert_eq!(store.event(pointer).await.unwrap(), event);
                    }
                    let all = bounded_read(&store, &other()).await.unwrap();
                    assert!(all.starts_with(&slow));
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for round in 1..15 {
        fill(&store, round * 200..(round + 1) * 200).await;
        store.truncate(&tail_cut(&store, &orders()).await.unwrap()).await.unwrap();
        store.maintain().await.unwrap();
    }
    ends.send_replace(true);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    let names: Vec<_> = logs(folder.path());
    assert!(names.iter().any(|name| name.to_string_lossy().contains('-')), "files were compacted: {names:?}");
}
