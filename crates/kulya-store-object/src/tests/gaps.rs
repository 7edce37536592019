//! Gaps in the log and misplaced objects are reported; nothing is acknowledged into a gap. And a log of
//! format 1 is read and continued.

use super::{event, instance, make, memory, orders, positions, put, settings, texts};
use crate::{ObjectLogStore, Settings, StoreLocation};
use kulya_store::{Append, Commit, ErrorKind, Result, StreamStore, WriterId, bounded_read, tail_cut};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use std::time::Duration;

/// The default settings without maintenance.
fn default_settings() -> Settings {
    Settings { checkpoint_every: u64::MAX, clock_check_interval: None, ..Settings::new(instance()) }
}

async fn try_open(objects: &Arc<dyn ObjectStore>) -> Result<ObjectLogStore> {
    ObjectLogStore::open(Arc::clone(objects), &Path::from("a/store"), default_settings()).await
}

fn log(number: u64) -> Path {
    Path::from(format!("a/store/log/{number:020}"))
}

/// Writes objects 0 to 2, which create scope, stream and table, and one object for each of 20 events.
async fn write_twenty(objects: &Arc<dyn ObjectStore>) -> ObjectLogStore {
    let store = try_open(objects).await.unwrap();
    make(&store).await;
    for n in 0..20 {
        store.commit(event(n)).await.unwrap();
    }
    store
}

#[tokio::test]
async fn opening_a_store_reports_a_gap() {
    let objects = memory();
    drop(write_twenty(&objects).await);
    for number in [0, 1, 8, 17, 21] {
        let whole = objects.get(&log(number)).await.unwrap().bytes().await.unwrap();
        objects.delete(&log(number)).await.unwrap();
        let refused = try_open(&objects).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        let text = refused.to_string();
        assert!(text.contains(log(number).as_ref()) && text.contains("missing"), "{text}");
        assert!(text.contains("kulya store repair"), "{text}");
        objects.put(&log(number), whole.into()).await.unwrap();
    }
    assert_eq!(texts(&try_open(&objects).await.unwrap()).await.len(), 20);
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_gap() {
    // the lagging process verified the end of the log recently, or long ago; the gap is where it continues,
    // or later
    for (end_check_interval, number) in [(0, 10), (0, 15), (3600, 10), (3600, 15)] {
        let objects = memory();
        let settings =
            Settings { end_check_interval: Duration::from_secs(end_check_interval), ..default_settings() };
        let lagging =
            ObjectLogStore::open(Arc::clone(&objects), &Path::from("a/store"), settings).await.unwrap();
        make(&lagging).await;
        for n in 0..7 {
            lagging.commit(event(n)).await.unwrap();
        }
        let ahead = try_open(&objects).await.unwrap();
        for n in 7..20 {
            ahead.commit(event(n)).await.unwrap();
        }
        objects.delete(&log(number)).await.unwrap();
        let refused = lagging.commit(event("into the gap")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
        assert!(refused.to_string().contains(log(number).as_ref()), "{refused}");
        if number == 15 {
            let refused = bounded_read(&lagging, &orders()).await.unwrap_err();
            assert!(refused.to_string().contains(log(number).as_ref()), "{refused}");
            assert!(objects.head(&log(number)).await.is_err(), "nothing was written there");
        }
        // opening reports it, too
        let refused = try_open(&objects).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    }
}

#[tokio::test]
async fn an_object_of_another_log_is_rejected() {
    let objects = memory();
    drop(write_twenty(&objects).await);
    let other = memory();
    drop(write_twenty(&other).await);
    // the same number and event, intact: only its author differs
    let foreign = other.get(&log(9)).await.unwrap().bytes().await.unwrap();
    objects.put(&log(9), foreign.into()).await.unwrap();
    let refused = try_open(&objects).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains("does not follow"), "{refused}");
}

#[tokio::test]
async fn reading_reports_a_missing_data_object() {
    let objects = memory();
    let store = write_twenty(&objects).await;
    store.compact().await.unwrap();
    store.commit(put("behind")).await.unwrap();
    let directory = Path::from("a/store/data");
    let found: Vec<_> = futures::TryStreamExt::try_collect(objects.list(Some(&directory))).await.unwrap();
    let [data]: [object_store::ObjectMeta; 1] = found.try_into().unwrap();
    drop(store);
    objects.delete(&data.location).await.unwrap();
    let store = try_open(&objects).await.unwrap();
    assert_eq!(store.get(&positions(), b"last").await.unwrap().unwrap().value, "behind");
    let refused = bounded_read(&store, &orders()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains(data.location.as_ref()), "{refused}");
}

/// A store written before the log had a checksum chain: 13 truncated events, 17 live ones, two open
/// transactions of which one has staged an event, a writer's sequence numbers, and two checkpoints.
#[tokio::test]
async fn a_log_of_format_1_is_read_and_continued() {
    let directory = tempfile::tempdir().unwrap();
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/format1");
    for name in ["", "log", "checkpoint"] {
        std::fs::create_dir_all(directory.path().join(name)).unwrap();
        for file in std::fs::read_dir(from.join(name)).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                std::fs::copy(&file, directory.path().join(name).join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let url = format!("file://{}", directory.path().display());
    let open = async || {
        let StoreLocation { objects, prefix } = StoreLocation::from_url(&url, |_| None).unwrap();
        ObjectLogStore::open(objects, &prefix, settings()).await.unwrap()
    };
    let mut expected: Vec<String> = (13..30).map(|n| n.to_string()).collect();
    let store = open().await;
    let sorted = async |store: &ObjectLogStore| {
        let mut found = texts(store).await;
        found.sort();
        found
    };
    expected.sort();
    assert_eq!(sorted(&store).await, expected);
    assert_eq!(store.last_event_number(WriterId(9)).await.unwrap(), Some(29));
    assert_eq!(store.get(&positions(), b"k4").await.unwrap().unwrap().value, "29");
    // it continues in the new format, and old objects are merged
    for n in 0..300 {
        store
            .commit(Commit::events(vec![Append::keyed(&orders(), "k", format!("new {n:03}"))]))
            .await
            .unwrap();
        expected.push(format!("new {n:03}"));
    }
    store.compact().await.unwrap();
    expected.sort();
    for store in [&store, &open().await] {
        assert_eq!(sorted(store).await, expected);
    }
    assert!(directory.path().join("data").read_dir().unwrap().next().is_some(), "old objects are merged");
    store.truncate(&tail_cut(&store, &orders()).await.unwrap()).await.unwrap();
    assert!(texts(&open().await).await.is_empty());
}
