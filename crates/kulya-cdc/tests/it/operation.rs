//! Operation of a capture: its status, pause and resume, and dropping it.

use crate::database::Database;
use kulya_cdc::kulya_store::clock::SystemClock;
use kulya_cdc::kulya_store::memory::MemoryStore;
use kulya_cdc::kulya_store::{Scope, StreamStore};
use kulya_cdc::{
    CancellationToken, Capture, CaptureState, CaptureStatus, CdcErrorKind, Control, Progress,
    delete_captured_streams, drop_capture, stored_captures,
};
use kulya_registry::Registry;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Waits for a progress notification.
async fn wait_for(progress: &mut UnboundedReceiver<Progress>, condition: impl Fn(&Progress) -> bool) {
    while !condition(&progress.recv().await.unwrap()) {}
}

/// Waits for a status.
async fn wait_for_status(control: &Control, condition: impl Fn(&CaptureStatus) -> bool) -> CaptureStatus {
    loop {
        let status = control.status();
        if condition(&status) {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn capture_is_paused_resumed_and_dropped() {
    let database = Database::create("cdc_operation").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY)\nINSERT INTO t VALUES (1), (2), (3)").await;
    let (store, settings) = (MemoryStore::new(), database.settings());
    let control = Control::open(store.clone(), "cdc_operation").await.unwrap();
    let cancel = CancellationToken::new();
    let (sender, mut progress) = unbounded_channel();
    let registry = Registry::new(store.clone(), SystemClock).unwrap();
    let capture = Capture::from(settings.clone())
        .cancelled_by(cancel.clone())
        .controlled_by(control.clone())
        .on_progress(move |progress| drop(sender.send(progress)))
        .run_into_store(store.clone(), registry);
    let task = tokio::spawn(capture);

    let is_streaming = |progress: &Progress| matches!(progress, Progress::Streaming { .. });
    let is_stored = |progress: &Progress| matches!(progress, Progress::Stored { records: 1, .. });
    wait_for(&mut progress, is_streaming).await;
    let status = wait_for_status(&control, |status| status.lag_seconds == Some(0)).await;
    assert_eq!((status.records, &status.state), (3, &CaptureState::Streaming));
    assert_eq!((status.name.as_str(), status.connector.as_deref()), ("cdc_operation", Some("postgresql")));
    assert!(status.lag_bytes.is_some() && status.retained_bytes > Some(0), "{status:?}");
    database.script("INSERT INTO t VALUES (4)").await;
    wait_for(&mut progress, is_stored).await;
    assert!(control.status().last_committed.is_some());

    let refused = drop_capture(&settings, &store, Some(&control)).await.unwrap_err();
    assert_eq!(refused.kind(), CdcErrorKind::Busy);
    // another process, which only sees that the slot is in use
    let refused = drop_capture(&settings, &store, None).await.unwrap_err();
    assert!(refused.to_string().contains("slot kulya_cdc_operation is in use"), "{refused}");

    control.pause().await.unwrap();
    wait_for_status(&control, |status| status.state == CaptureState::Paused).await;
    let active =
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'kulya_cdc_operation' AND active";
    while database.client.query_one(active, &[]).await.unwrap().get::<_, i64>(0) > 0 {}
    database.script("INSERT INTO t VALUES (5)").await;
    control.resume().await.unwrap();
    wait_for(&mut progress, is_streaming).await;
    wait_for(&mut progress, is_stored).await;
    assert_eq!(control.status().records, 5);

    control.pause().await.unwrap();
    wait_for_status(&control, |status| status.state == CaptureState::Paused).await;
    let dropped = drop_capture(&settings, &store, Some(&control)).await.unwrap();
    let name = Some("kulya_cdc_operation".to_owned());
    assert_eq!((&dropped.slot, &dropped.publication), (&name, &name));
    assert!(dropped.position.is_some());
    let left = "SELECT (SELECT count(*) FROM pg_publication WHERE pubname = 'kulya_cdc_operation') + \
        (SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'kulya_cdc_operation')";
    assert_eq!(database.client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    let again = drop_capture(&settings, &store, Some(&control)).await.unwrap();
    assert_eq!((again.slot, again.publication, again.position), (None, None, None));
    // the streams stay, and the capture does not start again by itself
    let scope = Scope::new("cdc-operation").unwrap();
    assert_eq!(store.streams(&scope).await.unwrap().len(), 1);
    let [stored] = &stored_captures(&store).await.unwrap()[..] else { panic!("one name is left") };
    assert!(stored.is_paused && stored.position.is_none());
    assert_eq!(control.status().state, CaptureState::Paused);
    control.resume().await.unwrap();
    wait_for(&mut progress, |progress| matches!(progress, Progress::SnapshotStored)).await;
    cancel.cancel();
    task.await.unwrap().unwrap();
    database.drop_everything().await;
}

/// A slot and a publication of an operator stay, and so does a database that is another one.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn what_kulya_has_not_created_is_not_dropped() {
    let database = Database::create("cdc_operation_own").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY)\nCREATE PUBLICATION own FOR TABLE t").await;
    let store = MemoryStore::new();
    let own = kulya_cdc::CaptureSettings {
        publication: "own".into(),
        slot: "kulya_cdc_operation_own".into(),
        name: "shop".into(),
        ..database.settings()
    };
    let registry = Registry::new(store.clone(), SystemClock).unwrap();
    Capture::from(own.clone()).until_caught_up().run_into_store(store.clone(), registry).await.unwrap();
    let other = kulya_cdc::CaptureSettings {
        url: database.url().replace("/cdc_operation_own", "/postgres"),
        ..own.clone()
    };
    let refused = drop_capture(&other, &store, None).await.unwrap_err();
    assert_eq!(refused.kind(), CdcErrorKind::Configuration, "{refused}");
    let dropped = drop_capture(&own, &store, None).await.unwrap();
    // the slot of the position was used by Kulya alone
    assert_eq!((dropped.slot.as_deref(), dropped.publication), (Some("kulya_cdc_operation_own"), None));
    let create = "SELECT pg_create_logical_replication_slot('kulya_cdc_operation_own', 'pgoutput')";
    database.script(create).await;
    let again = drop_capture(&own, &store, None).await.unwrap();
    assert_eq!((again.slot, again.publication), (None, None));
    // nor are streams of others
    let registry = Registry::new(store.clone(), SystemClock).unwrap();
    let other = kulya_cdc::CaptureSettings { name: "market".into(), scope: "shop".into(), ..own.clone() };
    for (settings, expected) in [(&other, 0), (&own, 1), (&own, 0)] {
        let settings = settings.store_settings().unwrap();
        let deleted = delete_captured_streams(&settings, &store, &registry).await.unwrap();
        assert_eq!(deleted.len(), expected, "{deleted:?}");
    }
    let scope = Scope::new("shop").unwrap();
    assert_eq!(store.streams(&scope).await.unwrap(), []);
    database.drop_everything().await;
}
