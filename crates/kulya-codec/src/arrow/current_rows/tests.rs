use super::changes::Change;
use super::*;
use crate::arrow::{BATCH_ROWS, ColumnType, RowKind, columns, primary_key};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use kulya_schema::SchemaInfo;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

const PLACEHOLDER: &str = "__debezium_unavailable_value";

fn table(names: &[&str]) -> Vec<Column> {
    let kind = |name: &str| if name == "id" { ColumnType::Int64 } else { ColumnType::Text };
    names.iter().map(|name| Column { name: (*name).to_owned(), nullable: false, kind: kind(name) }).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns the rows of batches as texts, sorted.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows: Vec<String> = batches
        .iter()
        .flat_map(|batch| {
            (0..batch.num_rows()).map(|row| {
                let cell =
                    |column: &Arc<dyn arrow::array::Array>| array_value_to_string(column, row).unwrap();
                batch.columns().iter().map(cell).collect::<Vec<_>>().join("|")
            })
        })
        .collect();
    rows.sort();
    rows
}

fn current(columns: &[&str], key: &[&str], events: &[Value]) -> Vec<String> {
    let mut rows = CurrentRows::new(&table(columns), &names(key), None).unwrap();
    for event in events {
        rows.apply(event.to_string().as_bytes()).unwrap();
    }
    rows.apply(b"").unwrap();
    texts(&rows.into_batches().unwrap())
}

fn event(op: &str, before: Value, after: Value, lsn: u64) -> Value {
    json!({ "op": op, "before": before, "after": after, "source": { "lsn": lsn } })
}

#[test]
fn the_last_row_of_each_key_is_current() {
    let row = |id: i32, v: &str| json!({ "id": id, "v": v });
    let events = [
        event("r", Value::Null, row(1, "a"), 1),
        event("c", Value::Null, row(2, "b"), 2),
        event("u", Value::Null, row(1, "c"), 3),
        event("c", Value::Null, row(3, "d"), 4),
        event("d", json!({ "id": 2, "v": null }), Value::Null, 5),
        event("u", Value::Null, row(3, PLACEHOLDER), 6),
        event("u", Value::Null, row(4, PLACEHOLDER), 7),
        json!({ "op": "m", "message": {} }),
    ];
    assert_eq!(current(&["id", "v"], &["id"], &events), ["1|c", "3|d", "4|"]);
    assert_eq!(current(&["v", "id"], &["id"], &events), ["c|1", "d|3", "|4"]);
}

#[test]
fn batches_have_the_wanted_columns() {
    let mut rows = CurrentRows::new(&table(&["a", "id", "b"]), &names(&["id"]), Some(&[2])).unwrap();
    rows.apply(
        event("c", Value::Null, json!({ "id": 1, "a": {"x": 1}, "b": "y" }), 1).to_string().as_bytes(),
    )
    .unwrap();
    rows.apply(event("c", Value::Null, json!({ "id": 2, "b": "z" }), 1).to_string().as_bytes()).unwrap();
    assert_eq!(rows.schema().fields().len(), 1);
    assert_eq!(texts(&rows.into_batches().unwrap()), ["y", "z"]);
    let mut rows = CurrentRows::new(&table(&["a", "id"]), &names(&["id"]), Some(&[])).unwrap();
    rows.apply(event("c", Value::Null, json!({ "id": 1 }), 1).to_string().as_bytes()).unwrap();
    let batches = rows.into_batches().unwrap();
    assert_eq!((batches[0].num_rows(), batches[0].num_columns()), (1, 0));
    for (key, wanted) in [("x", 0), ("id", 7)] {
        CurrentRows::new(&table(&["id"]), &names(&[key]), Some(&[wanted])).unwrap_err();
    }
}

#[test]
fn a_truncate_deletes_older_rows_of_all_segments() {
    let row = |id: i32| json!({ "id": id });
    let events = [
        event("t", Value::Null, Value::Null, 10),
        // of another segment, applied later
        event("c", Value::Null, row(1), 5),
        event("c", Value::Null, row(2), 11),
    ];
    assert_eq!(current(&["id"], &["id"], &events), ["2"]);
    let no_lsn = json!({ "op": "t" });
    assert_eq!(current(&["id"], &["id"], &[event("c", Value::Null, row(1), 5), no_lsn]), [""; 0]);
}

#[test]
fn without_a_key_equal_rows_are_counted() {
    let row = json!({ "a": 1 });
    let events = [
        event("c", Value::Null, row.clone(), 1),
        event("c", Value::Null, row.clone(), 2),
        event("c", Value::Null, row.clone(), 3),
        event("d", row.clone(), Value::Null, 4),
        event("u", row.clone(), json!({ "a": 2 }), 5),
    ];
    assert_eq!(current(&["a"], &[], &events), ["1", "2"]);
    let many = vec![event("c", Value::Null, row, 1); BATCH_ROWS + 5];
    assert_eq!(current(&["a"], &[], &many).len(), BATCH_ROWS + 5);
}

