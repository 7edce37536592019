//! One deserializer for all formats, custom formats, and encrypted events.

use crate::{USER, alice, config, java, protobuf, registry, schema};
use kulya_codec::codec::{
    Codec, Codecs, Encrypted, Gzip, KEY_BYTES, Key, KeyProvider, Keyring, MAX_DECODED_BYTES, NONCE_BYTES,
    NonceSource,
};
use kulya_codec::{CodecError, CustomError, CustomFormat, Deserializer, Serializer, SerializerConfig, Value};
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use serde_json::json;
use std::sync::Arc;

/// A custom format: numbers as text, in the base that the schema names.
struct Digits;

impl CustomFormat for Digits {
    type Value = u32;

    fn name(&self) -> &str {
        "digits"
    }

    fn encode(&self, schema: &SchemaInfo, value: &u32) -> Result<Vec<u8>, CustomError> {
        match &schema.data[..] {
            b"hex" => Ok(format!("{value:x}").into_bytes()),
            b"huge" => Ok(vec![b'0'; MAX_DECODED_BYTES + *value as usize]),
            b"decimal" => Ok(value.to_string().into_bytes()),
            _ => Err("no such base".into()),
        }
    }

    fn decode(&self, writer: &SchemaInfo, payload: &[u8]) -> Result<u32, CustomError> {
        let radix = if writer.data == b"hex" { 16 } else { 10 };
        let text = std::str::from_utf8(payload)?.trim_end_matches('\0');
        Ok(u32::from_str_radix(text, radix)?)
    }
}

fn digits(base: &str) -> SchemaInfo {
    SchemaInfo::new("number", Format::Custom("digits".into()), base)
}

async fn writer(
    registry: &Arc<dyn SchemaRegistry>,
    schema: SchemaInfo,
    config: SerializerConfig,
) -> Serializer {
    Serializer::new(Arc::clone(registry), schema, config.register_schema()).await.unwrap()
}

#[tokio::test]
async fn a_custom_format_with_and_without_a_header() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let any = || config(&group, &Format::Any);
    let hex = writer(&registry, digits("hex"), any().codec(Gzip)).await;
    let decimal = writer(&registry, digits("decimal"), any()).await;
    let reader = Deserializer::new(Arc::clone(&registry), group.clone());
    for writer in [&hex, &decimal] {
        let event = writer.serialize_custom(&Digits, &258).unwrap();
        assert_eq!(reader.deserialize_custom(&Digits, &event).await.unwrap(), 258);
    }
    let bare = writer(&registry, digits("hex"), any().without_header()).await;
    let event = bare.serialize_custom(&Digits, &258).unwrap();
    assert_eq!(&event[..], b"102");
    let reader = Deserializer::without_header(digits("hex")).unwrap();
    assert_eq!(reader.deserialize_custom(&Digits, &event).await.unwrap(), 258);

    let error = reader.deserialize_custom(&Digits, b"word").await.unwrap_err().to_string();
    assert!(error.contains("number"), "{error}");
    let octal = writer(&registry, digits("octal"), any()).await;
    assert!(octal.serialize_custom(&Digits, &1).unwrap_err().to_string().contains("no such base"));
    let json = writer(&registry, schema(&Format::Json), any()).await;
    let error = json.serialize_custom(&Digits, &1).unwrap_err().to_string();
    assert!(error.contains("Json") && error.contains("digits"), "{error}");
}

#[tokio::test]
async fn a_payload_above_the_limit_is_not_written() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let huge = writer(&registry, digits("huge"), config(&group, &Format::Any)).await;
    let largest = huge.serialize_custom(&Digits, &0).unwrap();
    assert_eq!(Deserializer::new(registry, group).deserialize_custom(&Digits, &largest).await.unwrap(), 0);
    let error = huge.serialize_custom(&Digits, &1).unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
}

