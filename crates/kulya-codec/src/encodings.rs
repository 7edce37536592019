//! What encoding ids stand for, asked of the registry once for each id: an id never changes its meaning.

use crate::{RegistryResult, SchemaRegistry};
use kulya_schema::{EncodingId, EncodingInfo, GroupId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// The encodings of one group, cached for ever. Those that ask for the same new id at once wait for one answer.
pub struct Encodings {
    registry: Arc<dyn SchemaRegistry>,
    group: GroupId,
    known: Mutex<HashMap<EncodingId, Arc<OnceCell<Arc<EncodingInfo>>>>>,
}

impl Encodings {
    /// Nothing is asked before the first id.
    pub fn new(registry: Arc<dyn SchemaRegistry>, group: GroupId) -> Self {
        Self { registry, group, known: Mutex::default() }
    }

    /// What an id stands for. A failure is not remembered.
    pub async fn encoding(&self, id: EncodingId) -> RegistryResult<Arc<EncodingInfo>> {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(id).or_default())
        };
        let asked =
            cell.get_or_try_init(|| async { self.registry.encoding(&self.group, id).await.map(Arc::new) });
        asked.await.cloned()
    }
}
