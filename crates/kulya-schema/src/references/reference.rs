//! References, the schemas that they lead to, and their limits.

use crate::model::base64_data;
use crate::{Error, GroupId, Result, SchemaInfo};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// The maximum number of references of a schema.
pub const MAX_REFERENCES: usize = 100;
/// The maximum number of schemas that a schema refers to, directly or through others.
pub const MAX_REFERENCED_SCHEMAS: usize = 1_000;
/// The maximum length of a chain of references.
pub const MAX_REFERENCE_DEPTH: usize = 32;
/// The maximum length of a reference's name, in bytes.
pub const MAX_REFERENCE_NAME_BYTES: usize = 512;

/// A reference of a schema to a registered version of another group, or of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// The name by which the schema refers to the other: an Avro type, the URI of a `$ref`, or an imported
    /// file.
    pub name: String,
    /// The other group's namespace; empty for the default one.
    #[serde(default)]
    pub namespace: String,
    /// The other group's name.
    pub group: String,
    /// The id of the version in that group.
    pub id: u32,
}

impl Reference {
    /// Creates a reference to a version of a group.
    pub fn new(name: impl Into<String>, group: &GroupId, id: u32) -> Self {
        Self { name: name.into(), namespace: group.namespace.clone(), group: group.name.clone(), id }
    }

    /// Returns the other group.
    pub fn group_id(&self) -> GroupId {
        GroupId::new(&self.namespace, &self.group)
    }
}

/// A schema with references as it was sent, beside which a registry keeps the resolved one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unresolved {
    /// The schema's bytes as they were sent.
    #[serde(with = "base64_data")]
    pub schema_data: Vec<u8>,
    /// The schemas that it refers to; never empty.
    pub references: Vec<Reference>,
}

/// A schema that another refers to, with those that it refers to itself.
#[derive(Debug)]
pub struct ReferencedSchema {
    /// What errors call it, such as `schema 3 of group shop/addresses`.
    pub label: String,
    /// The schema as it was sent.
    pub schema: SchemaInfo,
    /// What it refers to, by the names that it uses.
    pub references: Vec<(String, Arc<ReferencedSchema>)>,
}

/// Checks the number of references and their names.
///
/// # Errors
/// There are too many, a name is empty, too long or given twice, or a group has no name.
pub fn check_references(references: &[Reference]) -> Result<()> {
    if references.len() > MAX_REFERENCES {
        let count = references.len();
        return Err(Error::new(format!("{count} references; a schema may have {MAX_REFERENCES}")));
    }
    let mut names = HashSet::new();
    for Reference { name, group, .. } in references {
        if name.is_empty() || name.len() > MAX_REFERENCE_NAME_BYTES {
            let what =
                format!("a reference's name has 1 to {MAX_REFERENCE_NAME_BYTES} bytes, not {name:.60?}");
            return Err(Error::new(what));
        }
        if group.is_empty() {
            return Err(Error::new(format!("reference {name:?} has no group: give the group's name")));
        }
        if !names.insert(name) {
            return Err(Error::new(format!("two references have the name {name:?}: give each name once")));
        }
    }
    Ok(())
}

/// Returns the schema's bytes as text; `label` names it in the error.
pub(super) fn text<'a>(schema: &'a SchemaInfo, label: &str) -> Result<&'a str> {
    std::str::from_utf8(&schema.data)
        .map_err(|error| Error::new(format!("{label} is not UTF-8 text: {error}")))
}
