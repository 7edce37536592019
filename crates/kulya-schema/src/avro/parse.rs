//! From schema text to the tree. What Java checks is checked, and nothing else (Avro 1.11): a schema that one of the two
//! refuses would be a schema for half of its readers. Whatever is wrong is named with its place.
//!
//! Beyond that, text is JSON as `serde_json` reads it: no comments, no half surrogates, no number out of range.

use super::{Field, Kind, Name, Named, Node, Primitive, Schema, Shape};
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// How deep types may nest: more is an attack, not a schema.
const MAX_DEPTH: usize = 100;
/// Of how many values, and fields that are absent, the defaults of a schema may be made.
const MAX_DEFAULT_CHECKS: usize = 10_000_000;
/// The largest fixed, in bytes: what a Java array can hold.
const MAX_FIXED: u64 = 2_147_483_639;
/// No properties of a type, whatever its kind.
const RESERVED: [&str; 10] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
const RESERVED_OF_FIELDS: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];
const ORDERS: [&str; 3] = ["ascending", "descending", "ignore"];

/// Reads a schema from its JSON text (one document).
pub fn parse(text: &str) -> Result<Schema> {
    let value: Value =
        serde_json::from_str(text).map_err(|e| Error::new(format!("not a JSON document: {e}")))?;
    let left = Cell::new(MAX_DEFAULT_CHECKS);
    let mut parser = Parser { named: Vec::new(), numbers: HashMap::new(), left };
    let root = parser.node(&value, "", "schema", 0)?;
    Ok(Schema { root, named: parser.named })
}

struct Parser {
    named: Vec<Named>,
    numbers: HashMap<String, usize>,
    /// How many values within defaults may still be looked at.
    left: Cell<usize>,
}

fn wrong<T>(place: &str, what: &str) -> Result<T> {
    Err(Error::new(format!("{place}: {what}")))
}

