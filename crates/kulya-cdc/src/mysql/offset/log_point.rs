//! A place in a server's log: file and position.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A place between two events of a server's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPoint {
    /// The file's name.
    pub file: String,
    /// The position in bytes.
    pub position: u64,
}

impl LogPoint {
    /// Creates a place.
    pub fn new(file: impl Into<String>, position: u64) -> Self {
        Self { file: file.into(), position }
    }

    /// Whether the place is not behind the other one. False for files of another naming, which are another
    /// log.
    pub(crate) fn is_at_or_before(&self, other: &Self) -> bool {
        let (Some((name, number)), Some((other_name, other_number))) = (self.numbered(), other.numbered())
        else {
            return self.file == other.file && self.position <= other.position;
        };
        name == other_name && (number, self.position) <= (other_number, other.position)
    }

    /// Splits the file's name from its number, which servers count up, to seven digits and more.
    fn numbered(&self) -> Option<(&str, u64)> {
        let (name, number) = self.file.rsplit_once('.')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        Some((name, number.parse().ok().filter(|_| is_number)?))
    }
}

impl fmt::Display for LogPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_compared_by_the_number_of_the_file() {
        for (earlier, later) in [
            (("log.000001", 900), ("log.000002", 4)),
            (("log.999999", 900), ("log.1000000", 4)),
            (("log.000002", 4), ("log.000002", 4)),
            (("log.000002", 4), ("log.000002", 5)),
            (("log", 4), ("log", 5)),
        ] {
            let (earlier, later) = (LogPoint::new(earlier.0, earlier.1), LogPoint::new(later.0, later.1));
            assert!(earlier.is_at_or_before(&later), "{earlier} {later}");
            assert_eq!(later.is_at_or_before(&earlier), earlier == later, "{earlier} {later}");
        }
        let other = LogPoint::new("other.000001", 4);
        let point = LogPoint::new("log.000002", 4);
        assert!(!other.is_at_or_before(&point) && !point.is_at_or_before(&other));
    }
}
