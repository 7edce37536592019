//! Small changes of a schema: plausible ones, and corrupting ones.

use super::generator::{self, FIELDS, PRIMITIVES, SYMBOLS, TYPE_NAMES, default_of};
use kulya_testkit::SeededRng;
use serde_json::{Value, json};

/// Makes a few changes at random locations.
pub(super) fn mutate(schema: &Value, rng: &mut SeededRng) -> Value {
    let mut schema = schema.clone();
    for _ in 0..=rng.index(3) {
        let mut paths = Vec::new();
        pointers(&schema, String::new(), &mut paths);
        let path = paths.swap_remove(rng.index(paths.len()));
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

fn change(value: &mut Value, is_type: bool, rng: &mut SeededRng) {
    if value.get("logicalType").is_some() && rng.one_in(2) {
        match rng.index(3) {
            0 => value["scale"] = json!(rng.index(4)),
            1 => value["precision"] = json!(rng.index(8)),
            _ => {
                value["logicalType"] =
                    json!(rng.pick(&["date", "time-millis", "decimal", "timestamp-micros"]))
            }
        }
    } else if value.get("fields").is_some_and(Value::is_array) {
        change_record(value, rng);
    } else if let Some(Value::Array(symbols)) = value.get_mut("symbols") {
        match rng.index(4) {
            0 => symbols.push(json!(rng.pick(&SYMBOLS))),
            1 => _ = symbols.pop(),
            2 => symbols.reverse(),
            _ => rename_type(value, rng),
        }
    } else if value.get("size").is_some() {
        if rng.one_in(2) { value["size"] = json!(rng.index(3) + 1) } else { rename_type(value, rng) }
    } else if value.get("name").is_some() && value.get("type").is_some() {
        change_field(value, rng);
    } else if let Value::Array(members) = value {
        match rng.index(4) {
            0 => members.push(json!(rng.pick(&PRIMITIVES))),
            1 if !members.is_empty() => _ = members.remove(rng.index(members.len())),
            2 => members.reverse(),
            _ if !members.is_empty() => members.rotate_left(1),
            _ => {}
        }
    } else if let (Value::String(name), true) = (&*value, is_type) {
        *value = widen(name, rng);
    } else if value.is_object() && is_type && rng.one_in(2) {
        *value = json!(["null", value]);
    }
}

fn widen(name: &str, rng: &mut SeededRng) -> Value {
    match rng.index(4) {
        0 => json!(rng.pick(&PRIMITIVES)),
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

fn rename_type(value: &mut Value, rng: &mut SeededRng) {
    let old = value["name"].clone();
    match rng.index(4) {
        0 => value["namespace"] = json!(rng.pick(&["n", "m", ""])),
        1 => {
            value["name"] = json!(rng.pick(&TYPE_NAMES));
            value["aliases"] = json!([old]);
        }
        2 => value["aliases"] = json!([rng.pick(&TYPE_NAMES)]),
        _ => value["name"] = json!(rng.pick(&TYPE_NAMES)),
    }
}

fn change_record(value: &mut Value, rng: &mut SeededRng) {
    let kind = rng.index(6);
    let Some(Value::Array(fields)) = value.get_mut("fields") else { return };
    match kind {
        0 => {
            let name = rng.pick(&PRIMITIVES);
            let mut field = json!({"name": rng.pick(&FIELDS), "type": name});
            if rng.one_in(2) {
                field["default"] = default_of(name, rng);
            }
            if !fields.iter().any(|other| other["name"] == field["name"]) || rng.one_in(20) {
                fields.insert(rng.index(fields.len() + 1), field);
            }
        }
        1 if !fields.is_empty() => _ = fields.remove(rng.index(fields.len())),
        2 => fields.reverse(),
        3 => {
            let schema = generator::schema(rng);
            fields.push(json!({"name": "f", "type": schema}));
        }
        _ => rename_type(value, rng),
    }
}

fn change_field(value: &mut Value, rng: &mut SeededRng) {
    let old = value["name"].clone();
    match rng.index(6) {
        0 => {
            value["name"] = json!(rng.pick(&FIELDS));
            value["aliases"] = json!([old]);
        }
        1 => value["name"] = json!(rng.pick(&FIELDS)),
        2 => _ = value.as_object_mut().unwrap().shift_remove("default"),
        3 => value["aliases"] = json!([rng.pick(&FIELDS), rng.pick(&FIELDS)]),
        4 => {
            let name = rng.pick(&PRIMITIVES);
            value["type"] = json!(name);
            value["default"] = default_of(name, rng);
        }
        _ => value["type"] = json!(["null", value["type"].clone()]),
    }
}

/// Returns a text that is almost a schema and may be invalid.
pub(super) fn corrupt(schema: &Value, rng: &mut SeededRng) -> String {
    let mut schema = schema.clone();
    for _ in 0..=rng.index(2) {
        let mut paths = Vec::new();
        pointers(&schema, String::new(), &mut paths);
        let path = paths.swap_remove(rng.index(paths.len()));
        let junk = junk(rng);
        let value = schema.pointer_mut(&path).unwrap();
        match value {
            Value::Object(members) if rng.one_in(2) && !members.is_empty() => {
                let name = members.keys().nth(rng.index(members.len())).unwrap().clone();
                match rng.index(3) {
                    0 => _ = members.shift_remove(&name),
                    1 => _ = members.insert(name, junk),
                    _ => {
                        let attribute = rng.pick(&[
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
            Value::Array(items) if rng.one_in(2) && !items.is_empty() => {
                let copy = items[rng.index(items.len())].clone();
                items.push(if rng.one_in(2) { copy } else { junk });
            }
            Value::String(name) if rng.one_in(2) => *value = json!(unusual_name(name, rng)),
            value if rng.one_in(3) => *value = json!({ "type": value }),
            value => *value = junk,
        }
    }
    let text = schema.to_string();
    match rng.index(24) {
        0 => text.replacen(':', ": /* why */", 1),
        1 => format!("{text} {}", rng.pick(&["x", "\"int\"", "// end", "\n", "{"])),
        2 => text.chars().take(rng.index(text.chars().count() + 1)).collect(),
        3 => text.replacen("{\"type\":", "{\"type\":\"int\",\"type\":", 1),
        4 => text.replacen(':', ":\t\n ", 3),
        5 => format!("{}{text}{}", "[".repeat(rng.index(3)), "]".repeat(rng.index(3))),
        _ => text,
    }
}

fn unusual_name(name: &str, rng: &mut SeededRng) -> String {
    match rng.index(12) {
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
            .pick(&["é", "中", "\u{1d49c}", "a\u{301}", "int", "record", "a.int", "__", "x\u{664}"])
            .to_owned(),
    }
}

fn junk(rng: &mut SeededRng) -> Value {
    match rng.index(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(rng.pick(&[0i64, -1, 1, 2_147_483_639, 2_147_483_640, 2_147_483_648, i64::MAX, i64::MIN])),
        3 => json!(rng.pick(&[1.5, 1.0, 1e300, u64::MAX as f64])),
        4 => json!(u64::MAX),
        5 => json!([]),
        6 => json!({}),
        7 => json!(["A", "A"]),
        8 => json!(["A", "n.B", ".C", "C."]),
        9 => json!({"type": "int"}),
        10 => json!({"type": {"type": "int"}}),
        11 => json!({"type": ["null", "int"]}),
        12 => json!(["null", "int"]),
        13 => json!(rng.pick(&["DESCENDING", "Ignore", "sideways", "NaN", "0x1p3", "1d", ""])),
        14 => json!({"type": "enum", "name": "E", "symbols": ["A"], "default": 1}),
        _ => json!(rng.pick(&["int", "A", "string", "record", "error", "array"])),
    }
}
