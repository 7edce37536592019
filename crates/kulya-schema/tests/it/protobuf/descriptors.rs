//! Descriptor sets with and without imports, from sloppy compilers, and as random bytes.

use super::source::compile;
use kulya_schema::protobuf::{
    MAX_COMPARISONS, MAX_DEPTH, MAX_FIELDS, MAX_MESSAGES, MAX_NAME_BYTES, MAX_REASONS, Rule, Safety, Schema,
    can_read, parse,
};
use proptest::prelude::*;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet,
};

const ORDER: &str = r#"
    syntax = "proto3"; package shop; import "people.proto"; import "google/protobuf/timestamp.proto";
    message Order { people.Person buyer = 1; google.protobuf.Timestamp at = 2; message Line { int32 n = 1; } }
    message Note { string text = 1; }"#;
const PEOPLE: &str = r#"
    syntax = "proto3"; package people;
    message Person { string name = 1; Person parent = 2; Address address = 3; }
    message Address { string zip = 1; }"#;
const FILES: &[(&str, &str)] = &[("order.proto", ORDER), ("people.proto", PEOPLE)];

fn refusal(bytes: &[u8], type_name: &str) -> String {
    parse(bytes, type_name).expect_err("it should be refused").to_string()
}

fn set(files: Vec<FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file: files }.encode_to_vec()
}

fn file(name: &str, package: &str, message_type: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.into()),
        package: Some(package.into()),
        message_type,
        syntax: Some("proto3".into()),
        ..Default::default()
    }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.into()), field, ..Default::default() }
}

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional as i32),
        r#type: Some(kind as i32),
        ..Default::default()
    }
}

fn reference(name: &str, number: i32, kind: Type, to: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(to.into()), ..field(name, number, kind) }
}

#[test]
fn a_type_is_resolved_as_by_the_java_server() {
    // imports come first in a set, so the package of the first file is `people`
    let bytes = compile(&[("one.proto", PEOPLE)], true).unwrap();
    for (asked, found) in [
        ("people.Person", Some("people.Person")),
        (".people.Person", Some("people.Person")),
        ("Person", Some("people.Person")),
        ("Address", Some("people.Address")),
        ("", Some("people.Person")),
        ("shop.Person", None),
        ("Nobody", None),
    ] {
        let schema = parse(&bytes, asked).ok();
        assert_eq!(schema.as_ref().map(Schema::type_name), found, "{asked:?}");
    }
    let bytes = compile(FILES, true).unwrap();
    assert_eq!(parse(&bytes, "shop.Order").unwrap().type_name(), "shop.Order");
    // beyond what Java knows: nested messages
    assert_eq!(parse(&bytes, "shop.Order.Line").unwrap().type_name(), "shop.Order.Line");
    parse(&bytes, "shop.Line").expect_err("a nested message is named with its parents");
    let first =
        set(vec![file("a", "a", vec![message("M", vec![])]), file("b", "b", vec![message("N", vec![])])]);
    assert_eq!(parse(&first, "b.N").unwrap().type_name(), "b.N");
    assert!(refusal(&first, "N").contains("\"N\""), "a short name is of the first file's package");
}

#[test]
fn references_are_resolved_through_files_and_a_path_names_each_step() {
    let old = parse(&compile(FILES, true).unwrap(), "shop.Order").unwrap();
    let people = PEOPLE.replace("string zip = 1", "int32 zip = 1");
    let new = compile(&[FILES[0], ("people.proto", &people)], true).unwrap();
    let reasons = can_read(&parse(&new, "shop.Order").unwrap(), &old, Safety::Wire);
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!(reason.rule, Rule::TypeChanged);
    assert_eq!(reason.reader_path, "shop.Order.buyer.address.zip");
    assert_eq!(reason.writer_path, "shop.Order.buyer.address.zip");
    assert_eq!((reason.reader.as_str(), reason.writer.as_str()), ("int32 zip = 1", "string zip = 1"));
    assert_eq!(reason.to_string(), "shop.Order.buyer.address.zip: string cannot be read as int32");
    assert_eq!(reason.fix, "keep the type string, or add a field with another number");
}

