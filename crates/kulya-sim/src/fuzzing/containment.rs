//! Containment of JSON schemas that are made from bytes, with another implementation's validator as oracle: a
//! witness must be valid under the one schema and not under the other, and what is contained must hold for
//! every instance that is tried.

use jsonschema::Validator;
use kulya_schema::json_schema::{self, Verdict};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const NAMES: [&str; 4] = ["a", "b", "c", "x-a"];
const TEXTS: [&str; 6] = ["", "a", "b", "ab", "x-b", "abc"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const PATTERNS: [&str; 10] = [
    "^x-",
    "^[a-z]$",
    "b",
    "^a?$",
    "^(?=a)",
    "^(?!x-)",
    "^(a|b)c*$",
    "[0-9]$",
    "^[^a]{2,3}$",
    r"^\x61\u0062+$",
];
const DRAFTS: [&str; 2] =
    ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"];

/// Choices, taken from bytes; all zero after their end.
struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % count.max(1)
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        let place = self.below(texts.len());
        texts.get(place).copied().unwrap_or_default()
    }

    fn number(&mut self) -> Value {
        match self.below(10) {
            8 => json!(0.5),
            9 => json!(1.5),
            number => json!(i64::try_from(number).unwrap_or(0) - 2),
        }
    }

    fn instance(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => Value::from(self.below(2) == 0),
            2 => self.number(),
            3 => Value::from(self.of(&TEXTS)),
            4 => (0..self.below(4)).map(|_| self.instance(depth - 1)).collect(),
            _ => {
                let members =
                    (0..self.below(4)).map(|_| (self.of(&NAMES).to_owned(), self.instance(depth - 1)));
                Value::Object(members.collect())
            }
        }
    }

    fn names(&mut self) -> Value {
        let names: BTreeSet<&str> = (0..self.below(3)).map(|_| self.of(&NAMES)).collect();
        json!(names)
    }

    fn schemas(&mut self, depth: usize) -> Value {
        (0..=self.below(3)).map(|_| self.schema(depth)).collect()
    }

    fn named_schemas(&mut self, names: &[&str], depth: usize) -> Value {
        let members = (0..=self.below(3)).map(|_| (self.of(names).to_owned(), self.schema(depth)));
        Value::Object(members.collect())
    }

    fn schema(&mut self, depth: usize) -> Value {
        if self.0.is_empty() || self.below(12) == 0 {
            return Value::from(self.below(4) != 0);
        }
        let mut keywords = Map::new();
        for _ in 0..=self.below(4) {
            let (keyword, value) = self.keyword(depth);
            keywords.insert(keyword.to_owned(), value);
        }
        Value::Object(keywords)
    }

    fn keyword(&mut self, depth: usize) -> (&'static str, Value) {
        let count = |choices: &mut Self| Value::from(choices.below(4));
        match self.below(if depth == 0 { 14 } else { 36 }) {
            0..=2 => ("type", Value::from(self.of(&TYPES))),
            3 => {
                let types: BTreeSet<&str> = (0..=self.below(3)).map(|_| self.of(&TYPES)).collect();
                ("type", json!(types))
            }
            4 => ("const", self.instance(2)),
            5 => ("enum", (0..=self.below(4)).map(|_| self.instance(2)).collect()),
            6 => (self.of(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), self.number()),
            7 => ("multipleOf", json!([1.0, 2.0, 0.5, 3.0][self.below(4)])),
            8 => (self.of(&["minLength", "maxLength"]), count(self)),
            9 => (self.of(&["minItems", "maxItems", "minProperties", "maxProperties"]), count(self)),
            10 => (self.of(&["minContains", "maxContains"]), count(self)),
            11 => ("pattern", Value::from(self.of(&PATTERNS))),
            12 => ("required", self.names()),
            13 => ("uniqueItems", Value::from(self.below(3) != 0)),
            14 => ("dependentRequired", json!({ self.of(&NAMES): self.names() })),
            15 | 16 => ("$ref", Value::from(self.of(&["#", "#/$defs/a", "#/$defs/b"]))),
            17..=20 => ("properties", self.named_schemas(&NAMES, depth - 1)),
            21 => ("patternProperties", self.named_schemas(&PATTERNS, depth - 1)),
            22 => ("dependentSchemas", self.named_schemas(&NAMES, depth - 1)),
            23 => ("additionalProperties", self.schema(depth - 1)),
            24 => ("unevaluatedProperties", self.schema(depth - 1)),
            25 => ("unevaluatedItems", self.schema(depth - 1)),
            26 => ("items", self.schema(depth - 1)),
            27 => ("contains", self.schema(depth - 1)),
            28 => ("propertyNames", self.schema(depth - 1)),
            29 => ("not", self.schema(depth - 1)),
            30 => (self.of(&["if", "then", "else"]), self.schema(depth - 1)),
            31 => ("prefixItems", self.schemas(depth - 1)),
            32 => ("allOf", self.schemas(depth - 1)),
            33 | 34 => ("anyOf", self.schemas(depth - 1)),
            _ => ("oneOf", self.schemas(depth - 1)),
        }
    }

    /// Puts another schema in the place of one, somewhere.
    fn change(&mut self, schema: &mut Value) {
        let mut place = schema;
        for _ in 0..8 {
            let is_schema = place.is_boolean() || place.is_object();
            let count = match &*place {
                Value::Object(members) => members.len(),
                Value::Array(items) => items.len(),
                _ => 0,
            };
            if count == 0 || (is_schema && self.below(4) == 0) {
                if is_schema {
                    *place = self.schema(1);
                }
                return;
            }
            let chosen = self.below(count);
            let next = match place {
                Value::Object(members) => members.values_mut().nth(chosen),
                Value::Array(items) => items.get_mut(chosen),
                _ => None,
            };
            let Some(next) = next else { return };
            place = next;
        }
    }
}

