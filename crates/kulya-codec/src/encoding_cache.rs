//! The encodings of one group, by id. An id never changes its meaning, so each is requested from the registry
//! once.

use crate::single_flight::SingleFlightCache;
use crate::{RegistryResult, SchemaRegistry};
use kulya_schema::{EncodingId, EncodingInfo, GroupId};
use std::sync::Arc;

/// More than any group has. Ids without an encoding are not cached.
const MAX_ENTRIES: usize = 10_000;

/// A cache of one group's encodings. Cached ids can be resolved while the registry is unavailable, and
/// concurrent requests for a new id make one call.
pub struct EncodingCache {
    registry: Arc<dyn SchemaRegistry>,
    group: GroupId,
    encodings: SingleFlightCache<EncodingId, Arc<EncodingInfo>>,
}

impl EncodingCache {
    /// Creates an empty cache. Calls the registry at the first id.
    pub fn new(registry: impl Into<Arc<dyn SchemaRegistry>>, group: GroupId) -> Self {
        Self { registry: registry.into(), group, encodings: SingleFlightCache::new(MAX_ENTRIES) }
    }

    /// Returns the registry and the group.
    pub(crate) fn registry(&self) -> (&dyn SchemaRegistry, &GroupId) {
        (&*self.registry, &self.group)
    }

    /// Returns the schema and the codec of an encoding id.
    ///
    /// # Errors
    /// Those of [`SchemaRegistry::encoding`]. They are not cached.
    pub async fn encoding(&self, id: EncodingId) -> RegistryResult<Arc<EncodingInfo>> {
        self.encodings.get(id, || async { self.registry.encoding(&self.group, id).await.map(Arc::new) }).await
    }
}
