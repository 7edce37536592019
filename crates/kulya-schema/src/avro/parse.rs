//! From schema text to the tree. What Java checks is checked, and nothing else (Avro 1.11): a schema that one of the two
//! refuses would be a schema for half of its readers. Whatever is wrong is named with its place.
//!
//! Beyond that, text is JSON as `serde_json` reads it: no comments, no half surrogates, no number out of range.

use super::{Field, Kind, Name, Named, Node, Primitive, Schema, Shape};
use crate::{Budget, Error, Result, document};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// How deep types may nest: more is an attack, not a schema.
const MAX_DEPTH: usize = 100;
/// Of how many values, and fields that are absent, the defaults of a schema may be made.
const MAX_DEFAULT_CHECKS: usize = 10_000_000;
/// The longest full name of a type, in bytes: it is repeated for each type of its namespace.
pub const MAX_NAME_BYTES: usize = 512;
/// The largest fixed, in bytes: what a Java array can hold.
const MAX_FIXED: u64 = 2_147_483_639;
/// No properties of a type, whatever its kind.
const RESERVED: [&str; 10] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
const RESERVED_OF_FIELDS: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];
const ORDERS: [&str; 3] = ["ascending", "descending", "ignore"];

/// Reads a schema from its JSON text (one document), within the budget of a request.
///
/// # Errors
/// The text is no schema, or over a limit; its text names the place.
pub fn parse(text: &str) -> Result<Schema> {
    parse_within(text, &Budget::default())
}

/// As [`parse`], within a budget that other work shares.
///
/// # Errors
/// As [`parse`], and when the budget ends.
pub fn parse_within(text: &str, budget: &Budget) -> Result<Schema> {
    let value = document::read(text)?;
    let left = Cell::new(MAX_DEFAULT_CHECKS);
    let mut parser = Parser { named: Vec::new(), numbers: HashMap::new(), left, budget };
    let root = parser.node(value, &Arc::from(""), &At::Root, 0)?;
    Ok(Schema { root, named: parser.named })
}

/// Where in the text, written out only for an error.
enum At<'a> {
    Root,
    Named(&'a Name),
    Field(&'a Name, &'a str),
    Member(&'a At<'a>, usize),
    Items(&'a At<'a>),
    Values(&'a At<'a>),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("schema"),
            Self::Named(name) => f.write_str(&name.full()),
            Self::Field(name, field) => write!(f, "{}.{field:.100}", name.full()),
            Self::Member(up, number) => write!(f, "{up}[{number}]"),
            Self::Items(up) => write!(f, "{up}.items"),
            Self::Values(up) => write!(f, "{up}.values"),
        }
    }
}

struct Parser<'b> {
    named: Vec<Named>,
    numbers: HashMap<Name, usize>,
    /// How many values within defaults may still be looked at.
    left: Cell<usize>,
    budget: &'b Budget,
}

fn wrong<T>(at: &At<'_>, what: &str) -> Result<T> {
    Err(Error::new(format!("{at}: {what}")))
}

/// Parts are taken out of the document as they are read, so that it need not stand twice in memory.
type Object = Map<String, Value>;

