//! The writer's schema under the names that the reader's aliases give it: what is compared afterwards is names alone.
//!
//! As Java does it (contract §3.4): the aliases of a type hold wherever the writer has a type of that full name; those of a
//! field hold in the writer's record of the same full name, and they come before what the reader's other fields are called.

use super::{Kind, Name, Node, Schema, Shape, kind_name};
use rustc_hash::FxHashSet;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Two of the writer's that would have one name.
#[derive(Debug, Clone)]
pub(super) struct Clash {
    /// The writer's record or union.
    pub(super) place: String,
    /// What both would be called.
    pub(super) name: String,
}

#[derive(Default)]
struct Aliases<'a> {
    types: HashMap<&'a Name, &'a Name>,
    /// Which of the lists holds in a record. A record and its aliases have one together.
    records: HashMap<&'a Name, usize>,
    fields: Vec<HashMap<&'a str, &'a str>>,
}

/// The writer's schema with its types and fields in their old places, and in the same order.
pub(super) fn renamed<'w>(writer: &'w Schema, reader: &Schema) -> Result<Cow<'w, Schema>, Clash> {
    let mut aliases = Aliases::default();
    aliases.gather(reader, &reader.root, &mut FxHashSet::default());
    if (aliases.types.is_empty() && aliases.fields.is_empty()) || writer.bare() == reader.bare() {
        return Ok(Cow::Borrowed(writer));
    }
    let mut schema = writer.clone();
    for named in &mut schema.named {
        if let Some(name) = aliases.types.get(&named.name) {
            named.name = (*name).clone();
        }
        let Shape::Record(fields) = &mut named.shape else { continue };
        let list = aliases.records.get(&named.name).and_then(|number| aliases.fields.get(*number));
        let Some(names) = list else { continue };
        let mut seen = HashSet::new();
        for field in fields {
            if let Some(name) = names.get(field.name.as_str()) {
                field.name = (*name).to_owned();
            }
            if !seen.insert(field.name.clone()) {
                return Err(Clash { place: named.name.full(), name: field.name.clone() });
            }
        }
    }
    match clash(&schema) {
        Some(clash) => Err(clash),
        None => Ok(Cow::Owned(schema)),
    }
}

impl<'a> Aliases<'a> {
    /// In the order in which the types stand, because a later one takes an alias from an earlier.
    fn gather(&mut self, schema: &'a Schema, node: &'a Node, seen: &mut FxHashSet<usize>) {
        match &node.kind {
            Kind::Primitive(_) => {}
            Kind::Array(inner) | Kind::Map(inner) => self.gather(schema, inner, seen),
            Kind::Union(members) => members.iter().for_each(|member| self.gather(schema, member, seen)),
            Kind::Named(number) => {
                let Some(named) = schema.named.get(*number) else { return };
                self.types.extend(named.aliases.iter().map(|alias| (alias, &named.name)));
                let Shape::Record(fields) = &named.shape else { return };
                if !seen.insert(*number) {
                    return;
                }
                for field in fields {
                    let renamed = field.aliases.iter().map(|alias| (alias.as_str(), field.name.as_str()));
                    if !field.aliases.is_empty() {
                        let number = *self.records.entry(&named.name).or_insert(self.fields.len());
                        self.fields.resize_with(self.fields.len().max(number + 1), HashMap::new);
                        self.fields.get_mut(number).into_iter().for_each(|list| list.extend(renamed.clone()));
                    }
                    self.gather(schema, &field.node, seen);
                }
                if let Some(number) = self.records.get(&named.name).copied() {
                    self.records.extend(named.aliases.iter().map(|alias| (alias, number)));
                }
            }
        }
    }
}

/// A union, anywhere, that has two members of one name.
fn clash(schema: &Schema) -> Option<Clash> {
    let mut nodes = vec![&schema.root];
    for named in &schema.named {
        if let Shape::Record(fields) = &named.shape {
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
                        Kind::Named(number) => {
                            schema.named.get(*number).map(|named| named.name.full()).unwrap_or_default()
                        }
                        // a type may be called as a kind is
                        kind => kind_name(kind).to_owned(),
                    };
                    nodes.push(member);
                    if !seen.insert(name.clone()) {
                        return Some(Clash { place: "union".to_owned(), name });
                    }
                }
            }
            Kind::Primitive(_) | Kind::Named(_) => {}
        }
    }
    None
}