/// Compares two schemas that are made from the bytes, in both directions.
pub fn json_containment(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let draft = choices.of(&DRAFTS);
    let first = choices.schema(3);
    let definitions = json!({"a": choices.schema(2), "b": choices.schema(2)});
    let second = if choices.below(3) == 0 {
        choices.schema(3)
    } else {
        let mut changed = first.clone();
        choices.change(&mut changed);
        changed
    };
    let document = |schema: Value| {
        let mut members = match schema {
            Value::Object(members) => members,
            schema => Map::from_iter([("allOf".to_owned(), json!([schema]))]),
        };
        members.insert("$schema".to_owned(), Value::from(draft));
        members.insert("$defs".to_owned(), definitions.clone());
        Value::Object(members)
    };
    let (first, second) = (document(first), document(second));
    let instances: Vec<Value> = (0..8).map(|_| choices.instance(3)).collect();
    for (reader, writer) in [(&first, &second), (&second, &first)] {
        check_containment(reader, writer, &instances);
    }
}

/// Verifies the verdict on a pair of schemas with the validator of another implementation.
///
/// # Panics
/// The verdict is wrong.
fn check_containment(reader: &Value, writer: &Value, instances: &[Value]) {
    let (Some((reads, reader_schema)), Some((writes, writer_schema))) = (parsed(reader), parsed(writer))
    else {
        return;
    };
    match json_schema::can_read(&reader_schema, &writer_schema) {
        Verdict::Compatible => {
            let mut tried = instances.to_vec();
            tried.extend(value_of(&writer_schema));
            let single = tried.iter().flat_map(|value| [json!([value]), json!({"a": value})]);
            let tried: Vec<Value> = single.chain(tried.iter().cloned()).collect();
            let wrong = tried.iter().find(|value| writes.is_valid(value) && !reads.is_valid(value));
            assert!(wrong.is_none(), "contained, but {wrong:?}\nreader {reader}\nwriter {writer}");
        }
        Verdict::Incompatible(reasons) => {
            for witness in reasons.iter().filter_map(|reason| reason.witness.as_ref()) {
                let is_witness = writes.is_valid(witness) && !reads.is_valid(witness);
                assert!(is_witness, "{witness} is no witness\nreader {reader}\nwriter {writer}");
            }
        }
        Verdict::Unknown(reasons) => assert!(!reasons.is_empty()),
    }
}

fn parsed(document: &Value) -> Option<(Validator, json_schema::Schema)> {
    let schema = json_schema::parse(&document.to_string()).ok()?;
    let validator = jsonschema::options().should_validate_formats(false).build(document).ok()?;
    Some((validator, schema))
}

/// Returns a value that is valid under a schema: one that nothing accepts.
fn value_of(schema: &json_schema::Schema) -> Option<Value> {
    let nothing = json_schema::parse(r#"{"not": {}}"#).ok()?;
    match json_schema::can_read(&nothing, schema) {
        Verdict::Incompatible(reasons) => reasons.into_iter().find_map(|reason| reason.witness),
        _ => None,
    }
}
