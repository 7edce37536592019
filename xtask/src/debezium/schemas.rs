//! The distinct schemas of events. A struct within a struct is written once, and referred to by its line:
//! `{"ref":LINE,"field":NAME}`.

use super::json::Json;
use anyhow::{Result, ensure};
use std::collections::HashMap;

/// Schemas in the order in which they appeared, each after those it refers to.
#[derive(Default)]
pub(super) struct Schemas {
    lines: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Schemas {
    /// Returns a schema's line, counted from 0.
    pub(super) fn add(&mut self, mut schema: Json) -> Result<usize> {
        self.add_inner(&mut schema)?;
        let line = schema.to_string();
        let next = self.lines.len();
        Ok(*self.numbers.entry(line).or_insert_with_key(|line| {
            self.lines.push(line.clone());
            next
        }))
    }

    fn add_inner(&mut self, schema: &mut Json) -> Result<()> {
        let Some(Json::Array(fields)) = schema.get_mut("fields") else { return Ok(()) };
        for field in fields {
            if field.get("fields").is_none() {
                continue;
            }
            let is_last =
                matches!(field, Json::Object(members) if members.last().is_some_and(|m| m.0 == "field"));
            ensure!(is_last, "the name of a field is not the last member of its schema");
            let name = field.take("field").unwrap_or_else(Json::null);
            let line = self.add(std::mem::replace(field, Json::null()))?;
            *field = Json::Object(vec![("ref".into(), Json::number(line)), ("field".into(), name)]);
        }
        Ok(())
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
