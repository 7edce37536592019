//! The names of things, checked once when they come in. A [`Scope`] or [`StreamName`] that exists is right.
//!
//! The rules are Pravega's: letters, digits, `.` and `-`, at most 255 bytes. Names with a leading `_` are the
//! system's own; they are made with the `system` constructors and never from a user's text.

use crate::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// Longest scope, stream or table name, in bytes (Pravega's limit).
const MAX_NAME_BYTES: usize = 255;

fn check(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(format!("a {what} name must not be empty")));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::invalid(format!(
            "{what} name {:.40}… is longer than {MAX_NAME_BYTES} bytes",
            name
        )));
    }
    if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))) {
        return Err(Error::invalid(format!(
            "{what} name {name:?} contains {bad:?}: only letters, digits, '.' and '-' are allowed"
        )));
    }
    if name == "." || name == ".." {
        return Err(Error::invalid(format!("{what} name {name:?} is not allowed")));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A user's name; refused with the reason when it breaks the rules.
            pub fn new(name: &str) -> Result<Self> {
                check($what, name).map(|()| Self(name.into()))
            }

            /// A name of the system's own: `_` in front of a name that is otherwise right.
            ///
            /// # Panics
            /// When the name breaks that rule: system names are written in our code.
            pub fn system(name: &'static str) -> Self {
                let rest = name.strip_prefix('_').expect("a system name begins with '_'");
                check($what, rest).expect("a system name is a right name behind its '_'");
                Self(name.into())
            }

            /// A name as a backend finds it in its own files, the system's own included.
            pub fn stored(name: &str) -> Result<Self> {
                check($what, name.strip_prefix('_').unwrap_or(name)).map(|()| Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether this is one of the system's own names, which listings for users leave out.
            pub fn is_system(&self) -> bool {
                self.0.starts_with('_')
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The name of a scope: a room for streams and tables (a database, for SQL).
    Scope, "scope"
);
name_type!(
    /// The name of a stream within its scope.
    StreamName, "stream"
);

/// A stream: scope and name. Shown as `scope/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// The scope it lives in.
    pub scope: Scope,
    /// Its name there.
    pub name: StreamName,
}

impl StreamId {
    /// From two texts, both checked.
    pub fn new(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::new(scope)?, name: StreamName::new(name)? })
    }

    /// Where its names lie in memory. Two that are alive and have the same identity are equal; two that are equal may have
    /// different ones. For those who look up the same stream a million times.
    pub fn identity(&self) -> (usize, usize) {
        (self.scope.0.as_ptr() as usize, self.name.0.as_ptr() as usize)
    }

    /// As a backend finds it in its own files, the system's own included.
    pub fn stored(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::stored(scope)?, name: StreamName::stored(name)? })
    }

    /// Its first segment `number`, of epoch 0.
    pub fn segment(&self, number: u32) -> SegmentId {
        SegmentId { stream: self.clone(), number, epoch: 0 }
    }
}

impl std::str::FromStr for StreamId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scope, name) = text
            .split_once('/')
            .ok_or_else(|| Error::invalid(format!("stream {text:?} must be written as scope/stream")))?;
        Self::new(scope, name)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

/// One segment of a stream. Shown by Pravega's scoped name, `scope/stream/number.#epoch.epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId {
    /// The stream it is a part of.
    pub stream: StreamId,
    /// Its number within the stream.
    pub number: u32,
    /// The epoch in which it was made; 0 until a stream scales.
    pub epoch: u32,
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.#epoch.{}", self.stream, self.number, self.epoch)
    }
}

impl std::str::FromStr for SegmentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::invalid(format!("segment {text:?} must be written as scope/stream/0.#epoch.0"));
        let (stream, segment) = text.rsplit_once('/').ok_or_else(bad)?;
        let (number, epoch) = segment.split_once(".#epoch.").ok_or_else(bad)?;
        let (scope, name) = stream.split_once('/').ok_or_else(bad)?;
        Ok(Self {
            stream: StreamId { scope: Scope::stored(scope)?, name: StreamName::stored(name)? },
            number: number.parse().map_err(|_| bad())?,
            epoch: epoch.parse().map_err(|_| bad())?,
        })
    }
}

/// A table: scope and name, by the same rules as a stream's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// The scope it lives in.
    pub scope: Scope,
    /// Its name there.
    pub name: StreamName,
}

impl TableId {
    /// From two texts, both checked.
    pub fn new(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::new(scope)?, name: StreamName::new(name)? })
    }

    /// As a backend finds it in its own files, the system's own included.
    pub fn stored(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::stored(scope)?, name: StreamName::stored(name)? })
    }

    /// A table of the system's own, in a system scope.
    pub fn system(scope: &'static str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::system(scope), name: StreamName::new(name)? })
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}/{}", self.scope, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_pravegas_rules() {
        for good in ["a", "shop.public.customers", "a-1", "A9"] {
            assert!(StreamName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a_b", "a/b", "é", "_x", "..", "a b", &"x".repeat(256)] {
            assert!(StreamName::new(bad).is_err(), "{bad}");
        }
        let refused = Scope::new("my_scope").unwrap_err().to_string();
        assert!(refused.contains("my_scope") && refused.contains("'_'"), "{refused}");
        assert!(Scope::system("_kulya").is_system());
    }

    #[test]
    fn a_segment_reads_back_from_its_name() {
        let segment = StreamId::new("s", "t").unwrap().segment(3);
        assert_eq!(segment.to_string(), "s/t/3.#epoch.0");
        assert_eq!("s/t/3.#epoch.0".parse::<SegmentId>().unwrap(), segment);
        assert!("s/t/x.#epoch.0".parse::<SegmentId>().is_err());
        assert!("plain".parse::<StreamId>().is_err());
    }
}
