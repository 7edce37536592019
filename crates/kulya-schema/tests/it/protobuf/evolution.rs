//! Random schemas with random changes, and messages that must confirm every accepted change.

use super::oracle::{random_message, reads_json, reads_wire};
use super::source::{Compiled, message};
use kulya_testkit::SeededRng;
use kulya_schema::protobuf::{Safety, can_read};
use std::fmt::Write as _;

const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
    "sfixed32", "sfixed64", "bool", "string", "bytes",
];
/// Types that often read each other, so that not all changes are incompatible.
const NEAR: [&[&str]; 6] = [
    &["int32", "int64", "uint32", "uint64", "bool", "E", "F"],
    &["sint32", "sint64"],
    &["fixed32", "sfixed32"],
    &["fixed64", "sfixed64"],
    &["string", "bytes", "A", "B"],
    &["A", "B"],
];
const NAMES: [&str; 8] = ["a", "b_c", "bC", "d", "e_f", "g", "h", "i"];

#[derive(Clone, Copy, PartialEq)]
enum Label {
    Plain,
    Optional,
    Required,
    Repeated,
    Unpacked,
    MapTo,
}

#[derive(Clone)]
struct Field {
    name: &'static str,
    number: u32,
    label: Label,
    kind: &'static str,
    oneof: Option<u8>,
    json_name: Option<&'static str>,
    default: Option<u8>,
}

