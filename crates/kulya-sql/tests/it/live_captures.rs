//! Live queries of captured tables: their rows against those of bounded reads and of the source itself, at
//! any cut, over several tables, with restarts and failures of writes, and when the source changes a table.
//! `KULYA_SEED=n` runs one seed.

use crate::captured_source::{SourceEvent, SourceTable};
use crate::live::{backend, execute, rows, runner, session as open};
use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use kulya_codec::arrow::{CapturedChanges, CurrentRows, columns, primary_key};
use kulya_incremental::{Batch, Node, Replica, Tick};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo, capture_labels};
use kulya_sql::{CatalogBackend, Session};
use kulya_store::fault::FaultyStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{Append, Commit, ErrorKind, StreamConfig, StreamId, StreamStore};
use kulya_testkit::SeededRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let given: Option<u64> = std::env::var("KULYA_SEED").ok().map(|seed| seed.parse().unwrap());
    given.map_or(0..count, |seed| seed..seed + 1)
}

fn texts(rows: &RecordBatch, width: usize) -> impl Iterator<Item = String> {
    (0..rows.num_rows()).map(move |row| {
        let cells =
            rows.columns().iter().take(width).map(|column| array_value_to_string(column, row).unwrap());
        cells.collect::<Vec<_>>().join(",")
    })
}

/// The rows that a replica has passed on, with how many there are of each.
#[derive(Default)]
struct Passed(BTreeMap<String, i64>);

impl Passed {
    fn add(&mut self, tick: &Tick) {
        for batch in &tick.batches {
            for (row, weight) in texts(batch.rows(), 3).zip(batch.weights()) {
                *self.0.entry(row).or_default() += weight;
            }
        }
        self.0.retain(|_, count| *count != 0);
    }

    fn texts(&self) -> Vec<String> {
        self.0.iter().flat_map(|(row, count)| vec![row.clone(); usize::try_from(*count).unwrap()]).collect()
    }
}

/// The events of a table are split into segments, and these at any place into ticks: at each cut the replica
/// has the rows of a bounded read up to it, and at the end those of the source.
#[test]
fn a_replica_has_the_current_rows_at_each_cut() {
    for seed in seeds(200) {
        let mut rng = SeededRng::new(seed);
        let is_keyed = !rng.one_in(3);
        let has_positions = !rng.one_in(4);
        let count = if has_positions && is_keyed { 1 + rng.index(4) } else { 1 };
        let mut source = SourceTable::new("t", is_keyed);
        let mut segments = vec![Vec::new(); count];
        for position in 0..rng.u64_below(80) {
            let SourceEvent { routing_key, event } =
                source.change(&mut rng, has_positions.then_some(position));
            let segment = routing_key.bytes().map(usize::from).sum::<usize>() % count;
            segments[segment].push(event);
        }
        let schema = SchemaInfo::json("t", source.schema().to_string());
        let (columns, key) = (columns(&schema).unwrap(), primary_key(&schema).unwrap());
        let decoder = || CapturedChanges::new(&columns, &key, &[0, 1, 2], count == 1).unwrap();
        let rows_only = arrow::datatypes::Schema::new(decoder().schema().fields()[..3].to_vec());
        let of_key = if is_keyed { vec![0] } else { Vec::new() };
        let replica =
            || Node::new("replica", Replica::new(Arc::new(rows_only.clone()), of_key.clone()).unwrap());
        let (mut node, mut passed, mut read) = (replica(), Passed::default(), vec![0; count]);
        while read.iter().zip(&segments).any(|(read, events)| *read < events.len()) {
            let mut decoder = decoder();
            for (read, events) in read.iter_mut().zip(&segments) {
                let until = (*read + rng.index(8)).min(events.len());
                events[*read..until].iter().for_each(|event| decoder.push(event.as_bytes()).unwrap());
                *read = until;
            }
            if let Some(changes) = decoder.flush().unwrap() {
                let weights: Vec<i64> = changes
                    .kinds
                    .unwrap()
                    .iter()
                    .map(|kind| if kind.is_addition() { 1 } else { -1 })
                    .collect();
                let tick = Tick::of([Batch::new(changes.rows, weights).unwrap()]);
                passed.add(&node.step(&[tick]).unwrap());
            }
            if rng.one_in(4) {
                // the process is another one
                let mut entries = Vec::new();
                node.snapshot(|key, value| entries.push((key.to_vec(), value.map(<[u8]>::to_vec))));
                node = replica();
                node.restore(entries).unwrap();
            }
            let mut bounded = CurrentRows::new(&columns, &key, None).unwrap();
            for (read, events) in read.iter().zip(&segments) {
                events[..*read].iter().for_each(|event| bounded.apply(event.as_bytes()).unwrap());
            }
            let batches = bounded.into_batches().unwrap();
            let mut expected: Vec<String> = batches.iter().flat_map(|rows| texts(rows, 3)).collect();
            expected.sort();
            assert_eq!(passed.texts(), expected, "seed {seed}, read {read:?}");
        }
        assert_eq!(passed.texts(), source.texts(), "seed {seed}");
    }
}

