//! Entry points for fuzzing: arbitrary bytes as input of the store, of event readers, of the registry and of
//! change data capture. Nothing may panic or allocate more than the input justifies. The fuzz targets call
//! these functions, and the tests call them with the corpora.

mod containment;
mod events;
mod requests;
mod rows;
mod schemas;

pub use containment::json_containment;
pub use events::{change_log, codec, envelope, header, json_rows, protobuf};
pub use kulya_cdc::fuzzing::{binlog, mysql_ddl, pgoutput, properties, recording, replication_url};
pub use kulya_cdc::fuzzing::{signals, spool, topic_regex, transforms};
pub use requests::registry_rest;
pub use rows::{avro_rows, csv_rows, protobuf_rows};
pub use schemas::{avro_schema, json_pattern, json_schema, protobuf_schema, protobuf_source, references};

use crate::disk::SimDisk;
use crate::index::SimIndex;
use kulya_store::{
    ErrorKind, EventPointer, Scope, SegmentId, StreamCut, StreamName, StreamStore, bounded_read, hash,
};
use kulya_store_embedded::{EmbeddedStore, Options, fuzzing};
use kulya_testkit::SeededRng;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Parses log frames, and the operations of a frame.
pub fn frame(bytes: &[u8]) {
    fuzzing::decode_frames(bytes);
    fuzzing::decode_ops(bytes);
    // a valid frame is read
    assert_eq!(fuzzing::decode_frames(&fuzzing::encode_log_file([bytes])), 1);
}

/// Recovers a store whose only log file has these bytes. With an odd first byte they are bodies, each with
/// its length in two bytes before it, in valid frames, which reaches the code behind the checksums.
pub fn recovery(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let mut bodies = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
        let (body, tail) = tail.split_at(length);
        bodies.push(body);
        rest = tail;
    }
    let log = if first % 2 == 1 {
        fuzzing::encode_log_file(bodies)
    } else {
        bytes.get(1..).unwrap_or_default().to_vec()
    };
    let disk = SimDisk::new(SeededRng::new(1));
    let folder = Path::new("store");
    disk.put_file(&folder.join("FORMAT"), format!("{}\n", EmbeddedStore::FORMAT).as_bytes());
    disk.put_file(&folder.join("MANIFEST"), &fuzzing::encode_manifest());
    disk.put_file(&folder.join("log/0000000000000000.log"), &log);
    let components = || Options {
        disk: Arc::new(disk.handle()),
        index: Some(Arc::new(SimIndex::new(&disk))),
        inline: true,
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    match EmbeddedStore::open_with(folder, components()) {
        Ok(store) => {
            let before = runtime.block_on(contents(&store));
            runtime.block_on(store.maintain()).expect("the maintenance of an open store succeeds");
            assert_eq!(runtime.block_on(contents(&store)), before, "maintenance changes no contents");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
    }
}

/// Reads streams and tables; an error is part of the contents.
async fn contents(store: &EmbeddedStore) -> Vec<String> {
    let mut contents = Vec::new();
    for scope in store.scopes().await.unwrap_or_default() {
        for name in store.streams(&scope).await.unwrap_or_default() {
            let stream = kulya_store::StreamId { scope: scope.clone(), name };
            let kinds = |error: kulya_store::Error| error.kind();
            // a fuzzed log may have extents that do not start with an event
            contents.push(format!("{stream} {:?}", bounded_read(store, &stream).await.map_err(kinds)));
        }
        for name in store.tables(&scope).await.unwrap_or_default() {
            let table = kulya_store::TableId { scope: scope.clone(), name };
            contents.push(format!(
                "{table} {:?}",
                store.scan(&table, b"", None, 100).await.map_err(|e| e.kind())
            ));
        }
    }
    contents
}

/// Parses an event pointer; a parsed one is encoded to an equal one.
pub fn pointer(bytes: &[u8]) {
    if let Ok(pointer) = EventPointer::from_bytes(bytes) {
        let again = EventPointer::from_bytes(&pointer.to_bytes()).expect("an encoded value is parsed");
        assert_eq!(again, pointer);
    }
}

/// Parses a stream cut; a parsed one is formatted to an equal one.
pub fn cut(bytes: &[u8]) {
    if let Ok(cut) = StreamCut::from_str(&String::from_utf8_lossy(bytes)) {
        assert_eq!(StreamCut::from_str(&cut.to_string()).expect("an encoded value is parsed"), cut);
    }
}

/// Parses names, hashes routing keys, and parses an index entry: a key, with its length in one byte before
/// it, and a value.
pub fn keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = (Scope::new(&text), StreamName::stored(&text));
    if let Ok(segment) = SegmentId::from_str(&text) {
        assert_eq!(SegmentId::from_str(&segment.to_string()).expect("an encoded value is parsed"), segment);
    }
    assert!((0.0..1.0).contains(&hash::hash_to_range(&text)));
    if let Some((length, rest)) = bytes.split_first() {
        let (key, value) = rest.split_at(usize::from(*length).min(rest.len()));
        fuzzing::decode_index_entry(key, value);
    }
}
