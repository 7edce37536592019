//! Checkpoints and garbage collection: live data stays, and a lagging process catches up.

use super::{event, instance, make, memory, open, orders, positions, put, settings, texts};
use crate::state::State;
use crate::{ObjectLogStore, Settings};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use kulya_store::clock::ManualClock;
use kulya_store::{Append, ErrorKind, Outcome, StreamStore, WriterId, chunk_times, tail_cut};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

async fn sizes(objects: &Arc<dyn ObjectStore>, directory: &str) -> Vec<(u64, u64)> {
    let prefix = Path::from(format!("a/store/{directory}"));
    let found: Vec<_> = objects.list(Some(&prefix)).try_collect().await.unwrap();
    let one = |meta: ObjectMeta| (meta.location.filename().unwrap()[..20].parse().unwrap(), meta.size);
    let mut sizes: Vec<(u64, u64)> = found.into_iter().map(one).collect();
    sizes.sort_unstable();
    sizes
}

async fn numbers(objects: &Arc<dyn ObjectStore>, directory: &str) -> Vec<u64> {
    sizes(objects, directory).await.into_iter().map(|(number, _)| number).collect()
}

/// Writes until log objects before a number are deleted; maintenance runs concurrently.
async fn write_until_deleted(store: &ObjectLogStore, objects: &Arc<dyn ObjectStore>, number: u64) {
    for n in 0..10_000 {
        store.commit(put(n)).await.unwrap();
        if numbers(objects, "log").await.first().is_some_and(|first| *first >= number) {
            return;
        }
    }
    panic!("objects before {number} are not deleted");
}

#[tokio::test]
async fn unreferenced_objects_are_deleted_and_live_data_stays() {
    let objects = memory();
    let store = open(&objects).await;
    make(&store).await;
    let pointer = store.commit(event("alive")).await.unwrap().pointers.first().unwrap();
    let mut staged = store.begin().await.unwrap();
    staged.stage(vec![Append::keyed(&orders(), "k", "staged")]).await.unwrap();
    write_until_deleted(&store, &objects, 200).await;
    let found = numbers(&objects, "log").await;
    assert!(found.len() < 50, "{} log objects stay", found.len());
    assert!(found.windows(2).all(|pair| pair[0] + 1 == pair[1]), "the log has no gap");
    assert!(sizes(&objects, "checkpoint").await.len() <= 20, "old checkpoints are deleted");
    assert_eq!(open(&objects).await.event(&pointer).await.unwrap(), "alive");
    staged.commit(vec![]).await.unwrap();
    for store in [&store, &open(&objects).await] {
        assert_eq!(texts(store).await, ["alive", "staged"]);
    }
    store.truncate(&tail_cut(&store, &orders()).await.unwrap()).await.unwrap();
    for n in 0.. {
        assert!(n < 10_000, "unreferenced data objects are not deleted");
        store.commit(put(n)).await.unwrap();
        if numbers(&objects, "data").await.is_empty() {
            break;
        }
    }
    assert!(texts(&open(&objects).await).await.is_empty());
}

#[tokio::test]
async fn merged_events_keep_the_times_of_their_commits() {
    let clock = Arc::new(ManualClock::default());
    let settings = Settings {
        clock: clock.clone(),
        // no merge before that of the test
        maintenance_interval: Duration::from_secs(3600),
        checkpoint_every: 1000,
        ..settings()
    };
    let store = ObjectLogStore::open(memory(), &Path::from("a/store"), settings).await.unwrap();
    make(&store).await;
    let mut segment = None;
    for n in 1..=50 {
        clock.set(Duration::from_millis(n * 10));
        segment = store.commit(event(n)).await.unwrap().pointers.first().map(|pointer| pointer.segment);
    }
    let segment = segment.unwrap();
    store.compact().await.unwrap();
    let chunk = store.read(&segment, 0, 1 << 20).await.unwrap();
    let is_merged = |state: &State| {
        let (found, _) = state.segment(&segment).unwrap();
        found.extents().all(|extent| !extent.location.is_log()) && found.extents().count() == 1
    };
    assert!(store.shared.client.read_state(is_merged).await.unwrap(), "one extent in a data object");
    let offsets: Vec<u64> = chunk.events.iter().map(|(at, _)| *at).collect();
    let times = chunk_times(&store, &segment, &offsets, chunk.next).await.unwrap();
    assert!(times.into_iter().eq((1..=50).map(|n| Some(Duration::from_millis(n * 10)))));
    let (offset, _) = chunk.events[30];
    let part = store.append_times(&segment, offset, chunk.next).await.unwrap();
    assert_eq!(part.runs().next(), Some((offset, Duration::from_millis(310))));
    assert_eq!(part.runs().count(), 20);
}

