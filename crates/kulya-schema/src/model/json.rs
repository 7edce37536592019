//! The JSON of the registry contract (REST v1, §1.2): member names and order, omitted nulls, base64. The REST
//! API, the client and the registry's stored records share it.

use super::{
    CodecType, Compatibility, EncodingId, EncodingInfo, Format, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo, VersionScope,
};
use crate::protobuf;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FormatJson {
    serialization_format: String,
    full_type_name: Option<String>,
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct JsonRef<'a> {
            serialization_format: &'a str,
            full_type_name: &'a str,
        }
        let kind = if let Self::Custom(_) = self { "Custom" } else { self.full_name() };
        JsonRef { serialization_format: kind, full_type_name: self.full_name() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = FormatJson::deserialize(deserializer)?;
        // a built-in format has a fixed name; the name in the request is ignored (contract §2)
        Ok(match json.serialization_format.as_str() {
            "Avro" => Self::Avro,
            "Protobuf" => Self::Protobuf,
            "Json" => Self::Json,
            "Any" => Self::Any,
            "Custom" => {
                Self::Custom(json.full_type_name.ok_or_else(|| D::Error::custom("Custom name not supplied"))?)
            }
            other => {
                let known = "serializationFormat Avro, Protobuf, Json, Any or Custom";
                return Err(D::Error::invalid_value(Unexpected::Str(other), &known));
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
struct CompatibilityJson {
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advanced: Option<AdvancedJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdvancedJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    backward_policy: Option<BackwardJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_policy: Option<ForwardJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BackwardJson {
    backward_policy: ScopeJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForwardJson {
    forward_policy: ScopeJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScopeJson {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<VersionInfo>,
}

/// Converts a scope to JSON. Its three names begin with "Backward" or "Forward".
fn scope_to_json(direction: &str, scope: &VersionScope) -> ScopeJson {
    let (ending, version_info) = match scope {
        VersionScope::Latest => ("", None),
        VersionScope::Transitive => ("Transitive", None),
        VersionScope::Till(version) => ("Till", Some(version.clone())),
    };
    ScopeJson { name: format!("{direction}{ending}"), version_info }
}

fn scope_from_json<E: serde::de::Error>(direction: &str, json: ScopeJson) -> Result<VersionScope, E> {
    match (json.name.strip_prefix(direction), json.version_info) {
        (Some(""), _) => Ok(VersionScope::Latest),
        (Some("Transitive"), _) => Ok(VersionScope::Transitive),
        (Some("Till"), Some(version)) => Ok(VersionScope::Till(version)),
        (Some("Till"), None) => Err(E::custom(format!("{direction}Till needs a versionInfo"))),
        _ => Err(E::custom(format!(
            "unknown policy name {:?}: expected {direction}, {direction}Transitive or {direction}Till",
            json.name
        ))),
    }
}

impl Compatibility {
    /// Returns the policy's name, as in the contract.
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
            Self::Advanced { backward, forward } => Some(AdvancedJson {
                backward_policy: backward
                    .as_ref()
                    .map(|s| BackwardJson { backward_policy: scope_to_json("Backward", s) }),
                forward_policy: forward
                    .as_ref()
                    .map(|s| ForwardJson { forward_policy: scope_to_json("Forward", s) }),
            }),
            _ => None,
        };
        CompatibilityJson { policy: self.policy().to_owned(), advanced }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Compatibility {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = CompatibilityJson::deserialize(deserializer)?;
        Ok(match json.policy.as_str() {
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
                    json.advanced.ok_or_else(|| D::Error::custom("policy Advanced needs `advanced`"))?;
                let backward = advanced
                    .backward_policy
                    .map(|s| scope_from_json("Backward", s.backward_policy))
                    .transpose()?;
                let forward = advanced
                    .forward_policy
                    .map(|s| scope_from_json("Forward", s.forward_policy))
                    .transpose()?;
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

/// Implements JSON for types whose members map one to one.
macro_rules! json_struct {
    ($model:ident as $json:ident { $($field:ident $(: $attribute:meta)? => $model_field:ident: $type:ty),* $(,)? }) => {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct $json {
            $( $(#[$attribute])? $field: $type, )*
        }

        impl Serialize for $model {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[derive(Serialize)]
                #[serde(rename_all = "camelCase")]
                struct JsonRef<'a> {
                    $( $(#[$attribute])? $field: &'a $type, )*
                }
                JsonRef { $( $field: &self.$model_field, )* }.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $model {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let json = $json::deserialize(deserializer)?;
                Ok(Self { $( $model_field: json.$field, )* })
            }
        }
    };
}

type Labels = BTreeMap<String, String>;

/// Accepts `"properties": null`, which clients send for none.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Serializes schema data as base64.
pub(crate) mod base64_data {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(&text).map_err(|e| D::Error::custom(format!("schemaData is not base64: {e}")))
    }
}

json_struct!(GroupProperties as GroupPropertiesJson {
    serialization_format => format: Format,
    compatibility => compatibility: Compatibility,
    allow_multiple_types => allow_multiple_types: bool,
    properties: serde(default, deserialize_with = "labels") => properties: Labels,
});

json_struct!(SchemaInfo as SchemaInfoJson {
    r#type => type_name: String,
    serialization_format => format: Format,
    schema_data: serde(with = "base64_data") => data: Vec<u8>,
    properties: serde(default, deserialize_with = "labels") => properties: Labels,
});

json_struct!(VersionInfo as VersionInfoJson {
    r#type => type_name: String,
    serialization_format => format: String,
    version => version: u32,
    id => id: u32,
});

json_struct!(SchemaWithVersion as SchemaWithVersionJson {
    schema_info => schema: SchemaInfo,
    version_info => version: VersionInfo,
});

json_struct!(CodecType as CodecTypeJson {
    name => name: String,
    properties: serde(default, deserialize_with = "labels") => properties: Labels,
});

json_struct!(EncodingInfo as EncodingInfoJson {
    schema_info => schema: SchemaInfo,
    version_info => version: VersionInfo,
    codec_type => codec: CodecType,
});

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncodingIdJson {
    encoding_id: u32,
}

impl Serialize for EncodingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EncodingIdJson { encoding_id: self.0 }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EncodingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EncodingIdJson::deserialize(deserializer).map(|json| Self(json.encoding_id))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryRecordJson {
    schema_info: SchemaInfo,
    version_info: VersionInfo,
    compatibility: Compatibility,
    timestamp: u64,
    #[serde(default)]
    schema_string: String,
}

impl HistoryRecord {
    /// Returns the schema as text: the text itself for Avro and JSON, the descriptor set as JSON for
    /// Protobuf, and an empty text for custom formats.
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
        HistoryRecordJson {
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
        let json = HistoryRecordJson::deserialize(deserializer)?;
        Ok(Self {
            schema: json.schema_info,
            version: json.version_info,
            compatibility: json.compatibility,
            timestamp_ms: json.timestamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_round_trip<T: Serialize + for<'a> Deserialize<'a>>(text: &str) {
        let value: T = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }

    fn error_of<T: for<'a> Deserialize<'a>>(text: &str) -> String {
        serde_json::from_str::<T>(text).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn json_matches_the_contract() {
        assert_round_trip::<GroupProperties>(
            r#"{"serializationFormat":{"serializationFormat":"Avro","fullTypeName":"Avro"},"compatibility":{"policy":"BackwardTransitive"},"allowMultipleTypes":true,"properties":{}}"#,
        );
        assert_round_trip::<Compatibility>(
            r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"BackwardTill","versionInfo":{"type":"a","serializationFormat":"Avro","version":0,"id":0}}},"forwardPolicy":{"forwardPolicy":{"name":"Forward"}}}}"#,
        );
        assert_round_trip::<SchemaWithVersion>(
            r#"{"schemaInfo":{"type":"User","serializationFormat":{"serializationFormat":"Custom","fullTypeName":"thrift"},"schemaData":"eyJ0","properties":{"a":"b"}},"versionInfo":{"type":"User","serializationFormat":"thrift","version":2,"id":2}}"#,
        );
        assert_round_trip::<EncodingId>(r#"{"encodingId":3}"#);
    }

    #[test]
    fn nulls_of_the_java_client_are_accepted() {
        let properties: GroupProperties = serde_json::from_str(
            r#"{"serializationFormat":{"serializationFormat":"Json","fullTypeName":"Json"},"compatibility":{"policy":"AllowAny","advanced":null},"allowMultipleTypes":false,"properties":null,"more":1}"#,
        )
        .unwrap();
        assert_eq!(properties, GroupProperties::new(Format::Json, Compatibility::AllowAny, false));
    }

    #[test]
    fn invalid_values_are_named() {
        assert!(error_of::<Format>(r#"{"serializationFormat":"avro"}"#).contains("\"avro\""));
        assert!(
            error_of::<Format>(r#"{"serializationFormat":"Custom"}"#).contains("Custom name not supplied")
        );
        assert!(
            error_of::<Compatibility>(r#"{"policy":"Sometimes"}"#).contains("Unknown compatibility type")
        );
        assert!(
            error_of::<Compatibility>(r#"{"policy":"Advanced","advanced":{}}"#).contains("backwardPolicy")
        );
        let till = r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"BackwardTill"}}}}"#;
        assert!(error_of::<Compatibility>(till).contains("versionInfo"));
        let data = r#"{"type":"a","serializationFormat":{"serializationFormat":"Avro"},"schemaData":"*"}"#;
        assert!(error_of::<SchemaInfo>(data).contains("base64"));
    }
}