impl Parser {
    fn node(&mut self, value: &Value, space: &str, place: &str, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return wrong(place, "types nest too deeply");
        }
        let plain = |kind| Node { kind, properties: Map::new() };
        match value {
            Value::String(name) => self.reference(name, space, place).map(plain),
            Value::Array(members) => self.union(members, space, place, depth).map(plain),
            Value::Object(object) => self.object(object, space, place, depth),
            _ => wrong(place, "a type is a name, an object or an array"),
        }
    }

    fn reference(&self, name: &str, space: &str, place: &str) -> Result<Kind> {
        if let Some(primitive) = Primitive::from_name(name) {
            return Ok(Kind::Primitive(primitive));
        }
        match self.known(name, space).or_else(|| self.known(name, "")) {
            Some(number) => Ok(Kind::Named(number)),
            None => wrong(place, &format!("type {name:?} is not defined before it is used")),
        }
    }

    /// The type of a name that is full, or else one of this namespace.
    fn known(&self, name: &str, space: &str) -> Option<usize> {
        self.numbers.get(&Name::in_space(name, space).full()).copied()
    }

    fn union(&mut self, members: &[Value], space: &str, place: &str, depth: usize) -> Result<Kind> {
        let mut seen = HashSet::new();
        let mut nodes = Vec::with_capacity(members.len());
        for (number, member) in members.iter().enumerate() {
            let node = self.node(member, space, &format!("{place}[{number}]"), depth + 1)?;
            let name = match &node.kind {
                Kind::Union(_) => return wrong(place, "a union may not hold a union directly"),
                Kind::Named(named) => {
                    self.named.get(*named).map(|named| named.name.full()).unwrap_or_default()
                }
                kind => super::kind_name(kind).to_owned(),
            };
            if !seen.insert(name.clone()) {
                return wrong(place, &format!("a union holds {name} twice"));
            }
            nodes.push(node);
        }
        Ok(Kind::Union(nodes))
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        space: &str,
        place: &str,
        depth: usize,
    ) -> Result<Node> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Object(_) | Value::Array(_)) => {
                return wrong(
                    place,
                    "a type object's \"type\" is a name: put what is in it in the object's place",
                );
            }
            _ => return wrong(place, "a type object needs a \"type\", a name"),
        };
        let part = |name: &str| object.get(name);
        match kind {
            "record" | "error" | "enum" | "fixed" => self.named_type(kind, object, space, place, depth),
            "array" => {
                let Some(items) = part("items") else { return wrong(place, "an array needs \"items\"") };
                let items = self.node(items, space, &format!("{place}.items"), depth + 1)?;
                Ok(Node { kind: Kind::Array(Box::new(items)), properties: rest(object, &RESERVED) })
            }
            "map" => {
                let Some(values) = part("values") else { return wrong(place, "a map needs \"values\"") };
                let values = self.node(values, space, &format!("{place}.values"), depth + 1)?;
                Ok(Node { kind: Kind::Map(Box::new(values)), properties: rest(object, &RESERVED) })
            }
            name => match Primitive::from_name(name) {
                Some(primitive) => {
                    Ok(Node { kind: Kind::Primitive(primitive), properties: rest(object, &RESERVED) })
                }
                // here, unlike where a name stands alone, a name without a namespace is not looked up outside of this one
                None => match self.known(name, space) {
                    Some(number) => Ok(Node { kind: Kind::Named(number), properties: Map::new() }),
                    None => wrong(place, &format!("type {name:?} is not defined before it is used")),
                },
            },
        }
    }

    fn named_type(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        space: &str,
        place: &str,
        depth: usize,
    ) -> Result<Node> {
        let name = declared_name(object, space, place)?;
        let full = name.full();
        if self.numbers.contains_key(&full)
            || (name.namespace.is_empty() && Primitive::from_name(&full).is_some())
        {
            return wrong(place, &format!("type {full:?} is defined twice"));
        }
        let number = self.named.len();
        self.numbers.insert(full.clone(), number);
        let mut aliases = Vec::new();
        for alias in texts(object, "aliases", place)? {
            let alias = Name::in_space(&alias, &name.namespace);
            check_simple(&alias.simple, place)?;
            aliases.push(alias);
        }
        self.named.push(Named {
            name: name.clone(),
            is_error: kind == "error",
            aliases: once(aliases),
            doc: object.get("doc").and_then(Value::as_str).map(str::to_owned),
            properties: Map::new(),
            shape: Shape::Pending,
        });
        let shape = match kind {
            "enum" => enum_shape(object, &full)?,
            "fixed" => match object.get("size").and_then(Value::as_u64).filter(|size| *size <= MAX_FIXED) {
                Some(size) => Shape::Fixed(size),
                None => {
                    let what = format!("a fixed needs a \"size\", a whole number up to {MAX_FIXED}");
                    return wrong(&full, &what);
                }
            },
            _ => self.record_shape(object, &name, depth)?,
        };
        let mut properties = rest(object, &RESERVED);
        if kind == "enum" {
            properties.shift_remove("default");
        }
        if let Some(named) = self.named.get_mut(number) {
            (named.shape, named.properties) = (shape, properties);
        }
        Ok(Node { kind: Kind::Named(number), properties: Map::new() })
    }

    fn record_shape(&mut self, object: &Map<String, Value>, name: &Name, depth: usize) -> Result<Shape> {
        let full = name.full();
        let Some(Value::Array(declared)) = object.get("fields") else {
            return wrong(&full, "a record needs \"fields\", an array");
        };
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(declared.len());
        for field in declared {
            let Value::Object(field) = field else { return wrong(&full, "a field is an object") };
            let Some(field_name) = field.get("name").and_then(Value::as_str) else {
                return wrong(&full, "a field needs a \"name\"");
            };
            let place = format!("{full}.{field_name}");
            check_simple(field_name, &place)?;
            if !seen.insert(field_name.to_owned()) {
                return wrong(&full, &format!("field {field_name:?} is there twice"));
            }
            let Some(kind) = field.get("type") else { return wrong(&place, "a field needs a \"type\"") };
            let node = self.node(kind, &name.namespace, &place, depth + 1)?;
            fields.push(Field {
                name: field_name.to_owned(),
                default: self.default(&node, field, &place)?,
                doc: field.get("doc").and_then(Value::as_str).map(str::to_owned),
                order: order(field, &place)?,
                aliases: once(texts(field, "aliases", &place)?),
                properties: rest(field, &RESERVED_OF_FIELDS),
                node,
            });
        }
        Ok(Shape::Record(fields))
    }

    /// A field's default, which must be a value of its type; a record that is not whole yet has none.
    fn default(&self, node: &Node, field: &Map<String, Value>, place: &str) -> Result<Option<Value>> {
        let Some(given) = field.get("default") else { return Ok(None) };
        let default = match (&node.kind, given) {
            (Kind::Primitive(Primitive::Float | Primitive::Double), Value::String(text)) => {
                number_of(text).unwrap_or_else(|| given.clone())
            }
            _ => given.clone(),
        };
        let is_number = matches!(&node.kind, Kind::Primitive(Primitive::Float | Primitive::Double))
            && default.as_str().is_some_and(|text| NO_FINITE_NUMBERS.contains(&text));
        if is_number || self.fits(node, &default, 0) {
            return Ok(Some(default));
        }
        if self.left.get() == 0 {
            return wrong(
                place,
                &format!("its default, with those before, has more than {MAX_DEFAULT_CHECKS} values"),
            );
        }
        wrong(place, &format!("the default {given} is no value of its type"))
    }

    fn spend(&self, checks: usize) -> bool {
        self.left.set(self.left.get().saturating_sub(checks));
        self.left.get() > 0
    }

    /// Whether a JSON value is a default of this type: of a union, of its first member.
    fn fits(&self, node: &Node, value: &Value, depth: usize) -> bool {
        if depth > MAX_DEPTH || !self.spend(1) {
            return false;
        }
        match &node.kind {
            Kind::Primitive(primitive) => match primitive {
                Primitive::Null => value.is_null(),
                Primitive::Boolean => value.is_boolean(),
                Primitive::Int => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
                Primitive::Long => value.as_i64().is_some(),
                Primitive::Float | Primitive::Double => value.is_number(),
                Primitive::Bytes | Primitive::String => value.is_string(),
            },
            Kind::Array(items) => {
                value.as_array().is_some_and(|values| values.iter().all(|v| self.fits(items, v, depth + 1)))
            }
            Kind::Map(values) => value
                .as_object()
                .is_some_and(|object| object.values().all(|v| self.fits(values, v, depth + 1))),
            Kind::Union(members) => members.first().is_some_and(|member| self.fits(member, value, depth + 1)),
            Kind::Named(number) => match self.named.get(*number).map(|named| &named.shape) {
                Some(Shape::Enum { .. } | Shape::Fixed(_)) => value.is_string(),
                Some(Shape::Record(fields)) => value.as_object().is_some_and(|object| {
                    self.spend(fields.len())
                        && fields.iter().all(|field| match object.get(&field.name) {
                            Some(given) => self.fits(&field.node, given, depth + 1),
                            // its own default was looked at when the field was read
                            None => field.default.is_some(),
                        })
                }),
                Some(Shape::Pending) | None => false,
            },
        }
    }
}

