//! Compatibility checkers of custom formats: the user passes a [`Checker`] for each format's name when
//! opening the registry. Without one, a custom format's schemas are opaque bytes, and its groups support only
//! AllowAny and DenyAll.
//!
//! ```
//! use kulya_schema::{Checker, Checkers, Incompatibility, SchemaInfo};
//! /// A schema is a list of words, and a reader must know every word of the writer.
//! struct Words;
//! impl Checker for Words {
//!     fn can_read(&self, reader: &SchemaInfo, writer: &SchemaInfo) -> Vec<Incompatibility> {
//!         let words = |schema: &SchemaInfo| String::from_utf8_lossy(&schema.data).into_owned();
//!         let (known, written) = (words(reader), words(writer));
//!         let missing = written.split(' ').filter(|word| !known.split(' ').any(|known| known == *word));
//!         let message = |word| format!("the word {word:?} is not known");
//!         let unknown = |word| Incompatibility::unknown("words/missing", message(word), "");
//!         missing.map(|word| Incompatibility { certain: true, ..unknown(word) }).collect()
//!     }
//! }
//! let checkers = Checkers::default().with("words", Words);
//! assert!(checkers.get("words").is_some());
//! ```

use crate::{Incompatibility, Result, SchemaInfo};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The compatibility checker of one custom format. The registry calls it on its own threads, so the work must
/// be bounded.
pub trait Checker: Send + Sync + 'static {
    /// Validates a schema; called for each schema before it is added.
    ///
    /// # Errors
    /// The schema is invalid. The text goes to its sender.
    fn check(&self, schema: &SchemaInfo) -> Result<()> {
        let _ = schema;
        Ok(())
    }

    /// Returns everything that keeps `reader` from reading data of `writer`; empty if it can.
    fn can_read(&self, reader: &SchemaInfo, writer: &SchemaInfo) -> Vec<Incompatibility>;
}

/// The checkers by format name. Clones share them.
#[derive(Clone, Default)]
pub struct Checkers(Arc<HashMap<String, Arc<dyn Checker>>>);

impl Checkers {
    /// Adds a format's checker, replacing another of the same name.
    #[must_use]
    pub fn with(mut self, format: impl Into<String>, checker: impl Checker) -> Self {
        Arc::make_mut(&mut self.0).insert(format.into(), Arc::new(checker));
        self
    }

    /// Returns the checker of a custom format.
    pub fn get(&self, format: &str) -> Option<&Arc<dyn Checker>> {
        self.0.get(format)
    }
}

impl fmt::Debug for Checkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
