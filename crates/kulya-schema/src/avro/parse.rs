//! From schema text to the tree. Every rule of the specification that Java checks is checked; whatever is wrong is
//! named with its place.

use super::{Field, Kind, Name, Named, Node, Primitive, Schema, Shape};
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// How deep types may nest: more is an attack, not a schema.
const MAX_DEPTH: usize = 100;

/// Reads a schema from its JSON text (one document).
pub fn parse(text: &str) -> Result<Schema> {
    let value: Value =
        serde_json::from_str(text).map_err(|e| Error::new(format!("not a JSON document: {e}")))?;
    let mut parser = Parser { named: Vec::new(), numbers: HashMap::new() };
    let root = parser.node(&value, "", "schema", 0)?;
    let schema = Schema { root, named: parser.named };
    check_defaults(&schema)?;
    Ok(schema)
}

struct Parser {
    named: Vec<Named>,
    numbers: HashMap<String, usize>,
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
        let known = |full: &str| self.numbers.get(full).map(|number| Kind::Named(*number));
        let in_space =
            if name.contains('.') || space.is_empty() { None } else { known(&format!("{space}.{name}")) };
        match in_space.or_else(|| known(name)) {
            Some(kind) => Ok(kind),
            None => wrong(place, &format!("type {name:?} is not defined before it is used")),
        }
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
            // {"type": {...}}: the inner type, as Java reads it
            Some(inner @ (Value::Object(_) | Value::Array(_))) => {
                return self.node(inner, space, place, depth + 1);
            }
            _ => return wrong(place, "a type object needs a \"type\""),
        };
        let part = |name: &str| object.get(name);
        match kind {
            "record" | "error" | "enum" | "fixed" => self.named_type(kind, object, space, place, depth),
            "array" => {
                let Some(items) = part("items") else { return wrong(place, "an array needs \"items\"") };
                let items = self.node(items, space, &format!("{place}.items"), depth + 1)?;
                Ok(Node { kind: Kind::Array(Box::new(items)), properties: rest(object, &["type", "items"]) })
            }
            "map" => {
                let Some(values) = part("values") else { return wrong(place, "a map needs \"values\"") };
                let values = self.node(values, space, &format!("{place}.values"), depth + 1)?;
                Ok(Node { kind: Kind::Map(Box::new(values)), properties: rest(object, &["type", "values"]) })
            }
            name => {
                Ok(Node { kind: self.reference(name, space, place)?, properties: rest(object, &["type"]) })
            }
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
            aliases.push(if alias.contains('.') || name.namespace.is_empty() {
                alias
            } else {
                format!("{}.{alias}", name.namespace)
            });
        }
        self.named.push(Named {
            name: name.clone(),
            aliases,
            doc: object.get("doc").and_then(Value::as_str).map(str::to_owned),
            properties: Map::new(),
            shape: Shape::Pending,
        });
        let base = ["type", "name", "namespace", "doc", "aliases"];
        let (shape, own): (Shape, &[&str]) = match kind {
            "enum" => (enum_shape(object, &full)?, &["symbols", "default"]),
            "fixed" => match object.get("size").and_then(Value::as_u64) {
                Some(size) => (Shape::Fixed(size), &["size"]),
                None => return wrong(&full, "a fixed needs a \"size\" that is a whole number"),
            },
            _ => (self.record_shape(object, &name, depth)?, &["fields"]),
        };
        let known: Vec<&str> = base.iter().chain(own).copied().collect();
        if let Some(named) = self.named.get_mut(number) {
            named.shape = shape;
            named.properties = rest(object, &known);
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
            let text = |key: &str| field.get(key).and_then(Value::as_str).map(str::to_owned);
            fields.push(Field {
                name: field_name.to_owned(),
                node: self.node(kind, &name.namespace, &place, depth + 1)?,
                default: field.get("default").cloned(),
                doc: text("doc"),
                order: text("order").filter(|order| order != "ascending"),
                aliases: texts(field, "aliases", &place)?,
                properties: rest(field, &["name", "type", "default", "doc", "order", "aliases"]),
            });
        }
        Ok(Shape::Record(fields))
    }
}

fn declared_name(object: &Map<String, Value>, space: &str, place: &str) -> Result<Name> {
    let Some(text) = object.get("name").and_then(Value::as_str) else {
        return wrong(place, "a record, enum or fixed needs a \"name\"");
    };
    let (namespace, simple) = match text.rsplit_once('.') {
        Some((namespace, simple)) => (namespace.to_owned(), simple),
        None => match object.get("namespace") {
            Some(Value::String(namespace)) => (namespace.clone(), text),
            _ => (space.to_owned(), text),
        },
    };
    check_simple(simple, place)?;
    for part in namespace.split('.').filter(|_| !namespace.is_empty()) {
        check_simple(part, place)?;
    }
    Ok(Name { namespace, simple: simple.to_owned() })
}

fn check_simple(name: &str, place: &str) -> Result<()> {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if first && letters.all(|c| c.is_alphanumeric() || c == '_') {
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
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return wrong(place, &format!("{key:?} is an array of texts")),
    };
    let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    texts.ok_or_else(|| Error::new(format!("{place}: {key:?} is an array of texts")))
}

/// What stands in an object beside its known members.
fn rest(object: &Map<String, Value>, known: &[&str]) -> Map<String, Value> {
    let others = object.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn check_defaults(schema: &Schema) -> Result<()> {
    for named in &schema.named {
        let Shape::Record(fields) = &named.shape else { continue };
        for field in fields {
            if field.default.as_ref().is_some_and(|value| !fits(schema, &field.node, value, 0)) {
                let place = format!("{}.{}", named.name.full(), field.name);
                return wrong(
                    &place,
                    &format!(
                        "the default {} is no value of its type",
                        field.default.clone().unwrap_or_default()
                    ),
                );
            }
        }
    }
    Ok(())
}

/// Whether a JSON value is a default of this type.
fn fits(schema: &Schema, node: &Node, value: &Value, depth: usize) -> bool {
    if depth > MAX_DEPTH {
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
            value.as_array().is_some_and(|values| values.iter().all(|v| fits(schema, items, v, depth + 1)))
        }
        Kind::Map(values) => value
            .as_object()
            .is_some_and(|object| object.values().all(|v| fits(schema, values, v, depth + 1))),
        Kind::Union(members) => members.iter().any(|member| fits(schema, member, value, depth + 1)),
        Kind::Named(number) => match schema.named.get(*number).map(|named| &named.shape) {
            Some(Shape::Enum { .. } | Shape::Fixed(_)) => value.is_string(),
            Some(Shape::Record(fields)) => value.as_object().is_some_and(|object| {
                fields.iter().all(|field| {
                    let given = object.get(&field.name).or(field.default.as_ref());
                    given.is_some_and(|v| fits(schema, &field.node, v, depth + 1))
                })
            }),
            Some(Shape::Pending) | None => false,
        },
    }
}