/// Captures two tables with a few changes: `bank.item` with a key, and `bank.line` without one.
pub(crate) async fn capture_examples(backend: &CatalogBackend) {
    let bank = Bank::new();
    bank.create(backend).await;
    let event = |stream: &str, key: &str, op: &str, [before, after]: [Value; 2], lsn: u64| {
        let event = json!({ "op": op, "before": before, "after": after, "source": { "lsn": lsn } });
        Append::keyed(&stream.parse().unwrap(), key, event.to_string())
    };
    let row = |id: u64, name: &str, note: &str| json!({ "id": id, "name": name, "note": note });
    let unavailable = row(2, "B", "__debezium_unavailable_value");
    let appends = vec![
        event("bank/item", "9", "c", [Value::Null, row(9, "gone", "x")], 1),
        event("bank/item", "item", "t", [Value::Null, Value::Null], 2),
        event("bank/item", "1", "c", [Value::Null, row(1, "a", "x")], 3),
        event("bank/item", "2", "c", [Value::Null, row(2, "b", "long")], 4),
        event("bank/item", "2", "u", [Value::Null, unavailable], 5),
        event("bank/line", "line", "c", [Value::Null, row(1, "l", "x")], 6),
        event("bank/line", "line", "c", [Value::Null, row(1, "l", "x")], 7),
        event("bank/line", "line", "u", [row(1, "l", "x"), row(2, "m", "y")], 8),
    ];
    backend.store.commit(Commit::events(appends)).await.unwrap();
}

/// Registers a table as a capture does.
async fn capture_table(backend: &CatalogBackend, stream: &str, segments: u32, schema: &Value) {
    let stream: StreamId = stream.parse().unwrap();
    let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
    let mut properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, true);
    let labels = [
        (capture_labels::FORMAT, capture_labels::DEBEZIUM_JSON),
        (capture_labels::TABLE, stream.name.as_str()),
        (capture_labels::SOURCE, "bank"),
    ];
    properties.properties.extend(labels.map(|(label, value)| (label.to_owned(), value.to_owned())));
    backend.registry.create_group(&group, properties).await.unwrap();
    register(backend, &stream, schema).await;
    backend.store.create_scope(&stream.scope).await.unwrap();
    backend.store.create_stream(&stream, StreamConfig::with_segments(segments)).await.unwrap();
}

async fn register(backend: &CatalogBackend, stream: &StreamId, schema: &Value) {
    let group = GroupId::new(stream.scope.as_str(), stream.name.as_str());
    let schema = SchemaInfo::new(stream.name.as_str(), Format::Json, schema.to_string());
    backend.registry.add_schema(&group, schema).await.unwrap();
}

const VIEWS: &str = "USE bank;
    CREATE MATERIALIZED VIEW items AS SELECT * FROM item;
    CREATE MATERIALIZED VIEW named AS SELECT name, COUNT(*) AS n, COUNT(note) AS notes, MAX(id) AS id FROM item GROUP BY name;
    CREATE MATERIALIZED VIEW lines AS SELECT * FROM line;
    CREATE MATERIALIZED VIEW both_tables AS SELECT i.id, i.note, l.name FROM item AS i JOIN line AS l ON i.id = l.id;";
const QUERIES: [(&str, &str); 4] = [
    ("items", "SELECT * FROM item"),
    ("named", "SELECT name, COUNT(*) AS n, COUNT(note) AS notes, MAX(id) AS id FROM item GROUP BY name"),
    ("lines", "SELECT * FROM line"),
    ("both_tables", "SELECT i.id, i.note, l.name FROM item AS i JOIN line AS l ON i.id = l.id"),
];

/// Two tables that are captured together: a commit has changes of both.
struct Bank {
    item: SourceTable,
    line: SourceTable,
    position: u64,
}

impl Bank {
    fn new() -> Self {
        Self { item: SourceTable::new("item", true), line: SourceTable::new("line", false), position: 0 }
    }

    async fn create(&self, backend: &CatalogBackend) {
        capture_table(backend, "bank/item", 3, &self.item.schema()).await;
        capture_table(backend, "bank/line", 2, &self.line.schema()).await;
    }

    /// A transaction of the source.
    fn transaction(&mut self, rng: &mut SeededRng) -> Commit {
        let appends = (0..1 + rng.index(6)).map(|_| {
            self.position += 1;
            let (stream, table) = match rng.one_in(2) {
                true => ("bank/item", &mut self.item),
                false => ("bank/line", &mut self.line),
            };
            let SourceEvent { routing_key, event } = table.change(rng, Some(self.position));
            Append::keyed(&stream.parse().unwrap(), routing_key, event)
        });
        Commit::events(appends.collect::<Vec<_>>())
    }