#[derive(Clone)]
struct Model {
    proto2: bool,
    /// The messages `M`, `A` and `B`.
    messages: [Vec<Field>; 3],
    /// The enums `E` and `F`.
    enums: [Vec<(&'static str, i32)>; 2],
}

fn kind(rng: &mut SeededRng) -> &'static str {
    match rng.index(4) {
        0 => rng.pick(&["A", "B", "E", "F"]),
        _ => rng.pick(&SCALARS),
    }
}

fn label(rng: &mut SeededRng) -> Label {
    rng.pick(&[
        Label::Plain,
        Label::Plain,
        Label::Optional,
        Label::Optional,
        Label::Required,
        Label::Repeated,
        Label::Repeated,
        Label::Unpacked,
        Label::MapTo,
    ])
}

fn field(rng: &mut SeededRng) -> Field {
    Field {
        name: rng.pick(&NAMES),
        number: 1 + rng.index(6) as u32,
        label: label(rng),
        kind: kind(rng),
        oneof: rng.one_in(3).then(|| rng.index(2) as u8),
        json_name: None,
        default: rng.one_in(3).then(|| rng.index(2) as u8),
    }
}

fn model(rng: &mut SeededRng) -> Model {
    let mut messages = [Vec::new(), Vec::new(), Vec::new()];
    for fields in &mut messages {
        for _ in 0..1 + rng.index(4) {
            fields.push(field(rng));
        }
    }
    let values = |start: [&'static str; 3], rng: &mut SeededRng| {
        start.into_iter().zip(0..).take(1 + rng.index(3)).collect::<Vec<_>>()
    };
    let enums = [values(["E0", "E1", "E2"], rng), values(["F0", "F1", "F2"], rng)];
    let mut model = Model { proto2: rng.one_in(2), messages, enums };
    remove_duplicates(&mut model);
    model
}

fn change(model: &mut Model, rng: &mut SeededRng) {
    let at = rng.index(3);
    let fields = &mut model.messages[at];
    let chosen = rng.index(fields.len().max(1));
    match (rng.index(14), fields.get_mut(chosen)) {
        (0, _) => fields.push(field(rng)),
        (1, Some(_)) => drop(fields.remove(chosen)),
        (2..=4, Some(it)) => {
            let near = NEAR.iter().find(|near| near.contains(&it.kind));
            it.kind = near.map_or("double", |near| rng.pick(near));
        }
        (5, Some(it)) => it.kind = kind(rng),
        (6 | 7, Some(it)) => it.label = label(rng),
        (8, Some(it)) => it.name = rng.pick(&NAMES),
        (9, Some(it)) => it.number = 1 + rng.index(6) as u32,
        (10, Some(it)) => it.oneof = if it.oneof.is_some() { None } else { Some(rng.index(2) as u8) },
        (11, Some(it)) => it.json_name = Some(rng.pick(&["a", "bC", "other"])),
        (12, Some(it)) => it.default = rng.one_in(2).then(|| rng.index(2) as u8),
        (13, _) => {
            let which = rng.index(2);
            let values = &mut model.enums[which];
            match rng.index(4) {
                0 => values.push((rng.pick(&["E3", "F3", "X"]), 1 + rng.index(4) as i32)),
                1 if values.len() > 1 => drop(values.pop()),
                2 if values.len() > 1 => values[1].0 = rng.pick(&["E1", "Y", "F1"]),
                _ => model.proto2 = !model.proto2,
            }
        }
        _ => {}
    }
}

/// Removes later declarations that use a name or number again.
fn remove_duplicates(model: &mut Model) {
    for fields in &mut model.messages {
        let mut kept: Vec<Field> = Vec::new();
        for field in fields.drain(..) {
            let own =
                |it: &Field| [it.name.replace("_c", "C"), it.json_name.unwrap_or(it.name).replace("_c", "C")];
            let names = own(&field);
            let taken =
                |it: &Field| it.number == field.number || own(it).iter().any(|name| names.contains(name));
            if !kept.iter().any(taken) {
                kept.push(field);
            }
        }
        *fields = kept;
    }
    let mut names = Vec::new();
    for values in &mut model.enums {
        values.retain(|value| {
            !names.contains(&value.0) && {
                names.push(value.0);
                true
            }
        });
    }
}

/// Prints the body of `message M`. A compiler may still reject it.
fn body(model: &Model) -> String {
    let mut text = String::new();
    for (name, values) in ["E", "F"].into_iter().zip(&model.enums) {
        write!(text, "enum {name} {{ option allow_alias = true; ").unwrap();
        for (value, number) in values {
            write!(text, "{value} = {number}; ").unwrap();
        }
        text.push_str("ALIAS_");
        writeln!(text, "{name} = 0; }}").unwrap();
    }
    for (name, fields) in ["", "A", "B"].into_iter().zip(&model.messages) {
        if !name.is_empty() {
            writeln!(text, "message {name} {{").unwrap();
        }
        let plain = |label| matches!(label, Label::Plain | Label::Optional);
        for field in fields.iter().filter(|field| field.oneof.is_none() || !plain(field.label)) {
            let kind = field.kind;
            let label = match field.label {
                Label::Plain if !model.proto2 => kind.to_owned(),
                Label::Plain | Label::Optional => format!("optional {kind}"),
                // a message that requires itself can never be written
                Label::Required if model.proto2 && !["A", "B"].contains(&kind) => format!("required {kind}"),
                Label::Required => format!("optional {kind}"),
                Label::Repeated | Label::Unpacked => format!("repeated {kind}"),
                Label::MapTo => format!("map<string, {kind}>"),
            };
            writeln!(text, "  {label} {};", declaration_suffix(model, field)).unwrap();
        }
        for oneof in 0..2 {
            let mut members =
                fields.iter().filter(|it| it.oneof == Some(oneof) && plain(it.label)).peekable();
            if members.peek().is_some() {
                writeln!(text, "  oneof o{oneof} {{").unwrap();
                members.for_each(|field| {
                    writeln!(text, "    {} {};", field.kind, declaration_suffix(model, field)).unwrap()
                });
                text.push_str("  }\n");
            }
        }
        if !name.is_empty() {
            text.push_str("}\n");
        }
    }
    text
}

/// Prints name, number and options.
fn declaration_suffix(model: &Model, field: &Field) -> String {
    let mut options = Vec::new();
    if let Some(name) = field.json_name {
        options.push(format!("json_name = \"{name}\""));
    }
    let packable = !["string", "bytes", "A", "B"].contains(&field.kind);
    match field.label {
        Label::Unpacked if packable => options.push("packed = false".to_owned()),
        Label::Repeated if packable && model.proto2 => options.push("packed = true".to_owned()),
        _ => {}
    }
    let singular = matches!(field.label, Label::Plain | Label::Optional | Label::Required);
    if let (Some(default), true, true) = (field.default, singular, model.proto2) {
        let text = match field.kind {
            "bool" => Some(["false", "true"][usize::from(default)].to_owned()),
            "string" | "bytes" => Some(["\"\"", "\"x\\ty\""][usize::from(default)].to_owned()),
            "E" => Some(model.enums[0][usize::from(default) % model.enums[0].len()].0.to_owned()),
            "F" => Some(model.enums[1][usize::from(default) % model.enums[1].len()].0.to_owned()),
            "A" | "B" => None,
            _ => Some(default.to_string()),
        };
        options.extend(text.map(|text| format!("default = {text}")));
    }
    let options = if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
    format!("{} = {}{options}", field.name, field.number)
}

/// Generates two bodies of `message M` with their syntax, the second being the first with a few changes. A
/// compiler may reject either.
pub(super) fn draw(seed: u64) -> [(String, &'static str); 2] {
    let mut rng = SeededRng::new(seed);
    let old = model(&mut rng);
    let mut new = old.clone();
    (0..=rng.index(5)).for_each(|_| change(&mut new, &mut rng));
    remove_duplicates(&mut new);
    [old, new].map(|model| (body(&model), if model.proto2 { "proto2" } else { "proto3" }))
}

fn compile(model: &Model) -> Option<Compiled> {
    message(if model.proto2 { "proto2" } else { "proto3" }, &body(model)).ok()
}

#[test]
fn accepted_changes_are_readable() {
    const PAIRS: u64 = 600;
    let (mut compared, mut changed_and_accepted) = (0, [0, 0]);
    for seed in 0..PAIRS {
        let mut rng = SeededRng::new(seed);
        let old = model(&mut rng);
        let mut new = old.clone();
        (0..=rng.index(5)).for_each(|_| change(&mut new, &mut rng));
        remove_duplicates(&mut new);
        let (Some(before), Some(after)) = (compile(&old), compile(&new)) else { continue };
        compared += 1;
        for (reader, writer) in [(&after, &before), (&before, &after)] {
            let texts = || format!("seed {seed}\n--- old\n{}--- new\n{}", body(&old), body(&new));
            let accepted = [Safety::Wire, Safety::Json]
                .map(|safety| can_read(&reader.schema, &writer.schema, safety).is_empty());
            assert!(accepted[0] || !accepted[1], "JSON asks for more than the wire: {}", texts());
            for _ in 0..12 {
                let written = random_message(&writer.oracle, &mut rng, 0);
                if accepted[0] {
                    reads_wire(&reader.oracle, &written).unwrap_or_else(|e| panic!("wire: {e}\n{}", texts()));
                }
                if accepted[1] {
                    reads_json(&reader.oracle, &written).unwrap_or_else(|e| panic!("JSON: {e}\n{}", texts()));
                }
            }
            if body(&old) != body(&new) {
                changed_and_accepted[0] += usize::from(accepted[0]);
                changed_and_accepted[1] += usize::from(accepted[1]);
            }
        }
    }
    // both verdicts must be frequent, so that both are tested
    println!("{compared} pairs, accepted though changed: {changed_and_accepted:?}");
    assert!(compared > 300, "{compared} pairs of {PAIRS} compile");
    assert!(
        changed_and_accepted[0] > compared / 3 && changed_and_accepted[1] > compared / 8,
        "{changed_and_accepted:?}"
    );
    assert!(changed_and_accepted[0] < 2 * compared * 9 / 10, "{changed_and_accepted:?}");
}
