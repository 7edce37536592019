//! The log's objects: invariants, and the errors when they are violated.

use super::{event, instance, make, memory, open, orders, positions, put, settings, texts};
use crate::object::{self, Kind};
use crate::record::{Batch, Log, Name, Op, Record};
use crate::{ObjectLogStore, Settings};
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_store::clock::{Clock, ManualClock, SystemClock};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Result, StreamStore, TableChange, bounded_read, tail_cut,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use std::time::Duration;

fn log(number: u64) -> Path {
    Path::from(format!("a/store/log/{number:020}"))
}

async fn bytes(objects: &Arc<dyn ObjectStore>, name: &Path) -> Bytes {
    objects.get(name).await.unwrap().bytes().await.unwrap()
}

async fn names(objects: &Arc<dyn ObjectStore>) -> Vec<String> {
    let found: Vec<_> = objects.list(None).try_collect().await.unwrap();
    let mut names: Vec<_> = found.into_iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

async fn try_open(objects: &Arc<dyn ObjectStore>) -> Result<ObjectLogStore> {
    ObjectLogStore::open(Arc::clone(objects), &Path::from("a/store"), settings()).await
}

/// Opens a store that writes no checkpoints.
async fn plain(objects: &Arc<dyn ObjectStore>) -> ObjectLogStore {
    let settings = Settings { checkpoint_every: u64::MAX, ..settings() };
    ObjectLogStore::open(Arc::clone(objects), &Path::from("a/store"), settings).await.unwrap()
}

#[tokio::test]
async fn concurrent_commits_share_one_object() {
    let objects = memory();
    let store = plain(&objects).await;
    make(&store).await;
    let before = names(&objects).await.len();
    let commits = (0..100).map(|n| store.commit(event(n)));
    let done = futures::future::try_join_all(commits).await.unwrap();
    assert_eq!(names(&objects).await.len(), before + 1);
    let mut offsets: Vec<_> = done.iter().map(|done| done.pointers.first().unwrap().offset).collect();
    offsets.dedup();
    assert_eq!(offsets.len(), 100);
    assert_eq!(texts(&store).await.len(), 100);
    assert_eq!(texts(&open(&objects).await).await, texts(&store).await);
}

#[tokio::test]
async fn compare_and_set_within_one_object_is_exact() {
    let objects = memory();
    let store = plain(&objects).await;
    make(&store).await;
    let put = |value: &str| {
        let change = TableChange::put(&positions(), "k", Condition::Absent, value.to_owned());
        store.commit(Commit::changes(vec![change]))
    };
    let (one, two, three) = tokio::join!(put("one"), put("two"), put("three"));
    assert!(one.is_ok());
    assert_eq!([two, three].map(|done| done.unwrap_err().kind()), [ErrorKind::Conflict; 2]);
    assert_eq!(store.get(&positions(), b"k").await.unwrap().unwrap().value, "one");
}

#[tokio::test]
async fn a_commit_larger_than_one_read_is_complete() {
    let objects = memory();
    let store = open(&objects).await;
    make(&store).await;
    let text = |n: usize| format!("{n:05}").repeat(2000);
    let events = (0..1000).map(|n| Append::keyed(&orders(), (n % 7).to_string(), text(n)));
    let keys =
        (0..3000).map(|n| TableChange::put(&positions(), n.to_string(), Condition::Any, "v".repeat(50)));
    let commit = Commit { appends: events.collect(), changes: keys.collect(), ..Commit::default() };
    let done = store.commit(commit).await.unwrap();
    for store in [store, open(&objects).await] {
        for (n, pointer) in done.pointers.iter().enumerate() {
            assert_eq!(store.event(&pointer).await.unwrap(), text(n));
        }
        assert_eq!(bounded_read(&store, &orders()).await.unwrap().len(), 1000);
        assert_eq!(store.scan(&positions(), b"", None, 5000).await.unwrap().len(), 3000);
    }
    let store = open(&objects).await;
    let huge = (0..33).map(|_| Append::keyed(&orders(), "k", vec![0; 8 << 20])).collect();
    let refused = store.commit(Commit::events(huge)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("stage events in a transaction"), "{refused}");
}

#[tokio::test]
async fn a_damaged_object_is_reported_and_nothing_is_changed() {
    let objects = memory();
    let store = plain(&objects).await;
    make(&store).await;
    for n in 0..5 {
        store.commit(event(n)).await.unwrap();
    }
    drop(store);
    let name = log(5);
    let whole = bytes(&objects, &name).await;
    let header = object::Header::parse(&whole).unwrap();
    for at in 0..header.events_offset() as usize {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 0x10;
        objects.put(&name, damaged.into()).await.unwrap();
        let refused = try_open(&objects).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "byte {at}");
        assert!(refused.to_string().contains(name.as_ref()), "{refused}");
    }
    for length in [0, 1, 31, 32, whole.len() - 1] {
        objects.put(&name, whole.slice(..length).into()).await.unwrap();
        let refused = try_open(&objects).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{length} bytes: {refused:?}");
    }
    // events are verified when they are read
    let mut damaged = whole.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    objects.put(&name, damaged.into()).await.unwrap();
    let store = plain(&objects).await;
    let refused = bounded_read(&store, &orders()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains(name.as_ref()), "{refused}");
    // an object under another object's name is detected
    let other = bytes(&objects, &log(4)).await;
    objects.put(&name, other.into()).await.unwrap();
    assert!(try_open(&objects).await.err().unwrap().to_string().contains("of another number"));
    objects.put(&name, whole.into()).await.unwrap();
    assert_eq!(texts(&plain(&objects).await).await, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn an_object_that_violates_an_invariant_is_rejected() {
    let refused = async |log: Log| {
        let objects = memory();
        let store = plain(&objects).await;
        make(&store).await;
        // names its predecessor, as a correct writer does
        let before = object::Header::parse(&bytes(&objects, &self::log(2)).await).unwrap();
        let log = Log { previous: before.checksum, ..log };
        let mut body = object::encode_header(Kind::Log, 3, &log).unwrap().to_vec();
        body.extend(log.batches.iter().flat_map(|batch| vec![0; batch.length as usize]));
        objects.put(&self::log(3), body.into()).await.unwrap();
        let error = store.commit(event(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(store.get(&positions(), b"k").await.unwrap_err().kind(), ErrorKind::Corrupt, "for good");
        assert_eq!(try_open(&objects).await.err().unwrap().kind(), ErrorKind::Corrupt);
        error.to_string()
    };
    let ops = |op| Log { time: u64::MAX, records: vec![Record { op }], ..Log::default() };
    assert!(refused(ops(None)).await.contains("unknown operation"));
    let table = Name { scope: "shop".into(), name: "nowhere!".into() };
    assert!(refused(ops(Some(Op::CreateTable(table)))).await.contains("'!'"));
    assert!(refused(ops(Some(Op::DeleteStream(Name::default())))).await.contains("empty"));
    assert!(refused(Log::default()).await.contains("its time"));
    let batch = Batch { length: 8, ..Batch::default() };
    assert!(refused(Log { batches: vec![batch], ..ops(None) }).await.contains("empty"));
}

#[tokio::test]
async fn a_prefix_with_other_content_is_rejected() {
    for (content, reason) in [("letters", "choose a prefix"), ("kulya-store-object 99\n", "newer")] {
        let objects = memory();
        objects.put(&Path::from("a/store/FORMAT"), Bytes::from(content).into()).await.unwrap();
        let refused = try_open(&objects).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        assert!(refused.to_string().contains(reason), "{refused}");
        assert_eq!(names(&objects).await.len(), 1, "nothing was created there");
    }
}

#[tokio::test]
async fn stores_under_different_prefixes_are_independent() {
    let objects = memory();
    let one = open(&objects).await;
    make(&one).await;
    one.commit(put("one")).await.unwrap();
    let two = ObjectLogStore::open(Arc::clone(&objects), &Path::default(), Settings::new(instance()))
        .await
        .unwrap();
    assert!(two.scopes().await.unwrap().is_empty());
    make(&two).await;
    assert_eq!(two.get(&positions(), b"last").await.unwrap(), None);
}

/// A storage that ignores conditional writes and overwrites objects.
#[derive(Debug)]
struct Unconditional(Arc<dyn ObjectStore>);

impl std::fmt::Display for Unconditional {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unconditional storage")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Unconditional {
    async fn put_opts(
        &self,
        location: &Path,
        payload: object_store::PutPayload,
        _: object_store::PutOptions,
    ) -> object_store::Result<object_store::PutResult> {
        self.0.put(location, payload).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: object_store::PutMultipartOptions,
    ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: object_store::GetOptions,
    ) -> object_store::Result<object_store::GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: futures::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&Path>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&Path>,
    ) -> object_store::Result<object_store::ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: object_store::CopyOptions,
    ) -> object_store::Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_storage_without_conditional_writes_is_rejected() {
    let objects: Arc<dyn ObjectStore> = Arc::new(Unconditional(memory()));
    let refused = try_open(&objects).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("unconditional storage overwrites existing objects"), "{refused}");
}

/// A process with a wrong clock moves the time of the log no further than the storage's.
#[tokio::test]
async fn a_clock_ten_years_ahead_does_not_move_the_time_of_the_log() {
    const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let real = SystemClock.since_epoch();
    let compared = |clock: Duration| Settings {
        clock: Arc::new(ManualClock::at(clock)),
        clock_check_interval: Some(Duration::from_secs(600)),
        ..settings()
    };
    for wrong in [real + TEN_YEARS, real - TEN_YEARS, real] {
        let store =
            ObjectLogStore::open(Arc::clone(&objects), &Path::default(), compared(wrong)).await.unwrap();
        make(&store).await;
        store.commit(Commit::events(vec![Append::keyed(&orders(), "k", "event")])).await.unwrap();
        let cut = store.cut_at(&orders(), real + Duration::from_secs(60)).await.unwrap();
        assert_eq!(cut, tail_cut(&store, &orders()).await.unwrap(), "each event has about the current time");
    }
    let remaining: Vec<_> = objects.list(None).try_collect().await.unwrap();
    let remaining: Vec<object_store::ObjectMeta> = remaining;
    assert!(remaining.iter().all(|object| !object.location.as_ref().starts_with("clock")), "{remaining:?}");
}
