//! Options of a store.

use crate::disk::{Disk, FileSystem};
use crate::index::Index;
use kulya_store::clock::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Duration;

/// What a store stands on, where it is not the usual.
pub struct Options {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// A log file takes no further frame once it is this long.
    pub log_file_bytes: u64,
    /// Whether requests are written, and reads done, by whoever asks, instead of by threads of the store's own: then
    /// the same requests in the same order always do the same.
    pub inline: bool,
    /// Tells when commits are made.
    pub clock: Arc<dyn Clock>,
    /// The index; `None` for the usual one, in the folder. Whatever it holds may be lost at any time.
    pub index: Option<Arc<dyn Index>>,
    /// Between two looks at the streams' retention. Checkpoints and compaction come when files are filled.
    pub maintenance_interval: Duration,
    /// The key of a store that is made, by which it knows what it has written; `None` for one of the system's chance. Whoever
    /// writes events must not know it.
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
            maintenance_interval: maintenance_handle::INTERVAL,
            secret: None,
        }
    }
}
