//! A sink that fails after some writes.

use crate::database::MemorySink;
use async_trait::async_trait;
use kulya_cdc::{Batch, CdcError, CdcErrorKind, CdcResult, Checkpoint, Sink};

/// A sink in memory that fails when `writes_left` is used up.
#[derive(Default)]
pub(crate) struct FailingSink {
    pub(crate) sink: MemorySink,
    pub(crate) writes_left: usize,
}

impl FailingSink {
    fn write(&mut self) -> CdcResult<()> {
        self.writes_left = self
            .writes_left
            .checked_sub(1)
            .ok_or_else(|| CdcError::new(CdcErrorKind::Store, "the store has failed"))?;
        Ok(())
    }
}

#[async_trait]
impl Sink for FailingSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.sink.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.write()?;
        self.sink.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.write()?;
        self.sink.commit(batch, checkpoint).await
    }
}
