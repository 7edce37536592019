//! The parser of Avro schemas. It checks exactly what Avro Java 1.11 checks: a schema that only one of the
//! two rejects would be unusable for half of its readers. Each error names its location.
//!
//! Apart from that, the text is JSON as `serde_json` reads it: no comments, no unpaired surrogates, no number
//! out of range.

use super::defaults::{DefaultChecker, DefaultRules, MAX_DEFAULT_CHECKS};
use super::schema::{Definition, Field, Kind, Name, NamedType, Node, Primitive, Schema, kind_name};
use crate::text::truncated_json;
use crate::{Budget, Error, Result, bounded_json};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// The maximum nesting depth of records, arrays and maps. A union around each of them does not count.
pub(super) const MAX_DEPTH: usize = 100;
/// The maximum nesting depth of the JSON document: a record in a union takes four levels.
const MAX_JSON_DEPTH: usize = 4 * MAX_DEPTH + 40;
/// The maximum full name of a type, in bytes: it is repeated for each type of its namespace.
pub const MAX_NAME_BYTES: usize = 512;
/// The maximum size of a fixed, in bytes: the maximum length of a Java array.
const MAX_FIXED_BYTES: u64 = 2_147_483_639;
/// Attributes that are not custom properties of a type, whatever its kind.
const RESERVED_ATTRIBUTES: [&str; 10] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
const RESERVED_FIELD_ATTRIBUTES: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];
const ORDERS: [&str; 3] = ["ascending", "descending", "ignore"];

/// Parses a schema from its JSON text (one document), within the budget of one request.
///
/// # Errors
/// The text is not a valid schema, or is over a limit. The error names the location.
pub fn parse(text: &str) -> Result<Schema> {
    parse_with_budget(text, &Budget::default())
}

/// Parses a schema like [`parse`], within a shared budget.
///
/// # Errors
/// As [`parse`], and when the budget is exhausted.
pub fn parse_with_budget(text: &str, budget: &Budget) -> Result<Schema> {
    let value = bounded_json::parse_nested(text, MAX_JSON_DEPTH)?;
    let remaining_checks = Cell::new(MAX_DEFAULT_CHECKS);
    let mut parser = Parser { named: Vec::new(), indexes: HashMap::new(), remaining_checks, budget };
    let root = parser.node(value, &Arc::from(""), &Location::Root, 0)?;
    Ok(Schema { root, named: parser.named })
}

/// A location in the schema, formatted only for an error.
enum Location<'a> {
    Root,
    Named(&'a Name),
    Field(&'a Name, &'a str),
    Member(&'a Location<'a>, usize),
    Items(&'a Location<'a>),
    Values(&'a Location<'a>),
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("schema"),
            Self::Named(name) => f.write_str(&name.full()),
            Self::Field(name, field) => write!(f, "{}.{field:.100}", name.full()),
            Self::Member(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Items(parent) => write!(f, "{parent}.items"),
            Self::Values(parent) => write!(f, "{parent}.values"),
        }
    }
}

struct Parser<'b> {
    named: Vec<NamedType>,
    indexes: HashMap<Name, usize>,
    /// The number of default values that may still be checked.
    remaining_checks: Cell<usize>,
    budget: &'b Budget,
}

fn invalid<T>(location: &Location<'_>, message: &str) -> Result<T> {
    Err(Error::new(format!("{location}: {message}")))
}

/// Parts are moved out of the document as they are parsed, so that they are not in memory twice.
type Object = Map<String, Value>;

