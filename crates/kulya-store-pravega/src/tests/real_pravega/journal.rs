//! Crashes in the middle of a commit, and checkpoints of the journal.

use super::{another_process, instance, open, settings, stream, table, texts};
use crate::Settings;
use crate::appender::{AppendOutcome, Appender, Batch};
use crate::block::{Block, Change, CommitRecord, Name, Op, Record, SegmentBatch};
use crate::committer::checkpoint;
use crate::controller::Controller;
use crate::journal::Journal;
use crate::segments::Segments;
use bytes::Bytes;
use kulya_store::{
    Append, Commit, Condition, Outcome, Scope, StreamId, StreamName, StreamStore, TableChange, TableId,
    WriterId, framing,
};
use std::sync::Arc;

/// Returns the journal and segments of a process that is about to crash.
async fn crashing_journal(settings: &Settings) -> (Journal, Arc<Segments>) {
    let controller = Arc::new(Controller::new(settings).unwrap());
    let journal = StreamId { scope: Scope::system("_kulya"), name: StreamName::system("_journal") };
    let segments = Arc::new(Segments::new(controller, settings.clone()));
    let mut journal =
        Journal::open(Arc::clone(&segments), journal.segment(0), settings.instance).await.unwrap();
    journal.catch_up().await.unwrap();
    (journal, segments)
}

fn batch(stream: &StreamId, segment: u32, text: &'static str) -> SegmentBatch {
    let frames = framing::frame(text.as_bytes());
    SegmentBatch { segment: stream.segment(segment).to_string(), count: 1, frames }
}

fn change(table: &TableId, transaction: u64) -> Record {
    let change = Change {
        table: Some(Name::of_table(table)),
        key: Bytes::from_static(b"source"),
        value: Some(Bytes::from_static(b"42")),
    };
    let commit = CommitRecord { changes: vec![change], transaction, ..CommitRecord::default() };
    Record { op: Some(Op::Commit(commit)) }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn an_unfinished_commit_is_finished_by_the_next_process() {
    let settings = settings();
    let store = open(settings.clone()).await;
    let orders = stream(&store, "orders", 3).await;
    let positions = table(&store).await;

    // the crash happens between journal and segments, the first of which has its events
    let crashing = another_process(&settings);
    let (mut journal, segments) = crashing_journal(&crashing).await;
    let mut block = Block::new(crashing.instance);
    block.batches = vec![batch(&orders, 0, "one"), batch(&orders, 1, "two"), batch(&orders, 1, "three")];
    block.records = vec![change(&positions, 0)];
    journal.append(&mut block).await.unwrap().unwrap();
    let written = Batch {
        number: block.batch_number(0),
        count: 1,
        frames: block.batches[0].frames.clone(),
        expected_offset: None,
    };
    let appender = Appender::new(orders.segment(0), crashing.instance);
    assert_eq!(appender.append(&segments, &written).await.unwrap(), AppendOutcome::At(0));
    drop((journal, appender));

    // readers of the position see the events, each once; so does another process that opens now
    assert_eq!(store.get(&positions, b"source").await.unwrap().unwrap().value, "42");
    assert_eq!(texts(&store, &orders).await, ["one", "three", "two"]);
    let next = open(another_process(&settings)).await;
    assert_eq!(texts(&next, &orders).await, ["one", "three", "two"]);

    // the next commit comes after it
    next.commit(Commit::events(vec![
        Append::keyed(&orders, "a", "four"),
        Append::keyed(&orders, "key-1", "five"),
    ]))
    .await
    .unwrap();
    assert_eq!(texts(&store, &orders).await, ["five", "four", "one", "three", "two"]);

    // the crashed process was only slow: its own attempt to finish changes nothing
    let slow = Appender::new(orders.segment(1), crashing.instance);
    let late = Batch {
        number: block.batch_number(1),
        count: 1,
        frames: block.batches[1].frames.clone(),
        expected_offset: None,
    };
    assert_eq!(slow.append(&segments, &late).await.unwrap(), AppendOutcome::AlreadyStored);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn a_transaction_whose_process_crashes_at_its_commit_becomes_visible() {
    let settings = settings();
    let store = open(settings.clone()).await;
    let orders = stream(&store, "orders", 1).await;
    let positions = table(&store).await;
    let mut transaction = store.begin().await.unwrap();
    for n in 0..3 {
        transaction.stage(vec![Append::keyed(&orders, "k", n.to_string())]).await.unwrap();
    }
    let crashing = another_process(&settings);
    let (mut journal, _) = crashing_journal(&crashing).await;
    let mut block = Block::new(crashing.instance);
    block.records = vec![change(&positions, transaction.id().0 as u64)];
    journal.append(&mut block).await.unwrap().unwrap();
    drop(journal);
    let next = open(another_process(&settings)).await;
    assert_eq!(texts(&next, &orders).await, ["0", "1", "2"]);
    assert_eq!(next.get(&positions, b"source").await.unwrap().unwrap().value, "42");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn a_checkpoint_truncates_the_journal() {
    let settings = settings();
    let store = open(settings.clone()).await;
    let orders = stream(&store, "orders", 2).await;
    let positions = table(&store).await;
    let put = |store: &Arc<crate::PravegaStore>, n: u64| {
        let commit = Commit {
            appends: vec![Append::keyed(&orders, "k", n.to_string())],
            changes: vec![TableChange::put(&positions, n.to_string(), Condition::Any, vec![7; 100_000])],
            ..Commit::default()
        };
        let store = Arc::clone(store);
        async move { store.commit(commit.with_writer(WriterId(5), n)).await.unwrap() }
    };
    for n in 1..=30 {
        put(&store, n).await;
    }
    let mut done = store.begin().await.unwrap();
    done.stage(vec![Append::keyed(&orders, "k", "done")]).await.unwrap();
    let done_id = done.id();
    let outcome = done.commit(vec![]).await.unwrap();
    let mut open_one = store.begin().await.unwrap();
    open_one.stage(vec![Append::keyed(&orders, "k", "open")]).await.unwrap();
    let lagging = open(another_process(&settings)).await;

    let (mut journal, segments) = crashing_journal(&another_process(&settings)).await;
    put(&store, 31).await;
    for _ in 0..2 {
        assert!(
            checkpoint(&mut journal).await.unwrap() > 3_000_000,
            "thirty values of 100 kB in several chunks"
        );
    }
    let head = segments.bounds(journal.segment()).await.unwrap().head;
    assert!(head > 3_000_000, "the journal starts after the commits, at {head}");

    // a process that opens now, one that lags behind, and one that continues
    let fresh = open(another_process(&settings)).await;
    for store in [&fresh, &lagging, &store] {
        assert_eq!(store.scan(&positions, b"", None, 100).await.unwrap().len(), 31);
        assert_eq!(store.last_event_number(WriterId(5)).await.unwrap(), Some(31));
        assert_eq!(store.outcome(done_id).await.unwrap(), Outcome::Committed(outcome.clone()));
        assert_eq!(store.outcome(open_one.id()).await.unwrap(), Outcome::Open);
        assert!(put(store, 31).await.duplicate);
    }
    open_one.commit(vec![]).await.unwrap();
    assert_eq!(texts(&fresh, &orders).await.len(), 33);
    let untrusting = Settings { instance: instance(), ..settings };
    assert!(open(untrusting).await.commit(Commit::events(vec![])).await.is_ok());
}
