//! What encoding ids stand for, asked of the registry once for each id: an id never changes its meaning.

use crate::answers::Answers;
use crate::{RegistryResult, SchemaRegistry};
use kulya_schema::{EncodingId, EncodingInfo, GroupId};
use std::sync::Arc;

/// More than any group has; ids that no encoding has are not kept.
const MOST_KEPT: usize = 10_000;

/// The encodings of one group, cached for as long as this lives: an id that was once asked for can be read while the
/// registry is away. Those that ask for the same new id at once wait for one answer.
pub struct Encodings {
    registry: Arc<dyn SchemaRegistry>,
    group: GroupId,
    known: Answers<EncodingId, Arc<EncodingInfo>>,
}

impl Encodings {
    /// Nothing is asked before the first id.
    pub fn new(registry: Arc<dyn SchemaRegistry>, group: GroupId) -> Self {
        Self { registry, group, known: Answers::new(MOST_KEPT) }
    }

    /// Whom it asks.
    pub(crate) fn registry(&self) -> (&dyn SchemaRegistry, &GroupId) {
        (&*self.registry, &self.group)
    }

    /// What an id stands for. A failure is not remembered.
    pub async fn encoding(&self, id: EncodingId) -> RegistryResult<Arc<EncodingInfo>> {
        self.known.get(id, || async { self.registry.encoding(&self.group, id).await.map(Arc::new) }).await
    }
}
