//! The names of log files, and positions in them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A log file's name: the numbers of the files that it stands for, and how often they were compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct LogName {
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// 0 for a file as it was written.
    pub(crate) generation: u32,
}

impl LogName {
    /// A file as it is written.
    pub(crate) fn plain(number: u32) -> Self {
        Self { first: number, last: number, generation: 0 }
    }

    pub(crate) fn is_compacted(self) -> bool {
        self.generation > 0
    }

    /// Whether this file stands for all that the other one does, and more or more often.
    pub(crate) fn replaces(self, other: Self) -> bool {
        self != other
            && self.first <= other.first
            && other.last <= self.last
            && ((self.first, self.last) != (other.first, other.last) || self.generation > other.generation)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.strip_suffix(".log")?;
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let name = match text.split('-').collect::<Vec<_>>().as_slice() {
            [plain] => Self::plain(number(plain)?),
            [first, last, generation] => {
                Self { first: number(first)?, last: number(last)?, generation: number(generation)? }
            }
            _ => return None,
        };
        (name.first <= name.last).then_some(name)
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, generation } = self;
        if self.is_compacted() {
            write!(f, "{first:016x}-{last:016x}-{generation:08x}.log")
        } else {
            write!(f, "{first:016x}.log")
        }
    }
}

/// Where a checkpoint stands in the log: behind this many bytes of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogPosition {
    pub(crate) file: u32,
    pub(crate) length: u64,
}
