//! Renaming of the writer's schema by the reader's aliases, so that resolution compares only names.
//!
//! As in Java (contract §3.4): the aliases of a type apply wherever the writer has a type of that full name;
//! those of a field apply in the writer's record of the same full name, and take precedence over the names of
//! the reader's other fields.

use super::schema::{Definition, Kind, Name, Node, Schema, kind_name};
use rustc_hash::FxHashSet;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Two fields or union members of the writer that aliases would give the same name.
#[derive(Debug, Clone)]
pub(super) struct NameConflict {
    /// The writer's record or union.
    pub(super) location: String,
    /// The name that both would have.
    pub(super) name: String,
}

#[derive(Default)]
struct Aliases<'a> {
    types: HashMap<&'a Name, &'a Name>,
    /// The index of a record's list in `fields`. A record shares it with its aliases.
    records: HashMap<&'a Name, usize>,
    fields: Vec<HashMap<&'a str, &'a str>>,
}

/// Returns the renamed schema of the writer, with its types and fields in the same order.
pub(super) fn rename_by_aliases<'w>(
    writer: &'w Schema,
    reader: &Schema,
) -> Result<Cow<'w, Schema>, NameConflict> {
    let mut aliases = Aliases::default();
    aliases.collect(reader, &reader.root, &mut FxHashSet::default());
    if (aliases.types.is_empty() && aliases.fields.is_empty())
        || writer.equality_form() == reader.equality_form()
    {
        return Ok(Cow::Borrowed(writer));
    }
    let mut schema = writer.clone();
    for named in &mut schema.named {
        if let Some(name) = aliases.types.get(&named.name) {
            named.name = (*name).clone();
        }
        let Definition::Record(fields) = &mut named.definition else { continue };
        let list = aliases.records.get(&named.name).and_then(|index| aliases.fields.get(*index));
        let Some(names) = list else { continue };
        let mut seen = HashSet::new();
        for field in fields {
            if let Some(name) = names.get(field.name.as_str()) {
                field.name = (*name).to_owned();
            }
            if !seen.insert(field.name.clone()) {
                return Err(NameConflict { location: named.name.full(), name: field.name.clone() });
            }
        }
    }
    match find_union_conflict(&schema) {
        Some(conflict) => Err(conflict),
        None => Ok(Cow::Owned(schema)),
    }
}

impl<'a> Aliases<'a> {
    /// Collects the aliases in schema order, because a later type takes an alias from an earlier one.
    fn collect(&mut self, schema: &'a Schema, node: &'a Node, seen: &mut FxHashSet<usize>) {
        match &node.kind {
            Kind::Primitive(_) => {}
            Kind::Array(inner) | Kind::Map(inner) => self.collect(schema, inner, seen),
            Kind::Union(members) => members.iter().for_each(|member| self.collect(schema, member, seen)),
            Kind::Named(index) => {
                let Some(named) = schema.named.get(*index) else { return };
                self.types.extend(named.aliases.iter().map(|alias| (alias, &named.name)));
                let Definition::Record(fields) = &named.definition else { return };
                if !seen.insert(*index) {
                    return;
                }
                for field in fields {
                    let names = field.aliases.iter().map(|alias| (alias.as_str(), field.name.as_str()));
                    if !field.aliases.is_empty() {
                        let index = *self.records.entry(&named.name).or_insert(self.fields.len());
                        self.fields.resize_with(self.fields.len().max(index + 1), HashMap::new);
                        self.fields.get_mut(index).into_iter().for_each(|list| list.extend(names.clone()));
                    }
                    self.collect(schema, &field.node, seen);
                }
                if let Some(index) = self.records.get(&named.name).copied() {
                    self.records.extend(named.aliases.iter().map(|alias| (alias, index)));
                }
            }
        }
    }
}

/// Finds a union, at any depth, that has two members of the same name.
fn find_union_conflict(schema: &Schema) -> Option<NameConflict> {
    let mut nodes = vec![&schema.root];
    for named in &schema.named {
        if let Definition::Record(fields) = &named.definition {
            nodes.extend(fields.iter().map(|field| &field.node));
        }
    }
    while let Some(node) = nodes.pop() {
        match &node.kind {
            Kind::Array(inner) | Kind::Map(inner) => nodes.push(inner),
            Kind::Union(members) => {
                let mut seen = HashSet::new();
                for member in members {
                    let name = match &member.kind {
                        Kind::Named(index) => {
                            schema.named.get(*index).map(|named| named.name.full()).unwrap_or_default()
                        }
                        // a named type may have the same name as a kind
                        kind => kind_name(kind).to_owned(),
                    };
                    nodes.push(member);
                    if !seen.insert(name.clone()) {
                        return Some(NameConflict { location: "union".to_owned(), name });
                    }
                }
            }
            Kind::Primitive(_) | Kind::Named(_) => {}
        }
    }
    None
}