#[tokio::test]
async fn one_deserializer_reads_all_formats_with_their_schemas() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let any = || config(&group, &Format::Any);
    let avro = writer(&registry, schema(&Format::Avro), any()).await.serialize(&alice()).unwrap();
    let json = writer(&registry, schema(&Format::Json), any()).await.serialize(&alice()).unwrap();
    let proto = writer(&registry, protobuf::user(), any()).await;
    let proto = [&kulya_codec::header::encode(proto.encoding_id().unwrap())[..], &java("proto", "none")[5..]];
    let custom = writer(&registry, digits("hex"), any()).await.serialize_custom(&Digits, &258).unwrap();

    let newer = USER.replace(r#""fields":["#, r#""fields":[{"name":"vip","type":"boolean","default":true},"#);
    let newer = SchemaInfo::new("", Format::Avro, newer);
    let reader = Deserializer::new(registry, group).reader_schema(&newer).unwrap();
    let reader = reader.reader_schema(&protobuf::user()).unwrap();
    let mut values = Vec::new();
    for event in [&avro[..], &json, &proto.concat(), &custom] {
        let read = reader.deserialize_any(event).await.unwrap();
        let value = match read.value {
            Value::Avro(value) => apache_avro_json(value),
            Value::Json(value) => value.to_string(),
            Value::Protobuf(message) => message.to_string(),
            Value::Custom(payload) => String::from_utf8(payload).unwrap(),
            other => panic!("{other:?}"),
        };
        values.push(format!("{} {}: {value}", read.encoding.version.format, read.encoding.version.type_name));
    }
    assert_eq!(
        values,
        [
            r#"Avro feas.User: {"vip":true,"name":"alice","age":42}"#,
            r#"Json : {"name":"alice","age":42}"#,
            r#"Protobuf feas.PUser: name:"alice",age:42"#,
            "digits number: 102",
        ]
    );

    let error = reader.deserialize::<serde_json::Value>(&proto.concat()).await.unwrap_err().to_string();
    assert_eq!(error, "schema feas.PUser is Protobuf, not Avro or Json");
    let error = reader.deserialize_dynamic(&avro).await.unwrap_err().to_string();
    assert_eq!(error, "schema feas.User is Avro, not Protobuf");
    for wrong in [schema(&Format::Json), digits("hex")] {
        let error = Deserializer::without_header(schema(&Format::Json)).unwrap().reader_schema(&wrong);
        assert!(error.err().unwrap().to_string().contains("no reader schemas"));
    }
}

fn apache_avro_json(value: kulya_codec::AvroValue) -> String {
    serde_json::Value::try_from(value).unwrap().to_string()
}

#[tokio::test]
async fn json_works_without_a_header_and_avro_does_not() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let config = config(&group, &Format::Any).without_header();
    let writer = writer(&registry, schema(&Format::Json), config).await;
    let event = writer.serialize(&json!({ "a": 1 })).unwrap();
    assert_eq!(&event[..], br#"{"a":1}"#);
    let reader = Deserializer::without_header(schema(&Format::Json)).unwrap();
    assert_eq!(reader.deserialize::<serde_json::Value>(&event).await.unwrap(), json!({ "a": 1 }));
    let avro = Serializer::new(
        Arc::clone(&registry),
        schema(&Format::Avro),
        SerializerConfig::new(group.clone()).without_header(),
    );
    assert!(avro.await.err().unwrap().to_string().contains("writer's schema"));
    assert!(Deserializer::without_header(schema(&Format::Avro)).is_err());
}

#[tokio::test]
async fn encrypted_events_need_the_key_and_survive_key_rotation() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let keys = Arc::new(Keyring::new("one", Key::new([1; KEY_BYTES])));
    let provider: Arc<dyn KeyProvider> = Arc::<Keyring>::clone(&keys);
    let nonces: Arc<dyn NonceSource> = Arc::new(|| [5; NONCE_BYTES]);
    let codec = Encrypted::new(Gzip, Arc::clone(&provider), Arc::clone(&nonces));
    let config = config(&group, &Format::Avro).codec(codec);
    let writer = writer(&registry, schema(&Format::Avro), config).await;
    let old = writer.serialize(&alice()).unwrap();
    keys.rotate("two", Key::new([2; KEY_BYTES])).unwrap();
    let new = writer.serialize(&alice()).unwrap();
    assert_eq!(old[..5], new[..5], "the encoding stays the same");

    let reader = Deserializer::new(Arc::clone(&registry), group.clone());
    let error = reader.deserialize::<crate::User>(&old).await.unwrap_err().to_string();
    assert!(error.contains(Encrypted::NAME) && error.contains("no keys"), "{error}");
    let reader = reader.codecs(Codecs::default().with_keys(&provider, &nonces));
    for event in [&old, &new] {
        assert_eq!(reader.deserialize::<crate::User>(event).await.unwrap(), alice());
    }
    let new_only: Arc<dyn KeyProvider> = Arc::new(Keyring::new("two", Key::new([2; KEY_BYTES])));
    let reader = Deserializer::new(registry, group).codecs(Codecs::default().with_keys(&new_only, &nonces));
    assert_eq!(reader.deserialize::<crate::User>(&new).await.unwrap(), alice());
    let error = reader.deserialize::<crate::User>(&old).await.unwrap_err();
    assert!(matches!(&error, CodecError::Key(why) if why.contains("\"one\"")), "{error}");
}

