//! The settings of the rules for columns.

use super::hash::{HashAlgorithm, HashVersion};
use crate::name_patterns::NamePatterns;
use crate::{CdcError, CdcResult};
use serde::Deserialize;
use std::fmt;

/// Longest mask, and longest text that is cut to a length, in characters.
const MAX_LENGTH: u32 = 1 << 20;
/// Maximum number of rules of a kind.
const MAX_RULES: usize = 1_000;

/// The rules for columns. In a settings file all members are optional. Expressions are for
/// `schema.table.column`, with MySQL `database.table.column`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ColumnRules {
    /// The columns that rows have; empty for all (`column.include.list`).
    pub include: NamePatterns,
    /// The columns that rows do not have, if `include` is empty (`column.exclude.list`). A column of the key
    /// is in the key nonetheless.
    pub exclude: NamePatterns,
    /// The columns of the key in place of the primary key's, in key order (`message.key.columns`). A table of
    /// which no column is named has its primary key.
    pub key: NamePatterns,
    /// Columns of texts that are replaced by asterisks (`column.mask.with.….chars`).
    pub mask: Vec<MaskRule>,
    /// Columns of texts that are replaced by their hash (`column.mask.hash.…`).
    pub hash: Vec<HashRule>,
    /// Columns of which long texts and bytes are cut (`column.truncate.to.….chars`).
    pub truncate: Vec<TruncateRule>,
    /// Columns whose schema has the type in the database (`column.propagate.source.type`).
    pub source_type: NamePatterns,
    /// Types, as `schema.table.type`, of which the schema of columns has the type in the database
    /// (`datatype.propagate.source.type`).
    pub source_datatype: NamePatterns,
}

/// Texts that are replaced by asterisks. NULL is too, which does not show then.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MaskRule {
    /// The columns.
    pub columns: NamePatterns,
    /// The number of asterisks.
    pub length: u32,
}

/// Texts that are replaced by the hexadecimal digits of their hash, cut to the column's length.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HashRule {
    /// The columns.
    pub columns: NamePatterns,
    /// The algorithm.
    pub algorithm: HashAlgorithm,
    /// The text that is hashed in front of each value.
    pub salt: String,
    /// Which bytes of the value are hashed.
    #[serde(default)]
    pub version: HashVersion,
}

/// Omits the salt.
impl fmt::Debug for HashRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashRule")
            .field("columns", &self.columns)
            .field("algorithm", &self.algorithm)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Texts and bytes that are cut.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TruncateRule {
    /// The columns.
    pub columns: NamePatterns,
    /// The maximum number of characters, or of bytes.
    pub length: u32,
}

impl ColumnRules {
    /// Returns whether events lack values of the database, or have them in another form.
    pub(crate) fn changes_values(&self) -> bool {
        let Self { include, exclude, mask, hash, truncate, .. } = self;
        let has_filter = !include.is_empty() || !exclude.is_empty();
        has_filter || !mask.is_empty() || !hash.is_empty() || !truncate.is_empty()
    }

    /// Returns whether schemas have types of the database.
    pub(crate) fn has_source_types(&self) -> bool {
        !self.source_type.is_empty() || !self.source_datatype.is_empty()
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// `Configuration` for lengths and numbers of rules beyond the limits.
    pub(crate) fn validate(&self) -> CdcResult<()> {
        let lengths = self.mask.iter().map(|rule| rule.length);
        let lengths = lengths.chain(self.truncate.iter().map(|rule| rule.length));
        if let Some(length) = lengths.max().filter(|length| *length > MAX_LENGTH) {
            return Err(CdcError::configuration(format!(
                "invalid rule for columns: the length {length} is above {MAX_LENGTH}"
            )));
        }
        if [self.mask.len(), self.hash.len(), self.truncate.len()].iter().any(|count| *count > MAX_RULES) {
            return Err(CdcError::configuration(format!(
                "more than {MAX_RULES} rules for columns: combine their expressions"
            )));
        }
        Ok(())
    }
}
