//! Protobuf: the bytes of the Java client, typed and dynamic messages, evolution, padding, and invalid
//! descriptor sets.

use crate::{config, java, registry};
use kulya_codec::codec::{Codec, Gzip, NoCodec, Snappy};
use kulya_codec::protobuf::{DynamicMessage, Message, Name, Value, message_descriptor};
use kulya_codec::{Deserializer, Serializer, SerializerConfig};
use kulya_schema::{Format, GroupId, SchemaInfo};
use proptest::prelude::*;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use std::sync::Arc;

#[derive(Clone, PartialEq, Message)]
struct PUser {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    age: i32,
}

impl Name for PUser {
    const NAME: &'static str = "PUser";
    const PACKAGE: &'static str = "feas";
}

/// A message of the same name, with a field that the writer does not have.
#[derive(Clone, PartialEq, Message)]
struct Newer {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "3")]
    vip: bool,
}

impl Name for Newer {
    const NAME: &'static str = "PUser";
    const PACKAGE: &'static str = "feas";
}

fn field(name: &str, number: i32, r#type: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(r#type.into()),
        ..FieldDescriptorProto::default()
    }
}

fn file(name: &str, message: &str, fields: Vec<FieldDescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.into()),
        package: Some("feas".into()),
        syntax: Some("proto3".into()),
        message_type: vec![DescriptorProto {
            name: Some(message.into()),
            field: fields,
            ..DescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    }
}

fn set(type_name: &str, file: Vec<FileDescriptorProto>) -> SchemaInfo {
    SchemaInfo::new(type_name, Format::Protobuf, FileDescriptorSet { file }.encode_to_vec())
}

/// The schema of the Java client's Protobuf events.
pub(crate) fn user() -> SchemaInfo {
    let fields = vec![field("name", 1, Type::String), field("age", 2, Type::Int32)];
    set("feas.PUser", vec![file("user.proto", "PUser", fields)])
}

fn alice() -> PUser {
    PUser { name: "alice".into(), age: 42 }
}

async fn writer(
    registry: &Arc<dyn kulya_registry_api::SchemaRegistry>,
    schema: SchemaInfo,
    codec: impl Codec,
) -> Serializer {
    let config = config(&GroupId::new("s", "t"), &Format::Protobuf).codec(codec);
    Serializer::new(Arc::clone(registry), schema, config).await.unwrap()
}

#[tokio::test]
async fn typed_and_dynamic_events_are_compatible_with_the_java_client() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let plain = writer(&registry, user(), NoCodec).await;
    let gzip = writer(&registry, user(), Gzip).await;
    let snappy = writer(&registry, user(), Snappy).await;
    let mut dynamic = DynamicMessage::new(plain.message_descriptor().unwrap().clone());
    dynamic.set_field_by_name("name", Value::String("alice".into()));
    dynamic.set_field_by_name("age", Value::I32(42));
    assert_eq!(plain.serialize_message(&alice()).unwrap(), java("proto", "none"));
    assert_eq!(plain.serialize_dynamic(&dynamic).unwrap(), java("proto", "none"));

    let reader = Deserializer::new(registry, group);
    for event in [
        gzip.serialize_message(&alice()).unwrap().to_vec(),
        snappy.serialize_dynamic(&dynamic).unwrap().to_vec(),
        java("proto", "none"),
        java("proto", "gzip"),
        java("proto", "snappy"),
        [java("proto", "none"), vec![0; 100]].concat(),
    ] {
        assert_eq!(reader.deserialize_message::<PUser>(&event).await.unwrap(), alice());
        let read = reader.deserialize_dynamic(&event).await.unwrap();
        assert_eq!(read.to_string(), dynamic.to_string());
    }
}