#[test]
fn invalid_events_are_rejected() {
    let mut rows = CurrentRows::new(&table(&["id", "v"]), &names(&["id"]), None).unwrap();
    for (event, expected) in [
        ("{", "not a Debezium envelope"),
        ("{}", "op"),
        (r#"{"op":"x"}"#, "unknown"),
        (r#"{"op":"d"}"#, "REPLICA IDENTITY FULL"),
        (r#"{"op":"c","after":{"id":"x"}}"#, "column id: \"x\" is not a valid Int64"),
        (r#"{"op":"c","after":{"id":1},"source":{"lsn":"x"}}"#, "source.lsn"),
    ] {
        let error = rows.apply(event.as_bytes()).unwrap_err();
        assert!(error.contains(expected), "{event}: {error}");
    }
    let mut rows = CurrentRows::new(&table(&["id"]), &[], None).unwrap();
    rows.apply(br#"{"op":"c","after":{"id":1}}"#).unwrap();
    rows.apply(br#"{"op":"u","before":{"id":1},"after":{"id":"x"}}"#).unwrap_err();
    assert_eq!(texts(&rows.into_batches().unwrap()), ["1"], "an event with an error has no effect");
}

#[test]
fn rows_of_older_versions_have_the_present_columns() {
    let version = |properties: Value| {
        SchemaInfo::json("t", json!({ "properties": properties, "x-primary-key": ["key"] }).to_string())
    };
    let versions = [
        version(json!({ "id": { "x-column-id": "1", "type": "integer" }, "gone": {} })),
        version(json!({ "key": { "x-column-id": "1", "type": "integer" }, "new": { "default": "d" } })),
    ];
    let (table, key) = (columns(&versions[1]).unwrap(), primary_key(&versions[1]).unwrap());
    let mut rows =
        CurrentRows::new(&table, &key, None).unwrap().with_history(RowHistory::new(&versions).unwrap());
    for (op, side, row) in [
        ("c", "after", json!({ "id": 1, "gone": "x" })),
        ("c", "after", json!({ "id": 2 })),
        ("u", "after", json!({ "key": 2, "new": null })),
        ("c", "after", json!({ "id": 3 })),
        ("d", "before", json!({ "key": 3, "new": "d" })),
        ("c", "after", json!({ "id": 4 })),
        ("u", "after", json!({ "key": 4, "new": PLACEHOLDER })),
    ] {
        rows.apply(json!({ "op": op, side: row }).to_string().as_bytes()).unwrap();
    }
    assert_eq!(texts(&rows.into_batches().unwrap()), ["1|d", "2|", "4|d"]);
}

#[test]
fn equal_rows_of_before_a_truncate_are_not_counted() {
    let mut rows = CurrentRows::new(&table(&["a"]), &[], None).unwrap();
    for (op, side, lsn) in [("c", "after", 5), ("c", "after", 6), ("t", "none", 10), ("c", "after", 15)] {
        let event = json!({ "op": op, side: { "a": "x" }, "source": { "lsn": lsn } });
        rows.apply(event.to_string().as_bytes()).unwrap();
    }
    assert_eq!(texts(&rows.into_batches().unwrap()), ["x"]);
}

/// A row, its log position, and the number of equal ones.
type ReferenceRow = (Map<String, Value>, Option<u64>, u64);

/// The current rows as maps of values.
#[derive(Default)]
struct Reference {
    key: Vec<String>,
    rows: HashMap<String, ReferenceRow>,
    truncated: Option<u64>,
}

impl Reference {
    fn key_of(&self, row: &Map<String, Value>) -> String {
        if self.key.is_empty() {
            let members: BTreeMap<_, _> = row.iter().filter(|(_, value)| !value.is_null()).collect();
            return json!(members).to_string();
        }
        let parts = self.key.iter().map(|name| row.get(name).cloned().unwrap_or_default());
        Value::Array(parts.collect()).to_string()
    }

    fn apply(&mut self, event: &Value) {
        let row = |side: &str| event.get(side).and_then(Value::as_object).cloned();
        let lsn = event.pointer("/source/lsn").and_then(Value::as_u64);
        match event["op"].as_str().unwrap() {
            "c" => self.upsert(row("after").unwrap(), lsn),
            "u" => {
                if self.key.is_empty() {
                    self.remove(&row("before").unwrap());
                }
                self.upsert(row("after").unwrap(), lsn);
            }
            "d" => self.remove(&row("before").unwrap()),
            _ => match lsn {
                Some(lsn) => self.truncated = self.truncated.max(Some(lsn)),
                None => self.rows.clear(),
            },
        }
    }

    fn upsert(&mut self, mut row: Map<String, Value>, lsn: Option<u64>) {
        let key = self.key_of(&row);
        let stored = self.rows.get(&key);
        for (name, value) in &mut row {
            if *value == json!(PLACEHOLDER) {
                *value = stored.and_then(|stored| stored.0.get(name)).cloned().unwrap_or_default();
            }
        }
        let equal = stored.filter(|(_, lsn, _)| self.truncated.is_none() || *lsn > self.truncated);
        let count = if self.key.is_empty() { equal.map_or(0, |stored| stored.2) + 1 } else { 1 };
        self.rows.insert(key, (row, lsn, count));
    }

    fn remove(&mut self, row: &Map<String, Value>) {
        let key = self.key_of(row);
        match self.rows.get_mut(&key) {
            Some(stored) if stored.2 > 1 => stored.2 -= 1,
            _ => drop(self.rows.remove(&key)),
        }
    }

    fn texts(self) -> Vec<String> {
        let text = |row: &Map<String, Value>, name: &str| match row.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let mut rows: Vec<String> = self
            .rows
            .into_values()
            .filter(|(_, lsn, _)| self.truncated.is_none() || *lsn > self.truncated)
            .flat_map(|(row, _, count)| {
                vec![["id", "a", "b"].map(|name| text(&row, name)).join("|"); usize::try_from(count).unwrap()]
            })
            .collect();
        rows.sort();
        rows
    }
}

/// A spill target in memory.
#[derive(Default)]
struct Pieces(Arc<Mutex<HashMap<usize, std::collections::VecDeque<Bytes>>>>);

#[async_trait::async_trait]
impl SpillTarget for Pieces {
    async fn write(&mut self, partition: usize, piece: Bytes) -> CodecResult<()> {
        self.0.lock().unwrap().entry(partition).or_default().push_back(piece);
        Ok(())
    }

    async fn read(&mut self, partition: usize) -> CodecResult<Option<Bytes>> {
        Ok(self.0.lock().unwrap().get_mut(&partition).and_then(std::collections::VecDeque::pop_front))
    }
}

fn change(has_key: bool) -> impl Strategy<Value = Value> {
    let cell = move || {
        let unchanged = if has_key { PLACEHOLDER } else { "z" };
        prop_oneof![
            3 => prop::sample::select(vec![json!("x"), json!("yy"), json!(null), json!(unchanged)]),
            1 => "[a-c]{0,60}".prop_map(|text| json!(text)),
        ]
    };
    let id = if has_key { 0..200_i64 } else { 0..5_i64 };
    let row = move || {
        (id.clone(), cell(), prop::option::of(cell())).prop_map(|(id, a, b)| {
            let mut row = json!({ "id": id, "a": a });
            b.into_iter().for_each(|b| row["b"] = b);
            row
        })
    };
    let lsn = prop::option::weighted(0.9, 0_u64..1000);
    (prop::sample::select(vec!["c", "c", "c", "u", "u", "u", "d", "t"]), row(), row(), lsn, 0..20).prop_map(
        |(op, before, after, lsn, rare)| {
            let op = if op == "t" && rare > 0 { "c" } else { op };
            json!({ "op": op, "before": before, "after": after, "source": { "lsn": lsn } })
        },
    )
}

fn changes() -> impl Strategy<Value = (bool, Vec<Value>)> {
    let changes = any::<bool>()
        .prop_flat_map(|has_key| (Just(has_key), prop::collection::vec(change(has_key), 0..300)));
    changes.prop_map(|(has_key, mut events)| {
        // the events of a table without a key are in one segment, in the order of the source
        for (number, event) in events.iter_mut().enumerate().filter(|_| !has_key) {
            let lsn = &mut event["source"]["lsn"];
            *lsn = if lsn.is_null() { Value::Null } else { json!(number) };
        }
        (has_key, events)
    })
}

/// Returns rows as a batch.
fn batch(rows: &[(i64, Option<String>, u8)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(rows.iter().map(|(id, ..)| Some(*id)).collect::<Int64Array>());
    let texts: ArrayRef = Arc::new(rows.iter().map(|(_, text, _)| text.clone()).collect::<StringArray>());
    RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("text", texts, true)]).unwrap()
}

#[test]
fn an_update_of_a_key_removes_the_row_of_the_former_key() {
    let rows = [(1, Some("a".to_owned()), 0), (1, None, 0), (2, Some("b".to_owned()), 0), (2, None, 0)];
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::UpdateBefore];
    for (count, expected) in [(1, &["1|a"][..]), (2, &[]), (3, &["2|b"]), (4, &[])] {
        let mut state = RowState::new(&batch(&[]).schema(), RowIdentity::Key(&[0]), &[0, 1]).unwrap();
        state.apply(&batch(&rows[..count]), Some(&kinds[..count])).unwrap();
        assert_eq!(texts(&state.into_batches().unwrap()), expected, "{count} rows");
    }
    let mut state = RowState::new(&batch(&[]).schema(), RowIdentity::Key(&[0]), &[0]).unwrap();
    state.apply(&batch(&rows[..1]), None).unwrap();
    state.clear();
    assert!(state.into_batches().unwrap().is_empty());
    RowState::new(&batch(&[]).schema(), RowIdentity::Key(&[0]), &[2]).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn current_rows_are_those_of_maps((has_key, events) in changes(), spills in any::<bool>()) {
        let key = if has_key { names(&["id"]) } else { Vec::new() };
        let mut reference = Reference { key: key.clone(), ..Reference::default() };
        let mut rows = CurrentRows::new(&table(&["id", "a", "b"]), &key, None).unwrap();
        if spills {
            rows = rows.with_spill(Box::<Pieces>::default());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(async {
            for (number, event) in events.iter().enumerate() {
                reference.apply(event);
                rows.apply(event.to_string().as_bytes()).unwrap();
                if number % 64 == 63 {
                    rows.state().spill_beyond(4000).await.unwrap();
                    if spills {
                        assert!(rows.state().memory_bytes() < 80_000);
                    }
                }
            }
            let mut batches = Vec::new();
            while let Some(batch) = rows.state().next_batch().await.unwrap() {
                batches.push(batch);
            }
            assert!(rows.state().next_batch().await.unwrap().is_none());
            texts(&batches)
        });
        prop_assert_eq!(found, reference.texts());
    }

    #[test]
    fn rows_that_batches_leave_are_those_of_maps(
        is_keyed: bool,
        spills: bool,
        rows in prop::collection::vec((0_i64..60, prop::option::of("[a-c]{0,30}"), 0..6_u8), 0..600),
    ) {
        let schema = batch(&[]).schema();
        let identity = if is_keyed { RowIdentity::Key(&[0]) } else { RowIdentity::Columns(&[0]) };
        let mut state = RowState::new(&schema, identity, &[1, 0]).unwrap();
        if spills {
            state = state.with_spill(Box::<Pieces>::default());
        }
        let mut reference: BTreeMap<i64, (Option<String>, u64)> = BTreeMap::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(async {
            for rows in rows.chunks(50) {
                let kind = |kind: u8| match kind {
                    0 | 1 => RowKind::Insert,
                    2 | 3 => RowKind::UpdateAfter,
                    4 => RowKind::Delete,
                    _ if is_keyed => RowKind::Delete,
                    _ => RowKind::UpdateBefore,
                };
                let kinds: Vec<RowKind> = rows.iter().map(|(.., number)| kind(*number)).collect();
                for ((id, text, _), kind) in rows.iter().zip(&kinds) {
                    let count = reference.get(id).map_or(0, |(_, count)| *count);
                    match (kind.is_addition(), count) {
                        (true, _) => {
                            let count = if is_keyed { 1 } else { count + 1 };
                            reference.insert(*id, (text.clone(), count));
                        }
                        (false, 0 | 1) => drop(reference.remove(id)),
                        (false, _) => reference.get_mut(id).unwrap().1 -= 1,
                    }
                }
                state.apply(&batch(rows), Some(&kinds)).unwrap();
                state.spill_beyond(4000).await.unwrap();
            }
            let mut batches = Vec::new();
            while let Some(batch) = state.next_batch().await.unwrap() {
                batches.push(batch);
            }
            texts(&batches)
        });
        let text = |(id, (text, count)): (i64, (Option<String>, u64))| {
            vec![format!("{}|{id}", text.unwrap_or_default()); usize::try_from(count).unwrap()]
        };
        let mut expected: Vec<String> = reference.into_iter().flat_map(text).collect();
        expected.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_applied_or_an_error(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)) {
        let mut rows = CurrentRows::new(&table(&["id"]), &names(&["id"]), None).unwrap();
        for event in events {
            let _ = rows.apply(&event);
            let _ = rows.apply(&[br#"{"op":"c","after":{"id":"#, &event[..], b"}}"].concat());
            let _ = Change::read(&mut event.as_slice());
        }
        rows.into_batches().unwrap();
    }
}
