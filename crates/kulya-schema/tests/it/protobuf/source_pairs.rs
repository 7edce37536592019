//! The table of pairs of whole sources: extensions, editions and their features, custom options. Each names
//! the sentence that its verdicts follow.

use kulya_schema::protobuf::{self, Safety, can_read, compile_source, source_files};
use kulya_schema::{Format, SchemaInfo, canonicalize, pretty_print};
use proptest::prelude::*;
use serde::Deserialize;

const PAIRS: &str = include_str!("../../data/protobuf/source_pairs.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRow {
    name: String,
    quote: String,
    old: String,
    new: String,
    /// `ok`, or the rule of the first reason why the new schema does not read the old one's events.
    backward: String,
    /// The same for the old schema and the new one's events.
    forward: String,
}

fn rows() -> Vec<TableRow> {
    PAIRS.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn compile(row: &TableRow, text: &str) -> Vec<u8> {
    compile_source(text, "t.M").unwrap_or_else(|e| panic!("{}: {e}", row.name)).0
}

#[test]
fn every_pair_of_sources_has_its_verdict() {
    let rows = rows();
    assert!(rows.len() >= 30, "{} pairs", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        assert!(!row.quote.is_empty(), "{}", row.name);
        let parse = |text: &str| {
            protobuf::parse(&compile(row, text), "t.M").unwrap_or_else(|e| panic!("{}: {e}", row.name))
        };
        let (old, new) = (parse(&row.old), parse(&row.new));
        for (direction, reader, writer, expected) in
            [("backward", &new, &old, &row.backward), ("forward", &old, &new, &row.forward)]
        {
            let reasons = can_read(reader, writer, Safety::Wire);
            let first = reasons.first().map_or("ok", |reason| reason.rule.name());
            if first != expected {
                wrong.push(format!("{}, {direction}: {first} and not {expected}: {reasons:?}", row.name));
            }
        }
        for schema in [&old, &new] {
            assert_eq!(can_read(schema, schema, Safety::Wire), Vec::new(), "{}", row.name);
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// A source that is printed from a set compiles to the same set, with its options and features.
#[test]
fn printed_sources_compile_to_the_same_set() {
    for row in rows() {
        for text in [&row.old, &row.new] {
            let set = compile(&row, text);
            let printed = source_files(&set).unwrap_or_else(|e| panic!("{}: {e}", row.name));
            let printed: String =
                printed.iter().map(|file| format!("// {}\n{}\n", file.name, file.text)).collect();
            let (again, _) =
                compile_source(&printed, "t.M").unwrap_or_else(|e| panic!("{}: {e}\n{printed}", row.name));
            let prints = |set: &[u8]| source_files(set).unwrap();
            assert_eq!(prints(&set), prints(&again), "{}: {printed}", row.name);
        }
    }
}

#[test]
fn identity_covers_custom_options_and_features() {
    let fingerprint = |text: &str| {
        canonicalize(SchemaInfo::new("t.M", Format::Protobuf, text)).unwrap_or_else(|e| panic!("{e}: {text}"))
    };
    for row in rows() {
        let (old, new) = (fingerprint(&row.old), fingerprint(&row.new));
        assert_ne!(old.fingerprint, new.fingerprint, "{}", row.name);
        for one in [&old, &new] {
            // what is stored is the compiled set, which has the same identity
            let stored = canonicalize(one.schema.clone()).unwrap();
            assert_eq!(stored.fingerprint, one.fingerprint, "{}", row.name);
            assert!(!protobuf::is_source(&one.schema.data));
            assert!(one.is_same_content(&stored.schema));
        }
        assert!(!old.is_same_content(&new.schema), "{}", row.name);
    }
    let option = |value: &str| {
        format!(
            "syntax = \"proto3\"; import \"google/protobuf/descriptor.proto\"; \
             extend google.protobuf.FieldOptions {{ string pii = 50001; }} \
             message M {{ string name = 1 [(pii) = \"{value}\"]; }}"
        )
    };
    let canonical = |text: String| canonicalize(SchemaInfo::new("", Format::Protobuf, text)).unwrap();
    let (yes, no) = (canonical(option("yes")), canonical(option("no")));
    // earlier versions gave both one fingerprint, under which a store may have either
    assert_ne!(yes.fingerprint, no.fingerprint);
    assert!(yes.former_fingerprint.is_some());
    assert_eq!(yes.former_fingerprint, no.former_fingerprint);
    let plain = canonical("syntax = \"proto3\"; message M { string name = 1; }".to_owned());
    assert_eq!(plain.former_fingerprint, None, "without options the fingerprint is as it was");
}

#[test]
fn custom_options_of_every_kind_are_printed() {
    let text = r#"
syntax = "proto2";
package t;
import "google/protobuf/descriptor.proto";
message Rule { optional string name = 1; repeated int32 limits = 2; optional Rule inner = 3; }
enum Level { LOW = 0; HIGH = 1; }
extend google.protobuf.FileOptions { optional string owner = 50000; }
extend google.protobuf.MessageOptions { optional Rule rule = 50001; }
extend google.protobuf.FieldOptions {
  optional bool pii = 50002;
  repeated string tags = 50003;
  optional Level level = 50004;
  optional bytes raw = 50005;
  optional double ratio = 50006;
  optional sint64 offset = 50007;
}
extend google.protobuf.OneofOptions { optional int32 weight = 50008; }
extend google.protobuf.EnumOptions { optional float share = 50009; }
extend google.protobuf.EnumValueOptions { optional string label = 50010; }
extend google.protobuf.ServiceOptions { optional string host = 50011; }
extend google.protobuf.MethodOptions { optional Rule limit = 50012; }
option (owner) = "team \"a\"";
message M {
  option (rule) = { name: "m" limits: [1, 2] inner { name: "in" } };
  optional string name = 1 [(pii) = true, (tags) = "a", (tags) = "b", (level) = HIGH, deprecated = true];
  optional bytes data = 2 [(raw) = "\001\377\"", (ratio) = -2.5, (offset) = -7];
  oneof one { option (weight) = 3; int32 x = 3; }
  enum K { option (share) = 0.5; A = 0 [(label) = "first", deprecated = true]; }
}
service S { option (host) = "h"; rpc Get(M) returns (M) { option (limit) = { name: "get" }; } }
"#;
    let schema = canonicalize(SchemaInfo::new("t.M", Format::Protobuf, text)).unwrap().schema;
    let printed = pretty_print(&schema).unwrap().unwrap();
    for part in [
        "option (owner) = \"team \\\"a\\\"\";",
        "(pii) = true",
        "(tags) = \"a\", (tags) = \"b\"",
        "(level) = HIGH",
        "(raw) = \"\\001\\377\\\"\"",
        "(ratio) = -2.5",
        "(offset) = -7",
        "option (weight) = 3;",
        "option (share) = 0.5;",
        "A = 0 [deprecated = true, (label) = \"first\"];",
        "option (host) = \"h\";",
        "option (limit) = {",
    ] {
        assert!(printed.contains(part), "{part}\n{printed}");
    }
    let (again, _) = compile_source(&printed, "t.M").unwrap_or_else(|e| panic!("{e}\n{printed}"));
    let prints = |set: &[u8]| source_files(set).unwrap();
    assert_eq!(prints(&again), prints(&schema.data), "{printed}");
    let own: Vec<_> = source_files(&again).unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(own, ["google/protobuf/descriptor.proto", "schema.proto"]);
}

#[test]
fn nested_messages_are_types() {
    let text =
        "syntax = \"proto3\"; package t; message M { message In { int32 a = 1; } map<string, int32> m = 1; }";
    let set = compile_source(text, "").unwrap().0;
    let type_name = |name: &str| {
        canonicalize(SchemaInfo::new(name, Format::Protobuf, set.clone())).map(|it| it.schema.type_name)
    };
    for (requested, full) in
        [("", "t.M"), ("M", "t.M"), ("t.M", "t.M"), ("t.M.In", "t.M.In"), ("M.In", "t.M.In")]
    {
        assert_eq!(type_name(requested).as_deref(), Ok(full));
        assert_eq!(protobuf::parse(&set, full).unwrap().type_name(), full);
    }
    for unknown in ["t.In", "t.M.Out", "t.M.MEntry", "t.M.In.a"] {
        assert!(type_name(unknown).unwrap_err().to_string().contains("Type mismatch"));
    }
}

/// Parts of sources that change their meaning or their end.
const PARTS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    ";",
    "=",
    ",",
    ".",
    "\"",
    "'",
    "//",
    "/*",
    "*/",
    "\\",
    "-1",
    "message M",
    "extend M",
    "optional ",
    "[features.field_presence = IMPLICIT]",
    "// n.proto\nsyntax",
];

proptest! {
    /// The text of a source is arbitrary: it is compiled to a schema, or refused.
    #[test]
    fn any_source_is_compiled_or_refused(
        row: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..PARTS.len(), 0..3_usize), 0..6),
        requested in prop::sample::select(vec!["", "t.M", "M"]),
    ) {
        let rows = rows();
        let mut text = row.get(&rows).new.clone();
        for (place, part, kind) in changes {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let Some(at) = (!places.is_empty()).then(|| *place.get(&places)) else { break };
            match kind {
                0 => text.insert_str(at, PARTS[part]),
                1 => text.truncate(at),
                _ => drop(text.remove(at)),
            }
        }
        if let Ok((set, type_name)) = compile_source(&text, requested) {
            let schema = canonicalize(SchemaInfo::new(&type_name, Format::Protobuf, set.clone())).unwrap();
            prop_assert_eq!(schema.schema.type_name, type_name);
            let _ = source_files(&set);
        }
    }
}
