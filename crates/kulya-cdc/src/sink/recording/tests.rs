//! Recordings: written, continued after a crash, and replayed.

use super::*;
use crate::{ColumnDescription, StoreSettings, StoreSink};
use kulya_registry::Registry;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{StreamId, bounded_read};

fn schema() -> Arc<RowSchema> {
    let id = ColumnDescription {
        name: "id".into(),
        optional: false,
        connect_type: "int32".into(),
        connect_name: None,
        parameters: vec![("a".into(), "b".into())],
        items: None,
        default: None,
        history: crate::ColumnHistory::default(),
    };
    let (prefix, schema, table) = ("p".into(), "public".into(), "t".into());
    Arc::new(RowSchema { prefix, schema, table, columns: vec![id], key: vec!["id".into()] })
}

fn value(id: u32) -> String {
    format!("{{\"op\":\"c\", \"n\":1.10,\"id\":{id}}}")
}

fn batch(ids: std::ops::Range<u32>) -> Batch {
    let destination = Arc::new(Destination::of_table(schema()));
    let mut batch = Batch::default();
    for id in ids {
        let line = RecordLine {
            topic: "p.public.t".into(),
            key: Some(RawValue::from_string(format!("{{\"id\":{id}}}")).unwrap()),
            value: Some(RawValue::from_string(value(id)).unwrap()),
            headers: vec![("h".into(), RawValue::from_string("{}".into()).unwrap()); 2],
        };
        line.push_to(&mut batch, &destination);
    }
    batch
}

fn checkpoint(lsn: u64) -> Checkpoint {
    let text = format!(r#"{{"system":"1","database":"d","slot":"s","lsn":{lsn}}}"#);
    serde_json::from_str::<Position>(&text).unwrap().into()
}

#[test]
fn records_keep_their_headers_and_keys() {
    let batch = batch(7..8);
    let record = batch.records().next().unwrap();
    assert_eq!(record.headers, br#""h":{},"h":{}"#);
    assert_eq!((record.key, record.routing_key), (Some(&br#"{"id":7}"#[..]), Some(&b"7"[..])));
    // recorded again, they are the same
    let line = RecordLine::new(&record).unwrap();
    let names: Vec<&str> = line.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["h", "h"]);
    let key = RawValue::from_string(r#"{"a": 1.10,"b":1e999,"c":"x"}"#.into()).unwrap();
    assert_eq!(routing_key(&key), r#"1.10,1e999,"x""#);
}

async fn backends() -> (MemoryStore, Registry) {
    let store = MemoryStore::new();
    let registry = Registry::open(store.clone(), ManualClock::default()).await.unwrap();
    (store, registry)
}

async fn replay_text(log: &str, store: &MemoryStore, registry: &Registry) -> CdcResult<u64> {
    let settings = StoreSettings {
        name: "p".into(),
        scope: "s".into(),
        stream_template: "{table}".into(),
        segments: 2,
        encoding: crate::debezium::Encoding::default(),
        refused_schema: crate::RefusedSchema::default(),
    };
    let mut sink = StoreSink::new(store.clone(), registry.clone(), settings).await.unwrap();
    replay(log.as_bytes(), &mut sink).await
}

#[tokio::test]
async fn committed_records_are_replayed_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut sink = RecordingSink::open(&path).unwrap();
    sink.commit(batch(0..3), &checkpoint(10)).await.unwrap();
    sink.stage(batch(99..100)).await.unwrap();
    drop(sink);
    // a second run continues after the last commit
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"record\":{\"topic\":\"p.pub")
        .unwrap();
    let mut sink = RecordingSink::open(&path).unwrap();
    assert_eq!(sink.position().await.unwrap(), Some(checkpoint(10)));
    let half = std::fs::read_to_string(&path).unwrap();
    let history = Checkpoint { history: Some("h".into()), ..checkpoint(20) };
    sink.commit(batch(3..5), &history).await.unwrap();
    assert_eq!(RecordingSink::open(&path).unwrap().position().await.unwrap(), Some(history));
    let whole = std::fs::read_to_string(&path).unwrap();
    assert!(whole.starts_with(&half) && !whole.contains("99"));
    assert_eq!(whole.matches("\"table\":{").count(), 1, "{whole}");

    let (store, registry) = backends().await;
    assert_eq!(replay_text(&half, &store, &registry).await.unwrap(), 3);
    assert_eq!(replay_text(&whole, &store, &registry).await.unwrap(), 2);
    assert_eq!(replay_text(&whole, &store, &registry).await.unwrap(), 0);
    let events = bounded_read(&store, &StreamId::new("s", "t").unwrap()).await.unwrap();
    let mut events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    events.sort();
    let expected: Vec<_> = (0..5).map(value).collect();
    assert_eq!(events, expected, "values are replayed byte for byte");
}

#[tokio::test]
async fn a_log_of_another_store_is_rejected() {
    let (store, registry) = backends().await;
    let commit = |lsn| serde_json::to_string(&Line::Commit(checkpoint(lsn).position.into())).unwrap();
    replay_text(&commit(1), &store, &registry).await.unwrap();
    let other = replay_text(&commit(2), &store, &registry).await.unwrap_err();
    assert_eq!(other.kind(), CdcErrorKind::Position);
    let bad = replay_text("\n", &store, &registry).await.unwrap_err();
    assert!(bad.to_string().contains("line 1"), "{bad}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "hello\nworld\n").unwrap();
    assert!(RecordingSink::open(&path).err().unwrap().to_string().contains("text is not a recorded"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "hello\nworld\n");
}

#[tokio::test]
async fn transactions_larger_than_the_buffer_are_recorded_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let size = || std::fs::metadata(&path).unwrap().len();
    let mut sink = RecordingSink::open(&path).unwrap();
    sink.commit(batch(0..3), &checkpoint(10)).await.unwrap();
    let committed = std::fs::read(&path).unwrap();
    sink.stage(batch(3..30_000)).await.unwrap();
    assert!(size() > 2_000_000 && sink.buffer.capacity() < 3 * BUFFER_BYTES);
    // the source hands the transaction over again
    assert_eq!(sink.position().await.unwrap(), Some(checkpoint(10)));
    assert_eq!(std::fs::read(&path).unwrap(), committed);
    sink.stage(batch(3..30_000)).await.unwrap();
    drop(sink);
    let mut sink = RecordingSink::open(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), committed, "the process was killed before the commit");
    sink.stage(batch(3..30_000)).await.unwrap();
    sink.commit(batch(30_000..40_000), &checkpoint(20)).await.unwrap();

    let (store, registry) = backends().await;
    let whole = std::fs::read_to_string(&path).unwrap();
    assert_eq!(replay_text(&whole, &store, &registry).await.unwrap(), 40_000);
    assert_eq!(replay_text(&whole, &store, &registry).await.unwrap(), 0);
    let events = bounded_read(&store, &StreamId::new("s", "t").unwrap()).await.unwrap();
    assert_eq!(events.len(), 40_000);
    // without its commit a transaction is not replayed
    let (lines, _) = whole.trim_end().rsplit_once('\n').unwrap();
    let (store, registry) = backends().await;
    assert_eq!(replay_text(lines, &store, &registry).await.unwrap(), 3);
    let events = bounded_read(&store, &StreamId::new("s", "t").unwrap()).await.unwrap();
    assert_eq!(events.len(), 3);
}
