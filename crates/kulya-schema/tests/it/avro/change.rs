//! Small changes of a schema: plausible ones, and corrupting ones.

use super::generator::{self, FIELDS, PRIMITIVES, SYMBOLS, TYPE_NAMES, default_of};
use kulya_dice::Dice;
use serde_json::{Value, json};

/// Makes a few changes at random locations.
pub(super) fn mutate(schema: &Value, rng: &mut Dice) -> Value {
    let mut schema = schema.clone();
    for _ in 0..=rng.below(3) {
        let mut paths = Vec::new();
        pointers(&schema, String::new(), &mut paths);
        let path = paths.swap_remove(rng.below(paths.len()));
        let value = schema.pointer_mut(&path).unwrap();
        let is_type = !path.ends_with("/name") && !path.ends_with("/namespace") && !path.ends_with("/doc");
        change(value, is_type, rng);
    }
    schema
}

pub(super) fn pointers(value: &Value, parent: String, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, format!("{parent}/{index}"), paths);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1")), paths);
            }
        }
        _ => {}
    }
    paths.push(parent);
}

fn change(value: &mut Value, is_type: bool, rng: &mut Dice) {
    if value.get("fields").is_some_and(Value::is_array) {
        change_record(value, rng);
    } else if let Some(Value::Array(symbols)) = value.get_mut("symbols") {
        match rng.below(4) {
            0 => symbols.push(json!(rng.of(&SYMBOLS))),
            1 => _ = symbols.pop(),
            2 => symbols.reverse(),
            _ => rename_type(value, rng),
        }
    } else if value.get("size").is_some() {
        if rng.once_in(2) { value["size"] = json!(rng.below(3) + 1) } else { rename_type(value, rng) }
    } else if value.get("name").is_some() && value.get("type").is_some() {
        change_field(value, rng);
    } else if let Value::Array(members) = value {
        match rng.below(4) {
            0 => members.push(json!(rng.of(&PRIMITIVES))),
            1 if !members.is_empty() => _ = members.remove(rng.below(members.len())),
            2 => members.reverse(),
            _ if !members.is_empty() => members.rotate_left(1),
            _ => {}
        }
    } else if let (Value::String(name), true) = (&*value, is_type) {
        *value = widen(name, rng);
    } else if value.is_object() && is_type && rng.once_in(2) {
        *value = json!(["null", value]);
    }
}

fn widen(name: &str, rng: &mut Dice) -> Value {
    match rng.below(4) {
        0 => json!(rng.of(&PRIMITIVES)),
        1 => json!(["null", name]),
        2 => json!([name, "null"]),
        _ => json!(match name {
            "int" => "long",
            "long" => "double",
            "float" => "double",
            "double" => "float",
            "string" => "bytes",
            "bytes" => "string",
            other => other,
        }),
    }
}

fn rename_type(value: &mut Value, rng: &mut Dice) {
    let old = value["name"].clone();
    match rng.below(4) {
        0 => value["namespace"] = json!(rng.of(&["n", "m", ""])),
        1 => {
            value["name"] = json!(rng.of(&TYPE_NAMES));
            value["aliases"] = json!([old]);
        }
        2 => value["aliases"] = json!([rng.of(&TYPE_NAMES)]),
        _ => value["name"] = json!(rng.of(&TYPE_NAMES)),
    }
}

fn change_record(value: &mut Value, rng: &mut Dice) {
    let kind = rng.below(6);
    let Some(Value::Array(fields)) = value.get_mut("fields") else { return };
    match kind {
        0 => {
            let name = rng.of(&PRIMITIVES);
            let mut field = json!({"name": rng.of(&FIELDS), "type": name});
            if rng.once_in(2) {
                field["default"] = default_of(name, rng);
            }
            if !fields.iter().any(|other| other["name"] == field["name"]) || rng.once_in(20) {
                fields.insert(rng.below(fields.len() + 1), field);
            }
        }
        1 if !fields.is_empty() => _ = fields.remove(rng.below(fields.len())),
        2 => fields.reverse(),
        3 => {
            let schema = generator::schema(rng);
            fields.push(json!({"name": "f", "type": schema}));
        }
        _ => rename_type(value, rng),
    }
}

