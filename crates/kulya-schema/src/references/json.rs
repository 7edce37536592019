//! References of JSON schemas. The result is a compound document (bundling in JSON Schema 2020-12): the
//! referenced schemas are definitions of the root, unchanged but for their `$id`, so that each `$ref` keeps
//! its text and its meaning. The texts are joined and not printed again: numbers stay as they were written.

use super::reference::{MAX_REFERENCE_DEPTH, MAX_REFERENCED_SCHEMAS, ReferencedSchema, text};
use crate::json_schema::{self, reference as uri};
use crate::{Budget, Error, Result, SchemaInfo};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

/// Where the schemas of the specification are, which no registry needs to have.
const METASCHEMAS: [&str; 2] = ["http://json-schema.org/", "https://json-schema.org/"];

/// Returns the schema with the referenced ones embedded.
pub(super) fn resolve(
    schema: SchemaInfo,
    references: &[(String, Arc<ReferencedSchema>)],
    budget: &Budget,
) -> Result<SchemaInfo> {
    let mut root = members(text(&schema, "the schema")?, "the schema")?;
    let declared = root.get("$schema").and_then(string);
    let id_keyword = id_keyword(&root);
    let base = root.get(id_keyword).and_then(string).unwrap_or_default();
    let base = uri::split(&base).0;
    if !uri::is_absolute(base) && base.contains('/') {
        return Err(Error::new(format!(
            "the {id_keyword} {base:.80?} is relative and has a folder: with references it is an absolute URI, a \
             plain name, or absent"
        )));
    }
    let mut bundle = Bundle { id_keyword, root_base: base.to_owned(), resources: BTreeMap::new(), budget };
    bundle.add(references, base, 0)?;
    if !base.is_empty() && bundle.resources.contains_key(base) {
        return Err(Error::new(format!(
            "a reference has the name {base:?}, which is the schema's own {id_keyword}"
        )));
    }
    let keyword = match declared.as_deref() {
        Some(uri) if uri.contains("/draft/20") => "$defs",
        None if !root.contains("definitions") && root.contains("$defs") => "$defs",
        _ => "definitions",
    };
    let mut definitions = match root.get(keyword) {
        Some(raw) => members(raw.get(), keyword)?,
        None => Members(Vec::new()),
    };
    for (uri, Resource { text, .. }) in bundle.resources {
        let name = definitions.unused_name(uri);
        definitions.0.push((name, raw(text)?));
    }
    root.set(keyword, raw(definitions.to_text())?);
    let resolved = root.to_text();
    check_references(&resolved, budget)?;
    Ok(SchemaInfo { data: resolved.into_bytes(), ..schema })
}

fn id_keyword(root: &Members) -> &'static str {
    let declared = root.get("$schema").and_then(string);
    if declared.is_some_and(|uri| uri.contains("draft-04")) { "id" } else { "$id" }
}

/// Returns the schema's absolute `$id`, and the URIs of the other documents that it refers to.
pub(super) fn names(schema: &SchemaInfo, budget: &Budget) -> Result<(Option<String>, BTreeSet<String>)> {
    let text = text(schema, "the schema")?;
    let parsed = json_schema::parse_with_budget(text, budget)?;
    let others = parsed.external_references().filter(|uri| !is_metaschema(uri));
    let used: BTreeSet<String> = others.map(|uri| uri::split(uri).0.to_owned()).collect();
    let root = members(text, "the schema").unwrap_or(Members(Vec::new()));
    let id = root.get(id_keyword(&root)).and_then(string).unwrap_or_default();
    let defined = uri::is_absolute(&id).then(|| uri::split(&id).0.to_owned());
    Ok((defined, used))
}

/// Returns the schema with an absolute `$id`: this URI, or its own one relative to that.
pub(super) fn with_base_uri(schema: SchemaInfo, base: &str) -> Result<SchemaInfo> {
    let mut root = members(text(&schema, "the schema")?, "the schema")?;
    let keyword = id_keyword(&root);
    let own = root.get(keyword).and_then(string).unwrap_or_default();
    let id = raw(serde_json::Value::from(uri::join(base, &own)).to_string())?;
    match root.contains(keyword) {
        true => root.set(keyword, id),
        false => root.0.insert(0, (keyword.to_owned(), id)),
    }
    Ok(SchemaInfo { data: root.to_text().into_bytes(), ..schema })
}

