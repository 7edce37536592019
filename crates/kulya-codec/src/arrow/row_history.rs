//! Rows of a changelog that are older than the table's columns, in the form of its present columns: a renamed
//! column under its present name, an added column with the value that the database gave it.
//!
//! What is known of it stands in the versions of the schema (`docs/spec/cdc-schema.md`): a column's former
//! names, its identifier, and its default.

use super::column::parse;
use crate::CodecResult;
use kulya_schema::SchemaInfo;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashSet;

type Row = Map<String, Value>;

/// How rows of older versions of a schema become rows of its latest one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowHistory {
    /// The columns; empty if they are not known.
    columns: HashSet<String>,
    /// Former names of columns with the present ones, the last ones first.
    renamed: Vec<(String, String)>,
    /// Columns that older rows lack, and what they have in these.
    added: Vec<(String, Value)>,
}

impl RowHistory {
    /// Compares the versions of a schema of rows, the oldest first; the last one is the latest.
    ///
    /// # Errors
    /// `Schema` when one is not JSON.
    pub fn new(versions: &[SchemaInfo]) -> CodecResult<Self> {
        let parsed = versions.iter().map(parse).collect::<CodecResult<Vec<Value>>>()?;
        let versions: Vec<&Row> =
            parsed.iter().filter_map(|version| version.get("properties")?.as_object()).collect();
        let Some((latest, older)) = versions.split_last() else { return Ok(Self::default()) };
        let mut history = Self { columns: latest.keys().cloned().collect(), ..Self::default() };
        for (name, column) in *latest {
            let former = former_names(name, column, &versions);
            let is_missing = |version: &&Row| {
                !version.iter().any(|(other, described)| {
                    let is_named = other == name || former.contains(&other.as_str());
                    is_named && !is_another(column, described)
                })
            };
            // it was added by the version after the last one without it
            let added_by = older.iter().rposition(is_missing).and_then(|last| versions.get(last + 1));
            if let Some(value) = added_by.and_then(|version| version.get(name)?.get("default")) {
                history.added.push((name.clone(), value.clone()));
            }
            history.renamed.extend(former.into_iter().rev().map(|former| (former.to_owned(), name.clone())));
        }
        Ok(history)
    }

    /// Returns whether rows of all versions have the present columns.
    pub(super) fn changes_nothing(&self) -> bool {
        self.renamed.is_empty() && self.added.is_empty()
    }

    /// Gives a row's members, the last of a name counting, the present columns. Those of which nothing is
    /// known are missing.
    pub(super) fn complete<'a, 'h: 'a, T>(
        &'h self,
        row: Vec<(Cow<'a, str>, T)>,
    ) -> Vec<(Cow<'a, str>, RowMember<'h, T>)> {
        let mut members: Vec<(Cow<'a, str>, RowMember<'h, T>)> = Vec::with_capacity(row.len());
        for (name, member) in row {
            match members.iter_mut().find(|(other, _)| *other == name) {
                Some((_, known)) => *known = RowMember::Read(member),
                None => members.push((name, RowMember::Read(member))),
            }
        }
        for (former, present) in &self.renamed {
            // another column may have the name now: then the row has both names
            if !members.iter().any(|(name, _)| name == present)
                && let Some((name, _)) = members.iter_mut().find(|(name, _)| name == former)
            {
                *name = Cow::Borrowed(present);
            }
        }
        for (name, value) in &self.added {
            if !members.iter().any(|(other, _)| other == name) {
                members.push((Cow::Borrowed(name), RowMember::Added(value)));
            }
        }
        if !self.columns.is_empty() && members.len() > self.columns.len() {
            members.retain(|(name, _)| self.columns.contains(&**name));
        }
        members
    }
}

/// A column of a row: in the row, or with the value that it was added with.
#[derive(Debug)]
pub(super) enum RowMember<'h, T> {
    Read(T),
    Added(&'h Value),
}

/// Whether two columns are known to be different ones.
fn is_another(column: &Value, other: &Value) -> bool {
    match (column.get("x-column-id"), other.get("x-column-id")) {
        (Some(id), Some(other)) => id != other,
        _ => false,
    }
}