    async fn check(&self, session: &mut Session, at: &str) {
        assert_eq!(rows(session, "SELECT * FROM items").await, self.item.texts(), "{at}");
        assert_eq!(rows(session, "SELECT * FROM lines").await, self.line.texts(), "{at}");
        for (view, query) in QUERIES {
            let live = rows(session, &format!("SELECT * FROM {view}")).await;
            assert_eq!(live, rows(session, query).await, "{view}, {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_captured_tables_go_on_after_each_restart() {
    for seed in seeds(4) {
        let mut rng = SeededRng::new(seed);
        let backend = backend(Arc::new(MemoryStore::new())).await;
        let mut bank = Bank::new();
        bank.create(&backend).await;
        let mut live = runner(&backend).await;
        let mut session = open(&backend, Some(&live)).await;
        execute(&mut session, VIEWS).await;
        for round in 0..25 {
            backend.store.commit(bank.transaction(&mut rng)).await.unwrap();
            if rng.one_in(2) {
                bank.check(&mut session, &format!("seed {seed}, round {round}")).await;
            }
            if rng.one_in(3) {
                match rng.one_in(2) {
                    // without a last commit, as after kill -9
                    true => drop(live),
                    false => live.stop().await,
                }
                live = runner(&backend).await;
                session = open(&backend, Some(&live)).await;
                execute(&mut session, "USE bank").await;
            }
        }
        bank.check(&mut session, &format!("seed {seed}")).await;
    }
}

/// Every view is right, whatever write of its process failed.
#[tokio::test(flavor = "multi_thread")]
async fn views_of_captured_tables_survive_a_failure_at_each_write() {
    for allowed in 0..16 {
        let mut rng = SeededRng::new(allowed);
        let store =
            Arc::new(FaultyStore::failing_after(MemoryStore::new(), u64::MAX, ErrorKind::Unreachable));
        let backend = backend(Arc::clone(&store) as Arc<dyn StreamStore>).await;
        let mut bank = Bank::new();
        bank.create(&backend).await;
        let live = runner(&backend).await;
        let mut session = open(&backend, Some(&live)).await;
        execute(&mut session, VIEWS).await;
        for _ in 0..4 {
            store.commit(bank.transaction(&mut rng)).await.unwrap();
        }
        store.allow(allowed);
        // what the views show may be of before the failures
        rows(&mut session, "SELECT * FROM item").await;
        live.stop().await;
        store.allow(u64::MAX);
        let live = runner(&backend).await;
        let mut session = open(&backend, Some(&live)).await;
        execute(&mut session, "USE bank").await;
        bank.check(&mut session, &format!("{allowed} writes")).await;
    }
}

/// The source adds, drops and changes columns while views run.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_goes_on_while_the_columns_that_it_reads_are_there() {
    let backend = backend(Arc::new(MemoryStore::new())).await;
    let stream: StreamId = "bank/item".parse().unwrap();
    let mut schema = SourceTable::new("item", true).schema();
    capture_table(&backend, "bank/item", 1, &schema).await;
    let live = runner(&backend).await;
    let mut session = open(&backend, Some(&live)).await;
    let create = "USE bank; CREATE MATERIALIZED VIEW names AS SELECT id, name FROM item;
        CREATE MATERIALIZED VIEW notes AS SELECT id, note FROM item";
    execute(&mut session, create).await;
    let store = async |row: Value| {
        let event = json!({ "op": "c", "after": row, "source": { "lsn": 1 } }).to_string();
        let append = Append::keyed(&stream, "1", event);
        backend.store.commit(Commit::events(vec![append])).await.unwrap();
    };
    store(json!({ "id": 1, "name": "a", "note": "x" })).await;
    assert_eq!(rows(&mut session, "SELECT * FROM names").await, ["1,a"]);

    schema["properties"]["added"] =
        json!({"type": ["null", "string"], "connect.type": "string", "default": "d"});
    register(&backend, &stream, &schema).await;
    store(json!({ "id": 2, "name": "b", "note": "y", "added": "z" })).await;
    assert_eq!(rows(&mut session, "SELECT * FROM names").await, ["1,a", "2,b"]);
    assert_eq!(rows(&mut session, "SELECT * FROM notes").await, ["1,x", "2,y"]);

    // one view reads the column that is dropped
    schema["properties"].as_object_mut().unwrap().remove("note");
    register(&backend, &stream, &schema).await;
    store(json!({ "id": 3, "name": "c", "added": "z" })).await;
    assert_eq!(rows(&mut session, "SELECT * FROM names").await, ["1,a", "2,b", "3,c"]);
    let error = session.execute("SELECT * FROM notes").await.unwrap_err().to_string();
    assert!(error.contains("column note, which the query reads, was dropped or renamed"), "{error}");

    // a wider type: the view is built again with it
    schema["properties"]["id"] = json!({"type": "integer", "connect.type": "int64"});
    register(&backend, &stream, &schema).await;
    store(json!({ "id": 5_000_000_000_i64, "name": "d", "added": "z" })).await;
    let error = session.execute("SELECT * FROM names").await.unwrap_err().to_string();
    assert!(
        error.contains("column id, which the query reads, has the type Int64 instead of Int32"),
        "{error}"
    );
    assert!(error.contains("RESUME builds a view again"), "{error}");
    execute(&mut session, "ALTER MATERIALIZED VIEW names RESUME").await;
    assert_eq!(rows(&mut session, "SELECT * FROM names").await, ["1,a", "2,b", "3,c", "5000000000,d"]);
}