impl Parser<'_> {
    fn node(
        &mut self,
        value: Value,
        namespace: &Arc<str>,
        location: &Location<'_>,
        depth: usize,
    ) -> Result<Node> {
        if depth > MAX_DEPTH {
            return invalid(location, "types nest too deeply");
        }
        if !self.budget.spend(1) {
            return Err(Budget::exhausted_at(&location.to_string()));
        }
        let without_properties = |kind| Node { kind, properties: Map::new() };
        match value {
            Value::String(name) => self.reference(&name, namespace, location).map(without_properties),
            Value::Array(members) => self.union(members, namespace, location, depth).map(without_properties),
            Value::Object(object) => self.object(object, namespace, location, depth),
            _ => invalid(location, "a type is a name, an object or an array"),
        }
    }

    fn reference(&self, name: &str, namespace: &Arc<str>, location: &Location<'_>) -> Result<Kind> {
        if let Some(primitive) = Primitive::from_name(name) {
            return Ok(Kind::Primitive(primitive));
        }
        match self.lookup(name, namespace).or_else(|| self.lookup(name, &Arc::from(""))) {
            Some(index) => Ok(Kind::Named(index)),
            None => invalid(location, &format!("type {name:.100?} is not defined before it is used")),
        }
    }

    /// Looks up a type by its full name, or by a name in this namespace.
    fn lookup(&self, name: &str, namespace: &Arc<str>) -> Option<usize> {
        self.indexes.get(&Name::resolve(name, namespace)).copied()
    }

    fn union(
        &mut self,
        members: Vec<Value>,
        namespace: &Arc<str>,
        location: &Location<'_>,
        depth: usize,
    ) -> Result<Kind> {
        let mut seen = HashSet::new();
        let mut nodes = Vec::with_capacity(members.len());
        for (index, member) in members.into_iter().enumerate() {
            let node = self.node(member, namespace, &Location::Member(location, index), depth)?;
            let name = match &node.kind {
                Kind::Union(_) => return invalid(location, "a union may not hold a union directly"),
                Kind::Named(named) => self.named.get(*named).map(|named| named.name.clone()),
                // a named type may have the same name as a kind
                kind => Some(Name { namespace: Arc::from(""), simple: kind_name(kind).to_owned() }),
            };
            let name = name.ok_or_else(|| Error::new(format!("{location}: a member is not defined")))?;
            if let Some(name) = seen.replace(name) {
                return invalid(location, &format!("a union holds {} twice", name.full()));
            }
            nodes.push(node);
        }
        Ok(Kind::Union(nodes))
    }

    fn object(
        &mut self,
        mut object: Object,
        namespace: &Arc<str>,
        location: &Location<'_>,
        depth: usize,
    ) -> Result<Node> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Object(_) | Value::Array(_)) => {
                return invalid(
                    location,
                    "a type object's \"type\" is a name: put its content in the object's place",
                );
            }
            _ => return invalid(location, "a type object needs a \"type\", a name"),
        };
        match kind.as_str() {
            "record" | "error" | "enum" | "fixed" => {
                self.named_type(&kind, object, namespace, location, depth)
            }
            "array" => {
                let Some(items) = take_member(&mut object, "items") else {
                    return invalid(location, "an array needs \"items\"");
                };
                let items = self.node(items, namespace, &Location::Items(location), depth + 1)?;
                Ok(Node {
                    kind: Kind::Array(Box::new(items)),
                    properties: custom_properties(object, &RESERVED_ATTRIBUTES),
                })
            }
            "map" => {
                let Some(values) = take_member(&mut object, "values") else {
                    return invalid(location, "a map needs \"values\"");
                };
                let values = self.node(values, namespace, &Location::Values(location), depth + 1)?;
                Ok(Node {
                    kind: Kind::Map(Box::new(values)),
                    properties: custom_properties(object, &RESERVED_ATTRIBUTES),
                })
            }
            name => match Primitive::from_name(name) {
                Some(primitive) => Ok(Node {
                    kind: Kind::Primitive(primitive),
                    properties: custom_properties(object, &RESERVED_ATTRIBUTES),
                }),
                // unlike a bare name, a name here is not looked up outside of this namespace
                None => match self.lookup(name, namespace) {
                    Some(index) => Ok(Node { kind: Kind::Named(index), properties: Map::new() }),
                    None => invalid(location, &format!("type {name:.100?} is not defined before it is used")),
                },
            },
        }
    }

    fn named_type(
        &mut self,
        kind: &str,
        mut object: Object,
        namespace: &Arc<str>,
        location: &Location<'_>,
        depth: usize,
    ) -> Result<Node> {
        let name = declared_name(&object, namespace, location)?;
        if self.indexes.contains_key(&name)
            || (name.namespace.is_empty() && Primitive::from_name(&name.simple).is_some())
        {
            return invalid(location, &format!("type {:?} is defined twice", name.full()));
        }
        let index = self.named.len();
        self.indexes.insert(name.clone(), index);
        let mut aliases = Vec::new();
        for alias in take_strings(&mut object, "aliases", location)? {
            let alias = Name::resolve(&alias, &name.namespace);
            check_name(&alias.simple, location)?;
            aliases.push(alias);
        }
        let doc = take_string(&mut object, "doc");
        self.named.push(NamedType {
            name: name.clone(),
            is_error: kind == "error",
            aliases: deduplicated(aliases),
            doc,
            properties: Map::new(),
            definition: Definition::Pending,
        });
        let own_location = Location::Named(&name);
        let definition = match kind {
            "enum" => enum_definition(&mut object, &own_location)?,
            "fixed" => {
                match object.get("size").and_then(Value::as_u64).filter(|size| *size <= MAX_FIXED_BYTES) {
                    Some(size) => Definition::Fixed(size),
                    None => {
                        let message =
                            format!("a fixed needs a \"size\", a whole number up to {MAX_FIXED_BYTES}");
                        return invalid(&own_location, &message);
                    }
                }
            }
            _ => self.record_definition(&mut object, &name, depth)?,
        };
        let mut properties = custom_properties(object, &RESERVED_ATTRIBUTES);
        if kind == "enum" {
            properties.shift_remove("default");
        }
        if let Some(named) = self.named.get_mut(index) {
            (named.definition, named.properties) = (definition, properties);
        }
        Ok(Node { kind: Kind::Named(index), properties: Map::new() })
    }

    fn record_definition(&mut self, object: &mut Object, name: &Name, depth: usize) -> Result<Definition> {
        let own_location = Location::Named(name);
        let Some(Value::Array(declared)) = take_member(object, "fields") else {
            return invalid(&own_location, "a record needs \"fields\", an array");
        };
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(declared.len());
        for field in declared {
            let Value::Object(mut field) = field else {
                return invalid(&own_location, "a field is an object");
            };
            let Some(field_name) = take_string(&mut field, "name") else {
                return invalid(&own_location, "a field needs a \"name\"");
            };
            let location = Location::Field(name, &field_name);
            check_name(&field_name, &location)?;
            if !seen.insert(field_name.clone()) {
                return invalid(&own_location, &format!("field {field_name:.100?} is declared twice"));
            }
            let Some(kind) = take_member(&mut field, "type") else {
                return invalid(&location, "a field needs a \"type\"");
            };
            let node = self.node(kind, &name.namespace, &location, depth + 1)?;
            let default = self.default(&node, &mut field, &location)?;
            let (doc, order) = (take_string(&mut field, "doc"), parse_order(&field, &location)?);
            let aliases = deduplicated(take_strings(&mut field, "aliases", &location)?);
            let properties = custom_properties(field, &RESERVED_FIELD_ATTRIBUTES);
            fields.push(Field { name: field_name, node, default, doc, order, aliases, properties });
        }
        Ok(Definition::Record(fields))
    }

    /// Parses a field's default, which must be a value of its type; a record that is still being parsed has
    /// no valid default.
    fn default(&self, node: &Node, field: &mut Object, location: &Location<'_>) -> Result<Option<Value>> {
        let Some(value) = take_member(field, "default") else { return Ok(None) };
        let number = match (&node.kind, &value) {
            (Kind::Primitive(Primitive::Float | Primitive::Double), Value::String(text)) => {
                parse_number(text)
            }
            _ => None,
        };
        let default = number.unwrap_or(value);
        let (named, remaining) = (&self.named, &self.remaining_checks);
        let checker = DefaultChecker { named, rules: DefaultRules::Lenient, remaining, max_depth: MAX_DEPTH };
        let before = remaining.get();
        let is_default = checker.is_default(node, &default);
        if !self.budget.spend(before.saturating_sub(remaining.get())) {
            return Err(Budget::exhausted_at(&location.to_string()));
        }
        if is_default {
            return Ok(Some(default));
        }
        if remaining.get() == 0 {
            return invalid(
                location,
                &format!("its default, with those before, has more than {MAX_DEFAULT_CHECKS} values"),
            );
        }
        let default = truncated_json(&default);
        invalid(location, &format!("the default {default} is not a value of its type"))
    }
}

