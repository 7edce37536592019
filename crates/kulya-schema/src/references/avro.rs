//! References of Avro schemas. Every schema involved is divided into the definitions of its named types,
//! with all names in full; the result defines each type at its first use, in the order in which a parser
//! reads, and so is a schema that any parser of Avro takes.

use super::reference::{MAX_REFERENCE_DEPTH, ReferencedSchema, text};
use crate::{Budget, Error, Result, SchemaInfo, bounded_json};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The maximum nesting depth of types, as the parser has it.
const MAX_DEPTH: usize = 100;
pub(super) const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// Returns the schema with the referenced types defined in it.
pub(super) fn resolve(
    schema: SchemaInfo,
    references: &[(String, Arc<ReferencedSchema>)],
    budget: &Budget,
) -> Result<SchemaInfo> {
    let mut library = Library { types: HashMap::new(), visited: HashMap::new(), budget };
    for (name, referenced) in references {
        let defined = library.add(referenced, 0)?;
        if !defined.contains(name) {
            let defined: Vec<&str> = defined.iter().take(10).map(String::as_str).collect();
            return Err(Error::new(format!(
                "reference {name:?}: {} defines no type of this name, only {}",
                referenced.label,
                if defined.is_empty() { "none".to_owned() } else { defined.join(", ") }
            )));
        }
    }
    let root = bounded_json::parse(text(&schema, "the schema")?)?;
    let own = names_of(&root)?;
    for name in &own {
        if let Some(Definition { label, .. }) = library.types.get(name) {
            return Err(Error::new(format!(
                "type {name:?} is defined in the schema itself and by a reference, in {label}: define it once"
            )));
        }
    }
    let mut types = HashMap::new();
    let root = Splitter { library: &library, own: &own, budget, types: &mut types }.node(root, "", 0)?;
    types.extend(library.types.into_iter().map(|(name, definition)| (name, definition.value)));
    let names = types.keys().cloned().collect();
    let data = Writer { types, names, budget }.node(root, "", 0)?.to_string().into_bytes();
    Ok(SchemaInfo { data, ..schema })
}

/// The definition of a named type: its attributes, in which other named types are only named.
struct Definition {
    value: Value,
    /// The schema that it is from.
    label: String,
}

/// The named types of all referenced schemas, by full name.
struct Library<'b> {
    types: HashMap<String, Definition>,
    /// The names that a schema defines, by its label: a schema may be referred to on several ways.
    visited: HashMap<String, BTreeSet<String>>,
    budget: &'b Budget,
}

impl Library<'_> {
    /// Adds the types of a schema and of those that it refers to; returns the names that it defines itself.
    fn add(&mut self, referenced: &ReferencedSchema, depth: usize) -> Result<BTreeSet<String>> {
        let label = &referenced.label;
        if let Some(names) = self.visited.get(label) {
            return Ok(names.clone());
        }
        if depth > MAX_REFERENCE_DEPTH {
            return Err(Error::new(format!("{label}: references nest too deeply")));
        }
        for (_, further) in &referenced.references {
            self.add(further, depth + 1)?;
        }
        let root = bounded_json::parse(text(&referenced.schema, label)?)
            .map_err(|error| Error::new(format!("{label}: {error}")))?;
        let own = names_of(&root)?;
        let mut types = HashMap::new();
        Splitter { library: self, own: &own, budget: self.budget, types: &mut types }
            .node(root, "", 0)
            .map_err(|error| Error::new(format!("{label}: {error}")))?;
        for (name, value) in types {
            match self.types.get(&name) {
                Some(other) if other.value != value => {
                    return Err(Error::new(format!(
                        "type {name:?} is defined differently in {} and in {label}: refer to one of them",
                        other.label
                    )));
                }
                Some(_) => {}
                None => {
                    self.types.insert(name, Definition { value, label: label.clone() });
                }
            }
        }
        self.visited.insert(label.clone(), own.clone());
        Ok(own)
    }
}

/// Returns the full names of the types that a schema defines.
pub(super) fn names_of(root: &Value) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    collect_names(root, "", 0, &mut names)?;
    Ok(names)
}

fn collect_names(value: &Value, namespace: &str, depth: usize, names: &mut BTreeSet<String>) -> Result<()> {
    check_depth(depth)?;
    match value {
        Value::Array(members) => {
            members.iter().try_for_each(|member| collect_names(member, namespace, depth + 1, names))
        }
        Value::Object(object) => match kind(object) {
            Kind::Named => {
                let Some(name) = declared_name(object, namespace) else { return Ok(()) };
                let inner = namespace_of(&name).to_owned();
                names.insert(name);
                let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
                fields
                    .filter_map(|field| field.get("type"))
                    .try_for_each(|field| collect_names(field, &inner, depth + 1, names))
            }
            Kind::Container(key) => {
                object.get(key).map_or(Ok(()), |inner| collect_names(inner, namespace, depth + 1, names))
            }
            Kind::Other => Ok(()),
        },
        _ => Ok(()),
    }
}