impl Parser<'_> {
    fn node(&mut self, value: Value, space: &Arc<str>, at: &At<'_>, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return wrong(at, "types nest too deeply");
        }
        if !self.budget.spend(1) {
            return Err(Budget::ended_at(&at.to_string()));
        }
        let plain = |kind| Node { kind, properties: Map::new() };
        match value {
            Value::String(name) => self.reference(&name, space, at).map(plain),
            Value::Array(members) => self.union(members, space, at, depth).map(plain),
            Value::Object(object) => self.object(object, space, at, depth),
            _ => wrong(at, "a type is a name, an object or an array"),
        }
    }

    fn reference(&self, name: &str, space: &Arc<str>, at: &At<'_>) -> Result<Kind> {
        if let Some(primitive) = Primitive::from_name(name) {
            return Ok(Kind::Primitive(primitive));
        }
        match self.known(name, space).or_else(|| self.known(name, &Arc::from(""))) {
            Some(number) => Ok(Kind::Named(number)),
            None => wrong(at, &format!("type {name:.100?} is not defined before it is used")),
        }
    }

    /// The type of a name that is full, or else one of this namespace.
    fn known(&self, name: &str, space: &Arc<str>) -> Option<usize> {
        self.numbers.get(&Name::in_space(name, space)).copied()
    }

    fn union(&mut self, members: Vec<Value>, space: &Arc<str>, at: &At<'_>, depth: usize) -> Result<Kind> {
        let mut seen = HashSet::new();
        let mut nodes = Vec::with_capacity(members.len());
        for (number, member) in members.into_iter().enumerate() {
            let node = self.node(member, space, &At::Member(at, number), depth + 1)?;
            let name = match &node.kind {
                Kind::Union(_) => return wrong(at, "a union may not hold a union directly"),
                Kind::Named(named) => self.named.get(*named).map(|named| named.name.clone()),
                // a type may be called as a kind is
                kind => Some(Name { namespace: Arc::from(""), simple: super::kind_name(kind).to_owned() }),
            };
            let name = name.ok_or_else(|| Error::new(format!("{at}: a member is not defined")))?;
            if let Some(name) = seen.replace(name) {
                return wrong(at, &format!("a union holds {} twice", name.full()));
            }
            nodes.push(node);
        }
        Ok(Kind::Union(nodes))
    }

    fn object(&mut self, mut object: Object, space: &Arc<str>, at: &At<'_>, depth: usize) -> Result<Node> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Object(_) | Value::Array(_)) => {
                return wrong(
                    at,
                    "a type object's \"type\" is a name: put what is in it in the object's place",
                );
            }
            _ => return wrong(at, "a type object needs a \"type\", a name"),
        };
        match kind.as_str() {
            "record" | "error" | "enum" | "fixed" => self.named_type(&kind, object, space, at, depth),
            "array" => {
                let Some(items) = part(&mut object, "items") else {
                    return wrong(at, "an array needs \"items\"");
                };
                let items = self.node(items, space, &At::Items(at), depth + 1)?;
                Ok(Node { kind: Kind::Array(Box::new(items)), properties: rest(object, &RESERVED) })
            }
            "map" => {
                let Some(values) = part(&mut object, "values") else {
                    return wrong(at, "a map needs \"values\"");
                };
                let values = self.node(values, space, &At::Values(at), depth + 1)?;
                Ok(Node { kind: Kind::Map(Box::new(values)), properties: rest(object, &RESERVED) })
            }
            name => match Primitive::from_name(name) {
                Some(primitive) => {
                    Ok(Node { kind: Kind::Primitive(primitive), properties: rest(object, &RESERVED) })
                }
                // here, unlike where a name stands alone, a name without a namespace is not looked up outside of this one
                None => match self.known(name, space) {
                    Some(number) => Ok(Node { kind: Kind::Named(number), properties: Map::new() }),
                    None => wrong(at, &format!("type {name:.100?} is not defined before it is used")),
                },
            },
        }
    }

    fn named_type(
        &mut self,
        kind: &str,
        mut object: Object,
        space: &Arc<str>,
        at: &At<'_>,
        depth: usize,
    ) -> Result<Node> {
        let name = declared_name(&object, space, at)?;
        if self.numbers.contains_key(&name)
            || (name.namespace.is_empty() && Primitive::from_name(&name.simple).is_some())
        {
            return wrong(at, &format!("type {:?} is defined twice", name.full()));
        }
        let number = self.named.len();
        self.numbers.insert(name.clone(), number);
        let mut aliases = Vec::new();
        for alias in texts(&mut object, "aliases", at)? {
            let alias = Name::in_space(&alias, &name.namespace);
            check_simple(&alias.simple, at)?;
            aliases.push(alias);
        }
        let doc = text(&mut object, "doc");
        self.named.push(Named {
            name: name.clone(),
            is_error: kind == "error",
            aliases: once(aliases),
            doc,
            properties: Map::new(),
            shape: Shape::Pending,
        });
        let own = At::Named(&name);
        let shape = match kind {
            "enum" => enum_shape(&mut object, &own)?,
            "fixed" => match object.get("size").and_then(Value::as_u64).filter(|size| *size <= MAX_FIXED) {
                Some(size) => Shape::Fixed(size),
                None => {
                    let what = format!("a fixed needs a \"size\", a whole number up to {MAX_FIXED}");
                    return wrong(&own, &what);
                }
            },
            _ => self.record_shape(&mut object, &name, depth)?,
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

    fn record_shape(&mut self, object: &mut Object, name: &Name, depth: usize) -> Result<Shape> {
        let own = At::Named(name);
        let Some(Value::Array(declared)) = part(object, "fields") else {
            return wrong(&own, "a record needs \"fields\", an array");
        };
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(declared.len());
        for field in declared {
            let Value::Object(mut field) = field else { return wrong(&own, "a field is an object") };
            let Some(field_name) = text(&mut field, "name") else {
                return wrong(&own, "a field needs a \"name\"");
            };
            let at = At::Field(name, &field_name);
            check_simple(&field_name, &at)?;
            if !seen.insert(field_name.clone()) {
                return wrong(&own, &format!("field {field_name:.100?} is there twice"));
            }
            let Some(kind) = part(&mut field, "type") else {
                return wrong(&at, "a field needs a \"type\"");
            };
            let node = self.node(kind, &name.namespace, &at, depth + 1)?;
            let default = self.default(&node, &mut field, &at)?;
            let (doc, order) = (text(&mut field, "doc"), order(&field, &at)?);
            let aliases = once(texts(&mut field, "aliases", &at)?);
            let properties = rest(field, &RESERVED_OF_FIELDS);
            fields.push(Field { name: field_name, node, default, doc, order, aliases, properties });
        }
        Ok(Shape::Record(fields))
    }

    /// A field's default, which must be a value of its type; a record that is not whole yet has none.
    fn default(&self, node: &Node, field: &mut Object, at: &At<'_>) -> Result<Option<Value>> {
        let Some(given) = part(field, "default") else { return Ok(None) };
        let number = match (&node.kind, &given) {
            (Kind::Primitive(Primitive::Float | Primitive::Double), Value::String(text)) => number_of(text),
            _ => None,
        };
        let default = number.unwrap_or(given);
        let is_number = matches!(&node.kind, Kind::Primitive(Primitive::Float | Primitive::Double))
            && default.as_str().is_some_and(|text| NO_FINITE_NUMBERS.contains(&text));
        if is_number || self.fits(node, &default, 0) {
            return Ok(Some(default));
        }
        if self.left.get() == 0 {
            return wrong(
                at,
                &format!("its default, with those before, has more than {MAX_DEFAULT_CHECKS} values"),
            );
        }
        if self.budget.is_spent() {
            return Err(Budget::ended_at(&at.to_string()));
        }
        wrong(at, &format!("the default {} is no value of its type", crate::json_schema::shortened(&default)))
    }

    fn spend(&self, checks: usize) -> bool {
        self.left.set(self.left.get().saturating_sub(checks));
        self.left.get() > 0 && self.budget.spend(checks)
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

/// Takes a member's value out of an object, in whose order it stays as a null.
fn part(object: &mut Object, name: &str) -> Option<Value> {
    object.get_mut(name).map(Value::take)
}

/// As [`part`], where it is a text.
fn text(object: &mut Object, name: &str) -> Option<String> {
    match part(object, name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
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

fn order(field: &Object, at: &At<'_>) -> Result<Option<String>> {
    let Some(given) = field.get("order") else { return Ok(None) };
    let order = given.as_str().map(str::to_ascii_lowercase);
    match order.filter(|order| ORDERS.contains(&order.as_str())) {
        Some(order) => Ok(Some(order).filter(|order| order != "ascending")),
        None => {
            let given = crate::json_schema::shortened(given);
            wrong(at, &format!("order {given} is none of {}", ORDERS.join(", ")))
        }
    }
}

fn declared_name(object: &Object, space: &Arc<str>, at: &At<'_>) -> Result<Name> {
    let Some(text) = object.get("name").and_then(Value::as_str) else {
        return wrong(at, "a record, enum or fixed needs a \"name\"");
    };
    let name = match object.get("namespace").and_then(Value::as_str) {
        Some(own) if own != &**space => Name::in_space(text, &Arc::from(own)),
        _ => Name::in_space(text, space),
    };
    // a namespace may be anything, as in Java
    check_simple(&name.simple, at)?;
    if name.namespace.len() + name.simple.len() >= MAX_NAME_BYTES {
        let start: String = name.full().chars().take(60).collect();
        return wrong(at, &format!("the name {start:?}… is longer than {MAX_NAME_BYTES} bytes"));
    }
    Ok(name)
}

fn check_simple(name: &str, at: &At<'_>) -> Result<()> {
    let mut letters = name.chars();
    // Java looks at 16 bits at a time
    let first = letters.next().is_some_and(|c| c.len_utf16() == 1 && (c.is_alphabetic() || c == '_'));
    if first && letters.all(|c| c.len_utf16() == 1 && (c.is_alphanumeric() || c == '_')) {
        return Ok(());
    }
    wrong(at, &format!("{name:.100?} is no name: letters, digits and '_' only, and no digit in front"))
}

fn enum_shape(object: &mut Object, at: &At<'_>) -> Result<Shape> {
    if !matches!(object.get("symbols"), Some(Value::Array(_))) {
        return wrong(at, "an enum needs \"symbols\", an array");
    }
    let symbols = texts(object, "symbols", at)?;
    let mut seen = HashSet::new();
    for symbol in &symbols {
        check_simple(symbol, at)?;
        if !seen.insert(symbol) {
            return wrong(at, &format!("symbol {symbol:.100?} is there twice"));
        }
    }
    let default = object.get("default").and_then(Value::as_str).map(str::to_owned);
    if default.as_ref().is_some_and(|default| !symbols.contains(default)) {
        return wrong(at, "the default is none of the symbols");
    }
    Ok(Shape::Enum { symbols, default })
}

fn texts(object: &mut Object, key: &str, at: &At<'_>) -> Result<Vec<String>> {
    let items = match part(object, key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return wrong(at, &format!("{key:?} is an array of texts")),
    };
    let text = |item| if let Value::String(text) = item { Some(text) } else { None };
    let texts: Option<Vec<String>> = items.into_iter().map(text).collect();
    texts.ok_or_else(|| Error::new(format!("{at}: {key:?} is an array of texts")))
}

/// Each where it stands first.
fn once<T: Clone + Eq + Hash>(mut items: Vec<T>) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
    items
}

/// What stands in an object beside its known members.
fn rest(mut object: Object, known: &[&str]) -> Object {
    object.retain(|key, _| !known.contains(&key.as_str()));
    if object.is_empty() { Object::new() } else { object }
}
