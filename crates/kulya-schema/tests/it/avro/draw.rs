//! Schemas by chance: every kind, nested, recursive, with aliases, defaults and namespaces; names are few, so that they meet.

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
const SPACES: [&str; 4] = ["n", "n.m", "m", ""];
pub(super) const FIELDS: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(super) const SYMBOLS: [&str; 5] = ["X", "Y", "Z", "W", "_1"];
const MOST_DEPTH: usize = 4;

/// A named type that may be referred to.
#[derive(Clone)]
struct Known {
    space: String,
    simple: String,
    /// A default, if it is whole.
    default: Option<Value>,
    /// So many types that may be empty stood around it while it was not whole yet.
    open: Option<usize>,
}

/// What is drawn into one schema.
pub(super) struct Draw<'d> {
    rng: &'d mut SeededRng,
    known: Vec<Known>,
    /// How many unions, arrays and maps stand around.
    ways_out: usize,
}

/// A schema, and a default of it where one comes easily.
struct Drawn {
    schema: Value,
    default: Option<Value>,
}

pub(super) fn schema(rng: &mut SeededRng) -> Value {
    let mut draw = Draw { rng, known: Vec::new(), ways_out: 0 };
    draw.any(0, "").schema
}

impl Draw<'_> {
    fn any(&mut self, depth: usize, space: &str) -> Drawn {
        let kind = self.rng.index(if depth >= MOST_DEPTH { 5 } else { 16 });
        match kind {
            0..=2 => self.primitive(),
            3 => self.logical(),
            4 => self.reference(space),
            5 => {
                let items = self.inner(depth, space);
                let default = match items.default {
                    Some(item) if self.rng.one_in(2) => json!([item]),
                    _ => json!([]),
                };
                self.dressed(json!({"type": "array", "items": items.schema}), Some(default))
            }
            6 => {
                let values = self.inner(depth, space);
                let default = match values.default {
                    Some(value) if self.rng.one_in(2) => json!({ "k": value }),
                    _ => json!({}),
                };
                self.dressed(json!({"type": "map", "values": values.schema}), Some(default))
            }
            7..=9 => self.union(depth, space),
            10 => self.enumeration(space),
            11 => self.fixed(space),
            _ => self.record(depth, space),
        }
    }

    /// Where nothing need stand: here a record may come round to itself.
    fn inner(&mut self, depth: usize, space: &str) -> Drawn {
        self.ways_out += 1;
        let drawn = self.any(depth + 1, space);
        self.ways_out -= 1;
        drawn
    }

    fn primitive(&mut self) -> Drawn {
        let name = self.rng.pick(&PRIMITIVES);
        let schema = if self.rng.one_in(6) { json!({ "type": name }) } else { json!(name) };
        let default = default_of(name, self.rng);
        if schema.is_object() && self.rng.one_in(2) {
            return self.dressed(schema, Some(default));
        }
        Drawn { schema, default: Some(default) }
    }

    fn logical(&mut self) -> Drawn {
        let (kind, name) = self.rng.pick(&LOGICAL);
        let mut schema = json!({"type": kind, "logicalType": name});
        if name == "decimal" {
            schema["precision"] = json!(4);
            schema["scale"] = json!(2);
        }
        Drawn { schema, default: Some(default_of(kind, self.rng)) }
    }

    /// Anything but a union again, and each kind once, most of the time.
    fn union(&mut self, depth: usize, space: &str) -> Drawn {
        let mut members: Vec<Value> = Vec::new();
        let mut default = None;
        for place in 0..self.rng.index(4) + usize::from(!self.rng.one_in(20)) {
            let member = if place == 0 && self.rng.one_in(3) {
                Drawn { schema: json!("null"), default: Some(Value::Null) }
            } else {
                self.inner(depth, space)
            };
            let kind = |schema: &Value| {
                let kind = schema.as_str().or(schema["type"].as_str()).unwrap_or("union").to_owned();
                if schema.get("name").is_some() { String::new() } else { kind }
            };
            let is_known = members.iter().any(|other| {
                let other = kind(other);
                !other.is_empty() && other == kind(&member.schema)
            });
            if (member.schema.is_array() || is_known) && !self.rng.one_in(40) {
                continue;
            }
            if members.is_empty() {
                default = member.default;
            }
            members.push(member.schema);
        }
        Drawn { schema: Value::Array(members), default }
    }

    fn reference(&mut self, space: &str) -> Drawn {
        let ways_out = self.ways_out;
        let mut known: Vec<_> = self.known.iter().collect();
        known.retain(|known| known.open.is_none_or(|before| before < ways_out));
        if known.is_empty() {
            return self.primitive();
        }
        let Known { space: its, simple, default, .. } = known[self.rng.index(known.len())].clone();
        let full = if its.is_empty() { simple.clone() } else { format!("{its}.{simple}") };
        let name = if its == space && self.rng.one_in(2) { simple } else { full };
        let schema = if self.rng.one_in(10) { json!({ "type": name }) } else { json!(name) };
        Drawn { schema, default }
    }

    /// The head of a named type: its name, written in one of the ways there are, and what is often beside it.
    fn head(&mut self, kind: &str, space: &str) -> (Map<String, Value>, Known) {
        let mut simple = self.rng.pick(&TYPE_NAMES).to_owned();
        let own = if self.rng.one_in(3) { self.rng.pick(&SPACES) } else { space };
        let is_taken = |known: &[Known], simple: &str| {
            known.iter().any(|known| known.space == own && known.simple == simple)
        };
        if is_taken(&self.known, &simple) && !self.rng.one_in(30) {
            simple = (0..).map(|n| format!("T{n}")).find(|name| !is_taken(&self.known, name)).unwrap();
        }
        let mut head = Map::new();
        head.insert("type".to_owned(), json!(kind));
        if own == space {
            head.insert("name".to_owned(), json!(simple));
        } else if own.is_empty() || self.rng.one_in(2) {
            head.insert("name".to_owned(), json!(simple));
            head.insert("namespace".to_owned(), json!(own));
        } else {
            head.insert("name".to_owned(), json!(format!("{own}.{simple}")));
        }
        if self.rng.one_in(5) {
            let alias = self.rng.pick(&["A", "B", "C", "n.A", "n.B", "m.C", "Ünï", "T0", "map"]);
            head.insert("aliases".to_owned(), json!([alias]));
        }
        if self.rng.one_in(10) {
            head.insert("doc".to_owned(), json!("what it is"));
        }
        (head, Known { space: own.to_owned(), simple, default: None, open: None })
    }

    fn enumeration(&mut self, space: &str) -> Drawn {
        let (mut schema, mut known) = self.head("enum", space);
        let symbols = self.some_of(&SYMBOLS);
        let default = symbols.first().map(|symbol| json!(symbol));
        if let (Some(default), true) = (&default, self.rng.one_in(3)) {
            schema.insert("default".to_owned(), default.clone());
        }
        schema.insert("symbols".to_owned(), json!(symbols));
        known.default.clone_from(&default);
        self.known.push(known);
        self.dressed(Value::Object(schema), default)
    }

    fn fixed(&mut self, space: &str) -> Drawn {
        let (mut schema, mut known) = self.head("fixed", space);
        schema.insert("size".to_owned(), json!(self.rng.index(3) + 1));
        known.default = Some(json!("\u{0}"));
        self.known.push(known.clone());
        self.dressed(Value::Object(schema), known.default)
    }

    fn record(&mut self, depth: usize, space: &str) -> Drawn {
        let kind = if self.rng.one_in(20) { "error" } else { "record" };
        let (mut schema, mut known) = self.head(kind, space);
        let at = self.known.len();
        self.known.push(Known { open: Some(self.ways_out), ..known.clone() });
        let mut fields = Vec::new();
        let mut default = Map::new();
        let mut is_easy = true;
        for name in self.some_of(&FIELDS) {
            let drawn = self.any(depth + 1, &known.space);
            let mut field = json!({"name": name, "type": drawn.schema});
            match drawn.default {
                Some(value) if self.rng.one_in(2) => field["default"] = value,
                Some(value) => _ = default.insert(name.to_owned(), value),
                None => is_easy = false,
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
        known.default = is_easy.then_some(Value::Object(default));
        self.known[at].clone_from(&known);
        self.dressed(Value::Object(schema), known.default)
    }

    /// With properties of a user's own, sometimes.
    fn dressed(&mut self, mut schema: Value, default: Option<Value>) -> Drawn {
        if self.rng.one_in(12) {
            schema["x"] = json!(["own", 1]);
            schema["b"] = json!(true);
        }
        if self.rng.one_in(40) {
            // words that mean something elsewhere
            let word = self.rng.pick(&["doc", "size", "aliases", "default", "items", "order", "namespace"]);
            if schema.get(word).is_none() && schema.get("name").is_none() {
                schema[word] = json!("n");
            }
        }
        Drawn { schema, default }
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
