//! Events of Debezium's engine, as `tests/data/zoo/README.md` describes their files, and the comparison of
//! captured events with them.

use crate::database::StoredRecord;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The files of a zoo of one database.
pub(crate) struct Zoo {
    pub(crate) schema: &'static str,
    pub(crate) changes: &'static str,
    pub(crate) default: &'static str,
    pub(crate) sources: &'static str,
    pub(crate) schemas: &'static str,
    pub(crate) table_changes: &'static str,
}

/// Reads the files of a zoo at compile time.
macro_rules! zoo {
    ($folder:literal) => {
        zoo!($folder, "")
    };
    ($folder:literal, table_changes) => {
        zoo!($folder, include_str!(concat!("../data/", $folder, "/table-changes.jsonl")))
    };
    ($folder:literal, $table_changes:expr) => {
        $crate::golden::Zoo {
            schema: include_str!(concat!("../data/", $folder, "/schema.sql")),
            changes: include_str!(concat!("../data/", $folder, "/changes.sql")),
            default: include_str!(concat!("../data/", $folder, "/default.jsonl")),
            sources: include_str!(concat!("../data/", $folder, "/sources.jsonl")),
            schemas: include_str!(concat!("../data/", $folder, "/schemas.jsonl")),
            table_changes: $table_changes,
        }
    };
}
pub(crate) use zoo;

