//! A generator of random schemas: every kind, nested, also deeply, recursive, with aliases, defaults, logical
//! types, large unions and namespaces; there are few names, so that they collide.

use kulya_testkit::SeededRng;
use serde_json::{Map, Value, json};

pub(super) const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
const LOGICAL: [(&str, &str); 8] = [
    ("int", "date"),
    ("long", "timestamp-millis"),
    ("int", "time-millis"),
    ("string", "uuid"),
    ("bytes", "decimal"),
    ("long", "nonsense"),
    ("int", "timestamp-micros"),
    ("double", "decimal"),
];
pub(super) const TYPE_NAMES: [&str; 5] = ["A", "B", "C", "Ünï", "map"];
const NAMESPACES: [&str; 4] = ["n", "n.m", "m", ""];
pub(super) const FIELDS: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(super) const SYMBOLS: [&str; 5] = ["X", "Y", "Z", "W", "_1"];
const MAX_DEPTH: usize = 4;

/// A named type that may be referred to.
#[derive(Clone)]
struct KnownType {
    namespace: String,
    simple: String,
    /// A default, if the type is complete.
    default: Option<Value>,
    /// While the type is incomplete: the number of enclosing types that may be empty.
    optional_depth: Option<usize>,
}

/// The state of one generated schema.
pub(super) struct SchemaGenerator<'d> {
    rng: &'d mut SeededRng,
    known: Vec<KnownType>,
    /// The number of enclosing unions, arrays and maps, where a record may contain itself.
    optional_ancestors: usize,
}

/// A schema, with a default if one is easily generated.
struct GeneratedSchema {
    schema: Value,
    default: Option<Value>,
}

pub(super) fn schema(rng: &mut SeededRng) -> Value {
    let mut generator = SchemaGenerator { rng, known: Vec::new(), optional_ancestors: 0 };
    let schema = generator.schema_of_any_kind(0, "").schema;
    if generator.rng.one_in(40) { nested(schema, 10 + rng.index(34), rng) } else { schema }
}

/// Puts a schema into records within each other, some of them in unions, arrays and maps.
fn nested(schema: Value, depth: usize, rng: &mut SeededRng) -> Value {
    (0..depth).fold(schema, |inner, level| {
        let inner = match rng.index(6) {
            0 if !inner.is_array() => json!(["null", inner]),
            1 => json!({"type": "array", "items": inner}),
            2 => json!({"type": "map", "values": inner}),
            _ => inner,
        };
        // the names of inner types are resolved in no namespace, as before
        json!({"type": "record", "name": format!("Level{level}"), "fields": [{"name": "x", "type": inner}]})
    })
}