#[tokio::test]
async fn a_trailing_zero_byte_of_a_message_is_not_padding() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let plain = writer(&registry, user(), NoCodec).await;
    let reader = Deserializer::new(registry, group);
    for name in ["\0", "alice\0\0"] {
        let user = PUser { name: name.into(), age: 0 };
        let mut event = plain.serialize_message(&user).unwrap().to_vec();
        assert_eq!(event.last(), Some(&0));
        event.extend_from_slice(&[0; 9]);
        assert_eq!(reader.deserialize_message::<PUser>(&event).await.unwrap(), user);
    }
    let empty = plain.serialize_message(&PUser::default()).unwrap();
    assert_eq!(reader.deserialize_message::<PUser>(&empty).await.unwrap(), PUser::default());
    let corrupt = [java("proto", "none"), vec![0, 0, 1]].concat();
    reader.deserialize_message::<PUser>(&corrupt).await.unwrap_err();
}

#[tokio::test]
async fn messages_evolve_by_field_number() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let old = writer(&registry, user(), NoCodec).await.serialize_message(&alice()).unwrap();
    let fields = vec![field("full_name", 1, Type::String), field("vip", 3, Type::Bool)];
    let newer = set("", vec![file("user.proto", "PUser", fields)]);
    let new = writer(&registry, newer.clone(), NoCodec).await;
    assert_eq!(new.version().version, 1);
    let new = new.serialize_message(&Newer { name: "bob".into(), vip: true }).unwrap();

    let typed = Deserializer::new(Arc::clone(&registry), group.clone());
    let decoded: Newer = typed.deserialize_message(&old).await.unwrap();
    assert_eq!(decoded, Newer { name: "alice".into(), vip: false });
    let decoded: PUser = typed.deserialize_message(&new).await.unwrap();
    assert_eq!(decoded, PUser { name: "bob".into(), age: 0 });

    let by_newer = Deserializer::new(registry, group).reader_schema(&newer).unwrap();
    let decoded = by_newer.deserialize_dynamic(&old).await.unwrap();
    assert_eq!(decoded.get_field_by_name("full_name").unwrap().as_str(), Some("alice"));
    assert_eq!(decoded.get_field_by_name("vip").unwrap().as_bool(), Some(false));
    assert_eq!(
        decoded.encode_to_vec(),
        alice().encode_to_vec(),
        "the field that only the writer has is kept"
    );
}

#[tokio::test]
async fn another_message_is_rejected_by_name() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let other = set("feas.Order", vec![file("order.proto", "Order", vec![field("id", 1, Type::String)])]);
    let writer = writer(&registry, other, NoCodec).await;
    let error = writer.serialize_message(&alice()).unwrap_err().to_string();
    assert!(error.contains("feas.Order") && error.contains("feas.PUser"), "{error}");
    let order = DynamicMessage::new(writer.message_descriptor().unwrap().clone());
    let event = writer.serialize_dynamic(&order).unwrap();
    let reader = Deserializer::new(registry, group).reader_schema(&user()).unwrap();
    for error in [
        reader.deserialize_message::<PUser>(&event).await.unwrap_err().to_string(),
        reader.deserialize_dynamic(&event).await.unwrap_err().to_string(),
    ] {
        assert!(error.contains("feas.Order") && error.contains("feas.PUser"), "{error}");
    }
}

#[tokio::test]
async fn without_a_header_the_event_is_the_message() {
    let registry = registry().await;
    let config = config(&GroupId::new("s", "t"), &Format::Protobuf).without_header();
    let writer = Serializer::new(Arc::clone(&registry), user(), config).await.unwrap();
    let event = writer.serialize_message(&alice()).unwrap();
    assert_eq!((&event[..], writer.encoding_id()), (&java("proto", "none")[5..], None));
    // Flink's padding is there without a header too
    let event = [&event[..], &[0; 50]].concat();
    let reader = Deserializer::without_header(user()).unwrap();
    assert_eq!(reader.deserialize_message::<PUser>(&event).await.unwrap(), alice());
    assert_eq!(reader.deserialize_dynamic(&event).await.unwrap().transcode_to::<PUser>().unwrap(), alice());

    let config = SerializerConfig::new(GroupId::new("s", "t")).without_header().codec(Gzip);
    let error = Serializer::new(Arc::clone(&registry), user(), config).await.err().unwrap().to_string();
    assert!(error.contains("need a header") && error.contains(Gzip::NAME), "{error}");
}