/// Moves a member's value out of an object; a null stays in its place.
fn take_member(object: &mut Object, name: &str) -> Option<Value> {
    object.get_mut(name).map(Value::take)
}

/// Moves a member's value out of an object if it is a string.
fn take_string(object: &mut Object, name: &str) -> Option<String> {
    match take_member(object, name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Parses a string default of a float or double as Java does, except for hexadecimal numbers.
fn parse_number(text: &str) -> Option<Value> {
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

fn parse_order(field: &Object, location: &Location<'_>) -> Result<Option<String>> {
    let Some(value) = field.get("order") else { return Ok(None) };
    let order = value.as_str().map(str::to_ascii_lowercase);
    match order.filter(|order| ORDERS.contains(&order.as_str())) {
        Some(order) => Ok(Some(order).filter(|order| order != "ascending")),
        None => {
            let value = truncated_json(value);
            invalid(location, &format!("order {value} is not one of {}", ORDERS.join(", ")))
        }
    }
}

fn declared_name(object: &Object, namespace: &Arc<str>, location: &Location<'_>) -> Result<Name> {
    let Some(text) = object.get("name").and_then(Value::as_str) else {
        return invalid(location, "a record, enum or fixed needs a \"name\"");
    };
    let name = match object.get("namespace").and_then(Value::as_str) {
        Some(declared) if declared != &**namespace => Name::resolve(text, &Arc::from(declared)),
        _ => Name::resolve(text, namespace),
    };
    // a namespace is not validated, as in Java
    check_name(&name.simple, location)?;
    if name.namespace.len() + name.simple.len() >= MAX_NAME_BYTES {
        let start: String = name.full().chars().take(60).collect();
        return invalid(location, &format!("the name {start:?}… is longer than {MAX_NAME_BYTES} bytes"));
    }
    Ok(name)
}

fn check_name(name: &str, location: &Location<'_>) -> Result<()> {
    let mut characters = name.chars();
    // Java checks UTF-16 units
    let is_first_valid =
        characters.next().is_some_and(|c| c.len_utf16() == 1 && (c.is_alphabetic() || c == '_'));
    if is_first_valid && characters.all(|c| c.len_utf16() == 1 && (c.is_alphanumeric() || c == '_')) {
        return Ok(());
    }
    invalid(
        location,
        &format!("{name:.100?} is not a valid name: letters, digits and '_' only, and no digit in front"),
    )
}

fn enum_definition(object: &mut Object, location: &Location<'_>) -> Result<Definition> {
    if !matches!(object.get("symbols"), Some(Value::Array(_))) {
        return invalid(location, "an enum needs \"symbols\", an array");
    }
    let symbols = take_strings(object, "symbols", location)?;
    let mut seen = HashSet::new();
    for symbol in &symbols {
        check_name(symbol, location)?;
        if !seen.insert(symbol) {
            return invalid(location, &format!("symbol {symbol:.100?} is declared twice"));
        }
    }
    let default = object.get("default").and_then(Value::as_str).map(str::to_owned);
    if default.as_ref().is_some_and(|default| !symbols.contains(default)) {
        return invalid(location, "the default is not one of the symbols");
    }
    Ok(Definition::Enum { symbols, default })
}

fn take_strings(object: &mut Object, key: &str, location: &Location<'_>) -> Result<Vec<String>> {
    let items = match take_member(object, key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return invalid(location, &format!("{key:?} is an array of strings")),
    };
    let string = |item| if let Value::String(string) = item { Some(string) } else { None };
    let strings: Option<Vec<String>> = items.into_iter().map(string).collect();
    strings.ok_or_else(|| Error::new(format!("{location}: {key:?} is an array of strings")))
}

/// Removes duplicates, keeping the first of each.
fn deduplicated<T: Clone + Eq + Hash>(mut items: Vec<T>) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
    items
}

/// Returns the members of an object that are not in the list: its custom properties.
fn custom_properties(mut object: Object, reserved: &[&str]) -> Object {
    object.retain(|key, _| !reserved.contains(&key.as_str()));
    if object.is_empty() { Object::new() } else { object }
}