#[test]
fn fragments_are_in_proto_syntax() {
    let compiled = |body: &str, syntax| super::source::message(syntax, body).unwrap().schema;
    for (syntax, field, fragment) in [
        ("proto3", "int32 v = 1;", "int32 v = 1"),
        ("proto3", "optional int32 v = 1;", "optional int32 v = 1"),
        ("proto3", "repeated bytes v = 1;", "repeated bytes v = 1"),
        ("proto3", "map<string, M> v = 1;", "map<string, M> v = 1"),
        ("proto3", "M v = 1;", "M v = 1"),
        ("proto3", "oneof o { bool v = 1; }", "bool v = 1 (of oneof o)"),
        ("proto3", "enum E { Z = 0; } repeated E v = 1;", "repeated E v = 1"),
        ("proto2", "required int32 v = 1;", "required int32 v = 1"),
        ("proto2", "optional int32 v = 1 [default = 7];", "optional int32 v = 1 [default = 7]"),
        ("proto2", "optional group V = 1 { }", "optional group V v = 1"),
    ] {
        let reasons = can_read(&compiled(field, syntax), &compiled("double v = 1;", "proto3"), Safety::Wire);
        assert_eq!(reasons[0].reader, fragment);
    }
}

#[test]
fn missing_imports_are_named_only_when_needed() {
    let bytes = compile(FILES, false).unwrap();
    let reason = refusal(&bytes, "shop.Order");
    assert!(reason.contains("shop.Order.buyer") && reason.contains("people.Person"), "{reason}");
    assert!(reason.contains("people.proto"), "{reason}");
    assert_eq!(parse(&bytes, "shop.Note").unwrap().type_name(), "shop.Note", "it refers to nothing");

    let lost = file("a", "a", vec![message("M", vec![reference("x", 1, Type::Message, ".a.Lost")])]);
    let reason = refusal(&set(vec![lost]), "a.M");
    assert!(reason.contains("a.M.x") && reason.contains(".a.Lost"), "{reason}");
}

#[test]
fn the_well_known_types_need_no_import() {
    const NAMES: [(&str, &[&str]); 6] = [
        ("any", &["Any"]),
        ("duration", &["Duration"]),
        ("empty", &["Empty"]),
        ("field_mask", &["FieldMask"]),
        ("struct", &["Struct", "Value", "ListValue", "NullValue"]),
        ("timestamp", &["Timestamp"]),
    ];
    const WRAPPERS: [&str; 9] =
        ["Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64"];
    let mut text = "syntax = \"proto3\"; package t; import \"google/protobuf/wrappers.proto\";\n".to_owned();
    let mut fields: Vec<String> = WRAPPERS.iter().map(|name| format!("{name}Value")).collect();
    for (file, names) in NAMES {
        text.push_str(&format!("import \"google/protobuf/{file}.proto\";\n"));
        fields.extend(names.iter().map(|name| (*name).to_owned()));
    }
    let numbered = fields.iter().zip(1..).map(|(name, n)| format!("  google.protobuf.{name} f{n} = {n};\n"));
    text.push_str(&format!("message M {{\n{}}}\n", numbered.collect::<String>()));
    let files = [("m.proto", text.as_str())];
    let [whole, alone] =
        [true, false].map(|imports| parse(&compile(&files, imports).unwrap(), "t.M").unwrap());
    assert_eq!(format!("{whole:?}"), format!("{alone:?}"), "the built-in types equal Google's files");
}