/// The number of differences that a failure shows.
const MAX_SHOWN: usize = 1000;

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn index(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

impl Zoo {
    /// Returns the parts of the changes; each ends with a row of the table `marker`.
    pub(crate) fn parts(&self) -> Vec<String> {
        let mut parts = vec![String::new()];
        for line in self.changes.lines() {
            let part = parts.last_mut().unwrap();
            part.push_str(line);
            part.push('\n');
            if line.to_ascii_lowercase().starts_with("insert into zoo.marker") {
                parts.push(String::new());
            }
        }
        parts.retain(|part| !part.trim().is_empty());
        parts
    }

    /// Returns the events of a mode, whose file has the differences from the default; with their schemas if
    /// asked for. What cannot be copied is replaced by the expected value.
    pub(crate) fn events(&self, mode: &str, with_schemas: bool, differences: &[Difference]) -> Vec<Value> {
        let sources: Vec<Value> = self.sources.lines().map(parse).collect();
        let changes: Vec<Value> = self.table_changes.lines().map(parse).collect();
        let schemas = Schemas(self.schemas.lines().map(parse).collect());
        let mut events: Vec<Option<Map<String, Value>>> =
            self.default.lines().map(|line| Some(parse(line).as_object().unwrap().clone())).collect();
        for line in mode.lines() {
            let Value::Object(mut difference) = parse(line) else { panic!("{line}") };
            let event = &mut events[index(&difference.remove("index").unwrap())];
            match difference.contains_key("absent") {
                true => *event = None,
                false => event.as_mut().unwrap().extend(difference),
            }
        }
        let whole = |event: Map<String, Value>| {
            let mut event = event;
            if let Some(source) = event["value"].get_mut("source") {
                *source = sources[index(source)].clone();
            }
            if let Some(Value::Array(found)) = event["value"].get_mut("tableChanges") {
                found.iter_mut().for_each(|change| *change = changes[index(change)].clone());
            }
            let schema = |name: &str| {
                let line = event.get(name).filter(|_| with_schemas)?;
                Some(schemas.line(index(line)))
            };
            let wrap = |payload: &Value, schema: Option<Value>| match schema {
                Some(schema) => json!({"schema": schema, "payload": payload}),
                None => payload.clone(),
            };
            let mut headers = Map::new();
            for (name, header) in event.get("headers").and_then(Value::as_object).into_iter().flatten() {
                let found = match header.get("schema") {
                    Some(line) => json!({"schema": schemas.line(index(line)), "payload": header["payload"]}),
                    None => header.clone(),
                };
                headers.insert(name.clone(), found);
            }
            let mut whole = json!({
                "topic": event["topic"],
                "key": wrap(&event["key"], schema("key_schema")),
                "value": wrap(&event["value"], schema("value_schema")),
                "headers": headers,
                "context": event.get("context") != Some(&json!(false)),
            });
            if let Some(is_tombstone) = event.get("tombstone") {
                whole["tombstone"] = is_tombstone.clone();
            }
            whole
        };
        let expected = |(number, event): (usize, Option<Map<String, Value>>)| {
            let mut differences = differences.iter().filter(|difference| difference.event == number);
            let event = whole(event?);
            differences.try_fold(event, |event, difference| difference.applied(event, with_schemas))
        };
        events.into_iter().enumerate().filter_map(expected).collect()
    }
}

/// A difference from Debezium's events that cannot be copied.
pub(crate) struct Difference {
    /// The event's line in `default.jsonl`, from 0.
    pub(crate) event: usize,
    pub(crate) place: Place,
    /// The captured JSON.
    pub(crate) ours: &'static str,
    pub(crate) why: &'static str,
}

/// Where events differ.
pub(crate) enum Place {
    /// The event is Debezium's only.
    Event,
    /// A JSON pointer into the value's payload.
    Payload(&'static str),
    /// A JSON pointer into the value's schema.
    Schema(&'static str),
}

impl Difference {
    /// Replaces Debezium's value, which must be another one than the captured.
    fn applied(&self, mut event: Value, with_schemas: bool) -> Option<Value> {
        let value = &mut event["value"];
        let (part, pointer) = match self.place {
            Place::Event => return None,
            Place::Payload(pointer) if with_schemas => (&mut value["payload"], pointer),
            Place::Payload(pointer) => (value, pointer),
            Place::Schema(pointer) if with_schemas => (&mut value["schema"], pointer),
            Place::Schema(_) => return Some(event),
        };
        let Some(theirs) = part.pointer_mut(pointer) else { panic!("{}: {pointer} in {part}", self.why) };
        let ours = parse(self.ours);
        assert_ne!(*theirs, ours, "{}", self.why);
        *theirs = ours;
        Some(event)
    }
}

/// The schemas, which refer to one another.
struct Schemas(Vec<Value>);

impl Schemas {
    fn line(&self, line: usize) -> Value {
        self.resolved(&self.0[line])
    }

    fn resolved(&self, schema: &Value) -> Value {
        match schema {
            Value::Object(members) => {
                if let Some(line) = members.get("ref") {
                    let mut whole = self.line(index(line));
                    whole.as_object_mut().unwrap().insert("field".into(), members["field"].clone());
                    return whole;
                }
                members.iter().map(|(name, value)| (name.clone(), self.resolved(value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.resolved(item)).collect(),
            other => other.clone(),
        }
    }
}

/// Masks what differs from run to run, as the recorded events are masked.
pub(crate) struct Masks(HashMap<String, usize>);

impl Masks {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Returns a captured event in the form of the recorded ones, whose database is called `zoo`.
    pub(crate) fn masked(&mut self, record: &StoredRecord, database: &str) -> Value {
        let document = |text: &Option<String>| text.as_deref().map_or(Value::Null, parse);
        let (mut key, mut value) = (document(&record.key), document(&record.value));
        mask_numbers(payload(&mut value), &["ts_ms", "ts_us", "ts_ns"]);
        if let Some(source) = payload(&mut value).get_mut("source") {
            mask_numbers(source, &["ts_ms", "ts_us", "ts_ns", "txId", "lsn", "pos", "server_id", "thread"]);
            mask_texts(source, &["version", "sequence", "gtid", "file"]);
            assert_eq!(source["db"], database);
            source["db"] = json!("zoo");
        }
        self.replace(payload(&mut value).get_mut("transaction").and_then(|block| block.get_mut("id")));
        self.replace(payload(&mut value).get_mut("__transaction_id"));
        mask_added(payload(&mut value).as_object_mut());
        if record.topic.ends_with(".transaction") {
            self.replace(payload(&mut key).get_mut("id"));
            self.replace(payload(&mut value).get_mut("id"));
            mask_messages(payload(&mut value).get_mut("data_collections"));
        }
        if record.topic.ends_with(".gen") {
            for row in ["before", "after"] {
                if let Some(row) = payload(&mut value).get_mut(row) {
                    mask_texts(row, &["ts"]);
                }
            }
        }
        let mut headers = record.headers.clone();
        mask_added(Some(&mut headers));
        let before = headers.len();
        headers.retain(|name, _| !name.starts_with("__debezium.context."));
        let context = headers.len() < before;
        let is_null = record.value.is_some() && payload(&mut value).is_null();
        let mut event = json!({
            "topic": record.topic, "key": key, "value": value, "headers": headers, "context": context
        });
        if is_null {
            event["tombstone"] = json!(false);
        }
        event
    }

    fn replace(&mut self, id: Option<&mut Value>) {
        let Some(id) = id else { return };
        let Some(text) = id.as_str() else { return };
        // PostgreSQL's are followed by a log position
        let transaction = text.split_once(':').filter(|(xid, _)| xid.bytes().all(|b| b.is_ascii_digit()));
        let transaction = transaction.map_or(text, |(xid, _)| xid).to_owned();
        let next = self.0.len() + 1;
        *id = json!(self.0.entry(transaction).or_insert(next).to_string());
    }
}

/// Masks the addresses that are the names of messages, and moves them behind the tables: their place depends
/// on the address.
fn mask_messages(collections: Option<&mut Value>) {
    let Some(Value::Array(collections)) = collections else { return };
    for collection in collections.iter_mut() {
        let name = collection["data_collection"].as_str().unwrap();
        if let Some((class, _)) = name.split_once('@').filter(|(class, _)| class.starts_with("io.debezium."))
        {
            collection["data_collection"] = json!(format!("{class}@*"));
        }
    }
    collections.sort_by_key(|collection| collection["data_collection"].as_str().unwrap().ends_with("@*"));
}

/// Returns the payload of a document, with its schema or without.
fn payload(document: &mut Value) -> &mut Value {
    if document.get("payload").is_some() && document.get("schema").is_some() {
        return document.get_mut("payload").unwrap();
    }
    document
}

/// Masks fields and headers that a transformation has added.
fn mask_added(members: Option<&mut Map<String, Value>>) {
    for (name, value) in members.into_iter().flatten() {
        let prefixes = ["__source_", "__", "h_source_", "h_"];
        let original = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
        if !matches!(original, Some("ts_ms" | "ts_us" | "ts_ns" | "lsn")) {
            continue;
        }
        let value = payload(value);
        if !value.is_null() {
            *value = json!(0);
        }
    }
}

fn mask_numbers(object: &mut Value, names: &[&str]) {
    mask(object, names, &json!(0));
}

fn mask_texts(object: &mut Value, names: &[&str]) {
    mask(object, names, &json!("*"));
}

fn mask(object: &mut Value, names: &[&str], masked: &Value) {
    for name in names {
        if let Some(member) = object.get_mut(name).filter(|member| !member.is_null()) {
            *member = masked.clone();
        }
    }
}

/// Compares events one by one, members in their order; panics with the first differences.
pub(crate) fn compare(what: &str, ours: &[Value], theirs: &[Value]) {
    let mut differences = Vec::new();
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        // texts have the order of members too
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        if ours != theirs {
            differences.push(format!("{what}, event {number}\nours   {ours}\ntheirs {theirs}"));
        }
    }
    if ours.len() != theirs.len() {
        differences.push(format!("{what}: {} events, theirs are {}", ours.len(), theirs.len()));
    }
    let count = differences.len();
    differences.truncate(MAX_SHOWN);
    assert!(differences.is_empty(), "{count} differences\n{}", differences.join("\n"));
}
