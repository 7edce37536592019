//! A sink that transforms records before another one stores them.

use super::chain::Transformations;
use crate::{Batch, CdcResult, Checkpoint, Sink};
use async_trait::async_trait;

/// Transforms the records of each batch, and gives them to a sink: in the same commit, with the same
/// position.
pub(crate) struct TransformingSink<'a> {
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) transformations: Transformations,
}

#[async_trait]
impl Sink for TransformingSink<'_> {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.transformations.reset();
        self.sink.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        let transformed = self.transformations.apply(&batch)?;
        drop(batch);
        self.sink.stage(transformed).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        let transformed = self.transformations.apply(&batch)?;
        drop(batch);
        self.sink.commit(transformed, checkpoint).await
    }

    fn dead_letters(&self) -> u64 {
        self.sink.dead_letters()
    }
}
