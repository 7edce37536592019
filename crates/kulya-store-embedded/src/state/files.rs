//! The log files, and how much of each is still of use.

use crate::log_name::LogName;
use crate::frame::LogEnd;
use std::collections::BTreeMap;

/// A log file. Its number in memory and in the index is no part of its name: a name may come back, a number does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogInfo {
    pub(crate) name: LogName,
    /// Its length; of the file that is written to, its length when it was last looked at.
    pub(crate) bytes: u64,
    /// Bytes of events and entries in it that can still be read, with the ops that they stand in.
    pub(crate) live: u64,
    /// Bytes of its frames' headers.
    pub(crate) framing: u64,
    /// Bytes beside these that compacting it would not save.
    pub(crate) overhead: u64,
    /// How the log goes on behind it.
    pub(crate) end: LogEnd,
}

impl LogInfo {
    /// A file that nothing is known of yet.
    pub(crate) fn new(name: LogName) -> Self {
        Self { name, bytes: 0, live: 0, framing: 0, overhead: 0, end: LogEnd::default() }
    }

    /// What compacting it would leave, about.
    pub(crate) fn stays(&self) -> u64 {
        self.live + self.overhead
    }

    /// What compacting it would save, about, beside the frames' headers.
    pub(crate) fn dead(&self) -> u64 {
        self.bytes.saturating_sub(self.framing + self.stays())
    }
}

#[derive(Debug, Default, Clone)]
pub(crate) struct LogFiles {
    pub(crate) by_id: BTreeMap<u32, LogInfo>,
    pub(crate) next: u32,
}

impl LogFiles {
    /// A number for a file that is to be taken in later.
    pub(crate) fn reserve(&mut self) -> u32 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// Takes in a file; gives its number.
    pub(crate) fn add(&mut self, info: LogInfo) -> u32 {
        let id = self.reserve();
        self.by_id.insert(id, info);
        id
    }

    /// Counts a header, of a file or of a frame.
    pub(crate) fn frame(&mut self, file: u32, header_bytes: u64) {
        if let Some(info) = self.by_id.get_mut(&file) {
            info.framing += header_bytes;
        }
    }

    pub(crate) fn add_live(&mut self, file: u32, bytes: u64) {
        if let Some(info) = self.by_id.get_mut(&file) {
            info.live += bytes;
        }
    }

    pub(crate) fn remove_live(&mut self, file: u32, bytes: u64) {
        if let Some(info) = self.by_id.get_mut(&file) {
            info.live = info.live.saturating_sub(bytes);
        }
    }

    /// The same for several: by file, so many bytes.
    pub(crate) fn remove_live_all(&mut self, lost: &[(u32, u64)]) {
        for (file, bytes) in lost {
            self.release_extents(*file, *bytes);
        }
    }

    /// How the log goes on behind the file before this one.
    pub(crate) fn end_before(&self, name: LogName) -> LogEnd {
        let before = self.by_id.values().filter(|info| info.name.last < name.first);
        before.max_by_key(|info| info.name.last).map_or_else(LogEnd::default, |info| info.end)
    }

    /// The files in the order of the log.
    pub(crate) fn in_order(&self) -> Vec<(u32, &LogInfo)> {
        let mut files: Vec<_> = self.by_id.iter().map(|(id, info)| (*id, info)).collect();
        files.sort_by_key(|(_, info)| info.name.first);
        files
    }
}
