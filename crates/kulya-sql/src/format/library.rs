//! What formats need from outside: the registry, the codecs of payloads, and the formats that a program adds.

use super::RowFormat;
use crate::nearest::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::SchemaRef;
use kulya_codec::codec::Codecs;
use kulya_registry_api::SchemaRegistry;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A format that a program adds to a catalog's backend: `'format' = 'name'` in CREATE TABLE.
pub trait FormatFactory: Send + Sync + 'static {
    /// Returns the format's name, in lower case with hyphens.
    fn name(&self) -> &str;

    /// Returns the keys of its options, which have the name and a dot in front in CREATE TABLE.
    fn options(&self) -> &[&str] {
        &[]
    }

    /// Creates the format of a table.
    ///
    /// # Errors
    /// `TypeMismatch` for a column that the format does not have; the text names it.
    fn create(&self, table: FormatTable<'_>) -> SqlResult<Arc<dyn RowFormat>>;
}

/// A table for which a format is created.
#[derive(Debug, Clone)]
pub struct FormatTable<'a> {
    /// The columns that are in events.
    pub schema: SchemaRef,
    /// Whether the table has a primary key.
    pub is_keyed: bool,
    /// The options, without the format's name in front of the keys.
    pub options: &'a BTreeMap<String, String>,
}

/// What the formats of a catalog need.
#[derive(Clone)]
pub(crate) struct FormatLibrary {
    pub(crate) registry: Arc<dyn SchemaRegistry>,
    pub(crate) codecs: Codecs,
    pub(crate) own: BTreeMap<String, Arc<dyn FormatFactory>>,
}

impl FormatLibrary {
    pub(crate) fn new(registry: Arc<dyn SchemaRegistry>) -> Self {
        Self { registry, codecs: Codecs::default(), own: BTreeMap::new() }
    }

    /// Creates a format of the program.
    ///
    /// # Errors
    /// `InvalidOption` for an unknown format or option.
    pub(super) fn create(
        &self,
        name: &str,
        given: &[(String, String)],
        (schema, is_keyed): (SchemaRef, bool),
        known: &[&str],
    ) -> SqlResult<Arc<dyn RowFormat>> {
        let invalid = |what: String| SqlError::new(SqlErrorKind::InvalidOption, what);
        let Some(factory) = self.own.get(name) else {
            let own = self.own.keys().map(String::as_str);
            let known: Vec<&str> = known.iter().copied().chain(own).collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(nearest) => format!("did you mean '{nearest}'?"),
                None => format!("formats are {}", known.join(", ")),
            };
            return Err(invalid(format!("unknown format '{name:.100}': {hint}")));
        };
        let mut options = BTreeMap::new();
        for (key, value) in given {
            if !factory.options().contains(&key.as_str()) {
                let known = factory.options().iter().map(|key| format!("{name}.{key}"));
                let known = known.collect::<Vec<_>>().join(", ");
                return Err(invalid(format!("unknown option '{name}.{key:.100}': options are {known}")));
            }
            if options.insert(key.clone(), value.clone()).is_some() {
                return Err(invalid(format!("option '{name}.{key}' is given twice")));
            }
        }
        factory.create(FormatTable { schema, is_keyed, options: &options })
    }
}
