//! What many events have in common: their schemas, sources and descriptions of tables, each of which is
//! written once, as a line of a file. A struct within a struct is a line, too: `{"ref":LINE,"field":NAME}`.

use super::json::Json;
use anyhow::{Result, ensure};
use std::collections::HashMap;

/// The distinct lines of a zoo.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) schemas: Lines,
    pub(super) sources: Lines,
    /// Elements of `tableChanges`.
    pub(super) changes: Lines,
}

impl Tables {
    /// Returns a schema's line; those that it refers to come before it.
    pub(super) fn add_schema(&mut self, mut schema: Json) -> Result<usize> {
        if let Some(Json::Array(fields)) = schema.get_mut("fields") {
            fields.iter_mut().try_for_each(|field| self.add_field(field))?;
        }
        Ok(self.schemas.add(schema.to_string()))
    }

    fn add_field(&mut self, field: &mut Json) -> Result<()> {
        if field.get("fields").is_none() {
            return Ok(());
        }
        let is_last =
            matches!(field, Json::Object(members) if members.last().is_some_and(|last| last.0 == "field"));
        ensure!(is_last, "the name of a field is not the last member of its schema");
        let name = field.take("field").unwrap_or_else(Json::null);
        let line = self.add_schema(std::mem::replace(field, Json::null()))?;
        *field = Json::Object(vec![("ref".into(), Json::number(line)), ("field".into(), name)]);
        Ok(())
    }
}

/// Distinct lines, in the order in which they appeared.
#[derive(Default)]
pub(super) struct Lines {
    text: String,
    numbers: HashMap<String, usize>,
}

impl Lines {
    /// Returns a line's number, counted from 0.
    pub(super) fn add(&mut self, line: String) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(line).or_insert_with_key(|line| {
            self.text.push_str(line);
            self.text.push('\n');
            next
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