fn is_metaschema(uri: &str) -> bool {
    METASCHEMAS.iter().any(|prefix| uri.starts_with(prefix))
}

/// Checks that every `$ref` leads to a schema in the document.
fn check_references(text: &str, budget: &Budget) -> Result<()> {
    let parsed = json_schema::parse_with_budget(text, budget)?;
    match parsed.external_references().find(|uri| !is_metaschema(uri)) {
        None => Ok(()),
        Some(missing) => Err(Error::new(format!(
            "a $ref leads to {missing:.200?}, which no reference has as its name: add a reference to that schema"
        ))),
    }
}

/// An embedded schema.
struct Resource {
    /// The schema that it is from.
    label: String,
    text: String,
}

/// The embedded schemas by URI: absolute, or relative to the root where that has no absolute one.
struct Bundle<'b> {
    id_keyword: &'static str,
    root_base: String,
    resources: BTreeMap<String, Resource>,
    budget: &'b Budget,
}

impl Bundle<'_> {
    /// Adds the schemas that one with the URI `base` refers to, and those that they refer to.
    fn add(
        &mut self,
        references: &[(String, Arc<ReferencedSchema>)],
        base: &str,
        depth: usize,
    ) -> Result<()> {
        if depth > MAX_REFERENCE_DEPTH {
            return Err(Error::new("references nest too deeply"));
        }
        for (name, referenced) in references {
            self.budget.try_spend(1, name)?;
            let label = &referenced.label;
            if name.contains('#') {
                return Err(Error::new(format!(
                    "reference {name:?} has a fragment: its name is the URI of the whole schema, and $ref adds a fragment"
                )));
            }
            let uri = uri::join(base, name);
            match self.resources.get(&uri) {
                Some(other) if other.label == *label => continue,
                Some(other) => {
                    return Err(Error::new(format!(
                        "{uri:?} is the name of {} and of {label}: refer to one of them",
                        other.label
                    )));
                }
                None if self.resources.len() >= MAX_REFERENCED_SCHEMAS => {
                    let most = MAX_REFERENCED_SCHEMAS;
                    return Err(Error::new(format!("more than {most} schemas are referred to")));
                }
                None => {}
            }
            let text = self.with_id(text(&referenced.schema, label)?, &uri, name, label)?;
            self.resources.insert(uri.clone(), Resource { label: label.clone(), text });
            self.add(&referenced.references, &uri, depth + 1)?;
        }
        Ok(())
    }

    /// Returns the text of a schema that has a URI as its `$id`.
    fn with_id(&self, text: &str, uri: &str, name: &str, label: &str) -> Result<String> {
        let mut schema = members(text, label)?;
        match schema.get(self.id_keyword).and_then(string) {
            Some(id) => {
                let own = uri::join(&self.root_base, &id);
                if own != uri {
                    return Err(Error::new(format!(
                        "reference {name:?}: {label} has the {} {id:.200?}: refer to it by that URI",
                        self.id_keyword
                    )));
                }
            }
            None => {
                let id = raw(serde_json::Value::from(uri).to_string())?;
                schema.0.insert(0, (self.id_keyword.to_owned(), id));
            }
        }
        Ok(schema.to_text())
    }
}

/// The members of an object in their order, each value with its text.
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a member where it is, or at the end.
    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Returns a name that no member has.
    fn unused_name(&self, name: String) -> String {
        let names: HashSet<&str> = self.0.iter().map(|(key, _)| key.as_str()).collect();
        let numbered = (2_usize..).map(|number| format!("{name} {number}"));
        std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| !names.contains(name.as_str()))
            .unwrap_or(name)
    }

    fn to_text(&self) -> String {
        let mut out = String::from("{");
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out += &serde_json::Value::from(name.as_str()).to_string();
            out.push(':');
            out += value.get();
        }
        out.push('}');
        out
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push(member);
                }
                // of equal names the last counts, as everywhere
                let mut seen = HashSet::new();
                let mut unique: Vec<_> =
                    members.into_iter().rev().filter(|(name, _)| seen.insert(name.clone())).collect();
                unique.reverse();
                Ok(Members(unique))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

fn members(text: &str, label: &str) -> Result<Members> {
    serde_json::from_str(text).map_err(|error| Error::new(format!("{label} is not a JSON object: {error}")))
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| Error::new(format!("a schema is not JSON: {error}")))
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}