#[tokio::test]
async fn a_lagging_process_continues_from_a_checkpoint() {
    let objects = memory();
    let (lagging, busy) = (open(&objects).await, open(&objects).await);
    make(&lagging).await;
    let pointer = lagging.commit(event("old")).await.unwrap().pointers.first().unwrap();
    lagging.commit(put("old")).await.unwrap();
    busy.truncate(&tail_cut(&busy, &orders()).await.unwrap()).await.unwrap();
    write_until_deleted(&busy, &objects, 8).await;
    busy.commit(put("new")).await.unwrap();
    // a write catches up like a read: nothing is put where others have written
    for attempt in 0.. {
        assert!(attempt < 3, "it does not catch up");
        match lagging.commit(event("after").with_writer(WriterId(1), 1)).await {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}"),
        }
    }
    let entry = lagging.get(&positions(), b"last").await.unwrap().unwrap();
    assert_eq!(entry.value, "new");
    assert_eq!(lagging.event(&pointer).await.unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!((texts(&lagging).await, texts(&busy).await), (vec!["after".into()], vec!["after".into()]));
}

/// A process that lags behind by closed blocks and puts its object where another one stands writes nothing
/// there: its commit follows what the others wrote.
#[tokio::test]
async fn a_commit_of_a_lagging_process_needs_no_retry_while_the_closed_objects_stay() {
    let objects = memory();
    let settings = |poll_interval| Settings {
        poll_interval,
        deletion_grace: Duration::from_secs(3600),
        end_check_interval: Duration::from_secs(3600),
        ..settings()
    };
    let open = async |poll_interval| {
        let settings = Settings { instance: instance(), ..settings(poll_interval) };
        ObjectLogStore::open(Arc::clone(&objects), &Path::from("a/store"), settings).await.unwrap()
    };
    let (lagging, busy) = (open(Duration::from_secs(3600)).await, open(Duration::from_millis(1)).await);
    make(&lagging).await;
    for n in 0.. {
        assert!(n < 10_000, "no block is closed");
        busy.commit(put(n)).await.unwrap();
        if numbers(&objects, "closed").await.len() > 3 {
            break;
        }
    }
    assert!(numbers(&objects, "log").await[0] < 4, "nothing is deleted");
    // without a writer number: an unknown outcome could not be retried
    lagging.commit(event("after")).await.unwrap();
    assert_eq!((texts(&lagging).await, texts(&busy).await), (vec!["after".into()], vec!["after".into()]));
}

#[tokio::test]
async fn a_damaged_checkpoint_loses_nothing() {
    let objects = memory();
    let store = open(&objects).await;
    make(&store).await;
    write_until_deleted(&store, &objects, 40).await;
    store.commit(put("last")).await.unwrap();
    store.close().await.unwrap();
    let found: Vec<ObjectMeta> = objects.list(None).try_collect().await.unwrap();
    let mut checkpoints: Vec<Path> = found.into_iter().map(|meta| meta.location).collect();
    checkpoints.retain(|name| name.as_ref().contains("/checkpoint"));
    checkpoints.sort_by_key(|name| name.filename().unwrap().to_owned());
    assert!(checkpoints.len() > 2, "{checkpoints:?}");
    assert!(checkpoints.iter().any(|name| name.as_ref().contains('.')), "no checkpoint is incremental");
    let damage = async |name: &Path| {
        let mut bytes = objects.get(name).await.unwrap().bytes().await.unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        objects.put(name, bytes.into()).await.unwrap();
    };
    let try_open = async || {
        let settings = Settings { checkpoint_every: u64::MAX, ..settings() };
        ObjectLogStore::open(Arc::clone(&objects), &Path::from("a/store"), settings).await
    };
    // both copies of the newest
    let (others, last) = checkpoints.split_at(checkpoints.len() - 2);
    damage(&last[0]).await;
    damage(&last[1]).await;
    let store = try_open().await.unwrap();
    assert_eq!(store.get(&positions(), b"last").await.unwrap().unwrap().value, "last");
    for name in others {
        damage(name).await;
    }
    let refused = try_open().await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains("a/store/checkpoint/"), "{refused}");
}

#[tokio::test]
async fn an_abandoned_transaction_is_aborted_after_a_day() {
    let objects = memory();
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let settings = Settings { clock: clock.clone(), ..settings() };
    let store = ObjectLogStore::open(Arc::clone(&objects), &Path::from("a/store"), settings).await.unwrap();
    make(&store).await;
    let mut abandoned = store.begin().await.unwrap();
    abandoned.stage(vec![Append::keyed(&orders(), "k", "never")]).await.unwrap();
    let id = abandoned.id();
    std::mem::forget(abandoned); // its process crashes
    for n in 0..20 {
        store.commit(put(n)).await.unwrap();
    }
    assert_eq!(store.outcome(id).await.unwrap(), Outcome::Open, "another process may still have it");
    clock.advance(Duration::from_millis(crate::maintenance::TRANSACTION_IDLE_MS + 1));
    for n in 0..1000 {
        store.commit(put(n)).await.unwrap();
        if store.outcome(id).await.unwrap() == Outcome::Unknown {
            return;
        }
    }
    panic!("it stays open");
}

