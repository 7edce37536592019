//! Round trips: sources printed from descriptor sets are compiled again, and give the same set.

use super::source::compile;
use kulya_schema::protobuf;
use proptest::prelude::*;
use prost::Message;
use prost_types::{DescriptorProto, ExtensionRangeOptions, FieldOptions, FileDescriptorSet};

const EVERYTHING: &[(&str, &str)] = &[
    (
        "shop/order.proto",
        r#"
syntax = "proto3";
package shop.v1;
import "shop/money.proto";
import public "google/protobuf/timestamp.proto";
option java_package = "com.shop";
option java_multiple_files = true;
option go_package = "shop/v1;\"shop\"";
option optimize_for = CODE_SIZE;
option deprecated = false;
enum State {
  option allow_alias = true;
  STATE_UNKNOWN = 0;
  STATE_OPEN = 1 [deprecated = true];
  STATE_NEW = 1;
  NEGATIVE = -3;
  reserved 5, 7 to 9, 100 to max;
  reserved "STATE_OLD";
}
message Order {
  option deprecated = true;
  message Line {
    string article = 1;
    uint32 quantity = 2;
    // the outer type is shadowed here
    message State { Line line = 1; }
    State own = 3;
    .shop.v1.State state = 4;
  }
  fixed64 id = 1;
  repeated Line lines = 2;
  map<string, Line> by_name = 3;
  map<sint32, shop.money.Money> prices = 4;
  optional string note = 5;
  oneof pay { string card = 6; shop.money.Money cash = 7; bytes raw = 8; }
  repeated int32 loose = 9 [packed = false];
  repeated int32 tight = 10 [packed = true, deprecated = true];
  string odd_name = 11 [json_name = "somethingElse"];
  google.protobuf.Timestamp at = 12;
  State state = 13;
  int64 big = 14 [jstype = JS_STRING];
  optional State perhaps = 15;
  oneof one { bool only = 16; }
  reserved 20, 30 to 40, 1000 to max;
  reserved "gone", "too";
}
message Money { shop.money.Money real = 1; }
message Empty {}
service Orders {
  option deprecated = true;
  rpc Get(Order) returns (Empty);
  rpc Watch(stream Order) returns (stream shop.money.Money) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option deprecated = true;
  }
}
"#,
    ),
    (
        "shop/money.proto",
        r#"
syntax = "proto3";
package shop.money;
message Money { int64 units = 1; int32 nanos = 2; Currency currency = 3; }
enum Currency { EUR = 0; }
"#,
    ),
];

const OLD: &[(&str, &str)] = &[(
    "old.proto",
    r#"
syntax = "proto2";
message Old {
  required int32 id = 1;
  optional string text = 2 [default = "a \"quoted\" line\nand \\ more"];
  optional bytes raw = 3 [default = "\001\377x\""];
  optional double real = 4 [default = -1.5e10];
  optional float endless = 5 [default = inf];
  optional double none = 6 [default = nan];
  optional bool yes = 7 [default = true];
  optional Kind kind = 8 [default = B];
  optional sint64 least = 9 [default = -9223372036854775808];
  repeated group Part = 10 {
    optional int32 a = 1;
    map<string, int32> counts = 2;
    optional group Inner = 3 { optional Old back = 1; }
  }
  oneof choice {
    group Chosen = 11 { optional int32 b = 1; }
    int32 other = 12;
  }
  enum Kind { A = 1; B = 2; }
  extensions 100 to 199, 500, 1000 to max;
  extend Old { optional string nested_more = 100; }
  reserved 13 to 15;
}
message Set { option message_set_wire_format = true; extensions 4 to 536870911; }
message All { option message_set_wire_format = true; extensions 4 to max; }
extend Old {
  optional int32 more = 101 [deprecated = true];
  repeated string names = 102;
  optional group Grouped = 103 { optional int32 c = 1; }
}
message Uses { optional Old.Kind kind = 1; optional .Old old = 2; repeated int32 n = 3 [packed = true]; }
"#,
)];

/// Removes what a source does not determine: the order of a message's maps, groups and messages, and
/// options that the bindings do not know.
fn normalized(bytes: &[u8]) -> FileDescriptorSet {
    fn sort(messages: &mut [DescriptorProto]) {
        messages.sort_by(|one, other| one.name.cmp(&other.name));
        for message in messages {
            for field in &mut message.field {
                field.options.take_if(|options| *options == FieldOptions::default());
            }
            for range in &mut message.extension_range {
                range.options.take_if(|options| *options == ExtensionRangeOptions::default());
            }
            sort(&mut message.nested_type);
        }
    }
    let mut set = FileDescriptorSet::decode(bytes).unwrap();
    for file in &mut set.file {
        file.source_code_info = None;
        sort(&mut file.message_type);
    }
    set
}