/// How Java writes the numbers that JSON has none of.
const NO_FINITE_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The number that a text in the default of a float or double stands for, as Java reads it, but for hexadecimal ones.
fn number_of(text: &str) -> Option<Value> {
    let text = text.trim_matches(|c| c <= ' ');
    let (sign, size) =
        text.strip_prefix('-').map_or(("", text.strip_prefix('+').unwrap_or(text)), |s| ("-", s));
    if size == "NaN" || size == "Infinity" {
        return Some(Value::from(if size == "NaN" { size.to_owned() } else { format!("{sign}{size}") }));
    }
    let digits = size.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(size);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let number: f64 = format!("{sign}{digits}").parse().ok()?;
    Some(if number.is_finite() { Value::from(number) } else { Value::from(format!("{sign}Infinity")) })
}

fn order(field: &Map<String, Value>, place: &str) -> Result<Option<String>> {
    let Some(given) = field.get("order") else { return Ok(None) };
    let order = given.as_str().map(str::to_ascii_lowercase);
    match order.filter(|order| ORDERS.contains(&order.as_str())) {
        Some(order) => Ok(Some(order).filter(|order| order != "ascending")),
        None => wrong(place, &format!("order {given} is none of {}", ORDERS.join(", "))),
    }
}

fn declared_name(object: &Map<String, Value>, space: &str, place: &str) -> Result<Name> {
    let Some(text) = object.get("name").and_then(Value::as_str) else {
        return wrong(place, "a record, enum or fixed needs a \"name\"");
    };
    let space = object.get("namespace").and_then(Value::as_str).unwrap_or(space);
    let name = Name::in_space(text, space);
    // a namespace may be anything, as in Java
    check_simple(&name.simple, place)?;
    Ok(name)
}

fn check_simple(name: &str, place: &str) -> Result<()> {
    let mut letters = name.chars();
    // Java looks at 16 bits at a time
    let first = letters.next().is_some_and(|c| c.len_utf16() == 1 && (c.is_alphabetic() || c == '_'));
    if first && letters.all(|c| c.len_utf16() == 1 && (c.is_alphanumeric() || c == '_')) {
        return Ok(());
    }
    wrong(place, &format!("{name:?} is no name: letters, digits and '_' only, and no digit in front"))
}

fn enum_shape(object: &Map<String, Value>, full: &str) -> Result<Shape> {
    if !matches!(object.get("symbols"), Some(Value::Array(_))) {
        return wrong(full, "an enum needs \"symbols\", an array");
    }
    let symbols = texts(object, "symbols", full)?;
    let mut seen = HashSet::new();
    for symbol in &symbols {
        check_simple(symbol, full)?;
        if !seen.insert(symbol) {
            return wrong(full, &format!("symbol {symbol:?} is there twice"));
        }
    }
    let default = object.get("default").and_then(Value::as_str).map(str::to_owned);
    if default.as_ref().is_some_and(|default| !symbols.contains(default)) {
        return wrong(full, "the default is none of the symbols");
    }
    Ok(Shape::Enum { symbols, default })
}

fn texts(object: &Map<String, Value>, key: &str, place: &str) -> Result<Vec<String>> {
    let items = match object.get(key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return wrong(place, &format!("{key:?} is an array of texts")),
    };
    let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    texts.ok_or_else(|| Error::new(format!("{place}: {key:?} is an array of texts")))
}

/// Each where it stands first.
fn once<T: Clone + Eq + Hash>(mut items: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
    items
}

/// What stands in an object beside its known members.
fn rest(object: &Map<String, Value>, known: &[&str]) -> Map<String, Value> {
    let others = object.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}
