//! The payloads of real events, taken apart and written again.

use super::connector::Connector;
use super::envelope::{Operation, ProcessingTime, absent, write_envelope};
use super::modes::Compatibility;
use super::transaction::{TransactionCounts, TransactionId, TransactionOrder};
use super::{message, transaction};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

const PAYLOADS: &str = include_str!("../../tests/data/debezium-schemas/payloads.tsv");

#[derive(Deserialize)]
struct Block<'a> {
    id: &'a str,
    total_order: u64,
    data_collection_order: u64,
}

#[derive(Deserialize)]
struct Collection<'a> {
    data_collection: &'a str,
    event_count: u64,
}

#[derive(Deserialize)]
struct Message<'a> {
    prefix: &'a str,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Payload<'a> {
    op: Option<Operation>,
    status: Option<&'a str>,
    id: Option<&'a str>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    after: Option<&'a RawValue>,
    source: Option<&'a RawValue>,
    transaction: Option<Block<'a>>,
    message: Option<Message<'a>>,
    data_collections: Option<Vec<Collection<'a>>>,
    ts_ms: u64,
    ts_ns: Option<u64>,
}

fn id(text: &str) -> TransactionId<'_> {
    match text.split_once(':').map(|(xid, lsn)| (xid.parse(), lsn.parse())) {
        Some((Ok(xid), Ok(lsn))) => TransactionId::Postgres { xid, lsn },
        _ => TransactionId::Gtid(text),
    }
}

fn raw<'a>(json: Option<&'a RawValue>) -> impl FnOnce(&mut Vec<u8>) + use<'a> {
    move |out: &mut Vec<u8>| match json {
        Some(json) => out.extend_from_slice(json.get().as_bytes()),
        None => absent(out),
    }
}

/// Writes an END record after the events that it counts.
fn write_end(out: &mut Vec<u8>, payload: &Payload<'_>, collections: &[Collection<'_>]) {
    let id = id(payload.id.unwrap());
    let mut counts = TransactionCounts::new();
    for (index, collection) in collections.iter().enumerate() {
        for _ in 0..collection.event_count {
            counts.count(index, id);
        }
    }
    let (total, counts) = counts.finish(|index| collections[index].data_collection, Compatibility::Debezium);
    transaction::write_end(out, &id, total, &counts, payload.ts_ms as i64);
}

/// Writes a key and a value.
fn write(payload: &Payload<'_>, key: &mut Vec<u8>, value: &mut Vec<u8>) {
    let order = payload.transaction.as_ref().map(|block| TransactionOrder {
        id: id(block.id),
        total_order: block.total_order,
        data_collection_order: block.data_collection_order,
    });
    let now = payload.ts_ns.map_or(Duration::from_millis(payload.ts_ms), Duration::from_nanos);
    let now = ProcessingTime::new(now);
    if let Some(found) = &payload.message {
        message::write_key(key, found.prefix);
        let content = raw(Some(found.content));
        return message::write_value(value, found.prefix, content, raw(payload.source), order.as_ref(), &now);
    }
    if let Some(operation) = payload.op {
        let [before, after, source] = [payload.before, payload.after, payload.source].map(raw);
        return write_envelope(value, before, after, source, order.as_ref(), operation, &now);
    }
    transaction::write_key(key, &id(payload.id.unwrap()));
    match (payload.status, &payload.data_collections) {
        (Some("END"), Some(collections)) => write_end(value, payload, collections),
        _ => transaction::write_begin(value, &id(payload.id.unwrap()), payload.ts_ms as i64),
    }
}

#[test]
fn payloads_are_debeziums() {
    let mut connectors = Vec::new();
    for line in PAYLOADS.lines() {
        let [connector, key, value] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        connectors.push(connector);
        let payload: Payload<'_> = serde_json::from_str(value).unwrap();
        let [mut found_key, mut found] = [Vec::new(), Vec::new()];
        write(&payload, &mut found_key, &mut found);
        assert_eq!(String::from_utf8(found).unwrap(), value);
        if !found_key.is_empty() {
            assert_eq!(String::from_utf8(found_key).unwrap(), key);
        }
    }
    for connector in [Connector::Postgresql, Connector::Mysql, Connector::Mariadb] {
        assert!(connectors.contains(&connector.name()), "{connector:?} is not in the data");
    }
}