#[test]
fn references_may_be_relative_and_without_a_type() {
    let mut inner = message("In", vec![field("v", 1, Type::Int32)]);
    inner.field.push(FieldDescriptorProto { r#type: None, ..reference("up", 2, Type::Message, "M.In") });
    let mut outer = message("M", vec![reference("in", 1, Type::Message, "In")]);
    outer.field.push(FieldDescriptorProto { r#type: None, ..reference("e", 2, Type::Enum, "a.E") });
    outer.nested_type.push(inner);
    let mut it = file("a", "a.b", vec![outer]);
    let zero = EnumValueDescriptorProto { name: Some("Z".into()), number: Some(0), options: None };
    let one = EnumDescriptorProto { name: Some("E".into()), value: vec![zero], ..Default::default() };
    it.enum_type.push(one.clone());
    let mut other = file("o", "a", vec![]);
    other.enum_type.push(one);
    let schema = parse(&set(vec![it, other]), "a.b.M").unwrap();
    assert_eq!(can_read(&schema, &schema, Safety::Json), Vec::new());
}

#[test]
fn invalid_sets_are_rejected_with_their_location() {
    let one = |it: DescriptorProto| set(vec![file("f", "p", vec![it])]);
    let m = |fields| one(message("M", fields));
    let int = |number| field("v", number, Type::Int32);
    let editions =
        FileDescriptorProto { syntax: Some("editions".into()), ..file("f", "p", vec![message("M", vec![])]) };
    let syntax =
        FileDescriptorProto { syntax: Some("proto4".into()), ..file("f", "p", vec![message("M", vec![])]) };
    let odd = FileDescriptorProto { package: Some("p".repeat(MAX_NAME_BYTES + 1)), ..Default::default() };
    let twice =
        vec![file("f", "p", vec![message("M", vec![])]), file("g", "p", vec![message("M", vec![int(1)])])];
    let mut entry = message("E", vec![field("key", 1, Type::Int32)]);
    entry.options = Some(prost_types::MessageOptions { map_entry: Some(true), ..Default::default() });
    let mut with_entry = message("M", vec![reference("v", 1, Type::Message, ".p.M.E")]);
    with_entry.nested_type.push(entry);
    let mut empty_enum = message("M", vec![reference("v", 1, Type::Enum, ".p.M.E")]);
    empty_enum.enum_type.push(EnumDescriptorProto { name: Some("E".into()), ..Default::default() });
    let mut twice_named = empty_enum.clone();
    let values = [0, 1].map(|number| EnumValueDescriptorProto {
        name: Some("Z".into()),
        number: Some(number),
        options: None,
    });
    twice_named.enum_type[0].value = values.to_vec();
    for (bytes, expected) in [
        (vec![0xff; 20], "FileDescriptorSet"),
        (Vec::new(), "no file"),
        (set(vec![FileDescriptorProto::default()]), "no message"),
        (m(vec![int(0)]), "p.M.v has the number 0"),
        (m(vec![int(-1)]), "p.M.v has the number -1"),
        (m(vec![int(1 << 29)]), "p.M.v has the number"),
        (m(vec![int(1), FieldDescriptorProto { name: Some("w".into()), ..int(1) }]), "number 1 of p.M"),
        (m(vec![FieldDescriptorProto { r#type: Some(99), ..int(1) }]), "unknown type 99"),
        (m(vec![FieldDescriptorProto { label: Some(99), ..int(1) }]), "unknown label"),
        (m(vec![FieldDescriptorProto { oneof_index: Some(3), ..int(1) }]), "oneof"),
        (m(vec![FieldDescriptorProto { name: None, ..int(1) }]), "must have a full name"),
        (m(vec![reference("v", 1, Type::Enum, ".p.M")]), "of another kind"),
        (one(message("", vec![])), "must have a full name"),
        (one(message(&"M".repeat(MAX_NAME_BYTES), vec![])), "must have a full name"),
        (one(with_entry), "map entry p.M.E"),
        (m(vec![int(1), int(2)]), "two fields of p.M are named v"),
        (one(twice_named), "two values of p.M.E are named Z"),
        (one(empty_enum), "enum p.M.E has no value"),
        (set(vec![editions]), "unknown edition"),
        (set(vec![syntax]), "unknown syntax"),
        (set(vec![odd]), "package"),
        (set(twice), "p.M is declared twice"),
    ] {
        let reason = refusal(&bytes, "p.M");
        assert!(reason.contains(expected), "{reason}\n  lacks {expected}");
    }
}

#[test]
fn the_same_file_twice_is_accepted() {
    let it = || file("f", "p", vec![message("M", vec![field("v", 1, Type::Int32)])]);
    parse(&set(vec![it(), it()]), "p.M").unwrap();
}

#[test]
fn each_limit_is_named() {
    let many = (0..=MAX_MESSAGES).map(|n| message(&format!("M{n}"), vec![])).collect();
    assert!(refusal(&set(vec![file("f", "p", many)]), "p.M0").contains(&MAX_MESSAGES.to_string()));

    let fields = (1..=MAX_FIELDS as i32 + 1).map(|n| field("v", n, Type::Bool)).collect();
    assert!(
        refusal(&set(vec![file("f", "p", vec![message("M", fields)])]), "p.M")
            .contains(&MAX_FIELDS.to_string())
    );

    let mut deep = message("M", vec![]);
    for _ in 0..MAX_DEPTH + 1 {
        deep = DescriptorProto { nested_type: vec![deep], ..message("M", vec![]) };
    }
    assert!(refusal(&set(vec![file("f", "p", vec![deep])]), "p.M").contains("nested deeper"));

    let large = vec![0; kulya_schema::limits::MAX_SCHEMA_BYTES + 1];
    assert!(refusal(&large, "p.M").contains("bytes; the maximum is"));
}

/// Returns a chain of messages, each of which refers to the next.
fn chain(length: usize, last: Type) -> Schema {
    let mut messages: Vec<_> = (0..length)
        .map(|n| message(&format!("M{n}"), vec![reference("f", 1, Type::Message, &format!(".p.M{}", n + 1))]))
        .collect();
    messages.push(message(&format!("M{length}"), vec![field("v", 1, last)]));
    parse(&set(vec![file("f", "p", messages)]), "p.M0").unwrap()
}

#[test]
fn a_long_chain_of_messages_does_not_overflow_the_stack() {
    let reasons = can_read(&chain(9_000, Type::Int32), &chain(9_000, Type::String), Safety::Wire);
    let [reason] = reasons.as_slice() else { panic!("{}", reasons.len()) };
    assert!(reason.reader_path.starts_with("….f.f") && reason.reader_path.ends_with(".f.v"), "{reason:?}");
}

#[test]
fn too_many_comparisons_are_reported() {
    // cycles of different lengths form every pair
    let ring = |length: usize, fields: i32| {
        let one = |n: usize| {
            let next = format!(".p.M{}", (n + 1) % length);
            let more = (2..fields).map(|n| field(&format!("f{n}"), n, Type::Bool));
            message(
                &format!("M{n}"),
                std::iter::once(reference("n", 1, Type::Message, &next)).chain(more).collect(),
            )
        };
        parse(&set(vec![file("f", "p", (0..length).map(one).collect())]), "p.M0").unwrap()
    };
    let reasons = can_read(&ring(997, 40), &ring(991, 40), Safety::Wire);
    assert_eq!(reasons.iter().map(|it| it.rule).collect::<Vec<_>>(), [Rule::TooManyComparisons]);
    assert!(reasons[0].message.contains(&MAX_COMPARISONS.to_string()));
    assert_eq!(can_read(&ring(37, 40), &ring(31, 40), Safety::Json), Vec::new());
}

#[test]
fn the_number_of_reasons_is_bounded() {
    let wide = |kind| {
        let fields = (1..=5_000).map(|n| field(&format!("f{n}"), n, kind)).collect();
        parse(&set(vec![file("f", "p", vec![message("M", fields)])]), "p.M").unwrap()
    };
    assert_eq!(can_read(&wide(Type::Int32), &wide(Type::String), Safety::Json).len(), MAX_REASONS);
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..300), name in ".{0,8}") {
        let _ = parse(&bytes, &name);
    }

    #[test]
    fn a_corrupt_set_is_parsed_or_rejected(damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let whole = compile(FILES, true).unwrap();
        let mut bytes = whole.clone();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(schema) = parse(&bytes, "shop.Order") {
            prop_assert_eq!(can_read(&schema, &schema, Safety::Json), Vec::new());
            let undamaged = parse(&whole, "shop.Order").unwrap();
            for safety in [Safety::Wire, Safety::Json] {
                let _ = can_read(&schema, &undamaged, safety);
                let _ = can_read(&undamaged, &schema, safety);
            }
        }
    }
}
