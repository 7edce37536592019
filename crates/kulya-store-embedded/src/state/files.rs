//! The log files, and how much of each is live.

use crate::frame::LogEnd;
use crate::log_name::LogName;
use std::collections::BTreeMap;

/// A log file. Its id in memory and in the index is not part of its name: names are reused, ids are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogInfo {
    pub(crate) name: LogName,
    /// Its length in bytes; for the current file, as of the last update.
    pub(crate) bytes: u64,
    /// The bytes of readable events and entries, with their ops.
    pub(crate) live: u64,
    /// The bytes of frame headers.
    pub(crate) framing: u64,
    /// Other bytes that a compaction would not save.
    pub(crate) overhead: u64,
    /// The log end after the file.
    pub(crate) end: LogEnd,
}

impl LogInfo {
    /// Creates the info of a file whose content is not known yet.
    pub(crate) fn new(name: LogName) -> Self {
        Self { name, bytes: 0, live: 0, framing: 0, overhead: 0, end: LogEnd::default() }
    }

    /// Returns about how many bytes a compaction would retain.
    pub(crate) fn retained_bytes(&self) -> u64 {
        self.live + self.overhead
    }

    /// Returns about how many bytes a compaction would save, without frame headers.
    pub(crate) fn dead_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.framing + self.retained_bytes())
    }
}

/// The log files by id.
#[derive(Debug, Default, Clone)]
pub(crate) struct LogFiles {
    pub(crate) by_id: BTreeMap<u32, LogInfo>,
    pub(crate) next: u32,
}

impl LogFiles {
    /// Reserves the id of a file that is added later.
    pub(crate) fn reserve(&mut self) -> u32 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// Adds a file, and returns its id.
    pub(crate) fn add(&mut self, info: LogInfo) -> u32 {
        let id = self.reserve();
        self.by_id.insert(id, info);
        id
    }

    /// Adds the size of a file or frame header.
    pub(crate) fn add_framing(&mut self, file: u32, header_bytes: u64) {
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

    /// Removes live bytes of several files.
    pub(crate) fn remove_live_all(&mut self, lost: &[(u32, u64)]) {
        for (file, bytes) in lost {
            self.remove_live(*file, *bytes);
        }
    }

    /// Returns the log end before a file.
    pub(crate) fn end_before(&self, name: LogName) -> LogEnd {
        let before = self.by_id.values().filter(|info| info.name.last < name.first);
        before.max_by_key(|info| info.name.last).map_or_else(LogEnd::default, |info| info.end)
    }

    /// Returns the files in log order.
    pub(crate) fn in_order(&self) -> Vec<(u32, &LogInfo)> {
        let mut files: Vec<_> = self.by_id.iter().map(|(id, info)| (*id, info)).collect();
        files.sort_by_key(|(_, info)| info.name.first);
        files
    }
}
