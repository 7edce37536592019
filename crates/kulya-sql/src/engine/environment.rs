//! The resources of a session's queries: their limits, the memory pool, and the folder of spilled data.

use crate::SqlResult;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use std::path::PathBuf;
use std::sync::Arc;

/// The resource limits of a session's queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// The maximum memory of all operators of a query, in bytes. Beyond it sorts, joins and aggregations
    /// spill to disk if they can; other queries fail.
    pub memory_bytes: usize,
    /// The folder for spilled data; `None` for the system's folder for temporary files.
    pub spill_folder: Option<PathBuf>,
    /// The maximum size of spilled data, in bytes.
    pub spill_bytes: u64,
}

/// 1 GiB of memory, and 16 GiB of spilled data.
impl Default for QueryLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, spill_folder: None, spill_bytes: 16 << 30 }
    }
}

impl QueryLimits {
    /// The size of the operators' memory pool; the rest is for batches between operators, which the pool does
    /// not count.
    pub(super) fn pool_bytes(&self) -> usize {
        self.memory_bytes / 2
    }

    /// The maximum size of a column that a function returns for a batch.
    pub(super) fn column_bytes(&self) -> usize {
        self.memory_bytes / 8
    }

    /// Creates the memory pool and the folder of spilled data.
    pub(super) fn environment(&self) -> SqlResult<Arc<RuntimeEnv>> {
        let mode = match &self.spill_folder {
            Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let spilled =
            DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(self.spill_bytes);
        Ok(RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.pool_bytes())))
            .with_disk_manager_builder(spilled)
            .build_arc()?)
    }
}
