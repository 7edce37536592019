//! The names of log files, and positions in them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a log file: the range of file numbers that it holds, and its generation, the number of times
/// that they were compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct LogName {
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// 0 for a file that is not compacted.
    pub(crate) generation: u32,
}

impl LogName {
    /// Returns the name of a file that is not compacted.
    pub(crate) fn plain(number: u32) -> Self {
        Self { first: number, last: number, generation: 0 }
    }

    pub(crate) fn is_compacted(self) -> bool {
        self.generation > 0
    }

    /// Returns whether this file holds everything that the other one does, and is not the same file.
    pub(crate) fn replaces(self, other: Self) -> bool {
        self != other
            && self.first <= other.first
            && other.last <= self.last
            && ((self.first, self.last) != (other.first, other.last) || self.generation > other.generation)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
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

/// A position in the log: a log file and a number of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogPosition {
    pub(crate) file: u32,
    pub(crate) length: u64,
}
