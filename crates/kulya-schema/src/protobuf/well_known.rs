//! The well-known types, for sets that were created without their imports: Java's clients send only a
//! message's own file (contract §5.2), and a timestamp in it must not make the schema invalid. A set's own
//! declarations take precedence.
//!
//! Source: the `.proto` files of package `google.protobuf`, which have been frozen for years.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, OneofDescriptorProto,
};

/// Returns one file with all of them.
pub(super) fn file() -> FileDescriptorProto {
    let wrappers = [
        ("BoolValue", Type::Bool),
        ("BytesValue", Type::Bytes),
        ("DoubleValue", Type::Double),
        ("FloatValue", Type::Float),
        ("Int32Value", Type::Int32),
        ("Int64Value", Type::Int64),
        ("StringValue", Type::String),
        ("UInt32Value", Type::Uint32),
        ("UInt64Value", Type::Uint64),
    ];
    let since = |name| message(name, vec![field("seconds", 1, Type::Int64), field("nanos", 2, Type::Int32)]);
    let mut messages = vec![
        message("Any", vec![field("type_url", 1, Type::String), field("value", 2, Type::Bytes)]),
        message("Empty", Vec::new()),
        message("FieldMask", vec![repeated(field("paths", 1, Type::String))]),
        message("ListValue", vec![repeated(reference("values", 1, Type::Message, "Value"))]),
        since("Duration"),
        since("Timestamp"),
        structure(),
        value(),
    ];
    messages.extend(wrappers.map(|(name, kind)| message(name, vec![field("value", 1, kind)])));
    let null = EnumValueDescriptorProto {
        name: Some("NULL_VALUE".to_owned()),
        number: Some(0),
        ..EnumValueDescriptorProto::default()
    };
    FileDescriptorProto {
        package: Some("google.protobuf".to_owned()),
        message_type: messages,
        enum_type: vec![EnumDescriptorProto {
            name: Some("NullValue".to_owned()),
            value: vec![null],
            ..EnumDescriptorProto::default()
        }],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

fn structure() -> DescriptorProto {
    let entry = DescriptorProto {
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..message(
            "FieldsEntry",
            vec![field("key", 1, Type::String), reference("value", 2, Type::Message, "Value")],
        )
    };
    DescriptorProto {
        nested_type: vec![entry],
        ..message("Struct", vec![repeated(reference("fields", 1, Type::Message, "Struct.FieldsEntry"))])
    }
}

fn value() -> DescriptorProto {
    let kinds = vec![
        reference("null_value", 1, Type::Enum, "NullValue"),
        field("number_value", 2, Type::Double),
        field("string_value", 3, Type::String),
        field("bool_value", 4, Type::Bool),
        reference("struct_value", 5, Type::Message, "Struct"),
        reference("list_value", 6, Type::Message, "ListValue"),
    ];
    let in_oneof = |field| FieldDescriptorProto { oneof_index: Some(0), ..field };
    DescriptorProto {
        oneof_decl: vec![OneofDescriptorProto { name: Some("kind".to_owned()), options: None }],
        ..message("Value", kinds.into_iter().map(in_oneof).collect())
    }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field, ..DescriptorProto::default() }
}

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        ..FieldDescriptorProto::default()
    }
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field }
}

fn reference(name: &str, number: i32, kind: Type, to: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(format!(".google.protobuf.{to}")), ..field(name, number, kind) }
}
