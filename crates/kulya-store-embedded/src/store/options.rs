//! Options for opening a store.

use crate::disk::{Disk, FileSystem};
use crate::index::Index;
use kulya_store::clock::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Duration;

/// Options for opening a store; the defaults suit production.
pub struct Options {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The size of a log file, in bytes, after which a new one is started. 256 MiB by default.
    pub log_file_bytes: u64,
    /// Runs the committer and reads on the callers' threads instead of the store's own, so that the same
    /// requests in the same order have the same effects. For tests.
    pub inline: bool,
    /// The clock of commit times.
    pub clock: Arc<dyn Clock>,
    /// The index; `None` for the LSM tree in the folder. Its content may be lost at any time.
    pub index: Option<Arc<dyn Index>>,
    /// The interval of retention. Checkpoints and compaction run when log files are filled.
    pub maintenance_interval: Duration,
    /// The key of a new store, which authenticates its frames; `None` for a random one. It must be unknown
    /// to those who write events.
    pub secret: Option<[u8; 16]>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            disk: Arc::new(FileSystem),
            log_file_bytes: 256 << 20,
            inline: false,
            clock: Arc::new(SystemClock),
            index: None,
            maintenance_interval: crate::maintenance::INTERVAL,
            secret: None,
        }
    }
}
