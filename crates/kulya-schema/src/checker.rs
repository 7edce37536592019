//! Where a user's own format gets its compatibility checker: a [`Checker`] by the format's name, handed to the registry
//! when it is opened. Without one a custom format's schemas are opaque bytes, and its groups take AllowAny and DenyAll.
//!
//! ```
//! use kulya_schema::{Checker, Checkers, Incompatibility, SchemaInfo};
//! /// A schema is a list of words, and a reader must know every word of the writer's.
//! struct Words;
//! impl Checker for Words {
//!     fn can_read(&self, reader: &SchemaInfo, writer: &SchemaInfo) -> Vec<Incompatibility> {
//!         let words = |schema: &SchemaInfo| String::from_utf8_lossy(&schema.data).into_owned();
//!         let (known, written) = (words(reader), words(writer));
//!         let missing = written.split(' ').filter(|word| !known.split(' ').any(|known| known == *word));
//!         let why = |word| format!("the word {word:?} is not known");
//!         missing
//!             .map(|word| Incompatibility { certain: true, ..Incompatibility::unknown("words/missing", why(word), "") })
//!             .collect()
//!     }
//! }
//! let checkers = Checkers::default().with("words", Words);
//! assert!(checkers.get("words").is_some());
//! ```

use crate::{Incompatibility, Result, SchemaInfo};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Judges schemas of one custom format. Called with the registry's own threads: bounded work, please.
pub trait Checker: Send + Sync + 'static {
    /// Refuses what is no schema of the format; asked of each schema before it is added.
    ///
    /// # Errors
    /// Says what is wrong, for whoever sent it.
    fn check(&self, schema: &SchemaInfo) -> Result<()> {
        let _ = schema;
        Ok(())
    }

    /// Everything that keeps `reader` from reading what `writer` wrote; empty when it can.
    fn can_read(&self, reader: &SchemaInfo, writer: &SchemaInfo) -> Vec<Incompatibility>;
}

/// The checkers that there are, by the format's name. Clones share them.
#[derive(Clone, Default)]
pub struct Checkers(Arc<HashMap<String, Arc<dyn Checker>>>);

impl Checkers {
    /// Adds a format's checker, in the place of another of that name.
    #[must_use]
    pub fn with(mut self, format: impl Into<String>, checker: impl Checker) -> Self {
        Arc::make_mut(&mut self.0).insert(format.into(), Arc::new(checker));
        self
    }

    /// The checker of a custom format.
    pub fn get(&self, format: &str) -> Option<&Arc<dyn Checker>> {
        self.0.get(format)
    }
}

impl fmt::Debug for Checkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