fn change_field(value: &mut Value, rng: &mut Dice) {
    let old = value["name"].clone();
    match rng.below(6) {
        0 => {
            value["name"] = json!(rng.of(&FIELDS));
            value["aliases"] = json!([old]);
        }
        1 => value["name"] = json!(rng.of(&FIELDS)),
        2 => _ = value.as_object_mut().unwrap().shift_remove("default"),
        3 => value["aliases"] = json!([rng.of(&FIELDS), rng.of(&FIELDS)]),
        4 => {
            let name = rng.of(&PRIMITIVES);
            value["type"] = json!(name);
            value["default"] = default_of(name, rng);
        }
        _ => value["type"] = json!(["null", value["type"].clone()]),
    }
}

/// Returns a text that is almost a schema and may be invalid.
pub(super) fn corrupt(schema: &Value, rng: &mut Dice) -> String {
    let mut schema = schema.clone();
    for _ in 0..=rng.below(2) {
        let mut paths = Vec::new();
        pointers(&schema, String::new(), &mut paths);
        let path = paths.swap_remove(rng.below(paths.len()));
        let junk = junk(rng);
        let value = schema.pointer_mut(&path).unwrap();
        match value {
            Value::Object(members) if rng.once_in(2) && !members.is_empty() => {
                let name = members.keys().nth(rng.below(members.len())).unwrap().clone();
                match rng.below(3) {
                    0 => _ = members.shift_remove(&name),
                    1 => _ = members.insert(name, junk),
                    _ => {
                        let attribute = rng.of(&[
                            "type",
                            "name",
                            "namespace",
                            "doc",
                            "aliases",
                            "default",
                            "order",
                            "size",
                            "symbols",
                            "fields",
                            "items",
                            "values",
                            "logicalType",
                        ]);
                        members.insert(attribute.to_owned(), junk);
                    }
                }
            }
            Value::Array(items) if rng.once_in(2) && !items.is_empty() => {
                let copy = items[rng.below(items.len())].clone();
                items.push(if rng.once_in(2) { copy } else { junk });
            }
            Value::String(name) if rng.once_in(2) => *value = json!(unusual_name(name, rng)),
            value if rng.once_in(3) => *value = json!({ "type": value }),
            value => *value = junk,
        }
    }
    let text = schema.to_string();
    match rng.below(24) {
        0 => text.replacen(':', ": /* why */", 1),
        1 => format!("{text} {}", rng.of(&["x", "\"int\"", "// end", "\n", "{"])),
        2 => text.chars().take(rng.below(text.chars().count() + 1)).collect(),
        3 => text.replacen("{\"type\":", "{\"type\":\"int\",\"type\":", 1),
        4 => text.replacen(':', ":\t\n ", 3),
        5 => format!("{}{text}{}", "[".repeat(rng.below(3)), "]".repeat(rng.below(3))),
        _ => text,
    }
}

fn unusual_name(name: &str, rng: &mut Dice) -> String {
    match rng.below(12) {
        0 => String::new(),
        1 => format!("{name}."),
        2 => format!(".{name}"),
        3 => format!("n.{name}"),
        4 => format!("{name}-"),
        5 => format!("1{name}"),
        6 => format!("{name}_2"),
        7 => format!("a-b.{name}"),
        8 => format!("n..{name}"),
        9 => format!(" {name}"),
        10 => name.to_uppercase(),
        _ => rng
            .of(&["é", "中", "\u{1d49c}", "a\u{301}", "int", "record", "a.int", "__", "x\u{664}"])
            .to_owned(),
    }
}

fn junk(rng: &mut Dice) -> Value {
    match rng.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(rng.of(&[0i64, -1, 1, 2_147_483_639, 2_147_483_640, 2_147_483_648, i64::MAX, i64::MIN])),
        3 => json!(rng.of(&[1.5, 1.0, 1e300, u64::MAX as f64])),
        4 => json!(u64::MAX),
        5 => json!([]),
        6 => json!({}),
        7 => json!(["A", "A"]),
        8 => json!(["A", "n.B", ".C", "C."]),
        9 => json!({"type": "int"}),
        10 => json!({"type": {"type": "int"}}),
        11 => json!({"type": ["null", "int"]}),
        12 => json!(["null", "int"]),
        13 => json!(rng.of(&["DESCENDING", "Ignore", "sideways", "NaN", "0x1p3", "1d", ""])),
        14 => json!({"type": "enum", "name": "E", "symbols": ["A"], "default": 1}),
        _ => json!(rng.of(&["int", "A", "string", "record", "error", "array"])),
    }
}
