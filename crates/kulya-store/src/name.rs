//! Names of scopes, streams, segments and tables, validated on construction.
//!
//! The rules are Pravega's: letters, digits, `.` and `-`, at most 255 bytes. Names with a leading `_` are
//! internal; they are created with the `system` constructors and never from user input.

use crate::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// The maximum length of a scope, stream or table name, in bytes (as in Pravega).
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
            /// Creates a name from user input.
            ///
            /// # Errors
            /// `InvalidInput` if the name breaks the rules.
            pub fn new(name: &str) -> Result<Self> {
                check($what, name).map(|()| Self(name.into()))
            }

            /// Creates an internal name: `_` followed by a valid name.
            ///
            /// # Panics
            /// If the name breaks that rule; internal names are constants of the program.
            pub fn system(name: &'static str) -> Self {
                let rest = name.strip_prefix('_').expect("an internal name starts with '_'");
                check($what, rest).expect("an internal name is valid after its '_'");
                Self(name.into())
            }

            /// Creates a name from storage, where internal names are allowed.
            ///
            /// # Errors
            /// `InvalidInput` if the name breaks the rules.
            pub fn stored(name: &str) -> Result<Self> {
                check($what, name.strip_prefix('_').unwrap_or(name)).map(|()| Self(name.into()))
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns whether the name is internal; listings for users leave these out.
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
    /// The name of a scope, the namespace of streams and tables (a database in SQL).
    Scope, "scope"
);
name_type!(
    /// The name of a stream within its scope.
    StreamName, "stream"
);

/// The name of a stream with its scope. Displayed as `scope/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// The scope of the stream.
    pub scope: Scope,
    /// The name of the stream within the scope.
    pub name: StreamName,
}

impl StreamId {
    /// Creates an id from user input.
    ///
    /// # Errors
    /// `InvalidInput` if a name breaks the rules.
    pub fn new(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::new(scope)?, name: StreamName::new(name)? })
    }

    /// Returns the memory addresses of the names. Two live ids with the same identity are equal; equal ids
    /// may differ in identity. A cheap cache key for repeated lookups of one stream.
    pub fn identity(&self) -> (usize, usize) {
        (self.scope.0.as_ptr() as usize, self.name.0.as_ptr() as usize)
    }

    /// Creates an id from storage, where internal names are allowed.
    ///
    /// # Errors
    /// `InvalidInput` if a name breaks the rules.
    pub fn stored(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::stored(scope)?, name: StreamName::stored(name)? })
    }

    /// Returns the id of segment `number` in epoch 0.
    pub fn segment(&self, number: u32) -> SegmentId {
        SegmentId { stream: self.clone(), number, epoch: 0 }
    }
}

impl std::str::FromStr for StreamId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scope, name) = text
            .split_once('/')
            .ok_or_else(|| Error::invalid(format!("stream {text:?} must have the form scope/stream")))?;
        Self::new(scope, name)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

/// The id of a segment. Displayed as Pravega's scoped name, `scope/stream/number.#epoch.epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId {
    /// The stream of the segment.
    pub stream: StreamId,
    /// The number of the segment within the stream.
    pub number: u32,
    /// The epoch in which the segment was created; 0 until the stream is created again.
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
        let bad = || Error::invalid(format!("segment {text:?} must have the form scope/stream/0.#epoch.0"));
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

/// The name of a table with its scope, by the same rules as a stream's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// The scope of the table.
    pub scope: Scope,
    /// The name of the table within the scope.
    pub name: StreamName,
}

impl TableId {
    /// Creates an id from user input.
    ///
    /// # Errors
    /// `InvalidInput` if a name breaks the rules.
    pub fn new(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::new(scope)?, name: StreamName::new(name)? })
    }

    /// Creates an id from storage, where internal names are allowed.
    ///
    /// # Errors
    /// `InvalidInput` if a name breaks the rules.
    pub fn stored(scope: &str, name: &str) -> Result<Self> {
        Ok(Self { scope: Scope::stored(scope)?, name: StreamName::stored(name)? })
    }

    /// Creates the id of a table in an internal scope.
    ///
    /// # Errors
    /// `InvalidInput` if the table name breaks the rules.
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
    fn names_follow_the_rules_of_pravega() {
        for good in ["a", "shop.public.customers", "a-1", "A9"] {
            assert!(StreamName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a_b", "a/b", "é", "_x", "..", "a b", &"x".repeat(256)] {
            assert!(StreamName::new(bad).is_err(), "{bad}");
        }
        let error = Scope::new("my_scope").unwrap_err().to_string();
        assert!(error.contains("my_scope") && error.contains("'_'"), "{error}");
        assert!(Scope::system("_kulya").is_system());
    }

    #[test]
    fn segment_id_text_round_trips() {
        let segment = StreamId::new("s", "t").unwrap().segment(3);
        assert_eq!(segment.to_string(), "s/t/3.#epoch.0");
        assert_eq!("s/t/3.#epoch.0".parse::<SegmentId>().unwrap(), segment);
        assert!("s/t/x.#epoch.0".parse::<SegmentId>().is_err());
        assert!("plain".parse::<StreamId>().is_err());
    }
}