pub(super) enum Kind {
    /// A record, an error, an enum or a fixed.
    Named,
    /// An array or a map, and the attribute with the type of its items.
    Container(&'static str),
    /// A primitive type, the name of a type, or no valid type.
    Other,
}

pub(super) fn kind(object: &Map<String, Value>) -> Kind {
    match object.get("type").and_then(Value::as_str) {
        Some("record" | "error" | "enum" | "fixed") => Kind::Named,
        Some("array") => Kind::Container("items"),
        Some("map") => Kind::Container("values"),
        _ => Kind::Other,
    }
}

/// Returns the full name that a definition declares within a namespace.
pub(super) fn declared_name(object: &Map<String, Value>, namespace: &str) -> Option<String> {
    let name = object.get("name")?.as_str()?;
    if name.contains('.') {
        return Some(name.to_owned());
    }
    Some(join(object.get("namespace").and_then(Value::as_str).unwrap_or(namespace), name))
}

pub(super) fn join(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

pub(super) fn namespace_of(full_name: &str) -> &str {
    full_name.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

pub(super) fn check_depth(depth: usize) -> Result<()> {
    if depth > MAX_DEPTH { Err(Error::new("types nest too deeply")) } else { Ok(()) }
}

/// Divides a schema into its root and the definitions of its named types, which the others name in full.
struct Splitter<'a> {
    library: &'a Library<'a>,
    own: &'a BTreeSet<String>,
    budget: &'a Budget,
    types: &'a mut HashMap<String, Value>,
}

impl Splitter<'_> {
    fn node(&mut self, value: Value, namespace: &str, depth: usize) -> Result<Value> {
        check_depth(depth)?;
        self.budget.try_spend(1, namespace)?;
        match value {
            Value::String(name) => self.full_name(name, namespace).map(Value::String),
            Value::Array(members) => {
                let members = members.into_iter().map(|member| self.node(member, namespace, depth + 1));
                Ok(Value::Array(members.collect::<Result<_>>()?))
            }
            Value::Object(object) => self.object(object, namespace, depth),
            other => Ok(other),
        }
    }

    fn object(&mut self, mut object: Map<String, Value>, namespace: &str, depth: usize) -> Result<Value> {
        match kind(&object) {
            Kind::Container(key) => {
                if let Some(inner) = object.get_mut(key) {
                    *inner = self.node(inner.take(), namespace, depth + 1)?;
                }
                Ok(Value::Object(object))
            }
            Kind::Named => {
                // the parser refuses a definition without a name
                let Some(name) = declared_name(&object, namespace) else { return Ok(Value::Object(object)) };
                let inner = namespace_of(&name).to_owned();
                for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Some(kind) = field.get_mut("type") {
                        *kind = self.node(kind.take(), &inner, depth + 1)?;
                    }
                }
                let simple = name.rsplit('.').next().unwrap_or_default().to_owned();
                object.insert("name".to_owned(), Value::String(simple));
                object.insert("namespace".to_owned(), Value::String(inner));
                if self.types.insert(name.clone(), Value::Object(object)).is_some() {
                    return Err(Error::new(format!("type {name:?} is defined twice")));
                }
                Ok(Value::String(name))
            }
            Kind::Other => match object.get("type") {
                // a name in an object: its other attributes mean nothing
                Some(Value::String(name)) if !PRIMITIVES.contains(&name.as_str()) => {
                    self.full_name(name.clone(), namespace).map(Value::String)
                }
                _ => Ok(Value::Object(object)),
            },
        }
    }

    /// Returns the full name of the type that a name means: one of this namespace before one without.
    fn full_name(&self, name: String, namespace: &str) -> Result<String> {
        if PRIMITIVES.contains(&name.as_str()) {
            return Ok(name);
        }
        let is_defined = |name: &str| self.own.contains(name) || self.library.types.contains_key(name);
        if !name.contains('.') {
            let qualified = join(namespace, &name);
            if is_defined(&qualified) {
                return Ok(qualified);
            }
        }
        if is_defined(&name) {
            return Ok(name);
        }
        Err(Error::new(format!(
            "type {name:.100?} is defined neither in the schema nor by one of its references: add a reference to the \
             schema that defines it"
        )))
    }
}

/// Writes types with each definition at its first use.
struct Writer<'b> {
    /// The definitions that are not written yet.
    types: HashMap<String, Value>,
    names: HashSet<String>,
    budget: &'b Budget,
}

impl Writer<'_> {
    fn node(&mut self, value: Value, namespace: &str, depth: usize) -> Result<Value> {
        check_depth(depth)?;
        self.budget.try_spend(1, namespace)?;
        match value {
            Value::String(name) => match self.types.remove(&name) {
                Some(definition) => self.definition(&name, definition, depth),
                None => {
                    self.check_is_unambiguous(&name, namespace)?;
                    Ok(Value::String(name))
                }
            },
            Value::Array(members) => {
                let members = members.into_iter().map(|member| self.node(member, namespace, depth + 1));
                Ok(Value::Array(members.collect::<Result<_>>()?))
            }
            Value::Object(mut object) => {
                if let Kind::Container(key) = kind(&object)
                    && let Some(inner) = object.get_mut(key)
                {
                    *inner = self.node(inner.take(), namespace, depth + 1)?;
                }
                Ok(Value::Object(object))
            }
            other => Ok(other),
        }
    }

    fn definition(&mut self, name: &str, mut definition: Value, depth: usize) -> Result<Value> {
        let namespace = namespace_of(name);
        for field in definition.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(kind) = field.get_mut("type") {
                *kind = self.node(kind.take(), namespace, depth + 1)?;
            }
        }
        Ok(definition)
    }

    /// Checks that a name without a namespace is not taken for a type of the namespace around it.
    fn check_is_unambiguous(&self, name: &str, namespace: &str) -> Result<()> {
        let other = join(namespace, name);
        if name.contains('.')
            || namespace.is_empty()
            || !self.names.contains(name)
            || !self.names.contains(&other)
        {
            return Ok(());
        }
        Err(Error::new(format!(
            "the types {name:?} and {other:?} are both used in namespace {namespace:?}, where the first cannot be \
             named: give it a namespace"
        )))
    }
}
