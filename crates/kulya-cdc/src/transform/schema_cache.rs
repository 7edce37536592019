//! What follows from a schema and a topic, computed once.

use crate::CdcResult;
use crate::debezium::connect_schema::ConnectSchema;
use std::collections::HashMap;
use std::sync::Arc;

/// The number of entries from which on a cache is cleared.
const MAX_ENTRIES: usize = 1000;

/// Results by schema and topic.
#[derive(Debug)]
pub(super) struct SchemaCache<T> {
    /// By the address of the schema, which the entry keeps.
    entries: HashMap<usize, Entry<T>>,
    count: usize,
}

#[derive(Debug)]
struct Entry<T> {
    _schema: Arc<ConnectSchema>,
    by_topic: HashMap<String, Arc<T>>,
}

impl<T> Default for SchemaCache<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), count: 0 }
    }
}

impl<T> SchemaCache<T> {
    /// Returns the result for a schema and a topic.
    ///
    /// # Errors
    /// Those of the computation.
    pub(super) fn get(
        &mut self,
        schema: &Arc<ConnectSchema>,
        topic: &str,
        compute: impl FnOnce() -> CdcResult<T>,
    ) -> CdcResult<Arc<T>> {
        let address = Arc::as_ptr(schema) as usize;
        let found = self.entries.get(&address).and_then(|entry| entry.by_topic.get(topic));
        if let Some(found) = found {
            return Ok(Arc::clone(found));
        }
        let computed = Arc::new(compute()?);
        if self.count >= MAX_ENTRIES {
            self.entries.clear();
            self.count = 0;
        }
        let new = || Entry { _schema: Arc::clone(schema), by_topic: HashMap::new() };
        let entry = self.entries.entry(address).or_insert_with(new);
        entry.by_topic.insert(topic.to_owned(), Arc::clone(&computed));
        self.count += 1;
        Ok(computed)
    }
}