/// A storage that writes a log object, reports an error, and delays its writer before it looks.
#[derive(Debug)]
struct Gate {
    inner: Arc<dyn ObjectStore>,
    armed: AtomicBool,
    written: Semaphore,
    open: Semaphore,
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("gate")
    }
}

#[async_trait]
impl ObjectStore for Gate {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let is_create = options.mode == PutMode::Create;
        let done = self.inner.put_opts(location, payload, options).await;
        if is_create && self.armed.swap(false, Ordering::SeqCst) {
            self.written.add_permits(1);
            self.open.acquire().await.unwrap().forget();
            return Err(object_store::Error::Generic { store: "gate", source: "lost".into() });
        }
        done
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn an_object_deleted_before_its_writer_saw_it_is_not_written_twice() {
    let objects = memory();
    let gate = Arc::new(Gate {
        inner: Arc::clone(&objects),
        armed: AtomicBool::new(false),
        written: Semaphore::new(0),
        open: Semaphore::new(0),
    });
    let gated: Arc<dyn ObjectStore> = gate.clone();
    let (slow, quick) = (open(&gated).await, open(&objects).await);
    make(&quick).await;
    slow.scopes().await.unwrap();
    gate.armed.store(true, Ordering::SeqCst);
    // without a writer id: only the object identifies its author
    let commit = {
        let slow = slow.clone();
        tokio::spawn(async move { slow.commit(event("once")).await })
    };
    gate.written.acquire().await.unwrap().forget();
    assert_eq!(texts(&quick).await, ["once"], "it was written, and its writer does not know");
    quick.truncate(&tail_cut(&quick, &orders()).await.unwrap()).await.unwrap();
    write_until_deleted(&quick, &objects, 8).await;
    gate.open.add_permits(1);
    let unknown = commit.await.unwrap().unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unreachable);
    assert!(unknown.to_string().contains("the outcome is unknown"), "{unknown}");
    for store in [&slow, &quick, &open(&objects).await] {
        assert!(texts(store).await.is_empty(), "it was written a second time");
    }
}

#[tokio::test]
async fn a_checkpoint_holds_writers_and_outcomes() {
    let objects = memory();
    let store = open(&objects).await;
    make(&store).await;
    let writer = WriterId(9 << 90);
    store.commit(event("numbered").with_writer(writer, 5)).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let id = transaction.id();
    transaction.stage(vec![Append::keyed(&orders(), "k", "staged")]).await.unwrap();
    transaction.commit(vec![]).await.unwrap();
    store.seal_stream(&orders()).await.unwrap();
    write_until_deleted(&store, &objects, 12).await;
    let outcome = store.outcome(id).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed(_)));
    let entries = store.scan(&positions(), b"", None, 10).await.unwrap();
    let (prefix, default_settings) = (Path::from("a/store"), Settings::new(instance()));
    let reopened = ObjectLogStore::open(Arc::clone(&objects), &prefix, default_settings).await.unwrap();
    assert_eq!(reopened.last_event_number(writer).await.unwrap(), Some(5));
    assert_eq!(reopened.outcome(id).await.unwrap(), outcome);
    assert!(reopened.stream(&orders()).await.unwrap().sealed);
    assert_eq!(reopened.scan(&positions(), b"", None, 10).await.unwrap(), entries, "with their versions");
    assert_eq!(texts(&reopened).await, ["numbered", "staged"]);
    let _: Bytes =
        reopened.event(&kulya_store::bounded_read(&reopened, &orders()).await.unwrap()[1].0).await.unwrap();
}

/// A process may be killed between the two objects of a checkpoint, and before it records it.
#[tokio::test]
async fn a_missing_copy_is_damage_only_of_a_recorded_checkpoint() {
    let objects = memory();
    let store = open(&objects).await;
    make(&store).await;
    write_until_deleted(&store, &objects, 40).await;
    store.close().await.unwrap();
    let verify = async || {
        let report = crate::verify(Arc::clone(&objects), &Path::from("a/store"), settings()).await.unwrap();
        report.damaged.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(verify().await, []);
    let newest: Vec<Path> = objects
        .list(Some(&Path::from("a/store/checkpoint-copy")))
        .map_ok(|meta| meta.location)
        .try_collect()
        .await
        .unwrap();
    let newest = newest.into_iter().max_by_key(|path| path.to_string()).unwrap();
    // the checkpoint at the end of the log, which nothing has recorded
    let bucket = crate::bucket::Bucket::new(Arc::clone(&objects), &Path::from("a/store"), settings());
    let (state, _) = crate::verify::scan(&bucket).await.unwrap();
    let (base, _) = state.next_checkpoint_base();
    bucket.create_checkpoint(state.next, &state.snapshot(base)).await.unwrap();
    let suffix = base.map(|base| format!(".{base:020}")).unwrap_or_default();
    let unrecorded = Path::from(format!("a/store/checkpoint/{:020}{suffix}", state.next));
    objects.delete(&unrecorded).await.unwrap();
    assert_eq!(verify().await, []);
    objects.delete(&newest).await.unwrap();
    assert_eq!(verify().await, [(newest.to_string(), "it is missing".to_owned())]);
}