impl SchemaGenerator<'_> {
    fn schema_of_any_kind(&mut self, depth: usize, namespace: &str) -> GeneratedSchema {
        let kind = self.rng.index(if depth >= MAX_DEPTH { 5 } else { 16 });
        match kind {
            0..=2 => self.primitive(),
            3 => self.logical(),
            4 => self.reference(namespace),
            5 => {
                let items = self.optional(depth, namespace);
                let default = match items.default {
                    Some(item) if self.rng.one_in(2) => json!([item]),
                    _ => json!([]),
                };
                self.with_properties(json!({"type": "array", "items": items.schema}), Some(default))
            }
            6 => {
                let values = self.optional(depth, namespace);
                let default = match values.default {
                    Some(value) if self.rng.one_in(2) => json!({ "k": value }),
                    _ => json!({}),
                };
                self.with_properties(json!({"type": "map", "values": values.schema}), Some(default))
            }
            7..=9 => self.union(depth, namespace),
            10 => self.enumeration(namespace),
            11 => self.fixed(namespace),
            _ => self.record(depth, namespace),
        }
    }

    /// Generates a type that may be absent: here a record may contain itself.
    fn optional(&mut self, depth: usize, namespace: &str) -> GeneratedSchema {
        self.optional_ancestors += 1;
        let generated = self.schema_of_any_kind(depth + 1, namespace);
        self.optional_ancestors -= 1;
        generated
    }

    fn primitive(&mut self) -> GeneratedSchema {
        let name = self.rng.pick(&PRIMITIVES);
        let schema = if self.rng.one_in(6) { json!({ "type": name }) } else { json!(name) };
        let default = default_of(name, self.rng);
        if schema.is_object() && self.rng.one_in(2) {
            return self.with_properties(schema, Some(default));
        }
        GeneratedSchema { schema, default: Some(default) }
    }

    fn logical(&mut self) -> GeneratedSchema {
        let (kind, name) = self.rng.pick(&LOGICAL);
        let mut schema = json!({"type": kind, "logicalType": name});
        if name == "decimal" {
            schema["precision"] = json!(4);
            schema["scale"] = json!(2);
        }
        GeneratedSchema { schema, default: Some(default_of(kind, self.rng)) }
    }

    /// Generates a union, mostly of distinct kinds and never of unions.
    fn union(&mut self, depth: usize, namespace: &str) -> GeneratedSchema {
        let mut members: Vec<Value> = Vec::new();
        let mut default = None;
        let is_large = depth <= 1 && self.rng.one_in(12);
        let count = if is_large { 8 + self.rng.index(12) } else { self.rng.index(4) };
        for index in 0..count + usize::from(!self.rng.one_in(20)) {
            let member = if is_large {
                // most members of an envelope are records, and none is large
                self.optional_ancestors += 1;
                let member = match self.rng.index(8) {
                    0 => self.enumeration(namespace),
                    1 => self.fixed(namespace),
                    _ => self.record(MAX_DEPTH, namespace),
                };
                self.optional_ancestors -= 1;
                member
            } else if index == 0 && self.rng.one_in(3) {
                GeneratedSchema { schema: json!("null"), default: Some(Value::Null) }
            } else {
                self.optional(depth, namespace)
            };
            let kind = |schema: &Value| {
                let kind = schema.as_str().or(schema["type"].as_str()).unwrap_or("union").to_owned();
                if schema.get("name").is_some() { String::new() } else { kind }
            };
            let is_duplicate = members.iter().any(|other| {
                let other = kind(other);
                !other.is_empty() && other == kind(&member.schema)
            });
            if (member.schema.is_array() || is_duplicate) && !self.rng.one_in(40) {
                continue;
            }
            // by Avro 1.12 a default may be of any member
            if members.is_empty() || (member.default.is_some() && self.rng.one_in(30)) {
                default = member.default;
            }
            members.push(member.schema);
        }
        GeneratedSchema { schema: Value::Array(members), default }
    }

    fn reference(&mut self, namespace: &str) -> GeneratedSchema {
        let optional_ancestors = self.optional_ancestors;
        let mut known: Vec<_> = self.known.iter().collect();
        known.retain(|known| known.optional_depth.is_none_or(|before| before < optional_ancestors));
        if known.is_empty() {
            return self.primitive();
        }
        let KnownType { namespace: type_namespace, simple, default, .. } =
            known[self.rng.index(known.len())].clone();
        let full =
            if type_namespace.is_empty() { simple.clone() } else { format!("{type_namespace}.{simple}") };
        let name = if type_namespace == namespace && self.rng.one_in(2) { simple } else { full };
        let schema = if self.rng.one_in(10) { json!({ "type": name }) } else { json!(name) };
        GeneratedSchema { schema, default }
    }

    /// Generates the header of a named type: its name in one of the possible notations, and common
    /// attributes.
    fn header(&mut self, kind: &str, namespace: &str) -> (Map<String, Value>, KnownType) {
        let mut simple = self.rng.pick(&TYPE_NAMES).to_owned();
        let declared_namespace = if self.rng.one_in(3) { self.rng.pick(&NAMESPACES) } else { namespace };
        let is_used = |known: &[KnownType], simple: &str| {
            known.iter().any(|known| known.namespace == declared_namespace && known.simple == simple)
        };
        if is_used(&self.known, &simple) && !self.rng.one_in(30) {
            simple = (0..).map(|n| format!("T{n}")).find(|name| !is_used(&self.known, name)).unwrap();
        }
        let mut header = Map::new();
        header.insert("type".to_owned(), json!(kind));
        if declared_namespace == namespace {
            header.insert("name".to_owned(), json!(simple));
        } else if declared_namespace.is_empty() || self.rng.one_in(2) {
            header.insert("name".to_owned(), json!(simple));
            header.insert("namespace".to_owned(), json!(declared_namespace));
        } else {
            header.insert("name".to_owned(), json!(format!("{declared_namespace}.{simple}")));
        }
        if self.rng.one_in(5) {
            let alias = self.rng.pick(&["A", "B", "C", "n.A", "n.B", "m.C", "Ünï", "T0", "map"]);
            header.insert("aliases".to_owned(), json!([alias]));
        }
        if self.rng.one_in(10) {
            header.insert("doc".to_owned(), json!("what it is"));
        }
        (
            header,
            KnownType {
                namespace: declared_namespace.to_owned(),
                simple,
                default: None,
                optional_depth: None,
            },
        )
    }

    fn enumeration(&mut self, namespace: &str) -> GeneratedSchema {
        let (mut schema, mut known) = self.header("enum", namespace);
        let symbols = self.some_of(&SYMBOLS);
        let default = symbols.first().map(|symbol| json!(symbol));
        if let (Some(default), true) = (&default, self.rng.one_in(3)) {
            schema.insert("default".to_owned(), default.clone());
        }
        schema.insert("symbols".to_owned(), json!(symbols));
        known.default.clone_from(&default);
        self.known.push(known);
        self.with_properties(Value::Object(schema), default)
    }

    fn fixed(&mut self, namespace: &str) -> GeneratedSchema {
        let (mut schema, mut known) = self.header("fixed", namespace);
        schema.insert("size".to_owned(), json!(self.rng.index(3) + 1));
        if self.rng.one_in(4) {
            let scale = self.rng.index(3);
            schema.insert("logicalType".to_owned(), json!(self.rng.pick(&["decimal", "duration"])));
            schema.insert("precision".to_owned(), json!(1 + self.rng.index(4)));
            schema.insert("scale".to_owned(), json!(scale));
        }
        known.default = Some(json!("\u{0}"));
        self.known.push(known.clone());
        self.with_properties(Value::Object(schema), known.default)
    }

    fn record(&mut self, depth: usize, namespace: &str) -> GeneratedSchema {
        let kind = if self.rng.one_in(20) { "error" } else { "record" };
        let (mut schema, mut known) = self.header(kind, namespace);
        let index = self.known.len();
        self.known.push(KnownType { optional_depth: Some(self.optional_ancestors), ..known.clone() });
        let mut fields = Vec::new();
        let mut default = Map::new();
        let mut has_default = true;
        for name in self.some_of(&FIELDS) {
            let generated = self.schema_of_any_kind(depth + 1, &known.namespace);
            let mut field = json!({"name": name, "type": generated.schema});
            match generated.default {
                Some(value) if self.rng.one_in(2) => field["default"] = value,
                Some(value) => _ = default.insert(name.to_owned(), value),
                None => has_default = false,
            }
            if self.rng.one_in(6) {
                field["aliases"] = json!(self.some_of(&FIELDS));
            }
            if self.rng.one_in(12) {
                field["order"] = json!(self.rng.pick(&["ascending", "descending", "ignore", "IGNORE"]));
            }
            if self.rng.one_in(12) {
                field["doc"] = json!("what it is");
            }
            if self.rng.one_in(12) {
                field["x"] = json!({"y": [1, 2.5, null]});
            }
            fields.push(field);
        }
        schema.insert("fields".to_owned(), Value::Array(fields));
        known.default = has_default.then_some(Value::Object(default));
        self.known[index].clone_from(&known);
        self.with_properties(Value::Object(schema), known.default)
    }

    /// Adds custom properties, sometimes.
    fn with_properties(&mut self, mut schema: Value, default: Option<Value>) -> GeneratedSchema {
        if self.rng.one_in(12) {
            schema["x"] = json!(["own", 1]);
            schema["b"] = json!(true);
        }
        if self.rng.one_in(40) {
            // attributes that have a meaning elsewhere
            let attribute =
                self.rng.pick(&["doc", "size", "aliases", "default", "items", "order", "namespace"]);
            if schema.get(attribute).is_none() && schema.get("name").is_none() {
                schema[attribute] = json!("n");
            }
        }
        GeneratedSchema { schema, default }
    }

    fn some_of(&mut self, all: &[&'static str]) -> Vec<&'static str> {
        all.iter().filter(|_| self.rng.one_in(2)).copied().collect()
    }
}

pub(super) fn default_of(primitive: &str, rng: &mut SeededRng) -> Value {
    match primitive {
        "null" => Value::Null,
        "boolean" => json!(true),
        "int" => json!(rng.pick(&[0, 7, -2_147_483_648])),
        "long" => json!(rng.pick(&[1, -3, i64::MAX])),
        "float" | "double" => match rng.index(6) {
            0 => json!("1.5"),
            1 => json!(rng.pick(&["NaN", "-Infinity", "1e3", " 2f "])),
            2 => json!(3),
            _ => json!(rng.pick(&[0.5, 1e20, -1.0])),
        },
        _ => json!(rng.pick(&["", "a", "\u{ff}é\n"])),
    }
}