/// Returns the names that a column had in older versions, the oldest first.
fn former_names<'a>(name: &str, column: &Value, versions: &[&'a Row]) -> Vec<&'a str> {
    let id = column.get("x-column-id");
    let mut found: Vec<&str> = Vec::new();
    for version in versions {
        for (other, described) in *version {
            if other == name && !is_another(column, described) {
                let names = described.get("x-former-names").and_then(Value::as_array);
                found.extend(names.into_iter().flatten().filter_map(Value::as_str));
            } else if id.is_some() && described.get("x-column-id") == id {
                found.push(other);
            }
        }
    }
    let mut known = HashSet::new();
    found.retain(|former| *former != name && known.insert(*former));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_schema::Format;
    use serde_json::json;

    fn history(versions: &[Value]) -> RowHistory {
        let version = |properties: &Value| {
            SchemaInfo::new("t", Format::Json, json!({ "properties": properties }).to_string())
        };
        RowHistory::new(&versions.iter().map(version).collect::<Vec<_>>()).unwrap()
    }

    fn completed(history: &RowHistory, row: Value) -> Value {
        let Value::Object(row) = row else { panic!("no row") };
        let members = row.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        let members = history.complete(members).into_iter().map(|(name, member)| match member {
            RowMember::Read(value) => (name.into_owned(), value),
            RowMember::Added(value) => (name.into_owned(), value.clone()),
        });
        Value::Object(members.collect())
    }

    #[test]
    fn renamed_columns_are_found_by_their_identifier() {
        let history = history(&[
            json!({ "id": { "x-column-id": "7.1" }, "note": { "x-column-id": "7.2" } }),
            json!({ "id": { "x-column-id": "7.1" }, "remark": { "x-column-id": "7.2" } }),
            json!({ "id": { "x-column-id": "7.1" }, "text": { "x-column-id": "7.2" } }),
        ]);
        for name in ["note", "remark", "text"] {
            assert_eq!(completed(&history, json!({ "id": 1, name: "a" })), json!({ "id": 1, "text": "a" }));
        }
    }

    #[test]
    fn renamed_columns_are_found_by_their_former_names() {
        let history =
            history(&[json!({ "id": {}, "b": { "x-former-names": ["a"] } }), json!({ "id": {}, "b": {} })]);
        assert_eq!(completed(&history, json!({ "id": 1, "a": 2 })), json!({ "id": 1, "b": 2 }));
    }

    #[test]
    fn name_that_another_column_has_now_is_the_former_one_in_older_rows() {
        let history = history(&[
            json!({ "note": { "x-column-id": "7.1" } }),
            json!({ "remark": { "x-column-id": "7.1" } }),
            json!({ "remark": { "x-column-id": "7.1" }, "note": { "x-column-id": "7.2", "default": "new" } }),
        ]);
        assert_eq!(completed(&history, json!({ "note": "a" })), json!({ "remark": "a", "note": "new" }));
        let row = json!({ "remark": "a", "note": "b" });
        assert_eq!(completed(&history, row.clone()), row);
    }

    #[test]
    fn added_columns_have_the_default_with_which_they_were_added() {
        let history = history(&[
            json!({ "id": { "default": 0 } }),
            json!({ "id": { "default": 0 }, "x": { "default": 3 }, "y": {} }),
            json!({ "id": { "default": 0 }, "x": { "default": 4 }, "y": { "default": 5 } }),
        ]);
        assert_eq!(completed(&history, json!({ "id": 1 })), json!({ "id": 1, "x": 3 }));
        assert_eq!(completed(&history, json!({})), json!({ "x": 3 }), "a key alone may lack others");
        assert_eq!(completed(&history, json!({ "id": 1, "x": null })), json!({ "id": 1, "x": null }));
    }

    #[test]
    fn dropped_columns_are_left_out() {
        let history = history(&[json!({ "id": {}, "gone": {} }), json!({ "id": {} })]);
        assert_eq!(completed(&history, json!({ "id": 1, "gone": 2 })), json!({ "id": 1 }));
    }

    #[test]
    fn schemas_without_columns_change_nothing() {
        let row = json!({ "id": 1 });
        assert_eq!(completed(&RowHistory::new(&[]).unwrap(), row.clone()), row);
        let empty = SchemaInfo::new("t", Format::Json, "{}");
        assert_eq!(completed(&RowHistory::new(&[empty]).unwrap(), row.clone()), row);
        RowHistory::new(&[SchemaInfo::new("t", Format::Json, "{")]).unwrap_err();
    }
}