/// Java derives a descriptor set from a generated class only, without its imports.
#[tokio::test]
async fn typed_messages_need_no_complete_descriptor_set() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let mut alone = file("user.proto", "PUser", vec![field("name", 1, Type::String)]);
    alone.dependency = vec!["elsewhere.proto".into()];
    let writer = writer(&registry, set("feas.PUser", vec![alone]), NoCodec).await;
    let event = writer.serialize_message(&alice()).unwrap();
    let reader = Deserializer::new(registry, group);
    assert_eq!(reader.deserialize_message::<PUser>(&event).await.unwrap(), alice());
    let error = reader.deserialize_dynamic(&event).await.unwrap_err().to_string();
    assert!(error.contains("elsewhere.proto"), "{error}");
    assert!(writer.message_descriptor().unwrap_err().to_string().contains("feas.PUser"));

    // well-known types need not be in the set
    let mut timed = file("timed.proto", "Timed", vec![field("at", 1, Type::Message)]);
    timed.message_type[0].field[0].type_name = Some(".google.protobuf.Timestamp".into());
    timed.dependency = vec!["google/protobuf/timestamp.proto".into()];
    message_descriptor(&set("feas.Timed", vec![timed])).unwrap();
}

#[test]
fn cyclic_and_exponential_imports_terminate() {
    let named = |name: &str, imports: Vec<String>| FileDescriptorProto {
        public_dependency: (0..imports.len() as i32).collect(),
        dependency: imports,
        ..file(name, &name.replace(['.', '/'], "_"), vec![field("id", 1, Type::String)])
    };
    let cycle = ["a", "b", "c"].map(|name| named(name, ["a", "b", "c"].map(String::from).to_vec()));
    message_descriptor(&set("feas.a", cycle.to_vec())).unwrap();
    // each of forty layers imports both files of the next: 2^40 paths
    let layers = (0..40).flat_map(|layer| ["l", "r"].map(|side| (layer, side)));
    let layers = layers.map(|(layer, side)| {
        let next =
            if layer == 39 { Vec::new() } else { vec![format!("l{}", layer + 1), format!("r{}", layer + 1)] };
        named(&format!("{side}{layer}"), next)
    });
    message_descriptor(&set("feas.l0", layers.collect())).unwrap();
    let many = (0..501).map(|n| named(&format!("f{n}"), Vec::new()));
    assert!(
        message_descriptor(&set("feas.f0", many.collect())).unwrap_err().to_string().contains("500 files")
    );
}

/// A descriptor set with an enum, a map, a oneof, a nested message, an import, options.
fn rich() -> SchemaInfo {
    use prost_types::{EnumDescriptorProto, EnumValueDescriptorProto, MessageOptions, OneofDescriptorProto};
    let mut rich = file("rich.proto", "PUser", vec![field("name", 1, Type::String)]);
    rich.dependency = vec!["google/protobuf/timestamp.proto".into()];
    rich.enum_type = vec![EnumDescriptorProto {
        name: Some("Kind".into()),
        value: vec![EnumValueDescriptorProto { name: Some("NONE".into()), number: Some(0), options: None }],
        ..EnumDescriptorProto::default()
    }];
    let user = &mut rich.message_type[0];
    let of = |field: FieldDescriptorProto, name: &str| FieldDescriptorProto {
        type_name: Some(name.into()),
        ..field
    };
    let mut map = of(field("map", 3, Type::Message), ".feas.PUser.MapEntry");
    map.label = Some(Label::Repeated.into());
    let mut kind = of(field("kind", 4, Type::Enum), ".feas.Kind");
    kind.oneof_index = Some(0);
    user.field.extend([of(field("at", 2, Type::Message), ".google.protobuf.Timestamp"), map, kind]);
    user.oneof_decl = vec![OneofDescriptorProto { name: Some("one".into()), options: None }];
    user.nested_type = vec![DescriptorProto {
        name: Some("MapEntry".into()),
        field: vec![field("key", 1, Type::String), field("value", 2, Type::Int64)],
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..DescriptorProto::default()
    }];
    set("feas.PUser", vec![rich])
}