/// Asserts equality, and reports only the first line that differs: sets are long.
fn assert_same(before: &[u8], after: &[u8]) {
    let (before, after) = (format!("{:#?}", normalized(before)), format!("{:#?}", normalized(after)));
    let differs = before.lines().zip(after.lines()).position(|(one, other)| one != other);
    if let Some(at) = differs {
        let around =
            |text: &str| text.lines().skip(at.saturating_sub(20)).take(30).collect::<Vec<_>>().join("\n");
        panic!("{}\n--- came back as\n{}", around(&before), around(&after));
    }
    assert_eq!(before.len(), after.len());
}

fn print(bytes: &[u8]) -> Vec<(String, String)> {
    protobuf::source_files(bytes).unwrap().into_iter().map(|file| (file.name, file.text)).collect()
}

fn round_trip(files: &[(&str, &str)]) -> String {
    let before = compile(files, false).unwrap();
    let printed = print(&before);
    let mut again: Vec<(&str, &str)> = printed.iter().map(|(name, text)| (&**name, &**text)).collect();
    again.extend(&files[1..]);
    let after = compile(&again, false).unwrap_or_else(|error| panic!("{error:?}\n{}", printed[0].1));
    assert_same(&before, &after);
    // with its imports
    let all = compile(files, true).unwrap();
    let shown_all = print(&all);
    let mut of_all: Vec<(&str, &str)> = shown_all.iter().map(|(name, text)| (&**name, &**text)).collect();
    of_all.rotate_right(1);
    assert_eq!(of_all[0].0, files[0].0, "the file itself is last");
    assert_same(&all, &compile(&of_all, true).unwrap());
    printed[0].1.clone()
}

#[test]
fn a_source_compiles_to_the_same_set() {
    let text = round_trip(EVERYTHING);
    for line in [
        "import public \"google/protobuf/timestamp.proto\";",
        "  map<string, Line> by_name = 3;",
        "    State own = 3;",
        "  optional string note = 5;",
        "  string odd_name = 11 [json_name = \"somethingElse\"];",
        "  reserved 20, 30 to 40, 1000 to max;",
        "  .google.protobuf.Timestamp at = 12;",
        "  rpc Get(Order) returns (Empty);",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
    }
    let text = round_trip(OLD);
    assert!(
        text.contains("repeated group Part = 10 {") && text.contains("extensions 100 to 199, 500"),
        "{text}"
    );
    round_trip(&[("m.proto", "syntax = \"proto3\"; message M {}")]);
}

#[test]
fn well_known_files_compile_to_the_same_set() {
    let uses = |file: &str| format!("syntax = \"proto3\";\nimport \"google/protobuf/{file}.proto\";\n");
    for file in ["descriptor", "any", "api", "struct", "type", "wrappers", "field_mask"] {
        let text = uses(file);
        round_trip(&[("m.proto", &text)]);
    }
}

#[test]
fn unprintable_sets_are_rejected() {
    let file = |edit: fn(&mut prost_types::FileDescriptorProto)| {
        let mut file =
            prost_types::FileDescriptorProto { name: Some("m.proto".into()), ..Default::default() };
        edit(&mut file);
        let result = protobuf::source_files(&FileDescriptorSet { file: vec![file] }.encode_to_vec());
        result.unwrap_err().to_string()
    };
    assert!(file(|file| file.syntax = Some("editions".into())).contains("not supported yet"));
    assert!(file(|file| file.package = Some("p".repeat(600))).contains("512"));
    let many = file(|file| {
        let empty = DescriptorProto { name: Some("M".into()), ..Default::default() };
        file.message_type = vec![empty; 20_000];
    });
    assert!(many.contains("too large"), "{many}");
    protobuf::source_files(&[0xff]).unwrap_err();
}

proptest! {
    /// The content of a set is arbitrary.
    #[test]
    fn any_set_is_printed_or_rejected(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        old in any::<bool>(),
    ) {
        let mut bytes = compile(if old { OLD } else { EVERYTHING }, true).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = protobuf::source_files(&bytes);
    }
}
