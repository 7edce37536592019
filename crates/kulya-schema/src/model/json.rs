//! The JSON shapes of the registry contract (REST v1, §1.2): member names and order, omitted nulls, base64. One set
//! serves the REST face, the client and the records that the registry keeps.

use super::{
    CodecType, Compatibility, EncodingId, EncodingInfo, Format, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, Side, VersionInfo,
};
use crate::protobuf;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FormatShape {
    serialization_format: String,
    full_type_name: Option<String>,
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown<'a> {
            serialization_format: &'a str,
            full_type_name: &'a str,
        }
        let kind = if let Self::Custom(_) = self { "Custom" } else { self.full_name() };
        Shown { serialization_format: kind, full_type_name: self.full_name() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = FormatShape::deserialize(deserializer)?;
        // a built-in's own name is ours to know; what the request says is ignored (contract §2)
        Ok(match shape.serialization_format.as_str() {
            "Avro" => Self::Avro,
            "Protobuf" => Self::Protobuf,
            "Json" => Self::Json,
            "Any" => Self::Any,
            "Custom" => Self::Custom(
                shape.full_type_name.ok_or_else(|| D::Error::custom("Custom name not supplied"))?,
            ),
            other => {
                let known = "serializationFormat Avro, Protobuf, Json, Any or Custom";
                return Err(D::Error::invalid_value(Unexpected::Str(other), &known));
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
struct CompatibilityShape {
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advanced: Option<AdvancedShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdvancedShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    backward_policy: Option<BackwardShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_policy: Option<ForwardShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BackwardShape {
    backward_policy: SideShape,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForwardShape {
    forward_policy: SideShape,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SideShape {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<VersionInfo>,
}

/// A side's three names begin with "Backward" or "Forward".
fn side_shape(word: &str, side: &Side) -> SideShape {
    let (ending, version_info) = match side {
        Side::Latest => ("", None),
        Side::Transitive => ("Transitive", None),
        Side::Till(version) => ("Till", Some(version.clone())),
    };
    SideShape { name: format!("{word}{ending}"), version_info }
}

fn side<E: serde::de::Error>(word: &str, shape: SideShape) -> Result<Side, E> {
    match (shape.name.strip_prefix(word), shape.version_info) {
        (Some(""), _) => Ok(Side::Latest),
        (Some("Transitive"), _) => Ok(Side::Transitive),
        (Some("Till"), Some(version)) => Ok(Side::Till(version)),
        (Some("Till"), None) => Err(E::custom(format!("{word}Till needs a versionInfo"))),
        _ => Err(E::custom(format!(
            "unknown policy name {:?}: expected {word}, {word}Transitive or {word}Till",
            shape.name
        ))),
    }
}

impl Compatibility {
    /// The policy's name, as in the contract.
    pub fn policy(&self) -> &'static str {
        match self {
            Self::AllowAny => "AllowAny",
            Self::DenyAll => "DenyAll",
            Self::Backward => "Backward",
            Self::Forward => "Forward",
            Self::BackwardTransitive => "BackwardTransitive",
            Self::ForwardTransitive => "ForwardTransitive",
            Self::Full => "Full",
            Self::FullTransitive => "FullTransitive",
            Self::Advanced { .. } => "Advanced",
        }
    }
}

impl Serialize for Compatibility {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let advanced = match self {
            Self::Advanced { backward, forward } => Some(AdvancedShape {
                backward_policy: backward
                    .as_ref()
                    .map(|s| BackwardShape { backward_policy: side_shape("Backward", s) }),
                forward_policy: forward
                    .as_ref()
                    .map(|s| ForwardShape { forward_policy: side_shape("Forward", s) }),
            }),
            _ => None,
        };
        CompatibilityShape { policy: self.policy().to_owned(), advanced }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Compatibility {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = CompatibilityShape::deserialize(deserializer)?;
        Ok(match shape.policy.as_str() {
            "AllowAny" => Self::AllowAny,
            "DenyAll" => Self::DenyAll,
            "Backward" => Self::Backward,
            "Forward" => Self::Forward,
            "BackwardTransitive" => Self::BackwardTransitive,
            "ForwardTransitive" => Self::ForwardTransitive,
            "Full" => Self::Full,
            "FullTransitive" => Self::FullTransitive,
            "Advanced" => {
                let advanced =
                    shape.advanced.ok_or_else(|| D::Error::custom("policy Advanced needs `advanced`"))?;
                let backward =
                    advanced.backward_policy.map(|s| side("Backward", s.backward_policy)).transpose()?;
                let forward =
                    advanced.forward_policy.map(|s| side("Forward", s.forward_policy)).transpose()?;
                if backward.is_none() && forward.is_none() {
                    return Err(D::Error::custom(
                        "policy Advanced needs a backwardPolicy or a forwardPolicy",
                    ));
                }
                Self::Advanced { backward, forward }
            }
            other => return Err(D::Error::custom(format!("Unknown compatibility type {other:?}"))),
        })
    }
}

/// The shapes whose members stand for themselves.
macro_rules! shape {
    ($noun:ident as $shape:ident { $($field:ident $(: $attribute:meta)? => $own:ident: $type:ty),* $(,)? }) => {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct $shape {
            $( $(#[$attribute])? $field: $type, )*
        }

        impl Serialize for $noun {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[derive(Serialize)]
                #[serde(rename_all = "camelCase")]
                struct Shown<'a> {
                    $( $(#[$attribute])? $field: &'a $type, )*
                }
                Shown { $( $field: &self.$own, )* }.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $noun {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let shape = $shape::deserialize(deserializer)?;
                Ok(Self { $( $own: shape.$field, )* })
            }
        }
    };
}

type Labels = BTreeMap<String, String>;

/// Clients send `"properties": null` for none.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

mod data {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(&text).map_err(|e| D::Error::custom(format!("schemaData is not base64: {e}")))
    }
}

shape!(GroupProperties as GroupPropertiesShape {
    serialization_format => format: Format,
    compatibility => compatibility: Compatibility,
    allow_multiple_types => allow_multiple_types: bool,
    properties: serde(default, deserialize_with = "labels") => properties: Labels,
});

shape!(SchemaInfo as SchemaInfoShape {
    r#type => type_name: String,
    serialization_format => format: Format,
    schema_data: serde(with = "data") => data: Vec<u8>,
    properties: serde(default, deserialize_with = "labels") => properties: Labels,
});

shape!(VersionInfo as VersionInfoShape {
    r#type => type_name: String,
    serialization_format => format: String,
    version => version: u32,
    id => id: u32,
});

shape!(SchemaWithVersion as SchemaWithVersionShape {
    schema_info => schema: SchemaInfo,
    version_info => version: VersionInfo,
});

shape!(CodecType as CodecTypeShape {
    name => name: String,
    properties: serde(default, deserialize_with = "labels") => properties: Labels,
});

shape!(EncodingInfo as EncodingInfoShape {
    schema_info => schema: SchemaInfo,
    version_info => version: VersionInfo,
    codec_type => codec: CodecType,
});

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncodingIdShape {
    encoding_id: u32,
}

impl Serialize for EncodingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EncodingIdShape { encoding_id: self.0 }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EncodingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EncodingIdShape::deserialize(deserializer).map(|shape| Self(shape.encoding_id))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryRecordShape {
    schema_info: SchemaInfo,
    version_info: VersionInfo,
    compatibility: Compatibility,
    timestamp: u64,
    #[serde(default)]
    schema_string: String,
}

impl HistoryRecord {
    /// The schema as a person reads it: the text itself for Avro and JSON, a descriptor set as JSON for Protobuf, empty for
    /// what has none.
    pub fn schema_string(&self) -> String {
        match self.schema.format {
            Format::Avro | Format::Json => String::from_utf8_lossy(&self.schema.data).into_owned(),
            Format::Protobuf => protobuf::json_text(&self.schema.data).unwrap_or_default(),
            Format::Custom(_) | Format::Any => String::new(),
        }
    }
}

impl Serialize for HistoryRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HistoryRecordShape {
            schema_info: self.schema.clone(),
            version_info: self.version.clone(),
            compatibility: self.compatibility.clone(),
            timestamp: self.timestamp_ms,
            schema_string: self.schema_string(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HistoryRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = HistoryRecordShape::deserialize(deserializer)?;
        Ok(Self {
            schema: shape.schema_info,
            version: shape.version_info,
            compatibility: shape.compatibility,
            timestamp_ms: shape.timestamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: Serialize + for<'a> Deserialize<'a>>(text: &str) {
        let value: T = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }

    fn refused<T: for<'a> Deserialize<'a>>(text: &str) -> String {
        serde_json::from_str::<T>(text).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn shapes_are_the_contracts() {
        round::<GroupProperties>(
            r#"{"serializationFormat":{"serializationFormat":"Avro","fullTypeName":"Avro"},"compatibility":{"policy":"BackwardTransitive"},"allowMultipleTypes":true,"properties":{}}"#,
        );
        round::<Compatibility>(
            r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"BackwardTill","versionInfo":{"type":"a","serializationFormat":"Avro","version":0,"id":0}}},"forwardPolicy":{"forwardPolicy":{"name":"Forward"}}}}"#,
        );
        round::<SchemaWithVersion>(
            r#"{"schemaInfo":{"type":"User","serializationFormat":{"serializationFormat":"Custom","fullTypeName":"thrift"},"schemaData":"eyJ0","properties":{"a":"b"}},"versionInfo":{"type":"User","serializationFormat":"thrift","version":2,"id":2}}"#,
        );
        round::<EncodingId>(r#"{"encodingId":3}"#);
    }

    #[test]
    fn the_java_clients_nulls_are_taken() {
        let properties: GroupProperties = serde_json::from_str(
            r#"{"serializationFormat":{"serializationFormat":"Json","fullTypeName":"Json"},"compatibility":{"policy":"AllowAny","advanced":null},"allowMultipleTypes":false,"properties":null,"more":1}"#,
        )
        .unwrap();
        assert_eq!(properties, GroupProperties::new(Format::Json, Compatibility::AllowAny, false));
    }

    #[test]
    fn wrong_words_are_named() {
        assert!(refused::<Format>(r#"{"serializationFormat":"avro"}"#).contains("\"avro\""));
        assert!(
            refused::<Format>(r#"{"serializationFormat":"Custom"}"#).contains("Custom name not supplied")
        );
        assert!(refused::<Compatibility>(r#"{"policy":"Sometimes"}"#).contains("Unknown compatibility type"));
        assert!(
            refused::<Compatibility>(r#"{"policy":"Advanced","advanced":{}}"#).contains("backwardPolicy")
        );
        let till = r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"BackwardTill"}}}}"#;
        assert!(refused::<Compatibility>(till).contains("versionInfo"));
        let data = r#"{"type":"a","serializationFormat":{"serializationFormat":"Avro"},"schemaData":"*"}"#;
        assert!(refused::<SchemaInfo>(data).contains("base64"));
    }
}
