//! Families of `.proto` sources, as those of [`families`](super::families): what a compiler does with them
//! must grow linearly, or they are refused.

use crate::families::{Family, comma_separated};
use std::fmt::Display;

fn lines<T: Display>(n: usize, line: impl Fn(usize) -> T) -> String {
    (0..n).map(|number| format!("{}\n", line(number))).collect()
}

fn proto3(body: impl Display) -> String {
    format!("syntax = \"proto3\";\npackage p;\n{body}")
}

/// The type of a field for a variant of a family.
fn kind(v: &str) -> &'static str {
    if v == "int" { "int32" } else { "string" }
}

/// Extensions of the options of fields.
fn options(n: usize) -> String {
    format!(
        "syntax = \"proto2\";\npackage p;\nimport \"google/protobuf/descriptor.proto\";\n\
         extend google.protobuf.FieldOptions {{\n{}}}\n",
        lines(n, |i| format!("optional int32 o{i} = {};", 50_000 + i))
    )
}

pub(crate) const SOURCES: &[Family<String>] = &[
    ("fields", 3_000, |n, v| {
        let kind = kind(v);
        proto3(format!("message M {{\n{}}}", lines(n, |i| format!("{kind} f{i} = {};", i + 1))))
    }),
    ("fields with an option", 1_500, |n, v| {
        let field = |i| format!("{} f{i} = {} [deprecated = true];", kind(v), i + 1);
        proto3(format!("message M {{\n{}}}", lines(n, field)))
    }),
    ("fields with many options", 3_000, |n, v| {
        let option = |i| format!("(p.o{}) = {i}", i % 1_000);
        let field = format!("optional {} a = 1 [{}];", kind(v), comma_separated(n.min(1_000), option));
        format!("{}message M {{ {field} }}", options(1_000.max(n)))
    }),
    ("options of extensions", 800, |n, v| {
        let field = |i| format!("optional {} f{i} = {} [(o{i}) = {i}];", kind(v), i + 1);
        format!("{}message M {{\n{}}}", options(n), lines(n, field))
    }),
    ("extensions in the value of an option", 800, |n, v| {
        let extensions = lines(n, |i| format!("optional int32 e{i} = {};", i + 10));
        let values = comma_separated(n, |i| format!("[p.e{i}]: {i}"));
        format!(
            "syntax = \"proto2\";\npackage p;\nimport \"google/protobuf/descriptor.proto\";\n\
             message O {{ extensions 10 to max; }}\nextend O {{\n{extensions}}}\n\
             extend google.protobuf.MessageOptions {{ optional O o = 50000; }}\n\
             message M {{ option (o) = {{ {values} }}; optional {} a = 1; }}",
            kind(v)
        )
    }),
    ("a list in the value of an option", 15_000, |n, v| {
        format!(
            "syntax = \"proto2\";\npackage p;\nimport \"google/protobuf/descriptor.proto\";\n\
             message O {{ repeated int32 n = 1; }}\nextend google.protobuf.MessageOptions {{ optional O o = 50000; }}\n\
             message M {{ option (o) = {{ n: [{}] }}; optional {} a = 1; }}",
            comma_separated(n, |i| i % 100),
            kind(v)
        )
    }),
    ("unknown options", 1_500, |n, v| {
        let field = |i| format!("{} f{i} = {} [(none{i}) = 1];", kind(v), i + 1);
        proto3(format!("message M {{\n{}}}", lines(n, field)))
    }),
    ("unknown types", 3_000, |n, v| {
        proto3(format!("message M {{\n{}}}", lines(n, |i| format!("{v}.None f{i} = {};", i + 1))))
    }),
    ("relative names in a deep scope", 1_500, |n, v| {
        let package = vec!["a"; 200].join(".");
        let body = lines(n, |i| format!("T{} f{i} = {};", i % 100, i + 1));
        let types = lines(100, |i| format!("message T{i} {{ {} a = 1; }}", kind(v)));
        format!("syntax = \"proto3\";\npackage {package};\nmessage M {{\n{body}}}\n{types}")
    }),
    ("a long package", 15_000, |n, v| {
        let package = vec!["a"; n].join(".");
        format!("syntax = \"proto3\";\npackage {package};\nmessage M {{ {} a = 1; }}", kind(v))
    }),
    ("fields in a message of a long name", 3_000, |n, v| {
        let body = lines(n, |i| format!("{} f{i} = {};", kind(v), i + 1));
        proto3(format!("message {} {{\n{body}}}", "M".repeat(500)))
    }),
    ("a long name", 60_000, |n, v| proto3(format!("message {} {{ {} a = 1; }}", "M".repeat(n), kind(v)))),
    ("fields of long names", 20, |n, v| {
        let field = |i| format!("{} {}{i} = {};", kind(v), "f".repeat(3_000), i + 1);
        proto3(format!("message M {{\n{}}}", lines(n, field)))
    }),
    ("fields beside reserved numbers", 1_500, |n, v| {
        let body = lines(n, |i| format!("{} f{i} = {};", kind(v), 2 * i + 1));
        proto3(format!("message M {{\nreserved {};\n{body}}}", comma_separated(n, |i| 2 * i + 2)))
    }),
    ("reserved ranges that overlap", 1_000, |n, v| {
        let body = lines(n, |i| format!("{} f{i} = {};", kind(v), i + 1));
        proto3(format!(
            "message M {{\nreserved {};\n{body}}}",
            comma_separated(n, |i| format!("{} to 900000", i + 1))
        ))
    }),
    ("extensions and ranges", 600, |n, v| {
        let ranges = lines(n, |i| format!("extensions {};", 2 * i + 10));
        let fields = lines(n, |i| format!("optional {} e{i} = {};", kind(v), 2 * i + 10));
        format!("syntax = \"proto2\";\npackage p;\nmessage M {{\n{ranges}}}\nextend M {{\n{fields}}}")
    }),
    ("values of an enum in falling order", 4_000, |n, v| {
        let values = lines(n, |i| format!("V{i} = {};", n - i));
        proto3(format!("enum E {{\nZ = 0;\n{values}}}\nmessage M {{ E e = 1; {} a = 2; }}", kind(v)))
    }),
    ("defaults that are values of an enum", 1_000, |n, v| {
        let values = lines(n, |i| format!("V{i} = {i};"));
        let fields = lines(n, |i| format!("optional E f{i} = {} [default = V{}];", i + 2, n - 1));
        format!(
            "syntax = \"proto2\";\npackage p;\nenum E {{\n{values}}}\nmessage M {{\noptional {} a = 1;\n{fields}}}",
            kind(v)
        )
    }),
    ("messages", 1_500, |n, v| {
        let fields = lines(n, |i| format!("T{i} f{i} = {};", i + 1));
        let messages = lines(n, |i| format!("message T{i} {{ {} a = 1; }}", kind(v)));
        proto3(format!("message M {{\n{fields}}}\n{messages}"))
    }),
    ("nested messages", 24, |n, v| {
        let inner = format!("{} a = 1;", kind(v));
        proto3((0..n).fold(inner, |inner, _| format!("message M {{ {inner} }}")))
    }),
    ("maps", 1_500, |n, v| {
        let field = |i| format!("map<string, {}> f{i} = {};", kind(v), i + 1);
        proto3(format!("message M {{\n{}}}", lines(n, field)))
    }),
    ("oneofs", 1_500, |n, v| {
        let oneof = |i| format!("oneof o{i} {{ {} f{i} = {}; }}", kind(v), i + 1);
        proto3(format!("message M {{\n{}}}", lines(n, oneof)))
    }),
    ("methods", 1_500, |n, v| {
        let methods = lines(n, |i| format!("rpc R{i} (M) returns (stream M);"));
        proto3(format!("message M {{ {} a = 1; }}\nservice S {{\n{methods}}}", kind(v)))
    }),
    ("files that import each other publicly", 10, |n, v| {
        let file = |i: usize| {
            let imports = lines(i, |k| format!("import public \"f{k}.proto\";"));
            let field = if i == 0 { "int32 b = 2;".to_owned() } else { "M0 b = 2;".to_owned() };
            format!(
                "// f{i}.proto\nsyntax = \"proto3\";\n{imports}message M{i} {{ {} a = 1; {field} }}\n",
                kind(v)
            )
        };
        (0..n).rev().map(file).collect()
    }),
    ("files in a chain", 50, |n, v| {
        let file = |i: usize| {
            let import = if i == 0 { String::new() } else { format!("import \"f{}.proto\";\n", i - 1) };
            format!("// f{i}.proto\nsyntax = \"proto3\";\n{import}message M{i} {{ {} a = 1; }}\n", kind(v))
        };
        (0..n).rev().map(file).collect()
    }),
    ("comments", 6_000, |n, v| {
        let comments = lines(n, |i| format!("// {i}\n"));
        proto3(format!("message M {{\n{comments} {} a = 1; }}", kind(v)))
    }),
    ("text in parts", 10_000, |n, v| {
        let parts = lines(n, |_| "\"ab\"");
        format!(
            "syntax = \"proto2\";\npackage p;\nmessage M {{ optional string a = 1 [default = {parts}]; optional {} b = 2; }}",
            kind(v)
        )
    }),
    ("one name twice", 3_000, |n, v| {
        proto3(format!("message M {{\n{}}}", lines(n, |i| format!("{} f = {};", kind(v), i + 1))))
    }),
    ("what is no source", 10_000, |n, v| {
        proto3(format!("message M {{\n{}}}", lines(n, |_| format!("? {v}"))))
    }),
    ("features", 1_500, |n, v| {
        let field = |i| format!("{} f{i} = {} [features.field_presence = IMPLICIT];", kind(v), i + 1);
        format!("edition = \"2023\";\npackage p;\nmessage M {{\n{}}}", lines(n, field))
    }),
];
