//! A store in memory for tests of what a sink writes.

use super::{RefusedSchema, StoreSettings, StoreSink};
use crate::debezium::Encoding;
use crate::{Checkpoint, Position, Sink};
use kulya_registry::Registry;
use kulya_store::clock::SystemClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{StreamId, bounded_read};

/// A store and its registry.
pub(crate) struct Target {
    pub(crate) store: MemoryStore,
    pub(crate) registry: Registry,
}

impl Target {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new();
        let registry = Registry::new(store.clone(), SystemClock).unwrap();
        Self { store, registry }
    }

    /// Starts a sink, as after a restart.
    pub(crate) async fn sink(&self, encoding: Encoding) -> StoreSink {
        let settings = StoreSettings {
            name: "shop".into(),
            scope: "scope".into(),
            stream_template: "{table}".into(),
            segments: 1,
            encoding,
            refused_schema: RefusedSchema::default(),
        };
        let mut sink = StoreSink::new(self.store.clone(), self.registry.clone(), settings).await.unwrap();
        sink.position().await.unwrap();
        sink
    }

    /// Returns the events of a stream.
    pub(crate) async fn read(&self, name: &str) -> Vec<Vec<u8>> {
        let stream = StreamId::new("scope", name).unwrap();
        let events = bounded_read(&self.store, &stream).await.unwrap();
        events.iter().map(|(_, event)| event.to_vec()).collect()
    }
}

pub(crate) fn checkpoint() -> Checkpoint {
    let text = r#"{"system":"1","database":"d","slot":"s","lsn":1}"#;
    serde_json::from_str::<Position>(text).unwrap().into()
}
