//! Backup of a store that is being written, and repair.

use super::{event, instance, make, memory, open, orders, positions, put, settings, texts};
use crate::{ObjectLogStore, Settings, StoreLocation, repair, verify};
use kulya_store::clock::ManualClock;
use kulya_store::{Retention, StreamConfig, StreamStore, model};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_during_writes_holds_everything_acknowledged_before() {
    let objects = memory();
    let store = open(&objects).await;
    make(&store).await;
    let (acknowledged, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let writing = {
        let (store, acknowledged, stop) =
            (open(&objects).await, Arc::clone(&acknowledged), Arc::clone(&stop));
        tokio::spawn(async move {
            for n in 0.. {
                store.commit(event(n)).await.unwrap();
                acknowledged.store(n + 1, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    for _ in 0..5 {
        let before = acknowledged.load(Ordering::SeqCst);
        let copy = StoreLocation { objects: memory(), prefix: Path::from("copy") };
        store.backup(&copy).await.unwrap();
        let copied = ObjectLogStore::open(Arc::clone(&copy.objects), &copy.prefix, settings()).await.unwrap();
        let read = texts(&copied).await;
        assert!(read.len() >= before, "{} of {before} are in the backup", read.len());
        assert!(read.iter().enumerate().all(|(n, text)| *text == n.to_string()), "in order, without gaps");
        let found = verify(Arc::clone(&copy.objects), &copy.prefix, settings()).await.unwrap();
        assert!(found.is_intact(), "{found:?}");
        let refused = store.backup(&copy).await.unwrap_err();
        assert!(refused.to_string().contains("not empty"), "{refused}");
    }
    stop.store(true, Ordering::SeqCst);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_backup_equals_its_store() {
    let objects = memory();
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let settings = Settings { clock: clock.clone(), ..settings() };
    let store = ObjectLogStore::open(Arc::clone(&objects), &Path::from("a/store"), settings).await.unwrap();
    make(&store).await;
    model::set_up(&store).await.unwrap();
    for n in 0..40 {
        clock.advance(Duration::from_millis(7));
        store.commit(event(n)).await.unwrap();
        store.commit(put(n)).await.unwrap();
        if n == 20 {
            store.compact().await.unwrap();
        }
    }
    let copy = StoreLocation { objects: memory(), prefix: Path::default() };
    store.backup(&copy).await.unwrap();
    let copied = ObjectLogStore::open(copy.objects, &copy.prefix, Settings::new(instance())).await.unwrap();
    assert_eq!(model::digest(&copied).await.unwrap(), model::digest(&store).await.unwrap());
    assert_eq!(texts(&copied).await, texts(&store).await);
    for millis in 0..300 {
        let time = Duration::from_secs(1000) + Duration::from_millis(millis);
        let cuts =
            (store.cut_at(&orders(), time).await.unwrap(), copied.cut_at(&orders(), time).await.unwrap());
        assert_eq!(cuts.0, cuts.1, "at {millis} ms");
    }
}

#[tokio::test]
async fn a_repair_reports_losses_and_running_processes_continue() {
    let objects = memory();
    let plain = async || {
        let settings = Settings { checkpoint_every: u64::MAX, ..settings() };
        ObjectLogStore::open(Arc::clone(&objects), &Path::from("a/store"), settings).await.unwrap()
    };
    let store = plain().await;
    make(&store).await;
    for n in 0..20 {
        store.commit(event(n)).await.unwrap();
    }
    let lagging = plain().await;
    drop(store);
    objects.delete(&Path::from("a/store/log/00000000000000000010")).await.unwrap();
    let prefix = Path::from("a/store");
    let found = verify(Arc::clone(&objects), &prefix, settings()).await.unwrap();
    let [lost] = &found.lost[..] else { panic!("{found:?}") };
    assert_eq!((&lost.segment.stream, lost.from, lost.to), (&orders(), 63, 72), "event 7 alone");
    assert!(lost.reason.contains("log/00000000000000000010: it is missing"), "{}", lost.reason);
    assert_eq!(found.events, 19);
    assert_eq!(repair(Arc::clone(&objects), &prefix, settings()).await.unwrap(), found);
    let expected: Vec<String> = (0..20).filter(|n| *n != 7).map(|n| n.to_string()).collect();
    let store = plain().await;
    assert_eq!(texts(&store).await, expected);
    store.commit(put("after")).await.unwrap();
    assert_eq!(lagging.get(&positions(), b"last").await.unwrap().unwrap().value, "after");
    let found = verify(Arc::clone(&objects), &prefix, settings()).await.unwrap();
    assert!(found.is_intact() && found.previously_lost.len() == 1, "{found:?}");
    assert_eq!(
        repair(Arc::clone(&objects), &prefix, settings()).await.unwrap(),
        found,
        "a second repair changes nothing"
    );
}

#[tokio::test]
async fn retention_is_applied_in_the_background() {
    let objects = memory();
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let prefix = Path::from("a/store");
    let stores = [(); 2].map(|()| {
        let settings = Settings { clock: clock.clone(), checkpoint_every: u64::MAX, ..settings() };
        ObjectLogStore::open(Arc::clone(&objects), &prefix, settings)
    });
    let stores = futures::future::try_join_all(stores).await.unwrap();
    make(&stores[0]).await;
    for n in 0..20 {
        clock.advance(Duration::from_secs(1));
        stores[0].commit(event(n)).await.unwrap();
    }
    let set_retention = async |retention| {
        let config = StreamConfig::with_segments(2).retention(retention);
        stores[1].update_stream(&orders(), config).await.unwrap();
    };
    let wait_for = async |count: usize| {
        loop {
            let read = texts(&stores[0]).await;
            assert!(read.len() >= count, "{read:?}");
            if read.len() == count {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    set_retention(Retention { age: Some(Duration::from_secs(4)), bytes: None }).await;
    wait_for(5).await;
    set_retention(Retention { age: None, bytes: Some(20) }).await;
    wait_for(2).await;
}
