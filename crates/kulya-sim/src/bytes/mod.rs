//! Any bytes, where the store, readers of events, and the registry read bytes from outside: nothing panics, and nothing
//! grows beyond what the bytes are. The fuzz targets call these functions; the tests call them with what the fuzzers have
//! found worth keeping.

mod events;
mod requests;
mod schemas;

pub use events::{codec, header, protobuf};
pub use requests::registry_rest;
pub use schemas::{avro_schema, json_schema, protobuf_schema};

use crate::{SimDisk, SimIndex};
use kulya_store::{
    ErrorKind, EventPointer, Scope, SegmentId, StreamCut, StreamName, StreamStore, bounded_read, hash,
};
use kulya_store_embedded::{Components, EmbeddedStore, outside};
use kulya_testkit::SeededRng;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Frames of a log file, and the ops of a frame.
pub fn frame(bytes: &[u8]) {
    outside::frames(bytes);
    outside::ops(bytes);
    // a frame that is whole is read
    assert_eq!(outside::frames(&outside::framed([bytes])), 1);
}

/// A folder whose only log file is these bytes; or, with an odd first byte, frames around bodies that are: then what the
/// checksums guard is reached. A body begins with its length, two bytes.
pub fn recovery(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let mut bodies = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (body, behind) = behind.split_at(length);
        bodies.push(body);
        rest = behind;
    }
    let log =
        if first % 2 == 1 { outside::framed(bodies) } else { bytes.get(1..).unwrap_or_default().to_vec() };
    let disk = SimDisk::new(SeededRng::new(1));
    let folder = Path::new("store");
    disk.put(&folder.join("FORMAT"), format!("{}\n", EmbeddedStore::FORMAT).as_bytes());
    disk.put(&folder.join("MANIFEST"), &outside::manifest());
    disk.put(&folder.join("log/0000000000000000.log"), &log);
    let components = || Components {
        disk: Arc::new(disk.owner()),
        index: Some(Arc::new(SimIndex::beside(&disk))),
        inline: true,
        ..Components::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    match EmbeddedStore::open_with(folder, components()) {
        Ok(store) => {
            let seen = runtime.block_on(everything(&store));
            runtime.block_on(store.maintain()).expect("the upkeep of an open store works");
            assert_eq!(runtime.block_on(everything(&store)), seen, "the upkeep changes nothing");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
    }
}

/// What can be read of a store, or why not.
async fn everything(store: &EmbeddedStore) -> Vec<String> {
    let mut seen = Vec::new();
    for scope in store.scopes().await.unwrap_or_default() {
        for name in store.streams(&scope).await.unwrap_or_default() {
            let stream = kulya_store::StreamId { scope: scope.clone(), name };
            let kinds = |error: kulya_store::Error| error.kind();
            // a log of ours has events at its extents' beginnings; one that only looks so may not
            seen.push(format!("{stream} {:?}", bounded_read(store, &stream).await.map_err(kinds)));
        }
        for name in store.tables(&scope).await.unwrap_or_default() {
            let table = kulya_store::TableId { scope: scope.clone(), name };
            seen.push(format!(
                "{table} {:?}",
                store.scan(&table, b"", None, 100).await.map_err(|e| e.kind())
            ));
        }
    }
    seen
}

/// An event's pointer.
pub fn pointer(bytes: &[u8]) {
    if let Ok(pointer) = EventPointer::from_bytes(bytes) {
        let again = EventPointer::from_bytes(&pointer.to_bytes()).expect("what was written can be read");
        assert_eq!(again, pointer);
    }
}

/// A stream cut, as text.
pub fn cut(bytes: &[u8]) {
    if let Ok(cut) = StreamCut::from_str(&String::from_utf8_lossy(bytes)) {
        assert_eq!(StreamCut::from_str(&cut.to_string()).expect("what was written can be read"), cut);
    }
}

/// Names, routing keys, and the index's keys and values: a byte's worth of the first, the rest is the second.
pub fn keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = (Scope::new(&text), StreamName::stored(&text));
    if let Ok(segment) = SegmentId::from_str(&text) {
        assert_eq!(SegmentId::from_str(&segment.to_string()).expect("what was written can be read"), segment);
    }
    assert!((0.0..1.0).contains(&hash::position(&text)));
    if let Some((length, rest)) = bytes.split_first() {
        let (key, value) = rest.split_at(usize::from(*length).min(rest.len()));
        outside::index_entry(key, value);
    }
}
