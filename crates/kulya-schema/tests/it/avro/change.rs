//! Small changes of a schema: such as people make, and such as only break it.

use super::draw::{self, FIELDS, PRIMITIVES, SYMBOLS, TYPE_NAMES, default_of};
use kulya_testkit::SeededRng;
use serde_json::{Value, json};

/// A few changes, each somewhere.
pub(super) fn changed(schema: &Value, dice: &mut SeededRng) -> Value {
    let mut schema = schema.clone();
    for _ in 0..=dice.below(3) {
        let mut places = Vec::new();
        pointers(&schema, String::new(), &mut places);
        let place = places.swap_remove(dice.below(places.len()));
        let value = schema.pointer_mut(&place).unwrap();
        let is_type = !place.ends_with("/name") && !place.ends_with("/namespace") && !place.ends_with("/doc");
        change(value, is_type, dice);
    }
    schema
}

pub(super) fn pointers(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                pointers(item, format!("{at}/{place}"), places);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

fn change(value: &mut Value, is_type: bool, dice: &mut SeededRng) {
    if value.get("fields").is_some_and(Value::is_array) {
        change_record(value, dice);
    } else if let Some(Value::Array(symbols)) = value.get_mut("symbols") {
        match dice.below(4) {
            0 => symbols.push(json!(dice.of(&SYMBOLS))),
            1 => _ = symbols.pop(),
            2 => symbols.reverse(),
            _ => rename_type(value, dice),
        }
    } else if value.get("size").is_some() {
        if dice.once_in(2) { value["size"] = json!(dice.below(3) + 1) } else { rename_type(value, dice) }
    } else if value.get("name").is_some() && value.get("type").is_some() {
        change_field(value, dice);
    } else if let Value::Array(members) = value {
        match dice.below(4) {
            0 => members.push(json!(dice.of(&PRIMITIVES))),
            1 if !members.is_empty() => _ = members.remove(dice.below(members.len())),
            2 => members.reverse(),
            _ if !members.is_empty() => members.rotate_left(1),
            _ => {}
        }
    } else if let (Value::String(name), true) = (&*value, is_type) {
        *value = widened(name, dice);
    } else if value.is_object() && is_type && dice.once_in(2) {
        *value = json!(["null", value]);
    }
}

fn widened(name: &str, dice: &mut SeededRng) -> Value {
    match dice.below(4) {
        0 => json!(dice.of(&PRIMITIVES)),
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

fn rename_type(value: &mut Value, dice: &mut SeededRng) {
    let old = value["name"].clone();
    match dice.below(4) {
        0 => value["namespace"] = json!(dice.of(&["n", "m", ""])),
        1 => {
            value["name"] = json!(dice.of(&TYPE_NAMES));
            value["aliases"] = json!([old]);
        }
        2 => value["aliases"] = json!([dice.of(&TYPE_NAMES)]),
        _ => value["name"] = json!(dice.of(&TYPE_NAMES)),
    }
}

fn change_record(value: &mut Value, dice: &mut SeededRng) {
    let kind = dice.below(6);
    let Some(Value::Array(fields)) = value.get_mut("fields") else { return };
    match kind {
        0 => {
            let name = dice.of(&PRIMITIVES);
            let mut field = json!({"name": dice.of(&FIELDS), "type": name});
            if dice.once_in(2) {
                field["default"] = default_of(name, dice);
            }
            if !fields.iter().any(|other| other["name"] == field["name"]) || dice.once_in(20) {
                fields.insert(dice.below(fields.len() + 1), field);
            }
        }
        1 if !fields.is_empty() => _ = fields.remove(dice.below(fields.len())),
        2 => fields.reverse(),
        3 => {
            let schema = draw::schema(dice);
            fields.push(json!({"name": "f", "type": schema}));
        }
        _ => rename_type(value, dice),
    }
}

fn change_field(value: &mut Value, dice: &mut SeededRng) {
    let old = value["name"].clone();
    match dice.below(6) {
        0 => {
            value["name"] = json!(dice.of(&FIELDS));
            value["aliases"] = json!([old]);
        }
        1 => value["name"] = json!(dice.of(&FIELDS)),
        2 => _ = value.as_object_mut().unwrap().shift_remove("default"),
        3 => value["aliases"] = json!([dice.of(&FIELDS), dice.of(&FIELDS)]),
        4 => {
            let name = dice.of(&PRIMITIVES);
            value["type"] = json!(name);
            value["default"] = default_of(name, dice);
        }
        _ => value["type"] = json!(["null", value["type"].clone()]),
    }
}

/// A text that is near a schema and may be none.
pub(super) fn broken(schema: &Value, dice: &mut SeededRng) -> String {
    let mut schema = schema.clone();
    for _ in 0..=dice.below(2) {
        let mut places = Vec::new();
        pointers(&schema, String::new(), &mut places);
        let place = places.swap_remove(dice.below(places.len()));
        let junk = junk(dice);
        let value = schema.pointer_mut(&place).unwrap();
        match value {
            Value::Object(members) if dice.once_in(2) && !members.is_empty() => {
                let name = members.keys().nth(dice.below(members.len())).unwrap().clone();
                match dice.below(3) {
                    0 => _ = members.shift_remove(&name),
                    1 => _ = members.insert(name, junk),
                    _ => {
                        let word = dice.of(&[
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
                        members.insert(word.to_owned(), junk);
                    }
                }
            }
            Value::Array(items) if dice.once_in(2) && !items.is_empty() => {
                let copy = items[dice.below(items.len())].clone();
                items.push(if dice.once_in(2) { copy } else { junk });
            }
            Value::String(name) if dice.once_in(2) => *value = json!(odd_name(name, dice)),
            value if dice.once_in(3) => *value = json!({ "type": value }),
            value => *value = junk,
        }
    }
    let text = schema.to_string();
    match dice.below(24) {
        0 => text.replacen(':', ": /* why */", 1),
        1 => format!("{text} {}", dice.of(&["x", "\"int\"", "// end", "\n", "{"])),
        2 => text.chars().take(dice.below(text.chars().count() + 1)).collect(),
        3 => text.replacen("{\"type\":", "{\"type\":\"int\",\"type\":", 1),
        4 => text.replacen(':', ":\t\n ", 3),
        5 => format!("{}{text}{}", "[".repeat(dice.below(3)), "]".repeat(dice.below(3))),
        _ => text,
    }
}

fn odd_name(name: &str, dice: &mut SeededRng) -> String {
    match dice.below(12) {
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
        _ => dice
            .of(&["é", "中", "\u{1d49c}", "a\u{301}", "int", "record", "a.int", "__", "x\u{664}"])
            .to_owned(),
    }
}

fn junk(dice: &mut SeededRng) -> Value {
    match dice.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(dice.of(&[0i64, -1, 1, 2_147_483_639, 2_147_483_640, 2_147_483_648, i64::MAX, i64::MIN])),
        3 => json!(dice.of(&[1.5, 1.0, 1e300, u64::MAX as f64])),
        4 => json!(u64::MAX),
        5 => json!([]),
        6 => json!({}),
        7 => json!(["A", "A"]),
        8 => json!(["A", "n.B", ".C", "C."]),
        9 => json!({"type": "int"}),
        10 => json!({"type": {"type": "int"}}),
        11 => json!({"type": ["null", "int"]}),
        12 => json!(["null", "int"]),
        13 => json!(dice.of(&["DESCENDING", "Ignore", "sideways", "NaN", "0x1p3", "1d", ""])),
        14 => json!({"type": "enum", "name": "E", "symbols": ["A"], "default": 1}),
        _ => json!(dice.of(&["int", "A", "string", "record", "error", "array"])),
    }
}