#[tokio::test]
async fn check_fails_when_the_group_cannot_be_read() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let avro = |fields: &str| {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        SchemaInfo::new("R", Format::Avro, text)
    };
    let written = avro(r#"{"name":"a","type":"int"}"#);
    let properties = GroupProperties::new(Format::Avro, Compatibility::Backward, false);
    registry.create_group(&group, properties).await.unwrap();
    registry.add_schema(&group, written.clone()).await.unwrap();
    let reader = |schema: &SchemaInfo| {
        Deserializer::new(Arc::clone(&registry), group.clone()).reader_schema(schema).unwrap()
    };
    reader(&written).check().await.unwrap();
    let wants_more = avro(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#);
    let error = reader(&wants_more).check().await.unwrap_err();
    assert!(matches!(&error, CodecError::Schema(why) if why.contains("\"R\" may not read")), "{error}");

    let keys: Arc<dyn KeyProvider> = Arc::new(Keyring::new("one", Key::new([1; KEY_BYTES])));
    let nonces: Arc<dyn NonceSource> = Arc::new(|| [5; NONCE_BYTES]);
    let encrypted = Encrypted::new(Gzip, Arc::clone(&keys), Arc::clone(&nonces));
    registry.add_codec_type(&group, encrypted.codec_type()).await.unwrap();
    let error = reader(&written).check().await.unwrap_err();
    assert!(matches!(&error, CodecError::Codec(why) if why.contains("given no keys")), "{error}");
    reader(&written).codecs(Codecs::default().with_keys(&keys, &nonces)).check().await.unwrap();
    Deserializer::without_header(digits("hex")).unwrap().check().await.unwrap();
    let nowhere = Deserializer::new(Arc::clone(&registry), GroupId::new("s", "nowhere")).check().await;
    assert!(matches!(nowhere, Err(CodecError::Registry(_))), "{nowhere:?}");
}

#[derive(Debug, PartialEq, apache_avro::AvroSchema, serde::Serialize, serde::Deserialize)]
#[avro(namespace = "shop")]
struct Order {
    id: i64,
    note: Option<String>,
    lines: Vec<OrderLine>,
}

#[derive(Debug, PartialEq, apache_avro::AvroSchema, serde::Serialize, serde::Deserialize)]
struct OrderLine {
    article: String,
    count: i32,
}

#[tokio::test]
async fn type_is_its_own_schema() {
    let (registry, group) = (registry().await, GroupId::new("s", "orders"));
    let schema = kulya_codec::schema_of::<Order>().unwrap();
    assert_eq!(schema.type_name, "shop.Order");
    let writer =
        Serializer::new(Arc::clone(&registry), schema.clone(), config(&group, &Format::Avro)).await.unwrap();
    assert_eq!(writer.version().type_name, "shop.Order");
    let lines = vec![OrderLine { article: "tea".into(), count: 2 }];
    for order in
        [Order { id: 1, note: None, lines: Vec::new() }, Order { id: 2, note: Some("now".into()), lines }]
    {
        let event = writer.serialize(&order).unwrap();
        let reader = Deserializer::new(Arc::clone(&registry), group.clone()).reader_schema(&schema).unwrap();
        assert_eq!(reader.deserialize::<Order>(&event).await.unwrap(), order);
    }
}