#[test]
fn sanitizing_keeps_what_payloads_need() {
    let message = message_descriptor(&rich()).unwrap();
    let payload = b"\x0a\x05alice\x12\x02\x08\x01\x1a\x05\x0a\x01a\x10\x02\x20\x00";
    let read = DynamicMessage::decode(message, &payload[..]).unwrap();
    assert_eq!(read.to_string(), r#"name:"alice",at{seconds:1},map:[{key:"a",value:2}],kind:NONE"#);
}

/// Sets on which the library panics are rejected before, so that no panics are logged.
#[test]
fn invalid_sets_are_rejected() {
    let user = || file("user.proto", "PUser", vec![field("name", 1, Type::String)]);
    let mut newer = user();
    newer.syntax = Some("editions".into());
    assert!(
        message_descriptor(&set("feas.PUser", vec![newer])).unwrap_err().to_string().contains("editions")
    );
    let mut older = user();
    older.syntax = Some(String::new());
    message_descriptor(&set("feas.PUser", vec![older])).unwrap();
    let mut entry = user();
    entry.message_type[0].options =
        Some(prost_types::MessageOptions { map_entry: Some(true), ..prost_types::MessageOptions::default() });
    assert!(
        message_descriptor(&set("feas.PUser", vec![entry]))
            .unwrap_err()
            .to_string()
            .contains("not a valid map entry")
    );
    message_descriptor(&set("feas.PUser", vec![user(), user()])).unwrap_err();
    message_descriptor(&set("feas.Other", vec![user()])).unwrap_err();
}

proptest! {
    #[test]
    fn an_arbitrary_set_is_decoded_or_rejected(bytes: Vec<u8>) {
        let _ = message_descriptor(&SchemaInfo::new("feas.PUser", Format::Protobuf, bytes));
    }

    #[test]
    fn a_corrupt_set_is_decoded_or_rejected(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut schema = rich();
        for (at, byte) in changes {
            let at = at.index(schema.data.len());
            schema.data[at] = byte;
        }
        if let Ok(message) = message_descriptor(&schema) {
            let _ = DynamicMessage::decode(message, &b"\x0a\x05alice\x12\x02\x08\x01\x1a\x00\x20\x01"[..]);
        }
    }

    #[test]
    fn an_arbitrary_payload_is_decoded_or_rejected(bytes: Vec<u8>, zeros in 0..9usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let reader = Deserializer::without_header(user()).unwrap();
        let event = [&bytes[..], &vec![0; zeros]].concat();
        let typed = runtime.block_on(reader.deserialize_message::<PUser>(&event));
        let dynamic = runtime.block_on(reader.deserialize_dynamic(&event));
        prop_assert_eq!(typed.is_ok(), dynamic.is_ok());
        if let (Ok(typed), Ok(dynamic)) = (typed, dynamic) {
            prop_assert_eq!(dynamic.transcode_to::<PUser>().unwrap(), typed);
        }
    }

    #[test]
    fn messages_round_trip_with_any_number_of_trailing_zeros(name: String, age: i32, zeros in 0..9usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let reader = Deserializer::without_header(user()).unwrap();
        let user = PUser { name, age };
        let event = [user.encode_to_vec(), vec![0; zeros]].concat();
        prop_assert_eq!(runtime.block_on(reader.deserialize_message::<PUser>(&event)).unwrap(), user);
    }
}
